/**
 * Two ways to one ledger: the HTTP API of the running server, or the data folder where no server runs. Which one it is makes
 * no difference to a command. Non-job: telling it (explain.ts, sessions.ts).
 */
import type { Config } from "../../core/config/config.ts";
import type { LedgerPage } from "../../core/ledger/ledger.ts";
import type { Story } from "../../core/ledger/story.ts";
import { type AdminApi, runningServer } from "../admin_api.ts";

/** What is looked for, by the names that the API gives it. */
export type SessionQuery = Readonly<Record<string, string>>;
/** As the API tells it. */
export interface LedgerFacts {
  readonly entries: number;
  readonly octets: number;
  readonly oldest: string | null;
  /** Null where no server runs. */
  readonly dropped: number | null;
}
export interface LedgerDoor {
  /** A server runs: more may come. */
  readonly runs: boolean;
  /** Null when there is none. */
  explain(id: string): Promise<Story | null>;
  search(query: SessionQuery): Promise<LedgerPage>;
  size(): Promise<LedgerFacts>;
  /** How many entries named the address. */
  forget(address: string): Promise<number>;
  close(): Promise<void>;
}

/**
 * The running server of this configuration, else its data folder.
 *
 * @throws {CommandError} when there is no ledger, {StoreError} when it cannot be read.
 */
export async function openLedgerDoor(config: Config): Promise<LedgerDoor> {
  const api = await runningServer(config);
  if (api !== null) return new HttpLedger(api);
  const { openStoredLedger } = await import("./folder.ts"); // brings the database along: only where it is needed
  return await openStoredLedger(config);
}

export class HttpLedger implements LedgerDoor {
  readonly runs = true;

  constructor(readonly api: AdminApi) {}

  async explain(id: string): Promise<Story | null> {
    return await this.api.call("GET", `/api/v1/explain/${id}`) as Story | null;
  }
  async search(query: SessionQuery): Promise<LedgerPage> {
    return await this.api.call("GET", `/api/v1/sessions?${new URLSearchParams(query)}`) as LedgerPage;
  }
  async size(): Promise<LedgerFacts> {
    return await this.api.call("GET", "/api/v1/ledger") as LedgerFacts;
  }
  async forget(address: string): Promise<number> {
    const query = new URLSearchParams({ address });
    return (await this.api.call("DELETE", `/api/v1/sessions?${query}`) as { forgotten: number }).forgotten;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
