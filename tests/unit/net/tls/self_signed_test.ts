/** The dev inbox's own certificate: taken by those who would use it, kept between starts, made anew when it is no good. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Certificates } from "../../../../core/net/tls/certificates.ts";
import { readPair } from "../../../../core/net/tls/pair.ts";
import { makeSelfSigned, openSelfSigned } from "../../../../core/net/tls/self_signed.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { openssl } from "./pki.ts";
import { TlsServer } from "./tls_server.ts";

const NAMES = ["localhost", "*.local.example", "127.0.0.1", "::1"];
const YEAR = 365 * 86_400_000;

testWith(["openssl"], "openssl reads what was meant, and its strictest check has nothing against it", async () => {
  await using folder = await TempFolder.make();
  const { certificate, key } = await openSelfSigned(folder.at("tls"), NAMES);
  const text = await openssl("x509", "-in", certificate, "-noout", "-text");
  assertMatch(text, /Version: 3 /);
  assertMatch(text, /DNS:localhost, DNS:\*\.local\.example, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1/);
  assertMatch(text, /Basic Constraints: critical\s+CA:FALSE/);
  assertMatch(text, /Key Usage: critical\s+Digital Signature\n/);
  assertMatch(text, /TLS Web Server Authentication/);
  assertMatch(text, /Signature Algorithm: ecdsa-with-SHA256/);
  assertMatch(text, /Serial Number:\s+(?:[0-9a-f]{2}:){15}[0-9a-f]{2}\s/);
  await openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", certificate, certificate);
  await openssl("pkey", "-in", key, "-check", "-noout");
});

testWith(
  ["openssl", "curl", "python3"],
  "curl, Python, Node's and Deno's TLS trust it when told to, and only its names",
  async () => {
    await using folder = await TempFolder.make();
    const files = await openSelfSigned(folder.at("tls"), NAMES);
    const certificates = await Certificates.open({ pairs: [files], trouble: () => {}, period: 0 });
    await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
    const ca = await Deno.readTextFile(files.certificate);
    const { facts } = await server.visit({ ca, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: true });
    assertEquals(facts.serverName, "localhost");
    const wrong = await server.visit({ ca, servername: "elsewhere.example", rejectUnauthorized: true }).then(
      () => 0,
      () => 1,
    );
    assertEquals(wrong, 1);
    const run = async (program: string, args: readonly string[]) => {
      const { code, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
      return { code, text: new TextDecoder().decode(stderr) };
    };
    const python = `import socket, ssl, sys
c = ssl.create_default_context(cafile=sys.argv[1])
c.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))), server_hostname=sys.argv[3]).recv(5)`;
    const { code, text } = await run("python3", ["-c", python, files.certificate, String(server.port), "localhost"]);
    assertEquals(code, 0, text);
    const bad = await run("python3", ["-c", python, files.certificate, String(server.port), "elsewhere.example"]);
    assertMatch(bad.text, /Hostname mismatch/);
    // The server speaks no HTTP: what curl thinks of the certificate is what counts (60: not trusted)
    const curl = ["--silent", "--show-error", "--http0.9", "--max-time", "1"];
    const url = `https://127.0.0.1:${server.port}/`;
    assertNotEquals((await run("curl", [...curl, "--cacert", files.certificate, url])).code, 60);
    assertEquals((await run("curl", [...curl, url])).code, 60);
  },
);

Deno.test("kept for the next start, in files that nobody else can read", async () => {
  await using folder = await TempFolder.make();
  const first = await openSelfSigned(folder.at("data/tls"), NAMES);
  const pair = await readPair(first);
  assertEquals(pair.leaf.dnsNames, ["localhost", "*.local.example"]);
  const again = await readPair(await openSelfSigned(folder.at("data/tls"), NAMES));
  assertEquals(again.leaf.fingerprint, pair.leaf.fingerprint);
  assertEquals((await Deno.stat(first.key)).mode! & 0o777, 0o600);
  assertEquals((await Deno.stat(folder.at("data/tls"))).mode! & 0o777, 0o700);
  assertEquals([...Deno.readDirSync(folder.at("data/tls"))].length, 2);
});

Deno.test("made anew when it is expired, unreadable, half there, or for other names", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("tls");
  let last = "";
  const renewed = async (why: string, names = NAMES, now = Date.now) => {
    const { leaf } = await readPair(await openSelfSigned(path, names, { now }));
    assertNotEquals(leaf.fingerprint, last, why);
    last = leaf.fingerprint;
    return leaf;
  };
  const { notBefore, notAfter } = await renewed("the first");
  assert(notBefore < Date.now() - 86_000_000 && notAfter > Date.now() + 9.9 * YEAR);
  await renewed("other names", ["localhost", "new.example"]);
  await Deno.writeTextFile(`${path}/localhost.crt`, "-----BEGIN CERTIFICATE-----\nMIIB");
  await renewed("half a certificate");
  await Deno.remove(`${path}/localhost.key`);
  await renewed("no key");
  await Deno.writeTextFile(`${path}/localhost.key`, (await makeSelfSigned(["x"])).key);
  await renewed("another key");
  await renewed("expired", NAMES, () => Date.now() + 11 * YEAR);
  await renewed("not valid yet");
});

Deno.test("years beyond 2049 are written in four digits", async () => {
  await using folder = await TempFolder.make();
  const start = Date.UTC(2045, 0, 2);
  const { leaf } = await readPair(await openSelfSigned(folder.at("tls"), ["localhost"], { now: () => start }));
  assertEquals(leaf.notBefore, start - 86_400_000); //                                             RFC 5280 4.1.2.5
  assertEquals(new Date(leaf.notAfter).getUTCFullYear(), 2054);
});

Deno.test("the serial number has 128 random bits, is positive and never short", async () => {
  for (const octet of [0x00, 0x7f, 0x80, 0xff]) {
    const { certificate } = await makeSelfSigned(["x"], { random: (octets) => octets.fill(octet) });
    const der = Uint8Array.fromBase64(certificate.replace(/-----[^-]+-----/g, ""));
    const at = der.indexOf(0x10, 8); // 02 10: an integer of 16 octets
    assertEquals(der[at - 1], 2);
    assert(der[at + 1]! >= 0x40 && der[at + 1]! < 0x80);
  }
});
