import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { RecordType } from "../../../core/dns/answer.ts";
import { encodeQuestion, readAnswer } from "../../../core/dns/message.ts";

const QUESTION = { id: 0x1234, type: "TXT", name: "example.org" } as const;
const asked = (): number[] => [...encodeQuestion(QUESTION, false)];

/** The question turned into an answer with one record of raw octets. */
function withRecord(record: readonly number[]): Uint8Array {
  const octets = [...asked(), ...record];
  octets[2] = 0x81;
  octets[3] = 0x80;
  octets[7] = 1;
  return new Uint8Array(octets);
}

Deno.test("a question on the wire", () => {
  const name = [7, ...new TextEncoder().encode("example"), 3, ...new TextEncoder().encode("org"), 0];
  assertEquals(asked(), [0x12, 0x34, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 16, 0, 1]);
  const edns = [...encodeQuestion(QUESTION, true)];
  assertEquals(edns[11], 1);
  assertEquals(edns.slice(-11), [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("case 59: a broken message from the right server is refused, never thrown", async (t) => {
  const head = [0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60];
  const table: readonly [string, number[]][] = [
    ["no record where one is counted", []],
    ["data past the end", [...head, 0, 9, 1, 65]],
    ["a string past its record", [...head, 0, 2, 9, 65]],
    ["a TXT without strings", [...head, 0, 0]],
    ["a pointer to itself", [0xc0, 29, ...head.slice(2), 0, 2, 1, 65]],
    ["a pointer forward", [0xc0, 60, ...head.slice(2), 0, 2, 1, 65]],
    ["two pointers in a circle", [0xc0, 31, 0xc0, 29, ...head.slice(2), 0, 2, 1, 65]],
    ["an unknown kind of label", [0x80, 1, ...head.slice(2), 0, 2, 1, 65]],
  ];
  for (const [name, record] of table) {
    await t.step(name, () => assertEquals(readAnswer(withRecord(record), QUESTION), { kind: "refused" }));
  }
});

Deno.test("any octets after the header are read or refused, in linear time", () => {
  const types: readonly RecordType[] = ["A", "AAAA", "CNAME", "MX", "TXT", "PTR", "TLSA"];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(65535), fc.constantFrom(...types), (tail, count, type) => {
      const octets = new Uint8Array([...encodeQuestion({ ...QUESTION, type }, false), ...tail]);
      octets[2] = 0x81;
      octets[6] = count >> 8;
      octets[7] = count & 255;
      const { kind } = readAnswer(octets, { ...QUESTION, type });
      assert(kind === "answer" || kind === "refused", kind);
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
    assert(readAnswer(octets, QUESTION).kind !== "answer");
  }));
});
