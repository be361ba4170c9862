/**
 * Two ways to one suppression list: the HTTP API of the running server, or the data folder where no server runs.
 * Non-job: what the list is for (core/delivery/suppression.ts).
 */
import type { Config } from "../../core/config/config.ts";
import { type Address, formatAddress } from "../../core/model/address.ts";
import { type AdminApi, runningServer } from "../admin_api.ts";

/** An entry as the HTTP API shows it. */
export interface SuppressRow {
  readonly address: string;
  readonly reason: string;
  readonly since: string;
  readonly until: string | null;
}
export interface SuppressDoor {
  /** In order. */
  list(query: { readonly limit: number; readonly prefix?: string }): Promise<readonly SuppressRow[]>;
  /** `days` null: without an end. */
  add(address: Address, options: { readonly reason: string; readonly days: number | null }): Promise<SuppressRow>;
  /** False when it was not there. */
  remove(address: Address): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * The running server of this configuration, else its data folder.
 *
 * @throws {CommandError} when neither is there, {StoreError} when the folder cannot be had.
 */
export async function openSuppressions(config: Config): Promise<SuppressDoor> {
  const api = await runningServer(config);
  if (api !== null) return new HttpSuppressions(api);
  const { openStoredSuppressions } = await import("./folder.ts"); // only where it is needed
  return await openStoredSuppressions(config);
}

const PATH = "/api/v1/suppressions";

export class HttpSuppressions implements SuppressDoor {
  constructor(readonly api: AdminApi) {}

  async list({ limit, prefix = "" }: Parameters<SuppressDoor["list"]>[0]): Promise<readonly SuppressRow[]> {
    const query = new URLSearchParams({ limit: String(limit), prefix });
    return (await this.api.call("GET", `${PATH}?${query}`) as { items: readonly SuppressRow[] }).items;
  }

  async add(address: Address, options: Parameters<SuppressDoor["add"]>[1]): Promise<SuppressRow> {
    return await this.api.call("POST", PATH, { address: formatAddress(address), ...options }) as SuppressRow;
  }

  async remove(address: Address): Promise<boolean> {
    return await this.api.call("DELETE", `${PATH}/${encodeURIComponent(formatAddress(address))}`) !== null;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
