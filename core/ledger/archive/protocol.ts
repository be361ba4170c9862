/** What the ledger and its thread say to each other: plain values. */
import type { LedgerPage, LedgerQuery, LedgerSize, PluginCount, RatePoint } from "../ledger.ts";
import type { AuditRow, Story } from "../story.ts";

/** How addresses stand in the file. */
export type Redact = "none" | "local-part" | "hash";

export interface ArchiveSettings {
  /** Null: in memory. */
  readonly folder: string | null;
  /** Milliseconds; null: without end. */
  readonly keep: number | null;
  /** Octets of all of it; null: without bound. */
  readonly size: number | null;
  readonly redact: Redact;
}

/** Of a ledger in PostgreSQL. */
export interface PostgresSettings extends Omit<ArchiveSettings, "folder"> {
  /** URL of the database, as the configuration has it (core/store/postgres/place.ts). */
  readonly postgres: string;
}

export type LedgerRequest =
  | { readonly ask: "open"; readonly settings: ArchiveSettings }
  /** Lines: a letter for the kind, then JSON. See Archive.write. */
  | { readonly ask: "write"; readonly lines: string; readonly now: number }
  | { readonly ask: "search"; readonly query: LedgerQuery; readonly now: number }
  | { readonly ask: "explain"; readonly id: string; readonly now: number }
  | { readonly ask: "rates"; readonly range: { readonly since: number; readonly until: number; readonly step: number } }
  | { readonly ask: "plugins"; readonly since: number }
  | { readonly ask: "audits"; readonly query: { readonly limit: number; readonly before?: number } }
  | { readonly ask: "forget"; readonly address: string; readonly before: number | null }
  | { readonly ask: "size" }
  | { readonly ask: "close" };

export interface LedgerResults {
  open: null;
  write: null;
  search: LedgerPage;
  explain: Story | null;
  rates: readonly RatePoint[];
  plugins: readonly PluginCount[];
  audits: readonly AuditRow[];
  /** `next`: where the stretch begins that was looked through; null: there was none. */
  forget: { readonly entries: number; readonly next: number | null };
  size: Omit<LedgerSize, "dropped">;
  close: null;
}
export type LedgerReply =
  | {
    readonly value: LedgerResults[keyof LedgerResults];
    readonly fault?: undefined;
    readonly trouble: readonly string[];
  }
  | { readonly fault: "full" | "io"; readonly message: string; readonly trouble: readonly string[] };
