/** Questions about recipients: who is asked, what counts as an answer, and that every question ends. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { TempFolder } from "../../support/temp.ts";
import { type HandmadePeer, HandmadeServer, MailSink } from "../../support/mail_sink.ts";
import { waitFor, within } from "../../support/wait.ts";
import { AskingSite } from "./questions.ts";

const zone = (...hosts: readonly string[]) => ({
  "example.net": { mx: hosts.map((host, i): readonly [number, string] => [10 * (i + 1), host]) },
  "mx1.example.net": { a: ["127.0.0.1"] },
  "mx2.example.net": { a: ["127.0.0.2"] },
});

/** Says these things to the question, and to RSET; then leaves. */
async function speak(peer: HandmadePeer, { mail = "250 OK", rcpt = "250 OK" }): Promise<void> {
  peer.say("220 mx1.example.net");
  await peer.answer("EHLO", "250 mx1.example.net");
  for (;;) {
    if (await peer.answer("MAIL", mail) === null) return;
    if (mail.startsWith("2")) await peer.answer("RCPT", rcpt);
    await peer.answer("RSET", "250 OK");
  }
}

Deno.test("the hosts of a domain are asked, over one connection, and get no message", async () => {
  await using sink = await MailSink.open();
  await using site = new AskingSite({ zone: zone("mx1.example.net"), port: sink.port });
  for (let i = 0; i < 5; i++) {
    const [to, reply] = i % 2 === 0
      ? ["a", "250 2.1.5 Recipient OK (said mx1.example.net)"]
      : ["nobody", "550 5.1.1 No such user (said mx1.example.net)"];
    assertEquals(await site.ask(`${to}@example.net`), reply);
    await waitFor("the connection to be back", () => site.pool.idle === 1, { every: 1 });
  }
  assertEquals([sink.connections, sink.messages.length], [1, 0]);
});

