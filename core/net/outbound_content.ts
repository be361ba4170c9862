/**
 * Carries the content of one transaction from a stream to the engine's sink, a block at a time: reads no further than
 * the peer takes it, and ends only what is whole. Non-job: the socket and its time (outbound.ts), lines and dots.
 */
import type { ContentSink } from "../smtp/client/mod.ts";

/** Content as it is stored, or a small one in memory. */
export type OutboundContent = ReadableStream<Uint8Array> | Uint8Array;

/** What the feed sees of its connection. */
export interface FeedHost {
  /** Writes what the engine has; false while the peer has to take more first. */
  flush(): boolean;
  /** The content cannot be had. */
  contentFailed(reason: string): void;
}

/** Octets that are gathered before they are written, and that the engine takes at a time. */
const BLOCK = 64 * 1024;
const NOTHING = new Uint8Array(0);

export class ContentFeed {
  readonly #open: () => OutboundContent;
  readonly #size: number;
  readonly #host: FeedHost;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #sink: ContentSink | null = null;
  #left: Uint8Array = NOTHING;
  #handed = 0;
  /** Octets that the engine has and nobody has written yet. */
  #held = 0;
  /** The source has no more. */
  #complete = false;
  #reading = false;
  #over = false;

  /** `size`: what the peer was told. */
  constructor(open: () => OutboundContent, size: number, host: FeedHost) {
    this.#open = open;
    this.#size = size;
    this.#host = host;
  }

  /** The source is to say something. */
  get reading(): boolean {
    return this.#reading;
  }

  /** The engine wants content. */
  wanted(sink: ContentSink): void {
    if (this.#over) return;
    const first = this.#handed === 0 && this.#reader === null && !this.#complete;
    this.#sink = sink;
    if (first) {
      try {
        const content = this.#open();
        if (content instanceof Uint8Array) {
          this.#left = content;
          this.#complete = true;
        } else this.#reader = content.getReader();
      } catch (error) {
        return this.#fail(error);
      }
    }
    this.#go();
  }

  /** The peer has taken what was written. */
  drained(): void {
    if (!this.#over && !this.#reading) this.#go();
  }

  /** Nobody wants it any more. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#left = NOTHING;
    this.#sink = null;
    if (!this.#complete) this.#reader?.cancel().catch(ignore);
  }

  #go(): void {
    while (this.#sink !== null && !this.#reading) {
      if (this.#left.length === 0) {
        if (this.#complete) return this.#end(this.#sink);
        this.#reading = true;
        this.#reader!.read().then(this.#took, this.#failed);
        return; // one write for a small message: what is held waits for the rest of it
      }
      const piece = this.#left.length <= BLOCK ? this.#left : this.#left.subarray(0, BLOCK);
      this.#left = piece.length === this.#left.length ? NOTHING : this.#left.subarray(BLOCK);
      this.#handed += piece.length;
      if (this.#handed > this.#size) return this.#fail(new Error("it is longer than it should be"));
      this.#held += piece.length;
      if (!this.#sink.write(piece)) this.#sink = null; // another event says when to go on
      if (this.#held < BLOCK && this.#sink !== null) continue;
      this.#held = 0;
      if (!this.#host.flush()) return;
    }
  }

  /** Half a message must not get its dot: to the peer it would be a whole one. */
  #end(sink: ContentSink): void {
    if (this.#handed !== this.#size) return this.#fail(new Error(`it ends after ${this.#handed} octets`));
    this.#over = true;
    this.#sink = null;
    sink.end();
    this.#host.flush();
  }

  readonly #took = (result: ReadableStreamReadResult<Uint8Array>): void => {
    this.#reading = false;
    if (this.#over) return;
    if (result.done) this.#complete = true;
    else this.#left = result.value;
    this.#go();
  };

  readonly #failed = (error: unknown): void => {
    this.#reading = false;
    if (!this.#over) this.#fail(error);
  };

  #fail(error: unknown): void {
    this.stop();
    this.#host.contentFailed(error instanceof Error ? error.message : String(error));
  }
}

function ignore(): void {}
