/**
 * The client's handshake, against openssl's server, our own one, and peers that do everything wrong. One test for each
 * fact about the runtime that delivery builds on: it must be heard of when a new version of it changes one.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createPrivateKey } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { ClientTls, type ServerPeer } from "../../../../core/net/tls/client_tls.ts";
import { Certificates } from "../../../../core/net/tls/certificates.ts";
import { HandshakeError } from "../../../../core/net/tls/handshake.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor } from "../../../support/wait.ts";
import { OpensslServer } from "./openssl_server.ts";
import { type Issued, Pki } from "./pki.ts";
import { TlsServer } from "./tls_server.ts";

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

/** Says hello, hears it back; ends the connection. */
async function echo({ socket }: ServerPeer): Promise<string> {
  let heard = "";
  socket.on("data", (chunk) => heard += new TextDecoder().decode(chunk));
  socket.write("over\r\n");
  await waitFor("the echo", () => heard.includes("over\r\n"));
  socket.end();
  socket.destroy();
  return heard;
}

/** What came of a handshake. */
async function shown(tls: ClientTls, port: number, name = "mx.example.org"): Promise<ServerPeer & { length: number }> {
  const raw = await dial(port);
  const peer = await tls.handshake(raw, name);
  const length = peer.chain().length;
  peer.socket.destroy();
  raw.destroy();
  return { ...peer, length };
}

const pem = (issued: Issued) => Deno.readTextFileSync(issued.certificate);
const NAME = "DNS:mx.example.org";

testWith(["openssl"], "a client's STARTTLS upgrade works both ways round: our server, and openssl's", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const root = await pki.authority("root"), pair = await pki.issue("mx", { by: root, san: NAME });
  const tls = new ClientTls({ authorities: [pem(root)] });
  const certificates = await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 });
  await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
  for (let round = 0; round < 20; round++) {
    const peer = await tls.handshake(await dial(server.port), "mx.example.org");
    assertEquals([peer.version, peer.distrust], ["TLSv1.3", null]);
    assertEquals(await echo(peer), "hello\r\nover\r\n");
  }
  assertEquals(server.sessions.length, 20);
  assert(server.sessions.every(({ facts }) => facts.serverName === "mx.example.org" && !facts.resumed));
  for (const version of ["1_2", "1_3"] as const) {
    await using other = await OpensslServer.start(pair, [`-tls${version}`, "-rev"]);
    const { socket, cipher, ...peer } = await tls.handshake(await dial(other.port), "mx.example.org");
    assertEquals(peer.version, `TLSv${version.replace("_", ".")}`);
    assertMatch(cipher, /^TLS_/);
    let heard = "";
    socket.on("data", (chunk) => heard += new TextDecoder().decode(chunk));
    socket.write("revo\n");
    await waitFor("the line, reversed", () => heard.includes("over"));
    socket.destroy();
  }
});

/** Reads until the line is there; what stands behind it stays in the socket. */
function line(socket: Socket, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = "";
    const gone = () => reject(new Error("closed"));
    const more = (chunk: Uint8Array) => {
      seen += new TextDecoder().decode(chunk);
      const end = seen.indexOf(`${wanted}\r\n`);
      if (end < 0) return;
      socket.off("data", more).off("close", gone).pause();
      const rest = seen.slice(end + wanted.length + 2);
      if (rest !== "") socket.unshift(new TextEncoder().encode(rest));
      resolve();
    };
    socket.on("data", more).once("close", gone);
    socket.resume();
  });
}

testWith(["openssl"], "no handshake behind a conversation in clear hangs, however many go on at once", async () => {
  await using folder = await TempFolder.make();
  const pair = await new Pki(folder.path).issue("mx", { san: NAME });
  const certificates = await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 });
  const serverTls = new ServerTls({ certificates, minVersion: "TLSv1.2" });
  await using server = await rude(async (socket) => {
    socket.write("220 ready\r\n");
    await line(socket, "STARTTLS");
    await new Promise((resolve) => socket.write("220 go ahead\r\n", resolve));
    const secured = await serverTls.handshake(socket);
    secured.on("data", (chunk) => secured.write(chunk)).on("error", () => {});
    secured.write("hello\r\n");
  });
  const tls = new ClientTls();
  let left = 300;
  const worker = async () => {
    while (left-- > 0) {
      const raw = await dial(server.port);
      await line(raw, "220 ready");
      raw.write("STARTTLS\r\n");
      await line(raw, "220 go ahead");
      assertEquals(await echo(await tls.handshake(raw, "mx.example.org")), "hello\r\nover\r\n");
    }
  };
  await Promise.all(Array.from({ length: 30 }, worker));
});

