/** TLS and logins of connections to mail servers: what is judged, what follows, who hears a password. */
import type { Socket } from "node:net";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { TlsDemand } from "../../../core/delivery/tls/policy.ts";
import { verdictOf } from "../../../core/delivery/tls/verdict.ts";
import { Deadlines } from "../../../core/net/deadline.ts";
import { type Opened, type OpenOptions, openOutbound } from "../../../core/net/outbound_open.ts";
import type { OutboundTls, TlsReached } from "../../../core/net/outbound_settings.ts";
import { Certificates } from "../../../core/net/tls/certificates.ts";
import { ClientTls } from "../../../core/net/tls/client_tls.ts";
import { ServerTls } from "../../../core/net/tls/server_tls.ts";
import { Offer } from "../../../core/smtp/extensions.ts";
import { octets } from "../../support/bytes.ts";
import { clientOptions, described, transaction } from "../../support/client_dialogue.ts";
import { testWith } from "../../support/debian.ts";
import { HandmadeServer, MailSink } from "../../support/mail_sink.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor, within } from "../../support/wait.ts";
import { Pki } from "./tls/pki.ts";

const HOST = "mx.example.org";
const MAY: TlsDemand = {
  tls: "may",
  serverName: HOST,
  checks: [],
  requireTls: false,
  reported: { type: "no-policy-found", domain: "example.org", text: [], mx: [] },
  key: "may",
};
const MUST: TlsDemand = {
  ...MAY,
  tls: "must",
  checks: [{ kind: "web", names: [HOST], lenient: false, sts: false }],
  key: "must",
};

/** What was judged, in its order. */
type Judged = string[];

function judge(demand: TlsDemand, judged: Judged): OutboundTls["judge"] {
  return (reached: TlsReached) => {
    judged.push(reached.kind);
    return verdictOf(demand, reached, { now: Date.now(), host: HOST });
  };
}

async function open(port: number, demand: TlsDemand, judged: Judged, options: {
  readonly client?: ClientTls;
  readonly implicit?: boolean;
  readonly patience?: number;
  readonly session?: Partial<OpenOptions["session"]>;
} = {}): Promise<Opened> {
  const tls = demand.tls === "must" ? "required" : "if offered";
  return await within(
    "a decision",
    openOutbound({
      to: { addresses: ["127.0.0.1"], port },
      session: clientOptions({ tls, ...options.session }),
      tls: {
        client: options.client ?? new ClientTls(),
        serverName: HOST,
        implicit: options.implicit ?? false,
        judge: judge(demand, judged),
      },
      deadlines: new Deadlines(20),
      patience: () => options.patience ?? 5000,
    }),
    8000,
  );
}

async function certified(folder: TempFolder, name = HOST): Promise<{ serverTls: ServerTls; client: ClientTls }> {
  const pki = new Pki(folder.path), root = await pki.authority("root");
  const pair = await pki.issue("mx", { by: root, san: `DNS:${name}` });
  const certificates = await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 });
  return {
    serverTls: new ServerTls({ certificates, minVersion: "TLSv1.2" }),
    client: new ClientTls({ authorities: [await Deno.readTextFile(root.certificate)] }),
  };
}

const TEXT = octets("Subject: x\r\n\r\nhello\r\n");
const OFFERS_TLS = { offer: new Offer({ size: 10_000_000, recipients: 100, startTls: true }) };
const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;

