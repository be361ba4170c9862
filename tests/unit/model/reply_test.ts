/** Replies: the class is derived once, and no text can write a line of its own. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { accept, defer, reject, Reply } from "../../../core/model/reply.ts";

Deno.test("a reply's verdict follows its code", () => {
  assertEquals([accept().verdict, defer("4.3.0", "x").verdict, reject("5.1.1", "x").verdict], [
    "accept",
    "defer",
    "reject",
  ]);
  assertEquals(String(reject("5.1.1", "No such user", { code: 553 })), "553 5.1.1 No such user");
  assertEquals(String(accept()), "250 2.0.0 OK");
  assertEquals([defer("4.3.0", "x").code, reject("5.0.0", "x").code], [451, 550]);
});

Deno.test("421 and 521 end the session, others when told", () => {
  const closes = [421, 451].map((code) => new Reply(code, "4.3.2", "x").closes);
  assertEquals([...closes, new Reply(521, "5.3.2", "x").closes, new Reply(550, "5.7.1", "x", { close: true }).closes], [
    true,
    false,
    true,
    true,
  ]);
});

Deno.test("case 17: a status has the class of its code", () => {
  const table: [number, string][] = [[550, "4.1.1"], [451, "5.1.1"], [250, "5.0.0"], [354, "3.0.0"], [550, "5.1"]];
  table.push([550, "5.1.1234"], [550, "5.1.1 x"], [550, "5.1.1\r\n"], [550, ""]);
  for (const [code, status] of table) assertThrows(() => new Reply(code, status, "x"), TypeError, "does not fit");
});

Deno.test("case 17: property: no text brings a control character or a line break", () => {
  const unit = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\r\n", "\n", "\0", "\x1b", "\u2028", "\u0085"));
  fc.assert(fc.property(fc.string({ unit }), (text) => {
    assert(!/[\p{Cc}\u2028\u2029]/u.test(new Reply(550, "5.0.0", text).text));
  }));
});
