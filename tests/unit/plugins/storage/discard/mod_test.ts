import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { on, OptionsError, simulate } from "postern";
import { discard } from "../../../../../plugins/storage/discard/mod.ts";
import { parsePattern } from "../../../../../plugins/storage/discard/pattern.ts";

Deno.test("patterns of addresses", () => {
  const table: [pattern: string, local: string, domain: string, match: boolean][] = [
    ["noreply@example.org", "noreply", "example.org", true],
    ["noreply@example.org", "NoReply", "example.org", true],
    ["NoReply@Example.ORG", "noreply", "example.org", true],
    ["noreply@example.org", "noreply2", "example.org", false],
    ["noreply@example.org", "noreply", "mail.example.org", false],
    ["bounce-*@example.org", "bounce-17", "example.org", true],
    ["bounce-*@example.org", "bounce-", "example.org", true],
    ["bounce-*@example.org", "bounce", "example.org", false],
    ["*-x@example.org", "a-x", "example.org", true],
    ["*@example.org", "anything", "example.org", true],
    ["a*b*c@example.org", "a-b-b-c", "example.org", true],
    ["a*b*c@example.org", "ac", "example.org", false],
    ["aa*aa@example.org", "aaa", "example.org", false],
    ["a*a*a@example.org", "aa", "example.org", false],
    ["x@*.example.org", "x", "mail.example.org", true],
    ["x@*.example.org", "x", "example.org", false],
    ["x@*", "x", "any.example", true],
    ["a.c@example.org", "abc", "example.org", false],
  ];
  for (const [pattern, local, domain, match] of table) {
    assertEquals(parsePattern(pattern)({ local, domain }), match, `${pattern} ${local}@${domain}`);
  }
  for (const bad of ["", "noreply", "@example.org", "a@", "a@b c"]) {
    assertThrows(() => parsePattern(bad), TypeError, "no");
  }
});

Deno.test("property: a pattern matches what a regular expression of the same meaning matches", () => {
  const text = fc.stringMatching(/^[ab*]{1,6}$/), local = fc.stringMatching(/^[ab]{0,8}$/);
  fc.assert(fc.property(text, local, (pattern, local) => {
    const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(local);
    assertEquals(parsePattern(`${pattern}@x.example`)({ local, domain: "x.example" }), expected);
  }));
});

Deno.test("case 33: a pattern full of stars is linear", () => {
  const match = parsePattern(`${"a*".repeat(1000)}b@example.org`);
  const started = performance.now();
  assertEquals(match({ local: "a".repeat(100_000), domain: "example.org" }), false);
  assert(performance.now() - started < 1000);
});

Deno.test("discard: takes what it is told to, and nothing is kept or reported", async () => {
  const plugin = discard({ domains: ["void.example"], addresses: ["bounce-*@example.org"] });
  const result = await simulate([plugin], { to: ["a@void.example", "bounce-1@example.org", "joe@example.org"] });
  assertEquals(result.recipients.map((each) => each.result), ["discarded", "discarded"]);
  assertEquals(result.replies.filter(({ phase }) => phase === "rcpt").map(({ reply }) => reply.code), [250, 250, 550]);
  assertEquals([result.reply.verdict, result.rows.length, result.deposits.length], ["accept", 0, 0]);
});

Deno.test("discard: everything, but not what an earlier plugin has routed", async () => {
  const router = on("rcpt", (ctx, next) => {
    if (ctx.recipient.address.local === "joe") ctx.route({ to: "remote" });
    return next();
  });
  const result = await simulate([router, discard({ everything: true })], { to: ["joe@example.org", "a@b.example"] });
  assertEquals(result.recipients.map((each) => each.result), ["queued", "discarded"]);
});

Deno.test("discard: bad options are told with their path", () => {
  const table: [options: Record<string, unknown>, path: string][] = [
    [{ domains: ["-bad-"] }, "discard.domains"],
    [{ addresses: ["a@example.org", "b"] }, "discard.addresses.1"],
    [{ everything: "yes" }, "discard.everything"],
  ];
  for (const [options, path] of table) {
    const error = assertThrows(() => discard.parse(options, ["discard"]), OptionsError);
    assertEquals(error.issues.map((issue) => issue.path.join(".")), [path]);
  }
});
