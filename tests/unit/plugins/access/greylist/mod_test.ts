/** greylist: two instances stand for two threads, and what one has seen the other knows. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Counters,
  type Key,
  on,
  OptionsError,
  type Plugin,
  reject,
  type Scope,
  simulate,
  type Simulated,
  SimulatedCounters,
} from "postern";
import { TAGGED } from "../../../../../plugins/access/bounce/key.ts";
import { DNSWL } from "../../../../../plugins/access/dnsbl/key.ts";
import { greylist } from "../../../../../plugins/access/greylist/mod.ts";
import { RELAY } from "../../../../../plugins/access/relay/key.ts";
import { SPF, type SpfFinding } from "../../../../../plugins/identity/spf/key.ts";
import { StoreError } from "../../../../../core/store/store.ts";

type Options = Parameters<typeof greylist>[0];
const SECOND = 1000, HOUR = 3_600_000, DAY = 24 * HOUR, START = Date.UTC(2026, 0, 1);

/** Knows everybody but those whose name begins with `no`; `team` is three. */
const directory = on("rcpt", (ctx, next) => {
  const { address, origin } = ctx.recipient;
  if (address.local.startsWith("no")) return reject("5.1.1", "No such user");
  if (address.local === "team" && origin === null) {
    ctx.expand(["a", "b", "c"].map((local) => ({ local, domain: "example.org" })));
  } else ctx.route({ to: "local", plugin: "inbox" });
  return next();
});
const pass = (domain: string): SpfFinding => ({
  result: "pass",
  identity: "mailfrom",
  domain,
  mechanism: "mx",
  explanation: null,
  problem: null,
});

class World {
  now = START;
  readonly counters: Counters;
  readonly threads: readonly Plugin[];
  #turn = 0;

