/**
 * Reports from end to end: what a client asked of the server (RFC 3461), what other hosts said, what its sender reads in the
 * end, by readers of other people (report_parsers.ts). Non-job: each field of a report (tests/unit/dsn), other people's
 * servers (relay_*_test.ts).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { defer, reject, type Reply } from "../../core/model/reply.ts";
import type { Asking } from "../../core/smtp/events.ts";
import { octets } from "../support/bytes.ts";
import { Clock, CLOCK_MISSING } from "../support/clock.ts";
import { programOf, testUnless } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { waitFor } from "../support/wait.ts";
import { type Site, World } from "../support/world.ts";
import { bounceParser, defects, pythonEmail } from "./report_parsers.ts";

const MISSING = [...NAME_SERVERS, "python3" as const].filter((each) => programOf(each) === null).join(", ") ||
  CLOCK_MISSING;
const HAS_PARSER = programOf("perl") !== null &&
  new Deno.Command("perl", { args: ["-MMail::DeliveryStatus::BounceParser", "-e1"], stderr: "null" }).outputSync()
    .success;

/** What the hosts say: names of recipients decide. */
function moods(event: Asking): Reply | undefined {
  if (event.type !== "rcpt") return undefined;
  const { local } = event.address;
  if (local.startsWith("no")) return reject("5.1.1", "No such user here");
  if (local.startsWith("full")) return defer("4.2.2", "The mailbox is full", { code: 452 });
  return undefined;
}

const DSN = "dsn.peers.example", OLD = "old.peers.example", STRICT = "strict.peers.example";

