/**
 * What an entry can be found by, as words of one index, and what is asked for as a question to that index. A word's first
 * letters say what it is: `v:` verdict, `ip:` and `n:` addresses and networks, `f:`/`fd:` senders and their domains, `t:`/`td:`
 * recipients, `i:` and `s:` the ends of ids, `h:` HELO, `p:` who decided, `op:` who would have, `a:` who logged in, `m:`
 * Message-ID, none: words of replies and reasons. Both sides are pure, so an entry's words can be taken out again.
 */
import { canonicalIp, ipOctets, isIPv4, isNetwork } from "../../model/ip.ts";
import { readId, shortId } from "../../model/id.ts";
import {
  type Head,
  HELO,
  ID,
  IDENTITY,
  IP,
  MESSAGE_ID,
  OBSERVED,
  OBSERVERS,
  PLUGIN,
  REASON,
  RECIPIENTS,
  REPLY,
  SENDER,
  SESSION,
  VERDICT,
} from "../codec.ts";
import type { LedgerQuery } from "../ledger.ts";

/** Characters beside letters and digits that stand in a word of the index; any other is `_` there. */
export const WORD_CHARACTERS = "-_.@:+=!#$%&*/?^|~";
const FOREIGN = /[^a-z0-9\x80-\uffff\-_.@:+=!#$%&*/?^|~]/g;
const PLAIN = /^[a-z0-9\-_.@+]*$/;
/** Of one entry. */
const WORDS = 60;
const LONGEST = 128;

function safe(word: string): string {
  if (word.length <= LONGEST && PLAIN.test(word)) return word; // nearly always
  const text = word.length > LONGEST ? word.slice(0, LONGEST) : word;
  return text.toLowerCase().replace(FOREIGN, "_");
}

/** Words of a text: what lies between spaces and marks. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [piece] of text.toLowerCase().matchAll(/[\p{L}\p{N}@._\-+=/]+/gu)) {
    const word = piece.replace(/^[._\-+=/]{1,8}/, "").replace(/[._\-+=/]{1,8}$/, "");
    if (word !== "") words.push(word);
  }
  return words;
}

/** Everything that the entry can be found by, separated by spaces. */
export function tokensOf(head: Head): string {
  const ip = head[IP], sender = head[SENDER], id = head[ID], session = head[SESSION], plugin = head[PLUGIN];
  let text = `v:${head[VERDICT]} i:${shortId(id).toLowerCase()}`;
  if (session !== id) text += ` s:${shortId(session).toLowerCase()}`;
  if (ip !== "") text += ` ip:${ip} n:${networkOf(ip)}`;
  if (head[HELO] !== "") text += ` h:${safe(head[HELO])}`;
  if (sender !== null) text += sender === "" ? " f:_" : addressTokens(sender, "f");
  const recipients = head[RECIPIENTS];
  if (recipients.length === 1) text += addressTokens(recipients[0]!, "t");
  else if (recipients.length > 1) {
    const all = new Set<string>();
    for (const each of recipients) {
      all.add(`t:${safe(each)}`);
      all.add(`td:${domainOf(each)}`);
    }
    for (const each of all) text += ` ${each}`;
  }
  if (plugin !== null) text += ` p:${safe(plugin)}`;
  if (head[IDENTITY] !== null) text += ` a:${safe(head[IDENTITY])}`;
  if (head[MESSAGE_ID] !== null) text += ` m:${messageIdToken(head[MESSAGE_ID])}`;
  if (head[OBSERVED] !== null) {
    text += " o:yes";
    for (const each of head[OBSERVERS]) text += ` op:${safe(each)}`;
  }
  if (head[REPLY] !== null || head[REASON] !== "") {
    const words = new Set(wordsOf(`${head[REPLY] ?? ""} ${head[REASON]}`));
    let left = WORDS;
    for (const word of words) {
      if (left-- === 0) break;
      text += ` ${safe(word)}`;
    }
  }
  return text;
}

function addressTokens(address: string, kind: "f" | "t"): string {
  return ` ${kind}:${safe(address)} ${kind}d:${domainOf(address)}`;
}
function domainOf(address: string): string {
  return safe(address.slice(address.lastIndexOf("@") + 1));
}
function messageIdToken(id: string): string {
  const bare = id.startsWith("<") && id.endsWith(">") ? id.slice(1, -1) : id;
  return safe(bare);
}

/** The network that most questions are about: /24, or /64 in hex. Wider ones are beginnings of it. */
function networkOf(ip: string): string {
  if (!ip.includes(":")) return ip.slice(0, ip.lastIndexOf("."));
  const canonical = canonicalIp(ip);
  return canonical === null ? "" : ipOctets(canonical).subarray(0, 8).toHex();
}

// ---- Questions -------------------------------------------------------------------------------------------------------

const word = (token: string) => `"${token}"`;
const beginning = (token: string) => `"${token}"*`;
/** Where a word of `q` may stand. */
const PLACES = ["", "f:", "fd:", "t:", "td:", "h:", "ip:", "i:", "s:", "p:", "a:", "m:"];
const PLACED = new Set(PLACES);
/** Words of one question. */
const ASKED = 12;

/** Of which one has to find a beginning: as FTS5 has it, and as a look at an entry's words. */
export interface Beginning {
  readonly match: string;
  holds(tokens: readonly string[]): boolean;
}
/** What must hold, all of it: what the index has as it is, and beginnings of what it has. */
export interface Question {
  readonly exact: readonly string[];
  readonly beginnings: readonly Beginning[];
}

/** Null: nothing can be found so. */
export function questionOf(query: LedgerQuery): Question | null {
  const exact: string[] = [], beginnings: Beginning[] = [];
  if (query.verdict !== undefined) exact.push(word(`v:${safe(query.verdict)}`));
  if (query.ip !== undefined) {
    const found = ipMatch(query.ip);
    if (found === null) return null;
    if (typeof found === "string") exact.push(found);
    else beginnings.push(found);
  }
  if (query.from !== undefined) exact.push(addressMatch(query.from, "f"));
  if (query.to !== undefined) exact.push(addressMatch(query.to, "t"));
  if (query.plugin !== undefined) exact.push(word(`${query.observed ? "op" : "p"}:${safe(query.plugin)}`));
  else if (query.observed) exact.push(word("o:yes"));
  for (const each of (query.q ?? "").trim().split(/\s+/).slice(0, ASKED)) {
    if (each === "") continue;
    const found = wordMatch(each);
    if (typeof found === "string") exact.push(found);
    else beginnings.push(...found);
  }
  return { exact, beginnings };
}

function addressMatch(text: string, kind: "f" | "t"): string {
  const address = text.trim().replace(/^<(.*)>$/, "$1");
  if (address === "") return word(`${kind}:_`);
  return word(address.startsWith("@") ? `${kind}d:${safe(address.slice(1))}` : `${kind}:${safe(address)}`);
}

function ipMatch(text: string): string | Beginning | null {
  const ip = canonicalIp(text.trim().replace(/^\[(.*)\]$/, "$1"));
  if (ip !== null) return word(`ip:${ip}`);
  if (!isNetwork(text)) return null;
  const [host = "", bits = ""] = text.trim().split("/");
  const base = canonicalIp(host)!;
  if (isIPv4(base)) {
    const octets = base.split(".");
    if (bits === "32") return word(`ip:${base}`);
    if (bits === "24") return word(`n:${octets.slice(0, 3).join(".")}`);
    return bits === "16" || bits === "8" ? network(`${octets.slice(0, Number(bits) / 8).join(".")}.`) : null;
  }
  if (bits === "128") return word(`ip:${base}`);
  const hex = ipOctets(base).toHex();
  if (bits === "64") return word(`n:${hex.slice(0, 16)}`);
  return bits === "48" || bits === "32" ? network(hex.slice(0, Number(bits) / 4)) : null;
}

function network(start: string): Beginning {
  const token = `n:${start}`;
  return { match: beginning(token), holds: (tokens) => tokens.some((each) => each.startsWith(token)) };
}

function wordMatch(text: string): string | readonly Beginning[] {
  const ip = canonicalIp(text.replace(/^\[(.*)\]$/, "$1"));
  if (ip !== null) return word(`ip:${ip}`);
  const id = readId(text.replace(/^s(?=.{26}$)/i, ""));
  if (id !== null) return `(${word(`i:${shortId(id).toLowerCase()}`)} OR ${word(`s:${shortId(id).toLowerCase()}`)})`;
  return wordsOf(text).map((each): Beginning => {
    const start = safe(each);
    return {
      match: `(${PLACES.map((place) => beginning(`${place}${start}`)).join(" OR ")})`,
      holds: (tokens) => tokens.some((token) => begins(token, start)),
    };
  });
}

function begins(token: string, start: string): boolean {
  const colon = token.indexOf(":");
  if (colon < 0 || colon > 2) return token.startsWith(start);
  return PLACED.has(token.slice(0, colon + 1)) && token.startsWith(start, colon + 1);
}
