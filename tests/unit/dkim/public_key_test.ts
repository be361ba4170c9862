/** Key records by RFC 6376 3.6.1, and RSA by our own sums beside WebCrypto's. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { writeDer } from "../../../core/dkim/der.ts";
import { KeyRecordError, KeyRecords, parseKeyRecord } from "../../../core/dkim/public_key.ts";
import { recordText } from "../../../core/dkim/record.ts";
import { octets } from "../../support/bytes.ts";
import { RFC_ED25519 } from "./keys.ts";

const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
const pairs = new Map<number, CryptoKeyPair>();
for (const modulusLength of [1024, 1032, 2048]) {
  const algorithm = { ...RSA, modulusLength, publicExponent: Uint8Array.of(1, 0, 1) };
  pairs.set(modulusLength, await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]));
}
const spki = async (bits: number) => new Uint8Array(await crypto.subtle.exportKey("spki", pairs.get(bits)!.publicKey));
const P = (await spki(2048)).toBase64(), ED = await recordText(RFC_ED25519);

/** INTEGER of an RSAPublicKey or its like (RFC 8017 A.1.1). */
function rsaPublic(n: bigint, e: bigint): string {
  const number = (value: bigint) => {
    const hex = value.toString(16), even = hex.length % 2 === 0 ? hex : `0${hex}`;
    return writeDer(2, Uint8Array.fromHex(/^[89a-f]/.test(even) ? `00${even}` : even));
  };
  return writeDer(0x30, number(n), number(e)).toBase64();
}

Deno.test("RFC 6376 3.6.1: records that give a key", () => {
  const plain = { testing: false, strict: false };
  const table: [text: string, about: { testing: boolean; strict: boolean }][] = [
    [`v=DKIM1; k=rsa; p=${P}`, plain],
    [`p=${P}`, plain], // everything else has a default
    [`v=DKIM1;p=${P};`, plain],
    [`k=rsa; t=y; p=${P}`, { ...plain, testing: true }],
    [`t= s : y ; p=${P}`, { testing: true, strict: true }],
    [`t=z; p=${P}`, plain], // what nobody knows is ignored
    [`v=DKIM1; h=sha1:sha256; p=${P}`, plain],
    [`v=DKIM1; s=email:x; p=${P}`, plain],
    [`v=DKIM1; s=*; p=${P}`, plain],
    [`v=DKIM1; g=; n=notes=3D; z=1; p=${P}`, plain], // g= is of RFC 4871, and of no meaning
    [`v=DKIM1; p=${P.replace(/.{60}/g, "$& \t")}`, plain],
    [`v=DKIM1; p=${P}\r\n`, plain],
  ];
  for (const [text, { testing, strict }] of table) {
    const record = parseKeyRecord(text);
    assertEquals([record.key.bits, record.testing, record.strict], [2048, testing, strict], text);
  }
  assertEquals([parseKeyRecord(ED).key.algorithm, parseKeyRecord(ED).key.bits], ["ed25519-sha256", 256]);
});

