/** Signatures against those of RFC 8463 and of other signers, octet for octet; what h= covers; any cut of the content. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { headerEnd, HeaderSection } from "../../../core/model/headers.ts";
import type { Canonicalization } from "../../../core/dkim/canonical.ts";
import { type Content, hashBodies } from "../../../core/dkim/content.ts";
import { PrivateKey } from "../../../core/dkim/private_key.ts";
import { hashInput, sign, signField, type SignOptions } from "../../../core/dkim/sign.ts";
import { canBeSigned, signedFields } from "../../../core/dkim/signed_fields.ts";
import { mail, octets } from "../../support/bytes.ts";
import { readVectorText } from "../../support/vectors.ts";
import { RFC_ED25519 } from "./keys.ts";

const KEY = { domain: "example.org", selector: "s2026", key: RFC_ED25519 };
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

const MAIL = mail(`Received: from a by b
From: Alice <alice@example.org>
To: bob@example.net
Subject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <1@example.org>
List-Unsubscribe: <https://example.org/u>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
X-Note: one

Hello  Bob
..

`);

/** A content in these pieces, as a spool file has it; without any cut, in memory. */
function content(octets: Uint8Array<ArrayBuffer>, cuts: readonly number[] | null = null): Content {
  const end = headerEnd(octets);
  const places = [0, ...(cuts ?? []).map((cut) => cut % (octets.length + 1)).sort((a, b) => a - b), octets.length];
  return {
    head: end < 0 ? octets : octets.subarray(0, end),
    memory: cuts === null ? octets : null,
    stream: () => ReadableStream.from(places.slice(1).map((to, at) => octets.subarray(places[at], to))),
  };
}

const signed = (octets: Uint8Array<ArrayBuffer>, options: Partial<SignOptions> = {}) =>
  sign(content(octets), [KEY], { now: NOW, ...options });

function tagsOf(field: string): Map<string, string> {
  const value = field.slice(field.indexOf(":") + 1).replaceAll(/[\r\n\t ]+/g, "");
  return new Map(value.split(";").map((tag) => [tag.slice(0, tag.indexOf("=")), tag.slice(tag.indexOf("=") + 1)]));
}

/** Signs again what somebody else has signed, in the words of their field, with their key. */
async function signedAgain(
  message: Uint8Array<ArrayBuffer>,
  key: PrivateKey,
  index: number,
): Promise<readonly [theirs: string, ours: string, bodies: readonly [string, string]]> {
  const section = new HeaderSection(message), field = section.named("DKIM-Signature")[index]!;
  const text = new TextDecoder().decode(message.subarray(field.start, field.end)), tags = tagsOf(text);
  const [header, body] = tags.get("c")!.split("/") as [Canonicalization, Canonicalization];
  const left = new Map<string, number>();
  const fields = tags.get("h")!.split(":").map((name) => {
    const ranges = section.named(name), at = left.get(name) ?? ranges.length;
    left.set(name, at - 1);
    return { name, range: ranges[at - 1] ?? null };
  });
  const [hashed] = await hashBodies(content(message), section.bodyStart, [{ form: body, limit: null }]);
  const unsigned = text.slice(0, text.lastIndexOf("b=") + 2);
  const ours = await signField(unsigned, key, { hashed: hashInput(section, fields, header), form: header });
  return [tags.get("b")!, tagsOf(ours).get("b")!, [tags.get("bh")!, hashed!.hash.toBase64()]];
}

Deno.test("RFC 8463 A.3: both signatures of the example, octet for octet", async () => {
  const [message, rsa] = [
    readVectorText("dkim-chasquid/cases/01-rfc8463.msg"),
    readVectorText("dkim-dkimpy/cases/test.private"),
  ];
  if (message === null || rsa === null) return;
  for (const [index, key] of [RFC_ED25519, PrivateKey.parse(rsa!)].entries()) {
    const [theirs, ours, [wanted, found]] = await signedAgain(mail(message!), key, index);
    assertEquals([ours, found], [theirs, wanted]);
  }
});

Deno.test("dkimpy's signatures with simple forms, octet for octet", async () => {
  const [message, rsa] = [
    readVectorText("dkim-dkimpy/cases/rfc6376.signed.msg"),
    readVectorText("dkim-dkimpy/cases/test.private"),
  ];
  if (message === null || rsa === null) return;
  for (const [index, key] of [RFC_ED25519, PrivateKey.parse(rsa!)].entries()) {
    const [theirs, ours, [wanted, found]] = await signedAgain(mail(message!), key, index);
    assertEquals([ours, found], [theirs, wanted]);
  }
});

Deno.test("a signature as it stands in the mail: its tags, folded, without l=", async () => {
  const field = (await signed(MAIL))!;
  assert(field.endsWith("\r\n"));
  const lines = field.slice(0, -2).split("\r\n");
  assert(lines.every((line, at) => line.length <= 78 && (at === 0 || /^ \S/.test(line))), field);
  const tags = tagsOf(field);
  assertEquals([...tags.keys()], ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]);
  const { v, a, c, d, s, t } = Object.fromEntries(tags);
  assertEquals([v, a, c, d, s, t], ["1", "ed25519-sha256", "relaxed/relaxed", "example.org", "s2026", "1767323045"]);
  const more = tagsOf(
    (await signed(MAIL, {
      expire: 90_500,
      agent: "news.example.org",
      canonicalization: ["simple", "relaxed"],
    }))!,
  );
  assertEquals([more.get("c"), more.get("i"), more.get("x")], ["simple/relaxed", "@news.example.org", "1767323136"]);
});

