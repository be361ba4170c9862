/** Connections to mail servers: our own engine at the other end of a real socket, and peers that do everything wrong. */
import type { Socket } from "node:net";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Deadlines } from "../../../core/net/deadline.ts";
import type { OutboundConnection } from "../../../core/net/outbound.ts";
import type { OutboundContent } from "../../../core/net/outbound_content.ts";
import { type Opened, type OpenOptions, openOutbound } from "../../../core/net/outbound_open.ts";
import { concat } from "../../../core/model/octets.ts";
import { difference, octets } from "../../support/bytes.ts";
import { clientOptions, described, transaction } from "../../support/client_dialogue.ts";
import { type HandmadePeer, HandmadeServer, MailSink } from "../../support/mail_sink.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor, within } from "../../support/wait.ts";

const TEXT = "Subject: x\r\n\r\nhello\r\n.dot\r\n";
const FAST = 20;

function open(to: number | OpenOptions["to"], options: Partial<OpenOptions> = {}): Promise<Opened> {
  return openOutbound({
    to: typeof to === "number" ? { addresses: ["127.0.0.1"], port: to } : to,
    session: clientOptions(),
    tls: null,
    deadlines: new Deadlines(FAST),
    ...options,
  });
}

async function connected(port: number, options: Partial<OpenOptions> = {}): Promise<OutboundConnection> {
  const { connection, failures } = await open(port, options);
  assert(connection !== null, JSON.stringify(failures));
  return connection;
}

/** Delivers text to these; the outcomes as `described`. */
async function deliver(
  connection: OutboundConnection,
  text: string | Uint8Array = TEXT,
  to: readonly string[] = ["x@y.example"],
): Promise<string[]> {
  const content = typeof text === "string" ? octets(text) : text;
  const outcomes = await within(
    "the outcomes",
    connection.deliver(transaction(to, { size: content.length }), () => streamOf(content)),
    10_000,
  );
  return outcomes.map(described);
}

function streamOf(content: Uint8Array, block = 32_768): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= content.length) return controller.close();
      controller.enqueue(content.subarray(at, at += block));
    },
  });
}

/** Lines that have nothing to double. */
function big(size: number): Uint8Array {
  const content = new Uint8Array(size).fill(0x78);
  for (let at = 78; at < size; at += 80) content.set([13, 10], at);
  content.set([13, 10], size - 2);
  return content;
}

const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;

Deno.test("200 messages go over one connection, whole, and both ends close it", async () => {
  await using sink = await MailSink.open();
  const before = descriptors();
  const connection = await connected(sink.port);
  for (let i = 0; i < 200; i++) {
    assertEquals(await deliver(connection, `Subject: ${i}\r\n\r\n.\r\n..\r\n`), ["accept 2.0.0 dot"]);
  }
  assertEquals([sink.connections, sink.messages.length, connection.deliveries], [1, 200, 200]);
  assertEquals(sink.messages[199], octets("Subject: 199\r\n\r\n.\r\n..\r\n"));
  await connection.quit();
  assertEquals(connection.usable, false);
  await waitFor("both sockets to be closed", () => sink.sockets.size === 0 && descriptors() === before);
});

for (const chunking of [true, false]) {
  Deno.test(`a megabyte arrives as it is by ${chunking ? "BDAT" : "DATA"}, each recipient with its own outcome`, async () => {
    await using sink = await MailSink.open();
    const connection = await connected(sink.port, { session: clientOptions({ chunking }) });
    const content = concat([octets("Subject: x\r\n\r\n.a dot\r\n"), big(1_000_000)]);
    assertEquals(await deliver(connection, content, ["a@y.example", "no@y.example", "b@y.example"]), [
      "accept 2.0.0 dot",
      "reject 5.1.1 rcpt",
      "accept 2.0.0 dot",
    ]);
    assertEquals(difference(sink.messages[0]!, content), -1);
    await connection.quit();
  });
}

Deno.test("envelope and a small message are one write where the peer pipelines and takes BDAT", async () => {
  const writes: string[] = [];
  await using server = await HandmadeServer.open(async (peer) => {
    peer.say("220 mx.y.example");
    await peer.answer("EHLO", "250-mx.y.example\r\n250-PIPELINING\r\n250 CHUNKING");
    peer.socket.on("data", (chunk: Uint8Array) => writes.push(new TextDecoder().decode(chunk)));
    await peer.answer(TEXT, "250 OK\r\n250 OK\r\n250 taken");
  });
  const connection = await connected(server.port);
  assertEquals(await deliver(connection), ["accept 2.0.0 dot"]);
  assertEquals(writes.filter((each) => each.includes("MAIL")), [
    `MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT ${TEXT.length} LAST\r\n${TEXT}`,
  ]);
  connection.destroy("enough");
});

