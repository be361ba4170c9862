/** Which hosts are tried in which order, and what TLS each must have: names, policies and next hops as literal data. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { HopHost, NextHop } from "../../../core/delivery/next_hop.ts";
import { TlsRules } from "../../../core/delivery/tls/rules.ts";
import type { TlsSession } from "../../../core/delivery/tls/tlsrpt.ts";
import { isBarred, type Stop, type Walk, Walks, type WalksOptions } from "../../../core/delivery/walk.ts";
import { GoodFamilies } from "../../../core/dns/good_families.ts";
import { THIS_HOST } from "../../../core/dns/mail_hosts.ts";
import { MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { Networks } from "../../../core/model/ip.ts";
import type { TlsWish } from "../../../core/model/tls_wish.ts";
import { nextHop } from "./way_out.ts";

const ZONE: MemoryZone = {
  "y.example": { mx: [[20, "c.y.example"], [10, "a.y.example"], [10, "b.y.example"]] },
  "a.y.example": { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] },
  "b.y.example": { a: ["192.0.2.2"] },
  "c.y.example": { a: ["192.0.2.3"] },
  "bare.example": { a: ["192.0.2.9"] },
};

function walks(
  zone: MemoryZone = ZONE,
  more: Partial<WalksOptions> = {},
): { walks: Walks; dns: MemoryResolver; counted: TlsSession[] } {
  const dns = new MemoryResolver(zone), counted: TlsSession[] = [];
  const made = new Walks({
    dns,
    own: { names: new Set(["mx.example.org"]), addresses: new Networks(THIS_HOST) },
    families: new GoodFamilies(),
    preferFamily: null,
    port: 25,
    rules: new TlsRules(),
    sts: null,
    dane: true,
    random: () => 0.99,
    counted: (session) => void counted.push(session),
    ...more,
  });
  return { walks: made, dns, counted };
}
const to = (walks: Walks, domain: string, wish: TlsWish = "usual") => walks.of({ kind: "mx", domain }, wish);
const by = (walks: Walks, hop: NextHop, wish: TlsWish = "usual") => walks.of({ kind: "hop", hop }, wish);
const smtp = (host: string, more: Partial<Extract<HopHost, { kind: "smtp" }>> = {}): HopHost => (
  { kind: "smtp", host, port: 25, implicitTls: false, lmtp: false, ...more }
);

/** "a.y.example:25 may", or the fault. */
function brief(walk: Walk): string | string[] {
  if (walk.fault !== undefined) return walk.fault.toString();
  return walk.stops.map((each) =>
    isBarred(each)
      ? `${each.name} barred ${each.reply.status}`
      : `${each.name}:${each.port} ${each.demand?.tls ?? "no TLS"}${
        each.demand?.checks.map((check) => ` ${check.kind}${check.lenient ? "?" : ""}`).join("") ?? ""
      }`
  );
}
const firstOf = (walk: Walk): Stop => {
  assert(walk.fault === undefined, String(brief(walk)));
  const [first] = walk.stops;
  assert(first !== undefined && !isBarred(first));
  return first;
};

Deno.test("RFC 5321 5.1: by preference, equals in any order; the domain itself without MX; an address literal as it is", async () => {
  assertEquals(brief(await to(walks().walks, "y.example")), [
    "a.y.example:25 may",
    "b.y.example:25 may",
    "c.y.example:25 may",
  ]);
  const shuffled = walks(ZONE, { random: () => 0.4 }).walks;
  assertEquals(brief(await to(shuffled, "y.example")), [
    "b.y.example:25 may",
    "a.y.example:25 may",
    "c.y.example:25 may",
  ]);
  assertEquals(brief(await to(walks().walks, "bare.example")), ["bare.example:25 may"]);
  const literal = firstOf(await to(walks().walks, "[192.0.2.7]"));
  assertEquals([literal.name, literal.demand?.serverName, literal.place()], [
    "[192.0.2.7]",
    null,
    { port: 25, addresses: ["192.0.2.7"] },
  ]);
});

