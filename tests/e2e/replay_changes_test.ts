/** What a replay finds: verdicts that another configuration changes, and nothing that only follows from them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemoryResolver } from "../../core/dns/memory_resolver.ts";
import { parseRecording } from "../../core/replay/format.ts";
import type { Recording } from "../../core/replay/recording.ts";
import { configIn, RecordedSite, sides, stageOf } from "../support/recordings.ts";
import { SmtpClient } from "../support/smtp_client.ts";

const ZONE = { "forged.example": { txt: ["v=spf1 -all"] }, "good.example": { txt: ["v=spf1 +all"] } };

/** A configuration with these plugins in front of a Maildir. */
function config(plugins: string, rest = "", listeners = ""): string {
  return `hostname: mx.example.org
domains: [example.org]
listeners: [{ address: "127.0.0.1:0", name: in, xclient: ["127.0.0.1"] }${listeners}]
recordings: { bodies: true }
${rest}
plugins:
${plugins}
  - recipients: { accounts: { bob: maildir, eve: maildir } }
  - maildir: { root: ./mail }
`;
}

/** Records what `talk` says, against `text`. */
async function recorded(
  site: RecordedSite,
  talk: (client: SmtpClient) => Promise<unknown>,
  port = site.port,
): Promise<void> {
  using client = await SmtpClient.connect(port);
  await client.reply();
  if (port === site.port) await client.command("XCLIENT ADDR=203.0.113.9", 220); // its own network is nobody's stranger
  await talk(client);
  await client.closed();
}

const PIPELINED = (sender: string, to: readonly string[]) => async (client: SmtpClient) => {
  await client.command("EHLO client.example", 250);
  await client.send(`MAIL FROM:<${sender}>\r\n${to.map((each) => `RCPT TO:<${each}>\r\n`).join("")}DATA\r\n`);
  const replies = [];
  for (let count = to.length + 2; count > 0; count--) replies.push(await client.reply());
  if (replies.at(-1)!.code === 354) {
    await client.send("From: a@good.example\r\nSubject: hello\r\n\r\nHello\r\n.\r\nQUIT\r\n");
    await client.reply();
  } else await client.send("QUIT\r\n");
};

async function only(site: RecordedSite): Promise<Recording> {
  await site.stop();
  const found = await site.read();
  assertEquals(found.length, 1);
  return found[0]!;
}

Deno.test("a plugin that refuses now changes one verdict, and what follows from it is not told again", async () => {
  await using site = await RecordedSite.start(config("  - spf"), {
    resolver: new MemoryResolver(ZONE),
  });
  await recorded(site, PIPELINED("a@forged.example", ["bob@example.org"]));
  const recording = await only(site);
  assertEquals(recording.known.map(({ question }) => question), ["TXT forged.example"]);
  const strict = await configIn(site.folder, config("  - spf: { fail: reject, temperror: defer }"), "strict.yaml");
  const { changes, missing } = await stageOf(strict).replay(recording);
  assertEquals(changes.map(({ command }) => command), ["RCPT TO:<bob@example.org>"]);
  assertMatch(changes[0]!.then.reply, /^250 2\.1\.5 /);
  assertMatch(changes[0]!.now!.reply, /^550 5\.7\.23 /);
  assertEquals(changes[0]!.now!.plugin, "spf");
  assertEquals(missing, []);
});

Deno.test("what a recording does not know of name service is a failure that is told, or asked", async () => {
  await using site = await RecordedSite.start(config(""));
  await recorded(site, PIPELINED("a@forged.example", ["bob@example.org"]));
  const recording = await only(site);
  const strict = await configIn(site.folder, config("  - spf: { fail: reject, temperror: defer }"), "strict.yaml");
  const silent = await stageOf(strict).replay(recording);
  assertEquals(silent.missing, ["TXT forged.example"]);
  assert(silent.changes.every(({ now }) => now!.reply.startsWith("4")), JSON.stringify(silent.changes));
  const live = await stageOf(strict, new MemoryResolver(ZONE)).replay(recording);
  assertMatch(live.changes[0]!.now!.reply, /^550 5\.7\.23 /);
});

Deno.test("a recipient that is refused now, and one that is taken now", async () => {
  await using site = await RecordedSite.start(config(""));
  await recorded(site, PIPELINED("a@good.example", ["bob@example.org", "carol@example.org"]));
  const recording = await only(site);
  const other = config("").replace("bob: maildir, eve", "carol: maildir, eve");
  const { changes } = await stageOf(await configIn(site.folder, other, "other.yaml")).replay(recording);
  assertEquals(changes.map(({ command, then, now }) => [command, then.reply.slice(0, 9), now!.reply.slice(0, 9)]), [
    ["RCPT TO:<bob@example.org>", "250 2.1.5", "550 5.1.1"],
    ["RCPT TO:<carol@example.org>", "550 5.1.1", "250 2.1.5"],
  ]);
});

