/** Hooks against a receiver that fails, hangs and comes back: what it hears, in which order, signed, and what is lost. */
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { reject } from "../../../core/model/reply.ts";
import type { Event } from "../../../core/observe/events.ts";
import { type Hook, HOOK_EVENTS, tidingsOf } from "../../../core/webhooks/hook.ts";
import { keyIn, signatureHeaders } from "../../../core/webhooks/signature.ts";
import { Webhooks, type WebhooksOptions } from "../../../core/webhooks/webhooks.ts";
import { HookReceiver } from "../../support/hook_receiver.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";

const KEY = new Uint8Array(32).fill(7), OTHER = new Uint8Array(24).fill(9);

function hook(url: string, change: Partial<Hook> = {}): Hook {
  return {
    name: "hook",
    url,
    events: HOOK_EVENTS,
    secrets: [KEY],
    timeout: 10_000,
    keep: 10_000,
    expire: 86_400_000,
    ...change,
  };
}
function webhooks(hooks: readonly Hook[], change: Partial<WebhooksOptions> = {}) {
  const told: string[] = [];
  const all = new Webhooks({
    hooks,
    path: ":memory:",
    userAgent: "Postern/test",
    emit: (event) => "message" in event && told.push(`${event.type}: ${event.message}`),
    now: Date.now,
    random: () => 0.5,
    retry: [50],
    ...change,
  });
  return { all, told };
}
const notice = (message: string): Event => ({ type: "notice", where: "test", message });

const DELIVERY = {
  transaction: "01M816MWB0W45X6Q9VJDZ8M01S",
  sender: "a@example.org",
  recipient: "b@example.net",
  identity: "ada",
  relay: "mx.example.net[192.0.2.1]:25",
  delay: 1200,
  attempts: 1,
  status: "2.0.0",
  reply: "250 2.0.0 ok",
  tls: "TLSv1.3 verified",
};

Deno.test("webhooks: what is said of each event, and nothing of what the mail says", () => {
  const told = HOOK_EVENTS.filter((type) => type !== "accepted" && type !== "refused");
  const plain: Event[] = [
    { type: "delivered", ...DELIVERY },
    { type: "deferred", ...DELIVERY, next: Date.UTC(2026, 10, 22) },
    { type: "bounced", ...DELIVERY, expired: true },
    { type: "held", transaction: DELIVERY.transaction, recipient: "b@example.net", reason: "spam" },
    { type: "alert", where: "account_guard", subject: "ada", message: "sends as if stolen" },
    { type: "trouble", where: "disk", message: "full" },
    notice("a certificate was replaced"),
    { type: "audit", by: "ci", ip: "192.0.2.1", action: "retry", subject: "x" },
  ];
  assertEquals(plain.map((event) => tidingsOf(event)?.type), told);
  assertEquals(tidingsOf(plain[1]!)?.data["next"], "2026-11-22T00:00:00.000Z");
  const refused = tidingsOf({
    type: "refused",
    session: "s1",
    transaction: null,
    ip: "192.0.2.1",
    command: "RCPT",
    reply: reject("5.1.1", "No such user"),
    sender: "a@example.org",
    recipients: Array.from({ length: 1000 }, (_, i) => `r${i}@example.org`),
    plugin: "recipients",
    reason: null,
    delayedFrom: null,
  })!;
  assertEquals([(refused.data["to"] as string[]).length, refused.data["recipients"], refused.data["id"]], [
    100,
    1000,
    "s1",
  ]);
  assertEquals(tidingsOf({ type: "session-greeted", session: "s1", verb: "EHLO", helo: "x" }), null);
});

