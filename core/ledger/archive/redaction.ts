/**
 * Addresses in texts: made unreadable before writing (SEMANTICS 28), or taken out later because somebody asked to be
 * forgotten. Works on any text and plain data, linear in its length. Non-job: where entries stand (archive.ts).
 */
import { createHmac } from "node:crypto";
import type { LedgerQuery } from "../ledger.ts";
import type { Redact } from "./protocol.ts";

/** What stands in the place of a forgotten address. */
export const FORGOTTEN = "<forgotten>";
const LONGEST = 320; // octets of a local part and a domain with room to spare
const AT = 0x40, QUOTE = 0x22;

/** Calls `change` for each address in the text and puts what it gives in the place of it. */
export function replaceAddresses(text: string, change: (address: string) => string): string {
  let at = text.indexOf("@");
  if (at < 0) return text;
  let result = "", done = 0;
  for (; at >= 0; at = text.indexOf("@", at + 1)) {
    const begin = beginOf(text, at, done), end = endOf(text, at + 1);
    if (begin === at || end === at + 1) continue;
    result += text.slice(done, begin) + change(text.slice(begin, end));
    done = end;
    at = Math.max(at, end - 1);
  }
  return result + text.slice(done);
}

function beginOf(text: string, at: number, from: number): number {
  const least = Math.max(from, at - LONGEST);
  let begin = at;
  if (text.charCodeAt(at - 1) === QUOTE) {
    let open = text.lastIndexOf('"', at - 2);
    while (open > least && text[open - 1] === "\\") open = text.lastIndexOf('"', open - 1); // one of its own characters
    return open >= least ? open : at;
  }
  while (begin > least && isLocal(text.charCodeAt(begin - 1))) begin--;
  return begin;
}
function endOf(text: string, from: number): number {
  const most = Math.min(text.length, from + LONGEST);
  let end = from;
  if (text[from] === "[") {
    const close = text.indexOf("]", from);
    return close > 0 && close < most ? close + 1 : from;
  }
  while (end < most && isDomain(text.charCodeAt(end))) end++;
  while (end > from && (text.charCodeAt(end - 1) === 0x2e || text.charCodeAt(end - 1) === 0x2d)) end--; // a sentence ends
  return end;
}
/** Not a space, a control, a mark that stands around addresses, or another `@`. */
function isLocal(code: number): boolean {
  return code > 0x20 && code !== 0x7f && code !== AT && !AROUND.has(code);
}
const AROUND = new Set([...'<>"(),:;[]\\'].map((each) => each.charCodeAt(0)));
function isDomain(code: number): boolean {
  return code >= 0x61 && code <= 0x7a || code >= 0x30 && code <= 0x39 || code >= 0x41 && code <= 0x5a ||
    code === 0x2d || code === 0x2e || code >= 0x80;
}

/** Every string in plain data. */
export function mapStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === "string") return change(value) as T;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => mapStrings(each, change)) as T;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapStrings(each, change)])) as T;
}

/** How an address is written; `key` is for hashes. */
export function redactor(redact: Redact, key: Uint8Array): (address: string) => string {
  switch (redact) {
    case "none":
      return (address) => address;
    case "local-part":
      return (address) => `*${domainPart(address)}`;
    case "hash":
      return (address) =>
        `#${createHmac("sha256", key).update(address.toLowerCase()).digest("hex").slice(0, 16)}${domainPart(address)}`;
  }
}

/** JSON with each address in it changed; null: as it is. */
export function redactedJson(json: string, address: ((address: string) => string) | null): string {
  if (address === null || !json.includes("@")) return json;
  return JSON.stringify(mapStrings(JSON.parse(json), (text) => replaceAddresses(text, address)));
}

/** The question in the words that the ledger has. */
export function redactedQuery(query: LedgerQuery, address: ((address: string) => string) | null): LedgerQuery {
  if (address === null) return query;
  const changed = (text: string) => text.startsWith("@") ? text : replaceAddresses(text, address);
  return {
    ...query,
    ...query.from !== undefined && { from: changed(query.from) },
    ...query.to !== undefined && { to: changed(query.to) },
    ...query.q !== undefined && { q: query.q.split(/\s+/).map(changed).join(" ") },
  };
}

function domainPart(address: string): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? "" : address.slice(at);
}
