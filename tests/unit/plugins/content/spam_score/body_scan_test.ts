import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BodyScan } from "../../../../../plugins/content/spam_score/body_scan.ts";
import { RULES } from "../../../../../plugins/content/spam_score/rules.ts";

const GTUBE = RULES.gtube.body;
const PATTERNS = new Map<string, string | RegExp>([
  ["gtube", GTUBE],
  ["url", RULES.url_with_ip.body],
  ["nul", RULES.nul_in_body.body],
]);

function hits(pieces: readonly string[], limit = 1 << 20): string[] {
  const scan = new BodyScan(PATTERNS, limit);
  for (const piece of pieces) if (!scan.push(new TextEncoder().encode(piece))) break;
  scan.end();
  return [...scan.hits].sort();
}

Deno.test("patterns are found in the body only", () => {
  const table: [message: string, hits: string[]][] = [
    [`X: 1\r\n\r\n${GTUBE}\r\n`, ["gtube"]],
    [`X: 1\r\n\r\n> ${GTUBE}`, ["gtube"]],
    [`\r\n${GTUBE}`, ["gtube"]], // no header at all
    [`X: 1\n\n${GTUBE}`, ["gtube"]],
    [`X: ${GTUBE}\r\n\r\nbody`, []],
    [`X: ${GTUBE}\r\n`, []],
    [`X: 1\r\n\r\n${GTUBE.toLowerCase()}`, []],
    [`X: 1\r\n\r\n${GTUBE.slice(0, 30)}\r\n${GTUBE.slice(30)}`, []],
    ["X: 1\r\n\r\nsee http://192.0.2.1/pay", ["url"]],
    ["X: 1\r\n\r\nsee HTTPS://192.0.2.1", ["url"]], // the end counts as a line end
    ["X: 1\r\n\r\nsee http://192.0.2.1.example/", []],
    ["X: 1\r\n\r\nsee http://1920.0.2.1/", []],
    ["X: 1\r\n\r\na\0b", ["nul"]],
    ["", []],
  ];
  for (const [message, expected] of table) assertEquals(hits([message]), expected, JSON.stringify(message));
});

Deno.test("the test line is found across every border of two chunks", () => {
  const message = `A: 1\r\n\r\nhello\r\n${GTUBE}\r\n`;
  for (let at = 0; at <= message.length; at++) assertEquals(hits([message.slice(0, at), message.slice(at)]), ["gtube"]);
  assertEquals(hits([...message]), ["gtube"]);
});

Deno.test("no more of the body is looked at than the limit", () => {
  const body = "x".repeat(100) + GTUBE;
  for (const size of [1, 7, 1000]) {
    const pieces = `A: ${"h".repeat(5000)}\r\n\r\n${body}`.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    assertEquals(hits(pieces, body.length), ["gtube"]);
    assertEquals(hits(pieces, body.length - 1), []);
  }
  const scan = new BodyScan(PATTERNS, 10);
  assertEquals(scan.push(new TextEncoder().encode("\r\n123456789")), true);
  assertEquals(scan.push(new TextEncoder().encode("0")), false, "the stream can be left");
});

Deno.test("property: the pieces do not matter", () => {
  const part = fc.constantFrom("\r\n", "\n", "\r", "a", GTUBE, "http://192.0.2.1", "/", ".9", "X: 1", "é");
  const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat(400), { maxLength: 6 }), fc.nat(300), (whole, cuts, limit) => {
      const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
      const pieces = [0, ...places].map((from, index) => whole.slice(from, places[index]));
      assertEquals(hits(pieces, limit), hits([whole], limit));
    }),
    { numRuns: 500 },
  );
});

Deno.test("case 33: hostile bodies are linear", () => {
  for (const unit of ["http://", "http://1", "1.", "http://1.1.1.", GTUBE.slice(0, -1) + "_", "\n", "\r"]) {
    const body = new TextEncoder().encode("A: 1\r\n\r\n" + unit.repeat(Math.ceil(4e6 / unit.length)));
    const started = performance.now();
    const scan = new BodyScan(PATTERNS, body.length);
    for (let at = 0; at < body.length; at += 65536) scan.push(body.subarray(at, at + 65536));
    scan.end();
    assertEquals([...scan.hits], []);
    assert(performance.now() - started < 3000, `${unit} took ${performance.now() - started} ms`);
  }
});
