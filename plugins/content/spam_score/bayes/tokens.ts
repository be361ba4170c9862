/**
 * What the classifier counts of a message: words and pairs of words that a person sees, words of the subject and of fields
 * that senders write, hosts and paths of links, tags of HTML. Each once, as a number of 32 bits; no text is kept. What a
 * relay or a filter wrote is left out, so a message has the same tokens wherever it is learned from.
 * Non-job: what a token is worth (classify.ts), which messages were seen (lessons.ts).
 */
import { type Reading, urlParts } from "../reading.ts";
import { BANGS, eachWord, hashOf, mixed, NUMBER, SHOUTED, type Words } from "../words.ts";

/** Tokens of one message; what comes behind counts for nothing. */
export const MAX_TOKENS = 4096;
/** Characters of HTML whose tags are looked at, tags, addresses. */
const MAX_HTML = 32 * 1024, MAX_TAGS = 500, MAX_LINKS = 100;
/** Fields of a name that are looked at: nobody writes more. */
const MAX_ALIKE = 10;

/** The tokens of a message, each once, and the words behind each by its place. */
export interface TokenList {
  readonly tokens: Uint32Array;
  name(place: number): string;
}

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
/** Attributes whose values count. */
const ATTRIBUTES = new Set(
  ["bgcolor", "color", "face", "size", "width", "height", "align", "border"].map((name) => hashOf(name)),
);
/** Characters of a tag that are looked at, and of a value. */
const MAX_TAG = 320, MAX_VALUE = 20;

/** The tokens of a message: what stands in front of it first, then its text. */
export function tokensOf(reading: Reading): TokenList {
  const tokens = new Tokens();
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
  const seen = new Map<string, number>();
  for (const { name, value } of reading.fields) {
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    if (name === "message-id" && before === 0) tokens.add(LOOK, `id ${shapeOf(value)}`);
    if (name === "in-reply-to" || name === "references") tokens.add(LOOK, name);
    if (before >= MAX_ALIKE || SKIPPED.test(name)) continue;
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
  const hosts = new Set<string>(), paths = new Set<string>();
  for (const url of reading.urls.slice(0, MAX_LINKS)) {
    const parts = urlParts(url);
    if (parts === null) {
      tokens.add(LINK, /^[a-z]{1,12}:/i.exec(url)?.[0].toLowerCase() ?? "relative");
      continue;
    }
    const { host, path } = parts;
    if (!hosts.has(host)) {
      hosts.add(host);
      const labels = host.split(".");
      tokens.add(LINK, /^[\d.]+$/.test(host) ? "number" : parts.scheme);
      for (let at = Math.max(0, labels.length - 3); at < labels.length; at++) {
        tokens.add(LINK, labels.slice(at).join("."));
      }
    }
    if (paths.has(path)) continue;
    paths.add(path);
    let steps = 0;
    for (const step of path.split(/[/._-]/)) {
      if (step !== "" && steps++ < 6) tokens.add(PATH, step.slice(0, 20).toLowerCase().replace(/\d+/g, "0"));
    }
  }
}

/** Tags by how often they come, and the values of some attributes. One walk over the characters of tags. */
function markup(html: string, tokens: Tokens): void {
  const counts = new Map<number, Tag>(), end = Math.min(html.length, MAX_HTML);
  let left = MAX_TAGS;
  for (let at = html.indexOf("<"); at >= 0 && at < end && left > 0; at = html.indexOf("<", at)) {
    const start = ++at;
    let hash = FIRST, code = html.charCodeAt(at) | 32;
    if (!(code >= 97 && code <= 122 || code === 47 || code === 33)) continue; // no letter, "/" or "!"
    for (; at < end && at - start < 13 && (isWord(code = html.charCodeAt(at) | 32) || at === start); at++) {
      hash = Math.imul(hash ^ code, 0x01000193);
    }
    left--;
    const known = counts.get(hash);
    if (known) known.count++;
    else counts.set(hash, { start, end: at, count: 1 });
    at = attributes(html, at, Math.min(end, start + MAX_TAG), tokens);
  }
  for (const [hash, { start, end, count }] of counts) {
    tokens.addHash(TAGS, hash ^ (count > 8 ? 0x55 : count > 2 ? 0x33 : 0), html, start, end);
  }
}
interface Tag {
  readonly start: number;
  readonly end: number;
  count: number;
}

/** Reads on to the end of a tag; returns where that is. */
function attributes(html: string, from: number, end: number, tokens: Tokens): number {
  let at = from, name = FIRST, start = from;
  for (; at < end; at++) {
    const code = html.charCodeAt(at);
    if (code === 60 || code === 62) return at; // < or >
    if (isWord(code | 32)) {
      if (name === FIRST) start = at;
      name = Math.imul(name ^ (code | 32), 0x01000193);
    } else if (code === 61 && ATTRIBUTES.has(name)) { // =
      let value = name;
      at++;
      while (at < end && (html.charCodeAt(at) <= 32 || html[at] === '"' || html[at] === "'")) at++;
      const begin = at;
      for (; at < end && at - begin < MAX_VALUE; at++) {
        const each = html.charCodeAt(at);
        if (each <= 32 || each === 34 || each === 39 || each === 60 || each === 62) break;
        value = Math.imul(value ^ (each >= 65 && each <= 90 ? each | 32 : each), 0x01000193);
      }
      if (at > begin) tokens.addHash(TAGS, value ^ 0x77, html, start, at);
      at--;
      name = FIRST;
    } else if (code > 32) name = FIRST;
    else if (name !== FIRST && html.charCodeAt(at + 1) > 32 && html[at + 1] !== "=") name = FIRST;
  }
  return at;
}
const FIRST = 0x811c9dc5;
/** A small letter or a digit. */
const isWord = (code: number): boolean => code >= 97 && code <= 122 || code >= 48 && code <= 57;

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
    const word = kind === NUMBER ? numberHash(value, start, end) : hash;
    if (end - start > 1 || kind === BANGS || value.charCodeAt(start) > 127) {
      tokens.addHash(origin, word, value, start, end);
      if (kind === SHOUTED) tokens.addHash(origin, word ^ LOUD, value, start, end);
    }
    if (before !== 0) tokens.addHash(origin, Math.imul(before, 31) ^ word, value, begin, end);
    before = word;
    begin = start;
  });
  tokens.add(LOOK, `${origin.name} of ${Math.round(Math.log2(words.words + 1))}`);
  if (words.invisible > 2) tokens.add(LOOK, "invisible characters");
  if (words.mixed > 0) tokens.add(LOOK, "mixed alphabets");
}
const LOUD = 0x5bd1e995;

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
const slots = new Uint32Array(SLOTS), owners = new Uint32Array(SLOTS), found = new Uint32Array(MAX_TOKENS);
let generation = 0;

