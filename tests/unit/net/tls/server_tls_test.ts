/** The server's side of handshakes: facts, bindings, and what hostile peers get out of it. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Certificates } from "../../../../core/net/tls/certificates.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { type Issued, Pki } from "./pki.ts";
import { TempFolder } from "../../../support/temp.ts";
import { TlsServer } from "./tls_server.ts";
import { waitFor } from "../../../support/wait.ts";

/** Servers with one pair, then with two: the way to the handshake differs. */
async function place(pairs: readonly Issued[], minVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.2") {
  const certificates = await Certificates.open({ pairs, trouble: (message) => console.error(message), period: 0 });
  return await TlsServer.open(new ServerTls({ certificates, minVersion }));
}

async function twoPairs(folder: TempFolder): Promise<[Issued, Issued]> {
  const pki = new Pki(folder.path);
  const ca = await pki.authority("Test CA");
  return [
    await pki.issue("a", { by: ca, san: "DNS:a.example" }),
    await pki.issue("b", { by: ca, san: "DNS:b.example, DNS:*.b.example", digest: "sha384" }),
  ];
}

/** A ClientHello with a server name and so much padding, in records of at most `record` octets. */
function hello(name: Uint8Array | string, padding = 0, record = 16384): Uint8Array<ArrayBuffer> {
  const u16 = (value: number) => [value >> 8, value & 255];
  const extension = (type: number, body: readonly number[]) => [...u16(type), ...u16(body.length), ...body];
  const octets = typeof name === "string" ? new TextEncoder().encode(name) : name;
  const extensions = [
    ...extension(0, [...u16(octets.length + 3), 0, ...u16(octets.length), ...octets]),
    ...extension(10, [0, 4, 0, 0x17, 0, 0x1d]),
    ...extension(11, [1, 0]),
    ...extension(13, [0, 8, 4, 3, 8, 4, 4, 1, 5, 3]),
    ...extension(23, []),
    ...(padding === 0 ? [] : extension(21, new Array(padding).fill(0))),
  ];
  // deno-fmt-ignore
  const body = [3, 3, ...new Array(32).fill(7), 0, ...u16(4), 0xc0, 0x2b, 0xc0, 0x2c, 1, 0, ...u16(extensions.length),
    ...extensions];
  const message = [1, body.length >> 16, ...u16(body.length & 0xffff), ...body];
  const out: number[] = [];
  for (let at = 0; at < message.length; at += record) {
    const part = message.slice(at, at + record);
    out.push(22, 3, 1, ...u16(part.length), ...part);
  }
  return Uint8Array.from(out);
}

/** Sends octets and reads what comes back until `enough` of it, or the end. */
async function talk(port: number, octets: Uint8Array, options: { fin?: boolean } = {}): Promise<Uint8Array> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  let sent = 0;
  try {
    while (sent < octets.length) sent += await conn.write(octets.subarray(sent));
    if (options.fin) await conn.closeWrite();
  } catch { /* closed while we talked */ }
  const buffer = new Uint8Array(512);
  const got = await conn.read(buffer).catch(() => null);
  return buffer.slice(0, got ?? 0);
}

testWith(["openssl"], "facts of a handshake, with one certificate and with two", async () => {
  await using folder = await TempFolder.make();
  const [a, b] = await twoPairs(folder);
  for (const pairs of [[b], [a, b]]) {
    await using server = await place(pairs);
    const { facts } = await server.visit({ servername: "x.b.example" });
    assertMatch(facts.cipher, /^TLS_AES_/);
    const { cipher: _, ...rest } = facts;
    assertEquals(rest, { version: "TLSv1.3", serverName: "x.b.example", resumed: false, certificate: null });
    const old = await server.visit({ servername: "b.example", maxVersion: "TLSv1.2" });
    assertEquals(old.facts.version, "TLSv1.2");
    assertMatch(old.facts.cipher, /^TLS_ECDHE_ECDSA_WITH_/);
  }
});

