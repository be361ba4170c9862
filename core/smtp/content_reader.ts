/**
 * The content of a message out of the octets of DATA or BDAT: finds CRLF.CRLF and nothing else (RFC 5321 2.3.8, 4.5.2),
 * takes stuffed dots away, and watches what content must not be: bare CR or LF, too long, too big a header section.
 * Works on any cut of the input and keeps nothing of it but its state. Non-job: where the content goes.
 */

import { nextBreak, wordsOf } from "./line_break.ts";

/** What is wrong with the content; the first fault stands. */
export type ContentFault = "bare-cr" | "bare-lf" | "size" | "header" | "line";

export interface ContentLimits {
  /** Octets of the whole content. */
  readonly size: number;
  /** Octets of the header section. */
  readonly header: number;
  /** Octets of a line with its CRLF. */
  readonly line: number;
}
export interface ContentOptions {
  readonly limits: ContentLimits;
  /** A dot on a line of its own ends it, leading dots are stuffed: DATA. Otherwise the chunk counts: BDAT. */
  readonly dots: boolean;
  /** Bare CR and LF: a fault, made CRLF (a bare CR: a space) on the way in, or content like any other (BINARYMIME). */
  readonly bare: "reject" | "normalize" | "keep";
}

const CR = 13, LF = 10, DOT = 46;
const CRLF = Uint8Array.of(CR, LF), ONE_CR = Uint8Array.of(CR), SPACE = Uint8Array.of(32);
const EMPTY = new Uint8Array(0);
// Where the last octet left us. LINE: at the start of a line. DOTTED: a dot stood there. DOT_CR: and a CR behind it.
const TEXT = 0, LINE = 1, AFTER_CR = 2, DOTTED = 3, DOT_CR = 4, DONE = 5;

export class ContentReader {
  /** The first fault, or null. Content goes on being read to its end, but none comes out any more. */
  fault: ContentFault | null = null;
  /** Octets of content so far. */
  size = 0;
  /** The octet after what was read of the last input. */
  position = 0;
  #state = LINE;
  #lineStart = 0;
  #inHeader = true;
  #held: Uint8Array | null = null;
  /** Of the input that was read last: a stuffed dot makes many readings of one. */
  #words: Int32Array | null = null;
  readonly #options: ContentOptions;

  constructor(options: ContentOptions) {
    this.#options = options;
  }

  /** The dot was seen. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** Octets that were kept back and are free now, when `read` has nothing left to read. */
  flush(): Uint8Array {
    const held = this.#held;
    this.#held = null;
    return held === null ? EMPTY : this.#out(held);
  }

  /** The end of the last chunk of BDAT: a CR at the very end is bare. */
  finish(): void {
    if (this.#state === AFTER_CR) this.#bare("bare-cr");
    this.#state = DONE;
  }

  /**
   * The next stretch of content in `input` from `start` to `end`: a view of it. Empty when the stretch was all framing;
   * `position` tells how far it got. Call again until position is `end` or `done`.
   */
  read(input: Uint8Array, start: number, end: number): Uint8Array {
    if (this.#held !== null) {
      this.position = start;
      return this.flush();
    }
    const { dots, bare } = this.#options;
    const normalize = bare === "normalize";
    if (this.#words?.buffer !== input.buffer) this.#words = wordsOf(input, end - start);
    const words = this.#words;
    let state = this.#state, at = start, from = start;
    for (; at < end; at++) {
      const octet = input[at]!;
      if (state === TEXT) {
        if (octet !== CR && octet !== LF) {
          at = nextBreak(input, words, at + 1, end) - 1; // most octets end here
          continue;
        }
        if (octet === CR) {
          state = AFTER_CR;
          // A CR that is not followed by LF is known only with the next octet; keep it back where it may change.
          if (normalize && (at + 1 === end || input[at + 1] !== LF)) {
            if (at + 1 === end) return this.#stop(input, from, at, end, AFTER_CR);
            this.#bare("bare-cr");
            this.#held = SPACE;
            return this.#stop(input, from, at, at + 1, TEXT);
          }
          continue;
        }
        this.#bare("bare-lf");
        if (normalize) { // a line of the content, but never a place where the final dot may stand
          this.#line(this.size + at - from + 2);
          this.#held = CRLF;
          return this.#stop(input, from, at, at + 1, TEXT);
        }
      } else if (state === AFTER_CR) {
        if (octet === LF) {
          if (normalize && at === start) { // the CR was kept back
            this.#held = CRLF;
            this.#line(this.size + 2);
            return this.#stop(input, from, at, at + 1, LINE);
          }
          this.#line(this.size + at + 1 - from);
          state = LINE;
        } else {
          this.#bare("bare-cr");
          state = TEXT;
          if (normalize && at === start) {
            this.#held = SPACE;
            return this.#stop(input, from, at, at, TEXT);
          }
          at--; // look at this octet again as text
        }
      } else if (state === LINE) {
        if (dots && octet === DOT) {
          state = DOTTED;
          if (at > from) return this.#stop(input, from, at, at + 1, DOTTED);
          from = at + 1;
        } else {
          state = TEXT;
          at--;
        }
      } else if (state === DOTTED) {
        if (octet === CR) {
          state = DOT_CR;
          from = at + 1; // kept back: it belongs to the end, or is a bare CR after a stuffed dot
        } else {
          state = TEXT;
          at--;
        }
      } else { // DOT_CR
        if (octet === LF) return this.#stop(input, at, at, at + 1, DONE);
        this.#bare("bare-cr");
        this.#held = normalize ? SPACE : ONE_CR;
        return this.#stop(input, at, at, at, TEXT);
      }
    }
    return this.#stop(input, from, end, end, state);
  }

  #stop(input: Uint8Array, from: number, to: number, position: number, state: number): Uint8Array {
    this.#state = state;
    this.position = position;
    return to > from ? this.#out(input.subarray(from, to)) : EMPTY;
  }

  /** Counts, and lets nothing out once there is a fault. */
  #out(octets: Uint8Array): Uint8Array {
    this.size += octets.length;
    const { limits } = this.#options;
    if (this.fault === null) {
      if (this.size > limits.size) this.fault = "size";
      else if (this.#inHeader && this.size > limits.header) this.fault = "header";
      else if (this.size - this.#lineStart > limits.line) this.fault = "line";
    }
    return this.fault === null ? octets : EMPTY;
  }

  /** A line ended; the next one starts at content offset `offset`. */
  #line(offset: number): void {
    const length = offset - this.#lineStart;
    if (length > this.#options.limits.line) this.fault ??= "line";
    if (this.#inHeader) {
      if (length === 2) this.#inHeader = false; // the empty line
      if (offset > this.#options.limits.header) this.fault ??= "header";
    }
    this.#lineStart = offset;
  }
  #bare(fault: "bare-cr" | "bare-lf"): void {
    if (this.#options.bare === "reject") this.fault ??= fault;
  }
}
