/**
 * Spool files that go: a row that names one must be gone for certain before. Finds in a journal where they go, and makes
 * the journal of a server that removes them a commit too early. Non-job: cuts (cuts.ts).
 */
import type { Entry } from "./journal.ts";

const SPOOL = /\/data\/spool\/[^/]+$/;

/** Where a spool file goes that had been there since before the last commit. */
export function removals(entries: readonly Entry[]): ReadonlySet<Entry> {
  return new Set(placesOf(entries).map(({ entry }) => entry));
}

/** The same journal, each of these files going before the commit whose rows do not name it any more. */
export function removedTooEarly(
  entries: readonly Entry[],
): { readonly entries: readonly Entry[]; readonly moved: ReadonlySet<Entry> } {
  const before = new Map<number, Entry[]>(), moved = new Set<Entry>();
  for (const { entry, commit } of placesOf(entries)) {
    before.set(commit, [...before.get(commit) ?? [], entry]);
    moved.add(entry);
  }
  return {
    entries: entries.flatMap((entry, at) => [...moved.has(entry) ? [] : [entry], ...before.get(at) ?? []]),
    moved,
  };
}

/** `commit`: the entry that ends the commit before the one that let go of the file. */
function placesOf(entries: readonly Entry[]): { readonly entry: Entry; readonly commit: number }[] {
  const places: { entry: Entry; commit: number }[] = [], named = new Map<string, number>();
  let last = -1, before = -1; // ends of the log's syncs
  for (const [at, entry] of entries.entries()) {
    if (entry.kind === "syncEnd" && entry.path.endsWith("/postern.db-wal")) [before, last] = [last, at];
    else if (entry.kind === "create") named.set(entry.path, at);
    else if (entry.kind === "rename") named.set(entry.to, at);
    else if (entry.kind === "unlink" && SPOOL.test(entry.path)) {
      const since = named.get(entry.path);
      if (since !== undefined && since < before) places.push({ entry, commit: before });
    }
  }
  return places;
}
