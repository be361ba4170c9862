/** Random interleavings of everything that touches a recipient, against a model of a few lines, on both stores. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { MemoryStore } from "../../../core/store/memory.ts";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import type { Lease, NewRecipient, QueueState, RecipientOutcome, Store } from "../../../core/store/store.ts";
import { deposit, put, recipient, T0 } from "./messages.ts";

type Step =
  | { readonly do: "commit"; readonly recipients: number; readonly state: "ready" | "held" | "appointed" }
  | { readonly do: "lease"; readonly limit: number; readonly seconds: number }
  | {
    readonly do: "settle";
    readonly which: number;
    readonly state: RecipientOutcome["state"];
    readonly part: boolean;
    readonly appointed: boolean;
  }
  | { readonly do: "change"; readonly which: number; readonly change: "retry" | "hold" | "release" | "delete" }
  | { readonly do: "wait"; readonly seconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("commit" as const),
    recipients: fc.integer({ min: 1, max: 3 }),
    state: fc.constantFrom("ready", "held", "appointed"),
  }),
  fc.record({
    do: fc.constant("lease" as const),
    limit: fc.integer({ min: 1, max: 4 }),
    seconds: fc.constantFrom(5, 50),
  }),
  fc.record({
    do: fc.constant("settle" as const),
    which: fc.nat(20),
    state: fc.constantFrom("ready", "delivered", "failed", "expired", "deferred", "held"),
    part: fc.boolean(),
    appointed: fc.boolean(),
  }),
  fc.record({
    do: fc.constant("change" as const),
    which: fc.nat(20),
    change: fc.constantFrom("retry", "hold", "release", "delete"),
  }),
  fc.record({ do: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 30 }) }),
);

interface Row {
  readonly message: string;
  readonly index: number;
  state: QueueState;
  due: number | null;
  lease: Lease | null;
}

/** Runs the steps on the store and on the model; after each, both must say the same. */
async function check(store: Store, steps: readonly Step[], clock: { now: number }): Promise<void> {
  const rows: Row[] = [], messages: string[] = [], leases: Lease[] = [];
  let delivered = 0;
  const tidy = (id: string) => {
    const mine = rows.filter((row) => row.message === id);
    if (!mine.every(({ state }) => ["delivered", "failed", "expired"].includes(state))) return;
    for (const row of mine) if (row.state === "delivered") rows.splice(rows.indexOf(row), 1);
  };
  for (const one of steps) {
    const { now } = clock;
    switch (one.do) {
      case "wait":
        clock.now += one.seconds * 1000;
        break;
      case "commit": {
        const later = one.state === "appointed";
        const state: NewRecipient["state"] = one.state === "appointed" ? "deferred" : one.state;
        const due = later ? now + 8000 : now;
        const more = { state, nextAttempt: due, ...(later ? { appointed: true as const } : {}) };
        const list = Array.from({ length: one.recipients }, (_, i) => recipient(`r${i}@x.example`, more));
        const { id } = await put(store, { recipients: list });
        messages.push(id);
        list.forEach((_, index) =>
          rows.push({ message: id, index, state, due: state === "held" ? null : due, lease: null })
        );
        break;
      }
      case "lease": {
        const got = await store.lease({ owner: `w${leases.length}`, now, seconds: one.seconds, limit: one.limit });
        const due = new Set(rows.filter((row) => row.due !== null && row.due <= now).map(({ message }) => message));
        assertEquals(got.length, Math.min(one.limit, due.size), "as many messages as are due");
        for (const lease of got) {
          const mine = rows.filter((row) => row.message === lease.message.id && row.due !== null && row.due <= now);
          assertEquals(lease.recipients.map(({ index }) => index), mine.map(({ index }) => index).sort());
          for (const row of mine) Object.assign(row, { state: "active", due: lease.until, lease });
          leases.push(lease);
        }
        break;
      }
      case "settle": {
        const lease = leases[one.which % (leases.length || 1)];
        if (!lease) break;
        const indexes = lease.recipients.map(({ index }) => index).slice(0, one.part ? 1 : undefined);
        const mine = indexes.map((index) =>
          rows.find((row) => row.message === lease.message.id && row.index === index && row.lease === lease)
        );
        const deposits = one.state === "delivered" ? { deposits: [deposit(`box${delivered}`)] } : {};
        const appointed = one.appointed ? { appointed: true as const } : {};
        const more = { state: one.state, nextAttempt: now + 3000, ...appointed, ...deposits };
        const outcomes = indexes.map((index) => ({ index, ...more }));
        const done = await store.settle(lease, outcomes);
        assertEquals(done, mine.every((row) => row !== undefined), "settled exactly when the lease still stands");
        if (!done) break;
        if (one.state === "delivered") delivered++;
        const waits = one.state === "ready" || one.state === "deferred";
        for (const row of mine) Object.assign(row!, { state: one.state, due: waits ? now + 3000 : null, lease: null });
        tidy(lease.message.id);
        break;
      }
      case "change": {
        const id = messages[one.which % (messages.length || 1)];
        if (!id) break;
        const mine = rows.filter((row) => row.message === id).filter((row) => {
          const state = row.state === "active" && row.due! <= now ? "ready" : row.state;
          if (one.change === "delete") return true;
          if (one.change === "release") return state === "held";
          if (one.change === "hold") return state === "ready" || state === "deferred";
          return ["ready", "deferred", "failed", "expired"].includes(state);
        });
        const change = one.change === "hold" ? { do: one.change, reason: "x" } as const : { do: one.change } as const;
        assertEquals(await store.change({ id }, change), mine.length, one.change);
        for (const row of mine) {
          if (one.change === "delete") rows.splice(rows.indexOf(row), 1);
          else if (one.change === "hold") Object.assign(row, { state: "held", due: null, lease: null });
          else Object.assign(row, { state: "ready", due: now, lease: null });
        }
        tidy(id);
      }
    }
    const page = await store.queue({ limit: 1000 });
    const there = page.items.flatMap((item) => item.recipients.map((r) => `${item.message.id} ${r.index} ${r.state}`));
    assertEquals(there.sort(), rows.map((row) => `${row.message} ${row.index} ${row.state}`).sort(), one.do);
    const next = rows.flatMap(({ due }) => due ?? []);
    assertEquals(await store.nextDue({ now: 0 }), next.length === 0 ? null : Math.min(...next));
  }
  assertEquals((await store.inboxes.names()).length, delivered, "each delivery made its copy once");
}

const runs = { numRuns: 30, interruptAfterTimeLimit: 20_000 };
const steps = fc.array(step, { minLength: 5, maxLength: 40 });

Deno.test("property, memory: every unsettled recipient is there exactly once, whatever happens in whatever order", () =>
  fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const clock = { now: T0 }, store = new MemoryStore({ now: () => clock.now });
      await check(store, list, clock);
      await store.close();
    }),
    { ...runs, numRuns: 200 },
  ));

Deno.test("property, sqlite: every unsettled recipient is there exactly once, whatever happens in whatever order", async () => {
  const clock = { now: T0 }, folder = await Deno.makeTempDir();
  const store = await openSqliteStore({ folder, now: () => clock.now });
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      await check(store, list, clock);
      await store.change({}, { do: "delete" });
      await store.inboxes.remove({});
    }),
    runs,
  );
  await store.close();
  await Deno.remove(folder, { recursive: true });
});