Deno.test("both families in turns, the one that answered last in front", async () => {
  const families = new GoodFamilies();
  const { walks: made } = walks(ZONE, { families });
  const stop = firstOf(await to(made, "y.example"));
  const addresses = () => (stop.place() as { addresses: readonly string[] }).addresses;
  assertEquals(addresses(), ["2001:db8::1", "192.0.2.1"]);
  families.note("a.y.example", "192.0.2.1");
  assertEquals(addresses(), ["192.0.2.1", "2001:db8::1"]);
  const four = firstOf(await to(walks(ZONE, { preferFamily: 4 }).walks, "y.example"));
  assertEquals((four.place() as { addresses: readonly string[] }).addresses[0], "192.0.2.1");
});

Deno.test("case 60: mail that would come back here is refused, by name and by address; worse hosts are left out", async () => {
  const zone: MemoryZone = {
    ...ZONE,
    "mx.example.org": { a: ["192.0.2.25"] },
    "me.example": { mx: [[10, "mx.example.org"]] },
    "loop.example": { mx: [[10, "local.y.example"]] },
    "local.y.example": { a: ["127.0.0.1"] },
    "backup.example": { mx: [[10, "a.y.example"], [20, "mx.example.org"], [30, "b.y.example"]] },
  };
  const { walks: made } = walks(zone);
  for (const domain of ["me.example", "loop.example", "[127.0.0.1]"]) {
    assertStringIncludes(String(brief(await to(made, domain))), "554 5.4.6", domain);
  }
  assertEquals(brief(await to(made, "backup.example")), ["a.y.example:25 may"]);
});

Deno.test("why there is nobody: for ever where the domain says so, for now where nobody knows", async () => {
  const { walks: made } = walks({ "null.example": { mx: [[0, ""]] }, "bad.example": "servfail" });
  const said = async (domain: string) => String(brief(await to(made, domain))).slice(0, 10);
  assertEquals(await said("nx.example"), "550 5.1.2 ");
  assertEquals(await said("null.example"), "556 5.1.10"); //                                           RFC 7505 4.1
  assertEquals(await said("bad.example"), "451 4.4.3 ");
});

// ---- What is kept --------------------------------------------------------------------------------------------------------

Deno.test("what was found is kept for a burst, each wish by itself; a failure is not", async () => {
  const { walks: made, dns } = walks({ ...ZONE, "bad.example": "servfail" });
  const asked = async (domain: string, wish: TlsWish = "usual") => {
    const before = dns.queries.length;
    await Promise.all([to(made, domain, wish), to(made, domain, wish)]);
    return dns.queries.length - before;
  };
  const first = await asked("y.example");
  assert(first > 0);
  assertEquals(await asked("y.example"), 0);
  assert(await asked("y.example", "required") > 0);
  made.forget();
  assertEquals(await asked("y.example"), first);
  const failing = await asked("bad.example");
  assert(failing > 0);
  assertEquals(await asked("bad.example"), failing);
});

Deno.test("a defect on the way is a reason to try again, and not kept", async () => {
  let broken = true;
  const random = () => {
    if (broken) throw new Error("no dice");
    return 0.99;
  };
  const { walks: made } = walks(ZONE, { random });
  assertStringIncludes(String(brief(await to(made, "y.example"))), "451 4.3.0");
  broken = false;
  assertEquals((brief(await to(made, "y.example")) as string[]).length, 3);
});

// ---- What is published ---------------------------------------------------------------------------------------------------

