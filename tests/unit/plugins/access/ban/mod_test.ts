/** Two instances stand for two threads: whatever is counted is counted by both. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { accept, type Event, OptionsError, reject, type Reply, runPhase } from "../../../../../core/pipeline/mod.ts";
import { ban } from "../../../../../plugins/access/ban/mod.ts";
import { Threads } from "../threads.ts";

type Options = Parameters<typeof ban>[0];
const IP = "192.0.2.7", OTHER = "198.51.100.7";
const MINUTE = 60_000, DAY = 86_400_000;
const unknown: Reply = reject("5.1.1", "No such user here");
const make = (options: Options = {}) => new Threads([ban(options), ban(options)]);
const said = ({ reply }: { reply: Reply }) => String(reply).slice(0, 9);
const WELCOME = "250 2.0.0", LATER = "421 4.7.1", NEVER = "554 5.7.1";

/** Somebody guesses at users, in a session of its own each time. */
async function guess(threads: Threads, ip: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const { session } = await threads.connect(ip);
    await threads.refused(session, ip, { command: "RCPT", reply: unknown, plugin: "core" });
  }
}

Deno.test("ban: SEMANTICS 24: offences at two threads add up to one ban, and a person is told once", async () => {
  const threads = make({ limit: 5, for: "15m" });
  await guess(threads, IP, 4);
  assertEquals([said(await threads.connect(IP)), threads.alerts], [WELCOME, []]);
  await guess(threads, IP, 1);
  for (const _ of [1, 2]) assertEquals(said(await threads.connect(IP)), LATER); // at either
  assertEquals(said(await threads.connect(OTHER)), WELCOME);
  const why = "banned until 2026-01-01 00:15 UTC: wrote to a user that is not there; 5 points in 1 hour";
  assertEquals(threads.alerts, [`ban ${IP}: ${why}`]);
  const { reply } = await threads.connect(IP);
  assertEquals(reply.text, `${IP} has misbehaved here and is not served until 2026-01-01 00:15 UTC`);
  assertMatch(reply.options.reason!, /^banned: wrote to a user/);
});

Deno.test("ban: each next one is twice as long, up to the longest; what is old is forgotten", async () => {
  const threads = make({ limit: 2, for: "10m", longest: "30m", remember: "2d" });
  const lengths: number[] = [];
  for (let i = 0; i < 4; i++) {
    await guess(threads, IP, 2);
    let minutes = 0;
    for (; said(await threads.connect(IP)) === LATER; minutes++) threads.now += MINUTE;
    lengths.push(minutes);
  }
  assertEquals(lengths, [10, 20, 30, 30]);
  threads.now += 3 * DAY;
  await guess(threads, IP, 2);
  threads.now += 10 * MINUTE;
  assertEquals(said(await threads.connect(IP)), WELCOME);
});

Deno.test("ban: offences too old count no more", async () => {
  const threads = make({ limit: 3, within: "1h" });
  await guess(threads, IP, 2);
  threads.now += 61 * MINUTE;
  await guess(threads, IP, 2);
  assertEquals(said(await threads.connect(IP)), WELCOME);
});

Deno.test("ban: what is an offence, what it counts, and what is none", async () => {
  const refusal = reject("5.7.1", "No");
  const table: readonly [string, (session: string) => Partial<Event> & { type: Event["type"] }, number][] = [
    [
      "early talk",
      () => ({ type: "refused", command: "early talk", reply: reject("5.5.0", "Early", { code: 554 }) }),
      4,
    ],
    ["relaying", () => ({ type: "refused", command: "RCPT", reply: refusal, plugin: "core" }), 4],
    ["another's 5.7.1", () => ({ type: "refused", command: "RCPT", reply: refusal, plugin: "spf" }), 0],
    ["unknown", () => ({ type: "refused", command: "RCPT", reply: unknown, plugin: "recipients" }), 1],
    [
      "a bounce of what somebody sends in our name",
      () => ({ type: "refused", command: "RCPT", reply: unknown, plugin: "recipients", sender: "" }),
      0,
    ],
    ["unknown, said after the body", () => ({ type: "refused", command: "message", reply: unknown, plugin: "x" }), 0],
    ["dnsbl", () => ({ type: "refused", command: "RCPT", reply: refusal, plugin: "dnsbl" }), 5],
    ["a failed login", () => ({ type: "login", ok: false, mechanism: "PLAIN", user: "x", reason: "no" }), 2],
    ["errors", () => ({ type: "session-closed", reason: "too many errors", messages: 0, seconds: 1 }), 4],
    ["an end", () => ({ type: "session-closed", reason: "quit", messages: 0, seconds: 1 }), 0],
    ["a trap", () => ({ type: "decision", plugin: "spam_trap", phase: "rcpt", verdict: "accept", reason: "" }), 10],
    ["no trap", () => ({ type: "decision", plugin: "spam_trap", phase: "rcpt", verdict: "next", reason: "" }), 0],
    [
      "observed",
      () => ({ type: "decision", plugin: "spam_trap", phase: "rcpt", verdict: "reject", observed: true }),
      0,
    ],
    ["itself", () => ({ type: "refused", command: "connect", reply: refusal, plugin: "ban" }), 0],
    ["later", () => ({ type: "refused", command: "RCPT", reply: accept(), plugin: "core" }), 0],
  ];
  for (const [what, event, points] of table) {
    const threads = make({ limit: 100 }), { session } = await threads.connect(IP);
    await threads.tell({ session, ip: IP, transaction: null, ...event(session) } as unknown as Event);
    assertEquals(Number(await threads.counters.get(`plugin:ban:points ${IP}`) ?? 0), points, what);
  }
});

