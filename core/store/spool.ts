/**
 * Bodies while they are received: in memory as long as they are small and the budget that all share allows it, else in a
 * file of the spool folder, written as the octets come. A file counts for nothing until a row names it, so it needs no
 * temporary name: what no row names is removed at a later start (SEMANTICS 25). A spilled body keeps one descriptor
 * open until it is durable, because fsync reports a failed write for certain only to the descriptor that wrote.
 * Non-job: rows (sqlite.ts).
 */
import { diskError, writeAll } from "./durable_write.ts";
import { type Body, type BodyWriter, StoreError } from "./store.ts";

export interface SpoolOptions {
  /** Where files go; null: nowhere, and what does not fit in memory is refused as `full`. */
  readonly folder: string | null;
  /** Octets of bodies in memory, all together (default 64 MiB). */
  readonly budget?: number;
  /** Octets of one body in memory (default 256 KiB; without a folder 64 MiB). */
  readonly memoryLimit?: number;
  /** Most octets of a spilled body that stay in memory as `head`; the engine's bound of a header section (256 KiB). */
  readonly headLimit?: number;
}

const KIB = 1024;
const FIRST = 8 * KIB; // a first buffer that holds a usual message
const SMALL = 16 * KIB; // bodies up to this may exceed the budget by a quarter: mail goes on while big ones spill
const TAIL = 32 * KIB; // what a spilled body gathers before it writes

/** Whether `newFile` made that name, for the id of a message. */
export function isSpoolFile(name: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{26}\.[0-9a-z]{1,11}$/.test(name);
}

/** Makes writers, and knows how much memory their bodies take. */
export class Spool {
  readonly folder: string | null;
  readonly budget: number;
  readonly memoryLimit: number;
  readonly headLimit: number;
  /** Octets of bodies in memory now. */
  used = 0;
  #serial = 0;
  readonly #removals = new Set<Promise<void>>();

  constructor(options: SpoolOptions) {
    this.folder = options.folder;
    this.budget = options.budget ?? 64 * KIB * KIB;
    this.memoryLimit = options.memoryLimit ?? (options.folder === null ? 64 * KIB * KIB : 256 * KIB);
    this.headLimit = options.headLimit ?? 256 * KIB;
  }

  receive(id: string): BodyWriter {
    if (!/^[0-9A-Za-z_-]{1,64}$/.test(id)) throw new TypeError(`${JSON.stringify(id)} is no name for a spool file`);
    return new SpoolWriter(this, id);
  }

  /** A path that no body of this process had before; ids make it new across processes. */
  newFile(id: string): string {
    return `${id}.${(this.#serial++).toString(36)}`;
  }

  path(file: string): string {
    return `${this.folder}/${file}`;
  }

  /** May somebody take `more` octets of memory? `urgent`: a small body, or what cannot be spilled. */
  allows(more: number, urgent: boolean): boolean {
    return this.used + more <= (urgent ? this.budget * 1.25 : this.budget);
  }

  remove(file: string): void {
    const removal = Deno.remove(this.path(file)).catch(() => {}) // an orphan is found at a later start
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** Resolves when every removal asked for so far is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }
}

/** Octets that grow by doubling, counted against the budget. */
class Buffer {
  #octets = new Uint8Array(0);
  length = 0;
  urgent = false;
  constructor(readonly spool: Spool, readonly limit: number) {}

