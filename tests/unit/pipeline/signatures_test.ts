import { assertEquals, assertRejects } from "@std/assert";
import type { SignedContent } from "postern";
import { signatures } from "../../../core/pipeline/signatures.ts";

const octets = new TextEncoder().encode("A: 1\r\n\r\nbody\r\n");
const inMemory: SignedContent = {
  size: octets.length,
  head: octets,
  memory: octets,
  stream: () => new Blob([octets]).stream(),
};
const spilled: SignedContent = { ...inMemory, head: octets.subarray(0, 8), memory: null };

Deno.test("each signer sees what stands behind its fields, from memory or not", async () => {
  for (const content of [inMemory, spilled]) {
    const seen: string[] = [];
    const signer = (fields: string) => async (given: SignedContent) => {
      const text = await new Response(given.stream()).text();
      assertEquals([given.size, given.memory === null], [text.length, content.memory === null]);
      assertEquals(text.startsWith(new TextDecoder().decode(given.head)), true);
      seen.push(text);
      return fields;
    };
    const front = await signatures([signer("S1: x\r\n"), signer(""), signer("S2: y;\r\n\tz\r\nS3: w\r\n")], content);
    assertEquals(front, "S2: y;\r\n\tz\r\nS3: w\r\nS1: x\r\n");
    const text = new TextDecoder().decode(octets);
    assertEquals(seen, [text, `S1: x\r\n${text}`, `S1: x\r\n${text}`]);
  }
  assertEquals(await signatures([], inMemory), "");
});

Deno.test("case 54: what is no header field never stands in front of a message", async () => {
  const rows: unknown[] = [
    "X: 1",
    "X: 1\n",
    "X: 1\r\n\r\n",
    "\r\n",
    " X: 1\r\n",
    "X 1\r\n",
    ": 1\r\n",
    "X: 1\r\nbody\r\n",
    "X: a\rb\r\n",
    "X: a\nBcc: b\r\n",
    "X-é: 1\r\n",
    `X: ${"a".repeat(65_536)}\r\n`,
    undefined,
    7,
  ];
  for (const given of rows) {
    await assertRejects(() => signatures([() => Promise.resolve(given as string)], inMemory), Error, "whole header");
  }
  await assertRejects(() => signatures([() => Promise.reject(new Error("no key"))], inMemory), Error, "no key");
});
