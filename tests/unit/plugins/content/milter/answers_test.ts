/** What a milter says, as values; and nothing that it says is a reply of more than one line. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Answer, readAnswer, readReply } from "../../../../../plugins/content/milter/answers.ts";
import { MilterError } from "../../../../../plugins/content/milter/protocol.ts";
import { octets } from "../../../../support/bytes.ts";
import { uint32 } from "../../../../support/fake_milter.ts";

const read = (letter: string, data = "") => readAnswer({ letter, data: octets(data) });
const shown = (answer: Answer) =>
  answer.type === "verdict" && answer.verdict.said === "refuse" ? String(answer.verdict.reply) : answer;

Deno.test("every answer that there is", () => {
  const change = (modification: unknown) => ({ type: "modification", modification });
  const rows: [letter: string, data: string, answer: unknown][] = [
    ["a", "", { type: "verdict", verdict: { said: "accept" } }],
    ["c", "", { type: "verdict", verdict: { said: "continue" } }],
    ["d", "", { type: "verdict", verdict: { said: "discard" } }],
    ["s", "", { type: "verdict", verdict: { said: "skip" } }],
    ["r", "", "550 5.7.1 Command rejected"],
    ["t", "", "451 4.7.1 Service unavailable, try again later"],
    ["f", "", "421 4.7.0 Service unavailable, closing the connection"],
    ["4", "", "421 4.7.0 Service unavailable, closing the connection"],
    ["y", "554 5.6.0 No\0", "554 5.6.0 No"],
    ["p", "", { type: "progress" }],
    ["h", "X-A\0 1\0", change({ change: "add-header", name: "X-A", value: " 1" })],
    ["i", `${uint32(7)}X-A\0\0`, change({ change: "insert-header", index: 7, name: "X-A", value: "" })],
    ["m", `${uint32(1)}X-A\0b\n\tc\0`, change({ change: "change-header", index: 1, name: "X-A", value: "b\n\tc" })],
    ["e", "<a@b>\0", change({ change: "sender", path: "<a@b>", parameters: null })],
    ["e", "<a@b>\0SIZE=1\0", change({ change: "sender", path: "<a@b>", parameters: "SIZE=1" })],
    ["+", "<a@b>\0", change({ change: "add-recipient", path: "<a@b>", parameters: null })],
    ["2", "<a@b>\0NOTIFY=NEVER\0", change({ change: "add-recipient", path: "<a@b>", parameters: "NOTIFY=NEVER" })],
    ["2", "<a@b>\0", change({ change: "add-recipient", path: "<a@b>", parameters: null })],
    ["-", "<a@b>\0", change({ change: "delete-recipient", path: "<a@b>" })],
    ["b", "a\0b", change({ change: "body", chunk: octets("a\0b") })],
    ["q", "why\0", change({ change: "quarantine", reason: "why" })],
  ];
  for (const [letter, data, answer] of rows) assertEquals(shown(read(letter, data)), answer, letter);
});

Deno.test("what is none", () => {
  const rows: [letter: string, data: string, why: string][] = [
    ["z", "", `said "z"`],
    ["\0", "", "means nothing"],
    ["O", "", "means nothing"],
    ["c", "more", "goes on"],
    ["y", "550 no end", "within a text"],
    ["y", "250 2.0.0 yes\0", "its own reply is none"],
    ["y", "354 go on\0", "its own reply is none"],
    ["y", "560 x\0", "its own reply is none"],
    ["y", "\0", "its own reply is none"],
    ["y", "5500 x\0", "its own reply is none"],
    ["h", "no name\0v\0", "no header field name"],
    ["h", "X\r\nBcc\0v\0", "no header field name"],
    ["h", "X:\0v\0", "no header field name"],
    ["h", "\0v\0", "no header field name"],
    ["h", "X\0", "within a text"],
    ["i", "\0\0\0", "within a number"],
    ["m", `${uint32(1)}X\0v\0w\0`, "goes on"],
    ["+", "<a@b>\0x\0", "goes on"],
  ];
  for (const [letter, data, why] of rows) {
    assertThrows(() => read(letter, data), MilterError, why);
  }
});

Deno.test("a reply of its own: one line, a status that goes with the code, percent signs undone", () => {
  const rows: [said: string, reply: string][] = [
    ["550 5.7.1 Go away", "550 5.7.1 Go away"],
    ["451 4.7.1 100%% full", "451 4.7.1 100% full"],
    ["550 Go away", "550 5.7.1 Go away"],
    ["450", "450 4.7.1 Service unavailable, try again later"],
    ["550 5.1.1", "550 5.1.1 Command rejected"],
    ["550 4.2.2 mixed", "550 5.7.1 mixed"],
    ["450 5.2.2 mixed", "450 4.7.1 mixed"],
    ["421 4.3.2 Bye", "421 4.3.2 Bye"],
    ["550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three", "550 5.7.1 one two three"],
    ["550-one\n550 5.9.9 two", "550 5.9.9 one two"],
    ["550 5.7.1 a\r\n250 2.0.0 OK", "550 5.7.1 a 250 2.0.0 OK"],
    ["550 5.7.1 a\rb\0c", "550 5.7.1 a b c"],
  ];
  for (const [said, reply] of rows) assertEquals(String(readReply(said)), reply, JSON.stringify(said));
});

Deno.test("whatever it says, a reply is a refusal of one line that fits", () => {
  const piece = fc.constantFrom("550", "4", "5.7.1", " ", "-", "\r", "\n", "\r\n", "%%", "\u2028", "x", "250 OK", "\0");
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    let reply;
    try {
      reply = readReply(`550 ${pieces.join("")}`);
    } catch (error) {
      assert(error instanceof MilterError);
      return;
    }
    assertEquals([reply.verdict, /[\r\n\0\u2028]/.test(String(reply))], ["reject", false]);
  }));
  assert(String(readReply(`550 5.7.1 ${"x".repeat(10_000)}`)).length < 510);
});
