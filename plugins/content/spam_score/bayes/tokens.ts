/**
 * What the classifier counts of a message: words and pairs of words that a person sees, words of the subject and of fields
 * that senders write, hosts and paths of links, tags of HTML. Each once, as a number of 32 bits; no text is kept. What a
 * relay or a filter wrote is left out, so a message has the same tokens wherever it is learned from.
 * Non-job: what a token is worth (classify.ts), which messages were seen (lessons.ts).
 */
import { type Reading, urlParts } from "../reading.ts";
import { eachWord, hashOf, mixed, type Words } from "../words.ts";

/** Tokens of one message; what comes behind counts for nothing. */
export const MAX_TOKENS = 4096;
/** Characters of HTML whose tags are looked at, tags, addresses. */
const MAX_HTML = 32 * 1024, MAX_TAGS = 500, MAX_LINKS = 100;

/** Is told the words behind a number, where somebody asks. */
export type Named = (token: number, name: string) => void;

/** What relays, lists, filters and mail programs write, or what is the same in no two messages. */
const SKIPPED = new RegExp(
  "^(?:" + [
    "received.*|return-path|delivered-to|envelope-to|date|message-id|in-reply-to|references|subject|status|lines",
    "x-spam.*|x-status|x-uid.*|x-keywords|x-mozilla.*|x-imap.*|x-delivered-to|x-original-to|x-envelope.*|x-virus.*",
    "authentication-results|dkim-.*|domainkey-signature|arc-.*|list-.*|precedence|sender|errors-to|x-mailman.*",
    "x-beenthere|x-loop|content-length|delivery-date|resent-.*|mailing-list",
  ].join("|") + ")$",
);
/** Fields whose words count; of others only that they are there. */
const WORDED =
  /^(?:x-mailer|user-agent|content-.*|mime-version|x-priority|importance|organi[sz]ation|x-mimeole|comments)$/;
