/** Where a recipient goes by the configuration of today, and the name of its destination. */
import { assertEquals } from "@std/assert";
import type { RouteRule } from "../../../core/delivery/route_rules.ts";
import { keyOf, type Target, Targets } from "../../../core/delivery/target.ts";
import type { Route } from "../../../core/model/envelope.ts";
import { destinationKey } from "../../../core/queue/destination.ts";
import { address } from "../store/messages.ts";
import { nextHop } from "./way_out.ts";

const REMOTE: Route = { to: "remote" };
const smart = nextHop([{ kind: "smtp", host: "192.0.2.1", port: 25, implicitTls: false, lmtp: false }]);
const rule = (domains: readonly string[], more: Partial<RouteRule>): RouteRule => (
  { domains, senders: null, to: "remote", via: null, plugin: null, reason: null, ...more }
);
const RULES = [
  rule(["held.example"], { to: "hold", reason: "asked for" }),
  rule(["gone.example"], { via: "gone" }),
  rule(["bin.example"], { to: "discard" }),
  rule(["box.example"], { to: "local", plugin: "maildir" }),
  rule(["direct.example"], {}),
  rule(["*"], { senders: ["boss@example.org"], to: "hold" }),
  rule(["*.example", "held.example"], { via: "smart" }),
];

function targets(leaves = true): Targets {
  return new Targets({ rules: RULES, nextHops: new Map([["smart", smart]]), leaves });
}
function brief(target: Target): string {
  if (target.kind === "mx") return `mx ${target.domain}`;
  if (target.kind === "hop") return `hop ${target.hop.name}`;
  if (target.kind === "local") return `local ${target.plugin}`;
  return "reason" in target ? `${target.kind}: ${target.reason}` : target.kind;
}

Deno.test("the first rule that fits says where, and what a plugin said comes before all of them", () => {
  const table: readonly [to: string, route: Route, where: string, key: string][] = [
    ["x@a.example", REMOTE, "hop smart", "via:smart"],
    ["x@direct.example", REMOTE, "mx direct.example", "mx:direct.example"],
    ["x@Other.Test", REMOTE, "mx other.test", "mx:other.test"],
    ["x@held.example", REMOTE, "hold: asked for", "report"],
    ["x@bin.example", REMOTE, "discard", "report"],
    ["x@box.example", REMOTE, "local maildir", "local:maildir"],
    ["x@gone.example", REMOTE, 'nowhere: there is no next hop "gone" in the configuration', "report"],
    ["x@held.example", { to: "remote", via: "smart" }, "hop smart", "via:smart"],
    ["x@a.example", { to: "remote", via: "old" }, 'nowhere: there is no next hop "old" in the configuration', "report"],
    ["x@a.example", { to: "local", plugin: "inbox" }, "local inbox", "local:inbox"],
    ["x@a.example", { to: "report", action: "failed", reason: "550 no" }, "report: 550 no", "report"],
    ["x@[192.0.2.1]", REMOTE, "mx [192.0.2.1]", "mx:[192.0.2.1]"],
  ];
  for (const [to, route, where, key] of table) {
    const target = targets().of({ address: address(to), route }, address("a@b.c"));
    assertEquals([brief(target), keyOf(target)], [where, key], to);
  }
});

Deno.test("a rule for senders does not hold others, nor mail from nobody", () => {
  const of = (sender: string | null) =>
    brief(targets().of({ address: address("x@a.example"), route: REMOTE }, sender === null ? null : address(sender)));
  assertEquals([of("boss@example.org"), of("Boss@example.org")], ["hold: held by a route", "hold: held by a route"]);
  assertEquals([of("me@example.org"), of(null)], ["hop smart", "hop smart"]);
});

Deno.test("what a person released goes where it would go without the rule that held it, once and for all", () => {
  const of = (to: string) =>
    brief(targets().of({ address: address(to), route: REMOTE, released: true }, address("boss@example.org")));
  assertEquals(of("x@held.example"), "hop smart"); // and not around the next hop that all mail takes
  assertEquals(of("x@other.test"), "mx other.test");
  assertEquals(of("x@gone.example"), 'nowhere: there is no next hop "gone" in the configuration');
});

Deno.test("the dev inbox: nothing leaves, whichever way; what is local is stored", () => {
  for (const to of ["x@a.example", "x@direct.example", "x@held.example", "x@[192.0.2.1]"]) {
    for (const route of [REMOTE, { to: "remote", via: "smart" } as const]) {
      const target = targets(false).of({ address: address(to), route, released: true }, null);
      assertEquals(brief(target), "nowhere: mail does not leave this machine");
    }
  }
  const stored = targets(false).of({ address: address("x@a.example"), route: { to: "local", plugin: "inbox" } }, null);
  assertEquals(brief(stored), "local inbox");
});

Deno.test("without rules a destination is called as the queue calls it", () => {
  const plain = new Targets({ rules: [], nextHops: new Map([["smart", smart]]), leaves: true });
  const routes: readonly Route[] = [
    REMOTE,
    { to: "remote", via: "smart" },
    { to: "local", plugin: "maildir" },
    { to: "report", action: "expanded", reason: "" },
  ];
  for (const route of routes) {
    for (const domain of ["a.example", "B.Example", "[IPv6:2001:db8::1]"]) {
      const target = plain.of({ address: { local: "x", domain }, route }, null);
      assertEquals(keyOf(target), destinationKey(route, domain));
    }
  }
});