Deno.test("case 68: MTA-STS: hosts of the policy must prove to be them, others are not for this mail", async () => {
  const policy = { mode: "enforce" as const, mx: ["a.y.example", "*.more.example"], maxAge: 86_400 };
  const of = (mode: "enforce" | "testing") => ({
    of: () => Promise.resolve({ policy: { ...policy, mode }, failure: null }),
  });
  assertEquals(brief(await to(walks(ZONE, { sts: of("enforce") }).walks, "y.example")), [
    "a.y.example:25 must web",
    "b.y.example barred 4.7.5",
    "c.y.example barred 4.7.5",
  ]);
  assertEquals(brief(await to(walks(ZONE, { sts: of("testing") }).walks, "y.example")), [
    "a.y.example:25 may web?",
    "b.y.example:25 may web?",
    "c.y.example:25 may web?",
  ]);
  // TLS-Required: No lifts it                                                                              RFC 8689 5
  const optional = await to(walks(ZONE, { sts: of("enforce") }).walks, "y.example", "optional");
  assertEquals((brief(optional) as string[])[1], "b.y.example:25 may web?");
});

Deno.test("a policy that nobody gets at is counted for the report, each time that it mattered (RFC 8460 4.3.2.2)", async () => {
  const failure = { type: "sts-policy-fetch-error", text: "timeout" } as const;
  const { walks: made, counted } = walks(ZONE, { sts: { of: () => Promise.resolve({ policy: null, failure }) } });
  assertEquals((brief(await to(made, "y.example")) as string[])[0], "a.y.example:25 may");
  assertEquals(counted.map((each) => [each.reported.domain, each.failure?.type]), [[
    "y.example",
    "sts-policy-fetch-error",
  ]]);
});

Deno.test("case 68: DANE per host: records, none, a failure that hides them; not without an authentic MX (RFC 7672 2.2)", async () => {
  const data = "00".repeat(32);
  const zone = (authentic: boolean): MemoryZone => ({
    "y.example": { mx: [[1, "a.y.example"], [2, "b.y.example"], [3, "c.y.example"], [4, "d.y.example"]], authentic },
    "a.y.example": { a: ["192.0.2.1"], authentic: true },
    "_25._tcp.a.y.example": { tlsa: [[3, 1, 1, data]], authentic: true },
    "b.y.example": { a: ["192.0.2.2"], authentic: true },
    "c.y.example": { a: ["192.0.2.3"], authentic: true },
    "_25._tcp.c.y.example": "servfail",
    "d.y.example": { a: ["192.0.2.4"], authentic: true },
    "_25._tcp.d.y.example": { tlsa: [[9, 9, 9, data]], authentic: true }, // nobody can use it: TLS, whoever answers
  });
  assertEquals(brief(await to(walks(zone(true)).walks, "y.example")), [
    "a.y.example:25 must dane",
    "b.y.example:25 may",
    "c.y.example barred 4.7.5",
    "d.y.example:25 must",
  ]);
  assertEquals((brief(await to(walks(zone(false)).walks, "y.example")) as string[])[0], "a.y.example:25 may");
  const off = walks(zone(true), { dane: false });
  assertEquals((brief(await to(off.walks, "y.example")) as string[])[2], "c.y.example:25 may");
  assert(!off.dns.queries.some((each) => each.startsWith("TLSA")));
});

Deno.test("REQUIRETLS: a host that nobody vouches for is barred before a word is said (RFC 8689 4.2.1)", async () => {
  assertEquals((brief(await to(walks().walks, "y.example", "required")) as string[])[0], "a.y.example barred 5.7.30");
});

Deno.test("a rule of the operator counts for the domain, not for its hosts", async () => {
  const rules = new TlsRules({ "y.example": { level: "encrypt" }, "a.y.example": { level: "none" } });
  assertEquals((brief(await to(walks(ZONE, { rules }).walks, "y.example")) as string[])[0], "a.y.example:25 must");
});

// ---- Next hops -----------------------------------------------------------------------------------------------------------

