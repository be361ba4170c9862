/** Canonical forms of DKIM against RFC 6376's own examples, SHA-256 against NIST's, and both in any cut. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  BodyHash,
  CanonicalBody,
  canonicalField,
  type Canonicalization,
} from "../../../../../plugins/outbound/dkim_sign/canonical.ts";
import { Sha256 } from "../../../../../plugins/outbound/dkim_sign/sha256.ts";

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

Deno.test("RFC 6376 3.4.4: the hash of nothing in relaxed form", () => {
  assertEquals(new BodyHash("relaxed").digest().toBase64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
});
