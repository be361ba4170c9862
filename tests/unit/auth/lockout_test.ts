/** Whoever guesses is slowed down and shut out; whoever logged in before is not, whatever others do. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Attempt, DEFAULT_LOCKOUT, Lockout, type LockoutOptions } from "../../../core/auth/lockout.ts";
import { Pseudonyms } from "../../../core/auth/pseudonym.ts";
import type { Event } from "../../../core/observe/events.ts";
import { type Counters, SimulatedCounters } from "../../../core/pipeline/mod.ts";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import { StoreError } from "../../../core/store/store.ts";
import { TempFolder } from "../../support/temp.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR, START = Date.UTC(2026, 0, 1);
const pseudonyms = new Pseudonyms(new Uint8Array(32).fill(1));
const NEAR = "192.0.2.7", NEIGHBOUR = "192.0.2.8", FAR = "203.0.113.9";

class House {
  now = START;
  readonly events: Event[] = [];
  readonly counters: Counters = new SimulatedCounters(() => this.now);
  readonly lockout: Lockout;

  constructor(options: Partial<LockoutOptions> = {}) {
    this.lockout = this.another(options);
  }
  /** A second thread or node on the same store. */
  another(options: Partial<LockoutOptions> = {}): Lockout {
    const emit = (event: Event) => void this.events.push(event);
    return new Lockout({ counters: this.counters, pseudonyms, now: () => this.now, emit, ...options });
  }

  /** The whole delay of a wrong password, or "refused". */
  async wrong(ip: string, user = "alice", exists: boolean | null = true): Promise<number | "refused"> {
    const attempt: Attempt = { ip, user };
    const before = await this.lockout.before(attempt);
    if ("refused" in before) return "refused";
    const { delay } = await this.lockout.failed(attempt, { exists });
    assert(before.delay >= 0 && delay >= 0);
    return before.delay + delay;
  }
  async right(ip: string, user = "alice"): Promise<number | "refused"> {
    const attempt: Attempt = { ip, user };
    const before = await this.lockout.before(attempt);
    if ("refused" in before) return "refused";
    await this.lockout.succeeded(attempt);
    return before.delay;
  }
  async guess(count: number, ip: string, user = "alice"): Promise<(number | "refused")[]> {
    const found: (number | "refused")[] = [];
    for (let i = 0; i < count; i++) found.push(await this.wrong(ip, user));
    return found;
  }
  get alerts() {
    return this.events.filter((event) => event.type === "alert");
  }
}

Deno.test("case 39: each failure takes longer than the one before, and the eleventh is not looked at", async () => {
  const house = new House();
  assertEquals(await house.guess(11, NEAR), [0, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, "refused"]);
  assertEquals(await house.right(NEAR), "refused"); // not even the right one
  assertEquals(await house.wrong("192.0.2.200"), "refused"); // it is the network
});

Deno.test("case 39: a lock-out ends, and the next one within a week lasts twice as long, up to a day", async () => {
  const house = new House();
  for (const minutes of [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]) {
    assert(!(await house.guess(10, NEAR)).includes("refused"), `before ${minutes} minutes`);
    house.now += minutes * MINUTE - 1;
    assertEquals(await house.right(NEAR), "refused", `${minutes} minutes`);
    house.now += 1;
  }
  house.now += 7 * DAY;
  await house.guess(10, NEAR);
  house.now += 5 * MINUTE;
  assert(await house.right(NEAR) !== "refused");
});

Deno.test("case 39: the account is open from elsewhere, and other accounts are open from here", async () => {
  const house = new House();
  await house.guess(11, NEAR);
  assertEquals(await house.right(FAR), 0);
  assertEquals(await house.right("198.51.100.1", "bob"), 0);
  assert(typeof await house.right(NEAR, "bob") === "number"); // slowed down perhaps, never refused
});

Deno.test("case 39: fifty failures lock a network out for everybody who is not known there", async () => {
  const house = new House();
  assertEquals(await house.right(NEAR, "carol"), 0);
  for (let i = 0; i < 50; i++) assert(await house.wrong(`192.0.2.${i}`, `user${i}`) !== "refused", String(i));
  assertEquals(await house.wrong("192.0.2.250", "somebody"), "refused");
  assertEquals(await house.right(NEAR, "carol"), 0); // known at this address: not even a delay
  assertEquals(await house.right("192.0.2.99", "carol"), 8000); // known in this network
  assertEquals(await house.right(FAR, "somebody"), 0);
  house.now += 5 * MINUTE;
  assertEquals(await house.right("192.0.2.250", "somebody"), 0);
});

