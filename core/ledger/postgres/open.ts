/**
 * The ledger that several nodes have in one PostgreSQL database. A thread writes this node's batches; questions go from
 * here, by connections of their own, and wait for what was written before them. Non-job: gathering (gathered.ts).
 */
import { threadModule } from "../../packed/contents.ts";
import { DatabaseThread } from "../../store/thread.ts";
import type { LedgerReply, LedgerRequest, LedgerResults, PostgresSettings } from "../archive/protocol.ts";
import { GatheredLedger, type GatheredOptions, type Keeper } from "../gathered.ts";
import type { Ledger } from "../ledger.ts";
import { PostgresArchive } from "./archive.ts";
import { faultReply, type WriterRequest } from "./ledger_thread.ts";

export interface PostgresLedgerOptions extends PostgresSettings, GatheredOptions {}

/** Connections for questions. */
const READERS = 2;
/** Milliseconds that a question waits for the batches before it: longer than one may take. */
const PATIENCE = 40_000;
/** Milliseconds that the end waits. */
const END = 5_000;

/** Nothing is awaited and nothing thrown: what is wrong is told. */
export function openPostgresLedger(options: PostgresLedgerOptions): Ledger {
  const { postgres, keep, size, redact } = options;
  return new GatheredLedger((lost) => new PostgresKeeper({ postgres, keep, size, redact }, lost), options);
}

class PostgresKeeper implements Keeper {
  readonly #thread: DatabaseThread<WriterRequest, LedgerReply>;
  readonly #archive: PostgresArchive;
  #written: Promise<unknown> = Promise.resolve();

  constructor(settings: PostgresSettings, lost: (why: string) => void) {
    const worker = new Worker(threadModule(new URL("./ledger_thread.ts", import.meta.url)), { type: "module" });
    this.#thread = new DatabaseThread(worker, (why) => lost(`its thread ended: ${why}`));
    void this.#thread.ask({ ask: "open", settings }).catch(() => {});
    this.#archive = new PostgresArchive(settings, { size: READERS });
  }

  async ask(request: LedgerRequest): Promise<LedgerReply> {
    if (request.ask === "write") {
      const written = this.#thread.ask(request);
      this.#written = written.catch(() => {});
      return await written;
    }
    try {
      await within(this.#written, PATIENCE);
      return { value: await this.#answer(request), trouble: [] };
    } catch (error) {
      return faultReply(error);
    }
  }

  async #answer(request: Exclude<LedgerRequest, { ask: "write" }>): Promise<LedgerResults[keyof LedgerResults]> {
    const archive = this.#archive;
    switch (request.ask) {
      case "search":
        return await archive.search(request.query, request.now);
      case "explain":
        return await archive.explain(request.id);
      case "rates":
        return await archive.rates(request.range);
      case "plugins":
        return await archive.plugins(request.since);
      case "audits":
        return await archive.audits(request.query);
      case "forget":
        return await archive.forget(request.address, request.before);
      case "size":
        return await archive.size();
      case "close":
        await within(Promise.all([this.#thread.ask({ ask: "close" }).catch(() => {}), archive.close()]), END);
        return null;
      case "open":
        return null;
    }
  }

  end(): void {
    this.#thread.end();
    void this.#archive.close().catch(() => {});
  }
}

/** Waits no longer than that. */
async function within(work: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds));
  await Promise.race([work, end]).finally(() => clearTimeout(timer));
}
