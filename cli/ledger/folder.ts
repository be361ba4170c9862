/** The ledger in a data folder that no server holds. Loaded only when it is needed: it brings the database along. */
import { ledgerQuery } from "../../core/admin/api/sessions.ts";
import type { Config } from "../../core/config/config.ts";
import type { LedgerPage } from "../../core/ledger/ledger.ts";
import { forgetInFolder, type LedgerReader, openLedgerReader } from "../../core/ledger/open.ts";
import type { Story } from "../../core/ledger/story.ts";
import { lockFolder } from "../../core/store/lock.ts";
import { CommandError } from "../terminal.ts";
import type { LedgerDoor, LedgerFacts, SessionQuery } from "./door.ts";

export function openStoredLedger(config: Config): LedgerDoor {
  const { data, ledger } = config, redact = ledger?.redact ?? "none";
  const reader = openLedgerReader(data, { redact });
  if (reader !== null) return new StoredLedger(reader, config);
  throw new CommandError(
    `no server answers, and ${data} holds no ledger; start the server, or name its configuration with --config`,
  );
}

class StoredLedger implements LedgerDoor {
  readonly runs = false;

  constructor(readonly reader: LedgerReader, readonly config: Config) {}

  explain(id: string): Promise<Story | null> {
    return Promise.resolve(this.reader.explain(id));
  }
  search(query: SessionQuery): Promise<LedgerPage> {
    return Promise.resolve(this.reader.search(ledgerQuery(query), Date.now()));
  }
  size(): Promise<LedgerFacts> {
    const { oldest, ...rest } = this.reader.size();
    return Promise.resolve({ ...rest, oldest: oldest === null ? null : new Date(oldest).toISOString(), dropped: null });
  }
  async forget(address: string): Promise<number> {
    const { data, ledger } = this.config, lock = await lockFolder(data); // a server without a site may run after all
    try {
      return forgetInFolder(data, { address, redact: ledger?.redact ?? "none" }) ?? 0;
    } finally {
      lock.release();
    }
  }
  close(): Promise<void> {
    this.reader.close();
    return Promise.resolve();
  }
}
