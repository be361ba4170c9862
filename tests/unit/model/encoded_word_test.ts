/** Encoded words for lists and searches: what is decoded, what stays as it stands, and that it takes linear time. */
import { assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import { decodeWords } from "../../../core/model/encoded_word.ts";

Deno.test("RFC 2047: words are decoded, what is none stays as it stands", () => {
  const rows: [name: string, text: string, decoded: string][] = [
    ["plain", "plain text", "plain text"],
    ["Q", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"],
    ["Q, lower case and underscore", "=?UTF-8?q?a_b=5fc?=", "a b_c"],
    ["B", "=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"],
    ["B without padding", "=?utf-8?b?R3LDvMOfZQ?=", "Grüße"],
    ["Latin-1", "=?iso-8859-1?Q?caf=E9?=", "café"],
    ["another charset", "=?koi8-r?B?8NLJ18XU?=", "Привет"],
    ["a language tag (RFC 2231 5)", "=?utf-8*en?Q?hello?=", "hello"],
    ["with text around it", "Re: =?utf-8?Q?=E2=9C=93?= done", "Re: ✓ done"],
    ["space between two words is dropped (6.2)", "=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"],
    ["other text between them is not", "=?utf-8?Q?a?= x =?utf-8?Q?b?=", "a x b"],
    ["a character cut between two words", "=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"],
    ["unknown charset", "=?x-none?Q?abc?=", "abc"],
    ["broken Q escapes stay", "=?utf-8?Q?a=G1b=?=", "a=G1b="],
    ["broken base64 stays as it stands", "=?utf-8?B?a!b?=", "=?utf-8?B?a!b?="],
    ["octets that are no UTF-8", "=?utf-8?Q?a=FFb?=", "a\ufffdb"],
    ["unknown encoding", "=?utf-8?X?abc?=", "=?utf-8?X?abc?="],
    ["not closed", "=?utf-8?Q?abc", "=?utf-8?Q?abc"],
    ["empty word", "a =?utf-8?Q??= b", "a  b"],
    ["a question mark inside", "=?utf-8?Q?a?b?=", "=?utf-8?Q?a?b?="],
    ["CR, LF and controls are decoded as text of a list", "=?utf-8?Q?a=0D=0ABcc:_x?=", "a\r\nBcc: x"],
  ];
  for (const [name, text, decoded] of rows) assertEquals(decodeWords(text), decoded, name);
});

Deno.test("what was encoded comes back, in both encodings and any cut", () => {
  const word = (octets: Uint8Array, b: boolean) =>
    b
      ? `=?utf-8?B?${btoa(String.fromCharCode(...octets))}?=`
      : `=?utf-8?Q?${[...octets].map((octet) => `=${octet.toString(16).toUpperCase().padStart(2, "0")}`).join("")}?=`;
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), fc.nat(40), fc.boolean(), (text, cut, b) => {
    const octets = new TextEncoder().encode(text);
    if (octets.length === 0) return;
    const at = cut % octets.length;
    const words = at === 0 ? word(octets, b) : `${word(octets.subarray(0, at), b)} ${word(octets.subarray(at), b)}`;
    assertEquals(decodeWords(words), text.toWellFormed());
  }));
});

Deno.test("case 33: encoded-word storms take linear time", () => {
  const storms = [
    "=?",
    "=?a",
    "=?utf-8?",
    "=?utf-8?Q?",
    "=?utf-8?Q?=",
    "=?utf-8?Q?a",
    "?=",
    "=",
    "=?utf-8?Q?a?=",
    "=?utf-8?Q?a?= ",
  ];
  storms.push("=?x?B?AA==?= ", "=?utf-8*", "=?utf-8*a?Q?", `=?utf-8?Q?${"a".repeat(1001)}?=`, " =?utf-8?B?/////w==?=");
  for (const storm of storms) {
    const time = (size: number) => {
      const text = storm.repeat(size / storm.length);
      const started = performance.now();
      decodeWords(text);
      return performance.now() - started;
    };
    time(100_000);
    assertLess(time(1_000_000), 3000, JSON.stringify(storm.slice(0, 20)));
  }
});
