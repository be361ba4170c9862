/**
 * Lookup tables (DATABASE_README): their text where there is one. Compiled tables are read from the text beside them.
 * Non-job: what an entry means to whoever asks.
 */
import type { Origin } from "../draft.ts";
import { SourceError, type Sources } from "../sources.ts";
import { logicalLines, withoutBraces, wordsOf } from "./lines.ts";

export interface Entry {
  /** In lower case, as Postfix asks for it. */
  readonly key: string;
  readonly value: string;
  readonly from: Origin;
}

export type Table =
  /** Keys and values. */
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  /** Networks or patterns in an order that counts: the first that fits. */
  | { readonly kind: "ordered"; readonly type: "cidr" | "regexp"; readonly entries: readonly Entry[] }
  /** The accounts of the system. */
  | { readonly kind: "passwd" }
  /** A value for every key. */
  | { readonly kind: "static"; readonly value: string }
  /** It cannot be had here. */
  | { readonly kind: "none"; readonly why: string };

/** Types whose source is the text of the same name. */
const COMPILED = new Set(["hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"]);
const MOST_LINES = 1_000_000;

const known = new WeakMap<Sources, Map<string, Promise<Table>>>();

/** Reads `type:name`, a file once. Never throws for what a file holds. */
export function readTable(name: string, { sources, from }: { sources: Sources; from: Origin }): Promise<Table> {
  if (name.includes("inline:")) return readFresh(name, { sources, from }); // its entries stand where it is named
  const tables = known.get(sources) ?? new Map<string, Promise<Table>>();
  known.set(sources, tables);
  let table = tables.get(name);
  if (table === undefined) tables.set(name, table = readFresh(name, { sources, from }));
  return table;
}

async function readFresh(name: string, { sources, from }: { sources: Sources; from: Origin }): Promise<Table> {
  const text = name.replace(/^proxy:/, "");
  const colon = text.indexOf(":"), type = colon < 0 ? "file" : text.slice(0, colon), rest = text.slice(colon + 1);
  if (type === "inline") return { kind: "entries", entries: inlineEntries(rest, from) };
  if (type === "static") return { kind: "static", value: withoutBraces(rest) };
  if (type === "unix" && rest.startsWith("passwd")) return { kind: "passwd" };
  try {
    if (COMPILED.has(type)) {
      if (!await sources.exists(rest) && (await sources.exists(`${rest}.db`) || await sources.exists(`${rest}.lmdb`))) {
        return { kind: "none", why: "only the compiled table is there, not the text that it was made from" };
      }
      const file = await sources.read(rest);
      return { kind: "entries", entries: textEntries(file) };
    }
    if (type === "cidr" || type === "regexp" || type === "pcre") {
      const file = await sources.read(rest);
      return { kind: "ordered", type: type === "cidr" ? "cidr" : "regexp", entries: orderedEntries(file, type) };
    }
  } catch (error) {
    if (error instanceof SourceError) return { kind: "none", why: error.message };
    throw error;
  }
  return { kind: "none", why: `a table of type ${type} is asked of another program` };
}

/** `key value`, as postmap(1) reads it. */
function textEntries({ name, text }: { name: string; text: string }): Entry[] {
  const entries: Entry[] = [];
  for (const { number, text: line } of logicalLines(text)) {
    if (entries.length >= MOST_LINES) throw new SourceError(`${name}: has more than a million entries`);
    const space = line.search(/[ \t]/);
    const key = space < 0 ? line : line.slice(0, space);
    entries.push({
      key: key.toLowerCase(),
      value: space < 0 ? "" : line.slice(space).trim(),
      from: { file: name, line: number },
    });
  }
  return entries;
}

/** `network value`; `/pattern/flags value`. */
function orderedEntries({ name, text }: { name: string; text: string }, type: string): Entry[] {
  return logicalLines(text).map(({ number, text: line }) => {
    const from = { file: name, line: number };
    if (type === "cidr") {
      const space = line.search(/[ \t]/);
      return space < 0
        ? { key: line, value: "", from }
        : { key: line.slice(0, space), value: line.slice(space).trim(), from };
    }
    const mark = line[0]!, end = /[A-Za-z0-9]/.test(mark) ? -1 : lastUnescaped(line, mark);
    if (end <= 0) return { key: line, value: "", from };
    const flags = /^[a-zA-Z]*/.exec(line.slice(end + 1))![0];
    return { key: line.slice(0, end + 1 + flags.length), value: line.slice(end + 1 + flags.length).trim(), from };
  });
}

function lastUnescaped(line: string, mark: string): number {
  for (let at = 1; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === mark) return at;
  }
  return -1;
}

/** `{ {key = value}, {key = value} }` */
function inlineEntries(text: string, from: Origin): Entry[] {
  return wordsOf(withoutBraces(text.trim())).flatMap((word) => {
    const pair = withoutBraces(word), equals = pair.indexOf("=");
    if (equals < 0) return [];
    return [{ key: pair.slice(0, equals).trim().toLowerCase(), value: pair.slice(equals + 1).trim(), from }];
  });
}
