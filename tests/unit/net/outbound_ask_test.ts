/** Questions over a real socket: our own engine at the other end, and peers that do not let go of the question. */
import { assert, assertEquals } from "@std/assert";
import { Deadlines } from "../../../core/net/deadline.ts";
import type { OutboundConnection } from "../../../core/net/outbound.ts";
import { type OpenOptions, openOutbound } from "../../../core/net/outbound_open.ts";
import { OutboundPool } from "../../../core/net/outbound_pool.ts";
import { octets } from "../../support/bytes.ts";
import { clientOptions, described, transaction } from "../../support/client_dialogue.ts";
import { HandmadeServer, MailSink } from "../../support/mail_sink.ts";
import { within } from "../../support/wait.ts";

function options(port: number, more: Partial<OpenOptions> = {}): OpenOptions {
  return {
    to: { addresses: ["127.0.0.1"], port },
    session: clientOptions(),
    tls: null,
    deadlines: new Deadlines(20),
    ...more,
  };
}

async function connected(port: number, more: Partial<OpenOptions> = {}): Promise<OutboundConnection> {
  const { connection, failures } = await openOutbound(options(port, more));
  assert(connection !== null, JSON.stringify(failures));
  return connection;
}

async function ask(connection: OutboundConnection, ...to: readonly string[]): Promise<readonly string[]> {
  return (await within("the answers", connection.ask(transaction(to, { sender: null })), 10_000)).map(described);
}

Deno.test("many questions and a message over one connection, which serves again through the pool", async () => {
  await using sink = await MailSink.open();
  const pool = new OutboundPool({ deadlines: new Deadlines(20) });
  const { connection } = await pool.open("sink", options(sink.port));
  assert(connection !== null);
  for (let i = 0; i < 50; i++) {
    assertEquals(await ask(connection, "a@y.example", "no@y.example"), ["accept 2.1.5 rcpt", "reject 5.1.1 rcpt"]);
    await within("the connection to be free", connection.settled(), 10_000);
    assert(connection.usable);
  }
  pool.release(connection);
  assertEquals(pool.take("sink"), connection);
  const text = octets("Subject: x\r\n\r\nhello\r\n");
  const outcomes = await connection.deliver(transaction(["a@y.example"], { size: text.length }), () => text);
  assertEquals(outcomes.map(described), ["accept 2.0.0 dot"]);
  assertEquals([sink.messages.length, sink.connections, connection.deliveries], [1, 1, 51]);
  pool.release(connection);
  await pool.close(1000);
});

/** What is heard and said up to the question. */
const STEPS: readonly (readonly [heard: string, reply: string])[] = [
  ["", "220 mx.y.example"],
  ["EHLO", "250 mx.y.example"],
  ["MAIL", "250 OK"],
  ["RCPT", "250 OK"],
  ["RSET", "250 OK"],
];
const ENDS = {
  "closes": (peer) => void peer.socket.end(),
  "resets": (peer) => void peer.socket.resetAndDestroy(),
  "is silent": () => {},
  "talks nonsense": (peer) => void peer.socket.write("\0\0GET / HTTP/1.0\r\n"),
  "says 421": (peer) => (peer.say("421 4.3.2 leaving"), void peer.socket.end()),
} satisfies Record<string, (peer: Parameters<Parameters<typeof HandmadeServer.open>[0]>[0]) => void>;

for (const [name, end] of Object.entries(ENDS)) {
  Deno.test(`case 64: a peer that ${name} at a step of a question: an answer in time, and an end`, async () => {
    for (const last of [2, 3, 4]) {
      await using server = await HandmadeServer.open(async (peer) => {
        for (const [heard, reply] of STEPS.slice(0, last)) if (await peer.answer(heard, reply) === null) return;
        if (await peer.hear(STEPS[last]![0]) !== null) end(peer);
      });
      const patience = () => name === "is silent" ? 100 : 10_000;
      const connection = await connected(server.port, { patience });
      const [answer] = await ask(connection, "x@y.example");
      // What was answered before RSET stands, whatever comes of RSET
      if (last === 4) assertEquals(answer, "accept 2.0.0 rcpt");
      else assertEquals(answer!.split(" ")[0], "defer", `at step ${last}: ${answer}`);
      await within("the end", connection.settled(), 10_000);
      assertEquals(connection.usable, false);
      await within("the socket to be closed", connection.ended, 10_000);
    }
  });
}

Deno.test("a question that is given up is answered by a deferral, at once", async () => {
  await using server = await HandmadeServer.open(async (peer) => {
    for (const [heard, reply] of STEPS.slice(0, 3)) await peer.answer(heard, reply);
  });
  const connection = await connected(server.port);
  const answer = ask(connection, "x@y.example");
  connection.destroy("no time is left");
  assertEquals(await answer, ["defer 4.3.2 mail"]);
  await within("the end", connection.settled(), 1000);
});