for (const implicitTls of [false, true]) {
  const how = implicitTls ? "TLS from the start" : "STARTTLS";
  testWith(["openssl"], `${how}: verified, mail goes through, and nothing of it is left open`, async () => {
    await using folder = await TempFolder.make();
    const { serverTls, client } = await certified(folder);
    await using sink = await MailSink.open({ tls: serverTls, implicitTls, ...!implicitTls && { engine: OFFERS_TLS } });
    const before = descriptors(), judged: Judged = [];
    for (let round = 0; round < 5; round++) {
      const { connection, failures } = await open(sink.port, MUST, judged, { client, implicit: implicitTls });
      assert(connection !== null, JSON.stringify(failures));
      assertEquals([connection.security?.version, connection.security?.strength], ["TLSv1.3", "verified"]);
      for (let mail = 0; mail < 3; mail++) {
        const facts = transaction(["x@y.example"], { size: TEXT.length });
        assertEquals((await connection.deliver(facts, () => TEXT)).map(described), ["accept 2.0.0 dot"]);
      }
      const large = new Uint8Array(1_000_000).fill(0x78);
      large.set(octets("Subject: x\r\n\r\n"));
      for (let at = 78; at < large.length; at += 80) large.set([13, 10], at);
      large.set([13, 10], large.length - 2);
      const facts = transaction(["x@y.example"], { size: large.length });
      assertEquals((await connection.deliver(facts, () => large)).map(described), ["accept 2.0.0 dot"]);
      await connection.quit();
    }
    assertEquals([judged, sink.messages.length], [Array(5).fill("secured"), 20]);
    await waitFor("every socket to be closed", () => sink.sockets.size === 0 && descriptors() === before);
  });
}

testWith(
  ["openssl"],
  "a certificate for another name: refused where it is demanded, encrypted where it is not",
  async () => {
    await using folder = await TempFolder.make();
    const { serverTls, client } = await certified(folder, "other.example.org");
    await using sink = await MailSink.open({ tls: serverTls, engine: OFFERS_TLS });
    const before = descriptors(), judged: Judged = [];
    const strict = await open(sink.port, MUST, judged, { client });
    assertEquals(strict.failures.map(({ outcome }) => described(outcome)), ["defer 4.7.5 starttls"]);
    assertMatch(strict.failures[0]!.outcome.text, /is not for mx\.example\.org/);
    await waitFor("every socket to be closed", () => sink.sockets.size === 0 && descriptors() === before);
    const lenient = await open(sink.port, MAY, judged, { client });
    assertEquals(lenient.connection?.security?.strength, "encrypted");
    await lenient.connection!.quit();
    assertEquals(judged, ["secured", "secured"]);
  },
);

/** Offers STARTTLS; then as told. Without a handshake it takes mail. */
function breaking(after: (socket: Socket) => void): Promise<HandmadeServer> {
  return HandmadeServer.open(async (peer) => {
    peer.say("220 mx.example.org");
    await peer.answer("EHLO", "250-mx.example.org\r\n250 STARTTLS");
    const heard = await peer.hear("\r\n") === "" ? null : await peer.hear("\r\n");
    if (heard?.startsWith("STARTTLS")) after(peer.socket);
  });
}

const BROKEN: Readonly<Record<string, (socket: Socket) => void>> = {
  "closes after 220": (socket) => void socket.write("220 go\r\n", () => socket.destroy()),
  "closes before 220": (socket) => socket.destroy(),
  "answers the hello with garbage": (socket) => {
    socket.write("220 go\r\n");
    setTimeout(() => socket.write("500 what is this?\r\n"), 20);
  },
};

for (const [name, after] of Object.entries(BROKEN)) {
  Deno.test(`case 64: a server that ${name} is written to in clear where that is allowed, else not`, async () => {
    await using server = await breaking(after);
    const judged: Judged = [];
    const may = await open(server.port, MAY, judged);
    assert(may.connection !== null, JSON.stringify(may.failures));
    assertEquals([may.connection.security, judged, server.connections], [null, ["failed"], 2]);
    may.connection.destroy("enough");
    const must = await open(server.port, MUST, judged);
    assertEquals(must.failures.map(({ outcome }) => described(outcome)), ["defer 4.7.5 starttls"]);
    assertEquals([judged, server.connections], [["failed", "failed"], 3]);
  });
}

