/**
 * Parameters of a MIME field, read as leniently as any reader does, and every value that some reader may see in one
 * (RFC 2045 5.1, RFC 2231, RFC 2047 where it may not stand). Linear. Non-job: which parameters matter (part_fields.ts),
 * what can be written back (entity_fields.ts).
 */
import { decodeWords } from "../model/encoded_word.ts";
import { decodeText } from "./charset.ts";

/** What a field says behind its first word. */
export interface Parameters {
  /** By name in lower case: what most readers take. */
  readonly values: ReadonlyMap<string, string>;
  /** By name, what another reader may take, where that differs. */
  readonly others: ReadonlyMap<string, readonly string[]>;
  /** All of them could be read to their end, none stands there twice. */
  readonly sound: boolean;
  /** A piece is missing between two that are there. */
  readonly gap: boolean;
}

interface Piece {
  readonly name: string;
  readonly value: string;
  /** Without quotes and with a space in it: the word before the space. */
  readonly word: string | null;
}
/** Pieces of one value (RFC 2231 3), by their numbers. */
interface Pieces {
  readonly pieces: { readonly number: number; readonly value: string; readonly coded: boolean }[];
}

const SPACE = /[ \t\r\n]/;
const MAX_PIECES = 1000; // of all values together

/**
 * Reads parameters from `text`, a field's value in which `from` is where the first word ended.
 *
 * @example
 * ```ts
 * import { parseParameters } from "./parameters.ts";
 * import { assertEquals } from "@std/assert";
 * const { values } = parseParameters(`attachment; filename*0*=utf-8''%c3; filename*1*=%a4; filename*2=".txt"`, 10);
 * assertEquals(values.get("filename"), "ä.txt");
 * ```
 */
export function parseParameters(text: string, from: number): Parameters {
  const { pieces, whole } = split(text, from);
  let sound = whole && pieces.length < MAX_PIECES, gap = false;
  const plain = new Map<string, string[]>(),
    numbered = new Map<string, Pieces>(),
    extended = new Map<string, string[]>();
  for (const { name, value, word } of pieces) {
    // attribute ["*" section] ["*"]                                                                  RFC 2231 7
    const match = /^([^*]+)(?:\*(\d{1,9}))?(\*)?$/.exec(name);
    const base = match?.[1] ?? name;
    if (match?.[2] !== undefined) {
      const list = numbered.get(base) ?? { pieces: [] };
      if (!numbered.has(base)) numbered.set(base, list);
      list.pieces.push({ number: Number(match[2]), value, coded: match[3] !== undefined });
    } else {
      const map = match?.[3] === undefined ? plain : extended;
      const list = map.get(base) ?? [];
      if (!map.has(base)) map.set(base, list);
      list.push(map === extended ? decodeExtended([{ value, coded: true }]) : decodeWords(value));
      if (word !== null && map === plain) list.push(decodeWords(word));
    }
  }
  const values = new Map<string, string>(), others = new Map<string, string[]>();
  const names = new Set([...extended.keys(), ...numbered.keys(), ...plain.keys()]);
  for (const name of names) {
    const seen = [...extended.get(name) ?? []];
    const parts = numbered.get(name);
    if (parts !== undefined) {
      const joined = join(parts);
      gap ||= joined.gap;
      seen.push(...joined.values);
      if (joined.double) sound = false;
    }
    seen.push(...plain.get(name) ?? []);
    values.set(name, seen[0]!);
    const rest = [...new Set(seen)].slice(1);
    if (rest.length > 0) others.set(name, rest);
  }
  if (hasDoubles(pieces)) sound = false;
  return { values, others, sound, gap };
}

function hasDoubles(pieces: readonly Piece[]): boolean {
  const seen = new Map<string, string>();
  for (const { name, value } of pieces) {
    const before = seen.get(name);
    if (before !== undefined && before !== value) return true;
    seen.set(name, value);
  }
  return false;
}

function join({ pieces }: Pieces): { values: string[]; gap: boolean; double: boolean } {
  const sorted = pieces.toSorted((a, b) => a.number - b.number);
  const first = sorted.filter(({ number }, at) => at === 0 || sorted[at - 1]!.number !== number);
  let run = 0; // how many from the first on have no gap before them
  while (run < first.length && first[run]!.number === run) run++;
  const values = [decodeExtended(first)];
  if (run > 0 && run < first.length) values.push(decodeExtended(first.slice(0, run)));
  if (first.length < sorted.length) values.push(decodeExtended(sorted));
  return {
    values: values.flatMap((value) => [...new Set([decodeWords(value), value])]),
    gap: run < first.length,
    double: first.length < sorted.length,
  };
}

