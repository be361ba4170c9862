/** From what became of a message to what its sender has in his mailbox: who is told, where that goes, what it says. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { type MailParameters, NO_MAIL_PARAMETERS, type Notify } from "../../../core/model/envelope.ts";
import { accept, defer, reject } from "../../../core/model/reply.ts";
import type { RcptContext } from "../../../core/pipeline/mod.ts";
import type { NewMessage } from "../../../core/store/store.ts";
import { type Says, TalkingHost } from "../../support/talking_host.ts";
import { address } from "../store/messages.ts";
import { Site, siteConfig } from "./site.ts";
import { DAY, HOUR, MINUTE } from "./stored.ts";

const ZONE: MemoryZone = {
  "y.example": { mx: [[10, "mx.y.example"]] },
  "mx.y.example": { a: ["127.0.0.1"] },
  "far.example": { mx: [[10, "mx.far.example"]] },
  "mx.far.example": { a: ["127.0.0.2"] },
};
const PM = "postmaster: pm@example.org";

interface World extends AsyncDisposable {
  readonly site: Site;
  /** Where mail goes. */
  readonly mx: TalkingHost;
  /** Where far senders have their mail. */
  readonly far: TalkingHost;
}
/** People who are here: alice, pm, and those of the list team. */
function here(ctx: RcptContext): void {
  const { local, domain } = ctx.recipient.address;
  if (local === "c") ctx.route({ to: "remote" }); // of the team
  if (domain !== "example.org") return;
  if (local === "team") {
    ctx.expand([address("alice@example.org"), address("bob@example.org"), address("c@far.example")]);
  } else if (["alice", "bob", "pm"].includes(local)) ctx.route({ to: "local", plugin: "box" });
}
async function world(
  { more = "", others = "", offers, says = NOBODY }: {
    more?: string;
    others?: string;
    offers?: readonly string[];
    says?: Says;
  } = {},
): Promise<World> {
  const mx = await TalkingHost.open({ says, ...offers && { offers } });
  const far = await TalkingHost.open({ host: "127.0.0.2", port: mx.port, offers: ["DSN", "8BITMIME"] });
  const config = await siteConfig(`port: ${mx.port}${more === "" ? "" : `, ${more}`}`, others);
  const site = new Site({ config, zone: ZONE, ...others.includes("postmaster") && { postmaster: "pm@example.org" } });
  site.rcpt = here;
  return {
    site,
    mx,
    far,
    async [Symbol.asyncDispose]() {
      for (const each of [site, mx, far]) await each[Symbol.asyncDispose]();
    },
  };
}
const NOBODY: Says = (step, line) => step === "rcpt" && line.includes("no@") ? "550 5.1.1 nobody" : undefined;

const mail = (more: Partial<MailParameters>) => ({ parameters: { ...NO_MAIL_PARAMETERS, ...more } });
/** To these, with NOTIFY. */
async function send(
  { site }: World,
  to: readonly string[],
  { notify = null, ...more }: { notify?: readonly Notify[] | null } & Partial<NewMessage> = {},
): Promise<NewMessage> {
  const base = site.rows(to, more, { notify, orcpt: null });
  return await site.put({ ...more, recipients: base }, new TextEncoder().encode("Subject: hello\r\n\r\nthe text\r\n"));
}
/** "alice: failed" for each report that was stored. */
const told = ({ site }: World) =>
  site.stored.map(({ to, text }) => {
    const [own] = text.split("Content-Description: Your message"); // what is behind it is returned
    return `${to}: ${[...own!.matchAll(/^Action: (\w+)/gm)].map((each) => each[1])}`;
  });

// ---- Where a report goes ---------------------------------------------------------------------------------------------------

Deno.test("a sender who is here has it in his mailbox, from nobody, with what happened", async () => {
  await using it = await world();
  const { id } = await send(it, ["no@y.example", "x@y.example"], { sender: address("alice@example.org") });
  await it.site.until([]);
  assertEquals(told(it), ["alice: failed"]);
  const { text } = it.site.stored[0]!;
  assertMatch(text, /^Return-Path: <>\r\n/);
  assertMatch(text, /^Auto-Submitted: auto-replied\r\n/m);
  assertMatch(text, /^Final-Recipient: rfc822; no@y\.example\r\nAction: failed\r\nStatus: 5\.1\.1\r\n/m);
  assertMatch(text, new RegExp(`^Final-Log-ID: ${id}`, "m"));
  assert(!text.includes("x@y.example"), "who got it is not named");
  assertEquals(it.mx.contents.length, 1);
});

