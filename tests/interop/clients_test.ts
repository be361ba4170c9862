/**
 * Real clients deliver into the inbox, read back through the HTTP interface, and into a Maildir that a real Dovecot then
 * serves over IMAP. What arrives is what was sent, octet for octet, behind the trace fields.
 */
import { assertEquals } from "@std/assert";
import { addedOnly, join, mail, octets, withLf } from "../support/bytes.ts";
import { BOX, DIR, mixedConfig } from "../support/configs.ts";
import { testWith } from "../support/debian.ts";
import { Dovecot } from "../support/dovecot.ts";
import { imapFetchAll } from "../support/imap.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { type Client, CLIENTS, type Delivery } from "./clients.ts";

/** Dots where they hurt, the longest line that RFC 5322 allows, UTF-8, blank lines at the end. */
function testMessage(client: string): Uint8Array<ArrayBuffer> {
  return join(
    mail(`From: Sender <sender@client.example>
To: Recipient <${BOX}>
Subject: from ${client}
Date: Mon, 01 Jan 2024 00:00:00 +0000
Message-ID: <interop@client.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

.
..
.one dot, and two:
..x
`),
    new TextEncoder().encode("Grüße, 世界\r\n"),
    octets(`${"0123456789".repeat(99)}12345678\r\n`),
    mail("\ttab, trailing space \n\nfrom the end\n\n\n"),
  );
}

async function bothWays(client: Client): Promise<void> {
  await using folder = await TempFolder.make("postern-interop-");
  await Deno.chmod(folder.path, 0o755); // Dovecot reads as another user when the test is root
  const root = folder.at("mail"), message = testMessage(client.name), count = client.sends ?? 1;
  const file = folder.at("message.eml"), lfFile = folder.at("message.lf"), openFile = folder.at("message.open");
  await Deno.writeFile(file, message);
  await Deno.writeFile(lfFile, withLf(message));
  await Deno.writeFile(openFile, withLf(message).slice(0, -1));
  await using server = await Server.start({ config: mixedConfig(root) });
  const delivery = { port: server.ports.smtp, from: "sender@client.example", message, file, lfFile, openFile };
  await toInbox(client, server, { ...delivery, to: BOX }, count);
  await client.deliver({ ...delivery, to: DIR });
  await server.stop(); // whatever it has is on the disk now

  await using dovecot = await Dovecot.start(`maildir:${root}/%d/%n/Maildir`);
  await dovecot.give(root);
  const served = await imapFetchAll(dovecot.port, { user: DIR, password: "any" });
  assertEquals(served.length, count, await dovecot.log());
  for (const one of served) assertEquals(addedOnly(one, message), null);
  const errors = (await dovecot.log()).split("\n").filter((line) => /error|warning|panic/i.test(line));
  assertEquals(errors, [], "Dovecot finds nothing wrong with the Maildir");
}

async function toInbox(client: Client, server: Server, delivery: Delivery, count: number): Promise<void> {
  await client.deliver(delivery);
  const messages = await server.api.messages();
  assertEquals(messages.length, count);
  for (const { id, subject, to, from } of messages) {
    assertEquals([subject, from.includes("sender@client.example"), to], [`from ${client.name}`, true, [delivery.to]]);
    const raw = await server.api.raw(id);
    assertEquals(raw && addedOnly(raw, delivery.message), null);
  }
}

for (const client of CLIENTS) {
  testWith(
    [...client.needs, "dovecot"],
    `${client.name} delivers into the inbox and a Maildir`,
    () => bothWays(client),
  );
}
