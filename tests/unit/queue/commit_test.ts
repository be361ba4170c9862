/** What becomes of a transaction in the queue, and how the store's refusals are worded (SEMANTICS 1 to 4, 8, 17). */
import { assert, assertEquals } from "@std/assert";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS, type PluginRoute } from "../../../core/model/envelope.ts";
import { defer, reject, Reply } from "../../../core/model/reply.ts";
import { parseAddress } from "../../../core/model/address.ts";
import { ReceivedMessage } from "../../../core/pipeline/contexts/received_message.ts";
import { TransactionContext } from "../../../core/pipeline/contexts/transaction_context.ts";
import { type CommitOptions, commitTransaction, storeRefusal } from "../../../core/queue/commit.ts";
import { destinationKey } from "../../../core/queue/destination.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import { type Body, type NewMessage, StoreError } from "../../../core/store/store.ts";
import { nextId, T0 } from "../store/messages.ts";

const ORIGIN = { session: "s1", ip: "192.0.2.1", helo: "c", identity: null, protocol: "ESMTP", listener: "l" };
const HEADER =
  "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\r\nTo: b@example.org\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nText\r\n";
const box: PluginRoute = { to: "local", plugin: "box" };
const remote: PluginRoute = { to: "remote" };

class Desk {
  readonly committed: NewMessage[] = [];
  readonly troubles: string[] = [];
  discarded = 0;
  readonly store = new MemoryStore({ now: () => T0 });
  readonly options: CommitOptions = {
    store: this.store,
    schedule: [60_000],
    place: ({ route, address }) => ({ destination: destinationKey(route, address.domain), deadline: T0 + 1 }),
    now: () => T0,
    random: () => 0.5,
    committed: (message) => void this.committed.push(message),
    trouble: (message) => void this.troubles.push(message),
  };

  /** A transaction after the last octet, with a recipient for each route. */
  async transaction(
    routes: readonly PluginRoute[],
    held: string | null = null,
    parameters = NO_MAIL_PARAMETERS,
  ): Promise<TransactionContext> {
    const context = new TransactionContext({
      host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
      dns: new MemoryResolver(),
      counters: this.store.counters,
      now: () => T0,
      emit() {},
      commit: () => Promise.resolve(null),
    }, { session: "s1", role: "mx", listener: "l", client: { ip: "192.0.2.1", port: 1, tls: null, identity: null } });
    const id = nextId();
    context.begin({ id, sender: parseAddress("a@example.net"), parameters });
    for (const [index, route] of routes.entries()) {
      context.phase = "rcpt";
      context.propose({ address: parseAddress(`r${index}@example.org`)!, parameters: NO_RCPT_PARAMETERS });
      context.apply({ do: "route", route });
      context.admit();
      context.commands.push(context.command);
    }
    const writer = this.store.receive(id);
    writer.write(new TextEncoder().encode(HEADER));
    const body: Body = await writer.finish();
    const discard = body.discard.bind(body);
    body.discard = () => {
      this.discarded++;
      discard();
    };
    context.complete(new ReceivedMessage(body, "7BIT"));
    context.held = held;
    context.phase = "queue";
    return context;
  }
}

Deno.test("each result has its row: none waits, a deferral waits its step, a refusal is held, stored has none", async () => {
  const desk = new Desk();
  const context = await desk.transaction([remote, box, box, box, box]);
  context.settleRecipient(1, defer("4.2.2", "Mailbox full"));
  context.settleRecipient(2, reject("5.2.1", "Mailbox closed"));
  context.settleRecipient(3, "stored");
  context.settleRecipient(4, "discarded");
  assertEquals(await commitTransaction(context, ORIGIN, desk.options), null);
  const item = (await desk.store.item(context.id))!;
  assertEquals(
    item.recipients.map(({ address, state, nextAttempt, lastReply }) => [address.local, state, nextAttempt, lastReply]),
    [
      ["r0", "ready", T0, null],
      ["r1", "deferred", T0 + 60_000, "451 4.2.2 Mailbox full"],
      ["r2", "held", T0, "550 5.2.1 Mailbox closed"],
    ],
  );
  assertEquals(item.message.summary, { from: "Jürgen <j@example.org>", to: "b@example.org", subject: "Grüße" });
  assertEquals(desk.committed.length, 1);
  assertEquals(desk.store.health().bodyBytes, 0);
});

