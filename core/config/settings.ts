/**
 * The configuration as it was read, setting by setting, for people: what stands in the file as it is written there, what
 * is a default, what came from the environment. Nothing that could be a secret is in it: what was filled in for `${NAME}`
 * is shown by its name, and what stands under a name like `token` is masked.
 * Non-job: what the values mean (config.ts).
 */
import { z } from "zod";
import type { YamlFile } from "./document.ts";
import { type Environment, type Variable, variable } from "./environment.ts";
import { formatPath, type Path } from "./issue.ts";
import { File } from "./schema.ts";
import { isDatabaseUrl, shownDatabaseUrl } from "../store/postgres/url.ts";

/** Where a value came from. */
export type SettingSource = "file" | "default" | "environment";
/** One value. */
export interface ReadSetting {
  /** `limits.messageSize`, `plugins[2].spf.softfail`. */
  readonly path: string;
  /** In one line, as a file has it; MASK for a secret. */
  readonly value: string;
  /** Where it came from. */
  readonly from: SettingSource;
}

/** What stands for a secret. */
export const MASK = "••••••";

/** Names under which no text is shown, whatever it is. */
const SECRET = /(?:pass(?:word|phrase|wd)?|secret|token|credential|api_?key|authorization|cookie)s?$/i;
/** What HTTP headers say may be anything. */
const SECRET_PLACE = /^nextHops\.[^.]+\.headers\./;
/** URLs of which some receivers take the path for a password: no more is shown than their host, as in the log. */
const SECRET_URL = /^webhooks\[\d+\]\.url$/;
/** A shorter text that was filled in somewhere proves nothing where it stands elsewhere. */
const TELLING = 4;
/** Characters of a value. */
const LONGEST = 400;

interface Written {
  /** Null: there is no file. */
  readonly yaml: Pick<YamlFile, "filled" | "written"> | null;
  readonly env: Environment;
}

/** All settings, in the order of the schema; what has no value and no default is left out. `raw`: the file as plain data. */
export function settingsOf(raw: Readonly<Record<string, unknown>>, written: Written): readonly ReadSetting[] {
  const schema = z.toJSONSchema(File, { io: "input", unrepresentable: "any" }) as Schema;
  return replaced(new Walk(written).group(schema, raw, []), raw, written.env);
}

interface Schema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
}

class Walk {
  constructor(readonly written: Written) {}

  group(schema: Schema, raw: Readonly<Record<string, unknown>>, path: Path): ReadSetting[] {
    const known = Object.entries(schema.properties ?? {}).flatMap(([name, inside]) =>
      Object.hasOwn(raw, name) ? this.#given(inside, raw[name], [...path, name]) : this.#left(inside, [...path, name])
    );
    const others = Object.entries(raw).filter(([name]) => !Object.hasOwn(schema.properties ?? {}, name))
      .flatMap(([name, value]) => this.#given({}, value, [...path, name]));
    return [...known, ...others];
  }

  #given(schema: Schema, raw: unknown, path: Path): ReadSetting[] {
    if (path.length === 1 && path[0] === "store" && typeof raw === "string" && isDatabaseUrl(raw)) {
      raw = shownDatabaseUrl(raw);
    }
    if (isGroup(raw) && Object.keys(raw).length > 0) return this.group(schema, raw, path);
    if (Array.isArray(raw) && raw.some((each) => isGroup(each) || Array.isArray(each))) {
      return raw.flatMap((each, at) => this.#given({}, each, [...path, at]));
    }
    return [this.#one(raw, path)];
  }

  /** What the file does not say. */
  #left(schema: Schema, path: Path): ReadSetting[] {
    if (schema.default === undefined) return [];
    if (schema.properties !== undefined) return this.group(schema, {}, path);
    return [{ path: formatPath(path), value: oneLine(schema.default), from: "default" }];
  }

  #one(raw: unknown, path: Path): ReadSetting {
    const { yaml } = this.written, name = formatPath(path), written = yaml?.written.get(name);
    const from = yaml === null ? "default" : written === undefined ? "file" : "environment";
    const secret = typeof raw !== "number" && typeof raw !== "boolean" &&
      (SECRET_PLACE.test(name) || path.some((step) => SECRET.test(String(step))));
    const shown = written === undefined
      ? secret ? MASK : this.#hidden(oneLine(raw))
      : cut(variablesOf(written, secret));
    return {
      path: name,
      value: SECRET_URL.test(name) ? shown.replace(/(:\/\/[^/?#]*[/?#]).+$/s, `$1${MASK}`) : shown,
      from,
    };
  }

  /** Without what was filled in at another place (an alias), and without passwords in URLs. */
  #hidden(text: string): string {
    let shown = text;
    for (const [value, name] of this.written.yaml?.filled ?? []) {
      if (value.length >= TELLING || value === shown) shown = shown.replaceAll(value, name);
    }
    return shown.replace(/(:\/\/[^\/?#\s:@]{0,100}:)[^\/?#\s@]{1,400}@/g, `$1${MASK}@`);
  }
}

/** With the names of variables in it; of a secret those alone. What stands for one that is not set is no name. */
function variablesOf(written: string, secret: boolean): string {
  const text = written.replace(/\$\{(\w{1,100}):-[^{}]*\}/g, "${$1}");
  return secret ? text.match(/\$\{\w{1,100}\}/g)?.join("") ?? MASK : text;
}

/** With what variables of ours put in the place of something, or add. */
function replaced(
  settings: readonly ReadSetting[],
  raw: Readonly<Record<string, unknown>>,
  env: Environment,
): readonly ReadSetting[] {
  const listeners = Array.isArray(raw["listeners"]) ? raw["listeners"] : [];
  const mx = listeners.findIndex((each) => isGroup(each) && (each["role"] ?? "mx") === "mx");
  const names: Readonly<Record<string, Variable>> = {
    data: "POSTERN_DATA",
    "admin.address": "POSTERN_ADMIN",
    "admin.token": "POSTERN_ADMIN_TOKEN",
    "log.level": "POSTERN_LOG",
    threads: "POSTERN_THREADS",
    [`listeners[${mx}].address`]: "POSTERN_SMTP",
  };
  const given = new Map<string, ReadSetting>();
  for (const [path, name] of Object.entries(names)) {
    const value = variable(env, name);
    if (value === null) continue;
    given.set(path, { path, value: name === "POSTERN_ADMIN_TOKEN" ? MASK : cut(value), from: "environment" });
  }
  const shown = settings.map((setting) => given.get(setting.path) ?? setting);
  const there = new Set(settings.map(({ path }) => path));
  return [...shown, ...[...given.values()].filter(({ path }) => !there.has(path))];
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As a file has it, in one line. */
function oneLine(value: unknown): string {
  if (Array.isArray(value)) return cut(`[${value.map(oneLine).join(", ")}]`);
  if (typeof value === "string") return cut(value);
  return cut(value === null ? "null" : JSON.stringify(value) ?? String(value));
}

function cut(text: string): string {
  const line = text.replace(/[\p{C}\s]+/gu, " ");
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
