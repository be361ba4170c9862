import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineFeeds } from "../../../../../plugins/storage/maildir/line_feed.ts";

const octets = (text: string) => new TextEncoder().encode(text);

function convert(chunks: readonly Uint8Array[]): { text: string; size: number; virtualSize: number } {
  const lines = new LineFeeds();
  const out = chunks.map((chunk) => lines.push(chunk));
  const all = [...out, lines.end()].flatMap((part) => [...part]);
  return { text: String.fromCharCode(...all), size: lines.size, virtualSize: lines.virtualSize };
}

Deno.test("CRLF becomes LF, lone CR and LF stay", () => {
  const table: [from: string, to: string, virtual: number][] = [
    ["", "", 0],
    ["a\r\nb\r\n", "a\nb\n", 6],
    ["a\rb\r\n", "a\rb\n", 5],
    ["a\nb", "a\nb", 4],
    ["\r\r\n", "\r\n", 2], // a reader takes the rest for a CRLF already
    ["\r", "\r", 1],
    ["\n\r", "\n\r", 3],
    ["\r\n\r\n", "\n\n", 4],
  ];
  for (const [from, text, virtualSize] of table) {
    assertEquals(convert([octets(from)]), { text, size: text.length, virtualSize }, JSON.stringify(from));
  }
});

Deno.test("the received octets are never written to", () => {
  const chunk = octets("a\r\nb\r\n");
  convert([chunk]);
  assertEquals(chunk, octets("a\r\nb\r\n"));
});

Deno.test("property: the pieces do not matter", () => {
  const text = fc.array(fc.constantFrom("\r", "\n", "\r\n", "a", "bc")).map((parts) => parts.join(""));
  fc.assert(fc.property(text, fc.array(fc.nat(20), { maxLength: 8 }), (whole, cuts) => {
    const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
    const pieces = [0, ...places].map((from, index) => octets(whole.slice(from, places[index])));
    assertEquals(convert(pieces), convert([octets(whole)]));
    assertEquals(convert(pieces).text, whole.replaceAll("\r\n", "\n"));
  }));
});
