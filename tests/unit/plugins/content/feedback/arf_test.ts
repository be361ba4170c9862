/** Complaints as RFC 5965 shows them, and what is none. */
import { assertEquals } from "@std/assert";
import { formatAddress } from "postern";
import { parseFeedback } from "../../../../../plugins/content/feedback/arf.ts";
import { octets } from "../../../../support/bytes.ts";

const read = (text: string) => {
  const found = parseFeedback(octets(text.replaceAll("\n", "\r\n")));
  return found &&
    [found.type, formatAddress(found.mailFrom), found.recipients.map(formatAddress).join(" "), found.source];
};
const HEAD = "User-Agent: SomeGenerator/1.0\nVersion: 1\n";

Deno.test("what a complaint says", () => {
  const rows: [text: string, found: unknown][] = [
    [`Feedback-Type: abuse\n${HEAD}`, ["abuse", "", "", null]],
    [
      `Feedback-Type: ABUSE\n${HEAD}Original-Mail-From: <somespammer@example.net>\nOriginal-Rcpt-To: <user@example.com>\n` +
      "Original-Rcpt-To: other@example.com\nSource-IP: 192.0.2.1\nReported-Domain: example.net\n",
      ["abuse", "somespammer@example.net", "user@example.com other@example.com", "192.0.2.1"],
    ],
    [`Feedback-Type: fraud\n${HEAD}Original-Mail-From: <>\nOriginal-Rcpt-To: redacted\n`, ["fraud", "", "", null]],
    [`Feedback-Type: abuse\nVersion: 1\n`, null],
    [`Feedback-Type: abuse\nUser-Agent: x\n`, null],
    [`Feedback-Type: a b\n${HEAD}`, null],
    [`Feedback-Type: ${"a".repeat(1000)}\n${HEAD}`, null],
    [HEAD, null],
    ["", null],
    [`\n\n${HEAD}`, null],
  ];
  for (const [text, found] of rows) assertEquals(read(text), found, text.slice(0, 100));
});
