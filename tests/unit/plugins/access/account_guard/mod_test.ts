/** Two instances stand for two threads: whatever is counted is counted by both. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type Counters,
  defer,
  type Event,
  on,
  OptionsError,
  type Plugin,
  reject,
  type Reply,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
  withPolicy,
} from "../../../../../core/pipeline/mod.ts";
import { StoreError } from "../../../../../core/store/store.ts";
import { account_guard } from "../../../../../plugins/access/account_guard/mod.ts";

type Options = Parameters<typeof account_guard>[0];
const HOUR = 3_600_000, START = Date.UTC(2026, 0, 1);

/** Knows everybody but those whose name begins with `no`. */
const directory = on("rcpt", (ctx, next) => {
  const { local } = ctx.recipient.address;
  if (local.startsWith("no")) return reject("5.1.1", "No such user");
  if (local.startsWith("later")) return defer("4.2.2", "Full");
  ctx.route({ to: "remote" });
  return next();
});

class World {
  now = START;
  readonly events: Event[] = [];
  readonly threads: readonly Plugin[];
  readonly counters: Counters;
  #turn = 0;

  constructor(options: Options = {}, counters?: Counters) {
    this.threads = [account_guard(options), account_guard(options)];
    this.counters = counters ?? new SimulatedCounters(() => this.now);
  }
  get facts(): Simulated {
    return { now: () => this.now, counters: this.counters, role: "submission", ip: "192.0.2.1", identity: "bob" };
  }
  get #thread(): Plugin {
    return this.threads[this.#turn++ % 2]!;
  }
  async mail(facts: Simulated = {}): Promise<string> {
    return this.#note(await runPhase(this.#thread, "mail", { ...this.facts, ...facts }));
  }
  async rcpt(to: string, facts: Simulated = {}): Promise<string> {
    return this.#note(await runPhase([this.#thread, directory], "rcpt", { ...this.facts, to, ...facts }));
  }
  /** A recipient of bob's mail did not exist. */
  async bounce(facts: Partial<Extract<Event, { type: "bounced" }>> = {}): Promise<void> {
    const { counters } = this, mine = (name: string) => `plugin:account_guard:${name}`;
    const store: Counters = { // as the house hands it out: under the plugin's name
      ...counters,
      get: (name) => counters.get(mine(name)),
      put: (name, value, options) => counters.put(mine(name), value, options),
      add: (name, amount, options) => counters.add(mine(name), amount, options),
    };
    await this.#thread.observe!({
      type: "bounced",
      expired: false,
      transaction: "01K0",
      sender: "bob@example.org",
      recipient: "nobody@example.net",
      identity: "bob",
      relay: null,
      delay: 1000,
      attempts: 1,
      status: "5.1.1",
      reply: "550 5.1.1 No such user",
      tls: null,
      ...facts,
    }, {
      store,
      now: () => this.now,
      alert: (subject, message) => void this.events.push({ type: "alert", where: "account_guard", subject, message }),
    });
  }
  async data(facts: Simulated = {}): Promise<string> {
    return this.#note(await runPhase(this.#thread, "data", { ...this.facts, ...facts }));
  }
  #note(result: { reply: Reply; events: readonly Event[] }): string {
    this.events.push(...result.events);
    return String(result.reply).slice(0, 9);
  }
  get alerts(): string[] {
    return this.events.flatMap((event) =>
      event.type === "alert" ? `${event.where} ${event.subject}: ${event.message}` : []
    );
  }
}
const times = async (count: number, run: (i: number) => Promise<string>): Promise<string[]> => {
  const found: string[] = [];
  for (let i = 0; i < count; i++) found.push(await run(i));
  return found;
};
const OK = "250 2.0.0", LATER = "450 4.7.1", CLOSED = "550 5.7.1", UNKNOWN = "550 5.1.1";

Deno.test("account_guard: messages and recipients of a login are counted together by all threads, whatever its case", async () => {
  const world = new World({ messages: ["3/1h", "5/1d"], recipients: ["4/1h"] });
  const names = ["bob", "Bob", "BOB", "bob"];
  assertEquals(await times(4, (i) => world.mail({ identity: names[i]!, ip: `192.0.2.${i}` })), [OK, OK, OK, LATER]);
  assertEquals(await times(5, (i) => world.rcpt(`a${i}@example.net`)), [OK, OK, OK, OK, LATER]);
  assertEquals(await world.mail({ identity: "alice" }), OK);
  assertEquals(await world.mail({ identity: null }), OK);
  world.now += HOUR;
  assertEquals(await times(2, () => world.mail()), [OK, LATER]); // the day's five are used up
  world.now += 24 * HOUR;
  assertEquals(await world.mail(), OK);
});

