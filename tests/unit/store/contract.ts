/**
 * What every store does, whatever it stands on. Each implementation's own test file calls `storeContract`.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { newId, shortId } from "../../../core/model/id.ts";
import {
  type Body,
  type NewMessage,
  type NewRecipient,
  type QueueListQuery,
  type Store,
  StoreError,
} from "../../../core/store/store.ts";
import { address, body, deposit, message, nextId, octets, put, read, recipient, T0 } from "./messages.ts";

export interface ContractOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
}
/** Opens a fresh, empty store; `end` closes it and takes its traces away. */
export type OpenStore = (options: ContractOptions) => Promise<{ readonly store: Store; end(): Promise<void> }>;

const LOCAL = { to: "local", plugin: "maildir" } as const;
const lease = { owner: "w1", now: T0, seconds: 60, limit: 100 };

export function storeContract(name: string, open: OpenStore): void {
  const test = (what: string, run: (store: Store, clock: { now: number }) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      const clock = { now: T0 };
      const { store, end } = await open({ now: () => clock.now });
      try {
        await run(store, clock);
      } finally {
        await end();
      }
    });

  test("a committed message is there with its queue rows and its deposits", async (store) => {
    const held = { state: "held", lastReply: "looks odd", route: LOCAL } as const;
    const later = { state: "deferred", nextAttempt: T0 + 5000, lastReply: "451 4.3.0 busy" } as const;
    const sent = await put(store, {
      recipients: [recipient("bob@example.net"), recipient("eve@example.com", held), recipient("x@example.com", later)],
      deposits: [deposit("carol")],
      edits: { prepend: "Received: by us\r\n", drop: [] },
    });
    const { recipients: _, deposits: __, ...facts } = sent;
    const item = await store.item(sent.id);
    assertEquals(item!.message, { ...facts, size: 100, version: 1 });
    assertEquals(
      item!.recipients,
      sent.recipients.map((one, index) => ({ ...one, index, attempts: 0, told: null, released: false })),
    );
    assertEquals(await store.queue({}), { total: 1, items: [item!], corrupt: [] });
    const { messages: [entry], total } = await store.inboxes.list({});
    assertEquals(total, 1);
    assertEquals(entry, {
      id: sent.id,
      inbox: "carol",
      from: "Alice <alice@example.org>",
      to: ["carol@example.org"],
      subject: "Hello",
      size: 100,
      receivedAt: T0,
      read: false,
    });
    assertEquals((await store.inboxes.get(sent.id))!.message, item!.message);
    assertEquals(store.health().bodyBytes, 0);
  });

  test("what is not there is null, not an error", async (store) => {
    for (const id of [nextId(), "", "%", "a.b", "../lock"]) {
      assertEquals(await store.item(id), null);
      assertEquals(await store.raw(id), null);
      assertEquals(await store.received(id), null);
      assertEquals(await store.inboxes.get(id), null);
      assertEquals(await store.inboxes.markRead(id, true), false);
      assertEquals(await store.inboxes.remove({ id }), 0);
      assertEquals(await store.change({ id }, { do: "delete" }), 0);
    }
    assertEquals(await store.nextDue({ now: 0 }), null);
    assertEquals(await store.lease(lease), []);
    assertEquals(await store.queue({}), { total: 0, items: [], corrupt: [] });
    assertEquals(await store.inboxes.list({ before: "no such.id" }), { total: 0, messages: [] });
  });

  test("200 messages at once: each one is there, byte for byte", async (store) => {
    const sent = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const content = octets(50 + i * 40, i);
      return { id: (await put(store, { deposits: [deposit(`box${i % 7}`)] }, content)).id, content };
    }));
    for (const { id, content } of sent) assertEquals(await read(await store.received(id)), content);
    assertEquals((await store.inboxes.list({})).total, 200);
  });

  test("bodies of every size come out as they went in, edited and as received", async (store) => {
    const prepend = "Received: by us\r\nX-Note: ü\r\n";
    for (const size of [0, 1, 4096, 8191, 8192, 8193, 70_000, 262_143, 262_144, 262_145, 1_000_000, 3_000_000]) {
      const content = size < 14 ? new Uint8Array(size).fill(65) : octets(size, size);
      const drop = size < 100 ? [] : [[0, 10], [size - 5, size - 1]] as const;
      const edits = { prepend, drop, ...(size < 100 ? {} : { insert: [[10, "Y: ü\r\n"]] as const }) };
      const { id } = await put(store, { deposits: [deposit("a")], edits }, content);
      assertEquals(await read(await store.received(id)), content, `${size} octets as received`);
      const kept = size < 100 ? [...content] : [...content.subarray(10, size - 5), content[size - 1]!];
      const front = new TextEncoder().encode(size < 100 ? prepend : `${prepend}Y: ü\r\n`);
      const written = new Uint8Array([...front, ...kept]);
      assertEquals(await read(await store.raw(id)), written, `${size} octets as written`);
    }
    assertEquals(store.health().bodyBytes, 0);
  });

  test("what was received is kept beside a body that goes on in its place, and goes with it", async (store) => {
    for (const [size, other] of [[500, 700], [600_000, 300], [400, 700_000], [500_000, 600_000]] as const) {
      const was = octets(size, 1), is = octets(other, 2);
      const sent = message({ recipients: [recipient("b@example.net")], deposits: [deposit("a")] });
      const received = await body(store, sent.id, was), content = await body(store, sent.id, is);
      await store.commit(sent, content, { received });
      assertEquals(await read(await store.content(sent.id)), is, "what goes on");
      assertEquals(await read(await store.received(sent.id)), was, "what was received");
      assertEquals(await read(await store.raw(sent.id)), is, "what is written");
      assertEquals((await store.item(sent.id))!.message.size, other);
      await store.inboxes.remove({ id: sent.id });
      assertEquals(await read(await store.received(sent.id)), was, "the queue still has it");
      await store.change({ id: sent.id }, { do: "delete" });
      assertEquals([await store.received(sent.id), await store.content(sent.id)], [null, null]);
    }
    assertEquals(store.health().bodyBytes, 0);
  });

  test("whole and adopt: a message moves to another id's place with everything that is known of it", async (store) => {
    const all = [
      recipient("bob@example.net"),
      recipient("eve@example.com", {
        state: "deferred",
        nextAttempt: T0 + 9000,
        deadline: T0 + 5000,
        lastReply: "451 x",
      }),
      recipient("x@example.com", { state: "deferred", nextAttempt: T0 + 1e9, appointed: true }),
      recipient("ü@bücher.example", { state: "held", route: LOCAL, lastReply: "looks odd" }),
      recipient("y@example.org"),
    ];
    const was = octets(300_000, 1), is = octets(500, 2);
    const edits = { prepend: "Received: by us\r\n", drop: [[0, 10]], insert: [[10, "Y: ü\r\n"]] } as const;
    const sent = message({ recipients: all, edits, sender: null });
    const options = {
      received: await body(store, sent.id, was),
      expires: T0 + 1e9,
      claim: { owner: "w1", until: T0 + 5 },
    };
    const leases = await store.commit(sent, await body(store, sent.id, is), options);
    const org = leases.find(({ recipients }) => recipients[0]!.destination === "mx:example.org")!;
    await store.settle(org, [{ index: 4, state: "failed", lastReply: "550 no", told: T0 + 1 }]);
    const item = (await store.whole(sent.id))!;
    assertEquals(item.message, (await store.item(sent.id))!.message);
    assertEquals([item.expires, item.receivedSize], [T0 + 1e9, 300_000]);
    assertEquals(item.recipients.map(({ state }) => state), ["active", "deferred", "deferred", "held", "failed"]);
    assertEquals(item.recipients.map(({ appointed = false }) => appointed), [false, false, true, false, false]);
    assertEquals(await store.adopt(item, await body(store, sent.id, was), await body(store, sent.id, is)), false);
    assertEquals(await read(await store.content(sent.id)), is, "what is there stays as it is");

    const id = nextId(), moved = { ...item, message: { ...item.message, id } };
    assertEquals(await store.adopt(moved, await body(store, id, is), await body(store, id, was)), true);
    const there = item.recipients.map((each) => each.state === "active" ? { ...each, state: "ready" } as const : each);
    assertEquals(await store.whole(id), { ...moved, recipients: there });
    assertEquals(await read(await store.content(id)), is);
    assertEquals(await read(await store.received(id)), was);
    assertEquals(await read(await store.raw(id)), await read(await store.raw(sent.id)));
    assertEquals(await store.quarantine.total(), { messages: 2, octets: 2 * 300_500 });
    await store.change({ id: sent.id }, { do: "delete" });
    const due = await store.lease({ ...lease, now: T0 + 5000 });
    assertEquals(due.flatMap(({ recipients }) => recipients.map(({ index }) => index)).sort(), [0, 1]);
    const later = await store.lease({ ...lease, now: T0 + 1e9, owner: "w2" });
    assertEquals(later.flatMap(({ recipients }) => recipients.map(({ index }) => index)).sort(), [0, 1, 2]);
    assertEquals(await store.quarantine.expire({ now: T0 + 1e9 }), [id]);
    assertEquals(await store.whole(sent.id), null);
    assertEquals(store.health().bodyBytes, 0);
  });

  test("adopt: what is over for its recipients or damaged waits for a person there too", async (store) => {
    const id = nextId(), state = { index: 3, attempts: 7, told: null, released: true, lastReply: "550 5.1.1 no" };
    const facts = { ...message({ id }), recipients: undefined, deposits: undefined };
    const { recipients: _, deposits: __, ...rest } = facts;
    const item = {
      message: { ...rest, size: 100, version: 1 },
      recipients: (["failed", "expired", "corrupt", "held"] as const).map((each, place) => ({
        ...recipient(`r${place}@example.net`),
        ...state,
        index: place * 2,
        state: each,
      })),
      expires: null,
      receivedSize: null,
    };
    assertEquals(await store.adopt(item, await body(store, id, octets(100))), true);
    assertEquals(await store.whole(id), item);
    assertEquals(await store.lease({ ...lease, now: T0 + 1e12 }), []);
    assertEquals(await store.quarantine.total(), { messages: 0, octets: 0 });
    assertEquals(await store.change({ id }, { do: "retry" }), 3);
    assertEquals((await store.lease(lease))[0]!.recipients.map(({ index }) => index), [0, 2, 4]);
  });

  test("what is in quarantine goes when its time is over, unless a person let it go before", async (store) => {
    const held = { ...recipient("b@example.net"), state: "held" } as const;
    const quarantined = async (expires: number, deposits = 0) => {
      const sent = message({ recipients: [held], deposits: deposits > 0 ? [deposit("a")] : [] });
      await store.commit(sent, await body(store, sent.id, octets(100)), { expires });
      return sent.id;
    };
    const soon = await quarantined(T0 + 10), late = await quarantined(T0 + 20), kept = await quarantined(T0 + 10, 1);
    const freed = await quarantined(T0 + 10);
    const byHand = await put(store, { recipients: [held] });
    assertEquals(await store.quarantine.total(), { messages: 4, octets: 400 });
    assertEquals(await store.change({ id: freed }, { do: "release" }), 1);
    assertEquals(await store.quarantine.total(), { messages: 3, octets: 300 });
    assertEquals(await store.quarantine.expire({ now: T0 + 9 }), []);
    assertEquals([...await store.quarantine.expire({ now: T0 + 10 })].sort(), [soon, kept].sort());
    assertEquals([await store.item(soon), await store.content(soon)], [null, null]);
    assertEquals(await read(await store.content(kept)), octets(100), "the inbox still has it");
    for (const id of [late, freed, byHand.id]) assertEquals((await store.item(id))!.recipients.length, 1);
    assertEquals(await store.change({ id: late }, { do: "delete" }), 1);
    assertEquals(await store.quarantine.total(), { messages: 0, octets: 0 });
    assertEquals(await store.quarantine.expire({ now: T0 + 9e9 }), []);
    const rewritten = message({ recipients: [held] }), received = await body(store, nextId(), octets(50));
    await store.commit(rewritten, await body(store, rewritten.id, octets(100)), { expires: T0, received });
    assertEquals(await store.quarantine.total(), { messages: 1, octets: 150 }, "what was received is kept too");
  });

  test("what a person or a rule holds beside what is in quarantine has no end", async (store) => {
    const held = { ...recipient("held@example.net"), state: "held" } as const;
    const sent = message({ recipients: [held, recipient("hand@example.org"), recipient("rule@example.com")] });
    await store.commit(sent, await body(store, sent.id, octets(100)), { expires: T0 + 10 });
    assertEquals(await store.change({ domain: "example.org" }, { do: "hold", reason: "by hand" }), 1);
    const [leased] = await store.lease(lease);
    assertEquals(leased!.recipients.map(({ address }) => address.local), ["rule"]);
    assertEquals(await store.settle(leased!, [{ index: 2, state: "held", lastReply: "a rule" }]), true);
    assertEquals(await store.quarantine.expire({ now: T0 + 10 }), [sent.id]);
    const left = (await store.item(sent.id))!.recipients;
    assertEquals(left.map(({ address, state }) => [address.local, state]), [["hand", "held"], ["rule", "held"]]);
    assertEquals(await store.quarantine.expire({ now: T0 + 9e9 }), []);
  });

  test("a message that was not rewritten has one body", async (store) => {
    const { id } = await put(store, { deposits: [deposit("a")] }, octets(300));
    assertEquals(await read(await store.content(id)), await read(await store.received(id)));
  });

  test("a body gives its head and any number of streams, before and without a commit", async (store) => {
    for (const size of [500, 600_000]) {
      const content = octets(size);
      const made = await body(store, nextId(), content, 1000);
      assertEquals(made.size, size);
      assertEquals(made.head.subarray(0, 14), content.subarray(0, 14));
      if (made.memory) assertEquals(made.memory, content);
      assertEquals(await read(made.stream()), content);
      assertEquals(await read(made.stream()), content);
      made.discard();
      made.discard();
      assertEquals(store.health().bodyBytes, 0);
    }
  });

  test("an aborted body leaves nothing, whenever it is aborted", async (store) => {
    for (const size of [0, 500, 600_000]) {
      const writer = store.receive(nextId());
      const write = writer.write(octets(size));
      writer.abort();
      writer.abort();
      await write?.catch(() => {});
      assertEquals(store.health().bodyBytes, 0);
    }
  });

  test("all or nothing: a message with a body that fails is not there, its neighbours are", async (store) => {
    const bad = message({ recipients: [recipient("b@example.net")], deposits: [deposit("bad")] });
    const first = put(store, { id: bad.id, deposits: [deposit("first")] });
    const broken = body(store, nextId(), octets(10)).then((made) => store.commit(bad, made)); // its id is taken
    const others = Array.from({ length: 20 }, () => put(store, { deposits: [deposit("good")] }));
    await first;
    await assertRejects(() => broken, StoreError);
    await Promise.all(others);
    assertEquals((await store.inboxes.list({ inbox: "good" })).total, 20);
    assertEquals((await store.inboxes.list({ inbox: "bad" })).total, 0);
    assertEquals(await store.item(bad.id), null);
    assertEquals(store.health().bodyBytes, 0);
  });

  test("a body of another kind is taken too", async (store) => {
    const content = octets(400_000);
    let discarded = 0;
    const foreign: Body = {
      size: content.length,
      memory: null,
      head: content.subarray(0, 14),
      stream: () => new Blob([content]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
      discard: () => discarded++,
    };
    const sent = message({ deposits: [deposit("a")] });
    await store.commit(sent, foreign);
    assertEquals(await read(await store.received(sent.id)), content);
    assertEquals(discarded, 1);
  });

  // ---- Leases --------------------------------------------------------------------------------------------------------

  test("lease takes what is due, oldest first, and nobody gets it twice", async (store) => {
    const late = await put(store, { recipients: [recipient("a@x.example", { nextAttempt: T0 - 1 })] });
    const early = await put(store, { recipients: [recipient("b@x.example", { nextAttempt: T0 - 2 })] });
    const future = { state: "deferred", nextAttempt: T0 + 1 } as const;
    await put(store, { recipients: [recipient("c@x.example", future), recipient("d@x.example", { state: "held" })] });
    const one = await store.lease({ ...lease, limit: 1 });
    assertEquals(one.map(({ message }) => message.id), [early.id]);
    assertEquals(one[0]!.recipients.map(({ state, index }) => [state, index]), [["active", 0]]);
    assertEquals([one[0]!.owner, one[0]!.until], ["w1", T0 + 60_000]);
    const rest = await store.lease({ ...lease, owner: "w2" });
    assertEquals(rest.map(({ message }) => message.id), [late.id]);
    assertEquals(await store.lease(lease), []);
    assertEquals(await store.nextDue({ now: 0 }), T0 + 1);
    assertEquals((await store.queue({ state: "active" })).total, 2);
  });

  test("a lease covers the due recipients of one destination of its message", async (store) => {
    const { id } = await put(store, {
      recipients: [
        recipient("a@x.example"),
        recipient("b@x.example", { route: LOCAL }),
        recipient("c@x.example", { state: "deferred", nextAttempt: T0 + 9, route: LOCAL }),
        recipient("d@X.example", { nextAttempt: T0 - 1 }),
        recipient("e@y.example", { route: LOCAL }),
      ],
    });
    const [remote] = await store.lease({ ...lease, limit: 1 });
    assertEquals([remote!.message.id, remote!.recipients.map(({ index }) => index)], [id, [0, 3]]);
    const [local] = await store.lease(lease);
    assertEquals(local!.recipients.map(({ index, destination }) => [index, destination]), [
      [1, "local:maildir"],
      [4, "local:maildir"],
    ]);
    assertEquals(await store.nextDue({ now: T0 }), T0 + 9);
    assertEquals(await store.settle(remote!, [{ index: 3, state: "delivered" }]), true);
    assertEquals(await store.settle(local!, [{ index: 1, state: "failed" }, { index: 4, state: "failed" }]), true);
    assertEquals(await store.settle(remote!, [{ index: 0, state: "failed" }]), true, "the rest of it");
    assertEquals((await store.item(id))!.recipients.map(({ state }) => state), [
      ...["failed", "failed", "deferred", "delivered", "failed"],
    ]);
  });

  test("case 74: what waits beyond the horizon is due, but not a lease", async (store) => {
    const far = T0 + 10 * 365 * 86_400_000;
    const { id } = await put(store, {
      recipients: [recipient("a@b.example", { state: "deferred", nextAttempt: far })],
    });
    assertEquals(await store.lease(lease), []);
    assertEquals(await store.lease({ ...lease, horizon: far }), []);
    const [held] = await store.lease({ ...lease, horizon: far - 1 });
    assertEquals(held?.message.id, id);
    assertEquals(await store.lease({ ...lease, owner: "w2", horizon: T0 + 1 }), []);
  });

  test(
    "RFC 4865: a moment that the sender appointed is no clock's mistake, and counts like any other",
    async (store, clock) => {
      const far = T0 + 20 * 86_400_000;
      const appointed = { state: "deferred", nextAttempt: far, appointed: true } as const;
      const { id } = await put(store, { recipients: [recipient("a@b.example", { ...appointed, route: LOCAL })] });
      await put(store, { recipients: [recipient("a@b.example", { ...appointed, nextAttempt: far - 1 })] });
      assertEquals([await store.nextDue({ now: T0 }), await store.nextDue({ now: far - 1 })], [far - 1, far]);
      assertEquals(await store.lease({ ...lease, horizon: T0 + 1 }), []);
      const other = { exclude: ["mx:b.example"] };
      assertEquals(await store.lease({ ...lease, now: far - 1, ...other }), []);
      const [first] = await store.lease({ ...lease, now: far, ...other });
      assertEquals([first!.message.id, first!.recipients[0]!.nextAttempt], [id, far]);
      assertEquals(
        await store.settle(first!, [{ index: 0, state: "deferred", nextAttempt: far + 9, appointed: true }]),
        true,
      );
      assertEquals(await store.nextDue({ now: far }), far + 9);
      assertEquals(await store.lease({ ...lease, now: far, horizon: far + 1, ...other }), []);
      clock.now = far;
      for (const change of [{ do: "hold", reason: "x" }, { do: "release" }, { do: "retry" }] as const) {
        assertEquals(await store.change({ id }, change), 1, change.do);
        assertEquals(await store.nextDue({ now: far - 1 }), change.do === "hold" ? null : far, change.do);
      }
      assertEquals((await store.lease({ ...lease, now: far })).length, 2);
    },
  );

  test("the oldest message is that which waits or is under way; who is held does not count", async (store, clock) => {
    assertEquals(await store.oldest(), null);
    await put(store, {
      receivedAt: T0 - 5000,
      recipients: [recipient("a@x.example", { state: "held", lastReply: "x" })],
    });
    assertEquals(await store.oldest(), null);
    await put(store, {
      receivedAt: T0 - 3000,
      recipients: [recipient("a@x.example", { state: "deferred", nextAttempt: T0 + 9 })],
    });
    await put(store, { receivedAt: T0 - 1000, recipients: [recipient("a@x.example"), recipient("b@y.example")] });
    assertEquals(await store.oldest(), T0 - 3000);
    clock.now = T0 + 9;
    const leases = await store.lease({ ...lease, now: T0 + 9 });
    assertEquals(await store.oldest(), T0 - 3000, "what is under way");
    for (const each of leases.filter(({ message }) => message.receivedAt === T0 - 3000)) {
      await store.settle(each, each.recipients.map(({ index }) => ({ index, state: "delivered" })));
    }
    assertEquals(await store.oldest(), T0 - 1000);
  });

  test("an expired lease is somebody else's: the first owner's outcome is refused", async (store) => {
    const { id } = await put(store, { recipients: [recipient("a@x.example")] });
    const [first] = await store.lease({ ...lease, seconds: 10 });
    assertEquals(await store.lease({ ...lease, now: T0 + 9_999 }), []);
    assertEquals(await store.nextDue({ now: 0 }), T0 + 10_000);
    const [second] = await store.lease({ ...lease, now: T0 + 10_000 });
    assertEquals(second!.message.id, id);
    assertEquals(await store.settle(first!, [{ index: 0, state: "failed" }]), false);
    assertEquals((await store.item(id))!.recipients[0]!.state, "active");
    assertEquals(await store.settle(second!, [{ index: 0, state: "delivered" }]), true);
    assertEquals(await store.item(id), null);
  });

  test("settle writes state, attempts, reply and deposits, all or nothing", async (store, clock) => {
    const { id } = await put(store, {
      recipients: [
        ...["a", "b", "c", "d"].map((local) => recipient(`${local}@x.example`, { route: LOCAL })),
        recipient("e@x.example", { route: LOCAL, state: "held" }),
      ],
    });
    const [held] = await store.lease(lease);
    const nobody = { index: 4, state: "delivered" } as const; // not of the lease
    assertEquals(await store.settle(held!, [{ index: 0, state: "delivered" }, nobody]), false);
    assertEquals((await store.item(id))!.recipients.map(({ state }) => state), [
      "active",
      "active",
      "active",
      "active",
      "held",
    ]);
    assertEquals(await store.change({ state: "held" }, { do: "delete" }), 1);
    assert(
      await store.settle(held!, [
        { index: 0, state: "delivered", deposits: [deposit("a")] },
        { index: 1, state: "deferred", nextAttempt: T0 + 500, lastReply: "451 4.2.2 full" },
        { index: 2, state: "failed", lastReply: "550 5.1.1 no", attempt: false },
        { index: 3, state: "ready" },
      ]),
    );
    const rows = (await store.item(id))!.recipients.map((r) => [r.state, r.attempts, r.lastReply, r.nextAttempt]);
    assertEquals(rows, [
      ["delivered", 1, null, T0],
      ["deferred", 1, "451 4.2.2 full", T0 + 500],
      ["failed", 0, "550 5.1.1 no", T0],
      ["ready", 1, null, T0],
    ]);
    assertEquals((await store.inboxes.list({ inbox: "a" })).messages.map((entry) => entry.id), [id]);
    clock.now = T0 + 500;
    const [again] = await store.lease({ ...lease, now: clock.now });
    assertEquals(again!.recipients.map(({ index }) => index), [1, 3]);
    await store.settle(again!, [{ index: 1, state: "delivered" }, { index: 3, state: "delivered" }]);
    assertEquals((await store.item(id))!.recipients.map(({ index, state }) => [index, state]), [[2, "failed"]]);
    assertEquals(await store.change({ id }, { do: "delete" }), 1);
    assertEquals(await store.item(id), null);
    assertEquals(await read(await store.received(id)), octets(100)); // the inbox still has it
    assertEquals(await store.inboxes.remove({ id }), 1);
    assertEquals(await store.received(id), null);
  });

  test("who was deleted under way is left out of what is settled, and the others are not", async (store) => {
    const route = { to: "remote", via: "up" } as const;
    const { id } = await put(store, {
      recipients: ["a@x.example", "b@gone.example", "c@x.example"].map((each) => recipient(each, { route })),
    });
    const [held] = await store.lease(lease);
    assertEquals(await store.change({ domain: "gone.example" }, { do: "delete" }), 1);
    const outcomes = [0, 1, 2].map((index) => ({ index, state: "deferred", nextAttempt: T0 + 5 } as const));
    assertEquals(await store.settle(held!, [outcomes[1]!]), false);
    assertEquals(await store.settle(held!, outcomes), true);
    assertEquals((await store.item(id))!.recipients.map(({ index, state }) => `${index} ${state}`), [
      "0 deferred",
      "2 deferred",
    ]);
    assertEquals(await store.settle(held!, outcomes), false, "said twice it is written once");
  });

  test("totals: messages by the states of their recipients, each once in each", async (store) => {
    assertEquals(await store.totals({}), {});
    await put(store, { recipients: [recipient("a@x.example"), recipient("b@x.example"), recipient("c@y.example")] });
    await put(store, { recipients: [recipient("d@y.example", { state: "held" }), recipient("e@x.example")] });
    assertEquals([await store.totals({}), await store.totals({ domain: "y.example" })], [
      { ready: 2, held: 1 },
      { ready: 1, held: 1 },
    ]);
  });

  test("what failed goes with the message once its sender was told, and stays until then", async (store) => {
    const { id } = await put(store, { recipients: [recipient("a@example.org"), recipient("b@example.org")] });
    const [lease] = await store.lease({ owner: "w", now: T0, seconds: 60, limit: 9 });
    await store.settle(lease!, [{ index: 0, state: "failed", lastReply: "550 5.1.1 no", told: T0 }]);
    const states = async () => (await store.item(id))?.recipients.map(({ state }) => state);
    assertEquals(await states(), ["failed", "active"]);
    await store.settle(lease!, [{ index: 1, state: "expired", lastReply: "451 4.4.1 away", told: T0 }]);
    assertEquals([await states(), await store.received(id)], [undefined, null]);
  });

  test("a deposit that is settled twice is one copy", async (store) => {
    const { id } = await put(store, {
      recipients: [recipient("a@x.example", { route: LOCAL }), recipient("b@x.example", { route: LOCAL })],
      deposits: [deposit("box", "a@x.example")],
    });
    const [held] = await store.lease(lease);
    await store.settle(held!, [
      { index: 0, state: "delivered", deposits: [deposit("box", "a@x.example")] },
      { index: 1, state: "delivered", deposits: [deposit("box", "b@x.example"), deposit("two", "b@x.example")] },
    ]);
    const { messages } = await store.inboxes.list({});
    assertEquals(messages.map((entry) => [entry.id, entry.inbox, entry.to]), [
      [`${id}.2`, "two", ["b@x.example"]],
      [id, "box", ["a@x.example", "b@x.example"]],
    ]);
  });

  test("what is left out stays, except where a sender is owed a word", async (store) => {
    const owed = { deadline: T0 - 5 };
    const { id } = await put(store, {
      recipients: [
        recipient("a@dead.example"),
        recipient("b@dead.example", owed),
        recipient("c@dead.example", { deadline: T0 + 1 }),
        recipient("d@x.example"),
      ],
    });
    const other = await put(store, { recipients: [recipient("e@dead.example", { nextAttempt: T0 - 9 })] });
    const exclude = ["mx:dead.example", "mx:nowhere.example"];
    const leases = await store.lease({ ...lease, exclude });
    const taken = leases.map(({ message, recipients }) => [message.id, ...recipients.map(({ index }) => index)]);
    assertEquals(taken.sort(), [[id, 1], [id, 3]]);
    const [owedNow] = await store.lease({ ...lease, now: T0 + 1, exclude });
    assertEquals(owedNow!.recipients.map(({ index, deadline }) => [index, deadline]), [[2, T0 + 1]]);
    assertEquals(await store.lease({ ...lease, now: T0 + 1, exclude }), []);
    const rest = await store.lease({ ...lease, now: T0 + 1 });
    assertEquals(rest.map(({ message }) => message.id).sort(), [id, other.id].sort());
  });

  test("case 76: who is behind a great many of a destination that is left out comes round all the same", async (store) => {
    const greedy = Array.from({ length: 1000 }, (_, i) => recipient(`u${i}@greedy.example`, { nextAttempt: T0 - 99 }));
    for (let i = 0; i < 4; i++) await put(store, { recipients: greedy.slice(i) });
    const others = new Set<string>();
    for (let i = 0; i < 130; i++) {
      const recipients = Array.from({ length: 1 + i % 3 }, (_, n) => recipient(`a${n}@d${i}.example`));
      others.add((await put(store, { recipients })).id);
    }
    const seen = new Set<string>();
    for (let rounds = 0; seen.size < others.size; rounds++) {
      assert(rounds < 14, `${seen.size} of ${others.size} after ${rounds} leases`);
      const leases = await store.lease({ ...lease, limit: 10, exclude: ["mx:greedy.example"] });
      assertEquals(leases.length, Math.min(10, others.size - seen.size), "as many as there are");
      for (const { message: { id } } of leases) {
        assert(others.has(id) && !seen.has(id), `${id} is leased once, and only what is not left out`);
        seen.add(id);
      }
    }
    assertEquals(await store.lease({ ...lease, exclude: ["mx:greedy.example"] }), []);
    assertEquals((await store.lease(lease)).length, 4);
  });

  test("many who are owed a word leave room for the others", async (store) => {
    for (let i = 0; i < 20; i++) {
      await put(store, { recipients: [recipient("a@dead.example", { deadline: T0 - 1, nextAttempt: T0 - 9 })] });
    }
    for (let i = 0; i < 3; i++) await put(store, { recipients: [recipient("a@x.example")] });
    const got = async (limit: number) =>
      (await store.lease({ ...lease, limit, exclude: ["mx:dead.example"] })).map(({ recipients }) =>
        recipients[0]!.destination === "mx:x.example"
      ).filter(Boolean).length;
    assertEquals([await got(4), await got(4), await got(100)], [2, 1, 0]);
    assertEquals(await store.lease(lease), [], "and the last call took all the rest");
  });

  test("a recipient is due at its next attempt, and no later than its deadline", async (store, clock) => {
    const later = { state: "deferred", nextAttempt: T0 + 50 } as const;
    const { id } = await put(store, {
      recipients: [
        recipient("a@x.example", { ...later, deadline: T0 + 20 }),
        recipient("b@x.example", { ...later, deadline: T0 + 80 }),
        recipient("c@x.example", { state: "held", deadline: T0 + 1 }),
      ],
    });
    const next = (after = T0) => store.nextDue({ now: after });
    assertEquals([await next(), await next(T0 + 20), await next(T0 + 50)], [T0 + 20, T0 + 50, null]);
    const [first] = await store.lease({ ...lease, now: T0 + 20 });
    assertEquals(first!.recipients.map(({ index, nextAttempt }) => [index, nextAttempt]), [[0, T0 + 50]]);
    const waits = { index: 0, state: "deferred", nextAttempt: T0 + 50, attempt: false } as const;
    await store.settle(first!, [{ ...waits, deadline: T0 + 40, told: T0 + 21 }]);
    assertEquals(await next(T0 + 20), T0 + 40);
    const [again] = await store.lease({ ...lease, now: T0 + 40 });
    assertEquals(again!.recipients[0]!.told, T0 + 21);
    await store.settle(again!, [{ ...waits, deadline: null, destination: "via:up" }]);
    assertEquals(await next(T0 + 20), T0 + 50);
    const row = (await store.item(id))!.recipients[0]!;
    assertEquals([row.told, row.deadline, row.destination, row.attempts], [T0 + 21, null, "via:up", 0]);
    const both = await store.lease({ ...lease, now: T0 + 50 });
    assertEquals(both.map(({ recipients: [one] }) => one!.destination).sort(), ["mx:x.example", "via:up"]);
    for (const each of both) {
      await store.settle(each, [{ index: each.recipients[0]!.index, state: "held", lastReply: "a person shall look" }]);
    }
    clock.now = T0 + 90;
    assertEquals(await store.change({ id }, { do: "release" }), 3);
    const released = (await store.item(id))!.recipients;
    assertEquals(released.map(({ released, nextAttempt }) => [released, nextAttempt]), Array(3).fill([true, T0 + 90]));
    assertEquals(await next(T0), T0 + 1, "what is owed since then is due since then");
  });

  test("case 74: what a clock that ran ahead planned is due, with its deadline still ahead", async (store) => {
    const far = { state: "deferred", nextAttempt: T0 + 9e10, deadline: T0 + 8e10 } as const;
    for (let i = 0; i < 7; i++) {
      await put(store, {
        recipients: [recipient(`a@d${i}.example`, far), recipient("b@same.example", far)],
      });
    }
    assertEquals(await store.lease({ ...lease, horizon: T0 + 9e10 }), [], "the deadline counts");
    const due = await store.lease({ ...lease, limit: 5, horizon: T0 + 1e10 });
    assertEquals([due.length, (await store.lease({ ...lease, horizon: T0 + 1e10 })).length], [5, 9]);
    await store.settle(due[0]!, [{ index: due[0]!.recipients[0]!.index, state: "deferred", nextAttempt: T0 + 7 }]);
    assertEquals(await store.lease({ ...lease, horizon: T0 + 1e10 + 1 }), []);
    assertEquals((await store.lease({ ...lease, now: T0 + 7 })).length, 1);
  });

  test("settle makes outcomes and reports durable together, or neither", async (store) => {
    const names = ["a@x.example", "b@x.example", "c@gone.example"];
    const { id } = await put(store, { recipients: names.map((each) => recipient(each)) });
    const taken = await put(store, { recipients: [recipient("c@x.example", { state: "held" })] });
    const [held, other] = await store.lease(lease);
    const report = (size: number, more: Partial<NewMessage> = {}) => ({
      message: message({ sender: null, recipients: [recipient("alice@example.org")], ...more }),
      content: octets(size, size),
    });
    const failed = (index: number) => ({ index, state: "failed", lastReply: "550 5.1.1 no" } as const);
    const one = report(300), two = report(90_000), bad = report(50, { id: taken.id });
    for (const reports of [[one, bad], [one, one]]) {
      const refusal = await assertRejects(() => store.settle(held!, [failed(0)], reports), StoreError);
      assertEquals(refusal.fault, "io");
      assertEquals((await store.item(id))!.recipients.map(({ state }) => state), ["active", "active", "active"]);
      assertEquals(await store.item(one.message.id), null);
    }
    assertEquals(await store.settle(other!, [{ index: 2, state: "ready" }]), true);
    assertEquals(await store.settle(held!, [failed(0), failed(2)], [one]), false);
    assertEquals(await store.item(one.message.id), null);
    assertEquals(await store.change({ domain: "gone.example" }, { do: "delete" }), 1);
    const others = Array.from({ length: 5 }, () => put(store, { recipients: [recipient("z@y.example")] }));
    assertEquals(await store.settle(held!, [failed(0)], [one, two]), true);
    assertEquals(await store.settle(held!, [failed(1)], [report(10)]), true, "the rest of the lease");
    await Promise.all(others);
    for (const { message: { id }, content } of [one, two]) {
      assertEquals(await read(await store.received(id)), content);
      const { message: stored, recipients } = (await store.item(id))!;
      assertEquals([stored.sender, recipients.map(({ state, destination }) => `${state} ${destination}`)], [
        null,
        ["ready mx:example.org"],
      ]);
    }
    const leases = await store.lease({ ...lease, exclude: ["mx:y.example"] });
    assertEquals(leases.length, 3);
    assertEquals(await store.settle(held!, [failed(0)], [report(1)]), false, "said twice it is told once");
    assertEquals((await store.queue({})).total, 10);
  });

  test("postpone: what is due before a moment waits until then, or until its deadline", async (store) => {
    const until = T0 + 1000, later = { state: "deferred" } as const, route = { to: "remote", via: "up" } as const;
    const rows: readonly (readonly [Partial<NewRecipient>, after: readonly [string, number, number | null]])[] = [
      [{}, ["deferred", 1, until]],
      [{ ...later, nextAttempt: until - 1 }, ["deferred", 1, until]],
      [{ ...later, nextAttempt: until }, ["deferred", 0, until]],
      [{ ...later, nextAttempt: until + 1 }, ["deferred", 0, until + 1]],
      [{ deadline: until - 9 }, ["deferred", 1, until - 9]],
      [{ deadline: until + 9 }, ["deferred", 1, until]],
      [{ ...later, nextAttempt: until + 1, deadline: until - 5 }, ["deferred", 0, until - 5]],
      [{ state: "held" }, ["held", 0, null]],
      [{ ...later, appointed: true, nextAttempt: until - 1 }, ["deferred", 0, until - 1]],
      [{ route }, ["ready", 0, T0]],
    ];
    const postpone = { destination: "mx:x.example", until, now: T0 };
    const { id: tried } = await put(store, { recipients: [recipient("a@x.example")] });
    await store.lease(lease);
    const { id } = await put(store, { recipients: rows.map(([more], i) => recipient(`r${i}@x.example`, more)) });
    assertEquals(await store.postpone(postpone), 4);
    assertEquals(await store.postpone(postpone), 0);
    const { recipients } = (await store.item(id))!;
    assertEquals(
      recipients.map(({ state, attempts }) => [state, attempts]),
      rows.map(([, [state, attempts]]) => [state, attempts]),
    );
    assertEquals(recipients[4]!.nextAttempt, until, "the plan is kept beside the deadline");
    assertEquals((await store.item(tried))!.recipients.map(({ state, attempts }) => [state, attempts]), [[
      "active",
      0,
    ]]);
    for (const moment of new Set(rows.map(([, [, , due]]) => due))) {
      if (moment === null || moment === T0) continue;
      assertEquals(await store.nextDue({ now: moment - 1 }), moment);
    }
    assertEquals((await store.lease(lease)).map(({ recipients: [one] }) => one!.destination), ["via:up"]);
  });

  test("postpone takes every recipient of a great queue, and mail comes in meanwhile", async (store) => {
    const many = Array.from({ length: 700 }, (_, i) => recipient(`u${i}@x.example`));
    for (let i = 0; i < 3; i++) await put(store, { recipients: many });
    const [changed] = await Promise.all([
      store.postpone({ destination: "mx:x.example", until: T0 + 5, now: T0 }),
      put(store, { recipients: [recipient("a@y.example")] }),
    ]);
    assertEquals([changed, await store.nextDue({ now: T0 })], [2100, T0 + 5]);
    assertEquals(await store.postpone({ destination: "mx:x.example", until: T0 + 9, now: T0 }), 2100);
    assertEquals((await store.lease({ ...lease, now: T0 + 8 })).length, 1);
    assertEquals((await store.lease({ ...lease, now: T0 + 9 })).length, 3);
  });

  // ---- What a person does --------------------------------------------------------------------------------------------

  test("hold, release, retry, route and delete by id", async (store, clock) => {
    const { id } = await put(store, { recipients: [recipient("a@x.example", { nextAttempt: T0 + 99 })] });
    const row = async () => (await store.item(id))!.recipients[0]!;
    assertEquals(await store.change({ id }, { do: "hold", reason: "wait" }), 1);
    assertEquals([(await row()).state, (await row()).lastReply], ["held", "wait"]);
    assertEquals(await store.change({ id }, { do: "hold", reason: "again" }), 0);
    assertEquals(await store.change({ id }, { do: "retry" }), 0); // what is held is released, not retried
    assertEquals(await store.nextDue({ now: 0 }), null);
    clock.now = T0 + 7;
    assertEquals(await store.change({ id }, { do: "release" }), 1);
    assertEquals([(await row()).state, (await row()).nextAttempt], ["ready", T0 + 7]);
    assertEquals(await store.change({ id }, { do: "route", route: LOCAL, destination: "local:maildir" }), 1);
    assertEquals((await row()).route, LOCAL);
    assertEquals(await store.nextDue({ now: 0 }), T0 + 7);
    const [held] = await store.lease({ ...lease, now: T0 + 7 });
    for (
      const change of [{ do: "retry" }, { do: "hold", reason: "x" }, {
        do: "route",
        route: LOCAL,
        destination: "local:maildir",
      }] as const
    ) {
      assertEquals(await store.change({ id }, change), 0, `${change.do} while somebody works on it`);
    }
    await store.settle(held!, [{ index: 0, state: "failed", lastReply: "550" }]);
    assertEquals(await store.change({ id }, { do: "retry" }), 1);
    assertEquals((await row()).state, "ready");
    const [last] = await store.lease({ ...lease, now: T0 + 7 });
    assertEquals(await store.change({ id }, { do: "delete" }), 1);
    assertEquals(await store.settle(last!, [{ index: 0, state: "delivered" }]), false);
    assertEquals([await store.item(id), await store.received(id)], [null, null]);
  });

  test(
    "a route takes what waits along now, each by its own domain where it names no destination; what is held stays held",
    async (store, clock) => {
      const { id } = await put(store, {
        recipients: [
          recipient("a@x.example", { state: "deferred", nextAttempt: T0 + 999, deadline: T0 + 500 }),
          recipient("b@Y.example", { nextAttempt: T0 + 99 }),
          recipient("c@x.example", { state: "held" }),
          recipient("d@x.example", { state: "deferred", nextAttempt: T0 + 99, appointed: true }),
        ],
      });
      clock.now = T0 + 7;
      const rows = async () =>
        (await store.item(id))!.recipients.map((
          each,
        ) => [each.state, each.destination, each.route, each.nextAttempt - T0]);
      const via = { to: "remote", via: "backup" } as const, mx = { to: "remote" } as const;
      assertEquals(await store.change({ id }, { do: "route", route: via, destination: "via:backup" }), 4);
      const [first, ...others] = await rows();
      assertEquals(first, ["ready", "via:backup", via, 7]);
      assertEquals(others.map(([state]) => state), ["ready", "held", "ready"]);
      assertEquals(await store.change({ id }, { do: "route", route: mx, destination: null }), 4);
      assertEquals((await rows()).map(([, destination]) => destination), [
        "mx:x.example",
        "mx:y.example",
        "mx:x.example",
        "mx:x.example",
      ]);
      const leases = await store.lease({ ...lease, now: T0 + 7, exclude: ["mx:y.example"] });
      assertEquals(leases.flatMap(({ recipients }) => recipients.map(({ index }) => index)), [0, 3]);
    },
  );

  test("change by filter touches the recipients that match, newest first, up to its limit", async (store) => {
    const sent: NewMessage[] = [];
    for (let i = 0; i < 6; i++) {
      sent.push(await put(store, { recipients: [recipient(`a@d${i % 2}.example`), recipient("b@other.example")] }));
    }
    assertEquals((await store.queue({ domain: "d0.example" })).total, 3);
    const hold = { do: "hold", reason: "no" } as const;
    assertEquals(await store.change({ domain: "d0.example", limit: 1 }, hold), 1);
    const held = await store.queue({ state: "held" });
    assertEquals(held.items.map(({ message }) => message.id), [sent[4]!.id]);
    assertEquals(held.items[0]!.recipients.map(({ state }) => state), ["held", "ready"]);
    assertEquals(await store.change({ domain: "d0.example" }, hold), 2);
    assertEquals(await store.change({ state: "held" }, { do: "delete" }), 3);
    assertEquals((await store.queue({ domain: "d0.example" })).total, 0);
    assertEquals(await store.change({}, { do: "delete" }), 9);
    assertEquals((await store.queue({})).total, 0);
  });

  test("the queue is searched by address, id and age, listed in three orders, piece by piece", async (store) => {
    const first = await put(store, {
      id: newId(T0 - 5000),
      recipients: [recipient("Bob@d.example", { nextAttempt: T0 + 9 }), recipient("carol@e.example")],
    });
    const second = await put(store, {
      sender: address("news@Shop.example"),
      recipients: [recipient("bob_@d.example", { nextAttempt: T0 + 5 })],
    });
    const third = await put(store, { sender: null, recipients: [recipient("dave@e.example", { state: "held" })] });
    const found = async (query: QueueListQuery) =>
      (await store.queue(query)).items.map(({ message: { id } }) =>
        [first, second, third].findIndex((e) => e.id === id)
      );
    assertEquals(await found({ q: "bob" }), [1, 0]);
    assertEquals(await found({ q: "BOB@" }), [0]);
    assertEquals(await found({ q: "bob_@" }), [1]);
    assertEquals(await found({ q: "@shop.EXAMPLE" }), [1]);
    assertEquals(await found({ q: shortId(third.id).toLowerCase() }), [2]);
    assertEquals(await found({ q: third.id }), [2]);
    assertEquals(await found({ q: "100%" }), []);
    assertEquals(await found({ from: "NEWS@shop.example" }), [1]);
    assertEquals(await found({ from: "@SHOP.example" }), [1]);
    assertEquals(await found({ from: "shop.example" }), [], "a part of an address is none");
    assertEquals(await found({ from: "<>" }), [2]);
    assertEquals(await found({ to: "bob@D.example" }), [0]);
    assertEquals(await found({ to: "@e.example" }), [2, 0]);
    assertEquals(await found({ to: "@e.example", from: "<>" }), [2]);
    assertEquals(await found({ to: "<>" }), []);
    assertEquals(await found({ receivedBefore: T0 - 4999 }), [0]);
    assertEquals(await found({ receivedBefore: T0 - 5000 }), []);
    assertEquals(await found({ ids: [third.id, first.id, "none"] }), [2, 0]);
    assertEquals(await found({ ids: [] }), []);
    assertEquals(await found({ order: "oldest" }), [0, 1, 2]);
    assertEquals(await found({ order: "next" }), [0, 1, 2]); // carol's comes first
    assertEquals(await found({ order: "next", domain: "d.example" }), [1, 0]);
    assertEquals(await found({ offset: 1, limit: 1 }), [1]);
    assertEquals((await store.queue({ offset: 7 })).total, 3);
    assertEquals(await store.domains({ limit: 1 }), [
      { domain: "d.example", ready: 2, active: 0, deferred: 0, held: 0, oldest: T0 - 5000 },
    ]);
    assertEquals((await store.domains({ limit: 9 })).map(({ domain, held }) => [domain, held]), [
      ["d.example", 0],
      ["e.example", 1],
    ]);
    const hold = { do: "hold", reason: "no" } as const;
    assertEquals(await store.change({ q: "carol" }, hold), 1, "her copy alone, not the one of the same message");
    assertEquals(await store.change({ to: "carol@e.example" }, { do: "release" }), 1, "and only hers");
    assertEquals(await store.change({ to: "@e.example", from: "@example.org" }, hold), 1);
    assertEquals(await store.change({ from: "@nobody.example" }, { do: "delete" }), 0);
    assertEquals(await store.change({ ids: [first.id, second.id], domain: "d.example", q: "bob_" }, hold), 1);
    assertEquals(await store.change({ receivedBefore: T0 - 4000, state: "held" }, { do: "release" }), 1);
    assertEquals(await store.change({ q: "alice@", limit: 1 }, { do: "bounce", reason: "x" }), 2);
    assertEquals(await store.change({ ids: [second.id, third.id] }, { do: "delete" }), 2);
    assertEquals((await store.queue({})).total, 1);
  });

  test("the queue lists newest first, counts all, and keeps to its limit", async (store) => {
    const sent: string[] = [];
    for (let i = 0; i < 5; i++) sent.push((await put(store, { recipients: [recipient("a@x.example")] })).id);
    const page = await store.queue({ limit: 2 });
    assertEquals([page.total, page.items.map(({ message }) => message.id)], [5, [sent[4]!, sent[3]!]]);
  });

  test(
    "a bounce sends the report instead of the message; a new route goes to its destination",
    async (store, clock) => {
      const { id } = await put(store, {
        recipients: [
          recipient("a@x.example", { state: "held", lastReply: "looks odd" }),
          recipient("b@x.example", { state: "deferred", nextAttempt: T0 + 5, appointed: true }),
          recipient("c@x.example", { route: LOCAL }),
          recipient("d@x.example", { state: "held" }),
        ],
      });
      const [local] = await store.lease({ ...lease, exclude: ["mx:x.example"] });
      clock.now = T0 + 3;
      assertEquals(
        await store.change({ id }, { do: "bounce", reason: "sent back by a person" }),
        3,
        "not what is tried",
      );
      const route = { to: "report", action: "failed", reason: "sent back by a person" } as const;
      const [report, ...none] = await store.lease({ ...lease, now: T0 + 3 });
      assertEquals([report!.recipients.map(({ index }) => index), none], [[0, 1, 3], []]);
      for (const each of report!.recipients) assertEquals([each.route, each.destination], [route, "report"]);
      assertEquals(report!.recipients[0]!.lastReply, "looks odd");
      await store.settle(local!, [{ index: 2, state: "deferred", nextAttempt: T0 + 9 }]);
      const up = { do: "route", route: { to: "remote", via: "up" }, destination: "via:up" } as const;
      assertEquals(await store.change({ id }, up), 1);
      assertEquals(await store.lease({ ...lease, now: T0 + 9, exclude: ["via:up"] }), []);
      const [moved] = await store.lease({ ...lease, now: T0 + 9, exclude: ["local:maildir"] });
      assertEquals(moved!.recipients.map(({ index, route }) => [index, route]), [[2, up.route]]);
      await store.settle(moved!, [{ index: 2, state: "failed" }]);
      for (const { index } of report!.recipients) await store.settle(report!, [{ index, state: "expired" }]);
      assertEquals(await store.change({ id }, { do: "bounce", reason: "x" }), 0, "nor what has ended");
    },
  );

  // ---- Inboxes -------------------------------------------------------------------------------------------------------

  test("copies of one message in several inboxes have ids of their own and one body", async (store) => {
    const { id } = await put(store, { deposits: [deposit("a"), deposit("b"), deposit("a", "a2@example.org")] });
    const { messages } = await store.inboxes.list({});
    assertEquals(messages.map((entry) => [entry.id, entry.inbox]), [[`${id}.2`, "b"], [id, "a"]]);
    assertEquals(messages[1]!.to, ["a@example.org", "a2@example.org"]);
    assertEquals(await read(await store.raw(`${id}.2`)), octets(100));
    assertEquals(await store.inboxes.remove({ id }), 1);
    assertEquals(await store.inboxes.get(id), null);
    assertEquals((await store.inboxes.get(`${id}.2`))!.entry.inbox, "b");
    assertEquals(await read(await store.raw(`${id}.2`)), octets(100));
    assertEquals(await store.inboxes.remove({ id: `${id}.2` }), 1);
    assertEquals(await store.raw(`${id}.2`), null);
  });

  test("paging by `before` meets each entry once, though mail arrives and goes", async (store) => {
    const sent: string[] = [];
    for (let i = 0; i < 25; i++) sent.unshift((await put(store, { deposits: [deposit("a")] })).id);
    const seen: string[] = [];
    let before: string | undefined;
    for (;;) {
      const page = await store.inboxes.list({ inbox: "a", limit: 10, ...(before ? { before } : {}) });
      if (page.messages.length === 0) break;
      seen.push(...page.messages.map(({ id }) => id));
      before = seen.at(-1)!;
      await put(store, { deposits: [deposit("a")] });
      await store.inboxes.remove({ id: before });
    }
    assertEquals(seen, sent);
  });

  test("search finds text in From, To, Subject and the envelope, in any case and script", async (store) => {
    const summary = {
      from: "Jürgen <j@example.org>",
      to: "Team \u{1f98a} <team@example.org>",
      subject: "50% _off_ Grüße",
    };
    const { id } = await put(store, { summary, deposits: [deposit("a", "Catch.All@example.net")] });
    await put(store, { summary: { from: "x", to: "y", subject: "z" }, deposits: [deposit("a", "q@example.net")] });
    for (const q of ["JÜRGEN", "\u{1f98a}", "grüßE", "50% _OFF", "catch.all@example.NET", "alice@example.org"]) {
      const found = (await store.inboxes.list({ q })).messages.map((entry) => entry.id);
      assert(found.includes(id), q);
    }
    for (const q of ["%", "_"]) assertEquals((await store.inboxes.list({ q })).total, 1, q);
    assertEquals((await store.inboxes.list({ q: "nothing like it" })).total, 0);
    assertEquals((await store.inboxes.list({ q: "" })).total, 2);
    assertEquals((await store.inboxes.get(id))!.entry.subject, "50% _off_ Grüße");
  });

  test("names count all and unread; marking and removing change them", async (store) => {
    const first = await put(store, { deposits: [deposit("a"), deposit("b")] });
    await put(store, { deposits: [deposit("a")] });
    assert(await store.inboxes.markRead(first.id, true));
    assertEquals(await store.inboxes.names(), [
      { name: "a", total: 2, unread: 1 },
      { name: "b", total: 1, unread: 1 },
    ]);
    assertEquals((await store.inboxes.get(first.id))!.entry.read, true);
    assert(await store.inboxes.markRead(first.id, false));
    assertEquals((await store.inboxes.names())[0], { name: "a", total: 2, unread: 2 });
    assertEquals(await store.inboxes.remove({ inbox: "a" }), 2);
    assertEquals(await store.inboxes.names(), [{ name: "b", total: 1, unread: 1 }]);
    assertEquals(await store.inboxes.remove({}), 1);
    assertEquals(await store.inboxes.names(), []);
  });

  test("remove takes every entry of a large inbox, and what is still queued keeps its body", async (store) => {
    const sent = await Promise.all(Array.from({ length: 1203 }, () => put(store, { deposits: [deposit("big")] })));
    const queued = await put(store, { deposits: [deposit("big")], recipients: [recipient("a@x.example")] });
    assertEquals(await store.inboxes.remove({ inbox: "big" }), sent.length + 1);
    assertEquals(await store.received(sent[0]!.id), null);
    assertEquals(await read(await store.received(queued.id)), octets(100));
  });

  test("watch tells of arrivals once they are durable, and of removals; one bad listener hurts nobody", async (store) => {
    const seen: string[] = [];
    store.inboxes.watch(() => {
      throw new Error("bad listener");
    });
    const end = store.inboxes.watch(({ type, id, inbox }) => seen.push(`${type} ${id} ${inbox}`));
    const { id } = await put(store, { deposits: [deposit("a"), deposit("b")] });
    const queued = await put(store, { recipients: [recipient("x@x.example", { route: LOCAL })] });
    const [held] = await store.lease(lease);
    await store.settle(held!, [{ index: 0, state: "delivered", deposits: [deposit("c")] }]);
    await store.inboxes.remove({ inbox: "a" });
    end();
    await store.inboxes.remove({});
    assertEquals(seen, [`arrived ${id} a`, `arrived ${id}.2 b`, `arrived ${queued.id} c`, `removed ${id} a`]);
  });

  test("texts with NUL, lone surrogates and other oddities do no harm", async (store) => {
    const odd = "a\0b \ud800 '\"\\ \u202e";
    const sent = await put(store, {
      summary: { from: odd, to: odd, subject: odd },
      sender: null,
      deposits: [deposit(`in'"box`, `o'dd@example.org`)],
      recipients: [recipient("x@x.example", { lastReply: odd })],
    });
    assertEquals((await store.inboxes.list({ inbox: `in'"box`, q: "o'dd" })).messages[0]!.id, sent.id);
    assertEquals((await store.queue({})).corrupt, []);
    assertEquals((await store.item(sent.id))!.message.sender, null);
  });

  // ---- Counters, end -------------------------------------------------------------------------------------------------

  test("counters: additions are atomic, keep the first time limit, and end", async (store, clock) => {
    const { counters } = store;
    assertEquals(await counters.get("n"), undefined);
    const sums = await Promise.all(Array.from({ length: 50 }, () => counters.add("n", 2, { seconds: 10 })));
    assertEquals(sums.sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => (i + 1) * 2));
    clock.now = T0 + 9_999;
    assertEquals(await counters.add("n", 1, { seconds: 10 }), 101);
    clock.now = T0 + 10_000;
    assertEquals(await counters.get("n"), undefined);
    assertEquals(await counters.add("n", -1, { seconds: 1 }), -1);
    await counters.put("text", "ü", { seconds: 1 });
    assertEquals(await counters.get("text"), "ü");
    await counters.put("text", "v", { seconds: 5 });
    clock.now += 1000;
    assertEquals([await counters.get("text"), await counters.get("n")], ["v", undefined]);
  });

  test("counters: what was durable counts like the rest, alone and many at once", async (store) => {
    const { counters } = store, durable = { seconds: 10, durable: true };
    assertEquals(await counters.add("n", 1, { seconds: 10 }), 1);
    const sums = await Promise.all(
      Array.from({ length: 50 }, (_, i) => counters.add("n", 1, { ...durable, durable: i % 2 === 0 })),
    );
    assertEquals(sums.sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i + 2));
    await counters.put("lock", "until noon", durable);
    assertEquals([await counters.get("lock"), await counters.get("n")], ["until noon", "51"]);
    await Promise.all([counters.add("lock", 1, durable), counters.put("n", "7", durable)]);
    assertEquals([await counters.get("lock"), await counters.get("n")], ["1", "7"]);
  });

  test("counters: a list has the live ones of a prefix in order of name, page by page", async (store, clock) => {
    const { counters } = store, live = { seconds: 100 };
    const names = ["s:\u{1f98a}", "s:\uffee", "s:a", "s:b", "s:b%", "s:c", "s:zz"];
    await Promise.all(names.map((name) => counters.put(name, `v ${name}`, live)));
    for (const name of ["r", "s", "t:x"]) await counters.put(name, "other", live);
    await counters.put("s:gone", "x", { seconds: 1 });
    await counters.put("s:c", "", { seconds: 0 });
    clock.now = T0 + 1000;
    await counters.add("s:n", 3, live);
    const left = ["s:a", "s:b", "s:b%", "s:n", "s:zz", "s:\uffee", "s:\u{1f98a}"]; // by code point
    const found = await counters.list({ prefix: "s:", limit: 100 });
    assertEquals(found.map(({ name }) => name), left);
    assertEquals([found[0], found[3]], [
      { name: "s:a", value: "v s:a", expires: T0 + 100_000 },
      { name: "s:n", value: "3", expires: T0 + 101_000 },
    ]);
    const paged: string[] = [];
    for (let after = "";;) {
      const page = await counters.list({ prefix: "s:", limit: 2, ...(after ? { after } : {}) });
      paged.push(...page.map(({ name }) => name));
      if (page.length < 2) break;
      after = page.at(-1)!.name;
    }
    assertEquals(paged, left);
    assertEquals((await counters.list({ prefix: "s:b", limit: 9 })).map(({ name }) => name), ["s:b", "s:b%"]);
    assertEquals(await counters.list({ prefix: "nothing", limit: 9 }), []);
    assertEquals(await counters.list({ prefix: "s:", limit: 0 }), []);
  });

  test("a closed store takes nothing and keeps nothing", async (store) => {
    const made = await body(store, nextId(), octets(500));
    await store.close();
    await store.close();
    for (
      const act of [
        () => store.commit(message({ deposits: [deposit("a")] }), made),
        () => store.lease(lease),
        () => store.queue({}),
        () => store.raw(nextId()),
      ]
    ) assertEquals((await assertRejects(act, StoreError)).fault, "closed");
    assertEquals(store.health().bodyBytes, 0);
  });

  test("close waits for the commits under way", async (store) => {
    const sent = Array.from({ length: 30 }, () => message({ deposits: [deposit("a")] }));
    const bodies = await Promise.all(sent.map(({ id }) => body(store, id, octets(2000))));
    const commits = sent.map((one, i) => store.commit(one, bodies[i]!));
    await store.close();
    await Promise.all(commits);
  });
}
