/**
 * Another configuration for a running server: read, checked, compared with the one at work, and told. With any fault
 * nothing changes (SEMANTICS 26). Non-job: making the change (server.ts).
 */
import type { Config } from "./config/config.ts";
import { ConfigError, formatIssue } from "./config/issue.ts";
import type { Event } from "./observe/events.ts";

/** What came of it. */
export interface Reloaded {
  /** The sections of the file that differ now; empty also when only certificates or files of plugins were read again. */
  readonly changed: readonly string[];
  /** Why nothing changed, a sentence each, those of the file with file:line:column; empty when all is well. */
  readonly faults: readonly string[];
}

export interface ReloadOptions {
  readonly running: Config;
  load(): Promise<Config>;
  /** Makes the change, or throws and has changed nothing. */
  change(config: Config): Promise<void>;
  told(event: Event): void;
}

/** What only a start can change: who reads it has read it. */
const AT_START: readonly (readonly [name: string, read: (config: Config) => unknown])[] = [
  ["data", ({ data }) => data],
  ["store", ({ store }) => store],
  ["threads", ({ threads }) => threads],
  ["log", ({ log }) => log],
  ["ledger", ({ ledger }) => ledger],
  ["metrics", ({ metrics }) => metrics],
  ["tracing", ({ tracing }) => tracing],
];

/** Never rejects. */
export async function reloaded({ running, load, change, told }: ReloadOptions): Promise<Reloaded> {
  let changed: readonly string[] = [], faults: readonly string[] = [];
  try {
    const config = await load();
    changed = differences(running, config);
    faults = AT_START.filter(([, read]) => differ(read(running), read(config)))
      .map(([name]) => `${name} can only be changed by a restart`);
    if (faults.length === 0) await change(config);
  } catch (error) {
    faults = error instanceof ConfigError
      ? error.issues.map(formatIssue)
      : [error instanceof Error ? error.message : String(error)];
  }
  if (faults.length > 0) {
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
    told({ type: "trouble", where: "reload", message: `nothing was changed: ${faults[0]}${more}` });
    return { changed: [], faults };
  }
  const what = changed.length > 0 ? changed.join(", ") : "nothing in the file";
  told({ type: "notice", where: "reload", message: `the configuration was read again; changed: ${what}` });
  return { changed, faults };
}

/** Sections that differ, as they were written: what a plugin makes of its options cannot be compared. */
function differences(before: Config, after: Config): string[] {
  const names = new Set([...Object.keys(before.written), ...Object.keys(after.written)]);
  return [...names].filter((name) => differ(before.written[name], after.written[name]));
}
function differ(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}
