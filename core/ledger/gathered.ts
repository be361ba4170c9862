/**
 * The ledger as the server has it: events are gathered here, handed in batches to whoever keeps them, and asked for there.
 * It never slows mail: when that one is behind, or its disk full, entries are dropped, counted and spoken of once.
 * Non-job: stories under way (recorder.ts), files (sqlite.ts), a database (postgres/).
 */
import { readId, readShortId, shortId } from "../model/id.ts";
import type { Observer } from "../observe/events.ts";
import { StoreError } from "../store/store.ts";
import { storyOf } from "./codec.ts";
import type { Ledger, LedgerPage, LedgerQuery, LedgerSize, PluginCount, RatePoint } from "./ledger.ts";
import type { LedgerReply, LedgerRequest, LedgerResults } from "./archive/protocol.ts";
import { Recorder } from "./recording/recorder.ts";
import type { AuditRow, Story } from "./story.ts";
import { Tally } from "./recording/tally.ts";

/** What every ledger of a server is given. */
export interface GatheredOptions {
  /** Told of trouble. */
  readonly observer?: Observer;
  /** Milliseconds since 1970. */
  now?(): number;
  /** How much waits in the queue: asked once a minute. */
  waiting?(): Promise<number>;
  /** Milliseconds that a line waits for others (default 500). */
  readonly wait?: number;
}
/** Who keeps it. A question is answered by what was written before it. */
export interface Keeper {
  ask(request: LedgerRequest): Promise<LedgerReply>;
  /** Lets go of it, whatever is under way. */
  end(): void;
}
/** Begins one; `lost` is called when it cannot be used any more, and then another one is begun after a while. */
export type OpenKeeper = (lost: (why: string) => void, tell: (sentences: readonly string[]) => void) => Keeper;

const WAIT = 500;
const SAMPLE = 60_000;
/** Lines and characters of a batch. */
const LINES = 2000, CHARACTERS = 1 << 20;
/** Batches that the thread has not written yet. */
const BEHIND = 16;
/** After it broke, milliseconds. */
const AGAIN = 5_000;

export class GatheredLedger implements Ledger {
  readonly #options: GatheredOptions;
  readonly #wait: number;
  readonly #now: () => number;
  readonly #tally = new Tally();
  readonly #recorder: Recorder;
  readonly #open: OpenKeeper;
  #keeper: Keeper | null = null;
  #broken = -Infinity;
  #lines: string[] = [];
  #characters = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #sampler: ReturnType<typeof setInterval> | undefined;
  #behind = 0;
  #dropped = 0;
  /** Entries are being dropped, and it was said. */
  #silent = false;
  #closed = false;

