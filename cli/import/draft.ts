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
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

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
  constructor(readonly name: string, readonly from: Origin, readonly as: string | null) {}

  /** The first that sets an option wins, as with every line of a list that is read from above. */
  set(option: string, value: Value, from: Origin): this {
    if (!this.options.has(option)) this.options.set(option, { value, from });
    return this;
  }

  /** One entry of an option that is a table. */
  put(option: string, key: string, value: Value, from: Origin): this {
    const before = this.options.get(option)?.value;
    const table = typeof before === "object" && before !== null && !Array.isArray(before) ? before : {};
    if (!Object.hasOwn(table, key)) this.options.set(option, { value: { ...table, [key]: value }, from });
    return this;
  }
}

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
    const known = this.left.some((each) => each.what === what && placeOf(each.from) === placeOf(from));
    if (!known) this.left.push({ from, what, instead });
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
    const text = JSON.stringify(value);
    for (const [name, known] of this.hops) if (JSON.stringify(known.value) === text) return name;
    const plain = wanted.toLowerCase().replace(/[^a-z0-9_.-]+/g, "_").replace(/^[_.-]+|[_.-]+$/g, "");
    let name = /^[a-z]/.test(plain) ? plain : `host_${plain}`; // it begins with a letter
    for (let count = 2, first = name; this.hops.has(name); count++) name = `${first}_${count}`;
    this.hops.set(name, { value, from });
    return name;
  }
}
