/** Filters of sessions, stories' arithmetic and the scales of plots: pure pieces of the pages, by tables. */
import { assert, assertEquals } from "@std/assert";
import { changesOf } from "../../../../core/admin/ui/explain/change.ts";
import { gatesOf, sharesOf, verdictAt } from "../../../../core/admin/ui/explain/gates.ts";
import { decider } from "../../../../core/admin/ui/explain/phases.ts";
import { foreign } from "../../../../core/admin/ui/foreign.ts";
import { reasonsOf } from "../../../../core/admin/ui/overview/reasons.ts";
import { RANGES, spanOf } from "../../../../core/admin/ui/overview/range.ts";
import { linear, logarithmic, quantile, times } from "../../../../core/admin/ui/plots/scale.ts";
import { ledgerQuery, readFilters, sessionsPath } from "../../../../core/admin/ui/sessions/filters.ts";
import { replyParts } from "../../../../core/admin/ui/sessions/words.ts";
import { NOW } from "../fixture.ts";
import { aMorning, spam, step, story } from "../stories.ts";

const HOUR = 3_600_000;

Deno.test("filters: what a query string says, what is asked of the ledger, and the same address again", () => {
  const read = (search: string) => readFilters((name) => new URLSearchParams(search).get(name) ?? undefined);
  const rows: readonly (readonly [string, Record<string, unknown>])[] = [
    ["", {}],
    ["q=&verdict=&from=", {}],
    ["q=+spam+", { q: "spam" }],
    ["verdict=held&plugin=spf", { verdict: "held", plugin: "spf" }],
    ["ip=2001:DB8::1", { ip: "2001:db8::1" }],
    ["ip=192.0.2.0/24", { ip: "192.0.2.0/24" }],
    ["ip=::ffff:192.0.2.7", { ip: "192.0.2.7" }],
    ["from=@example.org&to=ada@example.org", { from: "@example.org", to: "ada@example.org" }],
    ["observed=1", { observed: true }],
    ["when=24h", { since: NOW - 24 * HOUR }],
    ["when=24h&since=2026-11-22T09:00", { since: NOW - 41 * 60_000 }], // the narrower of both
    ["until=2026-11-22", { until: Date.UTC(2026, 10, 22) }],
  ];
  for (const [search, query] of rows) {
    const filters = read(search);
    assert(typeof filters !== "string", search);
    assertEquals<unknown>(ledgerQuery(filters, NOW), query, search);
    assertEquals(read(sessionsPath(filters).split("?")[1] ?? ""), filters, search);
  }
});

Deno.test("filters: what is wrong is said, with what would be right", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["verdict", "spam", "verdict is one of accepted"],
    ["ip", "192.0.2.0/23", "ip is an address"],
    ["ip", "nowhere", "ip is an address"],
    ["ip", "2001:db8::/33", "ip is an address"],
    ["when", "__proto__", "when is one of"],
    ["since", "yesterday", "since is a time in UTC"],
    ["until", "2026-13-45", "until is a time in UTC"],
    ["q", "x".repeat(201), "q has at most 200"],
  ];
  for (const [name, value, says] of rows) {
    const read = readFilters((each) => each === name ? value : undefined);
    assert(typeof read === "string" && read.startsWith(says), `${name}=${value}: ${JSON.stringify(read)}`);
  }
});

Deno.test("foreign text: cut, one line, nothing hidden", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["plain übergröße 漢字", "plain übergröße 漢字"],
    ["a\u202eb", "a\\u{202e}b"],
    ["a\r\nb\tc\0", "a\\r\\nb\\tc\\u{0}"],
    ["\ud800", "\\u{d800}"],
    ["x".repeat(300), `${"x".repeat(256)}[+44]`],
  ];
  for (const [text, shown] of rows) assertEquals(foreign(text), shown);
});

Deno.test("replies: code, enhanced code, text", () => {
  assertEquals(replyParts("550 5.7.1 No: 1 of 2"), ["550 5.7.1", "No: 1 of 2"]);
  assertEquals(replyParts("421 Later"), ["421", "Later"]);
  assertEquals(replyParts("250"), ["250", ""]);
  assertEquals(replyParts("by hand"), ["", "by hand"]);
});

