/** Octets that are made to cost time: the work on them grows with their number and no faster (cases 31, 55, 57). */
import { assert, assertEquals } from "@std/assert";
import { verifyChain } from "../../../core/dkim/arc/chain.ts";
import { seal } from "../../../core/dkim/arc/seal.ts";
import { hashBodies } from "../../../core/dkim/content.ts";
import { verify } from "../../../core/dkim/verify.ts";
import { latin1, mail, octets } from "../../support/bytes.ts";
import { content, crafted, door, KEY, NOW, zoneOf } from "./crafted.ts";

const MAIL = mail("From: Alice <alice@example.org>\nSubject: x\n\nHello\n");
const ZONE = await zoneOf(KEY);
const SIGNATURE = latin1(await crafted(MAIL)).slice(0, -MAIL.length);
const SET = (await seal(content(MAIL), { key: KEY, cv: "none", host: "a.example", results: [], now: NOW }))!;
const text = latin1(MAIL);

/** Milliseconds: some hundred times what a slow machine takes, and far less than anything that is not linear does. */
const BOUND = 10_000;

const CASES: Readonly<Record<string, string>> = {
  "1000 signatures": SIGNATURE.repeat(1000) + text,
  "1000 sets": Array.from({ length: 1000 }, (_, at) => SET.replaceAll("i=1;", `i=${at + 1};`)).join("") + text,
  "1000 sets with one i=": SET.repeat(1000) + text,
  "a field of 1 MB before the signature": `X-A: ${"a b".repeat(350_000)}\r\n${SIGNATURE}${text}`,
  "a Subject of 1 MB under ten signatures": SIGNATURE.repeat(10) + text.replace(": x", `: ${"a b".repeat(350_000)}`),
  "a signature of 1 MB of tags": `DKIM-Signature: ${"a=b;".repeat(250_000)}\r\n${text}`,
  "a signature of 1 MB of space": `DKIM-Signature: v=1;${" ".repeat(1_000_000)}\r\n${text}`,
  "tags of space in ten signatures": `DKIM-Signature: v=1; b${" b".repeat(32_000)}=\r\n`.repeat(10) + text,
  "fields of sets that are mostly space": `ARC-Authentication-Results:${" ".repeat(20_000)}i=1\r\n`.repeat(50) + text,
  "100,000 fields": "X-A: b\r\n".repeat(100_000) + SIGNATURE + text,
  "100,000 fields with one signed name": "Subject: b\r\n".repeat(100_000) + SIGNATURE + text,
  "a body of 4 MB of space under ten signatures": SIGNATURE.repeat(10) + text + " \t".repeat(2_000_000),
  "a body of empty lines": SIGNATURE + text + "\r\n".repeat(1_000_000),
};

for (const [name, message] of Object.entries(CASES)) {
  Deno.test(`cases 55 and 57: hostile input stays cheap: ${name}`, async () => {
    const given = content(octets(message)), asked = door(ZONE), from = performance.now();
    const { signatures } = await verify(given, asked);
    const { cv } = await verifyChain(given, asked);
    assert(performance.now() - from < BOUND);
    assert(signatures.length <= 10 && asked.asked.length <= 2);
    assertEquals(cv, name.includes("sets") ? "fail" : "none");
  });
}

Deno.test("case 55: a large body under many l= is hashed once", async () => {
  const piece = octets("a line of text\r\n".repeat(4096)),
    limits = Array.from({ length: 300 }, (_, at) => 8_000_000 + 1000 * at);
  const large = {
    head: octets("\r\n"),
    memory: null,
    stream: () => ReadableStream.from([octets("\r\n"), ...Array.from({ length: 128 }, () => piece)]),
  };
  const from = performance.now();
  const hashes = await hashBodies(large, 2, [...limits, null].map((limit) => ({ form: "relaxed", limit })));
  assert(performance.now() - from < BOUND);
  assertEquals(new Set(hashes.map(({ hash }) => hash.toHex())).size, 301);
});
