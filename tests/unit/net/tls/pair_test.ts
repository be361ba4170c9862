/** Which certificate and key files make a pair, and what is said of those that do not. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { Certificates } from "../../../../core/net/tls/certificates.ts";
import { PairError, readPair } from "../../../../core/net/tls/pair.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { openssl, P256, Pki } from "./pki.ts";
import { TlsServer } from "./tls_server.ts";

const rsa = (bits: number) => ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
const curve = (name: string) => ["-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${name}`];

testWith(["openssl"], "every kind of key that is taken serves a handshake", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const kinds = { "P-256": P256, "P-384": curve("P-384"), "P-521": curve("P-521"), "RSA": rsa(2048) };
  for (const [name, algorithm] of Object.entries({ ...kinds, "Ed25519": ["-algorithm", "ED25519"] })) {
    const pair = await pki.issue(name, { algorithm, san: "DNS:a.example" });
    const certificates = await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 });
    await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
    assertEquals((await server.visit()).facts.version, "TLSv1.3", name);
  }
});

testWith(["openssl"], "old ways of writing a key, text around it, and one file for both", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const ec = await pki.issue("ec"), long = await pki.issue("rsa", { algorithm: rsa(2048) });
  const sec1 = folder.at("sec1"), pkcs1 = folder.at("pkcs1"), both = folder.at("both");
  await openssl("ec", "-in", ec.key, "-out", sec1);
  await openssl("rsa", "-in", long.key, "-traditional", "-out", pkcs1);
  assertMatch(await Deno.readTextFile(pkcs1), /BEGIN RSA PRIVATE KEY/);
  const texts = [await Deno.readTextFile(ec.certificate), await openssl("ecparam", "-name", "prime256v1")];
  texts.push("Bag Attributes\r\n    friendlyName: x\r\n", (await Deno.readTextFile(sec1)).replaceAll("\n", "\r\n"));
  await Deno.writeTextFile(both, texts.join("\n"));
  for (
    const files of [{ certificate: ec.certificate, key: sec1 }, { certificate: long.certificate, key: pkcs1 }, {
      certificate: both,
      key: both,
    }]
  ) {
    const certificates = await Certificates.open({ pairs: [files], trouble: () => {}, period: 0 });
    await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
    await server.visit();
  }
});

testWith(["openssl"], "a pair that is none is told from the others in one sentence, with the file", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const ca = await pki.authority("CA"), good = await pki.issue("good", { by: ca }), other = await pki.issue("other");
  const write = (name: string, text: string) => folder.file(name, text);
  const [certificate, key] = await Promise.all([good.certificate, good.key].map((path) => Deno.readTextFile(path)));
  const locked = folder.at("locked"), pss = folder.at("pss"), dsa = folder.at("dsa");
  await openssl("pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", locked);
  await openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pss);
  await openssl("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", `${dsa}p`);
  await openssl("genpkey", "-paramfile", `${dsa}p`, "-out", dsa);
  const small = await pki.issue("small", { algorithm: rsa(1024) });
  const odd = await pki.issue("odd", { algorithm: curve("secp256k1") });
  const ed448 = await pki.issue("ed448", { algorithm: ["-algorithm", "ED448"] });
  const cases: Record<string, [string, string, RegExp]> = {
    "no file": [folder.at("none"), good.key, /\/none: no such file$/],
    "a folder": [folder.path, good.key, /: not a file$/],
    "no key file": [good.certificate, folder.at("none"), /\/none: no such file$/],
    "empty": [await write("empty", ""), good.key, /\/empty: no certificate in it$/],
    "DER": [await write("der", "\x30\x82\x01"), good.key, /no certificate in it$/],
    "cut off": [await write("cut", certificate!.slice(0, 300)), good.key, /\/cut: no certificate in it$/],
    "cut inside": [await write("cut2", certificate!.replace(/.{64}\n/, "")), good.key, /certificate 1 cannot be read/],
    "second one broken": [
      await write("cut3", certificate! + certificate!.replace(/.{64}\n/, "")),
      good.key,
      /certificate 2/,
    ],
    "swapped": [good.key, good.certificate, /no certificate in it$/],
    "key is a certificate": [good.certificate, good.certificate, /no private key in it$/],
    "key cut off": [good.certificate, await write("cutkey", key!.slice(0, 100)), /key that cannot be read/],
    "another's key": [good.certificate, other.key, /the key of another certificate than the one in /],
    "chain first": [await pki.bundle(ca, good), good.key, /own certificate must stand first$/],
    "a passphrase": [good.certificate, locked, /passphrase; take it off with: openssl pkey/],
    "RSA of 1024 bits": [small.certificate, small.key, /RSA key of 1024 bits; 2048 is the least$/],
    "secp256k1": [odd.certificate, odd.key, /curve secp256k1 is not for TLS/],
    "Ed448": [ed448.certificate, ed448.key, /ed448 keys are not for TLS/],
    "RSA-PSS": [good.certificate, pss, /rsa-pss keys are not for TLS/],
    "DSA": [good.certificate, dsa, /dsa keys are not for TLS/],
    "too long": [await write("long", "#".repeat(1024 * 1024 + 1)), good.key, /no PEM file is that long$/],
    "too many": [await write("many", certificate!.repeat(11)), good.key, /11 certificates; only/],
  };
  for (const [name, [cert, keyFile, sentence]] of Object.entries(cases)) {
    const error = await assertRejects(() => readPair({ certificate: cert, key: keyFile }), PairError);
    assertMatch(error.message, sentence, name);
    assertEquals(/PRIVATE KEY|MIIB|MHcC/.test(error.message), false, name);
    const opening = () =>
      Certificates.open({ pairs: [{ certificate: cert, key: keyFile }], trouble: () => {}, period: 0 });
    await assertRejects(opening, PairError);
  }
});

testWith(
  ["openssl"],
  "tls-server-end-point takes the hash of the signature, SHA-256 for the old ones (RFC 5929 4.1)",
  async () => {
    await using folder = await TempFolder.make();
    const pki = new Pki(folder.path);
    const roots = {
      ec: await pki.authority("ec"),
      rsa: await pki.authority("rsa", { algorithm: rsa(2048) }),
      ed: await pki.authority("ed", { algorithm: ["-algorithm", "ED25519"] }),
    };
    // deno-fmt-ignore
    const table = [
    ["ec", "sha1", "sha256"], ["ec", "sha224", "sha224"], ["ec", "sha256", "sha256"], ["ec", "sha384", "sha384"],
    ["ec", "sha512", "sha512"], ["rsa", "md5", "sha256"], ["rsa", "sha1", "sha256"], ["rsa", "sha224", "sha224"],
    ["rsa", "sha256", "sha256"], ["rsa", "sha384", "sha384"], ["rsa", "sha512", "sha512"],
  ] as const;
    for (const [by, digest, hash] of table) {
      const { leaf, endPoint } = await readPair(await pki.issue("leaf", { by: roots[by], digest }));
      assertEquals(endPoint, new Uint8Array(createHash(hash).update(leaf.octets).digest()), `${by} ${digest}`);
    }
    assertEquals((await readPair(await pki.issue("leaf", { by: roots.ed, digest: "sha512" }))).endPoint, null); // no hash
    for (const digest of ["sha256", "sha384"]) {
      const pss = folder.at(`pss-${digest}`);
      // deno-fmt-ignore
      await openssl("req", "-x509", "-new", "-key", roots.rsa.key, "-subj", "/CN=pss", "-days", "30", `-${digest}`,
      "-sigopt", "rsa_padding_mode:pss", "-out", pss);
      const { leaf, endPoint } = await readPair({ certificate: pss, key: roots.rsa.key });
      assertEquals(endPoint, new Uint8Array(createHash(digest).update(leaf.octets).digest()), `PSS ${digest}`);
    }
  },
);
