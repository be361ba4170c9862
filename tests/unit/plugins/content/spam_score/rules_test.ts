import { assert, assertEquals } from "@std/assert";
import { HeaderSection } from "postern";
import { type Circumstances, Judge } from "../../../../../plugins/content/spam_score/judge.ts";
import { read, urlParts } from "../../../../../plugins/content/spam_score/reading.ts";
import { type RuleName, RULES } from "../../../../../plugins/content/spam_score/rules.ts";

const judge = new Judge(new Map(Object.entries(RULES)));
const GOOD: Record<string, string> = {
  "Message-ID": "<1@a.example>",
  Date: "Fri, 01 May 2026 12:00:00 +0000",
  From: "Joe <joe@a.example>",
  To: "jane@b.example",
  Subject: "Lunch on Friday",
  "MIME-Version": "1.0",
  "Content-Type": "text/plain; charset=utf-8",
};
const TEXT = "Hello Jane, shall we meet at noon? The usual place would be fine with me. Regards, Joe\n";

/** The rules that a good message hits with these changes to its header (null takes a field away) and this body. */
async function hits(
  changes: Record<string, string | null>,
  body = TEXT,
  circumstances: Partial<Circumstances> = {},
): Promise<string[]> {
  const fields = Object.entries({ ...GOOD, ...changes }).filter(([, value]) => value !== null);
  const message = `${fields.map(([name, value]) => `${name}: ${value}\n`).join("")}\n${body}`;
  const octets = new TextEncoder().encode(message.replace(/\n/g, "\r\n")), section = new HeaderSection(octets);
  const reading = await read({
    size: octets.length,
    headers: section.fields.map((field) => ({ name: field.name, value: section.value(field) })),
    bytes: () => Promise.resolve(octets),
    stream: () => new Blob([octets]).stream(),
  }, 256 * 1024);
  return judge.hits(reading, { formJudged: false, key: () => undefined, ...circumstances });
}

Deno.test("each rule of the header hits what it says and nothing else", async () => {
  const table: [changes: Record<string, string | null>, hits: RuleName[]][] = [
    [{}, []],
    [{ "Message-ID": null }, ["no_message_id"]],
    [{ "Message-ID": "" }, ["no_message_id"]],
    [{ Date: null }, ["no_date"]],
    [{ Subject: null }, ["no_subject"]],
    [{ Subject: "" }, ["no_subject"]],
    [{ To: null }, ["no_visible_recipient"]],
    [{ To: null, Cc: "x@y" }, []],
    [{ Subject: "LOOK HERE WHILE IT LASTS" }, ["subject_all_caps"]],
    [{ Subject: "КУПИТЕ ЭТО СЕЙЧАС" }, ["subject_all_caps"]],
    [{ Subject: "=?utf-8?B?0JrQo9Cf0JjQotCVINCt0KLQniDQodCV0JnQp9CQ0KE=?=" }, ["subject_all_caps"]],
    [{ Subject: "RFC 5321" }, []],
    [{ Subject: "INVOICE-2026-0042-EXAMPLE" }, []], // one word
    [{ Subject: "会議のお知らせ です ありがとう" }, []], // no letters with case
    [{ Subject: "Lunch on Friday           kxqwz" }, ["subject_gap"]],
    [{ Subject: "Lunch on Friday      " }, []],
    [{ Subject: "ADV: Lunch on Friday" }, ["subject_advertises"]],
    [{ Subject: "Advice for Friday" }, []],
    [{ Subject: "Lunch on Friday!!" }, ["subject_bangs"]],
    [{ Subject: "Lunch on Friday?" }, []],
    [{ Subject: "Lowest mortgage" }, ["subject_sells"]],
    [{ Subject: "=?utf-8?Q?Lowest_mortgage?=" }, ["subject_sells"]],
    [{ From: '"service@bank.example" <x@evil.example>' }, ["address_in_name"]],
    [{ From: "service@bank.example <x@evil.example>" }, ["address_in_name"]],
    [{ From: '"joe@A.example" <joe@a.example>' }, []],
    [{ From: "joe@a.example" }, []],
    [{ From: "Joe (@work) <joe@a.example>" }, []],
    [{ From: "Joe <joe12345@a.example>" }, ["from_number"]],
    [{ To: "a@x, b@x, c@x, d@x, e@x, f@x, g@x, h@x" }, ["many_recipients"]],
    [{ "X-Priority": "1 (Highest)" }, ["high_priority"]],
    [{ "X-Priority": "3" }, []],
  ];
  for (const [changes, expected] of table) assertEquals(await hits(changes), expected, JSON.stringify(changes));
});

const HTML = { "Content-Type": "text/html; charset=utf-8" };
const LONG = "The usual place would be fine with me, and so is any other that you like better than that. ".repeat(3);