Deno.test("a message that is lost now does not stand in the way of those behind it", async () => {
  await using site = await RecordedSite.start(config(""));
  await recorded(site, async (client) => {
    await client.command("EHLO client.example", 250);
    for (const to of ["bob", "eve", "bob", "eve"]) {
      await client.command("MAIL FROM:<a@good.example>", 250);
      await client.command(`RCPT TO:<${to}@example.org>`, 250);
      await client.command("DATA", 354);
      await client.send("From: a@good.example\r\n\r\nHello\r\n.\r\n");
      await client.reply();
    }
    await client.send("QUIT\r\n");
  });
  const recording = await only(site), other = config("").replace("{ bob: maildir, eve", "{ eve");
  const replayed = await stageOf(await configIn(site.folder, other, "other.yaml")).replay(recording);
  assertEquals(replayed.changes.map(({ command }) => command), [
    "RCPT TO:<bob@example.org>",
    "RCPT TO:<bob@example.org>",
  ]);
  assertEquals(replayed.left, null);
  const accepted = sides(recording, replayed).now.filter((said) => said.startsWith("250 2.0.0"));
  assertEquals(accepted.length, 2, "the messages to eve");
});

Deno.test("counters are those of then: greylisting and rates answer as they did, each time", async () => {
  const plugins = "  - rate_limit: { messagesPerIp: 2/1h }\n  - greylist: { delay: 1s, exempt: [] }";
  await using site = await RecordedSite.start(config(plugins));
  for (let count = 0; count < 4; count++) await recorded(site, PIPELINED("a@good.example", ["bob@example.org"]));
  await site.stop();
  const stage = stageOf(site.config);
  for (const recording of await site.read()) {
    const { then, now } = sides(recording, await stage.replay(recording));
    assertEquals(now, then);
  }
});

Deno.test("LMTP, BDAT and pipelining are answered as they were", async () => {
  const lmtp = `, { address: "127.0.0.1:0", role: lmtp, name: local }`;
  await using site = await RecordedSite.start(config("", "", lmtp));
  await recorded(site, async (client) => {
    await client.command("LHLO client.example", 250);
    await client.send(
      "MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<eve@example.org>\r\nRCPT TO:<no@example.org>\r\n",
    );
    for (let count = 4; count > 0; count--) await client.reply();
    await client.send("BDAT 12\r\nSubject: x\r\nBDAT 9 LAST\r\n\r\nhello\r\nNOOP\r\nQUIT\r\n");
    for (let count = 4; count > 0; count--) await client.reply();
  }, site.portOf(1));
  await recorded(site, async (client) => {
    await client.command("EHLO client.example", 250);
    await client.send(
      "BDAT 4\r\nabcdMAIL FROM:<a@good.example>\r\nRCPT TO:<bob@example.org>\r\nBDAT 0 LAST\r\nQUIT\r\n",
    );
  });
  await site.stop();
  const recordings = await site.read(), stage = stageOf(site.config);
  assertEquals(recordings.map(({ role }) => role), ["lmtp", "mx"]);
  for (const recording of recordings) {
    const { then, now } = sides(recording, await stage.replay(recording));
    assertEquals(now, then);
  }
});

Deno.test("without contents, what is decided on them is what it was, and the size still counts", async () => {
  await using site = await RecordedSite.start(config("").replace("bodies: true", "bodies: false"));
  await recorded(site, async (client) => {
    await client.command("EHLO client.example", 250);
    await client.begin({ from: "a@good.example", to: ["bob@example.org"] });
    await client.send(`Subject: a secret of ours\r\n\r\n${"x".repeat(70)}\r\n`.repeat(2000) + ".\r\nQUIT\r\n");
    await client.reply();
  });
  await site.stop();
  const [text = ""] = await site.texts(), recording = parseRecording(text);
  assert(!text.includes("secret"));
  assert(text.length < 4000, `${text.length} octets`);
  const headers = await configIn(site.folder, config("  - headers: { missingFrom: reject }"), "headers.yaml");
  assertEquals((await stageOf(headers).replay(recording)).changes, []);
  const small = await configIn(site.folder, config("", "limits: { messageSize: 64KiB }"), "small.yaml");
  const { changes } = await stageOf(small).replay(recording);
  assertEquals(changes.map(({ command, now }) => [command, now!.reply.slice(0, 9)]), [["the message", "552 5.3.4"]]);
});

Deno.test("a milter is not asked, and verdicts on contents are told to be unsure", async () => {
  await using site = await RecordedSite.start(config(""));
  await recorded(site, PIPELINED("a@good.example", ["bob@example.org"]));
  const recording = await only(site);
  // Nobody listens there: whoever asked would defer the message
  const milter = '  - milter: { connect: "tcp://127.0.0.1:1" }\n  - headers: { missingDate: reject }';
  const filtered = await configIn(site.folder, config(milter), "filtered.yaml");
  const { changes, unsure, unasked } = await stageOf(filtered).replay(recording);
  assertEquals([changes, unasked], [[], ["milter"]]);
  assertEquals(unsure.map(({ now }) => now!.plugin), ["headers"]);
});

Deno.test("sessions that are not meant are not recorded", async () => {
  const rest = (which: string) => config("").replace("{ bodies: true }", which);
  for (const which of ["{ networks: [192.0.2.0/24] }", "{ listeners: [other] }"]) {
    const other = which.includes("other") ? `, { address: "127.0.0.1:0", name: other }` : "";
    await using site = await RecordedSite.start(rest(which).replace(" }]", ` }${other}]`));
    await recorded(site, PIPELINED("a@good.example", ["bob@example.org"]));
    await site.stop();
    assertEquals(await site.texts(), []);
  }
});
