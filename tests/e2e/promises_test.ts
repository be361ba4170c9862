/**
 * What MAIL asks for later, and who is behind a proxy, over TCP and TLS: announced to whom it is meant for, kept, done in
 * its time.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { latin1, mail } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { PASSWORD, SubmissionSite, USER } from "../support/submission_site.ts";
import { MAKES_CERTIFICATES } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";

const BOX = "box@local.example";
const HEADER = "PROXY TCP4 203.0.113.5 192.0.2.1 56789 465\r\n";
const message = (subject: string) => mail(`From: ${USER}\nTo: ${BOX}\nSubject: ${subject}\n\nText\n`);

/** The promises that EHLO offers. */
async function offered(client: SmtpClient): Promise<string[]> {
  const { lines } = await client.command("EHLO client.example", 250);
  return lines.filter((line) => /^(FUTURERELEASE|DELIVERBY|MT-PRIORITY|REQUIRETLS)\b/.test(line));
}
async function deliver(client: SmtpClient, parameters: string, subject: string): Promise<void> {
  await client.command(`MAIL FROM:<${USER}> ${parameters}`, 250);
  await client.command(`RCPT TO:<${BOX}>`, 250);
  await client.command("DATA", 354);
  await client.send(message(subject));
  await client.command(".", 250);
}

testWith(MAKES_CERTIFICATES, "SEMANTICS 22: each promise is offered to whom it is meant for", async () => {
  await using site = await SubmissionSite.start();
  const common = ["DELIVERBY", "MT-PRIORITY"];
  using stranger = await SmtpClient.ready(site.server.ports.smtp);
  assertEquals(await offered(stranger), common);
  assertEquals((await stranger.command("MAIL FROM:<a@far.example> REQUIRETLS")).code, 555);
  assertEquals((await stranger.command("MAIL FROM:<a@far.example> HOLDFOR=1")).code, 555);
  assertEquals((await stranger.command("MAIL FROM:<a@far.example> BY=9;R")).code, 550);
  const { raw } = await stranger.command("MAIL FROM:<a@far.example> MT-PRIORITY=3", 250);
  assertEquals(raw, "250 2.3.6 0 is the new priority\r\n");

  using user = await SmtpClient.secured(site.ports.starttls, { ca: site.authority.ca });
  assertEquals(await offered(user), [...common, "REQUIRETLS"]);
  await user.login(USER, PASSWORD, 235);
  const lines = await offered(user), release = lines.filter((line) => line.startsWith("FUTURERELEASE"));
  assertEquals(lines.filter((line) => !release.includes(line)), [...common, "REQUIRETLS"]);
  const [, seconds, until] = /^FUTURERELEASE (\d+) (\S+)$/.exec(release.join())!;
  assert(Math.abs(Date.parse(until!) - Date.now() - Number(seconds) * 1000) < 60_000, release.join());
});

testWith(MAKES_CERTIFICATES, "RFC 4865: a message is there at its hour and not before", async () => {
  await using site = await SubmissionSite.start();
  const { server } = site;
  using user = await SmtpClient.secured(site.ports.starttls, { ca: site.authority.ca });
  await user.login(USER, PASSWORD, 235);
  const said = Date.now();
  await deliver(user, "HOLDFOR=3 REQUIRETLS MT-PRIORITY=2", "later");
  await deliver(user, `HOLDUNTIL=${new Date(said - 1000).toISOString()} BY=60;R`, "at once");
  assertEquals((await server.api.messages()).map(({ subject }) => subject), ["at once"]);
  const { items } = await server.api.queue();
  assertEquals(items.map(({ recipients }) => recipients.map(({ state }) => state)), [["deferred"]]);
  const [{ requireTls, holdUntil, priority }] = items as [(typeof items)[number]];
  assertEquals([requireTls, priority], [true, 2]);
  assert(Math.abs(Date.parse(holdUntil!) - said - 3000) < 2000, String(holdUntil));
  await waitFor("the hour", async () => (await server.api.messages()).length === 2, { deadline: 15_000 });
  assert(Date.now() - said >= 3000, "too early");
  await waitFor("an empty queue", async () => (await server.api.queue()).total === 0);
});

testWith(MAKES_CERTIFICATES, "behind a proxy: the client's address, with STARTTLS and with TLS at once", async () => {
  await using site = await SubmissionSite.start({ listener: 'proxy: ["127.0.0.1"]' });
  const trust = { ca: site.authority.ca };
  using first = await SmtpClient.connect(site.ports.starttls);
  await first.send(HEADER);
  await first.expect(220);
  await first.command("EHLO client.example", 250);
  await first.startTls(trust);
  await first.command("EHLO client.example", 250);
  await first.login(USER, PASSWORD, 235);
  await deliver(first, "", "STARTTLS");

  using proxy = glue(site.ports.implicit); // header and ClientHello in one write
  using second = await SmtpClient.connectTls(proxy.port, trust);
  await second.expect(220);
  await second.command("EHLO client.example", 250);
  await second.login(USER, PASSWORD, 235);
  await deliver(second, "", "implicit");

  const entries = await site.server.api.messages();
  assertEquals(entries.map(({ subject }) => subject).toSorted(), ["STARTTLS", "implicit"]);
  for (const { id } of entries) {
    const raw = latin1((await site.server.api.raw(id))!);
    assertMatch(
      raw,
      /\r\nReceived: from client\.example \(\[203\.0\.113\.5\]\)\r\n\tby mx\.local\.example \(Postern\) with ESMTPSA /,
    );
  }

  using spoof = await SmtpClient.connect(site.ports.starttls);
  await spoof.send("EHLO client.example\r\n");
  assertEquals(await spoof.closed(), "", "a proxy without a header is nobody");
});

/** A proxy in front of a port that puts its header and what its client says first into one write. */
function glue(port: number): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns: Deno.Conn[] = [];
  const pass = async (from: Deno.Conn, to: Deno.Conn, first: Uint8Array) => {
    const chunk = new Uint8Array(16_384);
    for (let head = first;; head = new Uint8Array(0)) {
      const count = await from.read(chunk).catch(() => null);
      if (count === null) return;
      let octets = Uint8Array.of(...head, ...chunk.subarray(0, count));
      while (octets.length > 0) octets = octets.subarray(await to.write(octets).catch(() => octets.length));
    }
  };
  (async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      conns.push(client, server);
      pass(client, server, new TextEncoder().encode(HEADER));
      pass(server, client, new Uint8Array(0));
    }
  })();
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      listener.close();
      for (const conn of conns) conn.close();
    },
  };
}