Deno.test("a sender that is an alias: all of its members are told, those elsewhere too", async () => {
  await using it = await world();
  await send(it, ["no@y.example"], { sender: address("team@example.org") });
  await it.site.until([]);
  assertEquals(told(it).sort(), ["alice,bob: failed"]);
  assertEquals(it.far.heard("MAIL").map((line) => line.split(" ")[1]), ["FROM:<>"]);
  assertEquals(it.far.heard("RCPT").map((line) => line.split(" ")[1]), ["TO:<c@far.example>"]);
});

Deno.test("case 80: a sender elsewhere is written to from <>, though our rules let strangers relay nothing", async () => {
  await using it = await world();
  await send(it, ["no@y.example"], { sender: address("carol@far.example") });
  await it.site.until([]);
  assertEquals(it.far.heard("MAIL").map((line) => line.split(" ")[1]), ["FROM:<>"]);
  assertMatch(it.far.contents[0]!, /Content-Type: multipart\/report; report-type=delivery-status/);
  it.site.rcpt = () => reject("5.7.1", "Relaying denied");
  await send(it, ["no@y.example"], { sender: address("carol@far.example") });
  await it.site.until([]);
  assertEquals(it.far.contents.length, 2);
});

Deno.test("case 80: a sender whom nobody here knows: the postmaster is told once, and of a delay nobody", async () => {
  await using it = await world({ others: PM, more: "delayNotice: 1h" });
  await send(it, ["no@y.example"], { sender: address("ghost@example.org") });
  await it.site.until([]);
  assertEquals(told(it), ["pm: failed"]);
  it.mx.says = (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined;
  await send(it, ["slow@y.example"], { sender: address("ghost@example.org") });
  for (let looks = 0; looks < 8; looks++) {
    await it.site.quiet();
    it.site.pass((await it.site.store.nextDue({ now: it.site.now }))! - it.site.now);
  }
  assertEquals(told(it), ["pm: failed"]);
});

Deno.test("case 80: without a postmaster, or with doubleBounce drop, it ends there", async () => {
  for (const options of [{}, { others: PM, more: "doubleBounce: drop" }]) {
    await using it = await world(options);
    await send(it, ["no@y.example"], { sender: address("ghost@example.org") });
    await send(it, ["no@y.example"], { sender: null });
    await it.site.until([]);
    assertEquals(told(it), []);
  }
});

Deno.test("case 80: a report that cannot be delivered goes to the postmaster, one to the postmaster to nobody", async () => {
  await using it = await world({ others: PM });
  it.far.says = (step) => step === "rcpt" ? "550 5.1.1 nobody" : undefined;
  await send(it, ["no@y.example"], { sender: address("carol@far.example") });
  await it.site.until([]);
  assertEquals([told(it), it.far.heard("RCPT").length], [["pm: failed"], 1]);
  it.site.storage = () => reject("5.2.1", "Mailbox closed");
  await send(it, ["no@y.example"], { sender: address("carol@far.example") });
  await it.site.until([]);
  assertEquals(told(it), ["pm: failed"]);
  assertEquals(it.site.bounced().at(-1), "pm@example.org 550 5.2.1 Mailbox closed");
});

Deno.test("nobody can say now where the sender is: nothing is lost, and it is asked again by the schedule", async () => {
  await using it = await world();
  it.site.rcpt = () => defer("4.3.0", "The directory is down");
  await send(it, ["no@y.example"], { sender: address("alice@example.org") });
  await it.site.until(["deferred 1"]);
  assertMatch(it.site.troubles()[0]!, /has to wait: nobody can say now where its sender is: 451 4\.3\.0/);
  it.site.rcpt = here;
  it.site.pass(MINUTE);
  await it.site.until([]);
  assertEquals(told(it), ["alice: failed"]);
});

Deno.test("a plugin that says yes to everybody without a route: its answer is no way", async () => {
  await using it = await world();
  it.site.rcpt = () => accept();
  await send(it, ["no@y.example"], { sender: address("alice@example.org") });
  await it.site.until(["deferred 1"]);
  assertEquals(told(it), []);
});

// ---- Who wants to know ---------------------------------------------------------------------------------------------------

Deno.test("RFC 3461 4.1: NOTIFY, through to the mailbox", async (t) => {
  const grey: Says = (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined;
  const table: readonly [
    notify: readonly Notify[] | null,
    offers: readonly string[],
    failed: string[],
    taken: string[],
    late: string[],
  ][] = [
    [null, [], ["alice: failed"], [], ["alice: delayed"]],
    [["NEVER"], [], [], [], []],
    [["FAILURE"], [], ["alice: failed"], [], []],
    [["DELAY"], [], [], [], ["alice: delayed"]],
    [["SUCCESS"], [], [], ["alice: relayed"], []],
    [["SUCCESS"], ["DSN"], [], [], []], // who takes it tells of it                                   RFC 3461 5.2.2
    [["SUCCESS", "FAILURE", "DELAY"], [], ["alice: failed"], ["alice: relayed"], ["alice: delayed"]],
  ];
  for (const [notify, offers, failed, taken, late] of table) {
    await t.step(`${notify ?? "nothing"}${offers.length > 0 ? " to a peer with DSN" : ""}`, async () => {
      for (const [to, says, expected] of [["no", NOBODY, failed], ["x", NOBODY, taken], ["x", grey, late]] as const) {
        await using it = await world({ offers, says, more: "delayNotice: 3h" });
        await send(it, [`${to}@y.example`], { notify, sender: address("alice@example.org") });
        await it.site.quiet();
        for (let looks = 0; looks < 9 && says === grey; looks++) {
          it.site.pass((await it.site.store.nextDue({ now: it.site.now }))! - it.site.now);
          await it.site.quiet();
        }
        assertEquals(told(it), [...expected]);
        if (offers.length === 0 || notify === null) continue;
        assertMatch(it.mx.heard("RCPT")[0]!, new RegExp(`NOTIFY=${notify.join(",")}`));
      }
    });
  }
});

Deno.test("a local copy that was asked about is reported as delivered", async () => {
  await using it = await world();
  const recipients = (it.site.rows(["bob@example.org"], {}, { notify: ["SUCCESS"], orcpt: null })).map((each) => (
    { ...each, route: { to: "local", plugin: "box" } as const, destination: "local:box" }
  ));
  await it.site.put({ recipients });
  await it.site.until([]);
  assertEquals(told(it), ["bob: ", "alice: delivered"]);
});

Deno.test("RFC 3461 6.1: several that failed at once stand in one report, and each that fails later in its own", async () => {
  await using it = await world({
    says: (step, line) => step === "rcpt" ? line.includes("no") ? "550 5.1.1 nobody" : "450 4.2.0 grey" : undefined,
  });
  await send(it, ["no1@y.example", "no2@y.example", "slow@y.example"], { sender: address("alice@example.org") });
  await it.site.quiet();
  assertEquals(told(it), ["alice: failed,failed"]);
  it.mx.says = (step) => step === "rcpt" ? "550 5.2.1 closed" : undefined;
  it.site.pass(MINUTE);
  await it.site.until([]);
  assertEquals(told(it), ["alice: failed,failed", "alice: failed"]);
});

Deno.test("what expired says so, with the last word of the server (RFC 3464 2.3)", async () => {
  await using it = await world({ more: "expire: 2h", says: (step) => step === "rcpt" ? "450 4.2.2 full" : undefined });
  await send(it, ["x@y.example"], { sender: address("alice@example.org") });
  for (let looks = 0; looks < 20 && it.site.stored.length === 0; looks++) {
    await it.site.quiet();
    const due = await it.site.store.nextDue({ now: it.site.now });
    if (due !== null) it.site.pass(due - it.site.now);
  }
  assertEquals(told(it), ["alice: failed"]);
  assertMatch(it.site.stored[0]!.text, /^Status: 4\.2\.2\r\n/m);
  assertMatch(it.site.stored[0]!.text, /^Diagnostic-Code: smtp; 450 4\.2\.2 full\r\n/m);
  assert(it.site.now >= 2 * HOUR);
});

Deno.test("RFC 8689 5: a report about REQUIRETLS asks for it too, and its content stays here", async () => {
  await using it = await world({ others: PM });
  await send(it, ["no@y.example"], { sender: address("carol@far.example"), ...mail({ requireTls: true }) });
  await it.site.until([]);
  // Nobody vouches for either host: neither the message nor the report is said to anybody
  assertEquals([it.mx.connections, it.far.connections], [0, 0]);
  assertEquals(told(it), ["pm: failed"]);
  assert(!it.site.stored[0]!.text.includes("the text"), "not the message itself");
});

Deno.test("mail that waits for its hour is not late before it (RFC 4865)", async () => {
  await using it = await world({
    more: "delayNotice: 1h, expire: 1d",
    says: (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined,
  });
  const hour = it.site.now + 3 * DAY;
  await send(it, ["x@y.example"], { sender: address("alice@example.org"), ...mail({ holdUntil: hour }) });
  await it.site.quiet();
  it.site.pass(3 * DAY - 1);
  await it.site.quiet();
  assertEquals([told(it), it.mx.connections], [[], 0]);
  it.site.pass(1);
  await it.site.quiet();
  assertEquals([told(it), it.mx.connections], [[], 1]);
});
