/**
 * Domains that lead nowhere, or back here: what the server says, when, and that it does not run in circles. Non-job: which
 * hosts a domain has (tests/unit/dns/mail_hosts_test.ts).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { testWith } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { freePort } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";
import { type Site, World } from "../support/world.ts";

testWith(NAME_SERVERS, "Domains that take no mail, and ways that lead back here", async (t) => {
  await using world = await World.make();
  await using host = await MailHost.open(world.place(1));
  await using _names = await world.nameServers({
    "peers.example": {
      records: `null MX 0 .
gone TXT "no host"
lost MX 10 mx.nowhere.example.
good MX 10 mx
mx A ${world.ip(1)}
named MX 10 mx.home.example.
worse MX 10 mx.home.example.
worse MX 20 mx
better MX 10 mx
better MX 20 mx.home.example.
listens MX 10 mx.listens
mx.listens A ${world.ip(2)}
loopback MX 10 mx.loopback
mx.loopback A 127.0.0.1
six MX 10 mx.six
mx.six AAAA ::1
any MX 10 mx.any
mx.any A 0.0.0.0
mapped MX 10 mx.mapped
mx.mapped AAAA ::ffff:127.0.0.1
itself A 127.0.0.1
number MX 10 127.0.0.1.`,
    },
    "home.example": { records: "mx A 127.0.0.1" },
    "nowhere.example": { records: "" },
  });

  {
    const smtp = freePort();
    await using site = await world.start({
      ports: { smtp, admin: freePort() },
      listeners: `, { address: "${world.ip(2)}:${world.port}" }`,
      rest: `nextHops: { back: { hosts: ["smtp://127.0.0.1:${smtp}"] } }`,
      delivery: "  routes: [{ domain: circle.example, to: remote, via: back }]",
    });
    await t.step("case 27: a null MX: 556 5.1.10, and the sender hears of it at once", async () => {
      const began = performance.now();
      assertMatch(await outcome(site, "null"), /^bounced 5\.1\.10 .*null MX/);
      const report = await site.letter("me", "Final-Recipient: rfc822; you@null.peers.example");
      assertMatch(report, /^Status: 5\.1\.10\r$/m);
      assert(performance.now() - began < 10_000);
    });
    await t.step("a domain that is not there, and one without a host", async () => {
      assertMatch(await outcome(site, "unknown"), /^bounced 5\.1\.2 /);
      assertMatch(await outcome(site, "gone"), /^bounced 5\.4\.4 /);
      assertMatch(await outcome(site, "lost"), /^bounced 5\.4\.4 /);
    });
    await t.step(
      "case 60: an MX that names this host, or an address that it listens on: 5.4.6, no attempt",
      async () => {
        for (const name of ["named", "worse", "listens"]) {
          assertMatch(await outcome(site, name), /^bounced 5\.4\.6 .*come back here/, name);
        }
        assertEquals(host.connections, 0);
        assertEquals(await outcome(site, "better"), "delivered");
      },
    );
    await t.step("case 60: a next hop that leads back here ends by its Received fields, once", async () => {
      const id = await site.send({ to: ["you@circle.example"] });
      const report = await site.letter("me", "Final-Recipient: rfc822; you@circle.example");
      assertMatch(report, /^Status: 5\.4\.6\r$/m);
      const passes = await waitFor("the last word on it", () => {
        const found = site.attempts().filter(({ recipient }) => recipient === "you@circle.example");
        return found.some(({ event }) => event === "bounced") && found;
      });
      assertEquals(passes.map(({ event }) => event).filter((event) => event !== "delivered"), ["bounced"]);
      assertEquals(passes.length, 100, "the way through us, a hundred times");
      assertEquals(site.attempts(id).length, 1);
      await waitFor("an empty queue", async () => (await site.server.api.queue()).total === 0);
      const letters = (await site.letters("me")).filter((text) => text.includes("you@circle.example"));
      assertEquals(letters.length, 1);
    });
  }
  await t.step("case 60: on port 25 every address that is this machine is us; nobody is connected to", async () => {
    await using site = await world.start({ port: 25 });
    for (const name of ["loopback", "six", "mapped", "any", "itself"]) {
      assertMatch(await outcome(site, name), /^bounced 5\.4\.[46] /, name);
    }
    assertMatch(await outcome(site, "number"), /^bounced 5\.4\.4 /);
    for (const literal of ["[127.0.0.1]", "[127.0.0.2]", "[IPv6:::1]"]) {
      assertMatch(await direct(site, `you@${literal}`), /^bounced 5\.4\.6 /, literal);
    }
    assertEquals(site.attempts().filter(({ relay }) => relay !== null && relay !== "maildir"), []);
  });
});

function outcome(site: Site, name: string): Promise<string> {
  return direct(site, `you@${name}.peers.example`);
}

async function direct(site: Site, to: string): Promise<string> {
  const { event, status, reply } = await site.first(await site.send({ to: [to] }));
  return event === "delivered" ? event : `${event} ${status} ${reply}`;
}
