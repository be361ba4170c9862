/** The dispatcher over a store in memory, with a clock of its own: what it leases, when it tries again, how it ends. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Dispatcher } from "../../../core/delivery/dispatcher.ts";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { defer, reject, type Reply } from "../../../core/model/reply.ts";
import type { Event } from "../../../core/observe/events.ts";
import type { QueueContext } from "../../../core/pipeline/mod.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { on, type Plugin } from "../../../core/pipeline/plugin.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import { type Lease, type NewMessage, type Store, StoreError } from "../../../core/store/store.ts";
import { waitFor } from "../../support/wait.ts";
import { put, recipient, T0 } from "../store/messages.ts";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, YEAR = 365 * DAY;
const SCHEDULE = [MINUTE, 5 * MINUTE, HOUR];
const EXPIRE = 5 * DAY;

/** Says how each attempt ends; undefined: stored. */
type Storage = (ctx: QueueContext) => Reply<"defer" | "reject"> | undefined | Promise<undefined>;

class Site implements AsyncDisposable {
  now = T0;
  /** What the storage plugin says; a test changes it. */
  storage: Storage = () => undefined;
  readonly tried: { id: string; to: string[]; tries: number; at: number }[] = [];
  readonly events: Event[] = [];
  readonly store = new MemoryStore({ now: () => this.now });
  readonly dispatcher: Dispatcher;

  constructor(options: { store?: (real: MemoryStore) => Store; plugins?: readonly Plugin[]; expire?: number } = {}) {
    const box = on("queue", async (ctx, next) => {
      this.tried.push({
        id: ctx.id,
        to: ctx.recipients.map(({ address }) => address.local),
        tries: ctx.tries,
        at: this.now,
      });
      const reply = await this.storage(ctx);
      for (const each of ctx.recipients) reply ? ctx.refuse(each, reply) : ctx.settle(each, "stored");
      return next();
    }, { name: "box" });
    const pipeline = new Pipeline(options.plugins ?? [box]);
    this.dispatcher = new Dispatcher({
      store: options.store?.(this.store) ?? this.store,
      services: {
        host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
        dns: new MemoryResolver(),
        counters: this.store.counters,
        now: () => this.now,
        emit: (event) => void this.events.push(event),
      },
      pipelineOf: () => pipeline,
      schedule: SCHEDULE,
      expire: options.expire ?? EXPIRE,
      random: () => 0.5, // no jitter
    });
  }

  put(more: Partial<NewMessage> = {}): Promise<NewMessage> {
    return put(this.store, { receivedAt: this.now, recipients: [local("a@example.org")], ...more });
  }
  async states(): Promise<string[]> {
    const { items } = await this.store.queue({});
    return items.flatMap(({ recipients }) => recipients.map(({ state, attempts }) => `${state} ${attempts}`));
  }
  /** Kicks until the queue is as `states` says. */
  async until(states: readonly string[]): Promise<void> {
    this.dispatcher.kick();
    await waitFor(`the states ${states}`, async () => `${await this.states()}` === `${states}`, { every: 1 });
  }
  /** One more attempt at the only recipient; returns what came of it. */
  async once(): Promise<string> {
    const before = this.tried.length;
    this.dispatcher.kick();
    return await waitFor("the end of an attempt", async () => {
      const [state] = await this.states();
      return this.tried.length > before && !state!.startsWith("active") && state;
    }, { every: 1 });
  }
  troubles(): string[] {
    return this.events.flatMap((event) => event.type === "trouble" ? [event.message] : []);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispatcher.stop();
    await this.store.close();
  }
}

function local(address: string, plugin = "box") {
  return recipient(address, { route: { to: "local", plugin } });
}

Deno.test("what is due is stored and leaves the queue; remote recipients wait", async () => {
  await using site = new Site();
  const message = await site.put({ recipients: [local("a@example.org"), recipient("b@far.example"), local("c@x.y")] });
  await site.until(["delivered 1", "ready 0", "delivered 1"]);
  assertEquals(site.tried, [{ id: message.id, to: ["a", "c"], tries: 1, at: T0 }]);
  assertEquals(site.events.filter(({ type }) => type === "settled").length, 2);
});

