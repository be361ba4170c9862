/**
 * The way to the reader's thread: begun with the first question, and again with the next one after it died. Non-job:
 * answering (sqlite_reader.ts).
 */
import { threadModule } from "../packed/contents.ts";
import type { ReaderReply } from "./sqlite_reader.ts";
import type { ReaderRequest, ReaderResults } from "./protocol.ts";
import { StoreError } from "./store.ts";
import { DatabaseThread } from "./thread.ts";

type ReaderThread = DatabaseThread<ReaderRequest, ReaderReply>;

export class SqliteReading {
  #thread: Promise<ReaderThread> | null = null;

  constructor(readonly folder: string, readonly trouble: (message: string) => void) {}

  /** @throws {StoreError} what the reader says. */
  async ask<K extends ReaderRequest["ask"]>(request: Extract<ReaderRequest, { ask: K }>): Promise<ReaderResults[K]> {
    this.#thread ??= this.#start();
    const reply = await (await this.#thread).ask(request);
    if (reply.fault) throw new StoreError(reply.fault, reply.message);
    return reply.value as ReaderResults[K];
  }

  async #start(): Promise<ReaderThread> {
    const worker = new Worker(threadModule(new URL("./sqlite_reader.ts", import.meta.url)), { type: "module" });
    const thread: ReaderThread = new DatabaseThread(worker, (why) => {
      this.#thread = null; // the next question starts another one
      this.trouble(`the reader thread ended: ${why}`);
    });
    const reply = await thread.ask({ ask: "open", folder: this.folder });
    if (!reply.fault) return thread;
    thread.end();
    this.#thread = null;
    throw new StoreError(reply.fault, reply.message);
  }

  /** Closes its database and ends it, where it has begun. */
  async end(): Promise<void> {
    const thread = await this.#thread?.catch(() => null);
    await thread?.ask({ ask: "close" }).catch(() => {});
    thread?.end();
  }
}
