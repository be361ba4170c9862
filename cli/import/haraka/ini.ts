/**
 * Haraka's files: ini with sections and lists (`name[] = value`), flat lists of lines, and JSON. Non-job: what is in them.
 */
import type { Origin } from "../draft.ts";
import type { Sources } from "../sources.ts";

export interface IniEntry {
  readonly value: string;
  readonly from: Origin;
}

/** Sections of names; what stands before the first section is `main`. */
export class Ini {
  readonly sections = new Map<string, Map<string, IniEntry[]>>();

  static read(file: string, text: string): Ini {
    const ini = new Ini();
    let section = "main";
    text.split("\n").forEach((raw, index) => {
      const line = raw.trim();
      if (line === "" || /^[;#]/.test(line)) return;
      if (line.startsWith("[") && line.endsWith("]")) {
        section = line.slice(1, -1).trim();
        ini.#section(section);
        return;
      }
      const equals = line.indexOf("=");
      const name = (equals < 0 ? line : line.slice(0, equals)).trim().replace(/\[\]$/, "");
      const entry = { value: equals < 0 ? "true" : line.slice(equals + 1).trim(), from: { file, line: index + 1 } };
      const known = ini.#section(section).get(name);
      if (known === undefined) ini.#section(section).set(name, [entry]);
      else known.push(entry);
    });
    return ini;
  }

  #section(name: string): Map<string, IniEntry[]> {
    let known = this.sections.get(name);
    if (known === undefined) this.sections.set(name, known = new Map());
    return known;
  }

  all(name: string, section = "main"): readonly IniEntry[] {
    return (this.sections.get(section)?.get(name) ?? []).filter(({ value }) => value !== "");
  }
  get(name: string, section = "main"): IniEntry | null {
    return this.all(name, section).at(-1) ?? null;
  }
  /** null: nobody says. */
  is(name: string, section = "main"): boolean | null {
    const value = this.get(name, section)?.value.toLowerCase();
    return value === undefined ? null : /^(?:true|yes|ok|enabled|on|1)$/.test(value);
  }
}

/** The files of one config folder. */
export class Config {
  constructor(readonly sources: Sources, readonly folder: string) {}

  path(name: string): string {
    return this.folder === "" ? name : `${this.folder}/${name}`;
  }

  /** @throws {SourceError} when it is there and cannot be read */
  async ini(name: string): Promise<Ini> {
    const file = await this.sources.find(this.path(name));
    return file === null ? new Ini() : Ini.read(file.name, file.text);
  }

  /** Lines that are no comment. */
  async list(name: string): Promise<IniEntry[]> {
    const file = await this.sources.find(this.path(name));
    if (file === null) return [];
    return file.text.split("\n").flatMap((raw, index) => {
      const value = raw.trim();
      return value === "" || value.startsWith("#") ? [] : [{ value, from: { file: file.name, line: index + 1 } }];
    });
  }

  /** The value of a file that holds one, such as `me`. */
  async value(name: string): Promise<IniEntry | null> {
    return (await this.list(name))[0] ?? null;
  }
}