Deno.test("a deferral follows the schedule, its last step repeats, and success ends it", async () => {
  await using site = new Site();
  site.storage = () => defer("4.2.2", "Mailbox full");
  await site.put();
  const waits = [MINUTE, 5 * MINUTE, HOUR, HOUR, HOUR];
  for (const [index, wait] of waits.entries()) {
    await site.until([`deferred ${index + 1}`]);
    const due = await site.store.nextDue({ now: site.now });
    assertEquals(due, site.now + wait, `attempt ${index + 1}`);
    site.now = due! - 1;
    site.dispatcher.kick();
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    assertEquals(site.tried.length, index + 1);
    site.now = due!;
  }
  site.storage = () => undefined;
  await site.until([]);
  assertEquals(site.tried.length, waits.length + 1);
});

Deno.test("a permanent refusal fails, and stays for a person", async () => {
  await using site = new Site();
  site.storage = () => reject("5.2.1", "Mailbox closed");
  await site.put();
  await site.until(["failed 1"]);
  const { items: [item] } = await site.store.queue({ state: "failed" });
  assertEquals(item!.recipients[0]!.lastReply, "550 5.2.1 Mailbox closed");
  assertEquals(await site.store.nextDue({ now: site.now }), null);
});

Deno.test("a message is given up after `expire`, one from nobody after a day", async () => {
  for (const { sender, days } of [{ sender: { local: "a", domain: "b.c" }, days: 5 }, { sender: null, days: 1 }]) {
    await using site = new Site();
    site.storage = () => defer("4.2.2", "Mailbox full");
    await site.put({ sender });
    while (await site.once() !== `expired ${site.tried.length}`) {
      site.now = (await site.store.nextDue({ now: site.now }))!;
    }
    const lived = site.now - T0;
    assert(lived >= days * DAY && lived < days * DAY + 2 * HOUR, `${lived / DAY} days`);
  }
});

Deno.test("a plugin that is not configured any more: the recipient waits and says why", async () => {
  await using site = new Site({ plugins: [] });
  await site.put({ recipients: [local("a@example.org", "gone")] });
  await site.until(["deferred 1"]);
  const { items: [item] } = await site.store.queue({});
  assertStringIncludes(item!.recipients[0]!.lastReply!, 'no plugin named "gone" stores mail here');
});

Deno.test("the lease of a dead owner ends, and what it had is tried", async () => {
  await using site = new Site();
  await site.put();
  const [dead] = await site.store.lease({ owner: "dead", now: T0, seconds: 900, limit: 1 });
  site.dispatcher.kick();
  await site.until(["active 0"]);
  assertEquals(site.tried, []);
  site.now = dead!.until;
  await site.until([]);
  assertEquals(site.tried.length, 1);
  assertEquals(await site.store.settle(dead!, [{ index: 0, state: "delivered" }]), false);
});

Deno.test("case 74: the clock is set back ten years: nothing waits for it to come round again", async () => {
  await using site = new Site();
  site.storage = () => defer("4.2.2", "Mailbox full");
  await site.put();
  await site.until(["deferred 1"]);
  site.now -= 10 * YEAR;
  await site.until(["deferred 2"]);
  assertEquals(await site.store.nextDue({ now: site.now }), site.now + 5 * MINUTE);
  site.now += 5 * MINUTE;
  await site.until(["deferred 3"]); // it came in the future: its age tells nothing, its attempts do
});

Deno.test("case 74: the clock is set forward ten years: no mass bounce, and the schedule goes on", async () => {
  await using site = new Site();
  site.storage = () => defer("4.2.2", "Mailbox full");
  const count = 40;
  for (let i = 0; i < count; i++) await site.put();
  await site.until(Array(count).fill("deferred 1"));
  site.now += 10 * YEAR;
  await site.until(Array(count).fill("deferred 2"));
  site.now += 5 * MINUTE;
  await site.until(Array(count).fill("deferred 3"));
  assertEquals(await site.store.nextDue({ now: site.now }), site.now + HOUR);
});

