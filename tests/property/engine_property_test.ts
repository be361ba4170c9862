/** Invariants of the server engine: cuts of the input change nothing, accepted content comes out octet for octet. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ServerOptions } from "../../core/smtp/server.ts";
import { converse, latin1, octets } from "../support/engine.ts";

const line = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[ -~]{0,40}$/) },
  { weight: 2, arbitrary: fc.constantFrom("", ".", "..", ".x", "..x", ". ", ".\r.", "Subject: x") },
  { weight: 1, arbitrary: fc.constantFrom("a\nb", "a\rb", "\0", "\r", "\n.", "\n.\r", "\xff\xfe", "\t") },
);
const content = fc.array(line, { maxLength: 12 }).map((lines) => lines.map((each) => `${each}\r\n`).join(""));
const stuffed = (text: string) => text.replace(/(^|\r\n)\./g, "$1..");
const command = fc.constantFrom(
  "EHLO a.example",
  "HELO a",
  "MAIL FROM:<a@b.example>",
  "MAIL FROM:<> BODY=BINARYMIME SIZE=3",
  "RCPT TO:<x@y.example>",
  "RCPT TO:<postmaster>",
  "RCPT TO:<bad",
  "DATA",
  "RSET",
  "NOOP",
  "VRFY x",
  "FOO",
  "QUIT now",
  "BDAT 3 LAST",
  "BDAT 5",
  "\xff",
  "a\nb",
);
/** Whole transactions and stray commands, so that both order and disorder are met. */
const stream = fc.array(
  fc.oneof(
    command.map((each) => `${each}\r\n`),
    content.map((each) =>
      `EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n${stuffed(each)}.\r\n`
    ),
    fc.tuple(content, content).map(([a, b]) =>
      `EHLO a\r\nMAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<x@y.example>\r\nBDAT ${a.length}\r\n${a}BDAT ${b.length} LAST\r\n${b}`
    ),
  ),
  { maxLength: 6 },
).map((parts) => parts.join(""));

/** `text` in pieces that end at the given fractions. */
function cut(text: string, fractions: readonly number[]): Uint8Array[] {
  const all = octets(text);
  const ends = [...fractions.map((each) => Math.floor(each * all.length)), all.length].sort((a, b) => a - b);
  let from = 0;
  return ends.map((end) => all.subarray(from, from = end));
}
const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
const bareLf = fc.constantFrom<ServerOptions["bareLf"]>("reject", "normalize");

Deno.test("any cut of the same octets gives the same replies, events and messages", () => {
  fc.assert(
    fc.property(stream, fractions, bareLf, fc.boolean(), (text, ends, policy, lmtp) => {
      const input = lmtp ? text.replaceAll("EHLO", "LHLO") : text;
      const whole = converse([input], { bareLf: policy, lmtp });
      const pieces = converse(cut(input, ends), { bareLf: policy, lmtp });
      const single = converse([...octets(input)].map((each) => Uint8Array.of(each)), { bareLf: policy, lmtp });
      assertEquals(pieces, whole);
      assertEquals(single, whole);
    }),
    { numRuns: 400 },
  );
});

Deno.test("what DATA takes comes out octet for octet", () => {
  fc.assert(
    fc.property(content, fractions, (text, ends) => {
      const input = `EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n${stuffed(text)}.\r\n`;
      const { messages } = converse(cut(input, ends));
      const bare = /(^|[^\r])\n|\r(?!\n)/.test(text);
      assertEquals(messages, bare ? [] : [text]);
    }),
    { numRuns: 500 },
  );
});

Deno.test("what BDAT takes under BINARYMIME comes out octet for octet, in any chunks", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fractions, fractions, (raw, chunks, ends) => {
      const body = latin1(raw);
      const sizes = cut(body, chunks).map((each) => latin1(each));
      const sent = sizes.map((each, i) => `BDAT ${each.length}${i === sizes.length - 1 ? " LAST" : ""}\r\n${each}`);
      const input = `EHLO a\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<x@y.example>\r\n${sent.join("")}`;
      assertEquals(converse(cut(input, ends)).messages, [body]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("normalized content holds no bare CR or LF and ends only at CRLF.CRLF", () => {
  fc.assert(
    fc.property(content, fractions, (text, ends) => {
      const input = `EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n${stuffed(text)}.\r\n`;
      const { messages } = converse(cut(input, ends), { bareLf: "normalize" });
      assertEquals(messages.length, 1);
      assert(!/(^|[^\r])\n|\r(?!\n)/.test(messages[0]!), JSON.stringify(messages[0]));
    }),
    { numRuns: 300 },
  );
});

Deno.test("no line of a reply is longer than 512 octets, has another code, or holds a control character", () => {
  fc.assert(
    fc.property(stream, fc.string({ maxLength: 2000, unit: "binary" }), (text, junk) => {
      const { output } = converse([text, `${latin1(new TextEncoder().encode(junk))}\r\n`]);
      for (const each of output.split("\r\n").slice(0, -1)) {
        assert(/^[2-5]\d\d[ -][ -~]*$/.test(each) && each.length <= 510, JSON.stringify(each));
      }
    }),
  );
});
