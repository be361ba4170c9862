/** Cases 43 to 47 over TCP: what peers do to a handshake, to what stands before it, and to what comes through it. */
import { assert, assertEquals } from "@std/assert";
import { octets } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";

const CONFIG = `
hostname: mx.example.org
domains: ["*"]
postmaster: ops@example.org
listeners: [{ address: "127.0.0.1:0" }]
limits: { handshakeTimeout: 1s, connectionsPerIp: 1000 }
tls: { certificates: [{ cert: CERT, key: KEY }] }
plugins: [{ inbox: { everything: true } }]
admin: { address: "127.0.0.1:0" }
`;
const withCertificate = ({ certFile, keyFile }: { certFile: string; keyFile: string }) =>
  CONFIG.replace("CERT", certFile).replace("KEY", keyFile);

async function openSessions(server: Server): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${server.ports.admin}/metrics`, {
    headers: { authorization: "Bearer token-of-the-tests" },
  })).text();
  return Number(/^postern_sessions_open (\d+)$/m.exec(text)?.[1]);
}

testWith(MAKES_CERTIFICATES, "case 43: plaintext behind STARTTLS never runs, in one segment or two", async () => {
  await using authority = await Authority.make();
  await using server = await Server.start({ config: withCertificate(await authority.issue()) });
  for (const piece of [Infinity, 10]) {
    using client = await SmtpClient.ready(server.ports.smtp);
    const text = "STARTTLS\r\nMAIL FROM:<evil@sender.example>\r\nRCPT TO:<b@example.org>\r\n";
    await (piece === 10 ? client.sendInPieces(text, piece) : client.send(text));
    const reply = await client.reply();
    assert(reply.code === 554 || reply.code === 220, reply.raw);
    const rest = await client.closed();
    assert(!rest.includes("250"), rest);
  }
  assert(!server.output.includes("evil@sender.example"));
});

testWith(
  MAKES_CERTIFICATES,
  "case 45: garbage, silence and half a hello are closed, told once, and never fall back",
  async (t) => {
    await using authority = await Authority.make();
    await using server = await Server.start({ config: withCertificate(await authority.issue()) });
    const hello = Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03);
    const starts: Record<string, Uint8Array> = {
      "a command": octets("EHLO still.plain.example\r\nMAIL FROM:<a@sender.example>\r\n"),
      "http": octets("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      "nothing": new Uint8Array(0),
      "half a hello": hello,
      "an endless record": Uint8Array.from({ length: 70_000 }, (_, i) => i < 5 ? [0x16, 3, 1, 0x40, 0][i]! : 0),
      "sslv2": Uint8Array.of(0x80, 0x2e, 0x01, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10, 1, 0, 0x80),
    };
    for (const [name, bytes] of Object.entries(starts)) {
      await t.step(name, async () => {
        const before = server.output.length;
        using client = await SmtpClient.ready(server.ports.smtp);
        await client.command("STARTTLS", 220);
        await client.send(bytes).catch(() => {}); // the server may have hung up by then
        const rest = await client.closed();
        assert(!/^\d{3}[ -]/m.test(rest), `it answered in clear: ${rest}`);
        const told = await waitFor("a line about it", () => {
          const lines = server.output.slice(before).split("\n").filter((line) => line.includes("TLS handshake"));
          return lines.length > 0 ? lines : null;
        });
        assertEquals(told.length, 1, told.join("\n"));
      });
    }
    await waitFor("every session to be over", async () => await openSessions(server) === 0);
  },
);

testWith(
  MAKES_CERTIFICATES,
  "cases 35, 45: five hundred stalled handshakes end by the clock, and the others are served",
  async () => {
    await using authority = await Authority.make();
    await using server = await Server.start({ config: withCertificate(await authority.issue()) });
    const stalled = await Promise.all(Array.from({ length: 500 }, async () => {
      const client = await SmtpClient.ready(server.ports.smtp);
      await client.command("STARTTLS", 220);
      await client.send(Uint8Array.of(0x16));
      return client;
    }));
    using client = await SmtpClient.ready(server.ports.smtp);
    await client.startTls({ ca: authority.ca });
    await client.command("EHLO client.example", 250);
    await Promise.all(stalled.map((each) => each.closed().finally(() => each.close())));
    await client.quit();
    await waitFor("every session to be over", async () => await openSessions(server) === 0);
  },
);

/** Says a message half, ends TLS with close_notify, and goes on in clear. argv: port. */
const TRUNCATE = `
import socket, ssl, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
file = sock.makefile("rb")
def command(text):
    sock.sendall(text)
    while True:
        line = file.readline()
        if line[3:4] == b" ": return line
