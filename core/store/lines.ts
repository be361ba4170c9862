/**
 * Lines from other threads straight to the store's writer: the words of it, plain values. Non-job: the owner's half
 * (writer_lines.ts), the thread's (writer_line.ts).
 */

/** What the writer says of a write: operations (0: said elsewhere), how long it took, octets in free pages. */
export interface LineWord {
  readonly operations: number;
  readonly milliseconds: number;
  readonly free: number;
}
/** Whoever gives lines to threads. */
export interface LineHolder {
  /** The writer is dead, and so are its lines: what was under way on them. */
  lost(): Promise<readonly { readonly id: string; readonly file: string | null }[]>;
  /** There is another writer: lines can be had again. */
  renew(): void;
  /** Milliseconds that the oldest commit on a line has waited. */
  wait(): number;
}
/** Lines by which other threads of this process commit what nobody has to take on, past the thread that has the store. */
export interface Lines {
  /** For another thread, which makes a WriterLine of it; null: there is no writer now. */
  open(): MessagePort | null;
  /** One holds all lines. */
  hold(holder: LineHolder): void;
  /** What threads were told by the writer. */
  wrote(word: LineWord): void;
  /** What they have put into an inbox. */
  arrived(id: string, inbox: string): void;
}
