/**
 * Two ways to the bans: the HTTP API of the running server, or the data folder where no server runs.
 * Non-job: who is banned by himself (the plugin ban).
 */
import type { Config } from "../../core/config/config.ts";
import { type AdminApi, runningServer } from "../admin_api.ts";

/** A ban as the HTTP API shows it. */
export interface BanRow {
  readonly subject: string;
  readonly reason: string;
  readonly until: string;
}
export interface BanDoor {
  /** In order. */
  list(query: { readonly limit: number }): Promise<readonly BanRow[]>;
  /** `seconds` null: as long as there is. */
  add(subject: string, options: { readonly reason: string; readonly seconds: number | null }): Promise<BanRow>;
  /** False when it was not there. */
  remove(subject: string): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * The running server of this configuration, else its data folder.
 *
 * @throws {CommandError} when neither is there, {StoreError} when the folder cannot be had.
 */
export async function openBans(config: Config): Promise<BanDoor> {
  const api = await runningServer(config);
  if (api !== null) return new HttpBans(api);
  const { openStoredBans } = await import("./folder.ts"); // only where it is needed
  return await openStoredBans(config);
}

const PATH = "/api/v1/bans";

export class HttpBans implements BanDoor {
  constructor(readonly api: AdminApi) {}

  async list({ limit }: Parameters<BanDoor["list"]>[0]): Promise<readonly BanRow[]> {
    return (await this.api.call("GET", `${PATH}?limit=${limit}`) as { items: readonly BanRow[] }).items;
  }

  async add(subject: string, options: Parameters<BanDoor["add"]>[1]): Promise<BanRow> {
    return await this.api.call("POST", PATH, { subject, ...options }) as BanRow;
  }

  async remove(subject: string): Promise<boolean> {
    return await this.api.call("DELETE", `${PATH}/${encodeURIComponent(subject)}`) !== null;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
