/** What strangers did is held against them, over TCP and through a crash: bans, traps, reputations, with the server's own events. */
import { assertMatch } from "@std/assert";
import { octets } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const config = (port: number) => `
hostname: mx.local.example
domains: [local.example]
postmaster: bob@local.example
listeners:
  - { address: "127.0.0.1:0" }
  - { address: "127.0.0.1:${port}", proxy: ["127.0.0.1"] }
limits: { errors: 3 }
plugins:
  - ban: { limit: 8, exempt: ["127.0.0.0/8", "203.0.113.0/24"] }
  - relay
  - spam_trap: { addresses: ["old-*@local.example"] }
  - recipients: { accounts: { bob: inbox } }
  - reputation: { defer: 0.3 }
  - inbox
`;

/** A client with that address, as a load balancer tells of it; the greeting is not read. */
async function connect(port: number, ip: string): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  await client.send(octets(`PROXY TCP4 ${ip} 192.0.2.255 40000 25\r\n`));
  return client;
}
async function begin(port: number, ip: string): Promise<SmtpClient> {
  const client = await connect(port, ip);
  await client.expect(220);
  await client.command("EHLO client.example.net", 250);
  await client.command("MAIL FROM:<a@example.net>", 250);
  return client;
}
async function greeting(port: number, ip: string): Promise<string> {
  using client = await connect(port, ip);
  return (await client.reply()).raw;
}
const banned = (port: number, ip: string) =>
  waitFor(`the ban of ${ip}`, async () => (await greeting(port, ip)).startsWith("421 "));

Deno.test("strangers: what the server sees of them leads to a ban, which a SIGKILL does not lift", async () => {
  await using folder = await TempFolder.make("postern-strangers-");
  const port = freePort(), options = { config: config(port), data: folder.at("data") };
  {
    await using server = await Server.start(options);
    { // guesses at users
      using client = await begin(port, "192.0.2.10");
      for (let i = 0; i < 8; i++) await client.command(`RCPT TO:<nobody${i}@local.example>`, 550);
    }
    await banned(port, "192.0.2.10");
    { // a trap
      using client = await begin(port, "192.0.2.20");
      await client.command("RCPT TO:<old-sales@local.example>", 250);
    }
    await banned(port, "192.0.2.20");
    { // an open relay is looked for
      using client = await begin(port, "192.0.2.30");
      for (let i = 0; i < 2; i++) await client.command(`RCPT TO:<you@other${i}.example>`, 550);
    }
    await banned(port, "192.0.2.30");
    // A network of which four were caught
    assertMatch(await greeting(port, "192.0.2.99"), /^220 /);
    for (let i = 0; i < 2; i++) { // whoever talks before the greeting
      using client = await connect(port, "192.0.2.40");
      await client.send(octets("EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<bob@local.example>\r\nDATA\r\n"));
      await client.closed();
    }
    await banned(port, "192.0.2.40");
    await banned(port, "192.0.2.99");
    assertMatch(await greeting(port, "192.0.3.99"), /^220 /);
    await waitFor("the word on the network", () => server.output.includes("192.0.2.0/24"));
    await server.kill(); // what was told is on disk
  }
  await using _ = await Server.start(options);
  for (const ip of ["192.0.2.10", "192.0.2.20", "192.0.2.99"]) {
    assertMatch(await greeting(port, ip), /^421 \S+ has misbehaved here and is not served until /);
  }
  assertMatch(await greeting(port, "192.0.3.99"), /^220 /);
});

Deno.test("strangers: clean mail and guesses make a reputation", async () => {
  await using folder = await TempFolder.make("postern-strangers-");
  const port = freePort();
  await using _server = await Server.start({ config: config(port), data: folder.at("data") });
  const bad = "203.0.113.7", good = "198.51.100.7";
  const guess = async (ip: string, times: number) => {
    using client = await begin(port, ip);
    for (let i = 0; i < times; i++) await client.command(`RCPT TO:<nobody${i}@local.example>`, 550);
  };
  const rcpt = async (ip: string) => {
    using client = await begin(port, ip);
    return (await client.command("RCPT TO:<bob@local.example>")).raw;
  };
  assertMatch(await rcpt(bad), /^250 /);
  await guess(bad, 15);
  await waitFor("the bad name", async () => (await rcpt(bad)).startsWith("451 4.7.1 Too much spam has come from"));

  for (let i = 0; i < 5; i++) {
    using client = await begin(port, good);
    await client.command("RCPT TO:<bob@local.example>", 250);
    await client.command("DATA", 354);
    await client.send(octets("Subject: hello\r\n\r\nHello\r\n.\r\n"));
    await client.expect(250);
  }
  await guess(good, 7); // as many as would ban another one nearly; here five good messages stand against them
  assertMatch(await rcpt(good), /^250 /);
});
