/** What signatures come to: case 55 item by item, the whole grammar of the field, name service, any cut of the content. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { PrivateKey } from "../../../core/dkim/private_key.ts";
import { recordText } from "../../../core/dkim/record.ts";
import { sign } from "../../../core/dkim/sign.ts";
import { type SignatureResult, verify } from "../../../core/dkim/verify.ts";
import { join, latin1, mail, octets } from "../../support/bytes.ts";
import { content, crafted, door, KEY, NOW, type Tags, type Zone, zoneOf } from "./crafted.ts";
import { pem, rsaPkcs8 } from "./keys.ts";

const MAIL = mail(`Received: from a by b
From: Alice <alice@example.org>
To: bob@example.net
Subject:  two  words
 and more
Date: Fri, 02 Jan 2026 03:04:05 +0000

Hello  Bob \t

end

`);
const ZONE = await zoneOf(KEY);
const RECORD = await recordText(KEY.key), NAME = "s1._domainkey.example.org";
const SECONDS = NOW / 1000;

async function one(message: Uint8Array<ArrayBuffer>, zone: Zone = ZONE): Promise<SignatureResult> {
  const { signatures } = await verify(content(message), door(zone));
  assertEquals(signatures.length, 1);
  return signatures[0]!;
}
/** Signed with these tags: `result reason`. */
async function outcome(tags: Tags, zone: Zone = ZONE): Promise<string> {
  const { result, reason } = await one(await crafted(MAIL, tags), zone);
  return reason === null ? result : `${result} ${reason}`;
}

Deno.test("a signature that is good, in each form, and what it says of itself", async () => {
  for (const c of ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple", "relaxed", "simple"]) {
    assertEquals(await outcome({ c }), "pass", c);
  }
  assertEquals(
    await outcome({ c: null, bh: await bodyHashOf("simple"), h: "From" }),
    "fail the signature is not that of what is here",
  ); // made in relaxed form, read as simple
  assertEquals(await one(await crafted(MAIL, { i: "list@news.example.org" })), {
    result: "pass",
    reason: null,
    domain: "example.org",
    agent: "list@news.example.org",
    selector: "s1",
    algorithm: "ed25519-sha256",
    b: (await one(await crafted(MAIL, { i: "list@news.example.org" }))).b,
    fields: ["from", "subject"],
    limited: null,
    testing: false,
  });
});

async function bodyHashOf(form: "simple" | "relaxed"): Promise<string> {
  return /bh=([^;]+)/.exec(latin1(await crafted(MAIL, { c: `relaxed/${form}` })))![1]!;
}

Deno.test("RFC 6376 3.5: tags in every way that the grammar has", async () => {
  const table: Tags[] = [
    { d: "EXAMPLE.org", s: "S1" },
    { h: " From :\tSubject : " },
    { h: "from:to:cc:from:to:list-id" }, // what is not there, and once more than it is
    { h: "Received:FROM" },
    { q: "dns/txt" },
    { q: "dns/other : dns/txt" },
    { i: "@example.org" },
    { i: "@a.b.Example.ORG" },
    { i: "a=40b@example.org" }, // dkim-quoted-printable
    { i: " @ example.org" },
    { t: String(SECONDS), x: String(SECONDS + 1) },
    { z: "From:nobody@example.net|Subject:other" }, // a diagnosis, which is not read
    { unknown: "", r: "y" },
    { t: String(SECONDS + 200) }, // a clock that is ahead
    { x: String(SECONDS - 200) },
  ];
  for (const tags of table) assertEquals(await outcome(tags), "pass", JSON.stringify(tags));
});

