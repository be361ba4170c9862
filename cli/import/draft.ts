/**
 * The configuration that an import comes to, piece by piece, each with the line it came from, and what could not be taken
 * over. Non-job: reading the other program's files (postfix/, haraka/), writing ours (document.ts, written.ts).
 */
import { Book } from "./book.ts";

/** A line of a file of the other program; line 0: its default. */
export interface Origin {
  /** As the person knows it: `main.cf`, `/etc/aliases`. */
  readonly file: string;
  readonly line: number;
}

/** `main.cf:12`. */
export function placeOf({ file, line }: Origin): string {
  return line === 0 ? file : `${file}:${line}`;
}

/** What YAML can hold. */
export type Value =
  | string
  | number
  | boolean
  | null
  | readonly Value[]
  | ReadonlyMap<string, Value>
  | { readonly [key: string]: Value };

/** A value, and where it came from. */
export interface Sourced {
  readonly value: Value;
  readonly from: Origin;
}

/** What has no place here, and what a person does instead. */
export interface LeftOver {
  readonly from: Origin;
  /** The setting, as short as it can be named. */
  readonly what: string;
  readonly instead: string;
}

/** A plugin of the list. */
export class PluginDraft {
  readonly options = new Map<string, Sourced>();
  /** Options that are tables, entry by entry: copied once, however many there are. */
  readonly #tables = new Map<string, Map<string, Value>>();
  constructor(readonly name: string, readonly from: Origin, readonly as: string | null) {}

  /** The first that sets an option wins, as with every line of a list that is read from above. */
  set(option: string, value: Value, from: Origin): this {
    if (!this.options.has(option)) this.options.set(option, { value, from });
    return this;
  }

  /** One entry of an option that is a table. */
  put(option: string, key: string, value: Value, from: Origin): this {
    const table = this.table(option, from);
    if (!table.has(key)) table.set(key, value);
    return this;
  }

  /** An option that is a table, to be filled; with a key the table that stands under that key of it. */
  table(option: string, from: Origin, key?: string): Map<string, Value> {
    const whole = this.#tables.get(option) ?? new Map<string, Value>();
    this.#tables.set(option, whole);
    if (!this.options.has(option)) this.options.set(option, { value: whole, from });
    if (key === undefined) return whole;
    const inner = whole.get(key) as Map<string, Value> | undefined ?? new Map<string, Value>();
    whole.set(key, inner);
    return inner;
  }
}

/** Pairs of one table of addresses in postern.yaml at most: more are no configuration that a person reads. */
export const MOST_PAIRS = 5000;

/** A file beside the configuration. */
export interface FileDraft {
  readonly name: string;
  readonly text: string;
}

/** Everything that an import found. */
export class Draft {
  /** Key of the configuration (`limits.messageSize`) to its value. */
  readonly settings = new Map<string, Sourced>();
  readonly listeners: Sourced[] = [];
  readonly plugins: PluginDraft[] = [];
  readonly routes: Sourced[] = [];
  /** Name of a next hop to what it is. */
  readonly hops = new Map<string, Sourced>();
  readonly rules = new Map<string, Sourced>();
  readonly certificates: Sourced[] = [];
  readonly files: FileDraft[] = [];
  readonly book = new Book();
  readonly left: LeftOver[] = [];
  /** Settings that mean nothing here: the same without them. */
  readonly idle: LeftOver[] = [];
  readonly #leftAt = new Set<string>();
  /** By what a next hop is, its name. */
  readonly #hopNames = new Map<string, string>();
  /** By a name, the last number behind it. */
  readonly #numbers = new Map<string, number>();

  set(key: string, value: Value, from: Origin): void {
    if (!this.settings.has(key)) this.settings.set(key, { value, from });
  }

  /** The plugin of that name, made where it was not yet there. `as`: another one beside it. */
  plugin(name: string, from: Origin, as: string | null = null): PluginDraft {
    const known = this.plugins.find((each) => each.name === name && each.as === as);
    if (known !== undefined) return known;
    const made = new PluginDraft(name, from, as);
    this.plugins.push(made);
    return made;
  }

  /** Asks a person to decide. */
  leave(from: Origin, what: string, instead: string): void {
    const key = `${placeOf(from)} ${what}`;
    if (this.#leftAt.has(key)) return;
    this.#leftAt.add(key);
    this.left.push({ from, what, instead });
  }

  /** Says that nothing has to be done. */
  idles(from: Origin, what: string, why: string): void {
    this.idle.push({ from, what, instead: why });
  }

  /**
   * The name of a next hop to these hosts: the one that is there, or a new one.
   *
   * @param wanted the name it should have; another one gets a number behind it
   */
  hop(wanted: string, value: { readonly [key: string]: Value }, from: Origin): string {
    const text = JSON.stringify(value), known = this.#hopNames.get(text);
    if (known !== undefined) return known;
    const plain = wanted.toLowerCase().replace(/[^a-z0-9_.-]+/g, "_").replace(/^[_.-]+|[_.-]+$/g, "");
    let name = /^[a-z]/.test(plain) ? plain : `host_${plain}`; // it begins with a letter
    for (const first = name; this.hops.has(name);) {
      const count = (this.#numbers.get(first) ?? 1) + 1;
      this.#numbers.set(first, count);
      name = `${first}_${count}`;
    }
    this.hops.set(name, { value, from });
    this.#hopNames.set(text, name);
    return name;
  }
}