Deno.test("signatures: as the specification's example has it; one for each key", () => {
  const key = keyIn("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")!;
  const signed = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1614265330, body: '{"test": 2432232314}' };
  assertEquals(signatureHeaders(signed, [key])["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  const two = signatureHeaders(signed, [OTHER, key])["webhook-signature"]!.split(" ");
  assertEquals([two.length, two[1]], [2, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]);
  for (const bad of ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", `whsec_${"A".repeat(200)}`]) {
    assertEquals(keyIn(bad), null, bad);
  }
});

Deno.test("webhooks: in order, each once, signed with every key; only what was asked for", async () => {
  await using receiver = HookReceiver.start(OTHER);
  const { all, told } = webhooks([hook(receiver.url, { events: ["notice"], secrets: [KEY, OTHER] })]);
  for (let i = 0; i < 50; i++) {
    all.observe(notice(`event ${i}`));
    all.observe({ type: "alert", where: "x", subject: "y", message: "z" });
  }
  await waitFor("all events", () => receiver.heard.length >= 50);
  assertEquals(receiver.heard.map(({ data }) => data["message"]), Array.from({ length: 50 }, (_, i) => `event ${i}`));
  assert(receiver.heard.every(({ genuine, id }) => genuine && /^msg_[0-9A-Z]{26}$/.test(id)));
  assertEquals(new Set(receiver.heard.map(({ id }) => id)).size, 50);
  await waitFor("its state", () => all.states()[0]!.waiting === 0);
  const [{ url, fault, dropped } = { url: "", fault: "", dropped: -1 }] = all.states();
  assertEquals([url, fault, dropped], [`http://127.0.0.1:${receiver.port}`, null, 0]);
  await all.close();
  assertEquals(told, []);
});

Deno.test("webhooks: a receiver that fails, redirects, hangs and is away is tried again, and told of once", async () => {
  await using elsewhere = HookReceiver.start(KEY);
  for (
    const [answer, says] of [
      [new Response(null, { status: 500 }), "answered 500"],
      [new Response(null, { status: 302, headers: { location: elsewhere.url } }), "answered 302"],
      [null, "no answer in 2 s"],
    ] as const
  ) {
    await using receiver = HookReceiver.start(KEY);
    receiver.answer = answer;
    const { all, told } = webhooks([hook(receiver.url, { timeout: answer === null ? 2000 : 10_000 })]);
    all.observe(notice("first"));
    all.observe(notice("second"));
    await waitFor("a second attempt", () => receiver.requests >= 2, { deadline: 30_000 });
    assertStringIncludes(all.states()[0]!.fault ?? "", says);
    receiver.answer = new Response(null, { status: 204 });
    await waitFor("both events", () => receiver.heard.length === 2, { deadline: 30_000 });
    assertEquals(receiver.heard.map(({ data }) => data["message"]), ["first", "second"]);
    await waitFor("peace", () => told.length === 2);
    assertEquals(told.map((line) => line.replace(/:\d+:/, ":PORT:")), [
      `trouble: the hook hook takes no events: http://127.0.0.1:PORT: ${says}`,
      "notice: the hook hook takes events again",
    ]);
    await all.close();
  }
  assertEquals(elsewhere.requests, 0);
});

Deno.test("webhooks: what waits is told after the next start, and after a change of the configuration", async () => {
  await using temp = await TempFolder.make();
  await using receiver = HookReceiver.start(KEY);
  const { url } = receiver, path = temp.at("webhooks.db");
  await receiver.leave();
  const first = webhooks([hook(url), hook("http://127.0.0.1:1/", { name: "old" })], { path });
  for (let i = 0; i < 20; i++) first.all.observe(notice(`event ${i}`));
  await waitFor("a fault", () => first.all.states()[0]!.fault !== null, { deadline: 30_000 });
  await first.all.close();
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  receiver.comeBack();
  const second = webhooks([hook(url)], { path });
  await waitFor("all events", () => receiver.heard.length >= 20);
  assertEquals(receiver.heard.map(({ data }) => data["message"]), Array.from({ length: 20 }, (_, i) => `event ${i}`));
  assertMatch(second.told[0]!, /^notice: 20 events waited for hooks that are not in the configuration any more$/);
  await second.all.change([hook(url, { events: ["alert"] })]);
  second.all.observe(notice("not wanted any more"));
  second.all.observe({ type: "alert", where: "x", subject: "y", message: "wanted" });
  await waitFor("the alert", () => receiver.heard.length === 21);
  assertEquals(receiver.heard[20]!.type, "alert");
  await second.all.close();
});

Deno.test("webhooks: who is behind loses what comes then, which is counted, and is told how much", async () => {
  await using receiver = HookReceiver.start(KEY);
  receiver.answer = new Response(null, { status: 503 });
  const { all, told } = webhooks([hook(receiver.url, { keep: 5 })]);
  for (let i = 0; i < 12; i++) all.observe(notice(`event ${i}`));
  assertEquals([all.states()[0]!.waiting, all.states()[0]!.dropped], [5, 7]);
  receiver.answer = new Response();
  await waitFor("those that fit", () => receiver.heard.length === 5, { deadline: 30_000 });
  await waitFor("room", () => all.states()[0]!.waiting === 0);
  all.observe(notice("later"));
  await waitFor("the rest", () => receiver.heard.length === 7, { deadline: 30_000 });
  assertEquals(receiver.heard.slice(5).map(({ type, data }) => [type, data["events"] ?? data["message"]]), [
    ["dropped", 7],
    ["notice", "later"],
  ]);
  assertEquals(told.filter((line) => line.includes("is behind")).length, 1);
  await all.close();
});

Deno.test("webhooks: old events are no news, and 410 ends it", async () => {
  await using receiver = HookReceiver.start(KEY);
  let now = Date.now();
  receiver.answer = new Response(null, { status: 503 });
  const { all } = webhooks([hook(receiver.url, { expire: 60_000 })], { now: () => now });
  all.observe(notice("old"));
  await waitFor("a first attempt", () => receiver.requests > 0);
  now += 61_000;
  receiver.answer = new Response(null, { status: 410 });
  all.observe(notice("new"));
  await waitFor("410", () => all.states()[0]!.fault?.includes("410"), { deadline: 30_000 });
  assertEquals([all.states()[0]!.dropped, receiver.heard.length], [1, 0]);
  const { requests } = receiver;
  all.observe(notice("newer"));
  await waitFor("it to wait", () => all.states()[0]!.waiting === 3); // with word of what was lost
  await all.close();
  assertEquals(receiver.requests, requests);
});

Deno.test("webhooks: its own troubles are no news to it, and without a hook there is no file", async () => {
  await using temp = await TempFolder.make();
  await using receiver = HookReceiver.start(KEY);
  const { all } = webhooks([], { path: temp.at("none.db") });
  all.observe(notice("nobody"));
  await all.close();
  assertEquals(await Deno.stat(temp.at("none.db")).then(() => true, () => false), false);
  const one = webhooks([hook(receiver.url)]);
  one.all.observe({ type: "trouble", where: "webhooks", message: "of itself" });
  one.all.observe(notice("of others"));
  await waitFor("one", () => receiver.heard.length === 1);
  assertEquals(receiver.heard[0]!.data["message"], "of others");
  await one.all.close();
});

Deno.test("webhooks: while the file takes no writing what was heard is not said again, and the next one comes after it", async () => {
  await using temp = await TempFolder.make();
  await using receiver = HookReceiver.start(KEY);
  const path = temp.at("webhooks.db");
  receiver.answer = new Response(null, { status: 500 });
  const { all, told } = webhooks([hook(receiver.url)], { path });
  all.observe(notice("first"));
  all.observe(notice("second"));
  await waitFor("an attempt", () => receiver.requests >= 1);
  const other = new DatabaseSync(path);
  await waitFor("the file to be held by another", () => {
    try {
      other.exec("BEGIN IMMEDIATE");
      return true;
    } catch {
      return false;
    }
  });
  receiver.answer = new Response();
  await waitFor("the first", () => receiver.heard.length === 1);
  const before = receiver.requests;
  await waitFor("the word about the file", () => /the file of what waits: .*locked/.test(all.states()[0]!.fault ?? ""));
  assert(all.states()[0]!.delivered !== null);
  other.exec("ROLLBACK");
  other.close();
  await waitFor("the second", () => all.states()[0]!.waiting === 0);
  assertEquals(receiver.heard.map(({ data }) => data["message"]), ["first", "second"]);
  assertEquals(receiver.requests, before + 1);
  assertEquals(told.at(-1), "notice: the hook hook takes events again");
  await all.close();
});

Deno.test("webhooks: a file that is damaged goes aside, one that cannot be had is memory: events are told all the same", async () => {
  await using temp = await TempFolder.make();
  await using receiver = HookReceiver.start(KEY);
  const whole = temp.at("whole.db"), away = hook("http://127.0.0.1:1/", { timeout: 2000 });
  const before = webhooks([away], { path: whole, retry: [60_000] });
  for (let i = 0; i < 200; i++) before.all.observe(notice(`${i} ${"x".repeat(200)}`));
  await before.all.close();
  const holed = await Deno.readFile(whole);
  holed.fill(0xff, 8192, holed.length - 4096);
  await Deno.writeFile(temp.at("holed.db"), holed);
  await Deno.writeTextFile(temp.at("garbage.db"), "no database at all\n".repeat(500));
  await Deno.mkdir(temp.at("folder.db"));
  for (const [name, says] of [["holed", "set aside"], ["garbage", "set aside"], ["folder", "in memory"]] as const) {
    const { all, told } = webhooks([hook(receiver.url)], { path: temp.at(`${name}.db`) });
    assertStringIncludes(told[0] ?? "", says, name);
    all.observe(notice(name));
    await waitFor(`the event of ${name}`, () => receiver.heard.some(({ data }) => data["message"] === name));
    await all.close();
  }
  const aside = [...Deno.readDirSync(temp.path)].filter((each) => each.name.includes(".corrupt-"));
  assertEquals(aside.length, 2);
});
