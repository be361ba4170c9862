/** Lists in DNS as they are kept: zones of a real name server (NSD), asked through a real resolver (Unbound). */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { testWith } from "../support/debian.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { freePort } from "../support/ports.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";
import { World } from "../support/world.ts";

/** 2001:db8::66 and the test entries of RFC 5782 5, by hand: these are what our names are held against. */
const BAD6 = "6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
const TEST6 = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0";
const TEST = `2.0.0.127 A 127.0.0.2\n${TEST6} A 127.0.0.2\ntest A 127.0.0.2`;

const ZONES = {
  "bl.example": {
    records: `${TEST}
66.2.0.192 A 127.0.0.2
66.2.0.192 TXT "Spam was seen from " "192.0.2.66"
67.2.0.192 A 127.0.0.10
${BAD6} A 127.0.0.3
${BAD6} TXT "Spam was seen from 2001:db8::66"`,
  },
  "wild.example": { records: "* A 127.0.0.2\n* TXT everybody" },
  "good.example": { records: `${TEST}\n67.2.0.192 A 127.0.5.3` },
  "names.example": { records: `${TEST}\nbad.example.net A 127.0.1.2` },
};

testWith(
  NAME_SERVERS,
  "lists in real zones: addresses of both kinds, names, words, a list that knows everybody",
  async () => {
    await using world = await World.make();
    await world.nameServers(ZONES);
    const port = freePort();
    await using site = await world.start({
      listeners: `, { address: "127.0.0.1:${port}", proxy: ["127.0.0.1"] }`,
      plugins: `  - dnsbl:
      zones: { bl.example: { codes: ["127.0.0.2-11"], weight: 5 }, wild.example: { weight: 9, test: false } }
      allow: { good.example: 3 }
      domains: { names.example: 5 }
      timeout: 20s
  - relay
  - recipients: { accounts: { me: maildir, postmaster: maildir } }
  - maildir: { root: ${JSON.stringify(world.folder.path)} }`,
    });
    /** A client with that address, as a load balancer tells of it; the reply to RCPT. */
    async function rcpt(ip: string, from = "a@example.net", to = "me@home.example"): Promise<string> {
      using client = await SmtpClient.connect(port);
      const family = ip.includes(":") ? "TCP6" : "TCP4";
      await client.send(new TextEncoder().encode(`PROXY ${family} ${ip} ${ip} 40000 25\r\n`));
      await client.expect(220);
      await client.command("EHLO client.example.net", 250);
      await client.command(`MAIL FROM:<${from}>`, 250);
      return (await client.command(`RCPT TO:<${to}>`)).raw;
    }
    assertMatch(
      await rcpt("192.0.2.66"),
      /^550 5\.7\.1 192\.0\.2\.66 is listed by bl\.example, which says: Spam was seen from 192\.0\.2\.66 \(ref/,
    );
    assertMatch(await rcpt("2001:db8::66"), /^550 5\.7\.1 2001:db8::66 is listed by bl\.example, which says: Spam was/);
    assertMatch(await rcpt("192.0.2.1"), /^250 /);
    assertMatch(await rcpt("2001:db8::67"), /^250 /);
    assertMatch(await rcpt("192.0.2.67"), /^250 /); // the good one speaks for it
    assertMatch(
      await rcpt("192.0.2.1", "a@bad.example.net"),
      /^550 5\.7\.1 bad\.example\.net is listed by names\.example/,
    );
    assertMatch(await rcpt("192.0.2.66", "a@example.net", "postmaster@home.example"), /^250 /);
    const told = "the list wild.example answers for everything";
    await waitFor("the word on the list", () => site.server.output.includes(told));
    const { output } = site.server;
    assertEquals(output.split(told).length, 2); // once
    assert(!output.includes("does not list"), output); // the others have their test entries
  },
);