Deno.test("ban: a server that many send by is not banned for what one of them has it write to", async () => {
  const threads = make({ limit: 5 });
  for (let i = 0; i < 20; i++) {
    await guess(threads, IP, 1);
    const { session } = await threads.connect(IP);
    for (const transaction of ["01A", "01B"]) await threads.accepted(session, IP, { transaction });
  }
  assertEquals(said(await threads.connect(IP)), WELCOME);
  await guess(threads, IP, 4);
  assertEquals(await threads.counters.get(`plugin:ban:points ${IP}`), "4", "nobody saves up");
  const { session } = await threads.connect(IP);
  await threads.accepted(session, IP, { transaction: "01C", held: "spam" });
  await guess(threads, IP, 1);
  assertEquals(said(await threads.connect(IP)), LATER);
});

Deno.test("ban: a refusal that is spoken to every recipient counts once for a connection", async () => {
  const threads = make({ limit: 100 }), { session } = await threads.connect(IP);
  const reply = reject("5.7.1", "Listed");
  for (const _ of [1, 2, 3]) await threads.refused(session, IP, { command: "RCPT", reply, plugin: "dnsbl" });
  assertEquals(await threads.counters.get(`plugin:ban:points ${IP}`), "5");
});

Deno.test("ban: whoever is logged in, and exempt networks, are never counted", async () => {
  const threads = make({ limit: 2, exempt: ["203.0.113.0/24"] });
  await guess(threads, "203.0.113.9", 9);
  assertEquals(said(await threads.connect("203.0.113.9")), WELCOME);
  const { session } = await threads.connect(IP);
  const login = { type: "login", session, ip: IP, mechanism: "PLAIN", user: "ann", reason: "" } as const;
  await threads.tell({ ...login, ok: true });
  for (let i = 0; i < 9; i++) await threads.refused(session, IP, { command: "RCPT", reply: unknown, plugin: "core" });
  assertEquals(said(await threads.connect(IP)), WELCOME);
  // Somebody logs in from there: a password that is wrong is an old one in some device
  const again = await threads.connect(IP);
  for (let i = 0; i < 9; i++) await threads.tell({ ...login, session: again.session, ok: false });
  assertEquals(said(await threads.connect(IP)), WELCOME);
  const stranger = await threads.connect(OTHER);
  await threads.tell({ ...login, session: stranger.session, ip: OTHER, ok: false });
  assertEquals(said(await threads.connect(OTHER)), LATER);
});

Deno.test("ban: a network is banned when several of its addresses are, and no wider one", async () => {
  const threads = make({ limit: 1, addresses: 3 });
  for (const host of [1, 1, 2]) {
    threads.now += 20 * MINUTE; // each is welcome again
    await guess(threads, `192.0.2.${host}`, 1);
  }
  assertEquals(said(await threads.connect("192.0.2.200")), WELCOME); // two of them, whatever they do
  await guess(threads, "192.0.2.3", 1);
  assertEquals(said(await threads.connect("192.0.2.200")), LATER);
  assertEquals(said(await threads.connect("192.0.3.1")), WELCOME);
  assertMatch(
    threads.alerts.at(-1)!,
    /^ban 192\.0\.2\.0\/24: banned until .*: 3 of its addresses were banned in a day$/,
  );
});

