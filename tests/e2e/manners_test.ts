/**
 * Strangers at the door of a real server: who waits for the greeting and who does not, who is asked to come again, who
 * waits for a no; and a signed return path on its way out and back. A proxy line says who the client is, for loopback is
 * nobody's stranger.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { octets } from "../support/bytes.ts";
import { MailHost } from "../support/mail_host.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const config = (behind: number, next: number) =>
  `hostname: mx.example.org
domains: [example.org]
postmaster: alice@example.org
listeners:
  - { address: "127.0.0.1:2525" }
  - { address: "127.0.0.1:${behind}", name: behind, proxy: ["127.0.0.1"] }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { next: { hosts: ["smtp://127.0.0.1:${next}"] } }
delivery: { routes: [{ domain: "*", to: remote, via: next }] }
plugins:
  - early_talker: { pause: 1s }
  - tarpit: { refused: 2, first: 1s, longest: 1s }
  - bounce: { secrets: [a secret of some length] }
  - relay: { networks: [198.51.100.0/24] }
  - recipients: { accounts: { alice: inbox } }
  - greylist: { delay: 1s }
  - feedback
  - inbox: { name: "{local}" }
`;

/** A client that a proxy says is at `ip`, and what it says before the greeting. */
async function comes(port: number, ip: string, early = ""): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  await client.send(`PROXY TCP4 ${ip} 127.0.0.1 40000 25\r\n${early}`);
  return client;
}
async function greeted(port: number, ip: string): Promise<SmtpClient> {
  const client = await comes(port, ip);
  await client.expect(220);
  await client.command("EHLO client.example", 250);
  return client;
}
/** Milliseconds that it takes at least. */
async function took(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

Deno.test("early_talker: who talks before the greeting is told so and let go, who waits is greeted", async () => {
  const port = freePort();
  await using _server = await Server.start({ config: config(port, 9) });
  using talker = await comes(port, "192.0.2.1", "EHLO spam.example\r\n");
  assertMatch((await talker.expect(554)).raw, /Talked before the greeting \(ref/); // and not the engine behind it
  await talker.closed();
  using client = await comes(port, "192.0.2.2");
  assert(await took(() => client.expect(220)) >= 990);
  await client.quit();
});

Deno.test("greylist and tarpit: a stranger is asked to come again, and waits for each no", async () => {
  const port = freePort();
  await using _server = await Server.start({ config: config(port, 9) });
  using client = await greeted(port, "192.0.2.3");
  await client.command("MAIL FROM:<amy@a.example>", 250);
  assertMatch((await client.command("RCPT TO:<alice@example.org>", 451)).raw, /come again in 1 second/);
  await waitFor("its turn", async () => (await client.command("RCPT TO:<alice@example.org>")).code === 250);
  await client.command("RCPT TO:<no1@example.org>", 550);
  assert(await took(() => client.command("RCPT TO:<no2@example.org>", 550)) >= 990);
  await client.quit();
});

Deno.test("case 25: mail of ours leaves with a signed return path, its bounce suppresses, and one of others' mail is refused", async () => {
  await using next = await MailHost.open();
  const port = freePort();
  await using server = await Server.start({ config: config(port, next.port) });
  {
    using client = await greeted(port, "198.51.100.7");
    const message = octets("From: alice@example.org\r\nMessage-ID: <m1@example.org>\r\n\r\nHello\r\n");
    assertEquals((await client.deliver({ from: "alice@example.org", to: ["bob@far.example"], message })).code, 250);
    await client.quit();
  }
  const { sender } = await waitFor("the mail", () => next.of("bob@far.example")[0]);
  assertMatch(sender, /^prvs=0\d{3}[0-9a-f]{6}=alice@example\.org$/);

  using client = await greeted(port, "192.0.2.4");
  const report = octets(`From: MAILER-DAEMON@far.example
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.example

Final-Recipient: rfc822; bob@far.example
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

Message-ID: <m1@example.org>

--b--
`.replaceAll("\n", "\r\n"));
  const forged = await client.deliver({ from: "", to: ["alice@example.org"], message: report });
  assertEquals([forged.code, /signature/.test(forged.raw)], [550, true]);
  assertEquals((await client.deliver({ from: "", to: [sender], message: report })).code, 250);
  await client.quit();
  const listed = await server.api.json<{ items: { address: string }[] }>("/api/v1/suppressions");
  assertEquals(listed.items.map(({ address }) => address), ["bob@far.example"]);
});
