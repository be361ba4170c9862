/**
 * Lines from other threads of this process straight to the writer thread, as the owner of the store has them: makes one for
 * whoever asks, and sees to it that nothing of what was under way on them is kept when the writer dies. Non-job: what goes
 * over a line (writer_line.ts), the transaction (sqlite_writer.ts).
 */
import type { Refused, WriterReply, WriterRequest } from "./protocol.ts";
import type { LineHolder, Lines, LineWord } from "./lines.ts";
import type { DatabaseThread } from "./thread.ts";

/** What the store does with what comes back over lines. */
export interface WriterLinesOptions {
  wrote(word: LineWord): void;
  arrived(id: string, inbox: string): void;
}

export class WriterLines implements Lines {
  readonly wrote: (word: LineWord) => void;
  readonly arrived: (id: string, inbox: string) => void;
  #writer: DatabaseThread<WriterRequest, WriterReply> | null = null;
  #holder: LineHolder | null = null;
  /** What dead writers' lines had under way, until a writer has seen to it. */
  #refused: readonly Refused[] = [];

  constructor({ wrote, arrived }: WriterLinesOptions) {
    this.wrote = wrote;
    this.arrived = arrived;
  }

  hold(holder: LineHolder): void {
    this.#holder = holder;
  }

  open(): MessagePort | null {
    if (this.#writer === null) return null;
    const { port1, port2 } = new MessageChannel();
    // A writer that dies answers nothing: whoever holds the line hears of it by `lost`
    this.#writer.ask({ ask: "serve", port: port2 }, [port2]).catch(() => {});
    return port1;
  }

  /** Milliseconds that the oldest commit on a line has waited. */
  get wait(): number {
    return this.#holder?.wait() ?? 0;
  }

  /** The writer is no more. Resolves with what its lines had under way, of which nothing may be kept. */
  async ended(): Promise<readonly Refused[]> {
    this.#writer = null;
    return this.#refused = [...this.#refused, ...await this.#holder?.lost() ?? []];
  }

  /** There is a writer, which has been told of what `ended` said. */
  began(writer: DatabaseThread<WriterRequest, WriterReply>): DatabaseThread<WriterRequest, WriterReply> {
    this.#writer = writer;
    this.#refused = [];
    this.#holder?.renew();
    return writer;
  }
}
