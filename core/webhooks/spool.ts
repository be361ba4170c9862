/**
 * Events that wait for hooks, in a file of their own: they outlive the process. Written in batches, off the path of mail, so
 * what happened in the last tenth of a second before a crash may be missing; what is in the file is told at least once.
 * Non-job: which events, sending them.
 */
import { chmodSync, renameSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";

export interface Waiting {
  /** Grows. */
  readonly seq: number;
  /** By which its receiver knows it again. */
  readonly id: string;
  /** When it happened, milliseconds since 1970. */
  readonly at: number;
  /** The request's body. */
  readonly body: string;
}
export interface NewWaiting extends Omit<Waiting, "seq"> {
  readonly hook: string;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, hook TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS event_of_hook ON event (hook, seq);
`;

export class WebhookSpool {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #first: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;

  /**
   * `path`: a file that is made, or ":memory:". What cannot be read gets another name, and what cannot be had is memory:
   * the server starts, and `told` hears of it.
   */
  static open(path: string, told: (sentence: string) => void): WebhookSpool {
    try {
      return new WebhookSpool(path);
    } catch (error) {
      if (/malformed|not a database/.test(String(error))) {
        const aside = `${path}.corrupt-${Date.now()}`;
        try {
          moveAside(path, aside);
          const spool = new WebhookSpool(path);
          told(`${path} cannot be read and is set aside as ${aside}: ${wordsOf(error)}`);
          return spool;
        } catch { /* the folder is to blame as well */ }
      }
      told(
        `${path} cannot be had, so events for hooks wait in memory and are gone at the next start: ${wordsOf(error)}`,
      );
      return new WebhookSpool(":memory:");
    }
  }

  private constructor(path: string) {
    this.#database = new DatabaseSync(path);
    try {
      this.#prepare(path);
      this.#insert = this.#database.prepare("INSERT INTO event (hook, id, at, body) VALUES (?, ?, ?, ?)");
      this.#first = this.#database.prepare("SELECT seq, id, at, body FROM event WHERE hook = ? ORDER BY seq LIMIT 1");
      this.#remove = this.#database.prepare("DELETE FROM event WHERE seq = ?");
      this.#count = this.#database.prepare("SELECT hook, count(*) AS n FROM event GROUP BY hook");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  #prepare(path: string): void {
    if (path !== ":memory:") chmodSync(path, 0o600); // addresses stand in it
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA auto_vacuum = INCREMENTAL");
    this.#database.exec(SCHEMA);
    const { quick_check: found } = this.#database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (found !== "ok") throw new Error(`it is malformed: ${found}`);
  }

  /** Events by hook. */
  counts(): Map<string, number> {
    return new Map(this.#count.all().map((row) => [row["hook"] as string, row["n"] as number]));
  }

  add(events: readonly NewWaiting[]): void {
    this.#database.exec("BEGIN");
    try {
      for (const { hook, id, at, body } of events) this.#insert.run(hook, id, at, body);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** The oldest of a hook, or null. */
  first(hook: string): Waiting | null {
    return (this.#first.get(hook) ?? null) as Waiting | null;
  }

  remove(seq: number): void {
    this.#remove.run(seq);
  }

  /** Takes the events of hooks that are not there any more away. Returns how many. */
  keepOnly(hooks: readonly string[]): number {
    const marks = hooks.map(() => "?").join(", ");
    const { changes } = this.#database.prepare(`DELETE FROM event WHERE hook NOT IN (${marks})`).run(...hooks);
    return Number(changes);
  }

  close(): void {
    this.#database.close();
  }
}

function moveAside(path: string, aside: string): void {
  renameSync(path, aside);
  for (const end of ["-wal", "-shm"]) {
    try {
      renameSync(path + end, aside + end);
    } catch { /* there is none */ }
  }
}
function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