Deno.test("points: shares by plugin, the lines that were in force, and what would have to change", () => {
  const one = spam(), gates = gatesOf(one)!;
  assertEquals(gates, { plugin: "spam_score", held: 6, refused: 12 });
  assertEquals(sharesOf(one).map(({ plugin, points }) => `${plugin} ${points}`), [
    ...["dnsbl 4", "fcrdns 1.5", "spf 2", "dkim 1", "spam_score 6"],
  ]);
  assertEquals([5.9, 6, 11.99, 12].map((points) => verdictAt(points, gates)), ["accepted", "held", "held", "refused"]);
  const changes = changesOf(one, gates);
  assertEquals(changes.map(({ points, then, who, observed }) => [points, then, who, observed]), [
    [8.5, "held", "either", false], // held is not passed
    [4.5, "accepted", "the sender", false],
    [14.5, "accepted", "you", false],
    [null, "deferred", "you", true],
    [null, "refused", "you", true],
  ]);
  const never = story(1, {
    steps: [step("data", "score", { facts: [["spam_score.limits", "held from 6, refused from never"]] })],
  });
  assertEquals(gatesOf(never), { plugin: "score", held: 6, refused: null });
  assertEquals(gatesOf(story(1)), null);
});

Deno.test("what would have to change is not guessed where nobody behind was asked", () => {
  const [sent, , nobody, grey] = aMorning();
  assertEquals(changesOf(sent!, null), []);
  assertEquals(changesOf(nobody!, null).map(({ then }) => then), [null, null]); // refused at RCPT
  assertEquals(changesOf(grey!, null).map(({ who }) => who), ["the sender", "either", "you"]);
});

Deno.test("who decided: the last step of that plugin in that phase that counted", () => {
  const one = spam();
  assertEquals(one.steps[decider(one)]!.plugin, "spam_score");
  const watched = story(1, {
    verdict: "refused",
    plugin: "spf",
    phase: "mail",
    steps: [
      step("mail", "spf", { verdict: "reject", reason: "this one" }),
      step("mail", "spf", { verdict: "reject", observed: true }),
      step("data", "spf", { verdict: "reject" }),
    ],
  });
  assertEquals(decider(watched), 0);
  assertEquals(decider(aMorning()[0]!), -1);
});

Deno.test("reasons of refusals: the most frequent first", () => {
  const refused = [spam(1), spam(2), story(3, { reply: "550 5.1.1 No", plugin: null })];
  assertEquals(reasonsOf(refused).map(({ plugin, n }) => `${plugin} ${n}`), ["spam_score 2", "core 1"]);
});

Deno.test("scales: round numbers that hold all, decades, round times of UTC", () => {
  for (
    const [max, top] of [[0, "1"], [1, "1"], [3, "3"], [7, "8"], [598, "600"], [601, "800"], [
      40_868,
      "60,000",
    ]] as const
  ) {
    const { ticks, place } = linear(max);
    assertEquals(ticks.at(-1)!.text, top, String(max));
    assert(ticks.length >= 2 && ticks.length <= 6, String(max));
    assert(place(max) <= 1 && place(0) === 0);
  }
  const log = logarithmic([3, 40, 900], (ms) => `${ms}`);
  assertEquals(log.ticks.map(({ text }) => text), ["1", "10", "100", "1000"]);
  assertEquals(log.place(10), 1 / 3);
  assertEquals(logarithmic([], String).ticks.length, 4);
  const day = spanOf(RANGES[1]!, NOW);
  assertEquals([day.until - day.since, day.since % day.step], [24 * HOUR, 0]);
  assert(day.until > NOW && day.until - NOW <= day.step);
  assertEquals(times(day.since, day.until).map(({ text }) => text), [
    ...["12:00", "15:00", "18:00", "21:00", "22 Nov", "03:00", "06:00", "09:00"],
  ]);
});

Deno.test("quantiles of counts by bounds: on a straight line inside, the last bound above all", () => {
  const bounds = [10, 20, 40];
  const rows: readonly (readonly [readonly number[], number, number | null])[] = [
    [[0, 0, 0, 0], 0.5, null],
    [[4, 0, 0, 0], 0.5, 5],
    [[0, 10, 0, 0], 0.5, 15],
    [[5, 0, 5, 0], 0.5, 10],
    [[5, 0, 5, 0], 0.95, 38],
    [[0, 0, 0, 3], 0.5, 40],
  ];
  for (const [counts, share, value] of rows) {
    assertEquals(quantile(counts, bounds, share), value, JSON.stringify(counts));
  }
});
