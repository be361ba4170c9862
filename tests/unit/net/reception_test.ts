/** What observers are told of refusals: a real pipeline asked by a reception, and the log that comes of it. */
import { assertEquals } from "@std/assert";
import { defer, firstOf, on, type Plugin, reject } from "postern";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import type { Reply } from "../../../core/model/reply.ts";
import { Reception } from "../../../core/net/reception.ts";
import type { Event } from "../../../core/observe/events.ts";
import { openLog } from "../../../core/observe/log.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { SimulatedCounters } from "../../../core/pipeline/testing/simulation.ts";

/** One session: EHLO, MAIL and a RCPT for each of `to`; what the log wrote about its refusals, as text and as JSON. */
async function refusals(plugins: readonly Plugin[], to: readonly string[]) {
  const events: Event[] = [];
  const reception = new Reception({ ip: "192.0.2.1", port: 4000, tls: null, identity: null }, {
    pipeline: new Pipeline(plugins, { role: "mx" }),
    services: {
      host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
      dns: undefined as never,
      counters: new SimulatedCounters(),
      now: () => Date.UTC(2026, 0, 1),
      emit: (event) => void events.push(event),
    },
    role: "mx",
    listener: "test",
    hops: 100,
    recipients: 100,
    hideClient: false,
    mechanisms: new Map(),
    bindingOffered: false,
    passwords: { matches: () => Promise.resolve(false) },
    logins: {
      lockout: {
        before: () => Promise.resolve({ delay: 0 }),
        failed: () => Promise.resolve({ delay: 0 }),
        succeeded: () => Promise.resolve(),
        abandoned: () => Promise.resolve(),
      },
      pseudonym: () => "somebody",
      sleep: () => Promise.resolve(),
    },
    receive: () => {
      throw new Error("no content comes");
    },
    commit: () => Promise.resolve(null),
    storeRefusal: () => defer("4.3.0", "no store"),
    overload: () => null,
  });
  await reception.ask({ type: "connect", asks: true });
  await reception.ask({ type: "helo", asks: true, verb: "EHLO", name: "client.example" });
  const sender = { local: "a", domain: "example.net" };
  await reception.ask({ type: "mail", asks: true, sender, parameters: NO_MAIL_PARAMETERS });
  const replies: string[] = [];
  for (const local of to) {
    const address = { local, domain: "example.org" };
    const reply = await reception.ask({ type: "rcpt", asks: true, address, parameters: NO_RCPT_PARAMETERS });
    replies.push(String(reply as Reply));
  }
  reception.refused("BDAT", reject("5.5.2", "Say BDAT size"));
  const lines: Record<"text" | "json", string[]> = { text: [], json: [] };
  for (const format of ["text", "json"] as const) {
    let text = "";
    const write = (bytes: Uint8Array) => Promise.resolve((text += new TextDecoder().decode(bytes), bytes.length));
    const log = openLog({ level: "info", format }, { write });
    for (const event of events) log.observe(event);
    await log.close();
    lines[format] = text.split("\n").filter((line) => line.includes("refused"));
  }
  const facts = lines.json.map((line) => JSON.parse(line)).map(({ plugin, delayedFrom, reason }) =>
    [plugin, delayedFrom, reason].map((each) => each ?? "-").join(" | ")
  );
  return { replies, facts, by: lines.text.map((line) => / by=.*? from/.exec(line)?.[0].slice(1, -5) ?? "nobody") };
}

const NO = reject("5.7.1", "No", { reason: "policy" });
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "gone" }), next()), { name: "everyone" });

Deno.test("a delayed refusal is logged with its plugin and its phase, and the engine's own with nobody's", async () => {
  for (const phase of ["connect", "helo", "mail"] as const) {
    const { facts, by } = await refusals([on(phase, () => NO, { name: "rate_limit" }), everyone], ["b"]);
    assertEquals(facts, [`rate_limit | ${phase} | policy`, "- | - | -"]);
    assertEquals(by, [`by=rate_limit phase=${phase} reason=policy`, "nobody"]);
  }
});

Deno.test("two plugins with one reply between them: each refusal names its own", async () => {
  const only = (local: string) =>
    on("rcpt", (ctx, next) => ctx.recipient.address.local === local ? NO : next(), { name: `not-${local}` });
  const { facts } = await refusals([only("x"), firstOf(only("y"))], ["x", "y", "x", "z"]);
  assertEquals(facts.slice(0, 4).map((each) => each.split(" | ")[0]), ["not-x", "not-y", "not-x", "core"]);
});

Deno.test("errors, loops and stores that are not there: the plugin, and what the reply does not say", async () => {
  const broken = on("rcpt", (ctx, next) => {
    if (ctx.recipient.address.local === "broken") throw new Error("no directory");
    if (ctx.recipient.address.local.startsWith("loop")) {
      const local = ctx.recipient.address.local === "loop1" ? "loop2" : "loop1";
      ctx.expand([{ local, domain: "example.org" }]);
    }
    return next();
  }, { name: "names" });
  const { facts, replies } = await refusals([broken, everyone], ["broken", "loop1", "b"]);
  assertEquals(replies.map((each) => each.slice(0, 9)), ["451 4.3.0", "550 5.4.6", "451 4.3.0"]);
  assertEquals(facts.slice(0, 3), [
    "names | - | no directory",
    "names | - | alias loop: loop1@example.org -> loop2@example.org -> loop1@example.org",
    'core | - | no plugin named "gone" stores mail here',
  ]);
});