  /** False when there is no room; then nothing was taken. */
  append(chunk: Uint8Array): boolean {
    const size = this.length + chunk.length;
    if (size > this.#octets.length) {
      if (size > this.limit) return false;
      let capacity = Math.max(FIRST, this.#octets.length);
      while (capacity < size) capacity *= 2;
      capacity = Math.max(size, Math.min(capacity, this.limit));
      const more = capacity - this.#octets.length;
      if (!this.spool.allows(more, this.urgent || size <= SMALL)) return false;
      this.spool.used += more;
      const grown = new Uint8Array(capacity);
      if (this.length > 0) grown.set(this.#octets.subarray(0, this.length));
      this.#octets = grown;
    }
    this.#octets.set(chunk, this.length);
    this.length = size;
    return true;
  }

  get view(): Uint8Array<ArrayBuffer> {
    return this.#octets.subarray(0, this.length);
  }

  /** Keeps the first `length` octets in a buffer of their size. */
  cut(length: number): void {
    const octets = this.#octets.slice(0, length);
    this.free();
    this.spool.used += octets.length;
    this.#octets = octets;
    this.length = octets.length;
  }

  free(): void {
    this.spool.used -= this.#octets.length;
    this.#octets = new Uint8Array(0);
    this.length = 0;
  }
}

/** Index after the first CRLF CRLF (or after a CRLF at the very start), or -1. */
export function headerEnd(octets: Uint8Array, from = 0): number {
  if (octets[0] === 13 && octets[1] === 10) return 2;
  for (let at = octets.indexOf(13, from); at >= 0 && at + 3 < octets.length; at = octets.indexOf(13, at + 1)) {
    if (octets[at + 1] === 10 && octets[at + 2] === 13 && octets[at + 3] === 10) return at + 4;
  }
  return -1;
}

class SpoolWriter implements BodyWriter {
  readonly #spool: Spool;
  readonly #id: string;
  /** The body while it is in memory; after the spill its head. */
  readonly #memory: Buffer;
  #size = 0;
  #name: string | null = null;
  #file: Deno.FsFile | null = null;
  #headDone = false;
  #tail: Buffer | null = null;
  /** The last write asked for; each waits for the one before. */
  #disk: Promise<void> | null = null;
  #fault: StoreError | null = null;
  #over = false;

  constructor(spool: Spool, id: string) {
    this.#spool = spool;
    this.#id = id;
    this.#memory = new Buffer(spool, spool.memoryLimit);
  }

  write(chunk: Uint8Array): void | Promise<void> {
    if (this.#over || this.#fault || chunk.length === 0) return;
    this.#size += chunk.length;
    if (this.#name !== null) return this.#append(chunk);
    if (this.#memory.append(chunk)) return;
    if (this.#spool.folder === null) {
      this.#fault = new StoreError("full", "the message does not fit in memory");
      this.#release();
      return Promise.reject(this.#fault);
    }
    this.#name = this.#spool.newFile(this.#id);
    const start = this.#memory.view; // stays whole for the write, while the buffer is cut to the head
    const end = headerEnd(start);
    this.#headDone = end >= 0 || start.length >= this.#spool.headLimit;
    this.#memory.urgent = true;
    const first = this.#later(start);
    this.#memory.cut(Math.min(end >= 0 ? end : start.length, this.#spool.headLimit));
    if (start.length === 0) return this.#append(chunk);
    first.catch(() => {});
    const rest = this.#append(chunk);
    return rest ?? first;
  }

  #append(chunk: Uint8Array): void | Promise<void> {
    if (!this.#headDone && !this.#extendHead(chunk)) {
      this.#fault = new StoreError("busy", "too many messages are being received");
      return Promise.reject(this.#fault);
    }
    const tail = this.#tail ??= new Buffer(this.#spool, TAIL);
    const crowded = this.#spool.used > this.#spool.budget / 2;
    if (!crowded && tail.append(chunk)) return;
    const block = new Uint8Array(tail.length + chunk.length);
    block.set(tail.view);
    block.set(chunk, tail.length);
    tail.free();
    return this.#later(block);
  }

  #extendHead(chunk: Uint8Array): boolean {
    const before = this.#memory.length;
    const room = this.#spool.headLimit - before;
    if (!this.#memory.append(chunk.length > room ? chunk.subarray(0, room) : chunk)) return false;
    const end = headerEnd(this.#memory.view, Math.max(0, before - 3));
    this.#headDone = end >= 0 || this.#memory.length >= this.#spool.headLimit;
    if (end >= 0) this.#memory.cut(end);
    return true;
  }

  /** Writes the block after those before it. */
  #later(block: Uint8Array): Promise<void> {
    const before = this.#disk;
    this.#spool.used += block.length;
    const written = this.#put(before, block).finally(() => this.#spool.used -= block.length);
    written.catch(() => {}); // told by `write` or `finish`, whoever is asked
    return this.#disk = written;
  }

  async #put(before: Promise<void> | null, block: Uint8Array): Promise<void> {
    if (before) await before;
    if (this.#over) return;
    try {
      this.#file ??= await Deno.open(this.#spool.path(this.#name!), { write: true, createNew: true, mode: 0o600 });
      await writeAll(this.#file, block);
    } catch (error) {
      throw this.#fault ??= diskError(error, "cannot spool the message");
    }
  }

  finish(): Body | Promise<Body> {
    if (this.#over) throw new TypeError("the body is finished or aborted");
    if (this.#name !== null) return this.#finishFile();
    if (this.#fault) return this.#refuse();
    this.#over = true;
    return new MemoryBody(this.#memory);
  }

  #refuse(): Promise<never> {
    const fault = this.#fault!;
    this.abort();
    return Promise.reject(fault);
  }

  async #finishFile(): Promise<Body> {
    try {
      if (this.#tail !== null && this.#tail.length > 0 && !this.#fault) {
        const block = this.#tail.view;
        this.#tail.free();
        this.#later(block);
      }
      await this.#disk;
    } catch { /* it is the fault */ }
    if (this.#over) throw this.#fault ?? new StoreError("closed", "the message was given up");
    if (this.#fault) return this.#refuse();
    this.#over = true;
    return new FileBody(this.#spool, this.#name!, this.#file!, this.#size, this.#memory);
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    const name = this.#name;
    if (name === null) return;
    const drop = () => {
      this.#file?.close();
      if (this.#file) this.#spool.remove(name);
      this.#file = null;
    };
    if (this.#disk) this.#disk.then(drop, drop);
    else drop();
  }

  #release(): void {
    this.#memory.free();
    this.#tail?.free();
  }
}

class MemoryBody implements Body {
  readonly size: number;
  readonly memory: Uint8Array<ArrayBuffer>;
  readonly #buffer: Buffer;
  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.memory = buffer.view;
    this.size = buffer.length;
  }
  get head(): Uint8Array<ArrayBuffer> {
    return this.memory;
  }
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return octetStream(this.memory);
  }
  discard(): void {
    this.#buffer.free(); // views of it live on as long as somebody holds one
  }
}

/** A body in a spool file. */
export class FileBody implements Body {
  readonly memory = null;
  readonly head: Uint8Array<ArrayBuffer>;
  readonly #spool: Spool;
  readonly #head: Buffer;
  #file: Deno.FsFile | null;
  #kept = false;

  constructor(spool: Spool, readonly name: string, file: Deno.FsFile, readonly size: number, head: Buffer) {
    this.#spool = spool;
    this.#file = file;
    this.#head = head;
    this.head = head.view;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return fileStream(this.#spool.path(this.name), this.size);
  }

  /** Makes the octets durable, not yet the name: the folder's fsync is the writer thread's. */
  async sync(): Promise<void> {
    if (this.#file === null) throw new StoreError("io", "the body was given away before");
    try {
      await this.#file.sync();
      const { size } = await this.#file.stat();
      if (size !== this.size) throw new Error(`it has ${size} octets instead of ${this.size}`);
    } catch (error) {
      throw diskError(error, "cannot make the message durable");
    }
  }

  /** A row names the file now, or may: leave it where it is. */
  keep(): void {
    this.#kept = true;
    this.discard();
  }

  discard(): void {
    if (this.#file === null) return;
    this.#file.close();
    this.#file = null;
    this.#head.free();
    if (!this.#kept) this.#spool.remove(this.name);
  }
}

/** One chunk, not copied. */
export function octetStream(octets: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull(controller) {
      if (octets.length > 0) controller.enqueue(octets);
      controller.close();
    },
  }, { highWaterMark: 0 });
}

/** The octets of a file, opened when the first is asked for. Errors when the file does not have `size` octets. */
export function fileStream(path: string, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let file: Deno.FsFile | null = null, left = size;
  return new ReadableStream({
    async pull(controller) {
      try {
        file ??= await Deno.open(path, { read: true });
        const chunk = new Uint8Array(64 * KIB);
        const count = await file.read(chunk) ?? 0;
        left -= count;
        if (left < 0 || (count === 0 && left > 0)) throw new StoreError("io", `${path} does not have ${size} octets`);
        if (count > 0) return controller.enqueue(chunk.subarray(0, count));
        file.close();
        controller.close();
      } catch (error) {
        file?.close();
        controller.error(diskError(error, `cannot read ${path}`));
      }
    },
    cancel: () => file?.close(),
  }, { highWaterMark: 0 });
}