Deno.test("case 55: tags that are missing, empty or no such thing: permerror, and nobody is asked", async () => {
  const table: [tags: Tags, why: string][] = [
    [{ v: null }, "v= is missing"],
    [{ a: null }, "a= is missing"],
    [{ d: null }, "d= is missing"],
    [{ s: null }, "s= is missing"],
    [{ h: null }, "h= is missing"],
    [{ bh: null }, "bh= is missing"],
    [{ a: "" }, "its algorithm is unknown"],
    [{ a: "rsa-md5" }, "its algorithm is unknown"],
    [{ a: "RSA-SHA256" }, "its algorithm is unknown"],
    [{ d: "" }, "d= is no domain"],
    [{ d: "a b" }, "d= is no domain"],
    [{ d: "example..org" }, "d= is no domain"],
    [{ s: "" }, "s= is no name for DNS"],
    [{ s: "a b" }, "s= is no name for DNS"],
    [{ s: "a..b" }, "s= is no name for DNS"],
    [{ s: "a".repeat(250) }, "s= is no name for DNS"],
    [{ bh: "" }, "bh= is no hash"],
    [{ bh: "AAAA" }, "bh= is no hash"],
    [{ bh: "not base64" }, "bh= is no hash"],
    [{ c: "" }, "its form is unknown (c=)"],
    [{ c: "nofws" }, "its form is unknown (c=)"],
    [{ c: "relaxed/relaxed/simple" }, "its form is unknown (c=)"],
    [{ c: "Relaxed/relaxed" }, "its form is unknown (c=)"],
    [{ t: "" }, "t= is no time"],
    [{ t: "-1" }, "t= is no time"],
    [{ t: "1234567890123" }, "t= is no time"],
    [{ x: "soon" }, "x= is no time"],
    [{ l: "" }, "l= is no number"],
    [{ l: "-1" }, "l= is no number"],
    [{ l: "1.5" }, "l= is no number"],
    [{ q: "http" }, "its key is nowhere that we can ask (q=)"],
    [{ i: "" }, "i= names no domain"],
    [{ i: "alice" }, "i= names no domain"],
    [{ i: "alice@" }, "i= names no domain"],
  ];
  for (const [tags, why] of table) {
    const asked = door(ZONE), message = await crafted(MAIL, tags);
    const { signatures: [found] } = await verify(content(message), asked);
    assertEquals([found!.result, found!.reason, asked.asked], ["permerror", why, []], JSON.stringify(tags));
  }
  const noB = octets(latin1(await crafted(MAIL)).replace(/ b=[^;]*\r\n(?=Received)/, " b=\r\n"));
  assertEquals((await one(noB)).reason, "b= is no signature");
});

Deno.test("case 55: v= that is not 1", async () => {
  for (const v of ["", "2", "1.0", "01"]) assertEquals(await outcome({ v }), "permerror its version is not 1", v);
});

Deno.test("case 55: duplicate tags make a signature void", async () => {
  const field = latin1(await crafted(MAIL));
  for (const more of ["d=example.org; ", "v=1; ", "z=; z=; "]) {
    const { result, reason } = await one(octets(field.replace("v=1; ", `v=1; ${more}`)));
    assertEquals([result, reason], ["permerror", "the signature is no tag list: a tag stands there twice"]);
  }
});

Deno.test("case 55: From that is not in h=", async () => {
  for (const h of ["Subject", "", "Subject:To:Date", "From2:X-From"]) {
    assertEquals(await outcome({ h }), "permerror From is not signed", h);
  }
});

Deno.test("case 55: i= outside of d=", async () => {
  for (const i of ["a@example.net", "a@org", "a@badexample.org", "@example.org.evil.net"]) {
    assertEquals(await outcome({ i }), "permerror i= is outside of d=", i);
  }
});

Deno.test("case 55: x= that is past, t= that is to come, x= before t=", async () => {
  assertEquals(await outcome({ x: String(SECONDS - 3600) }), "permerror it has expired");
  assertEquals(await outcome({ t: String(SECONDS + 3600) }), "permerror it was made in the future");
  const both = { t: String(SECONDS), x: String(SECONDS) };
  assertEquals(await outcome(both), "permerror it ends before it begins (x=, t=)");
});

Deno.test("case 55: rsa-sha1 and keys with less than 1024 bits count no more (RFC 8301)", async () => {
  assertEquals(await outcome({ a: "rsa-sha1" }), "permerror SHA-1 counts no more (RFC 8301 3.1)");
  const { publicKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 512, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  const short = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)).toBase64();
  assertEquals(
    await outcome({ a: "rsa-sha256" }, { [NAME]: [`v=DKIM1; p=${short}`] }),
    "permerror the key has 512 bits, and 1024 are needed (RFC 8301 3.2)",
  );
});

Deno.test("case 55: p= that is empty, k= that is another, a key for other hashes or services", async () => {
  const table: [record: string, why: string][] = [
    ["v=DKIM1; k=ed25519; p=", "the key was revoked"],
    [RECORD.replace("ed25519", "rsa"), "the key is no RSA key"],
    [RECORD.replace("ed25519", "other"), "the key is of an unknown kind (k=)"],
    [RECORD.replace("k=", "h=sha1; k="), "the key is not for SHA-256 (h=)"],
    [RECORD.replace("k=", "s=tlsrpt; k="), "the key is not for mail (s=)"],
    [RECORD.replace("DKIM1", "DKIM2"), "the record is none of DKIM"],
  ];
  for (const [record, why] of table) assertEquals(await outcome({}, { [NAME]: [record] }), `permerror ${why}`, record);
  assertEquals(await outcome({ a: "rsa-sha256" }), "permerror its key is of another kind (k=)");
});

