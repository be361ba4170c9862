/**
 * Collects every fault of a configuration, each with its place, worded for the person who wrote the file.
 * Non-job: the rules (schema.ts), the positions (document.ts).
 */
import type { z } from "zod";
import type { YamlFile } from "./document.ts";
import { type ConfigIssue, formatPath, type Path } from "./issue.ts";
import { type JsonSchema, jsonSchemaOf, knownNames } from "./json_schema.ts";
import { didYouMean } from "./nearest.ts";
import { LATER } from "./schema.ts";

/** What Standard Schema promises of an issue, and what zod adds. */
interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  readonly code?: string;
  readonly keys?: readonly string[];
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  /** False: the limit itself is outside. */
  readonly inclusive?: boolean;
  readonly origin?: string;
  readonly errors?: readonly (readonly SchemaIssue[])[];
  /** Of a key that is none. */
  readonly issues?: readonly SchemaIssue[];
}

export class Faults {
  readonly #issues: ConfigIssue[];
  /** Places of values whose variables are unset. */
  readonly #unread: ReadonlySet<string>;

  constructor(readonly yaml: YamlFile | null) {
    this.#issues = [...yaml?.issues ?? []];
    this.#unread = new Set(
      this.#issues.filter((each) => each.path !== "").map((each) => `${each.line}:${each.column}`),
    );
  }

  /** A fault at `path`; `key` points at the key itself instead of its value. */
  add(path: Path, message: string, options: { readonly key?: boolean } = {}): void {
    const place = this.yaml ? this.yaml.place(path, options) : { line: 0, column: 0 };
    if (this.#unread.has(`${place.line}:${place.column}`)) return; // its text could not be filled in: that is the fault
    this.#issues.push({
      file: this.yaml?.file ?? null,
      ...place,
      path: formatPath(path),
      message: this.#hide(message),
    });
  }

  /** A fault of a POSTERN_ variable. */
  variable(name: string, message: string): void {
    this.#issues.push({ file: null, line: 0, column: 0, path: name, message });
  }

  /** `value` by `schema`; undefined, and a fault for each thing wrong with it, when it does not fit. */
  read<T extends z.ZodType>(schema: T, value: unknown, path: Path): z.output<T> | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    this.schema(schema, value, result.error.issues as readonly SchemaIssue[], path);
    return undefined;
  }

  /** The issues that a Standard Schema found in `value`, which stands at `path`. */
  schema(schema: unknown, value: unknown, issues: readonly SchemaIssue[], path: Path): void {
    let json: JsonSchema | undefined;
    const names = (at: Path) => knownNames(json ??= jsonSchemaOf(schema), at) ?? [];
    for (const issue of issues.flatMap((each) => plainest(each))) {
      const at = steps(issue), whole = [...path, ...at];
      if (issue.code === "unrecognized_keys") {
        for (const key of issue.keys ?? []) this.unknown(whole, key, names(at));
      } else if (issue.code === "invalid_key") {
        for (const { message } of issue.issues ?? []) this.add(whole, lower(message), { key: true });
      } else this.add(whole, word(issue, valueAt(value, at)));
    }
  }

  /** A key that nobody knows, or knows yet. */
  unknown(path: Path, key: string, names: Iterable<string>): void {
    const pattern = formatPath([...path, key]).replaceAll(/\[\d+\]/g, "[]");
    const later = Object.hasOwn(LATER, pattern) ? LATER[pattern] : undefined;
    this.add([...path, key], later ?? `unknown key${didYouMean(key, names)}`, { key: true });
  }

  get some(): boolean {
    return this.#issues.length > 0;
  }

  /** In the order of the file, each once. */
  get all(): readonly ConfigIssue[] {
    const seen = new Set<string>();
    return this.#issues
      .filter((each) => {
        const text = `${each.line}:${each.column}:${each.path}:${each.message}`;
        return !seen.has(text) && seen.add(text);
      })
      .sort((a, b) => a.line - b.line || a.column - b.column);
  }

  /** Values from the environment may be secrets: a message shows the variable's name instead. */
  #hide(message: string): string {
    let text = message;
    for (const [value, name] of this.yaml?.filled ?? []) if (value.length > 3) text = text.replaceAll(value, name);
    return text;
  }
}

const steps = (issue: SchemaIssue): Path =>
  (issue.path ?? []).map((step) => {
    const key = typeof step === "object" ? step.key : step;
    return typeof key === "number" ? key : String(key);
  });

/** Of a union, the branch that came furthest: its faults are the ones that help. */
function plainest(issue: SchemaIssue): readonly SchemaIssue[] {
  if (issue.code !== "invalid_union" || !issue.errors?.length) return [issue];
  const depth = (branch: readonly SchemaIssue[]) =>
    Math.max(...branch.map((each) => (each.code === "invalid_type" ? 0 : 1) + (each.path?.length ?? 0)));
  const best = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0]!;
  return best.flatMap((each) => plainest({ ...each, path: [...issue.path ?? [], ...each.path ?? []] }));
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "a group of keys",
  record: "a group of keys",
  int: "a whole number",
};

function word(issue: SchemaIssue, value: unknown): string {
  switch (issue.code) {
    case "invalid_type": {
      const own = issue.message.startsWith("Invalid input") ? null : issue.message;
      const expected = own ?? `must be ${TYPES[issue.expected ?? ""] ?? issue.expected ?? "something else"}`;
      return value === undefined || value === null ? `is missing; it ${expected}` : expected;
    }
    case "invalid_value": {
      const values = (issue.values ?? []).map(String);
      const list = values.length > 1 ? `one of ${values.join(", ")}` : values.join();
      return `must be ${list}${typeof value === "string" ? didYouMean(value, values) : ""}`;
    }
    case "too_small":
    case "too_big": {
      if (!issue.message.startsWith("Too ")) return issue.message;
      const [limit, word] = issue.code === "too_small"
        ? [issue.minimum, issue.inclusive === false ? "more than" : "at least"]
        : [issue.maximum, issue.inclusive === false ? "less than" : "at most"];
      const one = Number(limit) === 1;
      const things = issue.origin === "string"
        ? one ? "character" : "characters"
        : issue.origin === "array"
        ? one ? "entry" : "entries"
        : null;
      return things === null ? `must be ${word} ${limit}` : `must have ${word} ${limit} ${things}`;
    }
    default:
      return lower(issue.message);
  }
}

/** Zod's own sentences begin with a capital; ours follow a colon. */
function lower(message: string): string {
  return /^[A-Z][a-z]/.test(message) ? message[0]!.toLowerCase() + message.slice(1) : message;
}

function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const step of path) here = (here as Record<string | number, unknown> | null | undefined)?.[step];
  return here;
}
