/**
 * A thread's own line to the writer thread: commits that nobody has to take on go there, those of one turn of the event
 * loop together, and are answered there. Nothing waits for the batch before: the writer puts into one transaction whatever
 * has come over all lines meanwhile. Non-job: who has a line (writer_lines.ts), bodies (spool.ts).
 */
import { setImmediate } from "node:timers";
import type { CommitOperation, LineBatch, LineReply, Refused } from "./protocol.ts";
import type { LineWord } from "./lines.ts";
import { refusedOf } from "./rows.ts";
import { StoreError } from "./store.ts";
import type { Answer } from "./writer_queue.ts";

interface Waiting {
  readonly operation: CommitOperation;
  readonly octets: Uint8Array | null;
  readonly since: number;
  readonly resolve: (answer: Answer) => void;
}
export interface WriterLineOptions {
  /** What the writer says of itself: for the owner. */
  wrote(word: LineWord): void;
  trouble(message: string): void;
}

/** Commits that may wait, as in the owner's queue. */
const PATIENCE = 10_000;
const DONE: Answer = { value: null };

export class WriterLine {
  readonly #port: MessagePort;
  readonly #options: WriterLineOptions;
  #waiting: Waiting[] = [];
  /** Batches that the writer has, in their order. */
  readonly #flight: (readonly Waiting[])[] = [];
  #count = 0;
  #over = false;

  constructor(port: MessagePort, options: WriterLineOptions) {
    this.#port = port;
    this.#options = options;
    port.onmessage = ({ data }: MessageEvent<LineReply>) => this.#answered(data);
  }

  /** Milliseconds that the oldest commit has waited. */
  get wait(): number {
    const oldest = this.#flight[0]?.[0] ?? this.#waiting[0];
    return oldest === undefined ? 0 : performance.now() - oldest.since;
  }

  /** @throws {StoreError} `busy`. */
  submit(operation: CommitOperation, octets: Uint8Array | null): Promise<Answer> {
    if (this.#count >= PATIENCE) throw new StoreError("busy", "too much is waiting for the store");
    if (this.#over) throw new StoreError("io", "the store's writer is not running");
    this.#count++;
    return new Promise((resolve) => {
      this.#waiting.push({ operation, octets, since: performance.now(), resolve });
      if (this.#waiting.length === 1) setImmediate(this.#send);
    });
  }

  readonly #send = (): void => {
    const batch = this.#waiting;
    if (batch.length === 0 || this.#over) return;
    this.#waiting = [];
    let size = 0;
    for (const { operation, octets } of batch) {
      operation.at = size;
      size += octets?.length ?? 0;
    }
    const buffer = new ArrayBuffer(size), all = new Uint8Array(buffer);
    for (const { operation, octets } of batch) if (octets !== null) all.set(octets, operation.at);
    this.#flight.push(batch);
    // One string crosses at a fraction of what its objects cost
    const sent: LineBatch = { operations: JSON.stringify(batch.map(({ operation }) => operation)), octets: buffer };
    this.#port.postMessage(sent, [buffer]);
  };

  #answered({ outcomes, free, trouble, written }: LineReply): void {
    const batch = this.#flight.shift();
    if (batch === undefined) return; // what was given up
    this.#count -= batch.length;
    this.#options.wrote({ operations: written, milliseconds: performance.now() - batch[0]!.since, free });
    for (const message of trouble) this.#options.trouble(message);
    for (const [index, { resolve }] of batch.entries()) resolve(outcomes?.[index] ?? DONE);
  }

  /** The writer is dead: whoever waits hears so. Returns what it may have written, of which nothing may be kept. */
  end(): readonly Refused[] {
    this.#over = true;
    this.#port.close();
    const lost = this.#flight.splice(0).flat(), message = "the writer thread ended";
    for (const { resolve } of lost) resolve({ fault: "io", message, lost: true });
    for (const { resolve } of this.#waiting.splice(0)) resolve({ fault: "io", message });
    this.#count = 0;
    return lost.flatMap(({ operation }) => refusedOf(operation));
  }
}
