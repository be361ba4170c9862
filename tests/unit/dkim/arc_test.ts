/** Chains of ARC that we sealed ourselves: what holds, what does not, whom a seal covers. Case 57. */
import { assert, assertEquals } from "@std/assert";
import { type Chain, verifyChain } from "../../../core/dkim/arc/chain.ts";
import { arcResult, ownResults } from "../../../core/dkim/arc/results.ts";
import { seal, type SealOptions } from "../../../core/dkim/arc/seal.ts";
import { SignedHeader } from "../../../core/dkim/signed_header.ts";
import { join, latin1, mail, octets } from "../../support/bytes.ts";
import { content, door, KEY, NOW, type Zone, zoneOf } from "./crafted.ts";

const MAIL = mail(`Authentication-Results: mx.example.org; spf=pass; dkim=pass
From: Alice <alice@example.net>
Subject: x
DKIM-Signature: v=1; nothing

Hello
`);
const ZONE = await zoneOf(KEY);

async function sealed(message: Uint8Array<ArrayBuffer>, options: Partial<SealOptions> = {}) {
  const all = { key: KEY, cv: "pass", host: "mx.example.org", results: ["spf=pass"], now: NOW, ...options } as const;
  const fields = await seal(content(message), all);
  return fields === null ? null : join(octets(fields), message);
}
/** A chain of that many sets. */
async function chain(count: number, message = MAIL): Promise<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < count; at++) message = (await sealed(message))!;
  return message;
}
const check = (message: Uint8Array<ArrayBuffer>, zone: Zone = ZONE): Promise<Chain> =>
  verifyChain(content(message), door(zone));
const replaced = (message: Uint8Array<ArrayBuffer>, from: string | RegExp, to: string) =>
  octets(latin1(message).replace(from, to));

Deno.test("a chain of any length that we sealed holds, in memory and in pieces", async () => {
  for (const count of [0, 1, 2, 5]) {
    const message = await chain(count);
    for (const cuts of [null, [10, 700, 701]]) {
      const { cv, reason, sets, oldestPass } = await verifyChain(content(message, cuts), door(ZONE));
      assertEquals([cv, reason, sets.length], [count === 0 ? "none" : "pass", null, count]);
      assertEquals(oldestPass, count === 0 ? null : 0);
      assertEquals(
        sets.map(({ instance, seal }) => `${instance} ${seal.says.domain} ${seal.says.cv}`),
        [
          "1 example.org none",
          ...Array.from({ length: 4 }, (_, at) => `${at + 2} example.org pass`),
        ].slice(0, count),
      );
    }
  }
});

Deno.test("a set as it stands in the mail: i= first, lines short but for b=, what a reader of the AAR wants", async () => {
  const fields = latin1((await sealed(MAIL))!).slice(0, -MAIL.length).split(/(?<=\r\n)(?![ \t])/);
  assertEquals(fields.map((field) => field.slice(0, field.indexOf(":"))), [
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
  ]);
  for (const field of fields) {
    assert(/^[\w-]+: i=1; /.test(field), field);
    assert(field.split("\r\n").every((line) => line.length <= 78 || / b=\S+$/.test(line)), field);
  }
  assertEquals(fields[2], "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n");
  assert(!/h=[^;]*arc-/i.test(fields[1]!)); // RFC 8617 4.1.2
  assert(/h=[^;]*DKIM-Signature/.test(fields[1]!));
});

Deno.test("case 57: what breaks a chain", async () => {
  const two = await chain(2), text = latin1(two);
  const set = (instance: number, name: string) => new RegExp(`${name}: i=${instance};[^]*?\\r\\n(?![ \\t])`);
  const table: [what: string, message: Uint8Array<ArrayBuffer>, why: RegExp][] = [
    ["no AMS", replaced(two, set(2, "ARC-Message-Signature"), ""), /not whole/],
    ["no AS", replaced(two, set(2, "ARC-Seal"), ""), /not whole/],
    ["no AAR", replaced(two, set(1, "ARC-Authentication-Results"), ""), /not whole/],
    ["a gap", octets(text.replaceAll("i=2;", "i=3;")), /not whole/],
    ["two of one", replaced(two, set(1, "ARC-Seal"), `$&$&`), /two arc-seal with one i=/],
    ["cv=pass first", replaced(two, "cv=none", "cv=pass"), /cv= of set 1 cannot be/],
    ["cv=none second", replaced(two, "cv=pass", "cv=none"), /cv= of set 2 cannot be/],
    ["cv=fail on top", replaced(two, "cv=pass", "cv=fail"), /had failed before/],
    ["cv=else", replaced(two, "cv=pass", "cv=Pass"), /cv= says nothing/],
    ["i=0", octets(text.replaceAll("i=1;", "i=0;")), /i= is no number/],
    ["i=51", octets(text.replaceAll("i=2;", "i=51;")), /i= is no number/],
    ["body", replaced(two, "Hello", "Hallo"), /^message signature 2: the body was changed/],
    ["header", replaced(two, "Subject: x", "Subject: y"), /^message signature 2: the signature is not/],
    ["AAR 1", replaced(two, /(i=1;[^;]*;) spf=pass/, "$1 spf=fail"), /^seal 1: /],
    ["AMS 1", replaced(two, /(ARC-Message-Signature: i=1;[^]*? t=)\d/, "$19"), /^arc-message|^seal 1: /],
    ["a seal with h=", replaced(two, /(ARC-Seal: i=2;)/, "$1 h=from;"), /covers more than sets/],
    ["an AMS over a seal", replaced(two, /(ARC-Message-Signature: i=2;[^]*? h=)/, "$1ARC-Seal:"), /covers a seal/],
    ["an AMS with l=", replaced(two, /(ARC-Message-Signature: i=2;)/, "$1 l=1;"), /^message signature 2: /],
  ];
  for (const [what, message, why] of table) {
    const { cv, reason, temporary, sets } = await check(message);
    assertEquals([cv, temporary, sets], ["fail", false, []], what);
    assert(why.test(reason!), `${what}: ${reason}`);
  }
});

