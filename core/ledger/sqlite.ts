/**
 * The ledger as the server has it: events are gathered here, handed in batches to a thread of its own, and asked for there.
 * It never slows mail: when the thread is behind, or the disk full, entries are dropped, counted and spoken of once.
 * Non-job: stories under way (recorder.ts), files (archive.ts).
 */
import { readId, readShortId, shortId } from "../model/id.ts";
import type { Observer } from "../observe/events.ts";
import { threadModule } from "../packed/contents.ts";
import { StoreError } from "../store/store.ts";
import { DatabaseThread } from "../store/thread.ts";
import { storyOf } from "./codec.ts";
import type { Ledger, LedgerPage, LedgerQuery, LedgerSize, PluginCount, RatePoint } from "./ledger.ts";
import type { ArchiveSettings, LedgerReply, LedgerRequest, LedgerResults } from "./archive/protocol.ts";
import { Recorder } from "./recording/recorder.ts";
import type { AuditRow, Story } from "./story.ts";
import { Tally } from "./recording/tally.ts";

export interface SqliteLedgerOptions extends Partial<ArchiveSettings> {
  /** Told of trouble. */
  readonly observer?: Observer;
  /** Milliseconds since 1970. */
  now?(): number;
  /** How much waits in the queue: asked once a minute. */
  waiting?(): Promise<number>;
  /** Milliseconds that a line waits for others (default 500). */
  readonly wait?: number;
}

const KEEP = 30 * 86_400_000, SIZE = 2 ** 30;
const WAIT = 500;
const SAMPLE = 60_000;
/** Lines and characters of a batch. */
const LINES = 2000, CHARACTERS = 1 << 20;
/** Batches that the thread has not written yet. */
const BEHIND = 16;
/** After it broke, milliseconds. */
const AGAIN = 5_000;

/** Opens it in its folder, or in memory (`folder: null`). Nothing is awaited and nothing thrown: what is wrong is told. */
export function openSqliteLedger(options: SqliteLedgerOptions): Ledger {
  return new SqliteLedger(options);
}

type Thread = DatabaseThread<LedgerRequest, LedgerReply>;

class SqliteLedger implements Ledger {
  readonly #settings: ArchiveSettings;
  readonly #options: SqliteLedgerOptions;
  readonly #wait: number;
  readonly #now: () => number;
  readonly #tally = new Tally();
  readonly #recorder: Recorder;
  #thread: Thread | null = null;
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

  constructor(options: SqliteLedgerOptions) {
    const { folder = null, keep = KEEP, size = SIZE, redact = "none" } = options;
    this.#options = options;
    this.#settings = { folder, keep, size, redact };
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
    await this.#thread?.ask({ ask: "close" }).catch(() => {});
    this.#thread?.end();
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

  // ---- The thread ----------------------------------------------------------------------------------------------------

  #start(): Thread | null {
    if (this.#thread !== null) return this.#thread;
    const now = performance.now();
    if (now - this.#broken < AGAIN || this.#closed) return null;
    const worker = new Worker(threadModule(new URL("./archive/thread.ts", import.meta.url)), { type: "module" });
    const thread: Thread = this.#thread = new DatabaseThread(worker, (why) => this.#lost(`its thread ended: ${why}`));
    thread.ask({ ask: "open", settings: this.#settings }).then((reply) => {
      this.#tell(reply.trouble);
      if (reply.fault === undefined) return;
      thread.end();
      this.#lost(reply.message);
    }, () => {});
    return thread;
  }

  #lost(why: string): void {
    this.#thread = null;
    this.#broken = performance.now();
    this.#trouble(`the ledger cannot be used: ${why}`);
  }

  async #ask<K extends LedgerRequest["ask"]>(request: Extract<LedgerRequest, { ask: K }>): Promise<LedgerResults[K]> {
    const thread = this.#start();
    if (thread === null) throw new StoreError(this.#closed ? "closed" : "io", "the ledger cannot be used");
    const reply = await thread.ask(request);
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
