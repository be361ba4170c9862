/** One connection between a real socket and the engine, with a host that the test plays: time, pressure, faults, ends. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createServer, type Server, type Socket } from "node:net";
import { accept, defer, type Reply } from "../../../core/model/reply.ts";
import { Deadlines } from "../../../core/net/deadline.ts";
import { type Host, Inbound, type InboundOptions } from "../../../core/net/inbound.ts";
import type { Asking } from "../../../core/smtp/events.ts";
import { type ServerOptions, ServerSession } from "../../../core/smtp/server.ts";
import { serverOptions } from "../../support/engine.ts";
import { SmtpClient } from "../../support/smtp_client.ts";
import { waitFor } from "../../support/wait.ts";

type Answers = Reply | readonly Reply[] | Promise<Reply | readonly Reply[]>;

/** Says yes to everything, unless the test says otherwise, and notes what it is told. */
class TestHost implements Host {
  readonly told: string[] = [];
  octets = 0;
  gone_: string | null = null;
  ask(event: Asking): Answers {
    return this.answer(event) ?? accept();
  }
  answer: (event: Asking) => Answers | undefined = () => undefined;
  take: (chunk: Uint8Array) => void | Promise<void> = () => {};
  body(chunk: Uint8Array): void | Promise<void> {
    this.octets += chunk.length;
    return this.take(chunk);
  }
  spoiled(): void {
    this.told.push("spoiled");
  }
  reset(): void {
    this.told.push("reset");
  }
  refused(command: string, reply: Reply): void {
    this.told.push(`${command} ${reply.code}`);
  }
  failed(error: unknown): void {
    this.told.push(`failed: ${(error as Error).message}`);
  }
  secured(): void {}
  gone(reason: string): void {
    this.gone_ = reason;
  }
}

interface Place extends Disposable {
  readonly port: number;
  readonly host: TestHost;
  /** Of the last connection. */
  readonly session: ServerSession;
  readonly inbound: Inbound;
  readonly socket: Socket;
}
interface PlaceOptions extends Partial<InboundOptions> {
  readonly engine?: Partial<ServerOptions>;
  readonly period?: number;
}