Deno.test("next hops: addresses, names, what only this machine knows, socket files, in their order", async () => {
  const hop = nextHop([
    smtp("192.0.2.50"),
    smtp("2001:db8::50", { port: 587 }),
    smtp("b.y.example", { port: 24, lmtp: true }),
    smtp("localhost"),
    { kind: "unix", path: "/run/lmtp", lmtp: true },
  ]);
  const walk = await by(walks().walks, hop);
  assertEquals(brief(walk), [
    "[192.0.2.50]:25 may",
    "[IPv6:2001:db8::50]:587 may",
    "b.y.example:24 may",
    "localhost:25 may",
    "/run/lmtp:0 no TLS",
  ]);
  assert(walk.fault === undefined);
  const stops = walk.stops as readonly Stop[];
  assertEquals(stops.map(({ lmtp }) => lmtp), [false, false, true, false, true]);
  assertEquals(stops.map(({ near }) => near), [false, false, false, true, true]);
  assertEquals(stops[4]!.place(), { path: "/run/lmtp" });
});

Deno.test("a host of a next hop that is not found is passed over; where none is, the mail waits for the operator", async () => {
  const found = await by(walks().walks, nextHop([smtp("nx.example"), smtp("b.y.example")]));
  assertEquals(brief(found), ["b.y.example:25 may"]);
  const none = await by(walks().walks, nextHop([smtp("nx.example"), smtp("nx2.example")]));
  assertEquals(brief(none), "451 4.4.4 No address is known for nx.example");
  const mx = await by(walks().walks, nextHop([smtp("nx.example")], { mx: true })); // for ever to others, not to us
  assertStringIncludes(String(brief(mx)), "451 4.4.4");
});

Deno.test("mx: true: the hosts that the names name, on the port of the URL, and an address is what it is", async () => {
  const hop = nextHop([smtp("y.example", { port: 587 }), smtp("192.0.2.50")], { mx: true });
  assertEquals(brief(await by(walks().walks, hop)), [
    "a.y.example:587 may",
    "b.y.example:587 may",
    "c.y.example:587 may",
    "[192.0.2.50]:25 may",
  ]);
  const inTls = nextHop([smtp("y.example", { port: 465, implicitTls: true })], { mx: true });
  const first = firstOf(await by(walks().walks, inTls));
  assertEquals([first.implicitTls, first.demand?.tls], [true, "must"]);
});

Deno.test("what TLS a next hop must have when nobody said: verified for a login, some for smtps, what there is else", async () => {
  const auth = { user: "us", password: "secret", inClear: false };
  const table: readonly [
    hosts: HopHost,
    more: Partial<NextHop>,
    rules: Record<string, { level: "may" | "none" }>,
    demand: string,
  ][] = [
    [smtp("b.y.example"), {}, {}, "may"],
    [smtp("b.y.example"), { auth }, {}, "must web b.y.example"],
    [smtp("b.y.example"), { auth: { ...auth, inClear: true } }, {}, "may"],
    [smtp("b.y.example"), { auth }, { "b.y.example": { level: "may" } }, "may"], // the operator's word
    [smtp("localhost"), { auth }, {}, "may"], // nobody but this machine hears it
    [smtp("b.y.example", { implicitTls: true, port: 465 }), {}, {}, "must"],
    [smtp("b.y.example", { implicitTls: true, port: 465 }), { auth }, {}, "must web b.y.example"],
    // There is no way back to clear text where TLS comes first
    [smtp("b.y.example", { implicitTls: true, port: 465 }), {}, { "b.y.example": { level: "may" } }, "must"],
    [smtp("b.y.example", { implicitTls: true, port: 465 }), {}, { "b.y.example": { level: "none" } }, "must"],
    [smtp("b.y.example"), {}, { "*": { level: "none" } }, "never"],
  ];
  for (const [host, more, rules, expected] of table) {
    const { walks: made } = walks(ZONE, { rules: new TlsRules(rules) });
    const { demand } = firstOf(await by(made, nextHop([host], more)));
    const checks = demand!.checks.map((each) => each.kind === "web" ? ` web ${each.names}` : ` ${each.kind}`).join("");
    assertEquals(`${demand!.tls}${checks}`, expected, JSON.stringify([host, more, rules]));
  }
});
