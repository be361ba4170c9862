/** Which replies suspend a route. */
import { assertEquals, assertThrows } from "@std/assert";
import { SuspensionRules } from "../../../core/delivery/suspension.ts";

const HOUR = 3_600_000;

Deno.test("a pattern begins where the reply begins, a star stands for anything", () => {
  const rows: [pattern: string, reply: string, match: boolean][] = [
    ["421", "421 4.7.0 Try again later", true],
    ["421", "451 4.2.1 see 421", false],
    ["*421", "451 4.2.1 see 421", true],
    ["4*too many", "452 4.5.3 TOO MANY messages from you", true],
    ["4*too many", "552 5.5.3 Too many", false],
    ["*blocked*listed", "550 5.7.1 Blocked, you are listed", true],
    ["*blocked*listed", "550 5.7.1 listed, so blocked", false],
    ["*aa*aa", "aaa", false], // pieces do not overlap
    ["*aa*aa", "aaaa", true],
    ["421**later", "421 4.7.0 Try again\r\nlater", true],
    ["*again later", "421 4.7.0 Try again\r\nlater", true], // its lines are one
    ["*(.+)+$", "550 (.+)+$", true], // text, no expression
    ["*(.+)+$", "550 aaaa", false],
  ];
  for (const [reply, line, match] of rows) {
    assertEquals(
      new SuspensionRules([{ reply, milliseconds: HOUR }]).after(line),
      match ? HOUR : 0,
      `${reply} ${line}`,
    );
  }
});

Deno.test("the longest suspension of all rules that match counts", () => {
  const rules = new SuspensionRules([
    { reply: "421", milliseconds: HOUR },
    { reply: "4*limit", milliseconds: 2 * HOUR },
    { reply: "4", milliseconds: 1000 },
  ]);
  assertEquals(rules.after("421 4.7.0 limit"), 2 * HOUR);
  assertEquals(rules.after("421 4.7.0 later"), HOUR);
  assertEquals(rules.after("450 4.2.0 later"), 1000);
  assertEquals(rules.after("250 2.0.0 limit"), 0);
  assertEquals(new SuspensionRules([]).after("421 4.7.0 limit"), 0);
});

Deno.test("case 62: a reply of a megabyte is looked at for its beginning only", () => {
  const rules = new SuspensionRules([{ reply: "*a*b*c*never", milliseconds: HOUR }]);
  assertEquals(rules.after("421 " + "abc".repeat(400_000) + "never"), 0);
  assertEquals(rules.after("421 " + "abc".repeat(100) + "never"), HOUR);
});

Deno.test("a rule that every reply matches, or without a time, is a mistake", () => {
  for (const reply of ["", "*", "***"]) {
    assertThrows(() => new SuspensionRules([{ reply, milliseconds: HOUR }]), TypeError);
  }
  assertThrows(() => new SuspensionRules([{ reply: "421", milliseconds: 0 }]), TypeError);
});
