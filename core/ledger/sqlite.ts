/** The ledger in files, kept by a thread of its own. Non-job: gathering (gathered.ts), the files (archive/). */
import { threadModule } from "../packed/contents.ts";
import { DatabaseThread } from "../store/thread.ts";
import type { ArchiveSettings, LedgerReply, LedgerRequest } from "./archive/protocol.ts";
import { GatheredLedger, type GatheredOptions, type OpenKeeper } from "./gathered.ts";
import type { Ledger } from "./ledger.ts";

export interface SqliteLedgerOptions extends Partial<ArchiveSettings>, GatheredOptions {}

/** What a ledger keeps unless it is told otherwise: milliseconds, octets. */
export const KEEP = 30 * 86_400_000, SIZE = 2 ** 30;

/** Opens it in its folder, or in memory (`folder: null`). Nothing is awaited and nothing thrown: what is wrong is told. */
export function openSqliteLedger(options: SqliteLedgerOptions): Ledger {
  const { folder = null, keep = KEEP, size = SIZE, redact = "none" } = options;
  return new GatheredLedger(keeperOf({ folder, keep, size, redact }), options);
}

function keeperOf(settings: ArchiveSettings): OpenKeeper {
  return (lost, tell) => {
    const worker = new Worker(threadModule(new URL("./archive/thread.ts", import.meta.url)), { type: "module" });
    const thread = new DatabaseThread<LedgerRequest, LedgerReply>(worker, (why) => lost(`its thread ended: ${why}`));
    thread.ask({ ask: "open", settings }).then((reply) => {
      tell(reply.trouble);
      if (reply.fault === undefined) return;
      thread.end();
      lost(reply.message);
    }, () => {});
    return thread;
  };
}