Deno.test("case 57: fifty sets hold, of fifty-one nobody reads one, and none is sealed on top", async () => {
  const most = await chain(50);
  const { cv, sets, oldestPass } = await check(most);
  assertEquals([cv, sets.length, oldestPass], ["pass", 50, 45]); // older message signatures are not looked at
  assertEquals(await sealed(most), null);
  const asked = door(ZONE);
  const more = octets(latin1(await chain(1)).slice(0, -MAIL.length).repeat(51) + latin1(MAIL));
  assertEquals((await verifyChain(content(more), asked)).reason, "there are more than 50 sets");
  assertEquals(asked.asked, []);
});

Deno.test("oldest-pass says where the message was changed (RFC 8617 5.2)", async () => {
  const changed = replaced(await chain(2), "Subject: x", "Subject: [list] x");
  assertEquals((await check((await sealed(changed))!)).oldestPass, 3);
});

Deno.test("case 57: a broken chain is sealed once, as broken, and by its own set alone", async () => {
  const broken = replaced(await chain(2), "Hello", "Hallo");
  const marked = (await sealed(broken, { cv: "fail" }))!;
  assert(latin1(marked).startsWith("ARC-Seal: i=3; a=ed25519-sha256; cv=fail;"));
  assertEquals((await check(marked)).cv, "fail");
  assertEquals(await sealed(marked), null);
  assertEquals(await sealed(marked, { cv: "fail" }), null);
  // what a verifier of the own set alone would see (RFC 8617 5.1.2)
  const alone = octets(
    latin1(marked).slice(0, latin1(marked).indexOf("ARC-Seal: i=2")) + latin1(MAIL).replace("Hello", "Hallo"),
  );
  const header = new SignedHeader(alone);
  assertEquals(
    ["arc-seal", "arc-message-signature", "arc-authentication-results"].map((name) => header.named(name).length),
    [1, 1, 1],
  );
});

Deno.test("case 57: never over a chain that is broken now, whatever it was when it came", async () => {
  const gap = octets(latin1(await chain(2)).replace(/ARC-Seal: i=1;[^]*?\r\n(?![ \t])/, ""));
  for (const cv of ["pass", "none", "fail"] as const) {
    assert(latin1((await sealed(gap, { cv }))!).startsWith("ARC-Seal: i=3; a=ed25519-sha256; cv=fail;"), cv);
  }
  const nothing = replaced(MAIL, "Subject", "ARC-Seal: rubbish\r\nSubject");
  assert(latin1((await sealed(nothing))!).startsWith("ARC-Seal: i=2; a=ed25519-sha256; cv=fail;"));
});

Deno.test("name service that fails breaks a chain for now only", async () => {
  const { cv, temporary } = await check(await chain(1), { "s1._domainkey.example.org": "servfail" });
  assertEquals([cv, temporary], ["fail", true]);
  const gone = await check(await chain(1), {});
  assertEquals([gone.cv, gone.temporary, gone.reason], ["fail", false, "message signature 1: there is no key for it"]);
});

Deno.test("what this site found: its own fields, word by word, nobody else's", () => {
  const header = (...fields: string[]) =>
    new SignedHeader(octets(`${fields.map((each) => `Authentication-Results: ${each}\r\n`).join("")}\r\n`));
  const table: [fields: string[], results: string[]][] = [
    [[], []],
    [["mx.example.org; none"], []],
    [["MX.example.org 1; spf=pass"], ["spf=pass"]],
    [['mx.example.org; a=b (c; d \\) e) f="g; h";;  i=j;'], ['a=b (c; d \\) e) f="g; h"', "i=j"]],
    [["other.example.org; spf=pass", "mx.example.org.evil; spf=pass"], []],
    [["mx.example.org; arc=none", "mx.example.org; spf=pass"], ["arc=none", "spf=pass"]],
    [['mx.example.org; a="b; c=d'], ['a="b; c=d']],
  ];
  for (const [fields, results] of table) assertEquals(ownResults(header(...fields), "mx.example.org"), results);
  assertEquals(["arc=pass", "ARC = Fail (x)", "arcane=pass"].map((each) => arcResult([each])), [
    "pass",
    "fail",
    undefined,
  ]);
});

Deno.test("what was found can be nothing but text in its field", async () => {
  const message = (await sealed(MAIL, { results: ["x=\r\nBcc: a@b\u0000"] }))!;
  const header = new SignedHeader(message);
  assertEquals(header.named("bcc"), []);
  assertEquals((await check(message)).cv, "pass");
});
