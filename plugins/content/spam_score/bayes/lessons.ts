/**
 * The messages that people have judged, in the store that all threads and nodes share: one entry for each, with its tokens.
 * Counts in memory follow from the entries, so a lesson counts once however often it is taught, and can be taken back.
 * A journal beside them tells other instances what has changed. Non-job: tokens (tokens.ts), opinions (classify.ts).
 */
import type { Counters } from "../../../../core/pipeline/mod.ts";
import { type Class, Counts } from "./counts.ts";

/** Of a lesson, the tokens that are kept: what came first, header and subject among them. */
export const KEPT_TOKENS = 1500;
/** Part of every name: other tokens make other lessons. */
const FORM = "bayes1";
const PAGE = 500;
/** Milliseconds: how often others are asked for, and how far their clocks may be off. */
const LOOK = 10_000, SKEW = 300_000;

export interface LessonOptions {
  /** Lessons in all; the oldest of the larger class make room. */
  readonly most: number;
  /** How long one is remembered. */
  readonly seconds: number;
}
export type Learned = "new" | "known" | "moved";

export class Lessons {
  readonly counts = new Counts();
  readonly #options: LessonOptions;
  /** What each lesson counts as here. */
  readonly #known = new Map<string, Class>();
  #loading: Promise<void> | null = null;
  /** The store's count of changes as of the last reading; and when that was, by its clock. */
  #changes = -1;
  #looked = -Infinity;
  /** Up to where the journal was read. */
  #read = "";

  constructor(options: LessonOptions) {
    this.#options = options;
  }

