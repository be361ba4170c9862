/** Connections that are used again: which, how often, how long; and none that outlives its pool. */
import { assert, assertEquals } from "@std/assert";
import { Deadlines } from "../../../core/net/deadline.ts";
import type { OutboundConnection } from "../../../core/net/outbound.ts";
import { OutboundPool, type OutboundPoolOptions } from "../../../core/net/outbound_pool.ts";
import { octets } from "../../support/bytes.ts";
import { clientOptions, described, transaction } from "../../support/client_dialogue.ts";
import { HandmadeServer, MailSink } from "../../support/mail_sink.ts";
import { waitFor, within } from "../../support/wait.ts";

const deadlines = new Deadlines(20);
const TEXT = octets("Subject: x\r\n\r\nhello\r\n");

class TestPool extends OutboundPool implements AsyncDisposable {
  constructor(options: Partial<OutboundPoolOptions> = {}) {
    super({ deadlines, idleTime: 60_000, ...options });
  }
  /** One that waits, or a new one. */
  async get(port: number, key = "k"): Promise<OutboundConnection> {
    const idle = this.take(key);
    if (idle !== null) return idle;
    const { connection, failures } = await this.open(key, {
      to: { addresses: ["127.0.0.1"], port },
      session: clientOptions(),
      tls: null,
      deadlines,
    });
    assert(connection !== null, JSON.stringify(failures));
    return connection;
  }
  async mail(port: number, key = "k"): Promise<void> {
    const connection = await this.get(port, key);
    const outcomes = await connection.deliver(transaction(["x@y.example"], { size: TEXT.length }), () => TEXT);
    assertEquals(outcomes.map(described), ["accept 2.0.0 dot"]);
    this.release(connection);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }
}

Deno.test("a connection is used again for its key alone, and so many times", async () => {
  await using sink = await MailSink.open();
  await using pool = new TestPool({ maxDeliveries: 3 });
  for (let i = 0; i < 3; i++) await pool.mail(sink.port);
  assertEquals([sink.connections, pool.idle], [1, 0]);
  await pool.mail(sink.port);
  await pool.mail(sink.port, "other");
  assertEquals([sink.connections, pool.idle], [3, 2]);
  await waitFor("the first to be closed", () => pool.size === 2 && sink.sockets.size === 2);
});

Deno.test("MAILMAX: a session that has had its share is not used again", async () => {
  await using server = await HandmadeServer.open(async (peer) => {
    peer.say("220 mx.y.example");
    await peer.answer("EHLO", "250-mx.y.example\r\n250 LIMITS MAILMAX=2");
    for (let mail = 0; mail < 2; mail++) {
      await peer.answer("MAIL", "250 OK");
      await peer.answer("RCPT", "250 OK");
      await peer.answer("DATA\r\n", "354 go");
      await peer.answer("\r\n.\r\n", "250 OK");
    }
    await peer.answer("QUIT", "221 bye");
  });
  await using pool = new TestPool();
  for (let i = 0; i < 4; i++) await pool.mail(server.port);
  assertEquals(server.connections, 2);
});

Deno.test("idle connections are bounded, in all and for a key; the rest is parted from", async () => {
  await using sink = await MailSink.open();
  await using pool = new TestPool({ maxIdle: 3, maxIdlePerKey: 2 });
  const taken: OutboundConnection[] = [];
  for (const key of ["a", "a", "a", "b", "c"]) taken.push(await pool.get(sink.port, key));
  assertEquals(pool.size, 5);
  for (const connection of taken) pool.release(connection);
  for (const connection of taken) pool.release(connection); // once more does nothing
  assertEquals(pool.idle, 3);
  await waitFor("the others to be closed", () => pool.size === 3 && sink.sockets.size === 3);
});

Deno.test("an idle connection has its time, and then says QUIT", async () => {
  await using sink = await MailSink.open();
  await using pool = new TestPool({ idleTime: 50 });
  await pool.mail(sink.port);
  await waitFor("it to be closed", () => pool.size === 0 && sink.sockets.size === 0);
  assertEquals(pool.idle, 0);
});

Deno.test("an idle connection that its peer ends is handed to nobody", async () => {
  await using sink = await MailSink.open();
  await using pool = new TestPool();
  await pool.mail(sink.port);
  for (const socket of sink.sockets) socket.destroy();
  await waitFor("it to be noticed", () => pool.size === 0);
  assertEquals([pool.take("k"), pool.idle], [null, 0]);
  await pool.mail(sink.port);
  assertEquals(sink.connections, 2);
});

Deno.test("a stop parts from the idle, cuts what does not end, opens no more and leaves no descriptor", async () => {
  const before = [...Deno.readDirSync("/proc/self/fd")].length;
  {
    await using sink = await MailSink.open();
    await using silent = await HandmadeServer.open(() => {});
    const pool = new TestPool();
    for (const key of ["a", "b"]) await pool.mail(sink.port, key);
    const used = await pool.get(sink.port, "c");
    const to = { addresses: ["127.0.0.1"], port: silent.port };
    const opening = pool.open("d", { to, session: clientOptions(), tls: null, deadlines });
    await waitFor("the silent one", () => silent.connections === 1);
    const never = used.deliver(transaction(["x@y.example"], { size: 10 }), () => new ReadableStream());
    await within("the stop", pool.close(100), 5000);
    assertEquals((await never).map(described), ["defer 4.3.2 mail"]);
    assertEquals((await opening).connection, null);
    assertEquals([pool.size, pool.idle], [0, 0]);
    assertEquals((await pool.open("e", { to, session: clientOptions(), tls: null, deadlines })).connection, null);
    assertEquals(silent.connections, 1);
  }
  await waitFor("every descriptor to be closed", () => [...Deno.readDirSync("/proc/self/fd")].length === before);
});
