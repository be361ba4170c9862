/** Whose turn it is, what to lease next: fair, bounded, nothing left over. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Feedback } from "../../../core/delivery/concurrency.ts";
import { destinationKey } from "../../../core/queue/destination.ts";
import { type Start, Window, type WindowOptions } from "../../../core/delivery/window.ts";

const MINUTE = 60_000;
const OPTIONS: WindowOptions = {
  jobs: 200,
  jobsPerDestination: 50,
  attempts: 40,
  remembered: 20,
  initial: 5,
  cap: 20,
  cohorts: 1,
  schedule: [MINUTE, 5 * MINUTE],
  random: () => 0.5, // no jitter
  rate: () => null,
};

interface Mail {
  readonly to: string;
  readonly id: number;
}

/** The oldest first, as a store leases; what came back waits until its moment. */
class Backlog {
  readonly waiting = new Map<string, Mail[]>();
  #later: { readonly mail: Mail; readonly until: number }[] = [];
  questions = 0;

  constructor(mails: readonly Mail[]) {
    for (const mail of mails) this.put(mail);
  }
  put(mail: Mail): void {
    const of = this.waiting.get(mail.to) ?? [];
    this.waiting.set(mail.to, of);
    of.push(mail);
  }
  later(mails: readonly Mail[], until: number): void {
    for (const mail of mails) this.#later.push({ mail, until });
  }
  lease(limit: number, exclude: readonly string[], now: number): readonly Mail[] {
    this.questions++;
    for (const { mail } of this.#later.filter(({ until }) => until <= now)) this.put(mail);
    this.#later = this.#later.filter(({ until }) => until > now);
    const out = new Set(exclude), taken: Mail[] = [];
    while (taken.length < limit) {
      let oldest: Mail[] | null = null;
      for (const [to, mails] of this.waiting) {
        if (!out.has(to) && mails.length > 0 && (oldest === null || mails[0]!.id < oldest[0]!.id)) oldest = mails;
      }
      if (oldest === null) break;
      taken.push(oldest.shift()!);
    }
    return taken;
  }
}

/** Fills the window as a dispatcher does: asks until the store has nothing more. */
function fill(window: Window<Mail>, backlog: Backlog, now: number): void {
  for (;;) {
    const want = window.want(now);
    if (want === null) return;
    assert(want.limit >= 1);
    const mails = backlog.lease(want.limit, want.exclude, now);
    if (mails.length === 0) return;
    for (const item of mails) assert(window.add(item.to, { priority: 0, item }, now), "what was asked for fits");
  }
}

/** Runs until a moment or until everything is done; attempts last as long, and end as, `meet` says. */
function simulate(
  window: Window<Mail>,
  backlog: Backlog,
  until: number,
  meet: (mail: Mail, now: number) => { readonly lasts: number; readonly feedback: Feedback },
) {
  const under: { readonly start: Start<Mail>; readonly end: number; readonly feedback: Feedback }[] = [];
  const done = new Map<string, number[]>(), tried = new Map<string, number[]>();
  const note = (map: Map<string, number[]>, to: string, now: number) => map.set(to, [...(map.get(to) ?? []), now]);
  let now = 0;
  while (now < until) {
    if (window.hungry(now)) fill(window, backlog, now);
    for (let start = window.next(now); start !== null; start = window.next(now)) {
      const { lasts, feedback } = meet(start.item, now);
      under.push({ start, end: now + lasts, feedback });
      note(tried, start.destination, now);
      const same = under.filter((each) => each.start.destination === start.destination).length;
      assert(same <= OPTIONS.cap, `${same} attempts at ${start.destination}`);
      assert(under.length <= OPTIONS.attempts);
    }
    assertEquals(window.running, under.length);
    assert(window.held <= OPTIONS.jobs && window.known <= OPTIONS.jobs + 2 * OPTIONS.remembered);
    now = Math.min(...under.map(({ end }) => end), Math.max(now + 1, window.nextWake() ?? Infinity));
    if (now === Infinity) break;
    for (let i = under.length; i-- > 0;) {
      if (under[i]!.end > now) continue;
      const [{ start, feedback }] = under.splice(i, 1) as [typeof under[number]];
      const back = window.done(start, feedback, now);
      if (feedback === "success") note(done, start.destination, now);
      else backlog.later([start.item], window.closedUntil(start.destination, now) ?? now + MINUTE);
      if (back !== null) backlog.later(back.items, back.until);
    }
  }
  return { done, tried, now };
}

/** Ten destinations, `d0` has nine tenths of the mail, and the oldest. */
function lopsided(total: number): Backlog {
  const mails: Mail[] = [];
  for (let id = 0; id < total * 0.9; id++) mails.push({ to: "d0", id });
  for (let id = mails.length; id < total; id++) mails.push({ to: `d${1 + id % 9}`, id });
  return new Backlog(mails);
}

Deno.test("case 76: one destination with 90 % of the queue and all the oldest mail delays nobody", () => {
  const window = new Window<Mail>(OPTIONS), backlog = lopsided(5000);
  const { done } = simulate(window, backlog, Infinity, () => ({ lasts: 100, feedback: "success" }));
  assertEquals([...done.values()].reduce((sum, { length }) => sum + length, 0), 5000);
  assertEquals([window.held, window.running], [0, 0]);
  const small = Array.from({ length: 9 }, (_, i) => done.get(`d${i + 1}`)!);
  const end = Math.max(...small.map((each) => each.at(-1)!));
  const hog = done.get("d0")!.filter((each) => each <= end).length;
  const fair = Math.max(...small.map(({ length }) => length));
  assert(hog <= 2 * fair, `${hog} of the big one until the others were done, ${fair} of each of them`);
  const ends = small.map((each) => each.at(-1)!);
  assert(Math.max(...ends) <= 1.5 * Math.min(...ends), `${ends}`);
  assert(backlog.questions < 5000 / 5, `${backlog.questions} questions to the store`);
});

Deno.test("case 76: a slow destination with 90 % of the queue takes its share of the attempts and no more", () => {
  const window = new Window<Mail>(OPTIONS);
  const { done } = simulate(window, lopsided(3000), 10 * MINUTE, ({ to }) => (
    { lasts: to === "d0" ? 5 * MINUTE : 100, feedback: "success" }
  ));
  for (let i = 1; i < 10; i++) {
    const times = done.get(`d${i}`)!;
    assert(times.length >= 33 && times.at(-1)! < 5000, `d${i}: ${times.length}, the last at ${times.at(-1)}`);
  }
});

Deno.test("case 76: a dead destination with 90 % of the queue costs a probe per rest", () => {
  const window = new Window<Mail>(OPTIONS);
  const { done, tried } = simulate(window, lopsided(3000), 60 * MINUTE, ({ to }) => (
    to === "d0" ? { lasts: 30_000, feedback: "failure" } : { lasts: 100, feedback: "success" }
  ));
  for (let i = 1; i < 10; i++) assert(done.get(`d${i}`)!.at(-1)! < 5000, `d${i}: ${done.get(`d${i}`)}`);
  const probes = tried.get("d0")!.filter((each) => each > 30_000);
  assert(probes.length >= 8, `${probes}`);
  assert(probes.every((each, i) => i === 0 || each - probes[i - 1]! >= MINUTE), `${probes}`);
  assert(probes.slice(2).every((each, i) => each - probes[i + 1]! >= 5 * MINUTE), `${probes}`);
});

Deno.test("case 76: many destinations with one message each all have their turn in a small window", () => {
  const window = new Window<Mail>(OPTIONS);
  const backlog = new Backlog(Array.from({ length: 1000 }, (_, id) => ({ to: `d${id}`, id })));
  const { done } = simulate(window, backlog, Infinity, () => ({ lasts: 100, feedback: "success" }));
  assertEquals(done.size, 1000);
  assertEquals(window.held, 0);
});

Deno.test("a rate holds back its own destination only, and names the next moment", () => {
  const rate = (key: string) => key === "slow" ? { count: 6, milliseconds: MINUTE } : null;
  const window = new Window<Mail>({ ...OPTIONS, rate });
  for (let id = 0; id < 3; id++) window.add("slow", { priority: 0, item: { to: "slow", id } }, 0);
  window.add("quick", { priority: 0, item: { to: "quick", id: 9 } }, 0);
  assertEquals([window.next(0)?.destination, window.next(0)?.destination, window.next(0)], ["slow", "quick", null]);
  assertEquals([window.nextWake(), window.next(9999), window.next(10_001)?.item.id], [10_000 - 1e-3, null, 1]);
});

Deno.test("MT-PRIORITY: first in its destination, more turns between destinations, and nobody starves (RFC 6710)", () => {
  const window = new Window<string>({ ...OPTIONS, initial: 20 });
  for (let i = 0; i < 20; i++) {
    window.add("high", { priority: 9, item: `h${i}` }, 0);
    window.add("low", { priority: -9, item: `l${i}` }, 0);
    window.add("plain", { priority: 0, item: `p${i}` }, 0);
  }
  const turns = new Map<string, number>();
  for (let i = 0; i < 21; i++) {
    const { destination } = window.next(0)!;
    turns.set(destination, (turns.get(destination) ?? 0) + 1);
  }
  assertEquals(turns, new Map([["high", 16], ["plain", 4], ["low", 1]]));

  const one = new Window<string>({ ...OPTIONS, initial: 20 });
  one.add("d", { priority: -1, item: "old" }, 0);
  for (let i = 0; i < 9; i++) one.add("d", { priority: 4, item: `${i}` }, 0);
  const order = Array.from({ length: 10 }, () => one.next(0)!.item);
  assertEquals(order, ["0", "1", "2", "3", "4", "5", "6", "old", "7", "8"]);
});

Deno.test("a suspended destination gives its jobs back, is left out until its moment, and a person can end it", () => {
  const window = new Window<string>(OPTIONS);
  window.add("d", { priority: 0, item: "a" }, 0);
  assertEquals(window.suspend("d", MINUTE, 0), { items: ["a"], until: MINUTE });
  assertEquals([window.want(0)?.exclude, window.add("d", { priority: 0, item: "a" }, 0)], [["d"], false]);
  assertEquals([window.nextWake(), window.hungry(0)], [MINUTE, false]);
  assertEquals(window.want(MINUTE)?.exclude, []);
  window.suspend("d", 3 * MINUTE, MINUTE);
  window.wake("d", MINUTE);
  assertEquals([window.hungry(MINUTE), window.add("d", { priority: 0, item: "a" }, MINUTE)], [true, true]);
  assertEquals(window.next(MINUTE)?.item, "a");
});

Deno.test("an operator is told what rests and why, what is full, and what waits for its rate", () => {
  const window = new Window<Mail>({
    ...OPTIONS,
    rate: (to) => to === "rated" ? { count: 1, milliseconds: MINUTE } : null,
  });
  const put = (to: string, count: number) => {
    for (let id = 0; id < count; id++) window.add(to, { priority: 0, item: { to, id } }, 0);
  };
  const starts = () => {
    const all: Start<Mail>[] = [];
    for (let start = window.next(0); start !== null; start = window.next(0)) all.push(start);
    return all;
  };
  assertEquals(window.destinations(0), []);
  put("dead", 1);
  window.done(window.next(0)!, "success", 0);
  put("dead", 3);
  window.suspend("dead", 5 * MINUTE, 0);
  window.explain("dead", "421 too many connections");
  window.explain("unknown", "nobody asks");
  put("busy", 7);
  put("rated", 2);
  starts();
  const rows = (now: number) =>
    window.destinations(now).map((each) => [
      each.destination,
      each.waiting,
      each.running,
      each.closedUntil && Math.round(each.closedUntil),
      each.reason,
    ]);
  assertEquals(rows(0), [
    ["dead", 0, 0, 5 * MINUTE, "421 too many connections"],
    ["rated", 1, 1, MINUTE, "its rate permits no more"],
    ["busy", 2, 5, null, "it has as many deliveries at once as it bears"],
  ]);
  window.wake("dead", 0);
  assertEquals(rows(0).map(([destination]) => destination), ["rated", "busy"], "what is open and empty is not here");
});

Deno.test("what waits too long, or at the end, is given back", () => {
  const window = new Window<string>(OPTIONS);
  window.add("a", { priority: 0, item: "old" }, 0);
  window.add("b", { priority: 0, item: "new" }, 10);
  assertEquals([window.drain(20, 5), window.held], [["old"], 1]);
  assertEquals([window.drain(20), window.held, window.known, window.next(20)], [["new"], 0, 0, null]);
});

Deno.test("a route through a next hop is one destination, a domain is one whatever its letters", () => {
  assertEquals(destinationKey({ to: "remote" }, "Example.ORG"), destinationKey({ to: "remote" }, "example.org"));
  assertEquals(destinationKey({ to: "remote", via: "up" }, "a.example"), "via:up");
  assert(destinationKey({ to: "remote" }, "up") !== destinationKey({ to: "remote", via: "up" }, "up"));
});

Deno.test("whatever happens in whatever order: bounds hold, no job is lost or doubled, all counts return to zero", () => {
  const step = fc.record({
    do: fc.constantFrom("add", "add", "add", "next", "next", "done", "done", "suspend", "wake", "want", "drain"),
    to: fc.nat(12).map((n) => `d${n}`),
    feedback: fc.constantFrom<Feedback>("success", "success", "failure", "neutral"),
    priority: fc.integer({ min: -9, max: 9 }),
    pick: fc.nat(99),
    pause: fc.integer({ min: 0, max: 10_000 }),
  });
  const options = { ...OPTIONS, jobs: 12, jobsPerDestination: 4, attempts: 6, remembered: 3, initial: 2, cap: 3 };
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const window = new Window<number>({
      ...options,
      rate: (key) => key === "d1" ? { count: 20, milliseconds: MINUTE } : null,
    });
    const inside = new Set<number>(), under: Start<number>[] = [];
    const leave = (items: readonly number[]) => items.forEach((each) => assert(inside.delete(each), "it was here"));
    let now = 0, id = 0;
    for (const each of steps) {
      now += each.pause;
      if (each.do === "add") {
        if (window.add(each.to, { priority: each.priority, item: ++id }, now)) inside.add(id);
      } else if (each.do === "next") {
        const start = window.next(now);
        if (start !== null) under.push(start);
      } else if (each.do === "done" && under.length > 0) {
        const [start] = under.splice(each.pick % under.length, 1) as [Start<number>];
        leave([start.item]);
        leave(window.done(start, each.feedback, now)?.items ?? []);
      } else if (each.do === "suspend") leave(window.suspend(each.to, now + each.pause, now).items);
      else if (each.do === "wake") window.wake(each.to, now);
      else if (each.do === "want") {
        const want = window.want(now);
        assert(want === null ? window.held === options.jobs : want.limit >= 1);
      } else if (each.do === "drain") leave(window.drain(now, now - 20_000));
      assertEquals([window.held, window.running], [inside.size, under.length]);
      assert(window.held <= options.jobs && window.running <= options.attempts);
      assert(window.known <= options.jobs + 2 * options.remembered, `${window.known}`);
      for (const { destination } of under) {
        assert(under.filter((other) => other.destination === destination).length <= options.cap);
      }
    }
    // With everybody well again, all of it goes out.
    for (let left = 1000; window.held > 0; left--) {
      assert(left > 0, "stands still");
      for (let start = window.next(now); start !== null; start = window.next(now)) under.push(start);
      for (const start of under.splice(0)) {
        leave([start.item]);
        leave(window.done(start, "success", now)?.items ?? []);
      }
      now = Math.max(now + 1, window.nextWake() ?? 0);
    }
    assertEquals([inside.size, window.running], [0, 0]);
  }));
});
