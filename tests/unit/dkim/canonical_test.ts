/** Canonical forms of DKIM against RFC 6376's own examples, SHA-256 against NIST's, and both in any cut. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { CanonicalBody, canonicalField, type Canonicalization } from "../../../core/dkim/canonical.ts";
import { hashBodies } from "../../../core/dkim/content.ts";
import { Sha256 } from "../../../core/dkim/sha256.ts";

const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

function canonical(pieces: readonly string[], form: Canonicalization): string {
  let out = "";
  const body = new CanonicalBody(form, (piece) => out += String.fromCharCode(...piece));
  for (const piece of pieces) body.update(octets(piece));
  body.end();
  return out;
}

Deno.test("RFC 6376 3.4: bodies in both forms", () => {
  const table: [body: string, simple: string, relaxed: string][] = [
    [" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"],
    ["", "\r\n", ""],
    ["\r\n\r\n", "\r\n", ""],
    [" \t\r\n", " \t\r\n", ""],
    ["a", "a\r\n", "a\r\n"],
    ["a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"],
    ["a \rb\nc", "a \rb\nc\r\n", "a \rb\nc\r\n"],
    ["a\r", "a\r\r\n", "a\r\r\n"],
  ];
  for (const [body, simple, relaxed] of table) {
    assertEquals([canonical([body], "simple"), canonical([body], "relaxed")], [simple, relaxed], JSON.stringify(body));
  }
});

Deno.test("RFC 6376 3.4.2: header fields in relaxed form", () => {
  for (
    const [field, wanted] of [["A: X\r\n", "a:X\r\n"], ["B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"], ["C:\r\n", "c:\r\n"]]
  ) {
    assertEquals(canonicalField(octets(field!), "relaxed"), octets(wanted!));
  }
});

const piece = fc.array(fc.constantFrom("\r", "\n", "\r\n", " ", "\t", "a"), { maxLength: 12 }).map((all) =>
  all.join("")
);
const form = fc.constantFrom<Canonicalization>("simple", "relaxed");

Deno.test("any cut of a body has one canonical form, whose canonical form it is", () => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 6 }), form, (pieces, form) => {
    const whole = canonical([pieces.join("")], form);
    assertEquals(canonical(pieces, form), whole);
    assertEquals(canonical([whole], form), whole);
  }));
});

Deno.test("more empty lines than one block holds, held back and then wanted", () => {
  const lines = "\r\n".repeat(5000);
  for (const form of ["simple", "relaxed"] as const) {
    assertEquals(canonical(["a", lines, "b"], form), `a${lines}b\r\n`);
  }
});

Deno.test("SHA-256 of NIST's messages, and as WebCrypto has it at each length around a block", async () => {
  const hex = (text: string) => {
    const hash = new Sha256();
    hash.update(octets(text));
    return hash.digest().toHex();
  };
  assertEquals(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assertEquals(hex("a".repeat(1e6)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  for (let length = 0; length < 200; length++) {
    const text = "x".repeat(length);
    assertEquals(hex(text), new Uint8Array(await crypto.subtle.digest("SHA-256", octets(text))).toHex());
  }
});

/** The body in memory, or in a stream of these pieces. */
function content(pieces: readonly string[], inMemory: boolean) {
  const memory = octets(pieces.join(""));
  return { head: memory, memory: inMemory ? memory : null, stream: () => ReadableStream.from(pieces.map(octets)) };
}

Deno.test("RFC 6376 3.4.3, 3.4.4: the hashes of nothing", async () => {
  for (const inMemory of [true, false]) {
    const hashes = await hashBodies(content([], inMemory), 0, [{ form: "simple", limit: null }, {
      form: "relaxed",
      limit: null,
    }]);
    assertEquals(hashes.map(({ hash }) => hash.toBase64()), [
      "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=",
      "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ]);
  }
});

Deno.test("in memory or in any pieces: one hash for each form and limit, all in one pass", async () => {
  const wanted = fc.array(fc.record({ form, limit: fc.option(fc.nat(40)) }), { maxLength: 4 });
  await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 6 }), wanted, async (pieces, wanted) => {
    const expected = await Promise.all(wanted.map(async ({ form, limit }) => {
      const whole = octets(canonical([pieces.join("")], form));
      const hash = await crypto.subtle.digest("SHA-256", whole.subarray(0, limit ?? whole.length));
      return { hash: new Uint8Array(hash), size: whole.length };
    }));
    for (const inMemory of [true, false]) {
      assertEquals(await hashBodies(content(["head", ...pieces], inMemory), 4, wanted), expected);
    }
  }));
});