Deno.test("each rule of the content hits what it says and nothing else", async () => {
  const table: [changes: Record<string, string | null>, body: string, hits: RuleName[]][] = [
    [HTML, `<p>${LONG}</p>`, ["html_only"]],
    [HTML, `<html><p>${LONG}</p>`, ["html_only", "html_unbalanced"]],
    [HTML, `<p>${LONG}</p><div style="display:none">${LONG}</div>`, ["html_only", "html_hidden"]],
    [HTML, `<p>${LONG}</p><img src=x>`, ["html_only"]],
    [HTML, `<p>Look</p><img src=x>`, ["html_only", "image_only"]],
    [HTML, `<p>${LONG}</p><form action="/a"></form>`, ["html_only", "html_form"]],
    [HTML, `<p>${LONG}</p><a href="http://evil.example/">www.bank.example</a>`, ["html_only", "link_lies"]],
    [HTML, `<p>${LONG}</p><a href="http://www.bank.example/">bank.example</a>`, ["html_only"]],
    [HTML, `<p>${LONG}</p><a href="http://evil.example/">the bank</a>`, ["html_only"]],
    [HTML, `<p>${LONG}</p><a href="mailto:a@b.example?subject=remove">off</a>`, ["html_only", "mailto_remove"]],
    [{}, `${TEXT}http://192.0.2.1/pay`, ["url_with_ip"]],
    [{}, `${TEXT}HTTPS://192.0.2.1`, ["url_with_ip"]],
    [{}, `${TEXT}http://3232235777/`, ["url_with_ip"]],
    [{}, `${TEXT}http://192.0.2.1.example/`, []],
    [{}, `${TEXT}http://bank.example@evil.example/`, ["url_user"]],
    [{}, `${TEXT}http://evil.example:81/`, ["url_port"]],
    [{}, `${TEXT}http://evil.example:443/`, []],
    [{}, `${TEXT}http://%65vil.example/`, ["url_escaped"]],
    [{}, `${TEXT}http://a.example/%65vil`, []],
    [{}, "HELLO JANE, SHALL WE MEET AT NOON? ".repeat(10), ["shouting"]],
    [{}, `${TEXT}fr\u200bee fr\u200bee fr\u200bee fr\u200bee fr\u200bee`, ["invisible_characters"]],
    [{}, `${TEXT}раypal and аpple`, ["mixed_alphabets"]],
    [{}, `${TEXT}привет Jane`, []],
    [{}, `${TEXT}$1,000 and $2,000,000 and £40000`, ["money"]],
    [{}, `${TEXT}a\0b`, ["nul_in_text"]],
    [{ "Content-Transfer-Encoding": "base64", "Content-Type": "text/plain" }, btoa(LONG), ["needless_base64"]],
    [{ "Content-Type": "multipart/mixed; boundary=b" }, `--b\n\n${TEXT}`, ["broken_mime"]],
    [{}, `${TEXT}To be\nREMOVED, write to us`, ["opt_out"]],
    [{}, `${TEXT}Please click  here now`, ["click_here"]],
    [{}, "Dear Friend,\nthere is a transfer of the sum of money for a beneficiary", ["advance_fee", "dear_nobody"]],
    [{}, `${TEXT}Verify your account`, ["asks_secret"]],
  ];
  for (const [changes, body, expected] of table) assertEquals(await hits(changes, body), expected, body.slice(0, 200));
});

Deno.test("text is read as it is decoded, and not behind the limit", async () => {
  const words = "click here";
  assertEquals(await hits({ "Content-Transfer-Encoding": "base64" }, btoa(`${LONG} ${words}`)), ["click_here"]);
  assertEquals(await hits({ "Content-Transfer-Encoding": "quoted-printable" }, `${TEXT}cl=\nick h=65re`), [
    "click_here",
  ]);
  assertEquals(await hits(HTML, `<p>${LONG}cl<b>ick</b> h&#101;re`), ["html_only", "click_here"]);
  assertEquals(await hits({}, `${"word\n".repeat(60_000)}${words}`), []);
});

Deno.test("what plugins before it found counts", async () => {
  const table: [key: string, word: string | undefined, hits: RuleName[]][] = [
    ["spf", undefined, []],
    ["spf", "pass", []],
    ["spf", "none", []],
    ["spf", "temperror", []], // nobody's fault
    ["spf", "fail", ["spf_fail"]],
    ["spf", "softfail", ["spf_softfail"]],
    ["spf", "permerror", ["spf_permerror"]],
    ["dkim", "fail", ["dkim_fail"]],
    ["dkim", "none", []],
  ];
  for (const [key, word, expected] of table) {
    assertEquals(await hits({}, TEXT, { key: (name) => name === key ? word : undefined }), expected, `${key}=${word}`);
  }
});

Deno.test("a missing Date is not counted again where the form was judged", async () => {
  assertEquals(await hits({ Date: null }, TEXT, { formJudged: true }), []);
});

Deno.test("the parts of an address", () => {
  const table: [url: string, host: string | undefined, port?: string, user?: boolean][] = [
    ["http://A.example/x", "a.example"],
    ["www.a.example", "a.example"],
    ["//a.example/x", "a.example"],
    ["https://u:p@a.example:81/x", "a.example", "81", true],
    ["http://[2001:db8::1]:81/", "[2001:db8::1]", "81"],
    ["http://[2001:db8::1]/", "[2001:db8::1]"],
    ["http://a.example./", "a.example"],
    ["mailto:a@b.example", undefined],
    ["/x", undefined],
    ["", undefined],
  ];
  for (const [url, host, port = "", user = false] of table) {
    const parts = urlParts(url);
    assertEquals(
      parts && [parts.host.replace(/^www\./, ""), parts.port, parts.user],
      host === undefined ? null : [host, port, user],
      url,
    );
  }
});

Deno.test("no pattern of ours repeats a repetition", () => {
  for (const [name, rule] of Object.entries(RULES)) {
    if (!("matches" in rule) || !(rule.matches instanceof RegExp)) continue;
    assert(!/[*+)]\)?[*+{]/.test(rule.matches.source), `${name}: a repetition of a repetition`);
  }
});

Deno.test("case 33: hostile fields are linear", async () => {
  for (const unit of ["a", "@", "a@", "a@a.", "<", " ", "A ", "re:", "\u0130", "=?utf-8?q?", "! "]) {
    const text = unit.repeat(Math.ceil(1e4 / unit.length)), started = performance.now();
    for (const wrapped of [text, text + "<", `"${text}" <a@b>`, `<${text}>`]) {
      await hits({ From: wrapped, Subject: wrapped, "Content-Type": wrapped, To: wrapped });
    }
    assert(performance.now() - started < 5000, `${unit} took ${performance.now() - started} ms`);
  }
});