const ADDRESSED = /^(?:from|reply-to|to|cc)$/;
const ATTRIBUTE = /\b(bgcolor|color|face|size|width|height|align|border)\s{0,4}=\s{0,4}["']?([^"'\s>]{1,20})/gi;
const TAG = /<(\/?[a-z!][a-z0-9]{0,11})([^<>]{0,300})/gi;

/** The tokens of a message, in no order that means anything. */
export function tokensOf(reading: Reading, named?: Named): Uint32Array {
  const tokens = new Tokens(named);
  header(reading, tokens);
  text(reading.subject, tokens, SUBJECT);
  for (const { type, filename, encoding } of reading.parts) {
    tokens.add(PART, type);
    if (encoding !== "7bit" && encoding !== "8bit") tokens.add(PART, `${type} ${encoding}`);
    if (filename !== null) tokens.add(FILE, /\.[^.]{1,10}$/.exec(filename)?.[0].toLowerCase() ?? "none");
  }
  links(reading, tokens);
  for (const html of reading.html) markup(html, tokens);
  if (reading.hidden > 20) tokens.add(LOOK, "hidden text");
  for (const each of reading.words) if (!tokens.full) text(each, tokens, TEXT);
  return tokens.take();
}

/** Where a token comes from is part of it. */
const TEXT = seed("text"), SUBJECT = seed("subject"), FIELD = seed("field"), PART = seed("part"), FILE = seed("file");
const LINK = seed("link"), PATH = seed("path"), TAGS = seed("tag"), LOOK = seed("look");

interface Origin {
  readonly name: string;
  readonly hash: number;
}
function seed(name: string): Origin {
  return { name, hash: hashOf(`${name}:`) };
}

function header(reading: Reading, tokens: Tokens): void {
  const seen = new Set<string>();
  for (const { name, value } of reading.fields) {
    if (name === "message-id" && !seen.has(name)) tokens.add(LOOK, `id ${shapeOf(value)}`);
    if (name === "in-reply-to" || name === "references") tokens.add(LOOK, name);
    seen.add(name);
    if (SKIPPED.test(name)) continue;
    if (ADDRESSED.test(name)) addresses(name, value, tokens);
    else {
      tokens.add(FIELD, name);
      if (WORDED.test(name)) words(value.slice(0, 200), tokens, seed(name));
    }
  }
  for (const name of ["message-id", "to", "reply-to"]) if (!seen.has(name)) tokens.add(LOOK, `no ${name}`);
}

/** `<a0.AA@aa>` of a Message-ID: programs are known by it. */
function shapeOf(id: string): string {
  return id.slice(0, 80).replace(/[a-z]+/g, "a").replace(/[A-Z]+/g, "A").replace(/\d+/g, "0").slice(0, 40);
}

const ADDRESS = /([\w.+=-]{1,64})@([\w.-]{1,255})/g;

function addresses(name: string, value: string, tokens: Tokens): void {
  let count = 0;
  for (const [, local = "", domain = ""] of value.matchAll(ADDRESS)) {
    if (++count > 10) break;
    const lower = domain.toLowerCase();
    tokens.add(FIELD, `${name} @${lower}`);
    tokens.add(FIELD, `${name} @.${lower.split(".").slice(-2).join(".")}`);
    tokens.add(FIELD, `${name} ${local.toLowerCase().replace(/\d/g, "0")}@`);
  }
  words(value.replace(ADDRESS, " "), tokens, seed(name));
}

function links(reading: Reading, tokens: Tokens): void {
  for (const url of reading.urls.slice(0, MAX_LINKS)) {
    const parts = urlParts(url);
    if (parts === null) {
      tokens.add(LINK, /^[a-z]{1,12}:/i.exec(url)?.[0].toLowerCase() ?? "relative");
      continue;
    }
    const labels = parts.host.split(".");
    tokens.add(LINK, /^[\d.]+$/.test(parts.host) ? "number" : parts.scheme);
    for (let at = Math.max(0, labels.length - 3); at < labels.length; at++) {
      tokens.add(LINK, labels.slice(at).join("."));
    }
    let steps = 0;
    for (const step of parts.path.split(/[/._-]/)) {
      if (step !== "" && steps++ < 6) tokens.add(PATH, step.slice(0, 20).toLowerCase().replace(/\d+/g, "0"));
    }
  }
}

function markup(html: string, tokens: Tokens): void {
  const counts = new Map<string, number>();
  let left = MAX_TAGS;
  for (const [, tag = "", rest = ""] of html.slice(0, MAX_HTML).matchAll(TAG)) {
    const name = tag.toLowerCase();
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (rest.includes("=")) {
      for (const [, name = "", value = ""] of rest.matchAll(ATTRIBUTE)) {
        tokens.add(TAGS, `${name}=${value}`.toLowerCase());
      }
    }
    if (--left === 0) break;
  }
  for (const [tag, count] of counts) tokens.add(TAGS, tag + (count > 8 ? "++" : count > 2 ? "+" : ""));
}

/** Words alone. */
function words(value: string, tokens: Tokens, origin: Origin): void {
  eachWord(value, (hash, start, end) => tokens.addHash(origin, hash, value, start, end));
}

/** Words, and each with the one before it. */
function text(words: Words, tokens: Tokens, origin: Origin): void {
  let before = 0, begin = 0;
  const value = words.text;
  words.each((hash, start, end, kind) => {
    if (tokens.full) return;
    const word = kind === "number" ? numberHash(value, start, end) : hash;
    if (end - start > 1 || kind === "bang" || value.charCodeAt(start) > 127) {
      tokens.addHash(origin, word, value, start, end);
      if (kind === "shouted") tokens.addHash(origin, word ^ SHOUTED, value, start, end);
    }
    if (before !== 0) tokens.addHash(origin, Math.imul(before, 31) ^ word, value, begin, end);
    before = word;
    begin = start;
  });
  tokens.add(LOOK, `${origin.name} of ${Math.round(Math.log2(words.words + 1))}`);
  if (words.invisible > 2) tokens.add(LOOK, "invisible characters");
  if (words.mixed > 0) tokens.add(LOOK, "mixed alphabets");
}
const SHOUTED = 0x5bd1e995;

/** Digits all alike: `$1,000` and `$2,500` are one. */
function numberHash(value: string, start: number, end: number): number {
  let hash = 0x2545f491;
  for (let at = start; at < end; at++) {
    const code = value.charCodeAt(at);
    hash = Math.imul(hash ^ (code >= 48 && code <= 57 ? 48 : code), 0x01000193);
  }
  return hash;
}

const SLOTS = 4 * MAX_TOKENS;
/** One set for all messages: a message is read without waiting, so nobody else has it meanwhile. */
const slots = new Uint32Array(SLOTS), owners = new Uint32Array(SLOTS);
let generation = 0;

/** Numbers, each once. */
class Tokens {
  readonly #found = new Uint32Array(MAX_TOKENS);
  readonly #named: Named | undefined;
  #count = 0;

  constructor(named: Named | undefined) {
    this.#named = named;
    generation = (generation + 1) >>> 0;
    if (generation === 0) owners.fill(generation++); // once in four thousand million messages
  }

  get full(): boolean {
    return this.#count === MAX_TOKENS;
  }
  add(origin: Origin, word: string): void {
    this.#put(mixed(hashOf(word, origin.hash)), () => `${origin.name}:${word}`);
  }
  addHash(origin: Origin, hash: number, text: string, start: number, end: number): void {
    this.#put(mixed(Math.imul(origin.hash, 0x01000193) ^ hash), () => `${origin.name}:${text.slice(start, end)}`);
  }
  take(): Uint32Array {
    return this.#found.slice(0, this.#count);
  }

  #put(token: number, name: () => string): void {
    if (this.#count === MAX_TOKENS) return;
    let at = token % SLOTS;
    while (owners[at] === generation) {
      if (slots[at] === token) return;
      at = (at + 1) % SLOTS;
    }
    owners[at] = generation;
    slots[at] = token;
    this.#found[this.#count++] = token;
    this.#named?.(token, name());
  }
}
