/**
 * What other hosts say and do, and what becomes of the mail: replies that are none, connections that end at every step,
 * recipients with different answers. The whole server, before peers made by hand. Non-job: the engine's own tables
 * (tests/unit/smtp/client).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { defer, reject, type Reply } from "../../core/model/reply.ts";
import type { Asking } from "../../core/smtp/events.ts";
import { testWith } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { type HandmadePeer, HandmadeServer } from "../support/mail_sink.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { waitFor } from "../support/wait.ts";
import { type Site, World } from "../support/world.ts";

const STEPS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"] as const;
type Step = typeof STEPS[number];
const USUAL: Readonly<Record<Step, string>> = {
  greeting: "220 mx.peer.example ESMTP",
  EHLO: "250-mx.peer.example\r\n250 8BITMIME", // no PIPELINING: each step by itself
  MAIL: "250 OK",
  RCPT: "250 OK",
  DATA: "354 go on",
  dot: "250 OK",
};

/** Talks as usual up to a step; there it does what it wants, true: and goes on. */
function until(step: Step, act: (peer: HandmadePeer) => boolean | void): (peer: HandmadePeer) => Promise<void> {
  return async (peer) => {
    for (const each of STEPS) {
      if (each !== "greeting" && await peer.hear(each === "dot" ? "\r\n.\r\n" : "\r\n") === null) return;
      if (each !== step) peer.say(USUAL[each]);
      else if (!act(peer)) return;
    }
    await peer.hear("QUIT\r\n");
    peer.socket.end();
  };
}

/** Writes as long as somebody reads. */
function endless(peer: HandmadePeer, piece: string): void {
  const { socket } = peer;
  const write = () => {
    while (!socket.destroyed && socket.write(piece.repeat(100)));
  };
  socket.on("drain", write);
  write();
}

const NO_REPLIES: Readonly<Record<string, (peer: HandmadePeer) => void>> = {
  endlesslines: (peer) => endless(peer, "250-more\r\n"),
  endlessline: (peer) => endless(peer, "250 more and more "),
  megabyte: (peer) => peer.say(`250 ${"x".repeat(1_000_000)}`),
  onlylf: (peer) => void peer.socket.write("250 OK\n250 OK\n"),
  changedcode: (peer) => peer.say("250-one\r\n550 two"),
  twodigits: (peer) => peer.say("25"),
  hundred: (peer) => peer.say("150 soon"),
  goahead: (peer) => peer.say("354 go ahead"),
  empty: (peer) => peer.say(""),
  binary: (peer) => void peer.socket.write(new Uint8Array([0, 255, 22, 3, 1, 13, 10])),
};