Deno.test("account_guard: what is refused says how many in which time, and leaves no suspension behind", async () => {
  const world = new World({ messages: ["1/2h"] });
  await world.mail();
  const { reply } = await runPhase(world.threads[0]!, "mail", world.facts);
  assertEquals(String(reply), "450 4.7.1 Too many messages from your account, at most 1 in 2 hours; try again later");
  assertEquals([world.alerts, await world.data()], [[], OK]);
});

Deno.test("account_guard: a login that names too many recipients is suspended, and a person is told once", async () => {
  const world = new World({ recipients: ["5/1h"], suspend: { recipients: "20/1h", for: "2h" } });
  const answers = await times(25, (i) => world.rcpt(`a${i}@example.net`));
  assertEquals([answers.filter((each) => each === OK).length, answers.indexOf(CLOSED)], [5, 20]);
  assertEquals(world.alerts, ["account_guard bob: suspended until 2026-01-01 02:00 UTC: 21 recipients in 1 hour"]);
  assertEquals([await world.mail(), await world.data()], [CLOSED, CLOSED]); // the message under way too
  assertEquals([await world.mail({ identity: "alice" }), await world.data({ identity: "alice" })], [OK, OK]);
  const { reply } = await runPhase(world.threads[1]!, "mail", world.facts);
  assertMatch(
    String(reply),
    /^550 5\.7\.1 This account is suspended until 2026-01-01 02:00 UTC: .* Ask the postmaster$/,
  );
  assertEquals(reply.options.reason, "suspended: 21 recipients in 1 hour");
  world.now += 2 * HOUR;
  assertEquals([await world.mail(), await world.rcpt("a@example.net")], [OK, OK]);
});

Deno.test("account_guard: too large a share of recipients that do not exist suspends, a busy or shy server does not", async () => {
  const options = { suspend: { share: 30, of: 10 } };
  const stolen = new World(options);
  const answers = await times(12, (i) => stolen.rcpt(i % 2 === 0 ? `no${i}@example.org` : `a${i}@example.org`));
  assertEquals(answers.slice(8), [UNKNOWN, OK, UNKNOWN, CLOSED]);
  assertEquals(stolen.alerts, [
    "account_guard bob: suspended until 2026-01-01 12:00 UTC: 6 of 11 recipients in 1h do not exist",
  ]);

  const honest = new World(options);
  const mixed = (i: number) => ["a", "later", "a", "no"][i % 4];
  assert(!(await times(40, (i) => honest.rcpt(`${mixed(i)}${i}@example.org`))).includes(CLOSED)); // a quarter
  const few = new World(options);
  assertEquals(await times(9, (i) => few.rcpt(`no${i}@example.org`)), Array(9).fill(UNKNOWN)); // one mistake is no share
  const off = new World({ suspend: { share: false, of: 1 } });
  assert(!(await times(60, (i) => off.rcpt(`no${i}@example.org`))).includes(CLOSED));
});

Deno.test("account_guard: recipients that bounced later count like those refused at once", async () => {
  const world = new World({ suspend: { share: 30, of: 10 } });
  await times(20, (i) => world.rcpt(`a${i}@example.net`));
  for (let i = 0; i < 6; i++) await world.bounce({ identity: "Bob" });
  for (let i = 0; i < 30; i++) { // somebody else's, a refusal of the content, a host that was away, a list of ours
    await world.bounce({ identity: null });
    await world.bounce({ status: "5.7.1" });
    await world.bounce({ expired: true, status: "5.1.1" });
    await world.bounce({ identity: "alice" });
  }
  assertEquals(await world.mail(), OK);
  await world.bounce();
  assertEquals([world.alerts.filter((each) => each.startsWith("account_guard bob")).length, await world.mail()], [
    1,
    CLOSED,
  ]);
  for (let i = 0; i < 5; i++) await world.bounce();
  assertEquals(world.alerts.filter((each) => each.startsWith("account_guard bob")).length, 1, "told once");
});

