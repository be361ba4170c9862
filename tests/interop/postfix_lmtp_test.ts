/**
 * Postfix in front delivers by LMTP over a socket file: the permissions let it in, each recipient has a fate of its own,
 * and what arrives is what was sent.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { addedOnly, dotStuffed, join, latin1, mail, octets } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { Postfix, POSTFIX_MISSING } from "../support/postfix.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const MESSAGE = mail(`From: A <a@client.example>
To: Box <box@local.example>
Subject: by LMTP
Date: Mon, 01 Jan 2024 00:00:00 +0000
Message-ID: <lmtp@client.example>

.
..two dots
the end
`);

async function start(folder: TempFolder, mode: string) {
  await Deno.chmod(folder.path, 0o755); // Postfix's client is another user
  const socket = folder.at("lmtp.sock"), flag = folder.at("full");
  const moody = await folder.file(
    "moody.ts",
    `import { defer } from "postern";
export default { name: "moody", handlers: { queue(ctx, next) {
  try { Deno.statSync(${JSON.stringify(flag)}); } catch { return next(); }
  for (const each of ctx.recipients) {
    if (each.address.local === "other") ctx.refuse(each, defer("4.2.2", "Mailbox full", { code: 452 }));
  }
  return next();
} } };`,
  );
  const server = await Server.start({
    config: `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners:
  - { address: "127.0.0.1:2525" }
  - { address: "unix:${socket}", role: lmtp, mode: "${mode}" }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins:
  - relay
  - recipients: { accounts: { box: inbox, other: inbox } }
  - ${moody}
  - inbox
`,
  });
  const postfix = await Postfix.start(`default_transport = lmtp:unix:${socket}`).catch(async (error) => {
    await server[Symbol.asyncDispose]();
    throw error;
  });
  return { server, postfix, socket, flag };
}

async function send(port: number, to: readonly string[]): Promise<void> {
  using client = await SmtpClient.connect(port);
  await client.expect(220);
  await client.command("EHLO client.example", 250);
  await client.command("MAIL FROM:<a@client.example>", 250);
  for (const each of to) await client.command(`RCPT TO:<${each}@local.example>`, 250);
  await client.command("DATA", 354);
  await client.send(join(dotStuffed(MESSAGE), octets(".\r\n")));
  await client.expect(250);
  await client.command("QUIT", 221);
}

testUnless(
  POSTFIX_MISSING,
  "RFC 2033: Postfix delivers over a socket file; one recipient of three is full, one unknown, and each is told so",
  async () => {
    await using folder = await TempFolder.make("postern-interop-");
    const { server, postfix, flag } = await start(folder, "0666");
    await using _ = server;
    await using __ = postfix;
    await Deno.writeTextFile(flag, "");
    await send(postfix.port, ["box", "nobody", "other"]);
    assertMatch(await postfix.fateOf("box@local.example", "sent"), /250 2\.0\.0 queued as \w{26}/);
    assertMatch(await postfix.fateOf("nobody@local.example", "bounced"), /550 5\.1\.1 /);
    assertMatch(await postfix.fateOf("other@local.example", "deferred"), /452 4\.2\.2 Mailbox full/);
    assertEquals((await server.api.queue()).total, 0, "what was refused is the client's to repeat");
    const first = await server.api.messages();
    assertEquals(first.map(({ to }) => to), [["box@local.example"]]);
    const raw = (await server.api.raw(first[0]!.id))!;
    assertEquals(addedOnly(raw, MESSAGE), null);
    assertMatch(
      latin1(raw),
      /^Return-Path: <a@client\.example>\r\nReceived: from front\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.local\.example \(Postern\) with (UTF8)?LMTP id/,
    );
    await Deno.remove(flag);
    await postfix.flush();
    await postfix.fateOf("other@local.example", "sent");
    const all = (await server.api.messages()).flatMap(({ to }) => to);
    assertEquals(all.toSorted(), ["box@local.example", "other@local.example"], "each once");
  },
);

testUnless(POSTFIX_MISSING, "whom the permissions of the socket file keep out is kept out", async () => {
  await using folder = await TempFolder.make("postern-interop-");
  const { server, postfix, socket } = await start(folder, "0600");
  await using _ = server;
  await using __ = postfix;
  await send(postfix.port, ["box"]);
  assertStringIncludes(await postfix.fateOf("box@local.example", "deferred"), "Permission denied");
  await Deno.chmod(socket, 0o666);
  await postfix.flush();
  await postfix.fateOf("box@local.example", "sent");
  await waitFor("the message", async () => (await server.api.messages()).length === 1);
});
