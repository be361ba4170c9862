/**
 * Accounts in the store, which all nodes share: a line for each name, as it would stand in a file. Who changes one raises
 * the version, and every node reads them anew within seconds. Where the store cannot be asked, nobody gets in (454).
 * Non-job: what a line says (line.ts), what an answer means (mod.ts).
 */
import type { Counters } from "../../../core/pipeline/mod.ts";
import { foldName, formatLine, formatSecret, type Line, LineError, readLine, readSecret } from "./line.ts";
import { AccountsError, AccountTable, type TableOptions } from "./table.ts";

const NAMES = "account ", SECRET = "secret", VERSION = "version";
/** Seconds: a hundred years. Empty is what is not there any more. */
const FOREVER = 100 * 365 * 86_400, GONE = 1;
/** Lines that are read at once. */
const PAGE = 1000;
/** Milliseconds between two looks at the version, and between two looks at all whatever it says. */
const LOOK = 2_000, WHOLE = 60_000;

/** Reads and changes them; for a command, and for the plugin. Every promise rejects where the store cannot be asked. */
export class KeptAccounts {
  constructor(readonly store: Counters, readonly options: TableOptions) {}

  /** Null when it is not there. @throws {LineError} */
  async find(name: string): Promise<Line | null> {
    const line = await this.store.get(this.#key(name));
    return line === undefined ? null : readLine(line);
  }

  /** Puts an account in the place of the one of its name; null takes it away. Durable, and known everywhere in seconds. */
  async set(name: string, line: Line | null): Promise<void> {
    const text = line === null ? "" : formatLine(line), seconds = line === null ? GONE : FOREVER;
    await this.store.put(this.#key(name), text, { seconds, durable: true });
    await this.store.put(VERSION, crypto.randomUUID(), { seconds: FOREVER, durable: true });
  }

  /** Gives the installation its secret if it has none. */
  async keepSecret(make: () => string): Promise<void> {
    const kept = await this.store.get(SECRET) ?? "";
    if (kept === "") await this.store.put(SECRET, formatSecret(make()), { seconds: FOREVER, durable: true });
  }

  /** Another text after each change. */
  async version(): Promise<string> {
    return await this.store.get(VERSION) ?? "";
  }

  /** All lines in order of their names, the secret's first. */
  async lines(): Promise<string[]> {
    const lines = [await this.store.get(SECRET) ?? ""];
    let after: { readonly after?: string } = {};
    while (true) {
      const page = await this.store.list({ prefix: NAMES, limit: PAGE, ...after });
      for (const { value } of page) if (value !== "") lines.push(value);
      if (page.length < PAGE) return lines;
      after = { after: page.at(-1)!.name };
    }
  }

  #key(name: string): string {
    return NAMES + foldName(name, this.options.caseSensitive);
  }
}

export interface KeptSourceOptions extends TableOptions {
  /** Lines that stand in the configuration. */
  readonly inline: readonly string[];
  readonly trouble: (message: string) => void;
}

/** The accounts as a node knows them. */
export class KeptSource {
  readonly #options: KeptSourceOptions;
  #table: AccountTable | null = null;
  #version = "";
  #looked = -Infinity;
  #read = -Infinity;
  /** All who log in meanwhile wait for one look. */
  #looking: Promise<AccountTable> | null = null;
  #told = "";

  constructor(options: KeptSourceOptions) {
    this.#options = options;
  }

  /** No older than two seconds at the moment `now`. @throws what the store says. */
  async current(store: Counters, now: number): Promise<AccountTable> {
    const table = this.#table;
    if (table !== null && now >= this.#looked && now - this.#looked < LOOK) return table;
    return await (this.#looking ??= this.#look(new KeptAccounts(store, this.#options), now)
      .finally(() => this.#looking = null));
  }

  async #look(kept: KeptAccounts, now: number): Promise<AccountTable> {
    const version = await kept.version(), table = this.#table;
    if (table === null || version !== this.#version || Math.abs(now - this.#read) >= WHOLE) {
      this.#table = this.#tableOf(await kept.lines());
      this.#version = version;
      this.#read = now;
    }
    this.#looked = now;
    return this.#table!;
  }

  /** A line that cannot be read, of a newer version maybe, is left out, and takes no other one along. */
  #tableOf(lines: readonly string[]): AccountTable {
    const good = lines.filter((line) => this.#isGood(line));
    for (;;) {
      try {
        return new AccountTable([{ file: null, lines: this.#options.inline }, { file: "the store", lines: good }], {
          caseSensitive: this.#options.caseSensitive,
        });
      } catch (error) {
        const wrong = error instanceof AccountsError ? error.faults.filter(({ file }) => file !== null) : [];
        if (wrong.length === 0) throw error;
        this.#tell(wrong[0]!.message);
        for (const { index } of wrong.toReversed()) good.splice(index, 1);
      }
    }
  }

  #isGood(line: string): boolean {
    try {
      readSecret(line);
      readLine(line);
      return true;
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.#tell(error.message);
      return false;
    }
  }

  #tell(message: string): void {
    if (this.#told === message) return;
    this.#told = message;
    this.#options.trouble(`an account in the store is left out: ${message}`);
  }
}
