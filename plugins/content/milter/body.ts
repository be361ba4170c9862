/**
 * The body on its way to a milter in chunks of the size that was agreed on, and the one that a milter sends in its place:
 * both in bounded memory, whatever the size. Non-job: the header section (headers.ts).
 */
import type { DataContext, Message } from "../../../core/pipeline/mod.ts";
import { MilterError } from "./protocol.ts";

type Octets = Uint8Array<ArrayBuffer>;

/** The body that goes on, in chunks of `size` octets, the last one smaller. */
export async function* chunksOf(message: Message, size: number): AsyncGenerator<Octets, void> {
  let buffer = new Uint8Array(Math.min(size, Math.max(message.size, 1))), filled = 0, before = message.bodyStart;
  for await (const octets of message.content()) {
    let at = Math.min(before, octets.length);
    before -= at;
    while (at < octets.length) {
      const piece = octets.subarray(at, at + buffer.length - filled);
      buffer.set(piece, filled);
      at += piece.length;
      filled += piece.length;
      if (filled < buffer.length) break;
      yield buffer;
      buffer = new Uint8Array(buffer.length); // the other one may still wait to be sent
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

const CR = 13, LF = 10;

/** Makes CRLF of each line end: a bare one would be read in two ways by those behind us (SEMANTICS 21). */
export class LineEnds {
  #afterCr = false;

  take(chunk: Uint8Array): Octets {
    let bare = 0, last = this.#afterCr ? CR : 0;
    for (const octet of chunk) {
      if ((octet === LF) !== (last === CR)) bare++; // a CR without its LF, or the other way round
      last = octet;
    }
    const out = new Uint8Array(chunk.length + bare);
    let size = 0, cr = this.#afterCr;
    for (const octet of chunk) {
      if (octet === LF && !cr) out[size++] = CR;
      if (octet !== LF && cr) out[size++] = LF;
      out[size++] = octet;
      cr = octet === CR;
    }
    this.#afterCr = cr;
    return out.subarray(0, size);
  }
  /** What is missing at the end. */
  end(): Octets {
    const rest = this.#afterCr ? Uint8Array.of(LF) : new Uint8Array(0);
    this.#afterCr = false;
    return rest;
  }
}

/** Octets of a body that comes in the place of another. */
const LARGEST = 256 * 1024 * 1024;

/** A body that a milter sends: it goes to its place while it comes, and counts only once it is whole. */
export class Replacement {
  readonly #writer: WritableStreamDefaultWriter<Octets>;
  readonly #done: Promise<void>;
  readonly #lineEnds = new LineEnds();
  #size = 0;

  constructor(ctx: Pick<DataContext, "rewrite">, reason: string) {
    const { readable, writable } = new TransformStream<Octets, Octets>();
    this.#writer = writable.getWriter();
    this.#done = ctx.rewrite(readable, reason);
    this.#done.catch(() => {}); // told by whoever waits for it
    this.#writer.closed.catch(() => {});
  }

  /** Resolves when there is room for more. @throws {MilterError} when it is too large. */
  async push(chunk: Uint8Array): Promise<void> {
    if ((this.#size += chunk.length) > LARGEST) throw new MilterError("its body is too large");
    const octets = this.#lineEnds.take(chunk);
    if (octets.length > 0) await this.#write(octets);
  }
  /** It is whole: from here on it is the message's. */
  async finish(): Promise<void> {
    const rest = this.#lineEnds.end();
    if (rest.length > 0) await this.#write(rest);
    await this.#writer.close();
    await this.#done;
  }
  /** It was for nothing. */
  async abandon(why: unknown): Promise<void> {
    await this.#writer.abort(why).catch(() => {});
    await this.#done.catch(() => {});
  }

  /** Whoever is to take it may have failed, and then nobody ever takes it. */
  async #write(octets: Octets): Promise<void> {
    const written = this.#writer.write(octets);
    written.catch(() => {}); // the other one says more
    await Promise.race([this.#done, written]);
  }
}