/** Numbers, each once, and where their words stand. */
class Tokens {
  readonly #origins: Origin[] = [];
  readonly #texts: string[] = [];
  readonly #places: number[] = [];
  #count = 0;

  constructor() {
    generation = (generation + 1) >>> 0;
    if (generation === 0) owners.fill(generation++); // once in four thousand million messages
  }

  get full(): boolean {
    return this.#count === MAX_TOKENS;
  }
  add(origin: Origin, word: string): void {
    this.#put(mixed(hashOf(word, origin.hash)), origin, word, 0, word.length);
  }
  addHash(origin: Origin, hash: number, text: string, start: number, end: number): void {
    this.#put(mixed(Math.imul(origin.hash, 0x01000193) ^ hash), origin, text, start, end);
  }
  take(): TokenList {
    const tokens = found.slice(0, this.#count), origins = this.#origins, texts = this.#texts, places = this.#places;
    return {
      tokens,
      name: (at) => `${origins[at]!.name}:${texts[at]!.slice(places[2 * at], places[2 * at + 1])}`,
    };
  }

  #put(token: number, origin: Origin, text: string, start: number, end: number): void {
    if (this.#count === MAX_TOKENS) return;
    let at = token % SLOTS;
    while (owners[at] === generation) {
      if (slots[at] === token) return;
      at = (at + 1) % SLOTS;
    }
    owners[at] = generation;
    slots[at] = token;
    found[this.#count++] = token;
    this.#origins.push(origin);
    this.#texts.push(text);
    this.#places.push(start, end);
  }
}