testUnless(MISSING, "Reports, from what was asked to what the sender reads", async (t) => {
  await using world = await World.make();
  await using clock = await Clock.make();
  await using dsn = await MailHost.open({ ...world.place(1), answer: moods });
  await using old = await MailHost.open({ ...world.place(2), answer: moods, hide: ["DSN", "SMTPUTF8", "DELIVERBY"] });
  await using strict = await MailHost.open({
    ...world.place(3),
    answer: (event) => event.type === "message" ? reject("5.7.1", "We do not want this\r\n250 OK really") : undefined,
  });
  const names = ["dsn", "old", "strict"].map((name, index) =>
    `${name} MX 10 mx.${name}\nmx.${name} A ${world.ip(index + 1)}`
  );
  await using _names = await world.nameServers({ "peers.example": { records: names.join("\n") } });
  const root = JSON.stringify(world.folder.path);
  await using site = await world.start({
    env: clock.env,
    retry: "5m",
    delivery: "  expire: 10m\n  delayNotice: 1m\n",
    plugins: `  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { me: maildir, postmaster: maildir }, aliases: { team: [me, postmaster], away: "you@${DSN}" } }
  - maildir: { root: ${root} }`,
  });
  const slow = await site.submit("<me@home.example> ENVID=slow", [`<full@${DSN}>`], letter("slow"));

  await t.step("a recipient is refused: its sender gets one report about it alone", async () => {
    const id = await site.submit(
      "<me@home.example> ENVID=two+2Bone",
      [`<nobody@${DSN}>`, `<you@${DSN}>`],
      letter("rcpt"),
    );
    const report = octets(await site.letter("me", "Original-Envelope-Id: two+one"));
    const { from, to, report: type, auto, whole } = await pythonEmail(report);
    assertEquals([from, to, type, auto, defects(whole)], [
      "Mail Delivery System <MAILER-DAEMON@mx.home.example>",
      "me@home.example",
      "delivery-status",
      "auto-replied",
      [],
    ]);
    const [about, nobody, ...more] = whole.parts![1]!.groups!;
    assertEquals([field(about, "Reporting-MTA"), more.length], ["dns; mx.home.example", 0]);
    assertEquals([field(nobody, "Final-Recipient"), field(nobody, "Action"), field(nobody, "Status")], [
      `rfc822; nobody@${DSN}`,
      "failed",
      "5.1.1",
    ]);
    assertEquals(field(nobody, "Remote-MTA"), `dns; mx.${DSN}`);
    assertMatch(field(nobody, "Diagnostic-Code"), /^smtp; 550 5\.1\.1 No such user here$/);
    if (HAS_PARSER) {
      assertEquals(await bounceParser(report), [
        "bounce=1 id=<rcpt@home.example>",
        `nobody@${DSN}|user_unknown|550|dns; mx.${DSN}|5.1.1|failed`,
      ]);
    }
    assertEquals((await site.attempt("delivered", id)).recipient, `you@${DSN}`);
  });
  await t.step("the content is refused: what the host said stays one field", async () => {
    await site.submit("<me@home.example> RET=HDRS", [`<a@${STRICT}>`, `<b@${STRICT}>`], letter("dot"));
    const { whole } = await pythonEmail(octets(await site.letter("me", "<dot@home.example>")));
    const [, a, b, ...more] = whole.parts![1]!.groups!;
    assertEquals([more.length, defects(whole)], [0, []]);
    for (const [group, name] of [[a, "a"], [b, "b"]] as const) {
      assertEquals(field(group, "Final-Recipient"), `rfc822; ${name}@${STRICT}`);
      assertMatch(field(group, "Diagnostic-Code"), /^smtp; 550 5\.7\.1 We do not want this 250 OK really$/);
    }
    assertEquals(whole.parts![2]!.type, "text/rfc822-headers");
    assertEquals(strict.taken, []);
  });
  await t.step("success, asked for: a host without DSN takes it, and we tell (relayed)", async () => {
    await site.submit("<me@home.example> ENVID=old", [`<you@${OLD}> NOTIFY=SUCCESS ORCPT=rfc822;alias@home.example`]);
    const { whole } = await pythonEmail(
      octets(await site.letter("me", "Original-Envelope-Id: old", "Action: relayed")),
    );
    const [, you] = whole.parts![1]!.groups!;
    assertEquals([field(you, "Status")[0], field(you, "Original-Recipient")], ["2", "rfc822; alias@home.example"]);
    const [{ parameters, recipients } = {} as never] = old.of(`you@${OLD}`);
    assertEquals([parameters.envid, recipients[0]!.notify, recipients[0]!.orcpt], [null, null, null]);
  });
  await t.step(
    "case 26: a host with DSN gets all that was asked, 500 characters of ORCPT too, and tells itself",
    async () => {
      const orcpt = `rfc822;${"x+2B".repeat(120)}@home.example`.slice(0, 500);
      const from = "<me@home.example> RET=HDRS ENVID=QQ+3D314159";
      const id = await site.submit(
        from,
        [`<passed@${DSN}> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=${orcpt}`],
        letter("passed"),
      );
      await site.attempt("delivered", id);
      const [{ parameters, recipients } = {} as never] = dsn.of(`passed@${DSN}`);
      assertEquals([parameters.ret, parameters.envid, orcpt.length], ["HDRS", "QQ+3D314159", 500]);
      assertEquals([...recipients[0]!.notify!].sort(), ["DELAY", "FAILURE", "SUCCESS"]);
      assertEquals(recipients[0]!.orcpt, orcpt);
      await emptied(site, slow);
      assertEquals((await site.letters("me")).filter((text) => text.includes("<passed@home.example>")), []);
    },
  );
  await t.step(
    "an alias of one passes all on, an alias of several is told of as expanded (RFC 3461 5.2.7)",
    async () => {
      await site.submit("<me@home.example> ENVID=away", ["<away@home.example> NOTIFY=SUCCESS"], letter("away"));
      const [{ parameters, recipients }] = await waitFor("the alias of one", () => {
        const found = dsn.of(`you@${DSN}`).filter(({ text }) => text.includes("<away@home.example>"));
        return found.length > 0 && [found[0]!] as const;
      });
      assertEquals([parameters.envid, recipients[0]!.notify], ["away", ["SUCCESS"]]);
      const from = `<boss@${DSN}> ENVID=team RET=HDRS`;
      await site.submit(from, ["<team@home.example> NOTIFY=SUCCESS,FAILURE"], letter("team"));
      const report = await waitFor("the report", () => dsn.of(`boss@${DSN}`)[0]);
      assertEquals(report.sender, "");
      const { whole } = await pythonEmail(report.content);
      const groups = whole.parts![1]!.groups!;
      assertEquals(groups.slice(1).map((each) => `${field(each, "Final-Recipient")} ${field(each, "Action")}`), [
        "rfc822; team@home.example expanded",
      ]);
      await site.letter("me", "<team@home.example>");
      await site.letter("postmaster", "<team@home.example>");
    },
  );
  await t.step("a sender elsewhere gets his report by the same way as any mail", async () => {
    await site.submit(`<remote@${DSN}> ENVID=far`, [`<nobody@${OLD}>`], letter("far"));
    const [report] = await waitFor("the report", () => dsn.of(`remote@${DSN}`).length > 0 && dsn.of(`remote@${DSN}`));
    assertEquals([report!.sender, report!.recipients.length], ["", 1]);
    assertMatch(report!.text, /^Original-Envelope-Id: far\r$/m);
    assertMatch(report!.text, /^Message-ID: <far@home\.example>\r$/m);
  });
  await t.step("case 80: NOTIFY=NEVER: nobody is told anything", async () => {
    const id = await site.submit("<me@home.example>", [`<nobody@${DSN}> NOTIFY=NEVER`], letter("never"));
    await site.attempt("bounced", id);
    await emptied(site, slow);
    assertEquals((await site.letters("me")).filter((text) => text.includes("<never@home.example>")), []);
    assertEquals((await site.letters("postmaster")).filter((text) => text.includes("<never@home.example>")), []);
  });
  await t.step("case 80: mail from nobody that fails is the postmaster's; so is a sender who is not here", async () => {
    await site.submit("<>", [`<nobody@${DSN}>`], letter("null"));
    await site.letter("postmaster", "<null@home.example>", "Action: failed");
    await site.submit("<ghost@home.example>", [`<nobody@${DSN}>`], letter("ghost"));
    await site.letter("postmaster", "<ghost@home.example>", "Action: failed");
    await site.submit(`<nobody@${DSN}>`, [`<nobody@${OLD}>`], letter("double"));
    const double = await site.letter("postmaster", "<double@home.example>", "Action: failed");
    assertMatch(double, /^Return-Path: <>\r$/m);
  });
  await t.step("case 80: RET=FULL returns all up to a size, RET=HDRS the header", async () => {
    const secret = "a line of the content";
    await site.submit("<me@home.example> RET=FULL", [`<nobody@${DSN}>`], letter("full", secret));
    assert((await site.letter("me", "<full@home.example>")).includes(secret));
    await site.submit("<me@home.example> RET=HDRS", [`<nobody@${DSN}>`], letter("hdrs", secret));
    assert(!(await site.letter("me", "<hdrs@home.example>")).includes(secret));
    await site.submit("<me@home.example> RET=FULL", [`<nobody@${DSN}>`], letter("big", `${secret}\n`.repeat(4000)));
    const big = await site.letter("me", "<big@home.example>");
    assert(!big.includes(secret) && big.length < 10_000, `${big.length} octets`);
  });
  await t.step(
    "case 66: an address or a header in UTF-8, and a host that takes none: reported as RFC 6533 has it",
    async () => {
      const named = [`<почта@${OLD}>`, `<ascii@${DSN}>`];
      const id = await site.submit("<me@home.example> SMTPUTF8 BODY=8BITMIME", named, letter("utf8"));
      const { status, recipient } = await site.attempt("bounced", id);
      assertEquals([status, recipient], ["5.6.7", `почта@${OLD}`]);
      const report = octets(await site.letter("me", "<utf8@home.example>", "Action: failed"));
      const { whole } = await pythonEmail(report);
      assertEquals(whole.parts![1]!.type, "message/global-delivery-status");
      assertMatch(new TextDecoder().decode(report), /^Final-Recipient: utf-8; почта@old\.peers\.example\r$/m);
      assertEquals((await site.attempt("delivered", id)).recipient, `ascii@${DSN}`);

      const headed = await site.submit(
        "<me@home.example> SMTPUTF8",
        [`<you@${OLD}>`, `<you@${DSN}>`],
        letter("Привет"),
      );
      assertEquals((await site.attempt("bounced", headed)).status, "5.6.9");
      await site.attempt("delivered", headed);
      assertEquals(dsn.taken.at(-1)!.parameters.smtputf8, true);
      assertEquals(old.asked.filter((each) => each.includes("почта")), []);
    },
  );
  await t.step("BY=2;N: told when its moment has passed, and tried on (RFC 2852 4)", async () => {
    await site.submit("<me@home.example> BY=2;N", [`<full2@${OLD}>`], letter("by"));
    const { whole } = await pythonEmail(octets(await site.letter("me", "<by@home.example>", "Action: delayed")));
    const [, full] = whole.parts![1]!.groups!;
    assertEquals([field(full, "Status")[0], defects(whole)], ["4", []]);
  });
  await t.step("a message that waits: told of the delay, then returned", async () => {
    /** Sets the clock and has the server look at it. */
    const later = async (offset: string, what: string, condition: () => boolean | Promise<boolean>) => {
      await clock.set(offset);
      await waitFor(what, async () => {
        await site.submit("<me@home.example>", [`<kick@${DSN}>`]);
        return await condition();
      }, { every: 200, deadline: 20_000 });
    };
    const reports = async () =>
      (await site.letters("me")).filter((text) => text.includes("Original-Envelope-Id: slow"));
    assertEquals([site.attempts(slow).length, await reports()], [1, []]);
    await later("+2m", "the notice of delay", async () => (await reports()).length === 1);
    const [delay] = await reports();
    const first = await pythonEmail(octets(delay!));
    const [, waiting] = first.whole.parts![1]!.groups!;
    assertEquals([field(waiting, "Action"), field(waiting, "Status"), defects(first.whole)], ["delayed", "4.2.2", []]);
    assertMatch(field(waiting, "Will-Retry-Until"), /\d\d:\d\d:\d\d/);
    await later("+12m", "the end", () => site.attempts(slow).some(({ event }) => event === "bounced"));
    const bounced = await site.attempt("bounced", slow);
    assertEquals([bounced.expired, bounced.status], [true, "4.2.2"]);
    const last = await pythonEmail(octets(await site.letter("me", "Original-Envelope-Id: slow", "Action: failed")));
    const [, failed] = last.whole.parts![1]!.groups!;
    assertEquals([field(failed, "Status")[2], defects(last.whole)], ["2", []]);
    assertEquals((await reports()).length, 2);
  });
});

function letter(name: string, text = "Hello"): string {
  return `From: me@home.example\nSubject: ${name}\nMessage-ID: <${name}@home.example>\n\n${text}\n`;
}

function field(group: readonly (readonly [string, string])[] | undefined, name: string): string {
  return group?.find(([each]) => each === name)?.[1] ?? "";
}

/** Nothing waits but this. */
async function emptied(site: Site, slow: string): Promise<void> {
  await waitFor("an empty queue", async () => (await site.server.api.queue()).items.every(({ id }) => id === slow));
}
