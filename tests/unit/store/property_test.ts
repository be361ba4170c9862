/** Random interleavings of everything that touches a recipient, against a model of a few lines, on both stores. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { MemoryStore } from "../../../core/store/memory.ts";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import type { Lease, NewRecipient, QueueState, RecipientOutcome, Store } from "../../../core/store/store.ts";
import { deposit, put, recipient, T0 } from "./messages.ts";

type Step =
  | {
    readonly do: "commit";
    readonly domains: readonly string[];
    readonly state: "ready" | "held" | "appointed";
    readonly deadline: number | null;
  }
  | { readonly do: "lease"; readonly limit: number; readonly seconds: number; readonly exclude: readonly string[] }
  | { readonly do: "postpone"; readonly domain: string; readonly seconds: number }
  | {
    readonly do: "settle";
    readonly which: number;
    readonly state: RecipientOutcome["state"];
    readonly part: boolean;
    readonly appointed: boolean;
  }
  | { readonly do: "change"; readonly which: number; readonly change: Change }
  | { readonly do: "wait"; readonly seconds: number };

type Change = "retry" | "hold" | "release" | "delete" | "bounce" | "route";

const domain = fc.constantFrom("x.example", "y.example");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("commit" as const),
    domains: fc.array(domain, { minLength: 1, maxLength: 3 }),
    state: fc.constantFrom("ready", "held", "appointed"),
    deadline: fc.option(fc.integer({ min: -5, max: 40 })),
  }),
  fc.record({
    do: fc.constant("lease" as const),
    limit: fc.integer({ min: 1, max: 4 }),
    seconds: fc.constantFrom(5, 50),
    exclude: fc.constantFrom([], [], ["mx:x.example"], ["mx:y.example", "report"]),
  }),
  fc.record({ do: fc.constant("postpone" as const), domain, seconds: fc.integer({ min: 1, max: 20 }) }),
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
    change: fc.constantFrom<Change>("retry", "hold", "release", "delete", "bounce", "route"),
  }),
  fc.record({ do: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 30 }) }),
);

interface Row {
  readonly message: string;
  readonly index: number;
  state: QueueState;
  destination: string;
  next: number;
  deadline: number | null;
  appointed: boolean;
  lease: Lease | null;
}

/** When it is due by itself. */
function dueOf({ state, next, deadline, lease }: Row): number | null {
  if (state === "active") return lease!.until;
  return state === "ready" || state === "deferred" ? Math.min(next, deadline ?? Infinity) : null;
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
        const deadline = one.deadline === null ? null : now + one.deadline * 1000;
        const list = one.domains.map((domain, i) => recipient(`r${i}@${domain}`, { ...more, deadline }));
        const { id } = await put(store, { recipients: list });
        messages.push(id);
        list.forEach(({ destination }, index) =>
          rows.push({ message: id, index, state, destination, next: due, deadline, appointed: later, lease: null })
        );
        break;
      }
      case "lease": {
        const { exclude, limit, seconds } = one;
        for (const row of rows) if ((dueOf(row) ?? Infinity) <= now) row.appointed = false; // like any other from now on
        const got = await store.lease({ owner: `w${leases.length}`, now, seconds, limit, exclude });
        const due = rows.filter((row) => (dueOf(row) ?? Infinity) <= now)
          .filter(({ destination, deadline }) => !exclude.includes(destination) || (deadline ?? Infinity) <= now);
        const part = ({ message, destination }: Row) => `${message} ${destination}`;
        assertEquals(got.length, Math.min(limit, new Set(due.map(part)).size), "as many parts as are due");
        for (const lease of got) {
          const { destination } = lease.recipients[0]!;
          const mine = due.filter((row) => part(row) === `${lease.message.id} ${destination}` && row.lease !== lease);
          assertEquals(lease.recipients.map(({ index }) => index), mine.map(({ index }) => index).sort());
          for (const row of mine) Object.assign(row, { state: "active", lease });
          leases.push(lease);
        }
        break;
      }
      case "postpone": {
        const destination = `mx:${one.domain}`, until = now + one.seconds * 1000;
        const mine = rows.filter((row) => row.destination === destination && !row.appointed && row.next < until)
          .filter(({ state }) => state === "ready" || state === "deferred");
        assertEquals(await store.postpone({ destination, until, now }), mine.length, "postponed");
        for (const row of mine) Object.assign(row, { state: "deferred", next: until });
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
        const { state, appointed: later } = one;
        for (const row of mine) Object.assign(row!, { state, next: now + 3000, appointed: later, lease: null });
        tidy(lease.message.id);
        break;
      }
      case "change": {
        const id = messages[one.which % (messages.length || 1)];
        if (!id) break;
        const mine = rows.filter((row) => row.message === id).filter((row) => {
          const state = row.state === "active" && dueOf(row)! <= now ? "ready" : row.state;
          const waits = state === "ready" || state === "deferred";
          if (one.change === "delete") return true;
          if (one.change === "release") return state === "held";
          if (one.change === "hold") return waits;
          if (one.change === "bounce" || one.change === "route") return waits || state === "held";
          return waits || state === "failed" || state === "expired";
        });
        const route = { to: "remote", via: "up" } as const;
        const change = one.change === "hold" || one.change === "bounce"
          ? { do: one.change, reason: "x" } as const
          : one.change === "route"
          ? { do: one.change, route, destination: "via:up" } as const
          : { do: one.change } as const;
        assertEquals(await store.change({ id }, change), mine.length, one.change);
        for (const row of mine) {
          if (one.change === "delete") rows.splice(rows.indexOf(row), 1);
          else if (one.change === "hold") Object.assign(row, { state: "held", appointed: false, lease: null });
          else if (one.change !== "route" || row.state !== "held") {
            Object.assign(row, { state: "ready", next: now, appointed: false, lease: null });
          }
          if (one.change === "bounce") row.destination = "report";
          if (one.change === "route") row.destination = "via:up";
        }
        tidy(id);
      }
    }
    const page = await store.queue({ limit: 1000 });
    const there = page.items.flatMap((item) => item.recipients.map((r) => `${item.message.id} ${r.index} ${r.state}`));
    assertEquals(there.sort(), rows.map((row) => `${row.message} ${row.index} ${row.state}`).sort(), one.do);
    for (const after of [0, clock.now]) {
      const next = rows.map((row) => dueOf(row) ?? -1).filter((due) => due > after);
      assertEquals(await store.nextDue({ now: after }), next.length === 0 ? null : Math.min(...next));
    }
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
      await store.change({}, { do: "delete" }); // what the run before left, also where it failed
      await store.inboxes.remove({});
      await check(store, list, clock);
    }),
    runs,
  );
  await store.close();
  await Deno.remove(folder, { recursive: true });
});
