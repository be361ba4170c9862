/**
 * Frames on a pipe: octet F5, a kind, the number of parts, the length of the text; the lengths of the parts; the text
 * in UTF-8; the parts. Lengths are little-endian. F5 begins no UTF-8 text, so what a program prints is told at once.
 * Whoever writes may be hostile: lengths are bounded before anything is kept, and half a frame costs what it has.
 * Non-job: what a frame means (codec.ts), reading and writing pipes (process.ts, child.ts).
 */

/** Tells messages from what the child's own thread has to say. */
export type FrameKind = "message" | "control";
/** One frame. */
export interface Frame {
  readonly kind: FrameKind;
  /** JSON. */
  readonly text: string;
  /** Octets beside it, each in a buffer of its own. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
}
/** What a frame may have at most. */
export interface FrameBounds {
  /** Octets of text. */
  readonly text: number;
  /** How many parts. */
  readonly parts: number;
  /** Octets of all parts together. */
  readonly octets: number;
}
/** What came is no frame. Nothing behind it can be read. */
export class FrameError extends Error {
  /** Tells it from other errors. */
  override readonly name = "FrameError";
}

const FIRST = 0xf5, HEADER = 8;
const KINDS: readonly FrameKind[] = ["message", "control"];
const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is written, in its order: the parts are not copied. */
export function frameOf({ kind, text, parts }: Frame): Uint8Array<ArrayBuffer>[] {
  const before = HEADER + 4 * parts.length;
  let head = new Uint8Array(before + text.length + 64);
  let { read, written } = encoder.encodeInto(text, head.subarray(before));
  if (read < text.length) { // it has more than ASCII
    head = new Uint8Array(before + 3 * text.length);
    ({ read, written } = encoder.encodeInto(text, head.subarray(before)));
  }
  const view = new DataView(head.buffer);
  view.setUint8(0, FIRST);
  view.setUint8(1, KINDS.indexOf(kind));
  view.setUint16(2, parts.length, true);
  view.setUint32(4, written, true);
  for (const [index, part] of parts.entries()) view.setUint32(HEADER + 4 * index, part.length, true);
  return [head.subarray(0, before + written), ...parts];
}

/** Whether it can be written as a frame within these bounds. */
export function fits({ text, parts }: Pick<Frame, "text" | "parts">, bounds: FrameBounds): boolean {
  const octets = parts.reduce((sum, each) => sum + each.length, 0);
  return 3 * text.length <= bounds.text && parts.length <= bounds.parts && octets <= bounds.octets;
}

type Stage = "header" | "lengths" | "text" | "part";

/** Frames out of pieces of any size. */
export class FrameReader {
  readonly #bounds: FrameBounds;
  #stage: Stage = "header";
  /** What is being filled, and how far it is. */
  #target: Uint8Array<ArrayBuffer> = new Uint8Array(HEADER);
  #filled = 0;
  #kind: FrameKind = "message";
  #textLength = 0;
  #text = "";
  #lengths: number[] = [];
  #parts: Uint8Array<ArrayBuffer>[] = [];

  constructor(bounds: FrameBounds) {
    this.#bounds = bounds;
  }

  /** Whether the last piece ended within a frame. */
  get within(): boolean {
    return this.#stage !== "header" || this.#filled > 0;
  }

  /**
   * Frames that this piece completes. Nothing of `piece` is kept.
   *
   * @throws {FrameError} when it is none, or longer than the bounds: then there is nothing more to read.
   */
  *read(piece: Uint8Array): Generator<Frame> {
    let at = 0;
    while (at < piece.length) {
      const taken = Math.min(this.#target.length - this.#filled, piece.length - at);
      this.#target.set(piece.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      // Not after it is full: of what is no frame, one octet says so
      if (this.#stage === "header" && this.#target[0] !== FIRST) throw new FrameError("octets that begin no frame");
      while (this.#filled === this.#target.length) {
        const frame = this.#step();
        if (frame !== null) yield frame;
        if (this.#stage === "header") break;
      }
    }
  }

  /** What was filled is read, and the next thing is made ready. */
  #step(): Frame | null {
    switch (this.#stage) {
      case "header":
        this.#header();
        return null;
      case "lengths": {
        const view = new DataView(this.#target.buffer);
        this.#lengths = Array.from({ length: this.#target.length / 4 }, (_, index) => view.getUint32(4 * index, true));
        const octets = this.#lengths.reduce((sum, each) => sum + each, 0);
        if (octets > this.#bounds.octets) throw new FrameError(`parts of ${octets} octets`);
        this.#next("text", this.#textLength);
        return null;
      }
      case "text":
        this.#text = decoder.decode(this.#target);
        return this.#part();
      case "part":
        this.#parts.push(this.#target);
        return this.#part();
    }
  }

  #header(): void {
    const view = new DataView(this.#target.buffer);
    const kind = KINDS[view.getUint8(1)], parts = view.getUint16(2, true), text = view.getUint32(4, true);
    if (kind === undefined) throw new FrameError("a kind of frame that there is not");
    if (parts > this.#bounds.parts) throw new FrameError(`a frame of ${parts} parts`);
    if (text > this.#bounds.text) throw new FrameError(`a text of ${text} octets`);
    this.#kind = kind;
    this.#textLength = text;
    this.#parts = [];
    this.#next("lengths", 4 * parts);
  }

  /** The next part, or the frame. */
  #part(): Frame | null {
    const length = this.#lengths[this.#parts.length];
    if (length !== undefined) {
      this.#next("part", length);
      return null;
    }
    const frame = { kind: this.#kind, text: this.#text, parts: this.#parts };
    this.#text = "";
    this.#parts = [];
    this.#next("header", HEADER);
    return frame;
  }

  #next(stage: Stage, length: number): void {
    this.#stage = stage;
    this.#target = new Uint8Array(length);
    this.#filled = 0;
  }
}
