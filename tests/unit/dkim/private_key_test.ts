/** Keys as programs write them, and what is none. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { KeyError, PrivateKey } from "../../../core/dkim/private_key.ts";
import { recordText } from "../../../core/dkim/record.ts";
import { testWith } from "../../support/debian.ts";
import { TempFolder } from "../../support/temp.ts";
import { readVectorText } from "../../support/vectors.ts";
import { run } from "../../interop/run.ts";
import { pem, RFC_ED25519, rsaPkcs8 } from "./keys.ts";

const DATA = new TextEncoder().encode("signed");
const rsa = pem("PRIVATE KEY", await rsaPkcs8(2048));

Deno.test("RFC 8463 A.2: the public key of the example", async () => {
  assertEquals(await recordText(RFC_ED25519), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
});

Deno.test("the public key of a PKCS#1 key is its record's", async () => {
  const [text, record] = ["test.private", "test.txt"].map((name) => readVectorText(`dkim-dkimpy/cases/${name}`));
  if (text === null || record === null) return;
  const key = PrivateKey.parse(text!);
  assertEquals([key.algorithm, key.bits], ["rsa-sha256", 1024]);
  assertEquals(key.warning, "has 1024 bits, and keys should have 2048 at least (RFC 8301 3.2)");
  assertEquals((await key.publicKey()).toBase64(), /p=(\S+)/.exec(record!)![1]);
});

testWith(["openssl"], "every form in which OpenSSL writes a key, and it verifies what the key signs", async () => {
  await using folder = await TempFolder.make();
  const at = (name: string) => folder.at(name);
  await run("openssl", ["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", at("a.pem")]);
  await run("openssl", ["rsa", "-in", at("a.pem"), "-traditional", "-out", at("b.pem")]);
  await run("openssl", ["genpkey", "-algorithm", "ed25519", "-out", at("c.pem")]);
  await Deno.writeFile(at("data"), DATA);
  await Deno.writeFile(at("digest"), new Uint8Array(await crypto.subtle.digest("SHA-256", DATA)));
  for (const name of ["a", "b", "c"]) {
    const key = PrivateKey.parse(await Deno.readTextFile(at(`${name}.pem`)));
    assertEquals([key.algorithm, key.bits], name === "c" ? ["ed25519-sha256", 256] : ["rsa-sha256", 2048]);
    await Deno.writeFile(at("signature"), await key.sign(DATA));
    const how = name === "c" ? ["-rawin", "-in", at("digest")] : ["-rawin", "-digest", "sha256", "-in", at("data")];
    const printed = await run("openssl", [
      "pkeyutl",
      "-verify",
      "-inkey",
      at(`${name}.pem`),
      ...how,
      "-sigfile",
      at("signature"),
    ]);
    assert(printed.includes("Verified Successfully"), printed);
  }
  const faults: [args: string[], words: string][] = [
    [["pkey", "-in", at("a.pem"), "-aes256", "-passout", "pass:secret"], "the key has a passphrase"],
    [["rsa", "-in", at("a.pem"), "-traditional", "-aes256", "-passout", "pass:secret"], "the key has a passphrase"],
    [["pkey", "-in", at("a.pem"), "-pubout"], "it has PUBLIC KEY and no PRIVATE KEY"],
    [["genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "the key is neither RSA nor Ed25519"],
    [["ecparam", "-name", "prime256v1", "-genkey", "-noout"], "EC PRIVATE KEY is neither RSA nor Ed25519"],
    [["genpkey", "-algorithm", "ed448"], "the key is neither RSA nor Ed25519"],
    [["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:768"], "the key has 768 bits"],
  ];
  for (const [args, words] of faults) {
    const out = at("bad.pem");
    await run("openssl", [...args, "-out", out]);
    const { message } = assertThrows(() => PrivateKey.parse(Deno.readTextFileSync(out)), KeyError);
    assert(message.startsWith(words), `${args.join(" ")}: ${message}`);
  }
});

Deno.test("PEM among other text, and on one line as a variable of the environment has it", () => {
  for (const text of [`a comment\n${rsa}more`, rsa.replaceAll("\n", "\r\n"), rsa.replaceAll("\n", "\\n")]) {
    assertEquals(PrivateKey.parse(text).bits, 2048);
  }
  assertEquals(PrivateKey.parse(`-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n${rsa}`).bits, 2048);
});

Deno.test("no PEM, no end, no base64", () => {
  const table: [text: string, message: string][] = [
    ["", "it has no PEM with a PRIVATE KEY"],
    [rsa.slice(0, -40), 'the line "-----END PRIVATE KEY-----" is missing'],
    [rsa.replace("MII", "M*I"), "the key is damaged: what stands between its lines BEGIN and END is no base64"],
    [pem("RSA PRIVATE KEY", new Uint8Array(0)), "the key is damaged: no element of kind 48 where one has to be"],
  ];
  for (const [text, message] of table) {
    assertEquals(assertThrows(() => PrivateKey.parse(text), KeyError).message, message);
  }
});

Deno.test("whatever is changed in a key: it is refused in words, or signs as before", async () => {
  const whole = await rsaPkcs8(1024);
  const before = (await PrivateKey.parse(pem("PRIVATE KEY", whole)).sign(DATA)).toBase64();
  await fc.assert(fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
    const octets = whole.slice();
    octets[at]! ^= by;
    let key: PrivateKey;
    try {
      key = PrivateKey.parse(pem("PRIVATE KEY", octets));
    } catch (error) {
      assert(error instanceof KeyError, String(error));
      return;
    }
    assertEquals((await key.sign(DATA)).toBase64(), before, `octet ${at}`);
  }));
  fc.assert(fc.property(fc.nat(whole.length - 1), (length) => {
    assertThrows(() => PrivateKey.parse(pem("PRIVATE KEY", whole.subarray(0, length))), KeyError);
  }));
});