Deno.test("case 55: several TXT records: one that fits decides, rubbish beside it does not", async () => {
  const rsa = PrivateKey.parse(pem("PRIVATE KEY", await rsaPkcs8(1024))), other = await recordText(rsa);
  const table: [records: string[], expected: string][] = [
    [["v=spf1 -all", RECORD], "pass"],
    [[other, RECORD], "pass"],
    [[RECORD, other], "pass"],
    [["v=spf1 -all", "rubbish"], "permerror the record is none of DKIM"],
    [[other], "permerror its key is of another kind (k=)"],
    [[other, RECORD.replace("=11q", "=21q")], "fail the signature is not that of what is here"],
    [[RECORD.replace("=11q", "=21q"), RECORD], "pass"],
    [ // each costs sums: a third one is not tried
      [RECORD.replace("=11q", "=21q"), RECORD.replace("=11q", "=31q"), RECORD],
      "fail the signature is not that of what is here",
    ],
    [[], "permerror there is no key for it"],
    [[...Array.from({ length: 1000 }, () => "rubbish"), RECORD], "permerror the record is no tag list"], // not all are read
  ];
  for (const [records, expected] of table) assertEquals(await outcome({}, { [NAME]: records }), expected);
});

Deno.test("case 55: no key is permerror, name service that fails is temperror", async () => {
  for (const fault of ["nxdomain", "nodata"] as const) {
    assertEquals(await outcome({}, { [NAME]: fault }), "permerror there is no key for it");
  }
  for (const fault of ["servfail", "timeout"] as const) {
    assertEquals(await outcome({}, { [NAME]: fault }), "temperror name service did not say what its key is");
  }
  const odd = { ...door({}), txt: () => Promise.reject(new Error("the cable is out")) };
  assertEquals((await verify(content(await crafted(MAIL)), odd)).signatures[0]!.result, "temperror");
});

Deno.test("case 55: l=: what is covered passes and says how much it is", async () => {
  const message = await crafted(MAIL, { l: "5" }), size = 17;
  const added = join(message, octets("<b>and anything behind it</b>\r\n"));
  for (const [octets, all] of [[message, size], [added, size + 35]] as const) {
    const { result, limited } = await one(octets);
    assertEquals([result, limited?.covered], ["pass", 5]);
    assert(limited!.size >= all - 5, `${limited!.size}`);
  }
  const none = await one(await crafted(MAIL, { l: "0" }));
  assertEquals([none.result, none.limited?.covered], ["pass", 0]);
  const whole = await one(await crafted(MAIL, { l: String(none.limited!.size) }));
  assertEquals([whole.result, whole.limited], ["pass", null]); // all of it, until somebody adds to it
  const beyond = await one(await crafted(MAIL, { l: "99999999999999999999999" }));
  assertEquals([beyond.result, beyond.reason], ["fail", "the body is shorter than what was signed (l=)"]);
  const changed = octets(latin1(message).replace("Hello", "Hallo"));
  assertEquals((await one(changed)).reason, "the body was changed");
});

Deno.test("t=s: i= has to be the domain itself; t=y: the domain is only trying", async () => {
  const strict = { [NAME]: [RECORD.replace("k=", "t=s; k=")] }, trying = { [NAME]: [RECORD.replace("k=", "t=y; k=")] };
  assertEquals(await outcome({ i: "a@example.org" }, strict), "pass");
  assertEquals(await outcome({}, strict), "pass");
  assertEquals(
    await outcome({ i: "a@sub.example.org" }, strict),
    "permerror i= is not the domain itself, as its key wants (t=s)",
  );
  const { result, testing } = await one(await crafted(MAIL), trying);
  assertEquals([result, testing], ["pass", true]);
  const broken = await one(octets(latin1(await crafted(MAIL)).replace("Hello", "Hallo")), trying);
  assertEquals([broken.result, broken.testing], ["fail", true]);
});

Deno.test("RFC 8616: a domain and a selector in U-labels are asked for in A-labels", async () => {
  const text =
    `DKIM-Signature: v=1; a=rsa-sha256; d=b\u00fccher.example; s=\u00fc; i=a@b\u00fccher.example; h=from; bh=${
      "A".repeat(43)
    }=; b=AAAA\r\n`;
  const asked = door({});
  const { signatures: [found] } = await verify(content(join(new TextEncoder().encode(text), MAIL)), asked);
  assertEquals([found!.domain, asked.asked], ["xn--bcher-kva.example", ["xn--tda._domainkey.xn--bcher-kva.example"]]);
});