file.readline()
command(b"EHLO client.example\\r\\n"); command(b"STARTTLS\\r\\n")
context = ssl._create_unverified_context()
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="mx.example.org")
def flush():
    sock.sendall(outgoing.read())
def until(action):
    while True:
        try:
            result = action(); flush(); return result
        except ssl.SSLWantReadError:
            flush(); incoming.write(sock.recv(65536))
until(tls.do_handshake)
def secure(text):
    tls.write(text); flush()
    data = b""
    while not data.endswith(b"\\r\\n"): data += until(lambda: tls.read(65536))
    return data
secure(b"EHLO client.example\\r\\n")
secure(b"MAIL FROM:<a@sender.example>\\r\\n"); secure(b"RCPT TO:<b@example.org>\\r\\n")
if sys.argv[2] == "DATA": secure(b"DATA\\r\\n")
else: tls.write(b"BDAT 1000 LAST\\r\\n")
tls.write(b"Subject: half\\r\\n\\r\\nhalf of it\\r\\n"); flush()
try: tls.unwrap()
except ssl.SSLError: pass
flush()
try:
    sock.sendall(b"plain text behind it\\r\\n.\\r\\nMAIL FROM:<evil@sender.example>\\r\\n")
    sock.settimeout(5)
    rest = b""
    while True:
        more = sock.recv(65536)
        if not more: break
        rest += more
except OSError: rest = b""
try:
    incoming.write(rest); print(tls.read(65536) if rest else b"")
except ssl.SSLError: print(b"")
`;

testWith(
  ["python3", ...MAKES_CERTIFICATES],
  "case 46: close_notify in the middle of a message drops it, and clear text behind it is nobody's",
  async () => {
    await using authority = await Authority.make();
    await using server = await Server.start({ config: withCertificate(await authority.issue()) });
    await using folder = await TempFolder.make("postern-truncate-");
    const script = await folder.file("truncate.py", TRUNCATE);
    for (const verb of ["DATA", "BDAT"]) {
      const before = server.output.length;
      const { success, stdout, stderr } = await new Deno.Command("python3", {
        args: [script, String(server.ports.smtp), verb],
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      assert(!new TextDecoder().decode(stdout).includes("250 "), new TextDecoder().decode(stdout));
      await waitFor("the session to end", () => server.output.slice(before).includes("closed "));
      assertEquals(await server.api.messages(), []);
      assert(!server.output.includes("evil"));
    }
  },
);

testWith(
  MAKES_CERTIFICATES,
  "case 47: a certificate is replaced while a session goes on; a bad one changes nothing",
  async () => {
    await using authority = await Authority.make();
    await using successor = await Authority.make("The next authority of the tests");
    await using folder = await TempFolder.make("postern-pair-");
    const old = await authority.issue(), young = await successor.issue();
    const certFile = await folder.file("cert.pem", old.cert), keyFile = await folder.file("key.pem", old.key);
    await using server = await Server.start({ config: withCertificate({ certFile, keyFile }) });
    const takes = (ca: string) =>
      SmtpClient.secured(server.ports.smtp, { ca }).then((client) => (client.close(), true), () => false);
    using going = await SmtpClient.secured(server.ports.smtp, { ca: authority.ca });

    await Deno.writeTextFile(keyFile, young.key); // not this certificate's
    server.signal("SIGHUP");
    await waitFor("the word about the bad pair", () => /trouble +reload .*key\.pem/.test(server.output));
    assertEquals([await takes(authority.ca), await takes(successor.ca)], [true, false]);

    await Deno.writeTextFile(certFile, young.cert);
    server.signal("SIGHUP");
    await waitFor("the new certificate", () => takes(successor.ca));
    assertEquals(await takes(authority.ca), false);
    await waitFor("the word about the new one", () => /notice +tls /.test(server.output));
    await going.command("NOOP", 250);
  },
);
