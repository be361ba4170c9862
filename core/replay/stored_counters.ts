/**
 * The counters of a data folder, to read: a server may have it at work, or none. Nothing in the folder changes by it.
 * Non-job: writing (core/store).
 */
import { DatabaseSync } from "node:sqlite";
import type { CounterEntry, Counters } from "../store/store.ts";

/** To read, and to let go of. */
export interface StoredCounters extends Pick<Counters, "get" | "list">, Disposable {
  /** Why there are none; null where they can be read. */
  readonly missing: string | null;
}
type Row = { readonly name: string; readonly value: string; readonly expires: number };

/** Never throws: a folder that cannot be read holds nothing. */
export function openStoredCounters(folder: string, now: () => number): StoredCounters {
  try {
    const db = openToRead(`${folder}/postern.db`);
    const one = db.prepare("select name, value, expires from counter where name = ? and expires > ?");
    const many = db.prepare(
      "select name, value, expires from counter where name >= ?1 and name > ?2 and name < ?1 || char(1114111) and " +
        "expires > ?3 order by name limit ?4",
    );
    return {
      missing: null,
      get: (name) => Promise.resolve((one.get(name, now()) as Row | undefined)?.value),
      list({ prefix, limit, after = "" }) {
        const rows = many.all(prefix, after, now(), limit) as unknown as Row[];
        return Promise.resolve(rows.map(({ name, value, expires }): CounterEntry => ({ name, value, expires })));
      },
      [Symbol.dispose]: () => db.close(),
    };
  } catch (error) {
    const there = exists(`${folder}/postern.db`);
    return {
      missing: there ? String(error instanceof Error ? error.message : error) : "there is no data folder yet",
      get: () => Promise.resolve(undefined),
      list: () => Promise.resolve([]),
      [Symbol.dispose]: () => {},
    };
  }
}

/**
 * With its log and the log's index there, SQLite reads beside whoever writes. Without them it makes them, and takes them
 * away with the last connection, which wants one that may write. (`immutable` would make none; Deno has no way to say it to
 * a program with narrow permissions.)
 */
function openToRead(path: string): DatabaseSync {
  const readOnly = exists(`${path}-wal`) && exists(`${path}-shm`);
  const db = new DatabaseSync(path, { readOnly });
  db.exec("pragma busy_timeout = 2000; pragma query_only = on");
  return db;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
