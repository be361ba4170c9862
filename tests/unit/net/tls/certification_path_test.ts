/** Paths to an anchor: what openssl calls good is good here, and what it refuses is not. */
import { assert, assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { type Certificate, publicKeyOf, readCertificate } from "../../../../core/net/tls/certificate.ts";
import { pathFault, type TrustAnchors } from "../../../../core/net/tls/certification_path.ts";
import { DerError, DerReader } from "../../../../core/net/tls/der.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { type Issued, P256, Pki } from "./pki.ts";

const der = (issued: Issued) => new Uint8Array(new X509Certificate(Deno.readTextFileSync(issued.certificate)).raw);
const DAY = 86_400_000;

/** That one certificate is the anchor, when it is in the chain. */
function only(issued: Issued): TrustAnchors {
  const { fingerprint } = readCertificate(der(issued));
  return { accepts: (each: Certificate) => each.fingerprint === fingerprint, certificates: [], publicKeys: [] };
}

testWith(["openssl"], "a path is good when openssl says so, and bad when it does not", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const root = await pki.authority("root"), between = await pki.authority("between", { by: root });
  const leaf = await pki.issue("leaf", { by: between, san: "DNS:mx.example" });
  const noCa = await pki.issue("no authority", { by: root });
  const mayNotSign = await pki.authority("may not sign", {
    by: root,
    extensions: ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature"],
  });
  const short = await pki.authority("short", {
    by: root,
    extensions: ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign"],
  });
  const belowShort = await pki.authority("below short", { by: short });
  const strange = await pki.authority("strange", {
    by: root,
    extensions: ["basicConstraints=critical,CA:TRUE", "1.3.6.1.4.1.99999.1=critical,DER:0500"],
  });
  const old = await pki.authority("old", { by: root, days: -1 });
  const twin = await pki.authority("between", { by: root, subject: "/CN=between" }); // the same name, another key
  const rsa = await pki.authority("rsa", {
    by: root,
    algorithm: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  });
  const ed = await pki.authority("ed", { by: rsa, algorithm: ["-algorithm", "ED25519"] });
  const bare = await pki.authority("bare", { extensions: [] }); // version 1: says of nothing that it may sign
  const made = async (by: Issued) => await pki.issue("leaf", { by });
  type Fault = "untrusted" | "expired" | null;
  const cases: [string, Fault, readonly Issued[], Issued][] = [
    ["all of it", null, [leaf, between, root], root],
    ["in any order", null, [leaf, root, twin, between], root],
    ["to one between", null, [leaf, between], between],
    ["the anchor is not sent", "untrusted", [leaf, between], root],
    ["one is missing", "untrusted", [leaf, root], root],
    ["another key of that name", "untrusted", [leaf, twin, root], root],
    ["another anchor", "untrusted", [leaf, between, root], twin],
    ["itself is no authority", "untrusted", [root], root],
    ["issued by no authority", "untrusted", [await made(noCa), noCa, root], root],
    ["issued by one that may not", "untrusted", [await made(mayNotSign), mayNotSign, root], root],
    ["path length 0, kept", null, [await made(short), short, root], root],
    ["path length 0, broken", "untrusted", [await made(belowShort), belowShort, short, root], root],
    ["a critical extension of nobody", "untrusted", [await made(strange), strange, root], root],
    ["expired between", "expired", [await made(old), old, root], root],
    ["expired, but below the anchor", "expired", [await pki.issue("x", { by: root, days: -1 }), root], root],
    ["RSA and Ed25519", null, [await made(ed), ed, rsa, root], root],
    ["version 1", "untrusted", [await made(bare), bare], bare],
  ];
  for (const [what, fault, chain, anchor] of cases) {
    assertEquals(pathFault(chain.map(der), only(anchor), Date.now()), fault, what);
    const [own, ...rest] = chain;
    if (what === "itself is no authority" || what === "the anchor is not sent") continue; // openssl's anchors need not be
    // deno-fmt-ignore
    const { success } = await new Deno.Command("openssl", {
      args: ["verify", "-x509_strict", "-partial_chain", "-trusted", anchor.certificate,
        ...rest.length > 0 ? ["-untrusted", await pki.bundle(...rest)] : [], own!.certificate],
      stdout: "null", stderr: "null",
    }).output();
    assert(!success || fault === null, `openssl takes ${what}`);
    // -x509_strict wants key identifiers, which these have none of: ask it again without for what is good
    if (fault === null) {
      // deno-fmt-ignore
      const plain = await new Deno.Command("openssl", {
        args: ["verify", "-partial_chain", "-trusted", anchor.certificate, "-untrusted", await pki.bundle(...rest), own!.certificate],
        stdout: "null", stderr: "piped",
      }).output();
      assert(plain.success, `openssl refuses ${what}: ${new TextDecoder().decode(plain.stderr)}`);
    }
  }
  const chain = [leaf, between, root].map(der);
  assertEquals(pathFault(chain, only(root), Date.now() + 31 * DAY), "expired");
  assertEquals(pathFault(chain, only(root), Date.now() - 2 * DAY), "expired"); // not yet

  const none: TrustAnchors = { accepts: () => false, certificates: [], publicKeys: [] };
  const key = (issued: Issued) => publicKeyOf(der(issued));
  assertEquals(pathFault([der(leaf)], { ...none, publicKeys: [key(between)] }, Date.now()), null);
  assertEquals(pathFault([der(leaf)], { ...none, publicKeys: [key(root)] }, Date.now()), "untrusted");
  assertEquals(pathFault([der(leaf)], { ...none, publicKeys: [key(leaf)] }, Date.now()), "untrusted");
  assertEquals(pathFault([der(leaf)], { ...only(between), certificates: [der(between)] }, Date.now()), null);
  assertEquals(pathFault([], only(root), Date.now()), "untrusted");

  // A chain that was made to be long, with a ring in it, is over at once
  const [a, b] = [await pki.authority("a", { by: root }), await pki.authority("b")];
  const ring = await pki.authority("a", { by: b, key: a.key, subject: "/CN=a" });
  const back = await pki.authority("b", { by: a, key: b.key, subject: "/CN=b" });
  const long = [await made(a), ...Array.from({ length: 200 }, (_, n) => n % 2 === 0 ? ring : back)].map(der);
  const start = performance.now();
  assertEquals(pathFault(long, only(root), Date.now()), "untrusted");
  assert(performance.now() - start < 500);
});

testWith(["openssl"], "no octet of a chain that is changed makes more of it than a refusal", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const root = await pki.authority("root", { algorithm: P256 }), leaf = await pki.issue("leaf", { by: root });
  const whole = der(leaf), anchor = der(root);
  // All that is signed, and the lengths before it; a signature may be written in more than one way
  const signed = new DerReader(whole).enter().next().whole.length;
  fc.assert(fc.property(fc.nat(4 + signed - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const broken = whole.slice();
    broken[at]! ^= change;
    assertEquals(pathFault([broken, anchor], only(root), Date.now()), "untrusted");
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
    const garbage = new Uint8Array(octets);
    assertEquals(pathFault([garbage, whole, anchor], only(root), Date.now()), "untrusted");
    assertEquals(pathFault([whole, garbage, anchor], only(root), Date.now()), null);
    try {
      publicKeyOf(garbage);
    } catch (error) {
      assert(error instanceof DerError);
    }
  }));
});