  /** Nothing is awaited and nothing thrown: what is wrong is told. */
  constructor(open: OpenKeeper, options: GatheredOptions) {
    this.#open = open;
    this.#options = options;
    this.#wait = options.wait ?? WAIT;
    this.#now = options.now ?? Date.now;
    this.#recorder = new Recorder({
      tally: this.#tally,
      now: this.#now,
      sink: (line) => this.#take(line),
      waits: () => this.#schedule(),
    });
    this.#start();
    if (options.waiting === undefined) return;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE);
    this.#sample();
  }

  get observe(): Observer {
    return this.#recorder.observe;
  }

  async search(query: LedgerQuery): Promise<LedgerPage> {
    this.#send();
    return await this.#ask({ ask: "search", query, now: this.#now() });
  }

  async explain(asked: string): Promise<Story | null> {
    const typed = asked.trim();
    const id = readId(typed) ?? readShortId(typed), session = /^s/i.test(typed) ? readId(typed.slice(1)) : null;
    const name = session !== null ? `s${session}` : id;
    if (name === null) return null;
    const open = this.#recorder.find(name) ?? (id !== null && id.length === 26 ? this.#recorder.find(`s${id}`) : null);
    this.#send();
    if (open === null) {
      const story = await this.#ask({ ask: "explain", id: name, now: this.#now() });
      // Its session goes on: what that is known by is here
      const part = story === null || story.ended !== null ? null : this.#recorder.session(story.session);
      return story === null || part === null ? story : withSession(story, part);
    }
    const { head, message, session: part } = open;
    const messages = message === null ? await this.#messages(head[0]) : [];
    return storyOf({ head, message, session: part, late: [], audit: [], messages });
  }

  async #messages(session: string): Promise<Story["messages"]> {
    const { entries } = await this.#ask({
      ask: "search",
      query: { q: shortId(session), limit: 100 },
      now: this.#now(),
    });
    return entries.filter((each) => each.session === session).reverse();
  }

  async rates(range: Parameters<Ledger["rates"]>[0]): Promise<readonly RatePoint[]> {
    this.#send();
    return await this.#ask({ ask: "rates", range });
  }
  async plugins(since: number): Promise<readonly PluginCount[]> {
    this.#send();
    return await this.#ask({ ask: "plugins", since });
  }
  async audits(query: { readonly limit: number; readonly before?: number }): Promise<readonly AuditRow[]> {
    this.#send();
    return await this.#ask({ ask: "audits", query });
  }
  async forget(address: string): Promise<number> {
    this.#send();
    let entries = 0;
    for (let before: number | null = null;;) {
      const piece: LedgerResults["forget"] = await this.#ask({ ask: "forget", address, before });
      if (piece.next === null) return entries;
      entries += piece.entries;
      before = piece.next;
    }
  }
  #sample(): void {
    this.#options.waiting!().then((queue) => this.sample(queue), () => {}); // the next minute may know
  }
  sample(queue: number): void {
    this.#tally.sample(queue);
    this.#schedule();
  }
  async size(): Promise<LedgerSize> {
    this.#send();
    return { ...await this.#ask({ ask: "size" }), dropped: this.#dropped };
  }
  async flush(): Promise<void> {
    this.#send();
    await this.#ask({ ask: "size" });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    clearInterval(this.#sampler);
    this.#recorder.close();
    this.#send();
    this.#closed = true;
    await this.#keeper?.ask({ ask: "close" }).catch(() => {});
    this.#keeper?.end();
  }

  // ---- Batches -------------------------------------------------------------------------------------------------------

  #take(line: string): void {
    if (this.#behind >= BEHIND || this.#closed) return this.#drop(1, "it is written more slowly than mail comes in");
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#lines.length >= LINES || this.#characters >= CHARACTERS) this.#send();
    else this.#schedule();
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => this.#send(), this.#wait);
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#recorder.release();
    const counted = this.#tally.take(this.#now());
    if (counted !== null) this.#lines.push(`c${JSON.stringify(counted)}`);
    if (this.#lines.length === 0) return;
    const lines = this.#lines.join("\n"), count = this.#lines.length;
    this.#lines = [];
    this.#characters = 0;
    this.#behind++;
    this.#ask({ ask: "write", lines, now: this.#now() }).then(() => {
      this.#behind--;
      this.#silent = false;
    }, (error) => {
      this.#behind--;
      this.#drop(count, textOf(error));
    });
  }

  #drop(count: number, why: string): void {
    this.#dropped += count;
    if (this.#silent) return;
    this.#silent = true;
    this.#trouble(`entries of the ledger are dropped: ${why}`);
  }

  // ---- Who keeps it --------------------------------------------------------------------------------------------------

  #start(): Keeper | null {
    if (this.#keeper !== null) return this.#keeper;
    const now = performance.now();
    if (now - this.#broken < AGAIN || this.#closed) return null;
    return this.#keeper = this.#open((why) => this.#lost(why), (sentences) => this.#tell(sentences));
  }

  #lost(why: string): void {
    this.#keeper = null;
    this.#broken = performance.now();
    this.#trouble(`the ledger cannot be used: ${why}`);
  }

  async #ask<K extends LedgerRequest["ask"]>(request: Extract<LedgerRequest, { ask: K }>): Promise<LedgerResults[K]> {
    const keeper = this.#start();
    if (keeper === null) throw new StoreError(this.#closed ? "closed" : "io", "the ledger cannot be used");
    const reply = await keeper.ask(request);
    this.#tell(reply.trouble);
    if (reply.fault !== undefined) throw new StoreError(reply.fault, reply.message);
    return reply.value as LedgerResults[K];
  }

  #tell(sentences: readonly string[]): void {
    for (const each of sentences) this.#trouble(each);
  }
  #trouble(message: string): void {
    this.#options.observer?.({ type: "trouble", where: "ledger", message });
  }
}

function withSession(story: Story, part: Parameters<typeof storyOf>[0]["session"]): Story {
  const open = storyOf({ head: EMPTY, message: null, session: part, late: [], audit: [], messages: [] });
  return {
    ...story,
    seconds: null,
    ended: null,
    cipher: open.cipher,
    proxy: open.proxy,
    steps: [...open.steps, ...story.steps].toSorted((a, b) => a.offset - b.offset),
    cut: story.cut || open.cut,
    refusals: [...open.refusals, ...story.refusals],
    logins: open.logins,
  };
}
const EMPTY = [
  "",
  "",
  "none",
  "",
  "",
  "",
  "",
  null,
  null,
  null,
  [],
  0,
  null,
  null,
  null,
  null,
  null,
  "",
  0,
  0,
  null,
  [],
  null,
] satisfies Parameters<typeof storyOf>[0]["head"];

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
