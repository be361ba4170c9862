/** The suppression list in a data folder that no server holds. Loaded only when it is needed, as data_folder.ts is. */
import { suppressedJson } from "../../core/admin/suppressions.ts";
import type { Config } from "../../core/config/config.ts";
import { Suppression } from "../../core/delivery/suppression.ts";
import type { Address } from "../../core/model/address.ts";
import type { Store } from "../../core/store/store.ts";
import { openFolder } from "../data_folder.ts";
import type { SuppressDoor, SuppressRow } from "./door.ts";

export async function openStoredSuppressions(config: Config): Promise<SuppressDoor> {
  return new StoredSuppressions(await openFolder(config));
}

class StoredSuppressions implements SuppressDoor {
  readonly #list: Suppression;

  constructor(readonly store: Store) {
    this.#list = new Suppression({ counters: store.counters, now: Date.now });
  }

  async list(query: Parameters<SuppressDoor["list"]>[0]): Promise<readonly SuppressRow[]> {
    return (await this.#list.list(query)).map((each) => suppressedJson(each) as unknown as SuppressRow);
  }

  async add(address: Address, { reason, days }: Parameters<SuppressDoor["add"]>[1]): Promise<SuppressRow> {
    const seconds = days === null ? null : days * 86_400;
    return suppressedJson(await this.#list.add(address, { reason, seconds })) as unknown as SuppressRow;
  }

  remove(address: Address): Promise<boolean> {
    return this.#list.remove(address);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