/** charset'language'text in the first piece, %XX in those that say so; the charset counts for all of them. */
function decodeExtended(pieces: readonly { readonly value: string; readonly coded: boolean }[]): string {
  let charset: string | null = null, out = "", octets: number[] = [];
  const flush = () => {
    if (octets.length > 0) out += decodeText(Uint8Array.from(octets), charset);
    octets = [];
  };
  pieces.forEach(({ value, coded }, index) => {
    let at = 0;
    if (index === 0 && coded) {
      const quote = value.indexOf("'"), second = quote < 0 ? -1 : value.indexOf("'", quote + 1);
      if (second >= 0) {
        charset = value.slice(0, quote);
        at = second + 1;
      }
    }
    if (!coded) {
      flush(); // a character never spans two pieces of which one is not coded
      out += value;
      return;
    }
    for (; at < value.length; at++) {
      const code = value.charCodeAt(at);
      const hex = code === 37 ? value.slice(at + 1, at + 3) : "";
      if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
        octets.push(parseInt(hex, 16));
        at += 2;
      } else if (code < 128) octets.push(code);
      else {
        flush();
        out += value[at]!;
      }
    }
  });
  flush();
  return out;
}

/** The parameters one by one, quotes and folding taken off. */
function split(text: string, from: number): { pieces: Piece[]; whole: boolean } {
  const pieces: Piece[] = [];
  let at = from, whole = true, comments = true;
  while (at < text.length && pieces.length < MAX_PIECES) {
    let begin = comments ? skip(text, at) : skipSpace(text, at);
    if (begin < 0) { // a comment without end is none, and hides nothing
      whole = comments = false;
      begin = skipSpace(text, at);
    }
    if (begin === text.length) break;
    if (text[begin] === ";") {
      at = begin + 1;
      continue;
    }
    let end = begin;
    while (end < text.length && text[end] !== "=" && text[end] !== ";" && text[end] !== '"') end++;
    const name = text.slice(begin, end).trim().toLowerCase();
    if (text[end] !== "=" || name === "" || SPACE.test(name)) whole = false;
    if (text[end] !== "=") { // no parameter: over it
      at = text[end] === '"' ? quotedEnd(text, end) : end;
      continue;
    }
    const start = skipSpace(text, end + 1);
    if (text[start] === '"') {
      const close = quotedEnd(text, start);
      if (text[close - 1] !== '"' || close - start < 2) whole = false;
      const inside = text.slice(start + 1, Math.max(start + 1, text[close - 1] === '"' ? close - 1 : close));
      pieces.push({ name: lastWord(name), value: unquoted(inside), word: null });
      at = comments ? skip(text, close) : skipSpace(text, close);
      if (at < 0) at = close;
      if (at < text.length && text[at] !== ";") whole = false;
    } else {
      let stop = start;
      while (stop < text.length && text[stop] !== ";") stop++;
      const value = text.slice(start, stop).replace(/\r?\n/g, "").trimEnd();
      const space = value.search(/[ \t]/);
      if (space >= 0 && value[space + 1] !== "(") whole = false;
      pieces.push({ name: lastWord(name), value, word: space < 0 ? null : value.slice(0, space) });
      at = stop;
    }
  }
  return { pieces, whole };
}

/** Of `junk name=value` the name: another reader saw the junk end before it. */
function lastWord(name: string): string {
  return name.slice(Math.max(name.lastIndexOf(" "), name.lastIndexOf("\t"), name.lastIndexOf("\n")) + 1);
}

/** Over spaces, line ends and comments (RFC 5322 3.2.2); -1 when a comment has no end. */
export function skip(text: string, from: number): number {
  let at = from, depth = 0;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === "(") depth++;
    else if (depth > 0) {
      if (char === ")") depth--;
      else if (char === "\\") at++;
    } else if (!isSpace(char)) break;
  }
  return depth > 0 ? -1 : Math.min(at, text.length);
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text[at]!)) at++;
  return at;
}

const isSpace = (char: string): boolean => char === " " || char === "\t" || char === "\r" || char === "\n";

/** Behind the quote that ends what begins at `from`, or the end of the text. */
function quotedEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return Math.min(at + 1, text.length);
}

/** Backslashes before a quote or themselves go, others are of a path that some program wrote; line ends go. */
function unquoted(text: string): string {
  return text.replace(/\r?\n/g, "").replace(/\\(["\\])/g, "$1");
}
