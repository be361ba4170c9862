import { assertEquals, assertThrows } from "@std/assert";
import { key, on, OptionsError, runPhase } from "postern";
import { spamScore } from "../../../../../plugins/content/spam_score/mod.ts";

type Options = NonNullable<Parameters<typeof spamScore>[0]>;
const HEAD = "Message-ID: <1@a.example>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nFrom: a@a.example\nTo: b@example.org\n";

async function reasons(rules: Options["rules"], message: string, before: Parameters<typeof runPhase>[0] = []) {
  const plugins = [...[before].flat(), spamScore({ rules: rules! })] as Parameters<typeof runPhase>[0];
  return (await runPhase(plugins, "data", { message: HEAD + message })).scores.map((
    { points, reason },
  ) => [points, reason]);
}

Deno.test("spam_score: a rule of the operator looks where it says", async () => {
  const message = "Subject: =?utf-8?Q?Gold_f=C3=BCr_alle?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" +
    "Content-Type: text/html\n\n<p>Buy g<i>o</i>ld coins</p><a href='https://gold.example/x'>now</a>\n--b\n" +
    'Content-Type: application/zip\nContent-Disposition: attachment; filename="gold.zip"\n\nx\n--b--\n';
  const table: [rule: NonNullable<Options["rules"]>[string], hit: boolean][] = [
    [{ header: "Subject", matches: "gold für", points: 2 }, true],
    [{ header: "subject", matches: "^für", points: 2 }, false],
    [{ header: "X-Not-There", matches: "^$", points: 2 }, true],
    [{ in: "text", matches: "buy gold (bars|coins)", points: 2 }, true],
    [{ in: "text", matches: "<i>", points: 2 }, false],
    [{ in: "html", matches: "<i>", points: 2 }, true],
    [{ in: "url", matches: "^https://[^/]*gold", points: 2 }, true],
    [{ in: "type", matches: "^application/zip$", points: 2 }, true],
    [{ in: "filename", matches: "\\.zip$", points: 2 }, true],
    [{ in: "filename", matches: "\\.exe$", points: 2 }, false],
    [{ phrases: ["gold coins", "silver"], points: 2 }, true],
    [{ phrases: ["gold coins", "silver"], least: 2, points: 2 }, false],
    [{ phrases: ["gold coins", "gold"], least: 2, points: 2 }, true],
    [{ phrases: ["für alle"], of: "subject", points: 2 }, true],
    [{ phrases: ["für alle"], of: "text", points: 2 }, false],
  ];
  for (const [rule, hit] of table) {
    const found = await reasons({ mine: { ...rule, says: "it sells gold" } }, message);
    assertEquals(
      found.filter(([, reason]) => String(reason).startsWith("mine")),
      hit ? [[2, "mine: it sells gold"]] : [],
      JSON.stringify(rule),
    );
  }
});

Deno.test("spam_score: a rule reads what any plugin left under its key", async () => {
  const COUNTRY = key<string>("geo", "connection"), CHECK = key<{ result: string }>("check");
  const leaves = on("data", (ctx, next) => (ctx.set(CHECK, { result: "odd" }), next()));
  const rules: Options["rules"] = {
    odd_check: { key: "check", is: ["odd", "worse"], points: 1 },
    from_far: { key: "geo", is: ["AQ"], points: 1 },
    not_there: { key: "nothing", is: ["x"], points: 1 },
  };
  const message = "Subject: x\n\nhello\n";
  assertEquals(await reasons(rules, message, [leaves]), [[1, "odd_check: odd check"]]);
  const { scores } = await runPhase([leaves, spamScore({ rules })], "data", {
    message: HEAD + message,
    keys: [[COUNTRY, "AQ"]],
  });
  assertEquals(scores.map(({ reason }) => reason), ["odd_check: odd check", "from_far: from far"]);
});

Deno.test("spam_score: a rule that makes no sense is told with its path", () => {
  const table: [rules: Record<string, unknown>, path: string][] = [
    [{ "Not A Name": { in: "text", matches: "x", points: 1 } }, "rules.Not A Name"],
    [{ gtube: { in: "text", matches: "x", points: 1 } }, "rules.gtube"],
    [{ bayes: { in: "text", matches: "x", points: 1 } }, "rules.bayes"],
    [{ a: { points: 1 } }, "rules.a.header"],
    [{ a: { points: 1, in: "text", header: "x", matches: "x" } }, "rules.a.in"],
    [{ a: { points: 1, in: "text" } }, "rules.a.matches"],
    [{ a: { points: 1, in: "text", matches: "(a" } }, "rules.a.matches"],
    [{ a: { points: 1, in: "body", matches: "a" } }, "rules.a.in"],
    [{ a: { points: 1, key: "spf" } }, "rules.a.is"],
    [{ a: { points: 1, key: "spf", is: ["fail"], least: 2 } }, "rules.a.least"],
    [{ a: { points: 1, phrases: ["good", "..."] } }, "rules.a.phrases.1"],
    [{ a: { points: 1, phrases: ["good"], matches: "x" } }, "rules.a.matches"],
    [{ a: { in: "text", matches: "x" } }, "rules.a.points"],
    [{ a: { header: "a b", matches: "x", points: 1 } }, "rules.a.header"],
  ];
  for (const [rules, path] of table) {
    const error = assertThrows(() => spamScore.parse({ rules }, ["spam_score"]), OptionsError);
    assertEquals(error.issues.map((issue) => issue.path.join(".")), [`spam_score.${path}`], JSON.stringify(rules));
  }
});