Deno.test("a peer that takes its time is not written ahead of", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = await HandmadeServer.open(async (peer) => {
    peer.say("220 mx.y.example");
    await peer.answer("EHLO", "250 mx.y.example");
    await peer.answer("MAIL", "250 OK");
    await peer.answer("RCPT", "250 OK");
    await peer.hear("DATA\r\n");
    peer.say("354 go");
    peer.socket.pause();
    await gate.promise;
    peer.socket.resume();
    await peer.answer("\r\n.\r\n", "250 OK");
    await peer.answer("QUIT", "221 bye");
  });
  const connection = await connected(server.port);
  const block = big(65_536), blocks = 640;
  let read = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (read++ < blocks) controller.enqueue(block);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const outcome = connection.deliver(transaction(["x@y.example"], { size: block.length * blocks }), () => stream);
  let last = -1;
  await waitFor("reading to stop", () => {
    const stopped = read > 0 && read === last;
    last = read;
    return stopped;
  }, { every: 100 });
  assert(read < blocks / 2, `${read} blocks of ${blocks} were read for a peer that took none`);
  gate.resolve();
  assertEquals((await outcome).map(described), ["accept 2.0.0 dot"]);
  await connection.quit();
});

Deno.test("LMTP over a unix socket: a reply for each recipient", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("lmtp");
  await using sink = await MailSink.open({ path, engine: { lmtp: true } });
  const { connection } = await open({ path }, { session: clientOptions({ lmtp: true }) });
  assert(connection !== null);
  assertEquals(await deliver(connection, TEXT, ["a@y.example", "no@y.example", "b@y.example"]), [
    "accept 2.0.0 dot",
    "reject 5.1.1 rcpt",
    "accept 2.0.0 dot",
  ]);
  assertEquals(sink.messages, [octets(TEXT)]);
  await connection.quit();
});

// ---- ends ---------------------------------------------------------------------------------------------------------

/** Commands in their order, and what is said to each while all is well. */
const STEPS: readonly (readonly [heard: string, reply: string])[] = [
  ["", "220 mx.y.example"],
  ["EHLO", "250 mx.y.example"],
  ["MAIL", "250 OK"],
  ["RCPT", "250 OK"],
  ["DATA\r\n", "354 go"],
  ["\r\n.\r\n", "250 OK"],
];
const ENDS: Readonly<Record<string, (peer: { socket: Socket; say(text: string): void }) => void>> = {
  "closes": ({ socket }) => void socket.end(),
  "resets": ({ socket }) => void socket.resetAndDestroy(),
  "is silent": () => {},
  "talks nonsense": ({ socket }) => void socket.write("\0\0GET / HTTP/1.0\r\n"),
  "says 421": (peer) => (peer.say("421 4.3.2 leaving"), void peer.socket.end()),
};

for (const [name, end] of Object.entries(ENDS)) {
  Deno.test(`case 64: a peer that ${name} at each step is a temporary failure, in time, and nothing leaks`, async () => {
    const before = descriptors();
    for (const last of STEPS.keys()) {
      await using server = await HandmadeServer.open(async (peer) => {
        for (const [heard, reply] of STEPS.slice(0, last)) if (await peer.answer(heard, reply) === null) return;
        if (await peer.hear(STEPS[last]![0]) !== null) end(peer);
      });
      const patience = () => name === "is silent" ? 100 : 10_000;
      const { connection, failures } = await within("a decision", open(server.port, { patience }), 5000);
      const where = `at step ${last}`;
      if (last < 2) {
        assertEquals(connection, null, where);
        assertEquals(failures.map(({ outcome }) => outcome.verdict), ["defer"], where);
      } else {
        const [outcome] = await deliver(connection!);
        const phase = ["mail", "rcpt", "data", "dot"][last - 2];
        const unsure = last === 5 && name !== "says 421"; // which is an answer
        assertMatch(outcome!, new RegExp(`^defer 4\\.\\d\\.\\d ${phase}${unsure ? "\\?" : ""}$`), where);
        assertEquals([connection!.usable, connection!.stale], [false, false], where);
        await within("the socket to close", connection!.ended, 5000);
      }
    }
    await waitFor("every socket to be closed", () => descriptors() === before);
  });
}

Deno.test("case 62: a reply without an end, in one go or an octet at a time, is given up in time", async () => {
  await using endless = await HandmadeServer.open((peer) => {
    const more = () => {
      while (!peer.socket.destroyed && peer.socket.write("250-more\r\n".repeat(1000)));
      if (!peer.socket.destroyed) peer.socket.once("drain", more);
    };
    more();
  });
  const first = await within("the end of a flood", open(endless.port), 5000);
  assertMatch(first.failures[0]!.outcome.text, /broke the protocol/);
  await using dripping = await HandmadeServer.open((peer) => {
    const timer = setInterval(() => peer.socket.write("2"), 20);
    peer.socket.once("close", () => clearInterval(timer));
  });
  const second = await within("the end of a drip", open(dripping.port, { patience: () => 200 }), 3000);
  assertEquals(second.failures.map(({ outcome }) => described(outcome)), ["defer 4.4.2 greeting"]);
});