Deno.test("case 39: who logged in from a network in the last 30 days is never locked out there", async () => {
  const house = new House();
  await house.right(NEAR);
  house.now += 29 * DAY;
  await house.guess(20, NEIGHBOUR);
  assertEquals(await house.right(NEAR), 0); // the neighbour's failures are not the address's
  assertEquals(await house.right("192.0.2.9"), 8000); // an address of the same network that is new: delayed, and in
  const stranger = new House();
  await stranger.right(NEAR);
  stranger.now += 31 * DAY;
  assertEquals((await stranger.guess(20, NEAR)).at(-1), "refused");
});

Deno.test("case 39: a neighbour in the user's network, or behind its very address, cannot guess without limit", async () => {
  for (const attacker of [NEIGHBOUR, NEAR]) {
    const house = new House();
    await house.right(NEAR);
    let guesses = 0;
    for (let second = 0; second < 3 * 3600; second += 5) { // as fast as it can for three hours
      house.now = START + second * 1000;
      if (await house.wrong(attacker) !== "refused") guesses++;
    }
    assert(guesses > 100, `${guesses}`);
    assert(guesses <= 3 * 160, `${guesses} guesses in three hours from ${attacker}`);
    house.now += MINUTE;
    assert(await house.right(NEAR) !== "refused"); // once the guessing has stopped for a minute
  }
});

Deno.test("case 39: a hundred guesses at once by two threads count together", async () => {
  const house = new House(), threads = [house.lockout, house.another()];
  const attempts = Array.from({ length: 100 }, () => ({ ip: NEAR, user: "alice" }));
  const verdicts = await Promise.all(attempts.map((attempt, i) => threads[i % 2]!.before(attempt)));
  const checked = attempts.filter((_, i) => "delay" in verdicts[i]!);
  assertEquals(checked.length, 10);
  await Promise.all(checked.map((attempt, i) => threads[i % 2]!.failed(attempt, { exists: true })));
  assertEquals(await house.right(NEAR), "refused");
});

Deno.test("a client that logs in thirty times at once is not taken for a guesser, once it is known", async () => {
  const house = new House();
  await house.right(NEAR);
  for (let round = 0; round < 5; round++) {
    const attempts = Array.from({ length: 30 }, () => ({ ip: NEAR, user: "alice" }));
    const verdicts = await Promise.all(attempts.map((attempt) => house.lockout.before(attempt)));
    assertEquals(verdicts, attempts.map(() => ({ delay: 0 })));
    await Promise.all(attempts.map((attempt) => house.lockout.succeeded(attempt)));
  }
});

Deno.test("an attempt that nobody could judge counts for nothing, and one never heard of again is forgotten", async () => {
  const house = new House();
  for (let i = 0; i < 30; i++) {
    const attempt = { ip: NEAR, user: "alice" };
    assertEquals(await house.lockout.before(attempt), { delay: 0 });
    await house.lockout.abandoned(attempt);
  }
  for (let i = 0; i < 10; i++) await house.lockout.before({ ip: NEAR, user: "alice" });
  assert("refused" in await house.lockout.before({ ip: NEAR, user: "alice" }));
  house.now += 5 * MINUTE;
  assertEquals(await house.right(NEAR), 0);
});

Deno.test("case 39: a restart forgets nothing", async () => {
  await using folder = await TempFolder.make();
  const make = (counters: Counters, known: Pseudonyms) =>
    new Lockout({ counters, pseudonyms: known, now: Date.now, emit: () => {} });
  for (const run of [1, 2]) {
    const store = await openSqliteStore({ folder: folder.at("data") });
    try {
      const lockout = make(store.counters, await Pseudonyms.open(store.counters));
      if (run === 2) {
        assert("refused" in await lockout.before({ ip: NEAR, user: "alice" }));
        assertEquals(await lockout.before({ ip: FAR, user: "alice" }), { delay: 4000 });
        continue;
      }
      for (const [ip, count] of [[NEAR, 10], [FAR, 5]] as const) {
        for (let i = 0; i < count; i++) {
          const attempt = { ip, user: "alice" };
          assert("delay" in await lockout.before(attempt));
          await lockout.failed(attempt, { exists: true });
        }
      }
    } finally {
      await store.close();
    }
  }
});

Deno.test("loopback and trusted networks are never locked out as a whole, and an account there still is", async () => {
  const house = new House({ trusted: ["198.51.100.0/24"] });
  for (const ip of ["127.0.0.1", "::1", "198.51.100.80"]) {
    for (let i = 0; i < 120; i++) assertEquals(await house.wrong(ip, `user${i} of ${ip}`), 0);
    assertEquals(await house.right(ip, `another of ${ip}`), 0);
    assertEquals((await house.guess(11, ip, `victim of ${ip}`)).at(-1), "refused");
    assertEquals(await house.right(ip, `a third of ${ip}`), 0);
  }
});

