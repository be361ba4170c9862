/**
 * Sessions whose plugins asked engines beside the server, played again when these are gone: the verdicts are those of then,
 * and another configuration changes them without anybody being asked.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { jsonOf, linesOf } from "../../cli/replay/report.ts";
import { SILENT_RESOLVER } from "../../core/replay/asking.ts";
import { attempt } from "../../core/replay/attempt.ts";
import { DryHouse } from "../../core/replay/house.ts";
import { enginesOf } from "../../core/engines.ts";
import { parseAddress, SimulatedCounters } from "../../core/pipeline/mod.ts";
import { FakeEngine } from "../support/fake_engine.ts";
import { freePort } from "../support/ports.ts";
import { configIn, RecordedSite, sides, stageOf } from "../support/recordings.ts";
import { SmtpClient } from "../support/smtp_client.ts";

function config(plugins: readonly string[], bodies = true, recipients = "{ bob: maildir, eve: maildir }"): string {
  return `hostname: mx.example.org
domains: [example.org]
listeners: [{ address: "127.0.0.1:0", name: in }]
recordings: { bodies: ${bodies} }
plugins:
${plugins.map((each) => `  - ${each}\n`).join("")}
  - recipients: { accounts: ${recipients} }
  - maildir: { root: ./mail }
`;
}

/** rspamd whose points stand in the subject: it says what they mean, as its own configuration would have it. */
function rspamd(): FakeEngine {
  return new FakeEngine(async (side) => {
    if (!await side.until((heard) => heard.endsWith("\r\n0\r\n\r\n"))) return;
    const score = Number(/^Subject: (-?\d+)\r$/m.exec(side.heard())?.[1] ?? NaN);
    const action = score >= 15 ? "reject" : score >= 6 ? "add header" : "no action";
    const body = JSON.stringify({ action, score, required_score: 15, symbols: { FAKE: { score } } });
    await side.say(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
}
const asking = (port: number, more = "") => `rspamd: { servers: ["http://127.0.0.1:${port}"], networks: []${more} }`;

type Mail = readonly [to: string, subject: string];
/** One session with these messages. */
async function visit(site: RecordedSite, mails: readonly Mail[]): Promise<void> {
  using client = await SmtpClient.connect(site.port);
  await client.reply();
  await client.command("EHLO client.example", 250);
  for (const [to, subject] of mails) {
    await client.command("MAIL FROM:<a@sender.example>", 250);
    await client.command(`RCPT TO:<${to}>`, 250);
    await client.command("DATA", 354);
    await client.send(`From: a@sender.example\r\nSubject: ${subject}\r\n\r\nHello\r\n.\r\n`);
    await client.reply();
  }
  await client.send("QUIT\r\n");
  await client.closed();
}
/** What was recorded, when server and engines are gone. */
async function only(site: RecordedSite) {
  await site.stop();
  const found = await site.read();
  assertEquals(found.length, 1);
  return found[0]!;
}

Deno.test("rspamd is gone: the verdicts are those of then, and other limits change them", async () => {
  const engine = rspamd(), text = config([asking(engine.port)]);
  await using site = await RecordedSite.start(text);
  await visit(site, [["bob@example.org", "20"], ["bob@example.org", "1"], ["eve@example.org", "7"]]);
  const recording = await only(site), { port } = engine;
  await engine[Symbol.asyncDispose]();
  assertEquals(engine.connections, 3);
  assertEquals(recording.told.map(({ by, question, turn }) => [by, question, turn]), [
    ["rspamd", "rspamd checkv2", 0],
    ["rspamd", "rspamd checkv2", 0],
    ["rspamd", "rspamd checkv2", 0],
  ]);

  const same = await stageOf(site.config).replay(recording), { then, now } = sides(recording, same);
  assertEquals(now, then);
  assertEquals([same.changes, same.unsure, same.missing, same.unasked], [[], [], [], []]);

  const changesWith = async (plugins: readonly string[], recipients?: string) => {
    const other = await configIn(site.folder, config(plugins, true, recipients), "other.yaml");
    const { changes, unsure } = await stageOf(other).replay(recording);
    assertEquals(unsure, []);
    return changes.map(({ command, then, now }) => `${command} ${then.reply.slice(0, 3)} ${now?.reply.slice(0, 9)}`);
  };
  assertEquals(await changesWith([asking(port, ", actions: { reject: hold }")]), ["the message 550 250 2.0.0"]);
  assertEquals(await changesWith([asking(port, ', actions: { "add header": reject }')]), ["the message 250 550 5.7.1"]);
  const limits = (
    reject: number,
  ) => [asking(port, ", score: true"), `spam_score: { quarantine: never, reject: ${reject} }`];
  assertEquals(await changesWith(limits(18)), []);
  assertEquals(await changesWith(limits(6)), ["the message 250 550 5.7.1"]);
  assertEquals(await changesWith(limits(40)), ["the message 550 250 2.0.0"]);
  assertEquals( // a message less, and the others still have their own answers
    await changesWith([asking(port)], "{ eve: maildir }"),
    ["RCPT TO:<bob@example.org> 250 550 5.1.1", "RCPT TO:<bob@example.org> 250 550 5.1.1"],
  );
});

Deno.test("spamd and clamd are gone: the verdicts are those of then", async () => {
  const rules = "GTUBE\r\n";
  const spamd = FakeEngine.answering(
    (heard) => heard.endsWith("Hello\r\n"),
    `SPAMD/1.1 0 EX_OK\r\nContent-length: ${rules.length}\r\nSpam: True ; 12.0 / 5.0\r\n\r\n${rules}`,
  );
  const clamd = FakeEngine.answering((heard) => heard.endsWith("\0\0\0\0"), "stream: Eicar-Signature FOUND\0");
  const scanned = (infected: string, reject: string) =>
    config([
      `clamav: { servers: ["${clamd.place}"], infected: ${infected} }`,
      `spamassassin: { servers: ["${spamd.place}"], reject: ${reject} }`,
    ]);
  await using site = await RecordedSite.start(scanned("score", "never"));
  await visit(site, [["bob@example.org", "hello"]]);
  const recording = await only(site),
    places = [scanned("score", "never"), scanned("reject", "never"), scanned("score", "10")];
  await spamd[Symbol.asyncDispose]();
  await clamd[Symbol.asyncDispose]();
  assertEquals([clamd.connections, spamd.connections], [1, 1]);
  assertEquals(recording.told.map(({ question }) => question), ["clamd instream", "spamd symbols"]);
  const replies: string[][] = [];
  for (const text of places) {
    const { changes, unsure } = await stageOf(await configIn(site.folder, text, "other.yaml")).replay(recording);
    assertEquals(unsure, []);
    replies.push(changes.map(({ now }) => now!.reply));
  }
  assertEquals(replies, [
    [],
    ["550 5.7.1 The message contains malware (Eicar-Signature)"],
    ["550 5.7.1 Message looks like spam"],
  ]);
});

Deno.test("an engine that was away then is away in the replay: what that means is the configuration's", async () => {
  const port = freePort();
  await using site = await RecordedSite.start(config([asking(port)]));
  await visit(site, [["bob@example.org", "1"]]);
  const recording = await only(site);
  assertEquals(recording.told.map(({ answer }) => answer), [null]);
  await using _there = new FakeEngine((side) => side.forever(), port);
  const then = await stageOf(site.config).replay(recording);
  assertEquals([then.changes, then.unsure, then.missing], [[], [], []]);
  const open = await configIn(site.folder, config([asking(port, ", unavailable: skip")]), "open.yaml");
  const { changes } = await stageOf(open).replay(recording);
  assertEquals(changes.map(({ then, now }) => [then.reply.slice(0, 9), now!.reply.slice(0, 9)]), [
    ["451 4.3.0", "250 2.0.0"],
  ]);
});

Deno.test("what the recording does not know is nobody's verdict, and what may come of it is told apart", async () => {
  await using engine = rspamd();
  await using site = await RecordedSite.start(config([]));
  await visit(site, [["bob@example.org", "1"], ["eve@example.org", "1"]]);
  const recording = await only(site);
  const scanned = await configIn(site.folder, config([asking(engine.port)], true, "{ bob: maildir }"), "scanned.yaml");
  const replayed = await stageOf(scanned).replay(recording), { changes, unsure, unasked, missing } = replayed;
  assertEquals([unasked, missing], [["rspamd"], ["rspamd checkv2"]]);
  assertEquals(
    changes.map(({ command }) => command),
    ["RCPT TO:<eve@example.org>"],
    "the next message is another matter",
  );
  assertEquals(unsure.map(({ command, now }) => [command, now!.plugin]), [["the message", "rspamd"]]);
  assertMatch(unsure[0]!.now!.reply, /^451 4\.3\.0 /);
  const lines = linesOf(jsonOf("file", recording, replayed));
  assert(lines.includes("  the message, not comparable: rspamd was not asked"), lines.join("\n"));
  assertEquals(lines.at(-1), "  the recording does not know: rspamd checkv2");
  assertEquals(engine.connections, 0, "a replay asked");
});

Deno.test("without bodies nothing of what was heard about them is kept", async () => {
  await using engine = rspamd();
  await using site = await RecordedSite.start(config([asking(engine.port)], false));
  await visit(site, [["bob@example.org", "20"]]);
  const recording = await only(site), [text = ""] = await site.texts();
  assertEquals(engine.connections, 1);
  assertEquals(recording.told, []);
  assert(!text.includes("required_score"), text);
  const { changes, unsure, missing } = await stageOf(site.config).replay(recording);
  assertEquals([changes, unsure, missing], [[], [], []]);
});

Deno.test("a trial asks: it is about a message that nobody has asked about", async () => {
  await using engine = rspamd();
  await using site = await RecordedSite.start(config([asking(engine.port)]));
  await site.stop();
  const listener = site.config.listeners[0]!;
  const engines = (now: () => number) => enginesOf(listener, { config: site.config, now, crowded: () => false });
  const { turns } = await attempt(
    {
      ...{ ip: "203.0.113.9", helo: "client.example", from: null, to: [parseAddress("bob@example.org")!], tls: false },
      ...{ login: null, listener: "in", role: "mx", hostname: "mx.example.org", at: Date.now() },
      content: new TextEncoder().encode("From: a@sender.example\r\nSubject: 20\r\n\r\nHello\r\n"),
    },
    new DryHouse({ config: site.config, listener, engines, scanners: true }),
    { dns: SILENT_RESOLVER, counters: new SimulatedCounters() },
  );
  assertMatch(turns.at(-1)!.reply!, /^550 5\.7\.1 /);
  assertEquals(engine.connections, 1);
});
