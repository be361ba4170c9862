/**
 * The ledger of a server: in its data folder, or in memory where the server keeps nothing; told of every event, and once a
 * minute of how much waits. And the one of a stopped server, to read and to forget addresses in. Non-job: everything else (sqlite.ts).
 */
import type { Bus } from "../observe/bus.ts";
import type { QueueTotals, Store } from "../store/store.ts";
import { Archive } from "./archive/archive.ts";
import type { Ledger } from "./ledger.ts";
import type { Redact } from "./archive/protocol.ts";
import type { GatheredOptions } from "./gathered.ts";
import { openPostgresLedger } from "./postgres/open.ts";
import { openSqliteLedger } from "./sqlite.ts";

export interface LedgerConfiguration {
  /** The data folder. */
  readonly data: string;
  readonly store: "sqlite" | "memory" | { readonly postgres: string };
  /** Null: nothing is kept. */
  readonly ledger: { readonly keep: number | null; readonly size: number; readonly redact: Redact } | null;
}
export interface LedgerParts {
  readonly store: Pick<Store, "totals">;
  readonly bus: Bus;
  now(): number;
}

/** Without a folder it lies in memory. */
const MEMORY = 64 * 2 ** 20;

/** Null: the configuration wants none. */
export function openLedger({ data, store, ledger: wanted }: LedgerConfiguration, parts: LedgerParts): Ledger | null {
  if (wanted === null) return null;
  const { bus, now } = parts, inMemory = store === "memory";
  const common: GatheredOptions = {
    observer: (event) => bus.emit(event),
    waiting: async () => waitingOf(await parts.store.totals({})),
    now,
  };
  const ledger = typeof store === "object" ? openPostgresLedger({ ...wanted, ...common, ...store }) : openSqliteLedger({
    ...wanted,
    ...common,
    ...inMemory && { size: Math.min(wanted.size, MEMORY) },
    folder: inMemory ? null : ledgerFolder(data),
  });
  bus.subscribe(ledger.observe);
  return ledger;
}

/** Messages that the queue has not done with, those aside that wait for a person. */
function waitingOf({ ready = 0, active = 0, deferred = 0 }: QueueTotals): number {
  return ready + active + deferred;
}

/** Where it lies in a data folder. */
export function ledgerFolder(data: string): string {
  return `${data}/ledger`;
}

export type LedgerReader = Pick<
  Archive,
  "search" | "explain" | "rates" | "plugins" | "audits" | "size" | "close" | "takeTrouble"
>;

/**
 * Reads the ledger of a server that does not run; null when there is none. `data`: the data folder.
 *
 * @throws {StoreError} when it cannot be read.
 */
export function openLedgerReader(
  data: string,
  { redact = "none" }: { readonly redact?: Redact } = {},
): LedgerReader | null {
  const folder = ledgerFolder(data);
  try {
    Deno.statSync(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  return new Archive({ folder, keep: null, size: null, redact }, { readOnly: true });
}

/**
 * Takes an address out of every entry of a server that does not run: whoever calls it holds the lock of the data folder.
 * How many entries named it; null when there is no ledger.
 *
 * @throws {StoreError} when it cannot be written.
 */
export function forgetInFolder(
  data: string,
  { address, redact }: { readonly address: string; readonly redact: Redact },
): number | null {
  const reader = openLedgerReader(data, { redact });
  if (reader === null) return null; // opening it to write would make one
  reader.close();
  const archive = new Archive({ folder: ledgerFolder(data), keep: null, size: null, redact });
  try {
    let entries = 0;
    for (let before: number | null = null;;) {
      const piece = archive.forget(address, before);
      if (piece.next === null) return entries;
      entries += piece.entries;
      before = piece.next;
    }
  } finally {
    archive.close();
  }
}
