/** What local parts ask for, and those that ask for nothing. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { scriptOf } from "../../../../../plugins/access/chaos/address.ts";

Deno.test("chaos: local parts that ask for an error say which, where, when and how often", () => {
  const table: readonly [local: string, found: string][] = [
    ["reject-550", "rcpt 550 5.1.1"],
    ["REJECT-550-5.7.1", "rcpt 550 5.7.1"],
    ["you+reject-554", "rcpt 554 5.7.1"],
    ["a+b+defer-451-4.7.1", "rcpt 451 4.7.1"],
    ["error+rcpt-450-4.2.1", "rcpt 450 4.2.1"],
    ["data-552", "data 552 5.2.2"],
    ["defer-data", "data 451 4.3.0"],
    ["reject-data-554-5.6.0", "data 554 5.6.0"],
    ["mail-451", "mail 451 4.3.0"],
    ["defer-451-once", "rcpt 451 4.3.0 x1"],
    ["defer-2x-data", "data 451 4.3.0 x2"],
    ["slow-5s", "rcpt pass after 5000"],
    ["slow-data-300ms", "data pass after 300"],
    ["you+reject-550-2s", "rcpt 550 5.1.1 after 2000"],
    ["hangup", "rcpt hang up"],
    ["hangup-data-1s-once", "data hang up after 1000 x1"],
    ["defer-421", "rcpt 421 4.3.2"],
  ];
  for (const [local, found] of table) {
    const script = scriptOf(local, "rcpt")!;
    const { deed, delay, times, phase } = script;
    const what = deed === "pass" ? "pass" : deed.say.options.silent ? "hang up" : `${deed.say.code} ${deed.say.status}`;
    assertEquals(`${phase} ${what}${delay > 0 ? ` after ${delay}` : ""}${times === null ? "" : ` x${times}`}`, found);
  }
});

Deno.test("chaos: an ordinary name, or one with a word too many, asks for nothing", () => {
  const ordinary = [
    "ada",
    "reject",
    "defer",
    "mail",
    "data",
    "slow",
    "rcpt",
    "rejected",
    "reject-letters",
    "data-team",
  ];
  const odd = ["reject-451", "defer-550", "reject-5.1.1", "reject-550-550", "reject-599", "defer-499", "slow-550-5s"];
  const more = ["hangup-550", "slow-500s", "slow-5s-5s", "reject-550-x", "reject-550+list", "data-550-rcpt", "550", ""];
  const wrong = ["reject-550-4.1.1", "mail-rcpt-550", "defer-0x", "defer-451-100x", `reject-550${"-once".repeat(9)}`];
  for (const local of [...ordinary, ...odd, ...more, ...wrong]) {
    const asked = scriptOf(local, "rcpt");
    if (local === "reject-5.1.1") {
      assertEquals(asked?.deed !== "pass" && asked?.deed.say.toString().slice(0, 9), "550 5.1.1");
    } else assertEquals(asked, null, local);
  }
});

Deno.test("chaos: no local part makes it throw, and what it says has the class that the name asks for", () => {
  const word = fc.constantFrom(
    "reject",
    "defer",
    "hangup",
    "slow",
    "550",
    "451",
    "5.1.1",
    "4.2.1",
    "once",
    "3x",
    "5s",
    "é",
    "",
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 8 }), fc.constantFrom("-", "+"), (words, join) => {
    const script = scriptOf(words.join(join), "rcpt");
    if (script !== null && script.deed !== "pass" && words[0] === "reject" && join === "-") {
      assertEquals(script.deed.say.verdict, "reject");
    }
  }));
  assertEquals(scriptOf("reject-".repeat(100_000), "rcpt"), null);
});