Deno.test("account_guard: bounces are forgotten with the time that the share is of, and not counted of exempt logins", async () => {
  const world = new World({ suspend: { share: 30, of: 10, within: "2h" }, exempt: ["Newsletter"] });
  for (let i = 0; i < 9; i++) await world.bounce();
  for (let i = 0; i < 50; i++) await world.bounce({ identity: "newsletter" });
  world.now += 2 * HOUR;
  for (let i = 0; i < 9; i++) await world.bounce();
  assertEquals([await world.mail(), await world.mail({ identity: "newsletter" }), world.alerts], [OK, OK, []]);
  await world.bounce();
  assertEquals([await world.mail(), world.alerts.length], [CLOSED, 1]);
});

Deno.test("account_guard: mail from too many networks suspends; one network and loopback may be as busy as they like", async () => {
  const world = new World({ suspend: { networks: "3/1h" } });
  const from = (ip: string) => world.mail({ ip });
  assertEquals(await times(20, (i) => from(`192.0.2.${i}`)), Array(20).fill(OK));
  assertEquals(await times(20, (i) => from(`2001:db8:1:${i}::1`)), Array(20).fill(OK)); // one /48
  assertEquals(await times(20, (i) => from(`127.0.${i}.1`)), Array(20).fill(OK));
  assertEquals([await from("198.51.100.1"), await from("203.0.113.1"), await from("192.0.2.1")], [OK, CLOSED, CLOSED]);
  assertEquals(world.alerts, [
    "account_guard bob: suspended until 2026-01-01 12:00 UTC: mail from 4 networks in 1 hour",
  ]);
});

Deno.test("account_guard: what is exempt or switched off is not counted, and aliases are our doing", async () => {
  const options = { messages: [], recipients: ["2/1h"], suspend: { recipients: false, networks: false, share: false } };
  const free = new World({ ...options, exempt: ["Newsletter"] } as Options);
  const identity = "newsletter";
  assert((await times(10, (i) => free.rcpt(`a${i}@example.net`, { identity }))).every((each) => each === OK));
  assert((await times(10, (i) => free.mail({ ip: `10.${i}.0.1` }))).every((each) => each === OK));
  const alias = on("rcpt", (ctx, next) => {
    if (ctx.recipient.origin !== null) return next();
    ctx.expand(["a", "b", "c", "d"].map((local) => ({ local, domain: "example.net" })));
    return next();
  });
  const { recipients } = await simulate([account_guard(options as Options), alias, directory], {
    ...free.facts,
    to: "team@example.org",
  });
  assertEquals(recipients.length, 4);
});

Deno.test("account_guard: in mode observe it tells and refuses nobody; on other roles it is not there", async () => {
  const options = { suspend: { recipients: "2/1h" } } as const;
  const world = new World(options);
  const watching = withPolicy(account_guard(options), { mode: "observe" });
  const to = ["a@example.net", "b@example.net", "c@example.net", "d@example.net"];
  const result = await simulate([watching, directory], { ...world.facts, to });
  assertEquals([result.reply.verdict, result.recipients.length], ["accept", 4]);
  assertEquals(result.events.filter((event) => event.type === "alert").length, 1);
  const mx = await simulate([account_guard(options), directory], { ...world.facts, role: "mx", to, identity: "eve" });
  assertEquals(mx.recipients.length, 4);
});

Deno.test("account_guard: a suspension is durable, and holds where the store cannot write", async () => {
  const inner = new SimulatedCounters(() => START), durable: string[] = [];
  const full: Counters = {
    get: (name) => inner.get(name),
    list: (query) => inner.list(query),
    add: (name, amount, options) => inner.add(name, amount, options),
    put: async (name, value, options) => {
      await inner.put(name, value, options);
      if (options.durable) durable.push(name);
      throw new StoreError("full", "no space");
    },
  };
  const world = new World({ suspend: { recipients: "2/1h" } }, full);
  assertEquals(await times(4, (i) => world.rcpt(`a${i}@example.net`)), [OK, OK, CLOSED, CLOSED]);
  assertEquals(durable, ["plugin:account_guard:suspended bob"]);
});

Deno.test("account_guard: options that are none", () => {
  for (
    const bad of [
      { messages: ["3"] },
      { recipients: "3/1h" },
      { suspend: { share: 0 } },
      { suspend: { share: 101 } },
      { suspend: { recipients: true } },
      { suspend: { for: "0s" } },
      { suspend: { within: "1 hour" } },
    ]
  ) assertThrows(() => account_guard(bad as Options), OptionsError);
});