async function place(options: PlaceOptions = {}): Promise<Place> {
  const { engine, period = 20, ...inbound } = options;
  const deadlines = new Deadlines(period);
  const host = new TestHost();
  let last: Pick<Place, "session" | "inbound" | "socket"> | undefined;
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const session = new ServerSession(serverOptions(engine));
    const settings = {
      deadlines,
      tls: null,
      implicitTls: false,
      handshakeTimeout: 60_000,
      commandTimeout: 60_000,
      crowdedTimeout: 60_000,
      crowded: () => false,
      contentTimeout: 60_000,
      minimumRate: 0,
      rateWindow: 60_000,
    };
    last = { session, socket, inbound: new Inbound(socket, session, host, { ...settings, ...inbound }) };
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1" }, resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  return {
    port: address.port,
    host,
    get session() {
      return last!.session;
    },
    get inbound() {
      return last!.inbound;
    },
    get socket() {
      return last!.socket;
    },
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A promise and its end. */
function gate<T>(): { readonly promise: Promise<T>; open(value: T): void; fail(error: unknown): void } {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  return { promise, open: resolve, fail: reject };
}

async function begin(client: SmtpClient): Promise<void> {
  await client.begin({ from: "a@sender.example", to: ["b@example.org"] });
}

Deno.test("input behind a slow answer waits outside: reading stops, and each answer lets in no more than it used up", async () => {
  using here = await place({ engine: { limits: { recipients: 100_000 } as ServerOptions["limits"] } });
  here.host.answer = (event) =>
    event.type === "rcpt" ? new Promise((done) => setTimeout(done, 1, accept())) : undefined;
  using client = await SmtpClient.ready(here.port);
  await client.command("MAIL FROM:<a@sender.example>", 250);
  const flood = `RCPT TO:<b@example.org> ORCPT=rfc822;${"x".repeat(400)}\r\n`.repeat(20_000); // 9 MB
  let stopped = false;
  const sending = client.send(flood).catch(() => {}).finally(() => stopped = true);
  let most = 0;
  for (let replies = 0; replies < 400; replies++) {
    await client.expect(250);
    most = Math.max(most, here.session.buffered);
  }
  assert(!stopped, "the flood did not fill the socket's buffers: the test shows nothing");
  assert(most > 0 && most <= 3 * 65_536, `${most} octets waited`);
  client.close();
  await sending;
});

Deno.test("one-octet writes into a waiting session cost their length, not the buffer's", async () => {
  using here = await place();
  const held = gate<Reply>();
  here.host.answer = (event) => event.type === "mail" ? held.promise : undefined;
  using client = await SmtpClient.ready(here.port);
  await client.send("MAIL FROM:<a@sender.example>\r\n");
  await waitFor("the question", () => here.session.waiting);
  // Counted, not timed: how many octets are copied by the engine for 40,000 octets in single pieces.
  const copied = countCopies(() => {
    for (let i = 0; i < 40_000; i++) here.session.receive(new Uint8Array(1).fill(0x20));
  });
  assertEquals(here.session.buffered, 40_000);
  assert(copied < 10 * 40_000, `${copied} octets were copied`);
  held.open(accept());
  await client.expect(250);
});

/** Octets that go through Uint8Array.set while `work` runs. */
function countCopies(work: () => void): number {
  const set = Uint8Array.prototype.set;
  let copied = 0;
  Uint8Array.prototype.set = function (this: Uint8Array, source: ArrayLike<number>, offset?: number) {
    copied += source.length;
    return set.call(this, source, offset);
  };
  try {
    work();
  } finally {
    Uint8Array.prototype.set = set;
  }
  return copied;
}

Deno.test("replies that the peer never reads stop the reading of commands", async () => {
  using here = await place({ commandTimeout: 3000, engine: { limits: { junk: 1e9 } as ServerOptions["limits"] } });
  using client = await SmtpClient.ready(here.port);
  // A long reply to a short command fills the kernel's buffers of both ends with the least work
  const sending = client.send("EHLO x\r\n".repeat(2_000_000)).catch(() => {});
  await waitFor("reading to stop", () => here.socket.isPaused(), { deadline: 60_000 });
  assert(here.socket.writableLength < 1024 * 1024, `${here.socket.writableLength} octets wait for the peer`);
  // and the peer that reads nothing has no longer than another that says nothing
  await waitFor("the end", () => here.socket.destroyed, { deadline: 60_000 });
  assertEquals(here.host.gone_, "timeout");
  client.close();
  await sending;
});

Deno.test("the timer of a command starts again with each reply, also of a command that core answers", async () => {
  using here = await place({ commandTimeout: 300 });
  using client = await SmtpClient.ready(here.port);
  const start = performance.now();
  while (performance.now() - start < 900) {
    await client.command("NOOP", 250);
    await new Promise((wake) => setTimeout(wake, 30)); // the case is about a peer that is alive but slow
  }
  await client.quit();
  await waitFor("the end", () => here.host.gone_);
  assertEquals(here.host.gone_, "quit");
});

Deno.test("case 35: a command in drops has no longer than one at once: 421 4.4.2", async () => {
  using here = await place({ commandTimeout: 300 });
  using client = await SmtpClient.ready(here.port);
  let dripping = true;
  const drops = (async () => {
    while (dripping) {
      await client.send("x").catch(() => {});
      await new Promise((wake) => setTimeout(wake, 20));
    }
  })();
  assertMatch((await client.expect(421)).raw, /^421 4\.4\.2 /);
  dripping = false;
  await drops;
  assertEquals(here.host.gone_, "timeout");
});

Deno.test("case 35: while places run out, silence ends sooner", async () => {
  let crowded = false;
  using here = await place({ crowdedTimeout: 100, crowded: () => crowded });
  using client = await SmtpClient.ready(here.port);
  await new Promise((wake) => setTimeout(wake, 250)); // longer than the shorter time: nothing happens
  await client.command("NOOP", 250);
  crowded = true;
  assertMatch((await client.expect(421)).raw, /^421 4\.4\.2 /);
});

Deno.test("case 35: content below the minimum rate is 421 4.4.2, in DATA and in a chunk; above it nothing happens", async () => {
  using here = await place({ minimumRate: 1000, rateWindow: 300 });
  for (const verb of ["DATA", "BDAT"]) {
    using client = await SmtpClient.ready(here.port);
    if (verb === "DATA") await begin(client);
    else {
      await client.command("MAIL FROM:<a@sender.example>", 250);
      await client.command("RCPT TO:<b@example.org>", 250);
      await client.send("BDAT 1000000\r\n");
    }
    let dripping = true;
    const drops = (async () => {
      while (dripping) {
        await client.send("xx").catch(() => {});
        await new Promise((wake) => setTimeout(wake, 20)); // 100 octets a second
      }
    })();
    assertMatch((await client.expect(421)).raw, /^421 4\.4\.2 /);
    dripping = false;
    await drops;
    assertEquals(here.host.gone_, "content too slow");
    here.host.gone_ = null;
  }
  using client = await SmtpClient.ready(here.port);
  await begin(client);
  const start = performance.now();
  while (performance.now() - start < 900) {
    await client.send("x".repeat(98) + "\r\n");
    await new Promise((wake) => setTimeout(wake, 20)); // 5,000 octets a second
  }
  await client.send(".\r\n");
  await client.expect(250);
});

Deno.test("case 35: silence in the content is 421 4.4.2; a chunk after a long pause is not blamed for the pause", async () => {
  using here = await place({ contentTimeout: 300, minimumRate: 1000, rateWindow: 200 });
  using silent = await SmtpClient.ready(here.port);
  await begin(silent);
  assertMatch((await silent.expect(421)).raw, /^421 4\.4\.2 /);
  assert(["timeout in the content", "content too slow"].includes(here.host.gone_!));
  using client = await SmtpClient.ready(here.port);
  await client.command("MAIL FROM:<a@sender.example>", 250);
  await client.command("RCPT TO:<b@example.org>", 250);
  await client.send("BDAT 3\r\nx\r\n");
  await client.expect(250);
  await new Promise((wake) => setTimeout(wake, 600)); // the pause is the case; it is no content, the command timer runs
  await client.send("BDAT 3 LAST\r\nx");
  await new Promise((wake) => setTimeout(wake, 60)); // one or two looks of the deadlines into the middle of the chunk
  await client.send("\r\n");
  await client.expect(250);
});

Deno.test("time that our disk takes is not held against the peer", async () => {
  using here = await place({ contentTimeout: 200, minimumRate: 1000, rateWindow: 200 });
  const held = gate<void>();
  here.host.take = () => here.host.octets > 100 ? held.promise : undefined;
  using client = await SmtpClient.ready(here.port);
  await begin(client);
  await client.send("x".repeat(200));
  await waitFor("the disk", () => here.host.octets > 100);
  await new Promise((wake) => setTimeout(wake, 700)); // the disk's time is the case
  here.host.take = () => {};
  held.open();
  await client.send("\r\n.\r\n");
  await client.expect(250);
});

Deno.test("case 12: a peer that goes while its answer is pending: told once, the late answer goes nowhere", async () => {
  for (const how of ["FIN", "RST"]) {
    for (const phase of ["connect", "helo", "mail", "rcpt", "message"]) {
      using here = await place();
      const held = gate<Reply>();
      here.host.answer = (event) => event.type === phase ? held.promise : undefined;
      const client = await SmtpClient.connect(here.port);
      await client.send(
        "EHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx: y\r\n\r\nz\r\n.\r\n",
      );
      await waitFor("the question", () => here.session.waiting);
      if (how === "RST") client.close(); // unread octets make it a reset once we write
      else await client.conn.closeWrite();
      held.open(phase === "connect" ? defer("4.3.2", "Not now", { code: 421 }) : accept());
      await waitFor(`the end (${how} in ${phase})`, () => here.host.gone_);
      client.close();
      await waitFor("the socket to be gone", () => here.socket.destroyed);
    }
  }
});

Deno.test("a peer that half-closes gets the answers to all it said", async () => {
  using here = await place();
  here.host.answer = () => new Promise((done) => setTimeout(done, 5, accept()));
  using client = await SmtpClient.connect(here.port);
  await client.send(
    "EHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx: y\r\n\r\nz\r\n.\r\n",
  );
  await client.conn.closeWrite();
  for (const code of [220, 250, 250, 250, 354, 250]) await client.expect(code);
  assertEquals(await client.closed(), "");
});

Deno.test("a defect of the host ends the session with 421 and nothing else", async () => {
  const faults: [string, (host: TestHost) => void][] = [
    ["a throw when asked", (host) => {
      host.answer = (event) => {
        if (event.type === "rcpt") throw new Error("made by the test");
      };
    }],
    ["a rejection", (host) => {
      host.answer = (event) => event.type === "rcpt" ? Promise.reject(new Error("made by the test")) : undefined;
    }],
    ["a throw when given octets", (host) => {
      host.take = () => {
        throw new Error("made by the test");
      };
    }],
    ["replies for recipients that there are not", (host) => {
      host.answer = (event) => event.type === "message" ? Promise.resolve([accept(), accept()]) : undefined;
    }],
  ];
  for (const [name, break_] of faults) {
    using here = await place({ engine: { lmtp: name.startsWith("replies") } });
    break_(here.host);
    using client = await SmtpClient.connect(here.port);
    await client.expect(220);
    await client.command(name.startsWith("replies") ? "LHLO c.example" : "EHLO c.example", 250);
    await client.send("MAIL FROM:<a@s.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
    await client.expect(250);
    let reply = await client.reply();
    while (reply.code < 400) {
      if (reply.code === 354) await client.send("x: y\r\n\r\nz\r\n.\r\n");
      reply = await client.reply();
    }
    assertEquals([name, reply.raw.slice(0, 9)], [name, "421 4.3.0"]);
    assertEquals(await client.closed(), "");
    await waitFor("the end", () => here.host.gone_);
    assert(here.host.told.some((each) => each.startsWith("failed: ")), name);
  }
});

Deno.test("a rejected body write stops nothing: the writer's fault is told at the end of the content", async () => {
  using here = await place();
  here.host.take = () => Promise.reject(new Error("disk"));
  here.host.answer = (event) => event.type === "message" ? defer("4.3.0", "Cannot store the message now") : undefined;
  using client = await SmtpClient.ready(here.port);
  await begin(client);
  await client.send("x: y\r\n\r\n..z\r\n.\r\n");
  await client.expect(451);
  await client.command("NOOP", 250);
});

Deno.test("case 78: a drain ends idle sessions at once, busy ones after their answer, content after its end", async () => {
  const steps: [string, (client: SmtpClient) => Promise<unknown>, (client: SmtpClient) => Promise<string[]>][] = [
    ["idle", () => Promise.resolve(), async (client) => [(await client.reply()).raw]],
    ["half a command", (client) => client.send("NOO"), async (client) => [(await client.reply()).raw]],
    ["in DATA", begin, async (client) => {
      await client.send("x: y\r\n\r\nz\r\n.\r\n");
      return [(await client.expect(250)).raw, (await client.reply()).raw];
    }],
    ["in spoiled DATA", async (client) => {
      await begin(client);
      await client.send("x\ny");
    }, async (client) => {
      await client.send("\r\n.\r\n");
      return [(await client.expect(550)).raw, (await client.reply()).raw];
    }],
    ["between two chunks", async (client) => {
      await client.command("MAIL FROM:<a@sender.example>", 250);
      await client.command("RCPT TO:<b@example.org>", 250);
      await client.send("BDAT 3\r\nx\r\n");
      await client.expect(250);
    }, async (client) => {
      await client.send("BDAT 3 LAST\r\ny\r\n");
      return [(await client.expect(250)).raw, (await client.reply()).raw];
    }],
  ];
  for (const [name, before, after] of steps) {
    using here = await place();
    using client = await SmtpClient.ready(here.port);
    await before(client);
    if (name !== "idle") await waitFor("the octets", () => here.socket.bytesRead > 20 || here.session.buffered > 0);
    here.inbound.drain();
    const replies = await after(client);
    assertMatch(replies.at(-1)!, /^421 4\.3\.2 /, name);
    assertEquals(await client.closed(), "", name);
  }
  using here = await place();
  const held = gate<Reply>();
  here.host.answer = (event) => event.type === "mail" ? held.promise : undefined;
  using client = await SmtpClient.ready(here.port);
  await client.send("MAIL FROM:<a@sender.example>\r\n");
  await waitFor("the question", () => here.session.waiting);
  here.inbound.drain();
  held.open(accept());
  await client.expect(250);
  await client.expect(421);
});

Deno.test("thousands of pipelined questions let the other sessions in between", async () => {
  const limits = { recipients: 100_000, junk: 100_000 } as ServerOptions["limits"];
  using here = await place({ engine: { limits } });
  let asked = 0, between = 0;
  here.host.answer = (event) => {
    if (event.type !== "rcpt") return;
    asked++;
    for (const at = performance.now(); performance.now() - at < 0.2;); // what a chain of plugins may cost
    return asked % 2 === 0 ? Promise.resolve(accept()) : accept();
  };
  using busy = await SmtpClient.ready(here.port);
  using other = await SmtpClient.ready(here.port);
  await busy.command("MAIL FROM:<a@sender.example>", 250);
  const total = 3000; // one read of 64 KB
  await busy.send("RCPT TO:<b@example.org>\r\n".repeat(total));
  await waitFor("the first question", () => asked > 0, { every: 1 });
  while (asked < total) {
    await other.command("NOOP", 250);
    if (asked < total) between++;
  }
  assert(between > 5, `${between} commands of the other session came between`);
  for (let i = 0; i < total; i++) await busy.expect(250);
});