testWith(["openssl"], "the binding is the hash of the certificate that this connection was shown", async () => {
  await using folder = await TempFolder.make();
  const [a, b] = await twoPairs(folder);
  await using server = await place([a, b]);
  for (const [servername, hash] of [["a.example", "sha256"], ["y.b.example", "sha384"]] as const) {
    const socket = await server.client({ servername });
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    const { bindings } = await waitFor(
      "the session",
      () => server.sessions.find(({ facts }) => facts.serverName === servername),
    );
    const octets = bindings.get("tls-server-end-point")!;
    assertEquals(octets, new Uint8Array(createHash(hash).update(raw).digest()));
    assertEquals(bindings.has("tls-unique"), false);
  }
});

testWith(["openssl"], "TLS 1.3 as the floor refuses 1.2; 1.1 is refused in any case", async () => {
  await using folder = await TempFolder.make();
  const [a] = await twoPairs(folder);
  await using server = await place([a], "TLSv1.3");
  await server.visit();
  const refused = await server.visit({ maxVersion: "TLSv1.2" }).then(() => false, () => true);
  assert(refused);
  await waitFor("the failure", () => server.failures.length === 1);
  const { stdout, stderr } = await new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${server.port}`, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    stdin: "null",
  }).output();
  assertMatch(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr), /alert handshake failure/);
});

testWith(
  ["openssl"],
  "a ClientHello of any size and any cut gets its answer, with one certificate and with two",
  async () => {
    await using folder = await TempFolder.make();
    const [a, b] = await twoPairs(folder);
    for (const pairs of [[a], [a, b]]) {
      await using server = await place(pairs);
      for (
        const [padding, record] of [[0, 16384], [0, 1], [4100, 16384], [4100, 700], [15900, 16384], [59000, 16384]]
      ) {
        const answer = await talk(server.port, hello("b.example", padding, record));
        assertEquals(
          [answer[0], answer[5]],
          [22, 2],
          `${pairs.length} pairs, ${padding} octets in records of ${record}`,
        );
      }
      await waitFor("all to be gone", () => server.sockets.size === 0);
    }
  },
);

testWith(
  ["openssl"],
  "case 45: names with NUL, backslash, 4 KB: refused by an alert or given the first certificate",
  async () => {
    await using folder = await TempFolder.make();
    const [a, b] = await twoPairs(folder);
    await using server = await place([a, b]);
    const names = ["a\0b", "a\\b.example", "x".repeat(4096), "", "bü.example", "a.example\0", "..", "*.b.example", " "];
    for (const name of names) {
      const answer = await talk(server.port, hello(name));
      assert(answer[0] === 21 || answer[0] === 22, `${JSON.stringify(name.slice(0, 20))}: ${answer.slice(0, 8)}`);
    }
    await waitFor("all to be gone", () => server.sockets.size === 0);
    assertEquals(server.sessions.length, 0);
    for (const servername of ["nobody.example", "deep.x.b.example", "b.example.evil", ""]) {
      const socket = await server.client({ servername });
      assertEquals(socket.getPeerCertificate().subject.CN, "a", servername);
      socket.destroy();
    }
  },
);

const GARBAGE: Readonly<Record<string, Uint8Array>> = {
  "an HTTP request": new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
  "SMTP commands": new TextEncoder().encode("EHLO x\r\nMAIL FROM:<>\r\n"),
  "an SSLv2 hello": Uint8Array.from([0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, ...new Array(40).fill(1)]),
  "an alert": Uint8Array.from([21, 3, 1, 0, 2, 2, 40]),
  "a handshake message of 16 MB": Uint8Array.from([
    22,
    3,
    1,
    0x40,
    0,
    1,
    0xff,
    0xff,
    0xff,
    ...new Array(16380).fill(0),
  ]),
  "a record that is too long": Uint8Array.from([22, 3, 1, 0xff, 0xff, 1, 0, 0, 9]),
  "10,000 warnings": Uint8Array.from({ length: 70_000 }, (_, at) => [21, 3, 1, 0, 2, 1, 0][at % 7]!),
  "10,000 empty records": Uint8Array.from({ length: 50_000 }, (_, at) => [22, 3, 1, 0, 0][at % 5]!),
  "zeros": new Uint8Array(20_000),
};

testWith(["openssl"], "case 45: handshake garbage ends the connection at once, and nothing is left of it", async () => {
  await using folder = await TempFolder.make();
  const [a, b] = await twoPairs(folder);
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  for (const pairs of [[a], [a, b]]) {
    await using server = await place(pairs);
    await talk(server.port, GARBAGE["zeros"]!);
    const before = descriptors();
    for (const [name, octets] of Object.entries(GARBAGE)) {
      const count = server.failures.length;
      const answer = await talk(server.port, octets);
      assert(answer.length === 0 || answer[0] === 21, `${name}: ${answer}`); // closed, with an alert at most
      await waitFor(`the failure of ${name}`, () => server.failures.length === count + 1);
    }
    assertEquals(server.sessions.length, 0);
    await waitFor("all descriptors to be back", () => descriptors() <= before);
    await server.visit(); // it serves on
  }
});

testWith(
  ["openssl"],
  "case 45: a peer that leaves in the handshake fails it; one that stalls is cut by destroy",
  async () => {
    await using folder = await TempFolder.make();
    const [a, b] = await twoPairs(folder);
    const whole = hello("a.example");
    for (const pairs of [[a], [a, b]]) {
      await using server = await place(pairs);
      for (const octets of [new Uint8Array(0), whole.slice(0, 3), whole.slice(0, 60), whole]) {
        const count = server.failures.length;
        await talk(server.port, octets, { fin: true });
        await waitFor("the failure", () => server.failures.length === count + 1);
        assertEquals(server.failures.at(-1), "the peer left in the handshake");
      }
      for (const octets of [whole.slice(0, 3), whole]) {
        const count = server.failures.length;
        using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
        await conn.write(octets);
        const [socket] = await waitFor("the connection", () => server.sockets.size === 1 && [...server.sockets]);
        if (octets === whole) await conn.read(new Uint8Array(100)); // the ServerHello: it waits for our Finished
        socket!.destroy();
        await waitFor("the failure", () => server.failures.length === count + 1);
        await waitFor("it to be gone", () => server.sockets.size === 0);
      }
    }
  },
);

testWith(
  ["openssl", "python3"],
  "case 46: what follows close_notify or is no TLS is never read as content",
  async () => {
    await using folder = await TempFolder.make();
    const [a] = await twoPairs(folder);
    await using server = await place([a]);
    const script = folder.at("peer.py");
    await Deno.writeTextFile(script, PEER);
    for (const version of ["1.2", "1.3"]) {
      for (const [attack, events] of Object.entries(ATTACKS)) {
        const count = server.sessions.length;
        const python = new Deno.Command("python3", { args: [script, String(server.port), version, attack] });
        const { success, stderr } = await python.output();
        assert(success, new TextDecoder().decode(stderr));
        const session = await waitFor("the session", () => server.sessions[count]);
        await waitFor(`the end of ${attack} in ${version}`, () => session.events.includes("close"));
        assertEquals(session.text.includes("evil"), false, attack);
        assertEquals(session.text, attack === "cut-record" ? "" : "DATA\r\n", attack);
        assertEquals(session.events.includes(events), true, `${attack}: ${session.events}`);
      }
    }
    await waitFor("all to be gone", () => server.sockets.size === 0);
    assertEquals(server.failures, []);
  },
);
const ATTACKS = { "close-notify": "end", "fin": "end", "cut-record": "end", "plaintext": "error", "bad-mac": "error" };
const PEER = `
import socket, ssl, sys
port, version, attack = int(sys.argv[1]), sys.argv[2], sys.argv[3]
s = socket.create_connection(("127.0.0.1", port)); s.settimeout(10)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
if version == "1.2": context.maximum_version = ssl.TLSVersion.TLSv1_2
i, o = ssl.MemoryBIO(), ssl.MemoryBIO(); t = context.wrap_bio(i, o, server_hostname="a.example")
def pump(step):
    while True:
        try:
            result = step(); s.sendall(o.read()); return result
        except ssl.SSLWantReadError:
            s.sendall(o.read()); i.write(s.recv(65536))
if attack == "at-once":
    while True:
        try: t.do_handshake(); break
        except ssl.SSLWantReadError: s.sendall(o.read()); i.write(s.recv(65536))
    try: t.unwrap()
    except ssl.SSLWantReadError: pass
    s.sendall(o.read()); s.shutdown(socket.SHUT_WR)
    while s.recv(65536): pass
    sys.exit()
pump(t.do_handshake); pump(lambda: t.read(100))
t.write(b"DATA\\r\\n"); record = o.read()
try:
    if attack == "cut-record": s.sendall(record[:-5]); s.shutdown(socket.SHUT_WR)
    else:
        s.sendall(record); pump(lambda: t.read(100))
    if attack == "close-notify":
        try: t.unwrap()
        except ssl.SSLWantReadError: pass
        s.sendall(o.read() + b"RCPT TO:<evil>\\r\\n"); s.sendall(b"RCPT TO:<evil>\\r\\n")
    if attack == "fin": s.shutdown(socket.SHUT_WR)
    if attack == "plaintext": s.sendall(b"RCPT TO:<evil>\\r\\n")
    if attack == "bad-mac":
        t.write(b"RCPT TO:<evil>\\r\\n"); r = bytearray(o.read()); r[-1] ^= 1; s.sendall(r)
    while s.recv(65536): pass
except OSError: pass
`;

testWith(
  ["openssl", "python3"],
  "a client that leaves in the segment that ends its handshake is seen to have left",
  async () => {
    await using folder = await TempFolder.make();
    const [a] = await twoPairs(folder);
    await using server = await place([a]);
    const script = folder.at("peer.py");
    await Deno.writeTextFile(script, PEER);
    const python = new Deno.Command("python3", { args: [script, String(server.port), "1.3", "at-once"] });
    const { success, stderr } = await python.output();
    assert(success, new TextDecoder().decode(stderr));
    await waitFor("it to be gone", () => server.sockets.size === 0);
    assertEquals(server.failures.length + server.sessions.length, 1);
  },
);

testWith(
  ["openssl"],
  "octets that came before the handshake began are its own: plaintext behind STARTTLS never runs",
  async () => {
    await using folder = await TempFolder.make();
    const [a, b] = await twoPairs(folder);
    for (const pairs of [[a], [a, b]]) {
      await using server = await place(pairs);
      const whole = hello("b.example"), before = new TextEncoder().encode("RCPT TO:<evil>\r\n");
      const answer = await talk(server.port, Uint8Array.from([...before, ...whole]));
      assertNotEquals(answer[0], 22);
      await waitFor("the failure", () => server.failures.length === 1);
      assertEquals(server.sessions.length, 0);
    }
  },
);

testWith(["openssl"], "case 45: renegotiation is refused, and costs its session only", async () => {
  await using folder = await TempFolder.make();
  const [a] = await twoPairs(folder);
  await using server = await place([a]);
  const client = new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${server.port}`, "-tls1_2"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const session = await waitFor("the session", () => server.sessions[0]);
  const input = client.stdin.getWriter();
  await input.write(new TextEncoder().encode("R\n")); // its word for: handshake again
  assertMatch(new TextDecoder().decode((await client.output()).stderr), /no renegotiation/);
  await waitFor("its end", () => session.secured.destroyed);
  assertEquals(session.text, "");
  await server.visit();
});

testWith(["openssl"], "chunks own their memory, so that it can be given back", async () => {
  await using folder = await TempFolder.make();
  const [a] = await twoPairs(folder);
  await using server = await place([a]);
  const socket = await server.client();
  const session = await waitFor("the session", () => server.sessions[0]);
  let shared = 0, read = 0;
  session.secured.on("data", (chunk: Uint8Array) => {
    read += chunk.length;
    if (chunk.length !== chunk.buffer.byteLength) shared++;
  });
  for (const size of [1, 100, 5000, 70_000]) socket.write("x".repeat(size));
  await waitFor("all of it", () => read === 75_101);
  assertEquals(shared, 0);
  socket.destroy();
});