Deno.test("SEMANTICS 17: what is held for one recipient counts in quarantine and ends like all of it", async () => {
  const desk = new Desk(), full = defer("4.3.1", "No space for messages now", { code: 452 });
  const admitted: number[] = [];
  const quarantine = { until: () => T0 + 500, admit: (size: number) => (admitted.push(size), Promise.resolve(null)) };
  const refused = async (stored: boolean) => {
    const context = await desk.transaction([remote, box, box]);
    context.settleRecipient(1, reject("5.2.1", "Mailbox closed"));
    if (stored) context.settleRecipient(2, "stored");
    return context;
  };
  const context = await refused(true);
  assertEquals(await commitTransaction(context, ORIGIN, { ...desk.options, quarantine }), null);
  assertEquals(admitted, [context.received!.body.size]);
  assertEquals(await desk.store.quarantine.total(), { messages: 1, octets: admitted[0]! });
  assertEquals(await desk.store.quarantine.expire({ now: T0 + 500 }), [context.id]);
  assertEquals((await desk.store.item(context.id))!.recipients.map(({ state }) => state), ["ready"]);
  const closed = { ...quarantine, admit: () => Promise.resolve(full) };
  assertEquals(await commitTransaction(await refused(false), ORIGIN, { ...desk.options, quarantine: closed }), full);
  // One has it already: who is told to come again would bring it twice
  assertEquals(await commitTransaction(await refused(true), ORIGIN, { ...desk.options, quarantine: closed }), null);
});

Deno.test("recipients that are put off together have one moment, whatever the jitter: they share a transaction again", async () => {
  const desk = new Desk(), randoms = [0, 1, 0.4];
  const context = await desk.transaction([remote, box, box, box]);
  for (const place of [1, 2, 3]) context.settleRecipient(place, defer("4.2.2", "Mailbox full"));
  await commitTransaction(context, ORIGIN, { ...desk.options, random: () => randoms.shift()! });
  const moments = (await desk.store.item(context.id))!.recipients.slice(1).map(({ nextAttempt }) => nextAttempt);
  assertEquals(moments, [T0 + 54_000, T0 + 54_000, T0 + 54_000]);
});

Deno.test("SEMANTICS 8: for who had logged in a late refusal is a report that is due now", async () => {
  const desk = new Desk();
  const context = await desk.transaction([box, box]);
  context.client = { ...context.client, identity: "amy" };
  context.settleRecipient(1, reject("5.2.1", "Mailbox closed"));
  assertEquals(await commitTransaction(context, ORIGIN, desk.options), null);
  const reason = "550 5.2.1 Mailbox closed";
  const { recipients } = (await desk.store.item(context.id))!;
  assertEquals(recipients.map(({ state, route, nextAttempt, lastReply }) => [state, route, nextAttempt, lastReply]), [
    ["ready", box, T0, null],
    ["ready", { to: "report", action: "failed", reason }, T0, reason],
  ]);
});

Deno.test("a held message is held for all, with its reason", async () => {
  const desk = new Desk();
  const context = await desk.transaction([remote, box], "looks like spam");
  assertEquals(await commitTransaction(context, ORIGIN, desk.options), null);
  const { recipients } = (await desk.store.item(context.id))!;
  assertEquals(recipients.map(({ state, lastReply }) => [state, lastReply]), [
    ["held", "looks like spam"],
    ["held", "looks like spam"],
  ]);
});

