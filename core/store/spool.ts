/**
 * Bodies while they are received: in memory as long as they are small and the budget that all share allows it, else in a
 * file of the spool folder, written as the octets come. A file counts for nothing until a row names it, so it needs no
 * temporary name: what no row names is removed at a later start (SEMANTICS 25). A spilled body keeps one descriptor
 * open until it is durable, because fsync reports a failed write for certain only to the descriptor that wrote.
 * Non-job: rows (sqlite.ts).
 */
import { concat } from "../model/octets.ts";
import { diskError, writeAll } from "./durable_write.ts";
import { fileStream, octetStream, SpoolFile } from "./spool_file.ts";
import { type Body, type BodyWriter, StoreError } from "./store.ts";

export interface SpoolOptions {
  /** Where files go; null: nowhere, and what does not fit in memory is refused as `full`. */
  readonly folder: string | null;
  /** Octets of bodies in memory, all together (default 32 MiB). */
  readonly budget?: number;
  /** Octets of one body in memory (default 256 KiB; without a folder 64 MiB). */
  readonly memoryLimit?: number;
  /** Most octets of a spilled body that stay in memory as `head`; the engine's bound of a header section (256 KiB). */
  readonly headLimit?: number;
}

const KIB = 1024;
const FIRST = 8 * KIB; // a first block that holds a usual message; it may exceed the budget: mail goes on while big ones spill
const NEXT = 32 * KIB; // the blocks after it
const SLOW = 250; // milliseconds in one write that mean: the disk is behind
const REST = 1000; // milliseconds that the session thread then leaves writing to others
const AT_ONCE = 4; // writes on other threads: each of hundreds would cost a thread with a stack and a heap of its own
const SPARE = 8 * KIB * KIB; // octets of blocks kept for the next bodies

