/**
 * A YAML file with its positions: values after `${NAME}` was filled in, and for every path the line and column where a
 * person has to look. Non-job: what the values mean (schema.ts, plugins.ts).
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";
import { substitute } from "./environment.ts";
import type { ConfigIssue, Path } from "./issue.ts";
import { formatPath } from "./issue.ts";

export interface Place {
  readonly line: number;
  readonly column: number;
}
export interface PlaceOptions {
  /** Of the key, not of its value. */
  readonly key?: boolean;
}

export class YamlFile {
  /** Plain data; null for an empty file. */
  readonly value: unknown;
  /** Syntax errors, doubled keys and unset variables. */
  readonly issues: readonly ConfigIssue[];
  /** True when what is wrong makes the rest guesswork. */
  readonly broken: boolean;
  /** What variables were filled in with: no message may show it. */
  readonly filled = new Map<string, string>();
  /** By path, what stood in the file where variables were filled in. */
  readonly written = new Map<string, string>();
  #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(readonly file: string, text: string, env: Readonly<Record<string, string | undefined>>) {
    const issues: ConfigIssue[] = [];
    let document = this.#parse(text);
    if (document.errors.some((error) => COLON_LOST.has(error.code))) {
      const mended = withColons(text);
      for (const { name, ...place } of mended.entries) {
        issues.push({
          file,
          ...place,
          path: "",
          message: `an entry with words beside it needs a colon: "- ${name}: {}"`,
        });
      }
      if (mended.entries.length > 0) document = this.#parse(mended.text); // so that this fault hides no other
    }
    this.#document = document;
    for (const error of document.errors) {
      issues.push({ file, ...this.#at(error.pos[0]), path: "", message: sentence(error.message) });
    }
    for (const at of doubledKeys(document)) {
      issues.push({ file, ...this.#at(at), path: "", message: "the same key stands here twice" });
    }
    this.broken = document.errors.length > 0;
    this.value = null;
    if (!this.broken) {
      issues.push(...this.#fillIn(env));
      try {
        this.value = this.#document.toJS({ maxAliasCount: 100 });
      } catch (error) { // aliases that multiply without end
        issues.push({ file, line: 1, column: 1, path: "", message: sentence(String(error)) });
        this.broken = true;
      }
    }
    this.issues = issues;
  }

  #parse(text: string): Document.Parsed {
    this.#lines = new LineCounter();
    // Its own search for doubled keys compares each key of a table with each other
    const options = { lineCounter: this.#lines, prettyErrors: false, version: "1.2", uniqueKeys: false } as const;
    return parseDocument(text, options);
  }

  /** Where `path` stands; the nearest parent of it that is there, when it is not. */
  place(path: Path, options: PlaceOptions = {}): Place {
    let node: unknown = this.#document.contents;
    let at = start(node) ?? 0;
    for (const [depth, step] of path.entries()) {
      const inside = isAlias(node) ? node.resolve(this.#document) : node;
      let key: unknown, next: unknown;
      if (isMap(inside)) {
        const pair = inside.items.find((each) => isPair(each) && keyText(each.key) === String(step));
        if (pair === undefined) break;
        [key, next] = [pair.key, pair.value];
      } else if (isSeq(inside)) next = inside.items[Number(step)];
      if (next === undefined && key === undefined) break;
      const [first, second] = options.key === true && depth === path.length - 1 ? [key, next] : [next, key];
      at = start(first) ?? start(second) ?? at;
      node = next;
    }
    return this.#at(at);
  }

  /** Fills `${NAME}` in, in every scalar that is a value. */
  #fillIn(env: Readonly<Record<string, string | undefined>>): ConfigIssue[] {
    const issues: ConfigIssue[] = [];
    visit(this.#document, {
      Scalar: (where, node, parents) => {
        if (where === "key" || typeof node.value !== "string" || !node.value.includes("${")) return;
        const { text, faults, used } = substitute(node.value, env);
        const path = formatPath(pathOf([...parents, node]));
        for (const message of faults) issues.push({ file: this.file, ...this.#at(start(node) ?? 0), path, message });
        if (used.length > 0) this.written.set(path, node.value);
        for (const name of used) this.filled.set(env[name]!, `\${${name}}`);
        node.value = node.type === "PLAIN" ? typed(text) : text;
      },
    });
    return issues;
  }

  #at(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** What YAML says of `- headers` with a line `mode: observe` under it: a key of two lines, or no list entry. */
const COLON_LOST = new Set<string>(["MULTILINE_IMPLICIT_KEY", "MISSING_CHAR"]);
const BARE_ENTRY = /^( *(?:- +)+)([\w.\/:@-]+)[ \t]*(?:#.*)?\r?$/;

/** The text with the colon after each such entry, in its line, and these entries. */
function withColons(text: string): { text: string; entries: (Place & { name: string })[] } {
  const lines = text.split("\n");
  const entries: (Place & { name: string })[] = [];
  for (const [index, line] of lines.entries()) {
    const bare = BARE_ENTRY.exec(line);
    if (bare === null) continue;
    const [, before, name] = bare as unknown as [string, string, string];
    let next = index + 1;
    while (/^\s*(?:#.*)?$/.test(lines[next] ?? "x")) next++;
    const word = /^( *)[A-Za-z]\w*:(?:\s|$)/.exec(lines[next] ?? "");
    if (word === null || word[1]!.length !== before.length) continue;
    const end = before.length + name.length;
    lines[index] = `${line.slice(0, end)}: {}${line.slice(end)}`;
    entries.push({ line: index + 1, column: before.length + 1, name });
  }
  return { text: lines.join("\n"), entries };
}

/** Where a key stands that its table has already. */
function doubledKeys(document: Document.Parsed): number[] {
  const found: number[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) found.push(start(key) ?? 0);
        else seen.add(key.value);
      }
    },
  });
  return found;
}

function start(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

/** The keys and indices on the way from the document to its last node. */
function pathOf(nodes: readonly unknown[]): Path {
  const path: (string | number)[] = [];
  for (const [depth, node] of nodes.entries()) {
    if (isPair(node)) path.push(keyText(node.key));
    else if (isSeq(node)) path.push(node.items.indexOf(nodes[depth + 1]));
  }
  return path;
}

/** An unquoted scalar is read as YAML reads it, after substitution too; quotes keep it a string. */
function typed(text: string): string | number | boolean {
  if (/^(?:0|-?[1-9]\d{0,14})(?:\.\d{1,6})?$/.test(text)) return Number(text);
  return text === "true" ? true : text === "false" ? false : text;
}

function sentence(message: string): string {
  return message.replace(/[\p{C}\s]+/gu, " ").trim().slice(0, 200);
}
