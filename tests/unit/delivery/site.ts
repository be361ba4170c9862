/**
 * The way out of the house as the server has it, over a store in memory, with clocks that only tests move: `now` is the
 * wall's, `pass` lets time go by on both. What is local is stored by `storage`. Non-job: mail hosts (talking_host.ts).
 */
import type { Config } from "../../../core/config/config.ts";
import type { Dispatcher } from "../../../core/delivery/dispatcher.ts";
import { MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS, type RcptParameters } from "../../../core/model/envelope.ts";
import type { Reply } from "../../../core/model/reply.ts";
import type { Event } from "../../../core/observe/events.ts";
import type { QueueContext, RcptContext } from "../../../core/pipeline/mod.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { on, type Plugin } from "../../../core/pipeline/plugin.ts";
import { Sending } from "../../../core/sending.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import type { NewMessage, NewRecipient, Store } from "../../../core/store/store.ts";
import { configured } from "../../support/configs.ts";
import { waitFor } from "../../support/wait.ts";
import { address, octets, put, recipient, T0 } from "../store/messages.ts";

/** A configuration with `more` under `delivery`, in YAML's flow style, and whole lines `others`. */
export function siteConfig(more = "", others = ""): Promise<Config> {
  return configured(`
hostname: mx.example.org
domains: [example.org]
plugins: [discard]
delivery: { retry: [1m, 5m, 1h]${more.includes("delayNotice") ? "" : ", delayNotice: off"}${
    more === "" ? "" : `, ${more}`
  } }
${others}
`);
}
const CONFIG = await siteConfig();

/** Says how each attempt ends; undefined: stored. */
export type Storage = (
  ctx: QueueContext,
) => Reply<"defer" | "reject"> | undefined | Promise<Reply<"defer" | "reject"> | undefined>;

export interface SiteOptions {
  readonly config?: Config;
  readonly zone?: MemoryZone;
  readonly store?: (real: MemoryStore) => Store;
  /** Instead of those that know everybody here. */
  readonly plugins?: readonly Plugin[];
  /** Beside them. */
  readonly more?: readonly Plugin[];
  /** Who sends mail is in the box. */
  readonly hasSender?: boolean;
  readonly postmaster?: string;
  /** Default: no jitter. */
  readonly random?: () => number;
}

export class Site implements AsyncDisposable {
  now = T0;
  monotonic = 1000;
  /** What the storage plugin says; a test changes it. */
  storage: Storage = () => undefined;
  /** Where a recipient belongs, when `hasSender` is not said; a test changes it. */
  rcpt: (ctx: RcptContext) => Reply | void = () => {};
  readonly tried: { id: string; to: string[]; tries: number; at: number }[] = [];
  /** What was stored, as it was written. */
  readonly stored: { to: string[]; text: string }[] = [];
  readonly events: Event[] = [];
  readonly store = new MemoryStore({ now: () => this.now });
  readonly dns: MemoryResolver;
  readonly sending: Sending;

  constructor(options: SiteOptions = {}) {
    const { config = CONFIG, zone = {}, more = [], postmaster } = options;
    const box = on("queue", async (ctx, next) => {
      const to = ctx.recipients.map(({ address }) => address.local);
      this.tried.push({ id: ctx.id, to, tries: ctx.tries, at: this.now });
      const reply = await this.storage(ctx);
      if (reply === undefined) this.stored.push({ to, text: await new Response(ctx.output()).text() });
      for (const each of ctx.recipients) reply ? ctx.refuse(each, reply) : ctx.settle(each, "stored");
      return next();
    }, { name: "box" });
    const who = on("rcpt", (ctx, next) => {
      if (options.hasSender) ctx.route({ to: "local", plugin: "box" });
      return this.rcpt(ctx) ?? next();
    }, { name: "who" });
    const pipeline = new Pipeline(options.plugins ?? [who, box, ...more]);
    this.dns = new MemoryResolver(zone);
    this.sending = new Sending({
      config,
      store: options.store?.(this.store) ?? this.store,
      services: {
        host: {
          name: "mx.example.org",
          domains: ["example.org"],
          postmaster: postmaster === undefined ? null : address(postmaster),
        },
        dns: this.dns,
        counters: this.store.counters,
        now: () => this.now,
        emit: (event) => void this.events.push(event),
      },
      pipelineOf: () => pipeline,
      random: options.random ?? (() => 0.5),
      monotonic: () => this.monotonic,
    });
  }
  get dispatcher(): Dispatcher {
    return this.sending.dispatcher;
  }

