/**
 * The store of a configuration, for commands that no server answers: the data folder that none holds, or the database that
 * nodes may have at work. Loaded only when it is needed: it brings the database along. Non-job: what is in it (folder.ts of
 * each command).
 */
import type { Config } from "../core/config/config.ts";
import { openPostgresStore } from "../core/store/postgres/mod.ts";
import { openSqliteStore } from "../core/store/sqlite.ts";
import type { Store } from "../core/store/store.ts";
import { CommandError } from "./terminal.ts";

/**
 * The store of a configuration; `make`: a new one where there is none.
 *
 * @throws {CommandError} when there is none, {StoreError} when it cannot be had.
 */
export async function openFolder(config: Config, options: { readonly make?: boolean } = {}): Promise<Store> {
  const { data, store, limits } = config, headLimit = limits.headerBytes;
  const where = "start the server, or name its configuration with --config";
  if (store === "memory") throw new CommandError(`no server answers, and its store is in memory; ${where}`);
  if (typeof store === "object") return await openDatabase(store.postgres, { data, headLimit });
  const there = options.make || await Deno.stat(`${data}/postern.db`).then((info) => info.isFile, () => false);
  if (!there) throw new CommandError(`no server answers, and ${data} holds no queue; ${where}`);
  return await openSqliteStore({ folder: data, headLimit });
}

/** With a folder for bodies of its own: that of a node is this node's, which may run. */
async function openDatabase(
  url: string,
  { data, headLimit }: { readonly data: string; readonly headLimit: number },
): Promise<Store> {
  const folder = `${data}/command-${crypto.randomUUID()}`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const remove = () => Deno.remove(folder, { recursive: true }).catch(() => {});
  try {
    const store = await openPostgresStore({ url, folder, headLimit, node: "command" });
    const close = store.close.bind(store);
    store.close = async () => {
      try {
        await close();
      } finally {
        await remove();
      }
    };
    return store;
  } catch (error) {
    await remove();
    throw error;
  }
}