testWith(["openssl"], "who vouches for a certificate is told, and no certificate fails the handshake", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const root = await pki.authority("root"), other = await pki.authority("other");
  const between = await pki.authority("between", { by: root });
  const good = await pki.issue("good", { by: between, san: NAME });
  const expired = await pki.issue("expired", { by: root, san: NAME, days: -1 });
  const self = await pki.issue("self", { san: NAME }), bare = await pki.issue("bare", { extensions: [] });
  const foreign = await pki.issue("foreign", { by: root, san: "DNS:elsewhere.example" });
  const chain = await pki.bundle(between);
  const ours = new ClientTls({ authorities: [pem(root)] }), theirs = new ClientTls({ authorities: [pem(other)] });
  const cases: [Issued, readonly string[], string | null, number][] = [
    [good, ["-cert_chain", chain], null, 3], // with the root, which the runtime adds
    [good, [], "UNABLE_TO_VERIFY_LEAF_SIGNATURE", 1],
    [expired, [], "CERT_HAS_EXPIRED", 2],
    [self, [], "DEPTH_ZERO_SELF_SIGNED_CERT", 1],
    [bare, [], "DEPTH_ZERO_SELF_SIGNED_CERT", 1],
    [foreign, [], null, 2], // the name is not the runtime's to judge
  ];
  for (const version of ["-tls1_2", "-tls1_3"]) {
    for (const [pair, args, distrust, length] of cases) {
      await using server = await OpensslServer.start(pair, [version, ...args]);
      const seen = await shown(ours, server.port);
      assertEquals([seen.distrust, seen.length], [distrust, length], pair.certificate);
      assert((await shown(theirs, server.port)).distrust !== null, pair.certificate);
    }
  }
  await using server = await OpensslServer.start(self, []);
  assertEquals((await shown(new ClientTls({ authorities: [pem(self)] }), server.port)).distrust, null);
  assert((await shown(new ClientTls(), server.port)).distrust !== null, "the authorities of the runtime");
  assert((await shown(ours, server.port)).distrust !== null, "the same context, once more");
});

testWith(
  ["openssl"],
  "a server that has another key than its certificate's fails, though nobody asked who it is",
  async () => {
    await using folder = await TempFolder.make();
    const pki = new Pki(folder.path);
    const victim = await pki.issue("victim", { san: NAME }), thief = await pki.issue("thief", { san: NAME });
    // The thief's private key with the victim's public key beside it: openssl compares the public parts only
    const read = (pair: Issued) =>
      createPrivateKey(Deno.readTextFileSync(pair.key)).export({ type: "sec1", format: "der" });
    const forged = new Uint8Array(read(thief) as Uint8Array), real = new Uint8Array(read(victim) as Uint8Array);
    forged.set(real.subarray(-65), forged.length - 65);
    const key = folder.at("forged.key");
    const lines = forged.toBase64().match(/.{1,64}/g)!.join("\n");
    await Deno.writeTextFile(key, `-----BEGIN EC PRIVATE KEY-----\n${lines}\n-----END EC PRIVATE KEY-----\n`);
    for (const version of ["-tls1_2", "-tls1_3"]) {
      await using server = await OpensslServer.start({ certificate: victim.certificate, key }, [version]);
      for (const tls of [new ClientTls(), new ClientTls({ authorities: [pem(victim)] })]) {
        await assertRejects(async () => await tls.handshake(await dial(server.port), "mx.example.org"), HandshakeError);
      }
    }
  },
);

