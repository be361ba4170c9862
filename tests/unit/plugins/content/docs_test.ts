/** The tables of rules in docs/plugins say what the rules are. */
import { assertEquals } from "@std/assert";
import { RULE_NAMES as HEADER_RULES, RULES as HEADERS } from "../../../../plugins/content/headers/rules.ts";
import { RULE_NAMES as SPAM_RULES, RULES as SPAM } from "../../../../plugins/content/spam_score/rules.ts";

const page = (name: string) => Deno.readTextFile(new URL(`../../../../docs/plugins/${name}.md`, import.meta.url));

Deno.test("docs/plugins/headers.md: each rule with its default and points", async () => {
  const rows = [...(await page("headers")).matchAll(/^\| `(\w+)`\s*\| `(\w+)`\s*\| ([\d.]+)\s*\|/gm)];
  assertEquals(
    rows.map(([, name, action, points]) => [name, action, Number(points)]),
    HEADER_RULES.map((name) => [name, HEADERS[name].action, HEADERS[name].points]),
  );
});

Deno.test("docs/plugins/spam_score.md: each rule with its points", async () => {
  const rows = [...(await page("spam_score")).matchAll(/^\| ([\d.]+)\s*\| `(\w+)`\s*\|/gm)];
  assertEquals(
    rows.map(([, points, name]) => [name, Number(points)]),
    SPAM_RULES.map((name) => [name, SPAM[name].points]),
  );
});
