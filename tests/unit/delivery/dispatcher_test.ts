/** The dispatcher over a store in memory, with a clock of its own: what it leases, when it tries again, how it ends. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { defer, reject } from "../../../core/model/reply.ts";
import { type Lease, StoreError } from "../../../core/store/store.ts";
import { waitFor } from "../../support/wait.ts";
import { recipient, T0 } from "../store/messages.ts";
import { local, Site, wrap } from "./site.ts";
import { DAY, HOUR, MINUTE, SECOND, YEAR } from "./stored.ts";

Deno.test("what is due is stored and leaves the queue; others of the message are nobody's business there", async () => {
  await using site = new Site();
  const message = await site.put({
    recipients: [local("a@example.org"), { ...recipient("b@far.example"), state: "held" }, local("c@x.y")],
  });
  await site.until(["delivered 1", "held 0", "delivered 1"]);
  assertEquals(site.tried, [{ id: message.id, to: ["a", "c"], tries: 1, at: T0 }]);
  assertEquals(site.events.filter(({ type }) => type === "delivered").length, 2);
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

Deno.test("a permanent refusal fails: its sender is told, and nothing of it stays", async () => {
  await using site = new Site({ hasSender: true });
  let report = "";
  site.storage = async (ctx) => {
    if (ctx.sender !== null) return reject("5.2.1", "Mailbox closed");
    report = await new Response(ctx.output()).text();
    return undefined;
  };
  await site.put();
  await site.until([]);
  assertEquals(site.bounced(), ["a@example.org 550 5.2.1 Mailbox closed"]);
  assertEquals(site.tried.map(({ to }) => to), [["a"], ["alice"]]);
  assertStringIncludes(report, "550 5.2.1 Mailbox closed");
});

Deno.test("a message is given up after `expire`, one from nobody after a day", async () => {
  for (const { sender, days } of [{ sender: { local: "a", domain: "b.c" }, days: 5 }, { sender: null, days: 1 }]) {
    await using site = new Site();
    site.storage = () => defer("4.2.2", "Mailbox full");
    await site.put({ sender });
    while (await site.once() !== "gone") site.now = (await site.store.nextDue({ now: site.now }))!;
    await waitFor("the word of it", () => site.bounced().length > 0);
    assertEquals(site.bounced()[0], "a@example.org 451 4.2.2 Mailbox full expired");
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
  for (let hours = 0; hours < 200 && await site.once() !== "gone"; hours++) site.now += 1.2 * HOUR;
  assertEquals(site.tried.length, 121); // 6 minutes and 119 hours of its schedule make five days
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
    store: (real) => wrap(real, { content: () => Promise.reject(new StoreError("io", "bad sector")) }),
  });
  await site.put();
  await site.until(["deferred 1"]);
  assertStringIncludes(site.troubles()[0]!, "bad sector");

  await using empty = new Site({ store: (real) => wrap(real, { content: () => Promise.resolve(null) }) });
  await empty.put();
  await empty.until([]);
  assertEquals(empty.bounced(), ["a@example.org its content is gone"]);
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
  assertEquals(await site.store.nextDue({ now: T0 - 1 }), T0);
});

Deno.test("stop waits for no name service: who was not asked yet is left as he was", async () => {
  await using site = new Site();
  const asked = Promise.withResolvers<void>();
  site.dns.lookup = () => (asked.resolve(), new Promise<never>(() => {}));
  await site.send(["a@far.example"]);
  site.dispatcher.kick();
  await asked.promise;
  await site.sending.stop(10);
  assertEquals(await site.states(), ["ready 0"]);
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

Deno.test("where the process goes on, what an attempt came to is written as soon as the store can, stopped or not", async () => {
  let failures = 3;
  await using site = new Site({
    store: (real) =>
      wrap(real, {
        settle: (...asked) =>
          failures-- > 0 ? Promise.reject(new StoreError("io", "bad sector")) : real.settle(...asked),
      }),
  });
  let free = () => {};
  site.storage = () => new Promise((resolve) => free = () => resolve(undefined));
  await site.put();
  site.dispatcher.kick();
  await waitFor("the attempt", () => site.tried.length === 1);
  const stopped = site.dispatcher.stop(60_000, { patient: true });
  free();
  await stopped;
  assertEquals((await site.store.queue({})).total, 0);
  assertEquals(failures, -1);
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

Deno.test("an attempt outlives its lease while another recipient of the message falls due: nobody is tried twice", async () => {
  await using site = new Site();
  let free = () => {};
  const stuck = new Promise<undefined>((resolve) => free = () => resolve(undefined));
  site.storage = async ({ recipients: [first] }) => first!.address.local === "a" ? undefined : await stuck;
  const later = { ...local("a@example.org"), state: "deferred", nextAttempt: T0 + 10 * MINUTE } as const;
  await site.put({ recipients: [later, local("b@example.org"), local("c@example.org")] });
  await site.until(["deferred 0", "active 0", "active 0"]);
  site.pass(16 * MINUTE); // leases are for 15
  await site.until(["delivered 1", "active 0", "active 0"]);
  free();
  await site.until([]);
  assertEquals(site.tried.map(({ to }) => to), [["b", "c"], ["a"]]);
  assertEquals(site.troubles(), []);
});

Deno.test("what waits behind a slow host is held, deleted and bounced as what waits in the store", async () => {
  for (const change of [{ do: "hold", reason: "x" }, { do: "delete" }, { do: "bounce", reason: "x" }] as const) {
    await using site = new Site();
    let free = () => {};
    const stuck = new Promise<undefined>((resolve) => free = () => resolve(undefined));
    site.storage = () => stuck;
    const count = 30;
    for (let i = 0; i < count; i++) await site.put();
    site.dispatcher.kick();
    await waitFor("all of them here", () => {
      const { running, waiting } = site.dispatcher.load;
      return running > 0 && running + waiting === count;
    });
    const { running } = site.dispatcher.load, changed = await site.dispatcher.change({}, change);
    assertEquals(changed, change.do === "delete" ? count : count - running, change.do);
    free();
    await site.until(change.do === "hold" ? Array(count - running).fill("held 0") : []);
    assertEquals(site.tried.length, running, change.do);
  }
});

Deno.test("a person deletes some recipients under way: what became of the others is written all the same", async () => {
  await using site = new Site();
  let free = () => {};
  const stuck = new Promise<undefined>((resolve) => free = () => resolve(undefined));
  site.storage = () => stuck;
  await site.put({ recipients: [local("a@example.org"), local("b@x.example"), local("c@example.org")] });
  await site.until(["active 0", "active 0", "active 0"]);
  assertEquals(await site.dispatcher.change({ domain: "x.example" }, { do: "delete" }), 1);
  free();
  await site.until([]);
  site.pass(16 * MINUTE);
  await site.quiet();
  assertEquals(site.tried.map(({ to }) => to), [["a", "b", "c"]]);
  assertEquals(site.troubles(), []);
});

Deno.test("recipients who were put off together come back together, whatever the jitter", async () => {
  const randoms = [0, 1, 0.3, 0.9];
  let drawn = 0;
  await using site = new Site({ random: () => randoms[drawn++ % randoms.length]! });
  site.storage = () => defer("4.2.2", "Mailbox full");
  await site.put({ recipients: ["a", "b", "c"].map((each) => local(`${each}@example.org`)) });
  await site.until(["deferred 1", "deferred 1", "deferred 1"]);
  site.storage = () => undefined;
  site.pass(2 * MINUTE);
  site.now = T0 + 54 * SECOND;
  while ((await site.states()).length > 0 && site.now < T0 + 70 * SECOND) {
    site.now += SECOND;
    await site.quiet();
  }
  assertEquals(site.tried.map(({ to }) => to), [["a", "b", "c"], ["a", "b", "c"]]);
});

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
    assertEquals(due, deliverBy.at, mode); // with N its sender is owed a word then, and it is tried on that occasion
    site.now = due;
    site.storage = () => undefined;
    await site.until([]);
    assertEquals(site.tried.length, mode === "R" ? 2 : 3, "nobody stores what is late");
    const words = mode === "R" ? ["a@example.org 550 5.4.7 Delivery time expired expired"] : [];
    await waitFor("the word of it", () => site.bounced().length === words.length);
    assertEquals(site.bounced(), words);
  }
});
