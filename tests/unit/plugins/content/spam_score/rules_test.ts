import { assert, assertEquals } from "@std/assert";
import {
  type Facts,
  type Rule,
  RULE_NAMES,
  type RuleName,
  RULES,
} from "../../../../../plugins/content/spam_score/rules.ts";

const GOOD: Record<string, string> = {
  "message-id": "<1@a.example>",
  date: "Fri, 01 May 2026 12:00:00 +0000",
  from: "Joe <joe@a.example>",
  to: "jane@b.example",
  subject: "Lunch on Friday",
  "content-type": "text/plain",
};

/** The header rules that hit a good message with these changes; null takes a field away. */
function hits(changes: Record<string, string | null>, options: Partial<Facts> = {}): RuleName[] {
  const fields: Record<string, string | null> = { ...GOOD, ...changes };
  const facts: Facts = { header: (name) => fields[name] ?? undefined, formJudged: false, spf: undefined, ...options };
  return RULE_NAMES.filter((name) => {
    const rule: Rule = RULES[name];
    return "when" in rule && rule.when(facts);
  });
}

Deno.test("each rule hits what it says and nothing else", () => {
  const table: [changes: Record<string, string | null>, hits: RuleName[]][] = [
    [{}, []],
    [{ "message-id": null }, ["no_message_id"]],
    [{ "message-id": "" }, ["no_message_id"]],
    [{ date: null }, ["no_date"]],
    [{ subject: null }, ["no_subject"]],
    [{ subject: "" }, ["no_subject"]],
    [{ to: null }, ["no_visible_recipient"]],
    [{ to: null, cc: "x@y" }, []],
    [{ subject: "BUY NOW WHILE IT LASTS" }, ["subject_all_caps"]],
    [{ subject: "КУПИТЕ ЭТО СЕЙЧАС" }, ["subject_all_caps"]],
    [{ subject: "RFC 5321" }, []],
    [{ subject: "INVOICE-2026-0042-EXAMPLE" }, []], // one word
    [{ subject: "会議のお知らせ です ありがとう" }, []], // no letters with case
    [{ subject: "=?UTF-8?B?QUJDREVGR0g=?= =?UTF-8?B?QUJD?=" }, []],
    [{ subject: "Re: lunch" }, ["false_reply"]],
    [{ subject: "RE: lunch", references: "<1@a>" }, []],
    [{ subject: "Re: lunch", "in-reply-to": "<1@a>" }, []],
    [{ subject: "Regarding lunch" }, []],
    [{ from: '"service@bank.example" <x@evil.example>' }, ["address_in_name"]],
    [{ from: "service@bank.example <x@evil.example>" }, ["address_in_name"]],
    [{ from: '"joe@A.example" <joe@a.example>' }, []],
    [{ from: "joe@a.example" }, []],
    [{ from: "Joe (@work) <joe@a.example>" }, []],
    [{ "content-type": "text/html; charset=utf-8" }, ["html_only"]],
    [{ "content-type": "Text/HTML" }, ["html_only"]],
    [{ "content-type": "text/htmlx" }, []],
    [{ "content-type": "multipart/alternative; boundary=x" }, []],
  ];
  for (const [changes, expected] of table) assertEquals(hits(changes), expected, JSON.stringify(changes));
});

Deno.test("what SPF said counts when it was asked", () => {
  const table: [spf: string | undefined, hits: RuleName[]][] = [
    [undefined, []],
    ["pass", []],
    ["none", []],
    ["neutral", []],
    ["temperror", []], // nobody's fault
    ["fail", ["spf_fail"]],
    ["softfail", ["spf_softfail"]],
    ["permerror", ["spf_permerror"]],
  ];
  for (const [spf, expected] of table) assertEquals(hits({}, { spf }), expected);
});

Deno.test("a missing Date is not counted again where the form was judged", () => {
  assertEquals(hits({ date: null }, { formJudged: true }), []);
});

Deno.test("case 33: hostile fields are linear", () => {
  for (const unit of ["a", "@", "a@", "a@a.", "<", " ", "A ", "re:", "\u0130"]) {
    const text = unit.repeat(Math.ceil(1e4 / unit.length));
    const started = performance.now();
    for (const wrapped of [text, text + "<", `"${text}" <a@b>`, `<${text}>`]) {
      hits({ from: wrapped, subject: wrapped, "content-type": wrapped });
    }
    assert(performance.now() - started < 1000, `${unit} took ${performance.now() - started} ms`);
  }
});
