/**
 * What a SIGKILL leaves: who passed the greylist, who is banned, what is held for a person. Each is looked at as soon as the
 * server has promised it, with nothing in between. Non-job: the mail itself (tests/crash), bans of networks (strangers_test.ts).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { Clock, CLOCK_MISSING } from "../support/clock.ts";
import { testUnless } from "../support/debian.ts";
import { InboundSite } from "../support/inbound_site.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const PLUGINS = `  - ban: { limit: 3, addresses: false }
  - relay
  - recipients: { accounts: { me: inbox }, aliases: { away: carol@far.example } }
  - greylist: { delay: 1s, exempt: [me+now@home.example, away@home.example] }
  - headers
  - spam_score: { quarantine: 6, reject: 2000 }
  - inbox`;
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const message = (subject: string, text: string) =>
  `From: Amy <amy@good.example>\nTo: me@home.example\nSubject: ${subject}\nDate: Mon, 02 Mar 2026 03:04:05 +0000\nMessage-ID: <1@good.example>\n\n${text}\n`;
const AMY = { ip: "192.0.2.1", from: "amy@good.example", to: "me@home.example" };

/** What MAIL and RCPT are answered. */
async function rcpt(site: InboundSite, { ip, from, to }: typeof AMY): Promise<string> {
  using client = await site.client(ip);
  await client.command(`MAIL FROM:<${from}>`, 250);
  return (await client.command(`RCPT TO:<${to}>`)).raw;
}
async function greeting(site: InboundSite, ip: string): Promise<string> {
  using client = await SmtpClient.connect(site.port);
  await client.send(`PROXY TCP4 ${ip} 192.0.2.255 40000 25\r\n`);
  return (await client.reply()).raw;
}

Deno.test("after a SIGKILL: who passed the greylist is known, the banned are banned, what is held can be released", async (t) => {
  await using site = await InboundSite.start({ plugins: PLUGINS });
  await t.step("a client that came again", async () => {
    assertMatch(await rcpt(site, AMY), /^451 4\.7\.1 /);
    await waitFor("its turn", async () => (await rcpt(site, AMY)).startsWith("250 "), { every: 200, deadline: 30_000 });
    await site.take({ ...AMY, message: message("hello", "Hello") });
    await site.server.kill();
    await site.begin();
    assertMatch(await rcpt(site, AMY), /^250 /);
    assertMatch(await rcpt(site, { ...AMY, from: "bob@other.example" }), /^451 4\.7\.1 /);
    await site.inbox("Subject: hello");
  });
  await t.step("a client that guessed", async () => {
    const guesser = "198.51.100.9";
    using client = await site.client(guesser);
    await client.command("MAIL FROM:<x@spam.example>", 250);
    for (let n = 0; n < 3; n++) await client.command(`RCPT TO:<nobody${n}@home.example>`, 550);
    await site.logged("alert", ({ where, subject }) => where === "ban" && subject === guesser);
    await site.server.kill();
    await site.begin();
    assertMatch(await greeting(site, guesser), /^421 \S+ has misbehaved here/);
    assertMatch(await greeting(site, "198.51.100.10"), /^220 /);
  });
  await t.step("a message that is held", async () => {
    const id = await site.take({ ...AMY, to: "me+now@home.example", message: message("win", GTUBE) });
    await site.server.kill();
    await site.begin();
    const listed = JSON.parse((await site.run("quarantine", "list", "--json")).out) as { items: { id: string }[] };
    assertEquals(listed.items.map((each) => each.id), [id]);
    assertEquals((await site.run("quarantine", "release", id)).code, 0);
    await site.inbox("Subject: win");
    await site.server.kill();
    await site.begin();
    assertEquals((await site.server.api.queue()).total, 0);
    assertEquals((await site.server.api.messages()).map(({ subject }) => subject).sort(), ["hello", "win"]);
  });
});

testUnless(CLOCK_MISSING, "the quarantine ends by itself, what a person holds does not", async () => {
  await using clock = await Clock.make();
  await using site = await InboundSite.start({
    plugins: PLUGINS,
    rest: "quarantine: { keep: 10d }",
    env: clock.env,
  });
  const first = await site.take({ ...AMY, to: "me+now@home.example", message: message("first", GTUBE) });
  const second = await site.take({ ...AMY, to: "away@home.example", message: message("second", "Hello") });
  assertEquals((await site.run("queue", "hold", second)).code, 0);
  await site.server.stop();
  await clock.set("+9d");
  await site.begin();
  assertEquals((await site.server.api.queue()).total, 2);
  await site.server.stop();
  await clock.set("+11d");
  await site.begin();
  const notice = await site.logged("notice", ({ where }) => where === "quarantine");
  assertMatch(String(notice["message"]), new RegExp(`^${first} was held too long and is gone$`));
  assertEquals((await site.server.api.queue()).items.map(({ id }) => id), [second]);
});