Deno.test("next hops are asked, LMTP too, and the next host when one is not there", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("lmtp");
  await using sink = await MailSink.open();
  await using local = await MailSink.open({ path, engine: { lmtp: true } });
  await using site = new AskingSite({
    hops: { two: ["smtp://127.0.0.1:1", `smtp://127.0.0.1:${sink.port}`], dovecot: [`lmtp+unix://${path}`] },
  });
  assertMatch(await site.ask("a@example.org", { via: "two" }), /^250 2\.1\.5 .*\(said \[127\.0\.0\.1\]\)$/);
  assertMatch(await site.ask("no@example.org", { via: "dovecot" }), /^550 5\.1\.1 .*\(said \//);
  assertEquals([sink.messages.length, local.messages.length], [0, 0]);
});

Deno.test("where no mail server is on the way, nobody is asked; where there is no way, it is for later", async () => {
  const rule = { senders: null, via: null, plugin: null, reason: null } as const;
  await using site = new AskingSite({
    zone: { "null.example": { mx: [[0, ""]] }, "broken.example": "servfail" },
    hops: { hook: ["http://127.0.0.1:1/mail"] },
    rules: [
      { ...rule, domains: ["held.example"], to: "hold", reason: "asked for" },
      { ...rule, domains: ["gone.example"], to: "discard" },
      { ...rule, domains: ["here.example"], to: "local", plugin: "maildir" },
    ],
  });
  const table: readonly (readonly [to: string, via: string | undefined, reply: RegExp])[] = [
    ["a@held.example", undefined, /^252 2\.0\.0 /],
    ["a@gone.example", undefined, /^252 2\.0\.0 /],
    ["a@here.example", undefined, /^252 2\.0\.0 /],
    ["a@example.net", "hook", /^252 2\.0\.0 /],
    ["a@example.net", "nobody", /^451 4\.4\.4 there is no next hop "nobody"/],
    // What a domain is is for others to judge: a question about a recipient was not answered
    ["a@null.example", undefined, /^451 4\.4\./],
    ["a@broken.example", undefined, /^451 4\.4\./],
    ["a@nowhere.example", undefined, /^451 4\.4\./],
  ];
  for (const [to, via, reply] of table) assertMatch(await site.ask(to, via === undefined ? {} : { via }), reply, to);
  await using shut = new AskingSite({ leaves: false });
  assertMatch(await shut.ask("a@example.net"), /^451 4\.4\.4 mail does not leave this machine/);
});

Deno.test("only what a host says of the recipient is an answer", async () => {
  const name = "(said mx1.example.net)";
  const table: readonly (readonly [said: { mail?: string; rcpt?: string }, reply: string | RegExp])[] = [
    [{}, `250 2.0.0 OK ${name}`],
    [{ rcpt: "251 2.1.5 will forward" }, `250 2.1.5 will forward ${name}`],
    [{ rcpt: "550 nobody" }, `550 5.0.0 nobody ${name}`],
    [{ rcpt: "551 5.1.6 moved" }, `551 5.1.6 moved ${name}`],
    [{ rcpt: "552-5.2.2 full\r\n552 5.2.2 up" }, `552 5.2.2 full up ${name}`],
    [{ rcpt: "554 5.7.1 not from you" }, `554 5.7.1 not from you ${name}`],
    [{ rcpt: "571 5.7.1 no" }, `571 5.7.1 no ${name}`],
    [{ rcpt: "450 4.2.0 come again" }, `450 4.2.0 come again ${name}`],
    [{ rcpt: "452 4.5.3 too many" }, `452 4.5.3 too many ${name}`],
    [{ rcpt: "552 5.5.3 too many" }, `451 4.5.3 too many ${name}`],
    [{ rcpt: `550 5.1.1 ${"x".repeat(400)}` }, `550 5.1.1 ${"x".repeat(300)} ${name}`],
    [{ rcpt: "503 5.5.1 MAIL first" }, /^451 4\.4\.0 MAIL first/],
    [{ rcpt: "530 5.7.0 log in" }, /^451 4\.4\.0 log in/],
    [{ rcpt: "421 4.3.2 going" }, /^451 4\.4\.0 going/],
    [{ rcpt: "354 go" }, /^451 4\.4\.0 The server broke the protocol/],
    [{ mail: "550 5.7.1 no bounces here" }, /^451 4\.4\.0 no bounces here/],
    [{ mail: "451 4.7.1 come again" }, /^451 4\.4\.0 come again/],
    [{ mail: "hello" }, /^451 4\.4\.0 The server broke the protocol/],
  ];
  for (const [said, expected] of table) {
    await using server = await HandmadeServer.open((peer) => speak(peer, said));
    await using site = new AskingSite({ zone: zone("mx1.example.net"), port: server.port });
    const reply = await within("an answer", site.ask("a@example.net"), 10_000);
    if (typeof expected === "string") assertEquals(reply, expected);
    else assertMatch(reply, expected);
  }
});

Deno.test("the second host is asked when the first has no final word, and its word counts", async () => {
  await using first = await HandmadeServer.open((peer) => speak(peer, { rcpt: "450 4.2.1 later" }));
  await using second = await HandmadeServer.open((peer) => speak(peer, { rcpt: "550 5.1.1 nobody" }), {
    host: "127.0.0.2",
    port: first.port,
  });
  await using site = new AskingSite({ zone: zone("mx1.example.net", "mx2.example.net"), port: first.port });
  assertEquals(await site.ask("a@example.net"), "550 5.1.1 nobody (said mx2.example.net)");
  assertEquals([first.connections, second.connections], [1, 1]);
});

Deno.test("REQUIRETLS: a name is told to no host that the message would not go to", async () => {
  let asked = false;
  await using server = await HandmadeServer.open(async (peer) => {
    peer.say("220 mx1.example.net");
    await peer.answer("EHLO", "250 mx1.example.net");
    asked = await peer.hear("RCPT") !== null;
  });
  await using site = new AskingSite({ zone: zone("mx1.example.net"), port: server.port });
  assertMatch(await site.ask("a@example.net", { parameters: { requireTls: true } }), /^451 4\.4\./);
  assertEquals(asked, false);
});

Deno.test("a connection that died while nobody looked is no answer: another one is", async () => {
  await using server = await HandmadeServer.open(async (peer, index) => {
    peer.say("220 mx1.example.net");
    await peer.answer("EHLO", "250 mx1.example.net");
    for (let i = 0; i < 1 || index > 0; i++) {
      if (await peer.answer("MAIL", "250 OK") === null) return;
      await peer.answer("RCPT", "250 OK");
      await peer.answer("RSET", "250 OK");
    }
    await peer.hear("MAIL");
    peer.socket.destroy();
  });
  await using site = new AskingSite({ zone: zone("mx1.example.net"), port: server.port });
  assertMatch(await site.ask("a@example.net"), /^250 /);
  await waitFor("the connection to be back", () => site.pool.idle === 1, { every: 1 });
  assertMatch(await site.ask("b@example.net"), /^250 /);
  assertEquals(server.connections, 2);
});

const SILENT_AT: Readonly<Record<string, (peer: HandmadePeer) => unknown>> = {
  "the greeting": () => {},
  "EHLO": (peer) => peer.say("220 mx1.example.net"),
  "RCPT": (peer) => (peer.say("220 mx1.example.net"), peer.answer("EHLO", "250 x"), peer.answer("MAIL", "250 OK")),
};
for (const [step, behaviour] of Object.entries(SILENT_AT)) {
  Deno.test(`a host that is silent at ${step}: no answer in time, or as soon as nobody waits; the connection goes`, async () => {
    let left = 0;
    await using server = await HandmadeServer.open(async (peer) => {
      behaviour(peer);
      await waitFor("the client to leave", () => peer.ended, { deadline: 20_000 });
      left++;
    });
    const options = { zone: zone("mx1.example.net"), port: server.port };
    await using hasty = new AskingSite({ ...options, limits: { timeout: 100 } });
    assertEquals(
      await within("an answer", hasty.ask("a@example.net"), 5000),
      "451 4.4.1 No server answered in time",
    );
    await using patient = new AskingSite(options);
    const leaving = new AbortController();
    const answer = patient.ask("a@example.net", { signal: leaving.signal });
    await waitFor("the second connection", () => server.connections === 2);
    leaving.abort();
    assertEquals(await within("an answer", answer, 1000), "451 4.4.1 No server answered in time");
    assertMatch(await patient.ask("a@example.net", { signal: leaving.signal }), /^451 4\.4\.1 /);
    await waitFor("the connections to be closed", () => left === 2);
  });
}

Deno.test("hosts that ask each other in a circle get no further than the bound, and all of it ends", async () => {
  // Each question makes the peer ask the same again before it answers
  let deepest = 0, sites: AskingSite | null = null;
  await using server = await HandmadeServer.open(async (peer, index) => {
    deepest = Math.max(deepest, index);
    peer.say("220 mx1.example.net");
    await peer.answer("EHLO", "250 x");
    await peer.answer("MAIL", "250 OK");
    if (await peer.hear("RCPT") === null) return;
    peer.say(await sites!.ask("a@example.net"));
  });
  await using site = sites = new AskingSite({
    zone: zone("mx1.example.net"),
    port: server.port,
    limits: { atOnce: 7 },
  });
  assertMatch(await within("an answer", site.ask("a@example.net"), 10_000), /^451 4\.4\.5 /);
  assertEquals(deepest, 6);
  assert(server.connections <= 7);
});
