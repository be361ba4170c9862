/**
 * The ledger in a data folder that no server holds, or in a database that nodes may have at work. Loaded only when it is
 * needed: it brings the database along.
 */
import { ledgerQuery } from "../../core/admin/api/sessions.ts";
import type { Config } from "../../core/config/config.ts";
import type { LedgerPage } from "../../core/ledger/ledger.ts";
import { forgetInFolder, type LedgerReader, openLedgerReader } from "../../core/ledger/open.ts";
import type { LedgerResults } from "../../core/ledger/archive/protocol.ts";
import { PostgresArchive } from "../../core/ledger/postgres/archive.ts";
import type { Story } from "../../core/ledger/story.ts";
import { lockFolder } from "../../core/store/lock.ts";
import { CommandError } from "../terminal.ts";
import type { LedgerDoor, LedgerFacts, SessionQuery } from "./door.ts";

export async function openStoredLedger(config: Config): Promise<LedgerDoor> {
  const { data, store, ledger } = config, redact = ledger?.redact ?? "none";
  if (typeof store === "object") {
    const archive = new PostgresArchive({ ...store, keep: ledger?.keep ?? null, size: null, redact }, { size: 1 });
    try {
      if (await archive.exists()) return new SharedLedger(archive);
    } catch (error) {
      await archive.close();
      throw error;
    }
    await archive.close();
    throw new CommandError("the database holds no ledger; no node has written one yet");
  }
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

/** What all nodes have written. Which of them run makes no difference. */
class SharedLedger implements LedgerDoor {
  readonly runs = true;

  constructor(readonly archive: PostgresArchive) {}

  explain(id: string): Promise<Story | null> {
    return this.archive.explain(id);
  }
  search(query: SessionQuery): Promise<LedgerPage> {
    return this.archive.search(ledgerQuery(query), Date.now());
  }
  async size(): Promise<LedgerFacts> {
    const { oldest, ...rest } = await this.archive.size();
    return { ...rest, oldest: oldest === null ? null : new Date(oldest).toISOString(), dropped: null };
  }
  async forget(address: string): Promise<number> {
    let entries = 0;
    for (let before: number | null = null;;) {
      const piece: LedgerResults["forget"] = await this.archive.forget(address, before);
      entries += piece.entries;
      if (piece.next === null) return entries;
      before = piece.next;
    }
  }
  close(): Promise<void> {
    return this.archive.close();
  }
}
