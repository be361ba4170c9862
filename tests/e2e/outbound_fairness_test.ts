/**
 * One dead domain has most of the queue (case 76): the others do not wait for it, it costs few connections, and the server
 * ends in time. Non-job: turns and rests one by one (tests/unit/delivery/window_test.ts).
 */
import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { type HandmadePeer, HandmadeServer } from "../support/mail_sink.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";
import { SAMPLE, type Site, World } from "../support/world.ts";

/** 95 % of the queue. */
const DEAD = 950, ALIVE = 50, CLIENTS = 5;
/** Connections at once to a destination. */
const CAP = 10;

for (
  const [how, dead] of Object.entries({
    "never says a word": () => {},
    "says 421 at once": (peer: HandmadePeer) => void peer.socket.end("421 4.3.2 not now\r\n"),
  })
) {
  testWith(
    NAME_SERVERS,
    `case 76: a host that ${how} has most of the queue; the others are served within seconds`,
    async () => {
      await using world = await World.make();
      await using silent = await HandmadeServer.open(dead, world.place(1));
      await using host = await MailHost.open(world.place(2));
      let most = 0;
      silent.server.on("connection", () => most = Math.max(most, silent.sockets.size));
      const records = `dead MX 10 mx.dead\nmx.dead A ${world.ip(1)}\n*.alive MX 10 mx.here\nmx.here A ${world.ip(2)}`;
      await using _names = await world.nameServers({ "peers.example": { records } });
      await using site = await world.start({
        retry: "1m",
        delivery: `  concurrencyPerDomain: ${CAP}\n  connections: ${2 * CAP}`,
      });
      await fill(site, DEAD, (number) => `r${number}@dead.peers.example`);
      await waitFor("connections to the dead one", () => silent.connections > 0);

      const began = performance.now();
      await fill(site, ALIVE, (number) => `r${number}@d${number % 10}.alive.peers.example`);
      await waitFor("all others", () => host.taken.length === ALIVE, { deadline: 30_000 });
      const seconds = (performance.now() - began) / 1000;
      assert(seconds < 15, `${seconds} s`);
      assertEquals(
        site.attempts().filter(({ event, recipient }) => event !== "deferred" && recipient.includes("dead")),
        [],
      );
      assert(most <= CAP, `${most} connections at once`);
      assert(silent.connections <= 3 * CAP, `${silent.connections} connections to a host that is dead`);
      await waitFor("the rest of the queue", async () => (await site.server.api.queue()).total === DEAD);
      const { code } = await site.server.stop(45_000);
      assertEquals(code, 0);
    },
  );
}

/** Many messages over a few connections. */
async function fill(site: Site, count: number, recipient: (number: number) => string): Promise<void> {
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    using connection = await SmtpClient.ready(site.server.ports.smtp);
    for (let number = client; number < count; number += CLIENTS) {
      const envelope = { from: "me@home.example", to: [recipient(number)], message: SAMPLE };
      assertEquals((await connection.deliver(envelope)).code, 250);
    }
    await connection.quit();
  }));
}