Deno.test("case 74: a message that came while the clock was years ahead is given up by its attempts", async () => {
  await using site = new Site();
  site.storage = () => defer("4.2.2", "Mailbox full");
  await site.put({ receivedAt: T0 + 10 * YEAR });
  for (let hours = 0; hours < 200 && !(await site.once()).startsWith("expired"); hours++) site.now += 1.2 * HOUR;
  const [state] = await site.states();
  assertEquals(state, "expired 121"); // 6 minutes and 119 hours of its schedule make five days
});

Deno.test("many messages: a bounded number at once, each once, and a slow one holds up nobody", async () => {
  await using site = new Site();
  const slow = await site.put();
  let free = () => {};
  const stuck = new Promise<undefined>((resolve) => free = () => resolve(undefined));
  let running = 0, most = 0;
  site.storage = async (ctx) => {
    if (ctx.id === slow.id) return await stuck;
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 0));
    running--;
    return undefined;
  };
  const ids = new Set<string>();
  for (let i = 0; i < 100; i++) ids.add((await site.put()).id);
  await site.until(["active 0"]);
  assertEquals(site.tried.length, 101);
  assertEquals(new Set(site.tried.map(({ id }) => id)).size, 101);
  assert(most > 1 && most <= 16, `${most} at once`);
  free();
  await site.until([]);
});

Deno.test("a kick while it looks for the next due moment is not lost", async () => {
  let meanwhile = async () => {};
  await using site = new Site({
    store: (real) =>
      wrap(real, {
        async nextDue(options) {
          const due = await real.nextDue(options);
          await meanwhile(); // a commit comes just after the answer
          return due;
        },
      }),
  });
  meanwhile = async () => {
    meanwhile = async () => {};
    await site.put();
    site.dispatcher.kick();
  };
  site.dispatcher.kick();
  await waitFor("the message to be tried", () => site.tried.length === 1, { deadline: 2000 });
  await site.until([]);
});

Deno.test("a store that fails to lease is asked again; one that fails to settle keeps the result", async () => {
  let leases = 0, settles = 0;
  const full = () => new StoreError("full", "no space");
  await using site = new Site({
    store: (real) =>
      wrap(real, {
        lease: (options) => ++leases === 1 ? Promise.reject(full()) : real.lease(options),
        settle: (lease, outcomes) => ++settles === 1 ? Promise.reject(full()) : real.settle(lease, outcomes),
      }),
  });
  await site.put();
  site.dispatcher.kick();
  await waitFor("the first failure", () => leases === 1);
  site.dispatcher.kick();
  await waitFor("an attempt whose result is not written", () => settles === 1);
  await waitFor("it to be written", async () => (await site.states()).length === 0, { deadline: 8000 });
  assertEquals(site.tried.length, 1);
  assertEquals(site.troubles(), ["no space", "no space"]);
});

Deno.test("content that cannot be read is a reason to try again, content that is gone is not", async () => {
  await using site = new Site({
    store: (real) => wrap(real, { received: () => Promise.reject(new StoreError("io", "bad sector")) }),
  });
  await site.put();
  await site.until(["deferred 1"]);
  assertStringIncludes(site.troubles()[0]!, "bad sector");

  await using empty = new Site({ store: (real) => wrap(real, { received: () => Promise.resolve(null) }) });
  await empty.put();
  await empty.until(["failed 1"]);
});

Deno.test("case 78: stop ends an attempt that hangs; it was no attempt, and the next start takes it up", async () => {
  await using site = new Site();
  let aborted = false;
  site.storage = (ctx) =>
    new Promise(() => {
      ctx.signal.addEventListener("abort", () => aborted = true);
    });
  await site.put();
  site.dispatcher.kick();
  await waitFor("the attempt", () => site.tried.length === 1);
  const started = performance.now();
  await site.dispatcher.stop(50);
  assert(performance.now() - started < 2000);
  assert(aborted);
  assertEquals(await site.states(), ["ready 0"]);
  assertEquals(await site.store.nextDue({ now: site.now }), T0);
});

