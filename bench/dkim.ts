/**
 * What checking and making signatures costs: CPU per message of 10 KB, with name service at hand, and what hostile messages
 * cost at most; beside it the parts that decide it, RSA by our sums and by WebCrypto.
 *
 *     deno run -A bench/dkim.ts
 */
import process from "node:process";
import { KeyRecords, PrivateKey, recordName, recordText, seal, sign, verify, verifyChain } from "../core/dkim/mod.ts";
import { parseKeyRecord } from "../core/dkim/public_key.ts";
import { join, latin1, mail, octets } from "../tests/support/bytes.ts";
import { content } from "../tests/unit/dkim/crafted.ts";
import { pem, RFC_ED25519, rsaPkcs8 } from "../tests/unit/dkim/keys.ts";

const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const;
const rsa = { domain: "example.org", selector: "rsa", key: PrivateKey.parse(pem("PRIVATE KEY", await rsaPkcs8(2048))) };
const ed25519 = { domain: "example.org", selector: "ed", key: RFC_ED25519 };
const zone = new Map<string, readonly string[]>();
for (const { domain, selector, key } of [rsa, ed25519]) zone.set(recordName(domain, selector), [await recordText(key)]);
const now = Date.now();
const door = { txt: (name: string) => Promise.resolve(zone.get(name) ?? []), records: new KeyRecords(), now };

const HEADER = `${
  "Received: from a.example by b.example; Fri, 02 Jan 2026 03:04:05 +0000\n".repeat(5)
}From: Alice <a@example.org>
To: bob@example.net
Subject: hello
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
`;
const plain = mail(`${HEADER}\n${"Some words that a line of a mail may well have, and a few more.\n".repeat(150)}`);
const signedBy = async (...keys: readonly (typeof rsa)[]) => octets((await sign(content(plain), keys, { now }))!);
const one = join(await signedBy(rsa), plain), both = join(await signedBy(rsa, ed25519), plain);
const options = { key: rsa, cv: "none", host: "mx.example.org", results: ["spf=pass", "dkim=pass"], now } as const;
const sealed = join(octets((await seal(content(one), options))!), one);

/** Milliseconds of CPU for one, after a while. */
async function cost(name: string, count: number, run: () => unknown): Promise<void> {
  for (let at = 0; at < count / 4; at++) await run();
  const from = process.cpuUsage();
  for (let at = 0; at < count; at++) await run();
  const { user, system } = process.cpuUsage(from);
  console.log(`${((user + system) / 1000 / count).toFixed(3).padStart(9)} ms CPU  ${name}`);
}

console.log("10 KB:");
await cost("no signature", 2000, () => verify(content(plain), door));
await cost("verify RSA 2048", 2000, () => verify(content(one), door));
await cost("verify RSA 2048 and Ed25519", 2000, () => verify(content(both), door));
await cost("verify a chain of one seal, RSA 2048", 2000, () => verifyChain(content(sealed), door));
await cost("sign RSA 2048", 300, () => signedBy(rsa));
await cost("seal RSA 2048", 300, () => seal(content(one), options));

const digest = new Uint8Array(32), signature = new Uint8Array(256).fill(1);
const record = (await recordText(rsa.key)).replace(/.*p=/, ""), { key } = parseKeyRecord(`p=${record}`);
const imported = await crypto.subtle.importKey("spki", Uint8Array.fromBase64(record), RSA, false, ["verify"]);
console.log("its parts:");
await cost("RSA 2048 by our sums", 3000, () => key.verify(signature, digest));
await cost("RSA 2048 by WebCrypto", 1000, () => crypto.subtle.verify(RSA, imported, signature, digest));

const field = latin1(one).slice(0, -plain.length), text = latin1(plain);
const HOSTILE: Readonly<Record<string, string>> = {
  "1,000 signatures": field.repeat(1000) + text,
  "1,000 sets": latin1(sealed).slice(0, -one.length).repeat(1000) + text,
  "a header of 1 MB under ten signatures": field.repeat(10) + text.replace("hello", "a b".repeat(350_000)),
  "100,000 fields": "X-A: b\r\n".repeat(100_000) + field + text,
  "100,000 names in h=": field.replace(/h=/, `h=${"a:".repeat(100_000)}`) + text,
};
console.log("hostile, checked for both:");
for (const [name, message] of Object.entries(HOSTILE)) {
  const given = content(octets(message));
  await cost(name, 8, async () => [await verify(given, door), await verifyChain(given, door)]);
}