  constructor(options: Options = {}, counters?: Counters) {
    this.counters = counters ?? new SimulatedCounters(() => this.now);
    this.threads = [greylist(options), greylist(options)];
  }
  /** What the client hears at the end, with the phase in which it heard it. */
  async send(facts: Simulated = {}, before: readonly Plugin[] = []): Promise<string> {
    const { replies } = await simulate([...before, this.threads[this.#turn++ % 2]!, directory], {
      from: "amy@a.example",
      to: "bob@example.org",
      ip: "192.0.2.1",
      now: () => this.now,
      counters: this.counters,
      ...facts,
    }, { delayRefusals: false });
    const { phase, reply } = replies.findLast(({ phase }) => phase !== "queue")!;
    return reply.verdict === "accept" ? "taken" : `${phase} ${String(reply)}`;
  }
}
const wait = (seconds: number, phase = "rcpt") =>
  `${phase} 451 4.7.1 Greylisted: please come again in ${seconds} seconds`;

Deno.test("greylist: the first mail is put off, one that comes again in time is taken and known from then on", async () => {
  const world = new World({ delay: "5m", window: "6h" });
  assertEquals(await world.send(), wait(300));
  world.now += 100 * SECOND;
  assertEquals(await world.send(), wait(200)); // an early one does not begin anew
  world.now += 200 * SECOND;
  assertEquals([await world.send(), await world.send()], ["taken", "taken"]);
  assertEquals(await world.send({ to: "BOB@example.org" }), "taken");
  assertEquals(await world.send({ ip: "192.0.2.200" }), "taken"); // another host of the network
  assertEquals(await world.send({ ip: "192.0.3.1" }), wait(300));
  assertEquals(await world.send({ from: "eve@a.example" }), wait(300));
  assertEquals(await world.send({ to: "carol@example.org" }), wait(300));
});

Deno.test("greylist: who comes after the window begins anew, who passed is known as long as it goes on to come", async () => {
  const world = new World({ delay: "1m", window: "1h", remember: "10d" });
  await world.send();
  world.now += HOUR;
  assertEquals(await world.send(), wait(60));
  world.now += 60 * SECOND;
  assertEquals(await world.send(), "taken");
  for (let week = 0; week < 5; week++) {
    world.now += 7 * DAY;
    assertEquals(await world.send(), "taken");
  }
  world.now += 10 * DAY;
  assertEquals(await world.send(), wait(60));
});

Deno.test("greylist: a client that has passed several times is asked no more, by either thread", async () => {
  const world = new World({ delay: "1m", clientAfter: 3 });
  for (const to of ["a@example.org", "b@example.org"]) await world.send({ to });
  world.now += 60 * SECOND;
  for (const to of ["a@example.org", "b@example.org"]) assertEquals(await world.send({ to }), "taken");
  assertEquals(await world.send({ to: "c@example.org" }), wait(60)); // two are no three
  world.now += 60 * SECOND;
  assertEquals(await world.send({ to: "c@example.org" }), "taken");
  for (let i = 0; i < 4; i++) {
    assertEquals(await world.send({ to: `x${i}@example.org`, from: `y${i}@b.example` }), "taken");
  }
  assertEquals(await world.send({ ip: "198.51.100.1" }), wait(60));
  const never = new World({ delay: "1m", clientAfter: false });
  for (let i = 0; i < 10; i++) await never.send({ to: `x${i}@example.org` });
  never.now += 60 * SECOND;
  for (let i = 0; i < 10; i++) assertEquals(await never.send({ to: `x${i}@example.org` }), "taken");
  assertEquals(await never.send({ to: "y@example.org" }), wait(60));
});

Deno.test("greylist: SPF makes the hosts of a big site one client, and vouches only for its own senders", async () => {
  const world = new World({ delay: "1m" });
  const from = (domain: string, ip: string) =>
    world.send({ from: `amy@${domain}`, ip, keys: [[SPF, pass(domain)]] as never });
  assertEquals(await from("big.example", "192.0.2.1"), wait(60));
  world.now += 60 * SECOND;
  assertEquals(await from("big.example", "203.0.113.9"), "taken");
  assertEquals(await from("other.example", "203.0.113.9"), wait(60));
});

Deno.test("greylist: who only asks whether an address is there gets an answer; the mail itself is put off", async () => {
  const world = new World({ delay: "1m" });
  for (const from of [null, "postmaster@a.example", "double-bounce@a.example"]) {
    assertEquals(await world.send({ from }), wait(60, "data"), String(from));
  }
  world.now += 60 * SECOND;
  assertEquals(await world.send({ from: null }), "taken");
  assertEquals(await new World({ bounces: false }).send({ from: null }), "taken");
  const several = new World({ delay: "1m" });
  await several.send({ from: null, to: "a@example.org" });
  several.now += 60 * SECOND;
  assertEquals(await several.send({ from: null, to: ["a@example.org", "b@example.org"] }), wait(60, "data"));
});

Deno.test("greylist: the answer to mail of ours is no stranger's", async () => {
  const tagged = { address: { local: "bob", domain: "example.org" }, expires: 20_000 };
  const world = new World();
  const marks = (expired: boolean) => on("rcpt", (ctx, next) => (ctx.set(TAGGED, { ...tagged, expired }), next()));
  assertEquals(await world.send({ from: null }, [marks(false)]), "taken");
  assertEquals(await world.send({ from: null }, [marks(true)]), wait(60, "data"));
});

Deno.test("greylist: whom it does not ask", async () => {
  const world = new World({
    networks: ["203.0.113.0/24"],
    exempt: ["*@now.example", "bob@example.org"],
    senders: ["@a.example"],
  });
  const to = "carol@example.org";
  const listed = (weight: number) =>
    [[DNSWL, [{ zone: "list.example", subject: "x", codes: [], weight }]]] as [
      Key<unknown, Scope>,
      unknown,
    ][];
  const free: Simulated[] = [
    { to, identity: "amy" },
    { to, ip: "127.0.0.1" },
    { to, ip: "203.0.113.3" },
    { to, role: "submission", identity: "amy" },
    { to: "bob@example.org" },
    { to: "x@now.example" },
    { to: "postmaster@example.org" },
    { to, keys: [[SPF, pass("a.example")]] as never },
    { to, keys: listed(-1) },
    { to: "Postmaster@example.org", from: null },
  ];
  for (const facts of free) assertEquals(await world.send(facts), "taken", JSON.stringify(facts));
  assertEquals(await world.send({ to, keys: [[DNSWL, []]] as never }), wait(60)); // asked, and on none
  const relays = on("rcpt", (ctx, next) => (ctx.set(RELAY, "network"), next()));
  assertEquals(await world.send({ to: "d@example.org" }, [relays]), "taken");
});

Deno.test("greylist: a name that nobody has is refused and not put off, and an alias is asked about once", async () => {
  const world = new World({ delay: "1m", clientAfter: false });
  assertEquals(await world.send({ to: "nobody@example.org" }), "rcpt 550 5.1.1 No such user");
  assertEquals(await world.send({ to: "team@example.org" }), wait(60));
  world.now += 60 * SECOND;
  assertEquals(await world.send({ to: "team@example.org" }), "taken");
  assertEquals(await world.send({ to: "a@example.org" }), wait(60));
});

Deno.test("greylist: who passed is on disk before it is taken; a store that cannot write refuses nobody", async () => {
  const durable: string[] = [];
  let now = START;
  class Full extends SimulatedCounters {
    override async put(name: string, value: string, options: { seconds: number; durable?: boolean }): Promise<void> {
      await super.put(name, value, options);
      if (options.durable) {
        durable.push(name.replace(/^plugin:greylist:(\w+) .*/, "$1"));
        throw new StoreError("full", "no space");
      }
    }
  }
  const world = new World({ clientAfter: 1 }, new Full(() => now));
  const send = () => (world.now = now, world.send());
  await send();
  assertEquals(durable, []);
  now += HOUR;
  assertEquals([await send(), durable], ["taken", ["passed", "client"]]);
});

Deno.test("greylist: what strangers can make it remember is bounded", async () => {
  let written = 0;
  class Counted extends SimulatedCounters {
    override put(name: string, value: string, options: { seconds: number }): Promise<void> {
      written++;
      return super.put(name, value, options);
    }
  }
  const world = new World({ delay: "1m" }, new Counted(() => START));
  const to = Array.from({ length: 1000 }, (_, i) => `r${i}@example.org`);
  for (let i = 0; i < 7; i++) await world.send({ from: `s${"abcdefg"[i]}@a.example`, to });
  assertEquals(written, 5000);
  assertEquals(await world.send({ ip: "203.0.113.1" }), wait(60)); // others are remembered
  assertEquals(written, 5001);
  // Names below one that he registered are free, and SPF passes for all of them
  for (let i = 0; i < 7; i++) {
    await world.send({ from: `s@x${i}.b.example`, to }, [
      on("mail", (ctx, next) => (ctx.set(SPF, pass(`x${i}.b.example`)), next())),
    ]);
  }
  assertEquals(written, 10_001);
});

Deno.test("greylist: it stands behind spf, and a delay is shorter than its window", () => {
  assertThrows(() => greylist.parse({ delay: "3h", window: "2h" }, ["greylist"]), OptionsError);
  assertThrows(() => greylist.parse({ clientAfter: 0 }, ["greylist"]), OptionsError);
  assert(greylist().after!.includes("spf"));
});
