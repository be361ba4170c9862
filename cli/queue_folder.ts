/** The queue in a data folder that no server holds. Loaded only when it is needed: it brings the database along. */
import { changeFilter, queueChange, queueFilter, queueItemJson } from "../core/admin/queue.ts";
import type { Config } from "../core/config/config.ts";
import { openSqliteStore } from "../core/store/sqlite.ts";
import type { Store } from "../core/store/store.ts";
import type { QueueDoor, QueueFilter, QueueList, QueueRow, QueueVerb } from "./queue_door.ts";
import { CommandError } from "./terminal.ts";

export async function openStoredQueue(config: Config): Promise<QueueDoor> {
  if (config.store !== "sqlite") throw new CommandError(`no server answers, and a queue in memory is nowhere else`);
  const there = await Deno.stat(config.data).then((info) => info.isDirectory, () => false);
  if (!there) {
    throw new CommandError(
      `no server answers, and there is no data folder ${config.data}; is it the right configuration?`,
    );
  }
  return new StoredQueue(await openSqliteStore({ folder: config.data }));
}

export class StoredQueue implements QueueDoor {
  constructor(readonly store: Store) {}

  async list({ limit, ...filter }: QueueFilter & { readonly limit: number }): Promise<QueueList> {
    const { total, items, corrupt } = await this.store.queue({ ...queueFilter({ ...filter }), limit });
    return { total, items: items.map((each) => queueItemJson(each) as unknown as QueueRow), corrupt };
  }

  async item(id: string): Promise<QueueRow | null> {
    const item = await this.store.item(id);
    return item === null ? null : queueItemJson(item) as unknown as QueueRow;
  }

  async change(what: { readonly id: string } | QueueFilter, verb: QueueVerb): Promise<number | null> {
    if ("id" in what && await this.store.item(what.id) === null) return null;
    return await this.store.change("id" in what ? what : changeFilter({ ...what }), queueChange(verb));
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
