/** The tables of rules in docs/plugins.md say what the rules are. */
import { assertEquals } from "@std/assert";
import { RULE_NAMES as FILE_RULES, RULES as FILES } from "../../../../plugins/content/attachments/rules.ts";
import { RULE_NAMES as HEADER_RULES, RULES as HEADERS } from "../../../../plugins/content/headers/rules.ts";
import { RULE_NAMES as SPAM_RULES, RULES as SPAM } from "../../../../plugins/content/spam_score/rules.ts";
import { section } from "../../../support/manual.ts";

Deno.test("docs/plugins.md, headers: each rule with its default and points", () => {
  const rows = [...section("headers").matchAll(/^\| `(\w+)`\s*\| `(\w+)`\s*\| ([\d.]+)\s*\|/gm)];
  assertEquals(
    rows.map(([, name, action, points]) => [name, action, Number(points)]),
    HEADER_RULES.map((name) => [name, HEADERS[name].action, HEADERS[name].points]),
  );
});

Deno.test("docs/plugins.md, attachments: each rule with its default and points", () => {
  const rows = [...section("attachments").matchAll(/^\| `(\w+)`\s*\| `(\w+)`\s*\| ([\d.]+)\s*\|/gm)];
  assertEquals(
    rows.map(([, name, action, points]) => [name, action, Number(points)]),
    FILE_RULES.map((name) => [name, FILES[name].action, FILES[name].points]),
  );
});

Deno.test("docs/plugins.md, spam_score: each rule with its points", () => {
  const rows = [...section("spam_score").matchAll(/^\| ([\d.]+)\s*\| `(\w+)`\s*\|/gm)];
  assertEquals(
    rows.map(([, points, name]) => [name, Number(points)]),
    SPAM_RULES.map((name) => [name, SPAM[name].points]),
  );
});