Deno.test("case 55: records that give none: revoked, of another version, kind, hash or service, short, broken", async () => {
  const short = await crypto.subtle.generateKey(
    { ...RSA, modulusLength: 512, publicExponent: Uint8Array.of(1, 0, 1) },
    true,
    ["sign", "verify"],
  ).then(({ publicKey }) => crypto.subtle.exportKey("spki", publicKey)).then((key) => new Uint8Array(key).toBase64());
  const table: [text: string, why: RegExp][] = [
    ["v=DKIM1; k=rsa; p=", /revoked/],
    ["v=DKIM1; p= \t", /revoked/],
    ["v=DKIM1; k=rsa", /no key/],
    [`v=DKIM2; p=${P}`, /none of DKIM/],
    [`v=dkim1; p=${P}`, /none of DKIM/],
    [`k=rsa; v=DKIM1; p=${P}`, /none of DKIM/], // v= has to be first
    ["v=spf1 -all", /none of DKIM/],
    ["no record at all", /no tag list/],
    [`v=DKIM1; p=${P}; p=${P}`, /no tag list/],
    [`v=DKIM1; k=dsa; p=${P}`, /unknown kind/],
    [`v=DKIM1; k=ed25519; p=${P}`, /no Ed25519 key/],
    [`v=DKIM1; h=sha1; p=${P}`, /not for SHA-256/],
    [`v=DKIM1; s=tlsrpt; p=${P}`, /not for mail/],
    ["v=DKIM1; p=*", /no base64/],
    [`v=DKIM1; p=${P.slice(0, 100)}`, /no RSA key/],
    [`v=DKIM1; p=${ED.slice(ED.indexOf("p=") + 2)}`, /no RSA key/],
    [`v=DKIM1; p=${short}`, /512 bits/],
    [`v=DKIM1; p=${rsaPublic((1n << 4096n) + 1n, 65537n)}`, /4097 bits/],
    [`v=DKIM1; p=${rsaPublic((1n << 4095n) + 1n, (1n << 17n) + 1n)}`, /no RSA key/], // made to cost time
    [`v=DKIM1; p=${rsaPublic((1n << 2047n) + 1n, (1n << 2000n) + 1n)}`, /no RSA key/], // costs time and nothing else
    [`v=DKIM1; p=${rsaPublic((1n << 2047n) + 1n, 1n)}`, /no RSA key/], // verifies everything
    [`v=DKIM1; p=${rsaPublic(1n << 2047n, 65537n)}`, /no RSA key/],
    [`v=DKIM1; p=${rsaPublic((1n << 1022n) + 1n, 65537n)}`, /1023 bits/],
  ];
  for (const [text, why] of table) {
    const error = assertThrows(() => parseKeyRecord(text), KeyRecordError);
    assert(why.test(error.message), `${text.slice(0, 60)}: ${error.message}`);
  }
});

Deno.test("a key as SubjectPublicKeyInfo and as RSAPublicKey is one key, of any length", async () => {
  const data = octets("signed");
  for (const [bits, { privateKey, publicKey }] of pairs) {
    const { n, e } = await crypto.subtle.exportKey("jwk", publicKey);
    const number = (text: string) => BigInt(`0x${Uint8Array.fromBase64(text, { alphabet: "base64url" }).toHex()}`);
    const signature = new Uint8Array(await crypto.subtle.sign(RSA, privateKey, data));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    for (const p of [(await spki(bits)).toBase64(), rsaPublic(number(n!), number(e!))]) {
      const { key } = parseKeyRecord(`p=${p}`);
      assertEquals([key.bits, await key.verify(signature, digest)], [bits, true]);
    }
  }
});

Deno.test("RSA: says of any signature what WebCrypto says", async () => {
  const { privateKey, publicKey } = pairs.get(1024)!, data = octets("signed");
  const good = new Uint8Array(await crypto.subtle.sign(RSA, privateKey, data));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  const { key } = parseKeyRecord(`p=${(await spki(1024)).toBase64()}`);
  const changed = fc.record({ at: fc.nat(127), by: fc.nat(255) }).map(({ at, by }) =>
    good.map((octet, place) => place === at ? octet ^ by : octet)
  );
  const other = fc.uint8Array({ minLength: 0, maxLength: 130 });
  await fc.assert(fc.asyncProperty(fc.oneof(changed, other), async (signature) => {
    const octets = new Uint8Array(signature);
    assertEquals(await key.verify(octets, digest), await crypto.subtle.verify(RSA, publicKey, octets, data));
  }));
  assertEquals(await key.verify(good, digest), true);
  const longer = new Uint8Array(129);
  longer.set(good, 1);
  assertEquals([await key.verify(longer, digest), await key.verify(good.subarray(1), digest)], [false, false]);
});

Deno.test("Ed25519: octets that are no point or no signature are a no, not an error", async () => {
  const { key } = parseKeyRecord(`k=ed25519; p=${new Uint8Array(32).fill(255).toBase64()}`);
  assertEquals(await key.verify(new Uint8Array(64), new Uint8Array(32)), false);
  assertEquals(await parseKeyRecord(ED).key.verify(new Uint8Array(3), new Uint8Array(32)), false);
});

Deno.test("records are read once, and no more are kept than there is room for", () => {
  const records = new KeyRecords(2);
  const [a, b, c] = ["n=a", "n=b", "n=c"].map((note) => `${note}; ${ED}`.replace("v=DKIM1; ", ""));
  const first = records.parse(a!);
  assertEquals(records.parse(a!) === first, true);
  records.parse(b!);
  records.parse(c!);
  assertEquals(records.parse(a!) === first, false);
});