Deno.test("ban: an IPv6 client is its /64, its network a /56", async () => {
  const threads = make({ limit: 2, addresses: 2 });
  await guess(threads, "2001:db8:0:100::1", 1);
  await guess(threads, "2001:db8:0:100:ffff::2", 1);
  assertEquals(said(await threads.connect("2001:db8:0:100::3")), LATER);
  assertEquals(said(await threads.connect("2001:db8:0:1ff::1")), WELCOME);
  await guess(threads, "2001:db8:0:101::1", 2);
  assertEquals(said(await threads.connect("2001:db8:0:1ff::1")), LATER);
  assertEquals(said(await threads.connect("2001:db8:0:200::1")), WELCOME);
});

Deno.test("ban: who is banned while connected is told at its next message", async () => {
  const threads = make({ limit: 1 });
  const { session } = await threads.connect(IP);
  await threads.refused(session, IP, { command: "RCPT", reply: unknown, plugin: "core" });
  const mail = (index: number, identity: string | null = null) =>
    runPhase(threads.instances[index]!, "mail", { ...threads.facts, ip: IP, identity });
  assertEquals(said(await mail(0)), LATER);
  assertEquals(said(await mail(0, "ann")), WELCOME);
});

Deno.test("ban: where somebody has logged in lately, a submission listener stays open", async () => {
  const threads = make({ limit: 2 });
  const login = { type: "login", ip: IP, mechanism: "PLAIN", user: "ann", reason: "", ok: true } as const;
  const { session } = await threads.connect(IP, { role: "submission" });
  await threads.tell({ ...login, session });
  await guess(threads, IP, 2); // a bad machine in the same home
  assertEquals(said(await threads.connect(IP)), LATER);
  assertEquals(said(await threads.connect(IP, { role: "submission" })), WELCOME);
  await guess(threads, OTHER, 2);
  assertEquals(said(await threads.connect(OTHER, { role: "submission" })), LATER);
});

Deno.test("ban: a list of the operator's own, and 554 for those who want it", async () => {
  const threads = make({ list: ["203.0.113.0/24"], limit: 1, answer: "reject" });
  assertEquals(said(await threads.connect("203.0.113.1")), NEVER);
  await guess(threads, IP, 1);
  const { reply } = await threads.connect(IP);
  assertEquals([said({ reply }), reply.closes], [NEVER, true]); // nothing to delay: it hangs up
  assertEquals((await threads.connect("127.0.0.1")).reply.code, 250);
});

Deno.test("ban: a ban is on disk when it is told, and nothing else need be", async () => {
  const threads = make({ limit: 1 }), durable: string[] = [];
  const { put } = threads.counters;
  threads.counters.put = (name, value, options) => {
    if (options.durable) durable.push(name);
    return put.call(threads.counters, name, value, options);
  };
  await guess(threads, IP, 1);
  assertEquals(durable, [`plugin:ban:ban ${IP}`]);
});

Deno.test("ban: sessions of a listener that it does not serve are another instance's", async () => {
  const threads = make({ limit: 1 });
  const opened = { type: "session-opened", session: "s1", ip: IP, role: "mx" } as const;
  await threads.tell({ ...opened, listener: "other:25" });
  await threads.refused("s1", IP, { command: "RCPT", reply: unknown, plugin: "core" });
  assertEquals(threads.counters.names, []);
});

Deno.test("ban: a store that fails is a temporary refusal, not an open door", async () => {
  const threads = make();
  threads.counters.get = () => Promise.reject(new Error("disk"));
  assertEquals((await threads.connect(IP)).reply.code, 421);
  assertEquals((await threads.connect("127.0.0.1")).reply.code, 250);
});

Deno.test("ban: options: what is wrong is said with its place", () => {
  const table: readonly [unknown, RegExp][] = [
    [{ offences: { earlytalk: 1 } }, /earlytalk/],
    [{ offences: { trap: -1 } }, /ban\.offences\.trap/],
    [{ for: "soon" }, /ban\.for: must be a duration/],
    [{ addresses: 1 }, /ban\.addresses: /],
    [{ list: ["10.0.0.0/40"] }, /ban\.list\.0/],
  ];
  for (const [options, message] of table) {
    assertMatch(assertThrows(() => ban.parse(options, ["ban"]), OptionsError).message, message);
  }
});