testWith(NAME_SERVERS, "Replies of other hosts, ends of connections, recipients apart", async (t) => {
  await using world = await World.make();
  await using opened = new AsyncDisposableStack();
  const lines: string[] = [];
  let addresses = 0;
  /** A name with hosts in this order. */
  const domain = async (
    name: string,
    ...hosts: readonly (((place: { host: string; port: number }) => Promise<AsyncDisposable>) | null)[]
  ): Promise<void> => {
    for (const [index, open] of hosts.entries()) {
      const number = ++addresses;
      if (open !== null) opened.use(await open(world.place(number)));
      lines.push(`${name} MX ${index + 1}0 mx${index}.${name}`, `mx${index}.${name} A ${world.ip(number)}`);
    }
  };
  const connections = new Map<string, number>();
  const handmade =
    (name: string, behaviour: (peer: HandmadePeer) => void | Promise<void>) => (place: { host: string }) => {
      return HandmadeServer.open((peer) => {
        connections.set(name, (connections.get(name) ?? 0) + 1);
        return behaviour(peer);
      }, place);
    };
  for (const [name, act] of Object.entries(NO_REPLIES)) {
    for (const step of ["greeting", "RCPT"] as const) {
      const host = `${name}-${step.toLowerCase()}`;
      await domain(host, handmade(host, until(step, act)));
    }
  }
  let second!: MailHost;
  const secondHost = async (place: { host: string; port: number }) => second = await MailHost.open(place);
  await domain("refused", null, secondHost);
  const shared = `mx1.refused`;
  const spoilt: string[] = [];
  for (const step of STEPS) {
    for (
      const [how, act] of [
        ["fin", (peer: HandmadePeer) => void peer.socket.end()],
        ["reset", (peer: HandmadePeer) => void peer.socket.resetAndDestroy()],
        ["shutting", (peer: HandmadePeer) => void peer.say("421 4.3.2 going down")],
      ] as const
    ) {
      const name = `${how}-${step.toLowerCase()}`;
      let met = false; // behind the dot it may have arrived: there the next attempt is the host's own again
      const once = until(
        step,
        (peer) => (met && step === "dot" ? (peer.say("250 OK"), true) : (met = true, act(peer))),
      );
      await domain(name, handmade(name, once));
      lines.push(`${name} MX 20 ${shared}`);
      spoilt.push(name);
    }
  }
  let isFull = true;
  const picky = (event: Asking): Reply | undefined => {
    if (event.type !== "rcpt") return undefined;
    const { local } = event.address;
    if (local.startsWith("no")) return reject("5.1.1", "No such user");
    return isFull && local.startsWith("full") ? defer("4.2.2", "Full", { code: 452 }) : undefined;
  };
  let mixed!: MailHost, limited!: MailHost, crowded!: MailHost;
  await domain("mixed", async (place) => mixed = await MailHost.open({ ...place, answer: picky }));
  await domain("limited", async (place) => limited = await MailHost.open({ ...place, recipients: 2 }));
  await domain(
    "crowded",
    async (place) => crowded = await MailHost.open({ ...place, recipients: 3, hide: ["LIMITS"] }),
  );
  await using _names = await world.nameServers({ "peers.example": { records: lines.join("\n") } });
  await using site = await world.start({ retry: "2s" });
  const memory = residentMemory(site.server.pid);

  await t.step(
    "case 62: what is no reply is temporary, whoever says it and when; the connection is given up",
    async () => {
      const names = Object.keys(NO_REPLIES).flatMap((name) => ["greeting", "rcpt"].map((step) => `${name}-${step}`));
      const sent = await Promise.all(names.map(async (name) => ({ name, id: await to(site, name) })));
      for (const { name, id } of sent) {
        const { event, status } = await site.first(id);
        assertEquals([name, event, status[0]], [name, "deferred", "4"]);
      }
      await waitFor("other attempts", () => names.every((name) => connections.get(name)! > 1), { deadline: 30_000 });
      assertEquals(site.attempts().filter(({ event }) => event !== "deferred"), []);
      const grown = residentMemory(site.server.pid) - memory;
      assert(grown < 96, `${grown} MiB more than before`);
    },
  );
  await t.step("case 64: a host that refuses connections costs a step: the next one takes the message", async () => {
    const { event, attempts, relay } = await site.first(await to(site, "refused"));
    assertEquals([event, attempts, relay?.startsWith(shared)], ["delivered", 1, true]);
  });
  await t.step("case 64: connections that end, and 421, at each step", async () => {
    const sent = await Promise.all(spoilt.map(async (name) => ({ name, id: await to(site, name) })));
    for (const { name, id } of sent) {
      const first = await site.first(id), wasSaid = /^(?:fin|reset)-dot$/.test(name);
      // Behind the dot it may have arrived: nobody else gets it in the same attempt
      assertEquals([name, first.event, first.status[0]], [
        name,
        wasSaid ? "deferred" : "delivered",
        wasSaid ? "4" : "2",
      ]);
      const last = await site.attempt("delivered", id);
      assertEquals([name, last.relay?.startsWith(shared)], [name, !wasSaid]);
      assertEquals(second.of(`you@${name}.peers.example`).length, wasSaid ? 0 : 1, name);
    }
  });
  await t.step(
    "case 65: recipients with different answers: each has its own end, and nobody gets it twice",
    async () => {
      const rcpt = ["yes", "nobody", "full", "also"].map((local) => `${local}@mixed.peers.example`);
      const id = await site.send({ to: rcpt });
      await site.attempt("deferred", id, rcpt[2]);
      assertEquals((await site.attempt("bounced", id, rcpt[1])).status, "5.1.1");
      for (const each of [rcpt[0], rcpt[3]]) await site.attempt("delivered", id, each);
      isFull = false;
      await site.attempt("delivered", id, rcpt[2]);
      assertEquals(rcpt.map((each) => mixed.of(each!).length), [1, 0, 1, 1]);
      assertEquals(mixed.asked.filter((each) => each === `rcpt ${rcpt[1]}`).length, 1);
    },
  );
  await t.step(
    "case 65: LIMITS RCPTMAX is obeyed, and 452 where nobody told of a limit: all in one attempt",
    async () => {
      for (const [host, name, most] of [[limited, "limited", 2], [crowded, "crowded", 3]] as const) {
        const rcpt = ["a", "b", "c", "d", "e"].map((local) => `${local}@${name}.peers.example`);
        const id = await site.send({ to: rcpt });
        await waitFor(`five of ${name}`, () => site.attempts(id).length >= 5);
        assertEquals(
          site.attempts(id).map(({ event, attempts }) => `${event} ${attempts}`),
          rcpt.map(() => "delivered 1"),
        );
        assertEquals(rcpt.map((each) => host.of(each).length), rcpt.map(() => 1));
        assert(host.taken.every(({ recipients }) => recipients.length <= most));
        assertEquals([host.connections, host.taken.length], [1, Math.ceil(5 / most)], name);
      }
    },
  );
  await t.step("what was only deferred is still there", async () => {
    const { items } = await site.server.api.queue();
    assertEquals(items.length, 2 * Object.keys(NO_REPLIES).length);
    assertMatch(site.server.output, /"event":"deferred"/);
    assert(!/"event":"trouble"/.test(site.server.output), "an error of ours");
  });
});

function to(site: Site, name: string): Promise<string> {
  return site.send({ to: [`you@${name}.peers.example`] });
}

/** MiB. */
function residentMemory(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}
