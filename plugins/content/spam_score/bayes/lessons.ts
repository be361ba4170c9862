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
/** Lessons that are read together, with their tokens; entries of the journal, which are names alone. */
const PAGE = 200, NAMES = 5000;
/** Lessons that are counted before others have their turn. */
const TURN = 50;
/** Milliseconds: how often others are asked for, and how far their clocks may be off. */
const LOOK = 10_000, SKEW = 300_000;
/** Milliseconds after which all is read anew: lessons whose time is over tell nobody. */
const DAY = 86_400_000;
/** Seconds for which is told that a lesson is another one now, or none; whoever has not looked for half of it reads anew. */
const TOLD = 7200;
/** Lessons that one more may push out: where there were more than may be, they become fewer. */
const PUSHED = 10;

export interface LessonOptions {
  /** Lessons in all; the oldest of the larger class make room. */
  readonly most: number;
  /** How long one is remembered. */
  readonly seconds: number;
}
export type Learned = "new" | "known" | "moved";

export class Lessons {
  #counts = new Counts();
  readonly #options: LessonOptions;
  /** What each lesson counts as here. */
  #known = new Map<string, Class>();
  /** Entries of the journal that are next to be forgotten, the oldest at the end. */
  #oldest: Record<Class, string[]> = { spam: [], ham: [] };
  #loading: Promise<void> | null = null;
  /** The store's count of changes as of the last reading; and when that was, by its clock. */
  #changes = -1;
  #looked = -Infinity;
  #loaded = 0;
  /** Up to where the journal was read. */
  #read = "";

  constructor(options: LessonOptions) {
    this.#options = options;
  }

  get counts(): Counts {
    return this.#counts;
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
    const isNew = before === undefined || classOf(before) === null;
    if (isNew) await this.#makeRoom(store, now);
    const value = `${as === "spam" ? "s" : "h"}${toText(kept)}`;
    await store.put(`${FORM}/m/${name}`, value, { seconds, durable: true });
    // One that moves has its place in the journal already
    await store.put(`${FORM}/j/${stamp(now)}/${name}`, "", { seconds: isNew ? seconds : Math.min(seconds, TOLD) });
    const changes = await store.add(`${FORM}/changes`, 1, { seconds: TEN_YEARS });
    if (changes === this.#changes + 1) this.#changes = changes; // nobody else's is among them
    this.#apply(name, value);
    return isNew ? "new" : "moved";
  }

  async #refresh(store: Counters, now: number): Promise<void> {
    const changes = Number(await store.get(`${FORM}/changes`) ?? 0);
    const late = now - this.#looked > 500 * TOLD && changes !== this.#changes;
    if (this.#changes < 0 || late || now - this.#loaded > DAY) await this.#load(store, now);
    else if (changes !== this.#changes) await this.#follow(store, now);
    this.#changes = changes; // what came while reading is read again, and changes nothing then
    this.#looked = now;
  }

  async #load(store: Counters, now: number): Promise<void> {
    this.#changes = -1; // until all is read
    this.#loaded = now;
    this.#counts = new Counts();
    this.#known = new Map();
    this.#read = `${FORM}/j/${stamp(Math.max(0, now - SKEW))}`;
    for (let after = "";;) {
      const page = await store.list({ prefix: `${FORM}/m/`, limit: PAGE, after });
      for (const [at, { name, value }] of page.entries()) {
        this.#apply(name.slice(FORM.length + 3), value);
        if (at % TURN === TURN - 1) await othersTurn();
      }
      if (page.length < PAGE) return;
      after = page.at(-1)!.name;
    }
  }

  async #follow(store: Counters, now: number): Promise<void> {
    let count = 0;
    for await (const name of journal(store, this.#read)) {
      const lesson = lessonIn(name), value = await store.get(`${FORM}/m/${lesson}`);
      if (value !== undefined) this.#apply(lesson, value);
      if (++count % TURN === 0) await othersTurn();
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
    for (let pushed = 0; this.#known.size >= this.#options.most && pushed < PUSHED;) {
      const larger: Class = this.counts.spam > this.counts.ham ? "spam" : "ham", oldest = this.#oldest[larger];
      if (oldest.length === 0 && !await this.#findOldest(store, larger)) return;
      const entry = this.#oldest[larger].pop(); // another lesson may have taken the last one meanwhile
      if (entry !== undefined && await this.#forget(entry, { store, now, as: larger })) pushed++;
    }
  }

  /** Reads the journal, once for all of them. False: there is none of that class. */
  async #findOldest(store: Counters, wanted: Class): Promise<boolean> {
    const found: Record<Class, string[]> = { spam: [], ham: [] };
    for await (const name of journal(store, `${FORM}/j/`)) {
      const as = this.#known.get(lessonIn(name));
      if (as !== undefined) found[as].push(name);
    }
    this.#oldest = { spam: found.spam.reverse(), ham: found.ham.reverse() };
    return this.#oldest[wanted].length > 0;
  }

  /** False: it is none of that class any more. */
  async #forget(
    entry: string,
    { store, now, as }: { readonly store: Counters; readonly now: number; readonly as: Class },
  ): Promise<boolean> {
    const lesson = lessonIn(entry), value = await store.get(`${FORM}/m/${lesson}`);
    if (this.#known.get(lesson) !== as) return false;
    if (value === undefined) { // its time is over
      this.#known.delete(lesson);
      return false;
    }
    // An entry of no class and the same tokens, for as long as others need to hear of it.
    const gone = `-${value.slice(1)}`;
    await store.put(`${FORM}/m/${lesson}`, gone, { seconds: TOLD });
    await store.put(entry, "", { seconds: 1 });
    await store.put(`${FORM}/j/${stamp(now)}/${lesson}`, "", { seconds: TOLD });
    this.#apply(lesson, gone);
    return true;
  }
}

/** The entries of the journal behind one of them, in the order of time. */
async function* journal(store: Counters, behind: string): AsyncGenerator<string, void> {
  for (let after = behind;;) {
    const page = await store.list({ prefix: `${FORM}/j/`, limit: NAMES, after });
    for (const { name } of page) yield name;
    if (page.length < NAMES) return;
    after = page.at(-1)!.name;
    await othersTurn();
  }
}
function lessonIn(entry: string): string {
  return entry.slice(entry.lastIndexOf("/") + 1);
}

/** Sessions wait while this one counts. */
function othersTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
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