Deno.test("an account under attack from everywhere is open, and told of once an hour", async () => {
  const house = new House();
  const spray = async (user: string, exists: boolean | null, from: number) => {
    for (let i = 0; i < 130; i++) await house.wrong(`10.${from}.${i}.1`, user, exists);
  };
  await spray("alice", true, 1);
  assertEquals(house.alerts, [{
    type: "alert",
    where: "auth",
    subject: "alice",
    message: "100 failed logins from everywhere within 60 minutes",
  }]);
  assertEquals(await house.right(FAR), 0);
  await spray("nobody", false, 2);
  assertEquals(house.alerts.length, 1);
  await spray("hunter2", null, 3); // a back end that does not tell: it may be a password
  assertEquals(house.alerts[1]?.subject, pseudonyms.of("hunter2"));
  house.now += HOUR;
  await spray("alice", true, 4);
  assertEquals(house.alerts.length, 3);
});

Deno.test("the answer to an unknown user comes at the same time as to a known one", async () => {
  const known = new House(), unknown = new House();
  for (let i = 0; i < 12; i++) assertEquals(await known.wrong(NEAR, "a", true), await unknown.wrong(NEAR, "a", false));
});

Deno.test("only so many logins wait at once; the others are sent away, and come in when those have waited", async () => {
  const house = new House({ waiting: 3 });
  for (let i = 0; i < 5; i++) await house.guess(2, `10.0.${i}.1`, `user${i}`);
  house.now += 10_000;
  const verdicts = [];
  for (let i = 0; i < 5; i++) verdicts.push(await house.lockout.before({ ip: `10.0.${i}.1`, user: `user${i}` }));
  assertEquals(verdicts.map((each) => "delay" in each), [true, true, true, false, false]);
  assertEquals(await house.right(FAR), 0); // who need not wait needs no place
  house.now += 500;
  assertEquals(await house.right("10.0.4.1", "user4"), 500);
});

Deno.test("a login that only a token names is counted for its network", async () => {
  const house = new House();
  assertEquals(await house.right(NEAR, ""), 0);
  for (let i = 0; i < 50; i++) assert(await house.wrong(NEAR, "") !== "refused");
  assertEquals(await house.wrong(NEIGHBOUR, ""), "refused");
});

Deno.test("a store that cannot write locks out all the same", async () => {
  const inner = new SimulatedCounters(() => START);
  const full: Counters = {
    get: (name) => inner.get(name),
    list: (query) => inner.list(query),
    put: async (name, value, options) => {
      await inner.put(name, value, options);
      if (options.durable) throw new StoreError("full", "no space");
    },
    add: async (name, amount, options) => {
      const sum = await inner.add(name, amount, options);
      if (options.durable) throw new StoreError("full", "no space");
      return sum;
    },
  };
  const house = new House({ counters: full });
  assertEquals((await house.guess(11, NEAR)).slice(-2), [8000, "refused"]);
  assertEquals(await house.right(FAR), 0);
});

Deno.test("names of 64 KB cost no more memory than short ones", async () => {
  const house = new House();
  await house.guess(3, NEAR, "x".repeat(65_536));
  for (const name of (house.counters as SimulatedCounters).names) assert(name.length < 120, name);
});

const Step = fc.record({
  ip: fc.constantFrom(NEAR, NEIGHBOUR, FAR, "2001:db8::1", "2001:db8:0:ffff::1", "127.0.0.1"),
  user: fc.constantFrom("alice", "bob", ""),
  what: fc.constantFrom("wrong", "wrong", "wrong", "right", "wait"),
});

Deno.test("property: delays are bounded and grow with failures, success ends them, other networks never feel them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(Step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const house = new House();
      const last = new Map<string, number>();
      for (const { ip, user, what } of steps) {
        const key = `${user} ${ip}`;
        if (what === "wait") {
          house.now += 7 * MINUTE;
          last.clear(); // locks may have ended
          continue;
        }
        const delay = what === "right" ? await house.right(ip, user) : await house.wrong(ip, user);
        const bystander = { ip: "198.18.0.1", user };
        assertEquals(await house.lockout.before(bystander), { delay: 0 });
        await house.lockout.abandoned(bystander);
        if (delay === "refused") {
          last.set(key, Infinity);
          continue;
        }
        assert(delay >= 0 && delay <= DEFAULT_LOCKOUT.delay, `${delay}`);
        if (what === "right") {
          for (const name of [...last.keys()]) last.delete(name);
          const again = await house.right(ip, user);
          if (user !== "") assertEquals(again, 0);
        } else {
          assert(delay >= (last.get(key) ?? 0), `${key}: ${delay} after ${last.get(key)}`);
          last.set(key, delay);
        }
        house.now += 1;
      }
    }),
    { numRuns: 60 },
  );
});