  /** Time goes by, on the wall and without jumps. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.monotonic += milliseconds;
  }

  put(more: Partial<NewMessage> = {}, content = octets(100)): Promise<NewMessage> {
    return put(this.store, { receivedAt: this.now, recipients: [local("a@example.org")], ...more }, content);
  }
  /** Rows for these, with the deadlines that the server gives them. */
  rows(
    to: readonly string[],
    more: Partial<NewMessage> = {},
    parameters: RcptParameters = NO_RCPT_PARAMETERS,
  ): NewRecipient[] {
    const { sender = address("alice@example.org"), parameters: mail = NO_MAIL_PARAMETERS } = more;
    return to.map((each): NewRecipient => {
      const plain = { ...recipient(each), parameters, nextAttempt: this.now };
      return { ...plain, ...this.sending.place({ ...plain, sender, mail, receivedAt: this.now }) };
    });
  }
  /** As `put`, to these. */
  send(
    to: readonly string[],
    more: Partial<NewMessage> = {},
    text = "Subject: x\r\n\r\nhello\r\n",
  ): Promise<NewMessage> {
    return this.put({ recipients: this.rows(to, more), ...more }, new TextEncoder().encode(text));
  }

  async states(): Promise<string[]> {
    const { items } = await this.store.queue({ limit: 1000 });
    return items.flatMap(({ recipients }) => recipients.map(({ state, attempts }) => `${state} ${attempts}`));
  }
  /** Kicks until the queue is as `states` says. */
  async until(states: readonly string[]): Promise<void> {
    this.dispatcher.kick();
    await waitFor(`the states ${states}`, async () => `${await this.states()}` === `${states}`, { every: 1 });
  }
  /** Nothing is under way, and nothing that is due now will be. */
  async quiet(): Promise<void> {
    this.dispatcher.kick();
    let still = 0;
    await waitFor("quiet", async () => {
      const { running, waiting } = this.dispatcher.load, states = await this.states();
      still = running + waiting === 0 && !states.some((each) => each.startsWith("active")) ? still + 1 : 0;
      return still > 5;
    }, { every: 1 });
  }
  /** One more attempt at the only recipient; returns what came of it. */
  async once(): Promise<string> {
    const before = this.tried.length;
    this.dispatcher.kick();
    return await waitFor("the end of an attempt", async () => {
      const [state = "gone"] = await this.states();
      return this.tried.length > before && !state.startsWith("active") && state;
    }, { every: 1 });
  }
  /** Whom nobody will try again, why, and whether the time was over. */
  bounced(): string[] {
    return this.events.flatMap((event) =>
      event.type === "bounced" ? [`${event.recipient} ${event.reply}${event.expired ? " expired" : ""}`] : []
    );
  }
  /** Who got it. */
  delivered(): string[] {
    return this.events.flatMap((event) => event.type === "delivered" ? [event.recipient] : []);
  }
  troubles(): string[] {
    return this.events.flatMap((event) => event.type === "trouble" ? [event.message] : []);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.sending.stop(0);
    await this.store.close();
  }
}

export function local(address: string, plugin = "box"): NewRecipient {
  return recipient(address, { route: { to: "local", plugin } });
}

/** The store with some of its methods replaced. */
export function wrap(real: MemoryStore, replaced: Partial<Store>): Store {
  const store: Pick<Store, "lease" | "settle" | "nextDue" | "content" | "counters"> = {
    lease: (options) => real.lease(options),
    settle: (lease, outcomes, reports) => real.settle(lease, outcomes, reports),
    nextDue: (options) => real.nextDue(options),
    content: (id) => real.content(id),
    counters: real.counters,
  };
  return { ...store, ...replaced } as Store;
}
