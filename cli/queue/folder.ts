/** The queue in a data folder that no server holds. Loaded only when it is needed: it brings the database along. */
import { queueItemJson } from "../../core/admin/queue/queue.ts";
import { changeFilter, queueChange, queueFilter } from "../../core/admin/queue/change.ts";
import { type Ways, waysOf } from "../../core/admin/queue/ways.ts";
import type { Config } from "../../core/config/config.ts";
import type { Store } from "../../core/store/store.ts";
import { openFolder } from "../data_folder.ts";
import type { QueueDoor, QueueFilter, QueueList, QueueRow, Wanted } from "./door.ts";

export async function openStoredQueue(config: Config): Promise<QueueDoor> {
  return new StoredQueue(await openFolder(config), waysOf(config));
}

export class StoredQueue implements QueueDoor {
  constructor(readonly store: Store, readonly ways: Ways) {}

  async list({ limit, ...filter }: QueueFilter & { readonly limit: number }): Promise<QueueList> {
    const { total, items, corrupt } = await this.store.queue({ ...queueFilter({ ...filter }), limit });
    return { total, items: items.map((each) => queueItemJson(each) as unknown as QueueRow), corrupt };
  }

  async item(id: string): Promise<QueueRow | null> {
    const item = await this.store.item(id);
    return item === null ? null : queueItemJson(item) as unknown as QueueRow;
  }

  destinations(): Promise<null> {
    return Promise.resolve(null);
  }

  async change(what: { readonly id: string } | QueueFilter, { verb, body = {} }: Wanted): Promise<number | null> {
    const change = queueChange(verb, { body, ways: this.ways });
    if (!("id" in what)) return await this.store.change(changeFilter({ ...what }), change);
    const known = await this.store.item(what.id) !== null; // a corrupt one cannot be shown, and yet be deleted
    const changed = await this.store.change(what, change);
    return known || changed > 0 ? changed : null;
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
