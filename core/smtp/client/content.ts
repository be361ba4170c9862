/**
 * Where the host puts the content of one transaction: by DATA it goes out as it comes, by BDAT in chunks of a bounded
 * size, some of them unanswered at a time (RFC 3030 2, 4.2). Once the transaction is over it takes nothing any more.
 * Non-job: the lines of it (line_writer.ts), what the peer answers (session.ts).
 */
import { LineWriter } from "./line_writer.ts";
import { Output } from "./output.ts";

/** Content that reaches this size goes as a chunk, octets. */
export const CHUNK = 64 * 1024;

export interface ContentSink {
  /**
   * Takes octets, which are the caller's again at once. False: enough for now, another `content` event says when to go on
   * (or `done` that nobody wants it any more). A host may write on all the same; it only costs memory.
   */
  write(octets: Uint8Array): boolean;
  /** That was all of it. */
  end(): void;
}

/** What a content sees of its session. */
export interface Carrier {
  readonly output: Output;
  /** Another chunk may be sent before one is answered. */
  readonly room: boolean;
  /** BDAT with these octets. */
  chunk(octets: Output, last: boolean): void;
  /** The end of the content is in the output. */
  end(): void;
}

/** What the session sees of a content. */
export interface Content extends ContentSink {
  /** The host was told to wait. */
  readonly blocked: boolean;
  /** All of it is in the output, its end too. */
  readonly ended: boolean;
  /** There may be room again; true when the host is to go on. */
  resume(): boolean;
  /** Nobody wants it any more. */
  close(): void;
}

export class DataContent implements Content {
  readonly blocked = false;
  ended = false;
  #closed = false;
  readonly #carrier: Carrier;
  readonly #lines = new LineWriter(true);

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  write(octets: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#lines.write(octets, this.#carrier.output); // the socket tells the host when it is enough
    return true;
  }

  end(): void {
    if (this.#closed) return;
    this.#closed = this.ended = true;
    this.#lines.end(this.#carrier.output);
    this.#carrier.end();
  }

  resume(): boolean {
    return false;
  }
  close(): void {
    this.#closed = true;
  }
}

export interface ChunkOptions {
  /** Octets that are no lines: BODY=BINARYMIME. */
  readonly binary: boolean;
  /**
   * The last chunk is empty and goes when all are answered: in LMTP it has a reply for each recipient, if nothing was
   * wrong before (RFC 2033 4.2).
   */
  readonly loneLast: boolean;
}

export class ChunkContent implements Content {
  blocked = false;
  ended = false;
  #complete = false;
  #closed = false;
  readonly #carrier: Carrier;
  readonly #options: ChunkOptions;
  readonly #lines: LineWriter | null;
  readonly #gathered = new Output();

  constructor(carrier: Carrier, options: ChunkOptions) {
    this.#carrier = carrier;
    this.#options = options;
    this.#lines = options.binary ? null : new LineWriter(false);
  }

  write(octets: Uint8Array): boolean {
    if (this.#closed || this.#complete) return false;
    for (let at = 0; at < octets.length; at += CHUNK) {
      const part = at === 0 && octets.length <= CHUNK ? octets : octets.subarray(at, at + CHUNK);
      if (this.#lines === null) this.#gathered.octets(part);
      else this.#lines.write(part, this.#gathered);
      this.#send();
    }
    this.blocked = !this.#carrier.room;
    return !this.blocked;
  }

  end(): void {
    if (this.#closed || this.#complete) return;
    this.#complete = true;
    this.#lines?.end(this.#gathered);
    this.#send();
  }

  resume(): boolean {
    this.#send();
    if (!this.blocked || this.#complete || this.#closed || !this.#carrier.room) return false;
    this.blocked = false;
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#gathered.take();
  }

  /** What is due, as far as there is room. */
  #send(): void {
    const gathered = this.#gathered;
    while (!this.#closed && this.#carrier.room) {
      const last = this.#complete && (gathered.length === 0 || !this.#options.loneLast);
      if (!last && !this.#complete && gathered.length < CHUNK) return;
      if (last) this.#closed = this.ended = true;
      this.#carrier.chunk(gathered, last);
    }
  }
}
