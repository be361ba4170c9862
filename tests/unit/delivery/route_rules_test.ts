/** Which route counts: the first whose recipient and sender both fit. */
import { assertEquals, assertThrows } from "@std/assert";
import { type RouteRule, RouteRules } from "../../../core/delivery/route_rules.ts";
import { parseAddress } from "../../../core/model/address.ts";

const rule = (via: string, domains: readonly string[], senders: readonly string[] | null = null): RouteRule => ({
  domains,
  senders,
  to: "remote",
  via,
  plugin: null,
  reason: null,
});

Deno.test("the first rule that fits, by domain and by sender", () => {
  const rules = new RouteRules([
    rule("bulk", ["*"], ["News@Example.org", "*.lists.example.org"]),
    rule("bounces", ["*.example.net"], ["<>"]),
    rule("partner", ["partner.example", "*.partner.example"]),
    rule("known", ["*"], ["*"]),
    rule("literal", ["[192.0.2.1]"], ["<>"]),
  ]);
  const via = (to: string, from: string | null) =>
    rules.of(parseAddress(to)!, from === null ? null : parseAddress(from))?.via ?? null;
  const table: readonly [to: string, from: string | null, string | null][] = [
    ["a@partner.example", "news@example.org", "bulk"],
    ["a@partner.example", "NEWS@example.org", "bulk"],
    ["a@partner.example", "old-news@example.org", "partner"],
    ["a@partner.example", "x@one.lists.example.org", "bulk"],
    ["a@partner.example", "x@lists.example.org", "partner"],
    ["a@mail.example.net", null, "bounces"],
    ["a@example.net", null, null],
    ["a@example.net", "x@example.com", "known"],
    ["a@mail.partner.example", null, "partner"],
    ["a@[192.0.2.1]", null, "literal"],
    ["a@[192.0.2.2]", null, null],
  ];
  for (const [to, from, expected] of table) assertEquals(via(to, from), expected, `${to} from ${from}`);
  assertEquals(new RouteRules([]).of(parseAddress("a@example.net")!, null), null);
});

Deno.test("what is no domain is told", () => {
  assertThrows(() => new RouteRules([rule("x", ["a b"])]), TypeError, '"a b" is no domain');
  assertThrows(() => new RouteRules([rule("x", ["*"], ["a b@c d"])]), TypeError, "is no domain");
});