Deno.test("what is signed cannot be changed, what is not may", async () => {
  const message = latin1(await crafted(MAIL));
  for (const [from, to] of [["alice", "mallory"], ["two", "tow"], ["end", "END"]]) {
    assertEquals((await one(octets(message.replace(from!, to!)))).result, "fail", from);
  }
  const twice = message.replace("\r\nFrom: A", "\r\nFrom: mallory@example.net\r\nFrom: A");
  assertEquals((await one(octets(twice))).result, "pass"); // From is in h= once, and the last one is meant
  const guarded = latin1(await crafted(MAIL, { h: "From:From" }));
  assertEquals(
    (await one(octets(guarded.replace("\r\nFrom: A", "\r\nFrom: mallory@example.net\r\nFrom: A")))).result,
    "fail",
  );
  for (
    const [from, to] of [["bob@", "rob@"], ["Hello  Bob \t", "Hello Bob"], ["two  words\r\n and", "two words and"]]
      .concat([["end\r\n\r\n", "end\r\n\r\n\r\n\r\n"], ["Subject: ", "SUBJECT : "], ["Received", "X-A: b\r\nReceived"]])
  ) assertEquals((await one(octets(message.replace(from!, to!)))).result, "pass", from);
});

Deno.test("a signature over signatures: its own field is none of them, whatever h= says", async () => {
  const inner = await crafted(MAIL);
  const outer = await crafted(inner, { h: "From:DKIM-Signature:DKIM-Signature" });
  const { signatures } = await verify(content(outer), door(ZONE));
  assertEquals(signatures.map(({ result }) => result), ["pass", "pass"]);
  const without = octets(latin1(outer).replace(latin1(inner).slice(0, -MAIL.length), ""));
  assertEquals((await one(without)).result, "fail");
});

Deno.test("case 55: of 1000 signatures the first ten are looked at, their keys asked for once, the body hashed once", async () => {
  const signature = latin1(await crafted(MAIL)).slice(0, -MAIL.length);
  const asked = door(ZONE);
  let streams = 0;
  const given = content(octets(signature.repeat(1000) + latin1(MAIL)), [100]);
  const { signatures, more } = await verify({ ...given, stream: () => (streams++, given.stream()) }, asked);
  assertEquals([signatures.length, more, asked.asked.length, streams], [10, 990, 1, 1]);
  assert(signatures.every(({ result }) => result === "pass"));
});

Deno.test("case 55: 100,000 names in h=, a megabyte of tags: void, and not read", async () => {
  const table: [tags: Tags, why: string][] = [
    [{ h: `from${":a".repeat(100_000)}` }, "the signature is no tag list: it is longer than any"],
    [{ h: `from${":a".repeat(2000)}` }, "it lists more fields than any mail has"],
    [{ n: "x".repeat(1_000_000) }, "the signature is no tag list: it is longer than any"],
  ];
  for (const [tags, why] of table) assertEquals(await outcome(tags), `permerror ${why}`);
});

Deno.test("a message without a signature, and octets that are no message", async () => {
  for (const text of ["", "\r\n", "\r\nbody", "no header", ": \r\n", "\u0000\u0001", "DKIM-Signature", latin1(MAIL)]) {
    assertEquals(await verify(content(octets(text)), door({})), { signatures: [], more: 0 }, JSON.stringify(text));
  }
  for (
    const text of [
      "DKIM-Signature:",
      "DKIM-Signature: \r\n\r\n",
      "DKIM-Signature : v=1\r\n",
      "dkim-signature:\r\n\tv=1",
    ]
  ) {
    assertEquals((await one(octets(text))).result, "permerror", text);
  }
});

Deno.test("what we sign we verify: any key, form, cut and body", async () => {
  const rsa = {
    domain: "example.org",
    selector: "s2",
    key: PrivateKey.parse(pem("PRIVATE KEY", await rsaPkcs8(2048))),
  };
  const zone = await zoneOf(KEY, rsa), form = fc.constantFrom("simple" as const, "relaxed" as const);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("\r\n", " ", "\t", "a", ".", "\r", "\n"), { maxLength: 40 }),
      fc.option(fc.array(fc.nat(2000), { maxLength: 6 })),
      form,
      form,
      async (body, cuts, header, bodyForm) => {
        const message = octets(`From: a@example.org\r\nSubject:  x \r\n\ty\r\n\r\n${body.join("")}`);
        const fields = await sign(content(message), [KEY, rsa], { now: NOW, canonicalization: [header, bodyForm] });
        const { signatures } = await verify(content(join(octets(fields!), message), cuts), door(zone));
        assertEquals(signatures.map(({ result, reason }) => [result, reason]), [["pass", null], ["pass", null]]);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("any octets in a signature: a result, never an error", async () => {
  const good = latin1(await crafted(MAIL)), end = good.length - MAIL.length;
  const change = fc.record({
    at: fc.nat(end),
    to: fc.constantFrom(";", "=", " ", "\r\n ", "\u0000", "\u00ff", ":", "", "b="),
  });
  await fc.assert(fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
    let text = good;
    for (const { at, to } of changes) text = text.slice(0, at) + to + text.slice(at + 1);
    const { signatures } = await verify(content(octets(text)), door(ZONE));
    for (const { result, reason } of signatures) assertEquals(reason === null, result === "pass");
  }));
});