/** A piece of a body. Blocks are used again and again, so no view of one may ever leave this file. */
interface Block {
  readonly octets: Uint8Array<ArrayBuffer>;
  length: number;
}

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
  /** Octets of heads of spilled bodies. They cannot be spilled, so they have a budget of their own, of the same size. */
  heads = 0;
  #serial = 0;
  #slowUntil = 0;
  #spare = 0;
  #turns = 0;
  readonly #queue: (() => void)[] = [];
  readonly #first: Block[] = [];
  readonly #next: Block[] = [];
  readonly #removals = new Set<Promise<void>>();

  constructor(options: SpoolOptions) {
    this.folder = options.folder;
    this.budget = options.budget ?? 32 * KIB * KIB;
    this.memoryLimit = options.memoryLimit ?? (options.folder === null ? 64 * KIB * KIB : 256 * KIB);
    this.headLimit = options.headLimit ?? 256 * KIB;
  }

  receive(id: string): BodyWriter {
    if (!/^[0-9A-Za-z_-]{1,64}$/.test(id)) throw new TypeError(`${JSON.stringify(id)} is no name for a spool file`);
    return new SpoolWriter(this, id);
  }

  /** A name that no body of this process had before; ids make it new across processes. */
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

  /**
   * Writes on this thread: into the page cache, that costs a quarter of a write on another thread and no copy. Where the
   * kernel makes us wait instead, writes leave the thread for a while.
   */
  write(file: Deno.FsFile, octets: Uint8Array): void {
    const begin = performance.now();
    for (let at = 0; at < octets.length;) at += file.writeSync(octets.subarray(at));
    const end = performance.now();
    if (end - begin > SLOW) this.#slowUntil = end + REST;
  }

  /** Runs `work` when it is its turn among those that leave this thread. */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#turns < AT_ONCE) this.#turns++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#turns--;
      else next();
    }
  }

  get slow(): boolean {
    return this.#slowUntil > 0 && performance.now() < this.#slowUntil;
  }

  take(size: typeof FIRST | typeof NEXT): Block {
    this.used += size;
    const block = (size === FIRST ? this.#first : this.#next).pop();
    if (block === undefined) return { octets: new Uint8Array(size), length: 0 };
    this.#spare -= size;
    block.length = 0;
    return block;
  }

  give(block: Block): void {
    const size = block.octets.length;
    this.used -= size;
    if (this.#spare + size > SPARE) return;
    this.#spare += size;
    (size === FIRST ? this.#first : this.#next).push(block);
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

/** Collects the octets up to the end of the header section: CRLF CRLF, or CRLF at the very start. */
class Head {
  #octets = new Uint8Array(0);
  #size = 0;
  #matched = 2; // of CR LF CR LF; the start counts as the end of a line
  #done = false;
  constructor(readonly spool: Spool) {}

  add(octets: Uint8Array): void {
    if (this.#done) return;
    let end = 0;
    const most = Math.min(octets.length, this.spool.headLimit - this.#size);
    while (end < most && this.#matched < 4) {
      const octet = octets[end++];
      if (octet === 13) this.#matched = this.#matched === 2 ? 3 : 1;
      else if (octet === 10 && (this.#matched === 1 || this.#matched === 3)) this.#matched++;
      else this.#matched = 0;
    }
    if (this.spool.heads + end > this.spool.budget) {
      throw new StoreError("busy", "too many messages are being received");
    }
    this.spool.heads += end;
    if (this.#size + end > this.#octets.length) { // doubled: a piece of one octet must cost no object of its own
      const grown = new Uint8Array(Math.min(this.spool.headLimit, 2 * (this.#size + end)));
      grown.set(this.#octets.subarray(0, this.#size));
      this.#octets = grown;
    }
    this.#octets.set(octets.subarray(0, end), this.#size);
    this.#size += end;
    this.#done = this.#matched === 4 || this.#size === this.spool.headLimit;
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#octets.slice(0, this.#size);
  }

  free(): void {
    this.spool.heads -= this.#size;
    this.#size = 0;
    this.#octets = new Uint8Array(0);
    this.#done = true;
  }
}

class SpoolWriter implements BodyWriter {
  readonly #spool: Spool;
  readonly #id: string;
  #size = 0;
  /** The body while it is in memory; after the spill what is not yet given to the disk. */
  #blocks: Block[] = [];
  #name: string | null = null;
  #file: Deno.FsFile | null = null;
  #head: Head | null = null;
  /** The last write on another thread (each waits for the one before), and how many are under way. */
  #disk: Promise<void> | null = null;
  #writing = 0;
  #fault: StoreError | null = null;
  #over = false;

  constructor(spool: Spool, id: string) {
    this.#spool = spool;
    this.#id = id;
  }

  write(chunk: Uint8Array): void | Promise<void> {
    if (this.#over || this.#fault || chunk.length === 0) return;
    const size = this.#size + chunk.length;
    try {
      if (this.#name === null && !this.#fits(size)) this.#spill();
      this.#size = size;
      if (this.#name === null) this.#copy(chunk);
      else this.#append(chunk);
    } catch (error) {
      return Promise.reject(this.#fail(diskError(error, "cannot spool the message")));
    }
    return this.#writing > 0 ? this.#disk! : undefined;
  }

  /** Is there memory for a body of that size? */
  #fits(size: number): boolean {
    if (size > this.#spool.memoryLimit) return false;
    const capacity = this.#blocks.length === 0 ? 0 : FIRST + (this.#blocks.length - 1) * NEXT;
    let more = capacity === 0 ? FIRST : 0;
    while (capacity + more < size) more += NEXT;
    return more === 0 || this.#spool.allows(more, size <= FIRST);
  }

  #copy(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      let block = this.#blocks.at(-1);
      if (block === undefined || block.length === block.octets.length) {
        block = this.#spool.take(this.#blocks.length === 0 ? FIRST : NEXT);
        this.#blocks.push(block);
      }
      const room = block.octets.length - block.length;
      const part = at === 0 && chunk.length <= room ? chunk : chunk.subarray(at, at + room);
      block.octets.set(part, block.length);
      block.length += part.length;
      at += part.length;
    }
  }

  /** From now on the octets go to a file. */
  #spill(): void {
    if (this.#spool.folder === null) throw new StoreError("full", "the message does not fit in memory");
    this.#name = this.#spool.newFile(this.#id);
    this.#head = new Head(this.#spool);
    for (const { octets, length } of this.#blocks) this.#head.add(octets.subarray(0, length));
    this.#file = Deno.openSync(this.#spool.path(this.#name), { write: true, createNew: true, mode: 0o600 });
  }

  #append(chunk: Uint8Array): void {
    this.#head!.add(chunk);
    const elsewhere = this.#writing > 0 || this.#spool.slow;
    const gathered = this.#blocks[0]?.length ?? 0;
    if (elsewhere || gathered + chunk.length <= FIRST) this.#copy(chunk); // small pieces share a write
    if (elsewhere) return this.#writeElsewhere();
    if (gathered + chunk.length <= FIRST) return;
    this.#writeHere();
    this.#spool.write(this.#file!, chunk);
  }

  #writeHere(): void {
    for (const { octets, length } of this.#blocks) this.#spool.write(this.#file!, octets.subarray(0, length));
    this.#release();
  }

  #writeElsewhere(): void {
    for (const block of this.#blocks) {
      this.#writing++;
      this.#disk = this.#put(this.#disk, block);
      this.#disk.catch(() => {}); // told by `write` or `finish`, whoever is asked
    }
    this.#blocks = [];
  }

  async #put(before: Promise<void> | null, block: Block): Promise<void> {
    try {
      if (before) await before;
      if (this.#over) return;
      await this.#spool.turn(() => writeAll(this.#file!, block.octets.subarray(0, block.length)));
    } catch (error) {
      throw this.#fault ?? this.#fail(diskError(error, "cannot spool the message"));
    } finally {
      this.#writing--;
      this.#spool.give(block);
    }
  }

  #fail(fault: StoreError): StoreError {
    this.#fault = fault;
    this.#release();
    this.#head?.free();
    return fault;
  }

  finish(): Body | Promise<Body> {
    if (this.#over) throw new TypeError("the body is finished or aborted");
    if (this.#fault || this.#name !== null) return this.#finishFile();
    this.#over = true;
    const memory = concat(this.#blocks.map(({ octets, length }) => octets.subarray(0, length)));
    this.#release();
    return new MemoryBody(this.#spool, memory);
  }

  async #finishFile(): Promise<Body> {
    try {
      if (this.#fault === null && this.#writing === 0) this.#writeHere();
      else if (this.#fault === null) this.#writeElsewhere();
      await this.#disk;
    } catch (error) {
      this.#fault ??= diskError(error, "cannot spool the message");
    }
    if (this.#fault) {
      this.abort();
      throw this.#fault;
    }
    if (this.#over) throw new StoreError("closed", "the message was given up");
    this.#over = true;
    return new FileBody(this.#spool, this.#name!, this.#file!, this.#size, this.#head!);
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    this.#head?.free();
    const file = this.#file;
    if (file === null) return;
    const drop = () => {
      file.close();
      this.#spool.remove(this.#name!);
    };
    if (this.#disk) this.#disk.then(drop, drop);
    else drop();
  }

  #release(): void {
    for (const block of this.#blocks) this.#spool.give(block);
    this.#blocks = [];
  }
}

class MemoryBody implements Body {
  readonly size: number;
  readonly #spool: Spool;
  #counted: number;
  constructor(spool: Spool, readonly memory: Uint8Array<ArrayBuffer>) {
    this.#spool = spool;
    this.size = this.#counted = memory.length;
    spool.used += this.#counted;
  }
  get head(): Uint8Array<ArrayBuffer> {
    return this.memory;
  }
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return octetStream(this.memory);
  }
  discard(): void {
    this.#spool.used -= this.#counted; // views of it live on as long as somebody holds one
    this.#counted = 0;
  }
}

/** A body in a spool file. */
export class FileBody extends SpoolFile {
  readonly head: Uint8Array<ArrayBuffer>;
  readonly #spool: Spool;
  readonly #head: Head;
  #file: Deno.FsFile | null;
  #kept = false;

  constructor(spool: Spool, readonly name: string, file: Deno.FsFile, readonly size: number, head: Head) {
    super();
    this.#spool = spool;
    this.#file = file;
    this.#head = head;
    this.head = head.take();
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