  /** Brings the counts up to date, at most every ten seconds. The first time reads everything. */
  refresh(store: Counters, now: number): Promise<void> {
    if (this.#loading !== null) return this.#loading;
    if (now - this.#looked < LOOK && now >= this.#looked) return DONE;
    return this.#loading = this.#refresh(store, now).finally(() => this.#loading = null);
  }

  /** Counts a message as spam or ham. Resolves when that is durable. */
  async learn(tokens: Uint32Array, as: Class, { store, now }: { store: Counters; now: number }): Promise<Learned> {
    await this.refresh(store, now);
    const kept = tokens.slice(0, KEPT_TOKENS).sort(), name = nameOf(kept);
    const before = await store.get(`${FORM}/m/${name}`), { seconds } = this.#options;
    if (before !== undefined && classOf(before) === as) {
      this.#apply(name, before);
      return "known";
    }
    if (before === undefined) await this.#makeRoom(store, now);
    const value = `${as === "spam" ? "s" : "h"}${toText(kept)}`;
    await store.put(`${FORM}/m/${name}`, value, { seconds, durable: true });
    await store.put(`${FORM}/j/${stamp(now)}/${name}`, "", { seconds });
    const changes = await store.add(`${FORM}/changes`, 1, { seconds: TEN_YEARS });
    if (changes === this.#changes + 1) this.#changes = changes; // nobody else's is among them
    this.#apply(name, value);
    return before === undefined ? "new" : "moved";
  }

  async #refresh(store: Counters, now: number): Promise<void> {
    const changes = Number(await store.get(`${FORM}/changes`) ?? 0);
    if (this.#changes < 0) await this.#load(store, now);
    else if (changes !== this.#changes) await this.#follow(store, now);
    this.#changes = changes; // what came while reading is read again, and changes nothing then
    this.#looked = now;
  }

  async #load(store: Counters, now: number): Promise<void> {
    this.#read = `${FORM}/j/${stamp(Math.max(0, now - SKEW))}`;
    for (let after = "";;) {
      const page = await store.list({ prefix: `${FORM}/m/`, limit: PAGE, after });
      for (const { name, value } of page) this.#apply(name.slice(FORM.length + 3), value);
      if (page.length < PAGE) return;
      after = page.at(-1)!.name;
    }
  }

  async #follow(store: Counters, now: number): Promise<void> {
    for (let after = this.#read;;) {
      const page = await store.list({ prefix: `${FORM}/j/`, limit: PAGE, after });
      for (const { name } of page) {
        const lesson = name.slice(name.lastIndexOf("/") + 1);
        const value = await store.get(`${FORM}/m/${lesson}`);
        if (value !== undefined) this.#apply(lesson, value);
      }
      if (page.length < PAGE) break;
      after = page.at(-1)!.name;
    }
    this.#read = `${FORM}/j/${stamp(Math.max(0, now - SKEW))}`;
  }

  /** Makes the counts say of a lesson what its entry says, whatever they said before. */
  #apply(name: string, value: string): void {
    const as = classOf(value), before = this.#known.get(name);
    if (as === before) return;
    const tokens = fromText(value.slice(1));
    if (before !== undefined) this.counts.count(tokens, before, -1);
    if (as === null) this.#known.delete(name);
    else {
      this.counts.count(tokens, as, 1);
      this.#known.set(name, as);
    }
  }

  /** Forgets the oldest of the class that has more, so that one more can come. */
  async #makeRoom(store: Counters, now: number): Promise<void> {
    if (this.#known.size < this.#options.most) return;
    const larger: Class = this.counts.spam > this.counts.ham ? "spam" : "ham";
    for (let after = "";;) {
      const page = await store.list({ prefix: `${FORM}/j/`, limit: PAGE, after });
      for (const { name } of page) {
        const lesson = name.slice(name.lastIndexOf("/") + 1);
        if (this.#known.get(lesson) !== larger) continue;
        const value = await store.get(`${FORM}/m/${lesson}`);
        if (value === undefined) continue;
        // An entry of no class and the same tokens, for as long as others need to hear of it.
        const gone = `-${value.slice(1)}`;
        await store.put(`${FORM}/m/${lesson}`, gone, { seconds: 86_400 });
        await store.put(name, "", { seconds: 1 });
        await store.put(`${FORM}/j/${stamp(now)}/${lesson}`, "", { seconds: 86_400 });
        this.#apply(lesson, gone);
        return;
      }
      if (page.length < PAGE) return;
      after = page.at(-1)!.name;
    }
  }
}
const DONE = Promise.resolve();
const TEN_YEARS = 315_360_000;

function classOf(value: string): Class | null {
  return value[0] === "s" ? "spam" : value[0] === "h" ? "ham" : null;
}

/** In the order of time as text. */
function stamp(now: number): string {
  return Math.floor(now).toString(36).padStart(9, "0");
}

/** What names a message among lessons: 104 bits over its tokens, in order. The same message has the same, wherever it lay. */
function nameOf(sorted: Uint32Array): string {
  let one = 0x811c9dc5, two = 0x9747b28c, three = sorted.length;
  for (const token of sorted) {
    one = Math.imul(one ^ token, 0x01000193) ^ (one >>> 15);
    two = Math.imul(two ^ token, 0x85ebca6b) ^ (two >>> 13);
    three = Math.imul(three ^ token, 0xc2b2ae35) ^ (three >>> 16);
  }
  return [one, two, three].map((part) => (part >>> 0).toString(36).padStart(7, "0")).join("");
}

/** Tokens as base64 of their octets, most significant first. */
function toText(tokens: Uint32Array): string {
  const octets = new Uint8Array(4 * tokens.length), view = new DataView(octets.buffer);
  tokens.forEach((token, at) => view.setUint32(4 * at, token));
  let text = "";
  for (let at = 0; at < octets.length; at += 4096) text += String.fromCharCode(...octets.subarray(at, at + 4096));
  return btoa(text);
}
function fromText(text: string): Uint32Array {
  const octets = atob(text), tokens = new Uint32Array(octets.length >> 2);
  for (let at = 0; at < tokens.length; at++) {
    const from = 4 * at;
    tokens[at] = octets.charCodeAt(from) * 0x1000000 + (octets.charCodeAt(from + 1) << 16) +
      (octets.charCodeAt(from + 2) << 8) + octets.charCodeAt(from + 3);
  }
  return tokens;
}
