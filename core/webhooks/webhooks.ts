/**
 * Tells hooks of events: an observer that puts what each of them wants into the spool, in batches, and a courier for each.
 * Mail never waits for it: a hook that is behind loses events, which are counted, and it is told how many. Non-job: what
 * an event says (hook.ts), the configuration's keys.
 */
import { newId } from "../model/id.ts";
import type { Event, Observer } from "../observe/events.ts";
import { Courier, RETRY } from "./courier.ts";
import { type Hook, type HookEvent, shownUrl, tidingsOf } from "./hook.ts";
import { type NewWaiting, WebhookSpool } from "./spool.ts";

export interface WebhooksOptions {
  readonly hooks: readonly Hook[];
  /** The file that holds what waits, or ":memory:". */
  readonly path: string;
  /** Who asks: "Postern/1.0". */
  readonly userAgent: string;
  emit(event: Event): void;
  now(): number;
  /** From 0 up to and without 1 (default `Math.random`). */
  random?(): number;
  /** Waits before each further attempt, milliseconds (default: from a second to an hour). */
  readonly retry?: readonly number[];
}
/** How a hook fares. */
export interface WebhookState {
  readonly name: string;
  /** Scheme, host and port: the rest may be a secret. */
  readonly url: string;
  readonly events: readonly HookEvent[];
  /** Events that wait for it. */
  readonly waiting: number;
  /** Events that it will never hear of, since the start. */
  readonly dropped: number;
  /** The last time it took one, milliseconds since 1970; null: never since the start. */
  readonly delivered: number | null;
  /** Why it takes nothing now; null: all is well. */
  readonly fault: string | null;
}

/** Milliseconds until what happened is in the file. */
const BATCH = 100;
/** Events in memory, all hooks together: the file is behind then. */
const MAX_PENDING = 10_000;

interface Row {
  readonly hook: Hook;
  readonly wants: ReadonlySet<string>;
  readonly courier: Courier;
  waiting: number;
  dropped: number;
  /** Of those, how many it has not been told of. */
  untold: number;
  delivered: number | null;
}

export class Webhooks {
  readonly #options: WebhooksOptions;
  /** Null until there is a hook: no file is made for nobody. */
  #spool: WebhookSpool | null = null;
  #rows: readonly Row[] = [];
  #wanted: ReadonlySet<string> = new Set();
  #pending: NewWaiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Begins with what the file holds. Never throws: mail comes in without it, and what is wrong is told. */
  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#begin(options.hooks);
  }

  /** Subscribe it to the bus. */
  readonly observe: Observer = (event) => {
    if (!this.#wanted.has(event.type)) return;
    if ((event.type === "trouble" || event.type === "notice") && event.where === "webhooks") return; // no news of itself
    const tidings = tidingsOf(event);
    if (tidings === null) return;
    let body: string | null = null;
    for (const row of this.#rows) {
      if (!row.wants.has(tidings.type)) continue;
      body ??= this.#body(tidings.type, tidings.data);
      this.#put(row, body);
    }
  };

  /** Other hooks from now on; what waits for one of the same name goes to it. Never rejects. */
  async change(hooks: readonly Hook[]): Promise<void> {
    const before = this.#rows;
    if (this.#closed || JSON.stringify(hooks, keys) === JSON.stringify(before.map(({ hook }) => hook), keys)) return;
    await Promise.all(before.map(({ courier }) => courier.stop())); // they take nothing more, and count nothing more
    if (this.#closed) return;
    this.#flush();
    this.#begin(hooks);
  }

  #begin(hooks: readonly Hook[]): void {
    const { now, random = Math.random, retry = RETRY, userAgent, path } = this.#options;
    if (hooks.length === 0 && this.#spool === null) return;
    const spool = this.#spool ??= WebhookSpool.open(path, (sentence) => this.#trouble(sentence));
    let lost = 0, counts = new Map<string, number>();
    try {
      lost = spool.keepOnly(hooks.map(({ name }) => name));
      counts = spool.counts();
    } catch (error) { // what happens from now on is put there all the same, as soon as it can be
      this.#trouble(`what waits for hooks cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    if (lost > 0) this.#notice(`${lost} events waited for hooks that are not in the configuration any more`);
    this.#rows = hooks.map((hook) => {
      const row: Row = {
        hook,
        wants: new Set(hook.events),
        waiting: counts.get(hook.name) ?? 0,
        dropped: 0,
        untold: 0,
        delivered: null,
        courier: new Courier({
          hook,
          spool,
          userAgent,
          retry,
          now,
          random,
          settled: (how) => this.#settled(row, how),
          told: (fault) =>
            fault === null
              ? this.#notice(`the hook ${hook.name} takes events again`)
              : this.#trouble(`the hook ${hook.name} takes no events: ${fault}`),
        }),
      };
      return row;
    });
    this.#wanted = new Set(hooks.flatMap(({ events }) => events));
    for (const { courier } of this.#rows) courier.kick();
  }

  states(): readonly WebhookState[] {
    return this.#rows.map(({ hook, waiting, dropped, delivered, courier }) => ({
      name: hook.name,
      url: shownUrl(hook.url),
      events: hook.events,
      waiting,
      dropped,
      delivered,
      fault: courier.fault,
    }));
  }

  /** What happened before is in the file when this returns; what was not taken is told after the next start. */
  async close(): Promise<void> {
    this.#flush();
    this.#closed = true;
    await Promise.all(this.#rows.map(({ courier }) => courier.stop()));
    this.#spool?.close();
  }

  #put(row: Row, body: string): void {
    if (this.#closed || row.waiting >= row.hook.keep || this.#pending.length >= MAX_PENDING) return this.#drop(row);
    if (row.untold > 0) { // first of all it hears that something is missing here
      const missing = this.#body("dropped", { events: row.untold });
      row.untold = 0;
      this.#add(row, missing);
    }
    this.#add(row, body);
  }

  #add(row: Row, body: string): void {
    row.waiting++;
    const at = this.#options.now();
    this.#pending.push({ hook: row.hook.name, id: `msg_${newId(at)}`, at, body });
    this.#timer ??= setTimeout(() => this.#flush(), BATCH);
  }

  #drop(row: Row): void {
    row.dropped++;
    if (row.untold++ === 0) {
      this.#trouble(`the hook ${row.hook.name} is behind: ${row.waiting} events wait, and what happens now is dropped`);
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#pending;
    if (events.length === 0) return;
    this.#pending = [];
    try {
      this.#spool!.add(events);
    } catch (error) {
      for (const row of this.#rows) {
        const mine = events.filter(({ hook }) => hook === row.hook.name).length;
        row.waiting -= mine;
        row.dropped += mine;
        row.untold += mine;
      }
      this.#trouble(`${events.length} events are lost to hooks: ${error instanceof Error ? error.message : error}`);
    }
    for (const { courier } of this.#rows) courier.kick();
  }

  #settled(row: Row, how: "taken" | "expired"): void {
    row.waiting = Math.max(0, row.waiting - 1);
    if (how === "taken") row.delivered = this.#options.now();
    else {
      row.dropped++;
      row.untold++;
    }
  }

  /** One body for all hooks: what tells them apart is the id. */
  #body(type: string, data: unknown): string {
    return JSON.stringify({ type, timestamp: new Date(this.#options.now()).toISOString(), data });
  }
  #trouble(message: string): void {
    this.#options.emit({ type: "trouble", where: "webhooks", message });
  }
  #notice(message: string): void {
    this.#options.emit({ type: "notice", where: "webhooks", message });
  }
}

/** Octets of keys as what tells them apart. */
function keys(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.toBase64() : value;
}
