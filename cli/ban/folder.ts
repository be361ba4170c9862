/** The bans in a data folder that no server holds. Loaded only when it is needed, as data_folder.ts is. */
import { banJson } from "../../core/admin/bans.ts";
import { type Bans, bansIn, LONGEST_BAN } from "../../core/config/bans.ts";
import type { Config } from "../../core/config/config.ts";
import type { Store } from "../../core/store/store.ts";
import { openFolder } from "../data_folder.ts";
import type { BanDoor, BanRow } from "./door.ts";

export async function openStoredBans(config: Config): Promise<BanDoor> {
  return new StoredBans(await openFolder(config));
}

class StoredBans implements BanDoor {
  readonly #bans: Bans;

  constructor(readonly store: Store) {
    this.#bans = bansIn(store.counters, Date.now);
  }

  async list(query: Parameters<BanDoor["list"]>[0]): Promise<readonly BanRow[]> {
    return (await this.#bans.list(query)).map((each) => banJson(each) as unknown as BanRow);
  }

  async add(subject: string, { reason, seconds }: Parameters<BanDoor["add"]>[1]): Promise<BanRow> {
    const ban = { subject, reason, until: Date.now() + (seconds ?? LONGEST_BAN) * 1000 };
    await this.#bans.put(ban);
    return banJson(ban) as unknown as BanRow;
  }

  remove(subject: string): Promise<boolean> {
    return this.#bans.remove(subject);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
