/**
 * The MIME structure of messages, read one after the other in a thread of its own with a deadline: a message made to hurt
 * (case 32) costs that thread, which is ended and replaced, never the SMTP side. Non-job: the reading itself
 * (mime_worker.ts), which message and whose (reader.ts).
 */
import { Worker } from "node:worker_threads";
import { threadModule } from "../../packed/contents.ts";
import type { MailHtml } from "./mail_html.ts";

export interface MailPart {
  /** From 1; names the part for good. */
  readonly n: number;
  readonly type: string;
  readonly name: string | null;
  readonly disposition: "inline" | "attachment";
  /** Without angle brackets. */
  readonly contentId: string | null;
  readonly size: number;
  readonly content: ArrayBuffer;
}
export interface MimeMail {
  /** In the order received, encoded words decoded. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly headerCount: number;
  readonly text: string | null;
  readonly html: string | null;
  readonly frame: MailHtml | null;
  readonly parts: readonly MailPart[];
  /** Parts past the limit, which are not in `parts`. */
  readonly omitted: number;
}
export type MimeAnswer =
  | { readonly mail: MimeMail; readonly fault?: undefined }
  | { readonly mail?: undefined; readonly fault: string };

const IDLE = 60_000; // milliseconds after which a thread without work is given back
const HEAP = 512; // MiB

export class MimeThread {
  readonly #time: number;
  #worker: Worker | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #idle: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #waiting = 0;

  /** `time`: milliseconds for one message, the start of the thread included. */
  constructor(options: { readonly time: number }) {
    this.#time = options.time;
  }

  /** How many messages wait or are being read. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Reads what `load` brings once the thread is free, so that waiting costs no memory. */
  read(load: () => Promise<Uint8Array<ArrayBuffer>>): Promise<MimeAnswer> {
    this.#waiting++;
    const turn = this.#last.then(async () => {
      try {
        return await this.#ask(await load());
      } finally {
        this.#waiting--;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
  }

  async #ask(bytes: Uint8Array<ArrayBuffer>): Promise<MimeAnswer> {
    if (this.#closed) return { fault: "the server is shutting down" };
    clearTimeout(this.#idle);
    const worker = this.#worker ??= new Worker(threadModule(new URL("./mime_worker.ts", import.meta.url)), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP },
    });
    const { promise, resolve } = Promise.withResolvers<MimeAnswer | null>();
    const timer = setTimeout(() => resolve(null), this.#time);
    const gone = () => resolve(null);
    worker.once("message", resolve);
    worker.once("error", gone);
    worker.once("exit", gone);
    // Buffers both ways, never views: node:worker_threads of Deno 2.9 walks a view octet by octet, 7 s for 25 MB.
    const buffer = bytes.length === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
    worker.postMessage(buffer, [buffer]);
    const answer = await promise;
    clearTimeout(timer);
    worker.removeAllListeners();
    if (answer === null) {
      worker.on("error", () => {}); // its last words have nobody to hear them
      await this.#end();
      return { fault: `it could not be read in ${this.#time / 1000} s` };
    }
    this.#idle = setTimeout(() => void this.#end(), IDLE);
    return answer;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }
}