Deno.test("STARTTLS that is missing or refused: in clear where that is allowed, else deferred", async () => {
  await using missing = await MailSink.open();
  await using refusing = await breaking((socket) => void socket.write("454 4.7.0 not now\r\n"));
  for (const [server, kind] of [[missing, "missing"], [refusing, "refused"]] as const) {
    const judged: Judged = [];
    const may = await open(server.port, MAY, judged);
    assertEquals([may.connection?.security, judged], [null, [kind]]);
    may.connection!.destroy("enough");
    const must = await open(server.port, MUST, judged);
    assertEquals(must.failures.map(({ outcome }) => described(outcome)), ["defer 4.7.4 starttls"]);
    assertEquals(judged, [kind, kind]);
  }
});

Deno.test("case 63: octets in clear behind the 220 end the attempt, also where TLS is not demanded", async () => {
  await using server = await breaking((socket) => void socket.write("220 go\r\n250 injected\r\n"));
  for (const demand of [MAY, MUST]) {
    const { connection, failures } = await open(server.port, demand, []);
    assertEquals(connection, null);
    assertEquals(failures.map(({ outcome }) => described(outcome)), ["defer 4.7.0 starttls"]);
  }
  assertEquals(server.connections, 2);
});

testWith(["openssl"], "a judge that throws lets nothing through, with TLS or without", async () => {
  await using folder = await TempFolder.make();
  const { serverTls, client } = await certified(folder);
  await using secure = await MailSink.open({ tls: serverTls, engine: OFFERS_TLS });
  await using clear = await MailSink.open();
  const judge = () => {
    throw new Error("a defect");
  };
  for (const { port } of [secure, clear]) {
    const { connection, failures } = await openOutbound({
      to: { addresses: ["127.0.0.1"], port },
      session: clientOptions({ tls: "if offered" }),
      tls: { client, serverName: HOST, judge },
      deadlines: new Deadlines(20),
    });
    assertEquals(connection, null);
    assertEquals(failures.map(({ outcome }) => described(outcome)), ["defer 4.3.0 starttls"]);
  }
});

Deno.test("a handshake that never ends is given up in time", async () => {
  await using silent = await breaking((socket) => void socket.write("220 go\r\n"));
  const before = descriptors(), judged: Judged = [];
  const { failures } = await open(silent.port, MUST, judged, { patience: 200 });
  assertEquals(failures.map(({ outcome }) => described(outcome)), ["defer 4.7.5 starttls"]);
  assertEquals(judged, ["failed"]);
  await waitFor("our end to be closed", () => [...silent.sockets].every((each) => each.readableEnded));
  for (const socket of silent.sockets) socket.destroy();
  await waitFor("every socket to be closed", () => descriptors() === before);
});

Deno.test("a login: done before mail; a refused one is for the operator, and no other address hears the password", async () => {
  const heard: string[] = [];
  await using server = await HandmadeServer.open(async (peer, index) => {
    peer.say("220 mx.example.org");
    await peer.answer("EHLO", "250-mx.example.org\r\n250 AUTH PLAIN");
    await peer.hear("\r\n");
    const line = await peer.hear("\r\n");
    if (line === null) return;
    heard.push(line);
    peer.say(index === 0 ? "235 2.7.0 welcome" : "535 5.7.8 wrong");
  });
  const login = (inClear: boolean) => ({
    credentials: { user: "u", password: "p" },
    server: { host: HOST, port: 587 },
    random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    inClear,
  });
  const settings = { session: { login: login(true) } };
  const good = await open(server.port, MAY, [], settings);
  assert(good.connection !== null, JSON.stringify(good.failures));
  assertEquals(good.connection.usable, true);
  good.connection.destroy("enough");
  const bad = await openOutbound({
    to: { addresses: ["127.0.0.1", "127.0.0.1"], port: server.port },
    session: clientOptions({ login: login(true) }),
    tls: null,
    deadlines: new Deadlines(20),
  });
  assertEquals(bad.failures.map(({ outcome }) => described(outcome)), ["defer 4.7.8 auth"]);
  const clear = await open(server.port, MAY, [], { session: { login: login(false) } });
  assertEquals(clear.failures.map(({ outcome }) => described(outcome)), ["defer 4.7.0 auth"]);
  assertEquals(heard, Array(2).fill(`AUTH PLAIN ${btoa("\0u\0p")}\r\n`));
});