Deno.test("case 64: the next address is tried when one refuses, one closes and one greets with 554", async () => {
  await using sink = await MailSink.open();
  const refusing = await open({ addresses: ["127.0.0.9", "127.0.0.1"], port: sink.port });
  assert(refusing.connection !== null);
  assertEquals(refusing.address, "127.0.0.1");
  assertEquals(refusing.failures.map(({ address, outcome }) => `${address} ${outcome.text}`), [
    "127.0.0.9 No connection: ECONNREFUSED",
  ]);
  await refusing.connection.quit();
  for (const [greeting, verdict] of [[null, "defer 4.4.2"], ["554 no mail here", "reject 5.0.0"]] as const) {
    const rude = (peer: HandmadePeer) => greeting === null ? void peer.socket.end() : peer.say(greeting);
    await using server = await HandmadeServer.open(rude, { host: "127.0.0.2", port: sink.port });
    const opened = await open({ addresses: ["127.0.0.2", "127.0.0.1"], port: server.port });
    assertEquals(opened.failures.map(({ address, outcome }) => `${address} ${described(outcome)}`), [
      `127.0.0.2 ${verdict} greeting`,
    ]);
    assertEquals(await deliver(opened.connection!), ["accept 2.0.0 dot"]);
    await opened.connection!.quit();
  }
});

Deno.test("content that breaks, stalls, ends early or does not end gets no dot, and is for another time", async () => {
  await using sink = await MailSink.open();
  const half = octets("Subject: x\r\n\r\nhalf of i");
  const sources: Readonly<Record<string, () => OutboundContent>> = {
    "throws": () => {
      throw new Error("gone");
    },
    "breaks": () => new ReadableStream({ pull: (controller) => controller.error(new Error("EIO")) }),
    "stalls": () => new ReadableStream({ start: (controller) => controller.enqueue(half) }),
    "ends early": () => half,
    "is too long": () => new Uint8Array(200).fill(0x78),
  };
  for (const chunking of [true, false]) {
    for (const [name, content] of Object.entries(sources)) {
      const connection = await connected(sink.port, {
        session: clientOptions({ chunking }),
        patience: () => name === "stalls" ? 200 : 10_000,
      });
      const outcomes = await connection.deliver(transaction(["x@y.example"], { size: 100 }), content);
      assertEquals(outcomes.map(({ verdict, status, mayHaveArrived }) => [verdict, status, mayHaveArrived]), [
        ["defer", "4.3.0", false],
      ], name);
      assertEquals(connection.stale, false);
      await connection.ended;
    }
  }
  assertEquals(sink.messages, []);
});

Deno.test("a connection that died while nobody looked is stale: the message may have a new one at once", async () => {
  await using server = await HandmadeServer.open(async (peer) => {
    for (const [heard, reply] of STEPS) await peer.answer(heard, reply);
    await peer.hear("MAIL");
    peer.say("421 4.4.2 too long idle");
    peer.socket.end();
  });
  const connection = await connected(server.port);
  assertEquals(await deliver(connection), ["accept 2.0.0 dot"]);
  assertEquals(connection.stale, false);
  assertEquals(await deliver(connection), ["defer 4.4.2 mail"]);
  assertEquals([connection.stale, connection.usable], [true, false]);
});

Deno.test("a probe tells a peer that is there from one that is not", async () => {
  await using sink = await MailSink.open();
  const connection = await connected(sink.port, { patience: () => 200 });
  assertEquals(await connection.probe(), true);
  assertEquals(connection.usable, true);
  for (const socket of sink.sockets) socket.pause().removeAllListeners("data");
  assertEquals(await connection.probe(), false);
  assertEquals([connection.usable, await connection.probe()], [false, false]);
});

Deno.test("an abort ends it while it connects, and while it greets", async () => {
  await using server = await HandmadeServer.open(() => {});
  const stop = new AbortController();
  const opening = open(server.port, { signal: stop.signal });
  await waitFor("the connection", () => server.connections === 1);
  stop.abort();
  const { connection, failures } = await within("the end", opening, 2000);
  assertEquals([connection, failures.map(({ outcome }) => outcome.text)], [null, ["given up"]]);
  assertEquals((await open(server.port, { signal: stop.signal })).failures, []);
  assertNotEquals(server.connections, 2);
});
