/** Client certificates: only one that the configured authority vouches for is one, in full and in resumed sessions. */
import { assert, assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { Certificates } from "../../../../core/net/tls/certificates.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor } from "../../../support/wait.ts";
import { type Issued, openssl, Pki } from "./pki.ts";
import { type Session, TlsServer } from "./tls_server.ts";

interface Place extends AsyncDisposable {
  readonly pki: Pki;
  readonly ca: Issued;
  readonly server: TlsServer;
  readonly certificates: Certificates;
  readonly own: Issued;
  readonly folder: TempFolder;
}

async function place(options: { readonly now?: () => number } = {}): Promise<Place> {
  const folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const ca = await pki.authority("Client CA");
  const own = await pki.issue("mx", { san: "DNS:mx.example" });
  const certificates = await Certificates.open({ pairs: [own], trouble: () => {}, period: 0, ...options });
  const clientCa = await certificates.trust(ca.certificate);
  const server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2", clientCa, ...options }));
  return {
    pki,
    ca,
    own,
    server,
    certificates,
    folder,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A session of openssl's client, which can keep and reuse tickets. */
async function visit(
  server: TlsServer,
  args: readonly string[],
  options: { readonly chain?: string; readonly certificate?: Issued } = {},
): Promise<Session> {
  const before = server.sessions.length;
  const { certificate, chain } = options;
  const client = new Deno.Command("openssl", {
    // deno-fmt-ignore
    args: ["s_client", "-connect", `127.0.0.1:${server.port}`, "-servername", "mx.example", "-quiet", "-no_ign_eof", ...args,
      ...(certificate === undefined ? [] : ["-cert", certificate.certificate, "-key", certificate.key]),
      ...(chain === undefined ? [] : ["-cert_chain", chain])],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = client.stdout.getReader();
  await reader.read(); // the greeting: TLS 1.3 tickets came before it
  const session = await waitFor("the session", () => server.sessions[before]);
  await reader.cancel();
  await client.stdin.close();
  await client.status;
  await waitFor("its end", () => session.secured.destroyed);
  return session;
}

const VERSIONS = ["-tls1_2", "-tls1_3"];

testWith(["openssl"], "a certificate of the authority counts, with its names; none is no failure", async () => {
  await using p = await place();
  const middle = await p.pki.authority("Middle", { by: p.ca });
  const san = "email:alice@example.org, email:a@b.example, DNS:host.example";
  const direct = await p.pki.issue("alice", { by: p.ca, san, extensions: ["extendedKeyUsage=clientAuth"] });
  const below = await p.pki.issue("bob", { by: middle });
  const chain = await p.pki.bundle(middle);
  for (const version of VERSIONS) {
    const { facts } = await visit(p.server, [version], { certificate: direct });
    const { fingerprint256 } = new X509Certificate(await Deno.readTextFile(direct.certificate));
    assertEquals(facts.certificate, {
      fingerprint: fingerprint256,
      commonName: "alice",
      emails: ["alice@example.org", "a@b.example"],
    });
    assertEquals(
      (await visit(p.server, [version], { certificate: below, chain })).facts.certificate?.commonName,
      "bob",
    );
    const none = (await visit(p.server, [version])).facts;
    assertEquals([none.certificate, none.distrust], [null, undefined]);
  }
  assertEquals(p.server.failures, []);
});

testWith(
  ["openssl"],
  "case 45: a forged client certificate is never one, neither at first nor in a resumed session",
  async () => {
    await using p = await place();
    const { pki, ca } = p;
    const twin = await pki.authority("Client CA"); // the same name, another key
    const foreign = await pki.authority("Foreign CA");
    const user = await pki.issue("user", { by: ca });
    const noCa = await pki.issue("no CA", { by: ca, extensions: ["basicConstraints=CA:FALSE"] });
    const short = await pki.authority("short", {
      by: ca,
      extensions: ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=keyCertSign"],
    });
    const tooDeep = await pki.authority("too deep", { by: short });
    const past = await pki.authority("past", { by: ca, days: -1 });
    const cut = await pki.authority("constrained", {
      by: ca,
      extensions: ["basicConstraints=critical,CA:TRUE", "nameConstraints=critical,permitted;email:.inside.example"],
    });
    const forgeries: Record<string, { certificate: Issued; chain?: string }> = {
      "an authority of the same name": { certificate: await pki.issue("alice", { by: twin }) },
      "the same with that authority shown": {
        certificate: await pki.issue("alice", { by: twin }),
        chain: await pki.bundle(twin),
      },
      "a foreign authority": {
        certificate: await pki.issue("alice", { by: foreign }),
        chain: await pki.bundle(foreign),
      },
      "self-signed": { certificate: await pki.issue("alice") },
      "self-signed as a CA": { certificate: await pki.authority("alice") },
      "self-signed with the authority's name": { certificate: await pki.issue("x", { subject: "/CN=Client CA" }) },
      "expired": { certificate: await pki.issue("alice", { by: ca, days: -1 }) },
      "signed by a user's certificate": {
        certificate: await pki.issue("alice", { by: user }),
        chain: await pki.bundle(user),
      },
      "signed by a certificate that says it is no CA": {
        certificate: await pki.issue("alice", { by: noCa }),
        chain: await pki.bundle(noCa),
      },
      "a longer path than allowed": {
        certificate: await pki.issue("alice", { by: tooDeep }),
        chain: await pki.bundle(tooDeep, short),
      },
      "an expired authority between": {
        certificate: await pki.issue("alice", { by: past }),
        chain: await pki.bundle(past),
      },
      "an authority for other names": {
        certificate: await pki.issue("alice", { by: cut, san: "email:alice@outside.example" }),
        chain: await pki.bundle(cut),
      },
      "for servers only": {
        certificate: await pki.issue("alice", { by: ca, extensions: ["extendedKeyUsage=serverAuth"] }),
      },
      "version 1": { certificate: await pki.issue("alice", { by: ca, extensions: [] }) },
      "SHA-1": { certificate: await pki.issue("alice", { by: ca, digest: "sha1" }) },
    };
    const ticket = p.folder.at("ticket");
    for (const version of VERSIONS) {
      for (const [name, forgery] of Object.entries(forgeries)) {
        const weak = name === "SHA-1" ? ["-cipher", "DEFAULT:@SECLEVEL=0"] : []; // else openssl itself refuses to show it
        const first = await visit(p.server, [version, "-sess_out", ticket, ...weak], forgery);
        assertEquals(first.facts.certificate, null, `${version}: ${name}`);
        assert(first.facts.distrust !== undefined, `${version}: ${name}: why is told`);
        assertEquals(first.facts.resumed, false);
        const second = await visit(p.server, [version, "-sess_in", ticket, ...weak]);
        assertEquals(second.facts.certificate, null, `${version}, resumed: ${name}`);
        assertEquals(second.facts.resumed, true, `${version}: ${name}`);
      }
    }
  },
);

testWith(["openssl"], "a client certificate that nobody can read ends the handshake", async () => {
  await using p = await place();
  const extensions = ["1.2.3.4=critical,ASN1:NULL"]; // RFC 5280 4.2: who does not know a critical one must refuse
  const certificate = await p.pki.issue("alice", { by: p.ca, extensions });
  for (const version of VERSIONS) {
    const before = p.server.failures.length;
    const failed = new Deno.Command("openssl", {
      // deno-fmt-ignore
      args: ["s_client", "-connect", `127.0.0.1:${p.server.port}`, version, "-cert", certificate.certificate,
        "-key", certificate.key],
      stdin: "null",
    }).output();
    await waitFor("the failure", () => p.server.failures.length === before + 1);
    await failed;
  }
  assertEquals(p.server.sessions.length, 0);
});

testWith(
  ["openssl"],
  "a resumed session has the certificate that was verified here, and no listener takes another's word",
  async () => {
    let offset = 0;
    const now = () => Date.now() + offset;
    await using p = await place({ now });
    const other = await p.pki.authority("Other CA");
    const clientCa = await p.certificates.trust(other.certificate);
    const second = new ServerTls({ certificates: p.certificates, minVersion: "TLSv1.2", clientCa, now });
    await using elsewhere = await TlsServer.open(second);
    const alice = await p.pki.issue("alice", { by: p.ca, days: 3 });
    const ticket = p.folder.at("ticket");
    for (const version of VERSIONS) {
      await visit(p.server, [version, "-sess_out", ticket], { certificate: alice });
      const again = await visit(p.server, [version, "-sess_in", ticket]);
      assertEquals([again.facts.resumed, again.facts.certificate?.commonName], [true, "alice"]);
      const crossed = await visit(elsewhere, [version, "-sess_in", ticket]);
      assertEquals([crossed.facts.resumed, crossed.facts.certificate], [true, null]);
    }
    offset = 2 * 86_400_000;
    const late = await visit(p.server, ["-tls1_2", "-sess_in", ticket]);
    assertEquals(late.facts.certificate, null);
  },
);

testWith(["openssl"], "an authority that is replaced takes its word with it", async () => {
  await using p = await place();
  const alice = await p.pki.issue("alice", { by: p.ca });
  const ticket = p.folder.at("ticket");
  const first = await visit(p.server, ["-tls1_3", "-sess_out", ticket], { certificate: alice });
  assertEquals(first.facts.certificate?.commonName, "alice");
  const other = await p.pki.authority("Other CA");
  await Deno.copyFile(other.certificate, p.ca.certificate);
  assertEquals(await p.certificates.reload(), []);
  assertEquals((await visit(p.server, ["-tls1_3", "-sess_in", ticket])).facts.certificate, null);
  assertEquals((await visit(p.server, ["-tls1_3"], { certificate: alice })).facts.certificate, null);
});

testWith(
  ["openssl"],
  "case 45: client certificates made to hurt are refused at once, and the server serves on",
  async () => {
    await using p = await place();
    const san = Array.from({ length: 1500 }, (_, at) => `email:user${at}@a-rather-long-name.example`).join(",");
    const wide = await p.pki.issue("wide", { by: await p.pki.authority("Foreign"), san });
    let by = await p.pki.authority("chain");
    const links: Issued[] = [];
    for (let at = 0; at < 40; at++) links.unshift(by = await p.pki.authority("chain", { by })); // all of one name
    const deep = await p.pki.issue("deep", { by });
    const huge = await p.pki.issue("huge", {
      by: p.ca,
      algorithm: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
      san: Array.from({ length: 900 }, (_, at) => `email:u${at}@example.org`).join(","),
    });
    const started = performance.now();
    for (const version of VERSIONS) {
      const bombs = [{ certificate: wide }, { certificate: deep, chain: await p.pki.bundle(...links) }];
      for (const bomb of bombs) {
        const before = p.server.sessions.length, failed = p.server.failures.length;
        await visit(p.server, [version], bomb).catch(() => {});
        assert(p.server.failures.length > failed || p.server.sessions[before]!.facts.certificate === null);
      }
      assertEquals((await visit(p.server, [version], { certificate: huge })).facts.certificate?.emails.length, 900);
    }
    assert(performance.now() - started < 10_000, `${performance.now() - started} ms`);
    assertEquals((await visit(p.server, [])).facts.certificate, null);
  },
);

testWith(["openssl"], "names in a certificate that look like others are left out", async () => {
  await using p = await place();
  const certificate = await p.pki.issue("x", { by: p.ca, subject: "/CN=mallory\u0001alice" });
  const { facts } = await visit(p.server, [], { certificate });
  assertEquals(facts.certificate?.commonName, "");
  assert((await openssl("x509", "-in", certificate.certificate, "-noout", "-subject")).includes("mallory"));
});

testWith(["openssl"], "without a client CA no certificate is asked for, and a resumed one is none", async () => {
  await using p = await place();
  const plain = new ServerTls({ certificates: p.certificates, minVersion: "TLSv1.2" });
  await using elsewhere = await TlsServer.open(plain);
  const alice = await p.pki.issue("alice", { by: p.ca });
  const ticket = p.folder.at("ticket");
  assertEquals((await visit(elsewhere, [], { certificate: alice })).facts.certificate, null);
  await visit(p.server, ["-sess_out", ticket], { certificate: alice });
  assertEquals((await visit(elsewhere, ["-sess_in", ticket])).facts.certificate, null);
});
