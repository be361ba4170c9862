/**
 * The data folder of a configuration, for commands where no server answers. Loaded only when it is needed: it brings the
 * database along. Non-job: what is in it (folder.ts of each command).
 */
import type { Config } from "../core/config/config.ts";
import { openSqliteStore } from "../core/store/sqlite.ts";
import type { Store } from "../core/store/store.ts";
import { CommandError } from "./terminal.ts";

/** The store of a configuration; `make`: a new one where there is none. @throws {CommandError} when there is none, {StoreError} when it cannot be had. */
export async function openFolder(config: Config, options: { readonly make?: boolean } = {}): Promise<Store> {
  const { data, store, limits } = config;
  const where = "start the server, or name its configuration with --config";
  if (store === "memory") throw new CommandError(`no server answers, and its store is in memory; ${where}`);
  const there = options.make || await Deno.stat(`${data}/postern.db`).then((info) => info.isFile, () => false);
  if (!there) throw new CommandError(`no server answers, and ${data} holds no queue; ${where}`);
  return await openSqliteStore({ folder: data, headLimit: limits.headerBytes });
}