Deno.test("RFC 4865: each recipient waits for the sender's hour, unless it is held for a person", async () => {
  const hour = T0 + 20 * 86_400_000, parameters = { ...NO_MAIL_PARAMETERS, holdUntil: hour };
  const desk = new Desk();
  const context = await desk.transaction([remote, box], null, parameters);
  context.settleRecipient(1, defer("4.2.2", "Mailbox full"));
  assertEquals(await commitTransaction(context, ORIGIN, desk.options), null);
  const { message, recipients } = (await desk.store.item(context.id))!;
  assertEquals(message.parameters, parameters);
  assertEquals(recipients.map(({ state, nextAttempt, lastReply }) => [state, nextAttempt, lastReply]), [
    ["deferred", hour, "kept until the sender's hour"],
    ["deferred", hour, "451 4.2.2 Mailbox full"],
  ]);
  const leased = await desk.store.lease({ owner: "w", now: T0, seconds: 60, limit: 9, horizon: T0 + 1 });
  assertEquals(leased, [], "appointed, not planned by a clock that ran ahead (case 74)");

  const held = await desk.transaction([remote], "looks like spam", parameters);
  assertEquals(await commitTransaction(held, ORIGIN, desk.options), null);
  assertEquals((await desk.store.item(held.id))!.recipients[0]!.state, "held");
});

Deno.test("RFC 2852: no step of the schedule goes past the moment of return", async () => {
  for (const [mode, expected] of [["R", T0 + 5000], ["N", T0 + 60_000]] as const) {
    const desk = new Desk();
    const deliverBy = { at: T0 + 5000, mode, trace: false };
    const context = await desk.transaction([box, box], null, { ...NO_MAIL_PARAMETERS, deliverBy });
    context.settleRecipient(0, "stored");
    context.settleRecipient(1, defer("4.2.2", "Mailbox full"));
    assertEquals(await commitTransaction(context, ORIGIN, desk.options), null);
    assertEquals((await desk.store.item(context.id))!.recipients[0]!.nextAttempt, expected);
  }
});

Deno.test("what found its place already makes no row; its octets are let go", async () => {
  const desk = new Desk();
  const context = await desk.transaction([box]);
  context.settleRecipient(0, "stored");
  assertEquals(await commitTransaction(context, ORIGIN, desk.options), null);
  assertEquals((await desk.store.queue({})).total, 0);
  assertEquals(desk.committed, []);
  assertEquals(desk.discarded, 1);
  assertEquals(desk.store.health().bodyBytes, 0);
});

Deno.test("a store that refuses: the client is told to come again, and nobody that something is due", async () => {
  const desk = new Desk();
  const context = await desk.transaction([box]);
  const fault = new StoreError("full", "no space left on device");
  desk.options.store.commit = () => Promise.reject(fault);
  const reply = await commitTransaction(context, ORIGIN, desk.options);
  assertEquals(reply?.toString(), "452 4.3.1 No space for the message now");
  assertEquals(desk.committed, []);
  assertEquals(desk.troubles, ["full: no space left on device"]);
});

Deno.test("each fault of the store has its reply, and shutting down is no trouble", () => {
  const rows: [error: unknown, reply: string, troubles: number][] = [
    [new StoreError("full", "x"), "452 4.3.1 No space for the message now", 1],
    [new StoreError("io", "x"), "451 4.3.0 Cannot store the message now", 1],
    [new StoreError("busy", "x"), "451 4.3.2 Too busy for the message now", 1],
    [new StoreError("closed", "x"), "421 4.3.2 Shutting down", 0],
    [new TypeError("a defect"), "451 4.3.0 Local error in processing", 1],
    ["not even an error", "451 4.3.0 Local error in processing", 1],
  ];
  for (const [error, expected, count] of rows) {
    const troubles: string[] = [];
    const reply = storeRefusal(error, (message) => troubles.push(message));
    assert(reply instanceof Reply);
    assertEquals(reply.toString(), expected);
    assertEquals(troubles.length, count, expected);
  }
});