Deno.test("stop lets an attempt finish, and begins no other", async () => {
  await using site = new Site();
  let free = () => {};
  site.storage = () => new Promise((resolve) => free = () => resolve(undefined));
  await site.put();
  site.dispatcher.kick();
  await waitFor("the attempt", () => site.tried.length === 1);
  const late = await site.put();
  const stopped = site.dispatcher.stop(10_000);
  site.dispatcher.kick();
  free();
  await stopped;
  assertEquals((await site.store.queue({})).items.map(({ message }) => message.id), [late.id]);
});

Deno.test("a lease that ended before its result was written is told, and changes nothing", async () => {
  let lease: Lease | undefined;
  await using site = new Site({
    store: (real) =>
      wrap(real, {
        async lease(options) {
          const leases = await real.lease(options);
          lease ??= leases[0];
          return leases;
        },
      }),
  });
  site.storage = async () => {
    await site.store.lease({ owner: "other", now: lease!.until, seconds: 900, limit: 1 });
    return undefined;
  };
  await site.put();
  site.dispatcher.kick();
  await waitFor("the word of it", () => site.troubles().length === 1);
  assertStringIncludes(site.troubles()[0]!, "had ended");
  assertEquals(await site.states(), ["active 0"]);
});

/** The store with some of its methods replaced. */
function wrap(real: MemoryStore, replaced: Partial<Store>): Store {
  const store: Pick<Store, "lease" | "settle" | "nextDue" | "received"> = {
    lease: (options) => real.lease(options),
    settle: (lease, outcomes) => real.settle(lease, outcomes),
    nextDue: (options) => real.nextDue(options),
    received: (id) => real.received(id),
  };
  return { ...store, ...replaced } as Store;
}

// ---- What the sender asked for -------------------------------------------------------------------------------------------

Deno.test("RFC 4865: nobody stores a message before the hour that its sender appointed, whoever is in a hurry", async () => {
  await using site = new Site();
  const hour = T0 + 20 * DAY; // further away than anything that the schedule plans (case 74), and than expire
  const { id } = await site.put({
    parameters: { ...NO_MAIL_PARAMETERS, holdUntil: hour },
    recipients: [{ ...local("a@example.org"), state: "deferred", nextAttempt: hour, appointed: true }],
  });
  const waits = async () => {
    await site.until(["deferred 0"]);
    assertEquals([site.tried.length, await site.store.nextDue({ now: site.now })], [0, hour]);
  };
  await waits();
  await site.store.change({ id }, { do: "retry" });
  await waits();
  await site.store.change({ id }, { do: "hold", reason: "looks odd" });
  await site.until(["held 0"]);
  await site.store.change({ id }, { do: "release" });
  await waits();
  site.now = hour - 1;
  await waits();
  site.now = hour;
  site.storage = () => defer("4.2.2", "Mailbox full");
  await site.until(["deferred 1"]); // and its life in the queue begins now: nothing has expired
  assertEquals(await site.store.nextDue({ now: site.now }), hour + MINUTE);
  site.storage = () => undefined;
  site.now = hour + MINUTE;
  await site.until([]);
  assertEquals(site.tried.map(({ at }) => at), [hour, hour + MINUTE]);
});

Deno.test("RFC 2852: what is to be returned is expired at its moment, not at the next attempt; BY with N goes on", async () => {
  for (const mode of ["R", "N"] as const) {
    await using site = new Site();
    site.storage = () => defer("4.2.2", "Mailbox full");
    const deliverBy = { at: T0 + 90 * SECOND, mode, trace: false };
    await site.put({ parameters: { ...NO_MAIL_PARAMETERS, deliverBy } });
    await site.until(["deferred 1"]);
    site.now = T0 + MINUTE;
    await site.until(["deferred 2"]);
    const due = (await site.store.nextDue({ now: site.now }))!;
    assertEquals(due, mode === "R" ? deliverBy.at : T0 + 6 * MINUTE, mode);
    site.now = due;
    site.storage = () => undefined;
    await site.until(mode === "R" ? ["expired 2"] : []);
    if (mode === "N") continue;
    assertEquals(site.tried.length, 2, "nobody stores what is late");
    const { items: [item] } = await site.store.queue({ state: "expired" });
    assertEquals(item!.recipients[0]!.lastReply, "550 5.4.7 Delivery time expired");
    assertEquals(await site.store.nextDue({ now: site.now }), null);
  }
});