testWith(["openssl"], "names for the ClientHello: none for addresses, and odd ones harm nobody", async () => {
  await using folder = await TempFolder.make();
  const pair = await new Pki(folder.path).issue("mx", { san: NAME });
  const certificates = await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 });
  await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
  const tls = new ClientTls();
  const names = [
    null,
    "192.0.2.1",
    "2001:db8::1",
    "mx_a.example.org",
    "x".repeat(300),
    "a..b",
    "*.example.org",
    "bad name",
  ];
  for (const name of names) {
    const before: number = server.sessions.length;
    const peer = await tls.handshake(await dial(server.port), name);
    await echo(peer);
    const session = await waitFor("the session", () => server.sessions[before]);
    if (name === null || /^[\d:]/.test(name)) assertEquals(session.facts.serverName, null, String(name));
  }
});

/** A server that does to each connection what it is told. */
async function rude(behave: (socket: Socket) => unknown): Promise<{ port: number; server: Server } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => {}));
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("case 45: whatever a server does in the handshake fails it once, and nothing is left open", async () => {
  const behaviours: readonly [string, (socket: Socket) => void][] = [
    ["clear text", (socket) => socket.once("data", () => socket.write("220 hello\r\n250 what\r\n"))],
    ["garbage", (socket) => socket.once("data", () => socket.write(new Uint8Array(5000).fill(0x16)))],
    ["an alert", (socket) => socket.once("data", () => socket.write(new Uint8Array([0x15, 3, 3, 0, 2, 2, 40])))],
    ["FIN", (socket) => socket.once("data", () => socket.end())],
    ["FIN at once", (socket) => socket.end()],
    ["RST", (socket) => socket.once("data", () => socket.resetAndDestroy())],
    [
      "half a record, then FIN",
      (socket) => socket.once("data", () => socket.end(new Uint8Array([0x16, 3, 3, 2, 0, 1]))),
    ],
    [
      "a record of 64 KB",
      (socket) => socket.once("data", () => socket.write(new Uint8Array([0x16, 3, 3, 0xff, 0xff, 1]))),
    ],
  ];
  const tls = new ClientTls();
  for (const [what, behave] of behaviours) {
    await using server = await rude(behave);
    const raw = await dial(server.port);
    const error = await assertRejects(() => tls.handshake(raw, "mx.example.org"), HandshakeError);
    assert(!error.message.includes("250 what"), what);
    await waitFor(`the end after ${what}`, () => raw.destroyed);
  }
});

Deno.test("case 45: a server that stalls in the handshake is cut by destroy", async () => {
  await using server = await rude(() => {});
  const raw = await dial(server.port);
  const failed = assertRejects(() => new ClientTls().handshake(raw, "mx.example.org"), HandshakeError);
  raw.destroy();
  await failed;
  await assertRejects(() => new ClientTls().handshake(raw, "mx.example.org"), HandshakeError, "left");
});

Deno.test("case 63: octets in clear before our hello fail the handshake, and are read by nobody", async () => {
  await using server = await rude((socket) => socket.write("220 go ahead\r\n250 injected\r\n"));
  const raw = await dial(server.port);
  await line(raw, "220 go ahead");
  await assertRejects(() => new ClientTls().handshake(raw, "mx.example.org"), HandshakeError, "in clear");
  assert(raw.destroyed);
});

testWith(["openssl"], "case 46: what is no TLS in the middle of a session ends it", async () => {
  await using folder = await TempFolder.make();
  const pair = await new Pki(folder.path).issue("mx", { san: NAME });
  const certificates = await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 });
  await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
  const raw = await dial(server.port);
  const peer = await new ClientTls().handshake(raw, "mx.example.org");
  const events: string[] = [];
  let heard = "";
  peer.socket.on("data", (chunk) => heard += new TextDecoder().decode(chunk));
  peer.socket.on("error", () => events.push("error")).on("close", () => events.push("close"));
  await waitFor("the greeting", () => heard === "hello\r\n");
  const [plain] = server.sockets;
  plain!.write("250 in clear\r\n");
  await waitFor("the end", () => events.includes("close"));
  assertEquals(heard, "hello\r\n");
});