Deno.test("case 56: what a reader is shown is listed once more than it is there, trace fields never are", async () => {
  const names = tagsOf((await signed(MAIL, { headers: ["X-Note", "x-none", "FROM"] }))!).get("h")!.split(":");
  const count = (name: string) => names.filter((each) => each.toLowerCase() === name.toLowerCase()).length;
  const here = new HeaderSection(MAIL);
  for (
    const name of ["From", "To", "Cc", "Subject", "Date", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]
      .concat("Reply-To", "Sender", "Message-ID")
  ) assertEquals(count(name), here.named(name).length + 1, name);
  for (const name of ["List-Unsubscribe", "List-Unsubscribe-Post", "X-Note"]) assertEquals(count(name), 1, name);
  for (const name of ["Received", "Return-Path", "DKIM-Signature", "X-None", "References"]) {
    assertEquals(count(name), 0, name);
  }
});

Deno.test("several fields of one name are signed from the last to the first", () => {
  const section = new HeaderSection(octets("To: 1\r\nFrom: a\r\nTO: 2\r\n\r\n"));
  const to = signedFields(section)!.filter(({ name }) => name === "To").map(({ range }) => range?.start ?? null);
  assertEquals(to, [16, 0, null]);
});

Deno.test("what an operator may have signed too", () => {
  for (const name of ["Feedback-ID", "X-Note", "Resent-From"]) assert(canBeSigned(name), name);
  for (
    const name of ["", "Received", "RETURN-PATH", "DKIM-Signature", "ARC-Seal", "Authentication-Results", "Bcc"]
      .concat("a b", "a:b", "a;b", "ä")
  ) assert(!canBeSigned(name), name);
});

Deno.test("a header that two readers may read in two ways is not signed", async () => {
  assertEquals(await signed(mail("From: a@example.org\nno field\nTo: b\n\nbody")), null);
  assertEquals(await signed(mail(`From: a@example.org\n${"To: b\n".repeat(400)}\nbody`)), null);
});

Deno.test("a content without a body, and without an end to its last line", async () => {
  const bodies = ["", "\r\n", "\r\n\r\n\r\n"].map((end) => octets(`From: a@example.org\r\nSubject: x\r\n${end}`));
  const fields = await Promise.all(
    [...bodies, octets("From: a@example.org\r\nSubject: x")].map((each) => signed(each)),
  );
  assertEquals(new Set(fields).size, 1);
  const simple = { canonicalization: ["simple", "simple"] } as const;
  assertEquals(
    await signed(octets("From: a@example.org\r\nSubject: x"), simple),
    await signed(octets("From: a@example.org\r\nSubject: x\r\n\r\n"), simple),
  );
});

Deno.test("a key each: all their signatures, and the body is read once", async () => {
  let streams = 0;
  const given = content(MAIL, [40]);
  const counted = { ...given, stream: () => (streams++, given.stream()) };
  const both = [KEY, { ...KEY, selector: "other" }];
  const fields = await sign(counted, both, { now: NOW });
  const each = await Promise.all(both.map((key) => sign(given, [key], { now: NOW })));
  assertEquals([fields, streams], [each.join(""), 1]);
});

Deno.test("any cut of the content gives the same signature", async () => {
  const form = fc.constantFrom<Canonicalization>("simple", "relaxed");
  await fc.assert(fc.asyncProperty(
    fc.array(fc.constantFrom("\r\n", " ", "\t", "a", ".", "\r"), { maxLength: 40 }),
    fc.array(fc.nat(1000), { maxLength: 8 }),
    form,
    form,
    async (body, cuts, header, bodyForm) => {
      const message = octets(`From: a@example.org\r\nSubject:  x \r\n\ty\r\n\r\n${body.join("")}`);
      const options = { now: NOW, canonicalization: [header, bodyForm] as const };
      const whole = await sign(content(message), [KEY], options);
      assertEquals(await sign(content(message, cuts), [KEY], options), whole);
      const more = { ...content(message, cuts), head: message }; // octets of the body are in the head too
      assertEquals(await sign(more, [KEY], options), whole);
    },
  ));
});

Deno.test("a content that ends inside its header, and one that cannot be read, are no content to sign", async () => {
  const whole = content(MAIL, []);
  for (const stream of [() => ReadableStream.from([MAIL.subarray(0, 30)]), () => ReadableStream.from(broken())]) {
    const outcome = await sign({ ...whole, stream }, [KEY], { now: NOW }).then(
      () => "signed",
      (error) => error.message,
    );
    assert(/^(?:the content ends \d+ octets before its header does|the disk is gone)$/.test(outcome), outcome);
  }
});

async function* broken(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield MAIL;
  await Promise.reject(new Error("the disk is gone"));
}
