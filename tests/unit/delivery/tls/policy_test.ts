/** Which demand comes of what the sender, the operator and the other side say. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { TlsaAnswer } from "../../../../core/delivery/tls/dane.ts";
import {
  type Delivery,
  demandOf,
  type HostRefusal,
  type NextHop,
  type TlsDemand,
  wantsTlsa,
} from "../../../../core/delivery/tls/policy.ts";
import type { StsState } from "../../../../core/delivery/tls/mta_sts_policies.ts";
import { TLS_LEVELS, type TlsRule } from "../../../../core/delivery/tls/rules.ts";

const HOST = "mx.example.org";
const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
const TLSA: TlsaAnswer = { kind: "records", base: HOST, usable: [record] };
const UNUSABLE: TlsaAnswer = { kind: "records", base: HOST, usable: [] };
const BOGUS: TlsaAnswer = { kind: "unknown", text: "TLSA _25._tcp.mx.example.org: servfail" };
const sts = (mode: "enforce" | "testing", ...mx: readonly string[]): StsState => (
  { policy: { mode, mx, maxAge: 86_400 }, failure: null }
);
const ENFORCE = sts("enforce", HOST), TESTING = sts("testing", HOST), ELSEWHERE = sts("enforce", "*.example.net");

interface Given {
  readonly wish?: Delivery["wish"];
  readonly rule?: TlsRule;
  readonly hop?: Partial<NextHop>;
  readonly tlsa?: TlsaAnswer;
  readonly host?: string;
}
function decide({ wish = "usual", rule, hop, tlsa, host = HOST }: Given): TlsDemand | HostRefusal {
  const whole = { domain: "example.org", byMx: true, authentic: tlsa !== undefined, sts: null, ...hop };
  return demandOf({ wish, rule: rule ?? null, hop: whole }, { host, tlsa: tlsa ?? null });
}
/** In short: "must web(mx.example.org) dane", or the status of the refusal and its failure type. */
function short(given: Given): string {
  const outcome = decide(given);
  if ("refused" in outcome) return `${outcome.reply.status} ${outcome.failure.type}`;
  const checks = outcome.checks.map((check) =>
    `${check.kind}${check.kind === "web" ? `(${check.names})` : ""}${check.lenient ? "?" : ""}`
  );
  return [outcome.tls, ...checks, ...outcome.requireTls ? ["REQUIRETLS"] : []].join(" ");
}

Deno.test("the demand is the strictest of sender, operator, DANE and MTA-STS", () => {
  const table: readonly [string, Given][] = [
    // Nobody says anything
    ["may", {}],
    ["may", { wish: "optional" }],
    // The operator
    ["never", { rule: { level: "none" } }],
    ["may", { rule: { level: "may" } }],
    ["must", { rule: { level: "encrypt" } }],
    ["must web(example.org,*.example.org)", { rule: { level: "secure" } }],
    ["must web(mx.partner.example)", { rule: { level: "secure", names: ["mx.partner.example"] } }],
    ["must fingerprint", { rule: { level: "fingerprint", fingerprints: ["AB"] } }],
    ["may", { rule: { level: "dane" } }],
    ["must dane", { rule: { level: "dane" }, tlsa: TLSA }],
    ["4.7.5 dane-required", { rule: { level: "dane-only" } }],
    ["4.7.5 dane-required", { rule: { level: "dane-only" }, tlsa: UNUSABLE }],
    ["4.7.5 dane-required", { rule: { level: "dane-only" }, tlsa: BOGUS }],
    ["4.7.5 dane-required", { rule: { level: "dane-only" }, tlsa: { kind: "none" } }],
    ["must dane", { rule: { level: "dane-only" }, tlsa: TLSA }],
    // DANE
    ["must dane", { tlsa: TLSA }],
    ["must", { tlsa: UNUSABLE }],
    ["4.7.5 dnssec-invalid", { tlsa: BOGUS }],
    ["may", { tlsa: { kind: "none" } }],
    ["must web(example.org,*.example.org) dane", { rule: { level: "secure" }, tlsa: TLSA }],
    ["may", { rule: { level: "may", ignorePublished: true }, tlsa: TLSA }],
    ["may", { rule: { level: "may", ignorePublished: true }, tlsa: BOGUS }],
    ["must dane", { rule: { level: "dane", ignorePublished: true }, tlsa: TLSA }],
    // MTA-STS
    ["must web(mx.example.org)", { hop: { sts: ENFORCE } }],
    ["4.7.5 validation-failure", { hop: { sts: ELSEWHERE } }],
    ["may web(mx.example.org)?", { hop: { sts: TESTING } }],
    ["may web()?", { hop: { sts: sts("testing", "*.example.net") } }],
    ["may", { hop: { sts: { policy: null, failure: { type: "sts-policy-fetch-error", text: "" } } } }],
    ["may", { hop: { sts: ELSEWHERE, byMx: false } }],
    ["may", { rule: { level: "may", ignorePublished: true }, hop: { sts: ELSEWHERE } }],
    ["must web(mx.example.org)", { rule: { level: "encrypt" }, hop: { sts: ENFORCE } }],
    ["must web(mx.example.org)?", { rule: { level: "encrypt" }, hop: { sts: TESTING } }],
    // DANE before MTA-STS: what satisfies DANE need not please anybody else
    ["must dane", { tlsa: TLSA, hop: { sts: ENFORCE } }],
    ["must dane", { tlsa: TLSA, hop: { sts: ELSEWHERE } }],
    ["4.7.5 dnssec-invalid", { tlsa: BOGUS, hop: { sts: ENFORCE } }],
    ["must web(mx.example.org)", { tlsa: UNUSABLE, hop: { sts: ENFORCE } }],
    // TLS-Required: No lifts what they publish, and nothing that the operator says
    ["may dane?", { wish: "optional", tlsa: TLSA }],
    ["may", { wish: "optional", tlsa: BOGUS }],
    ["may", { wish: "optional", tlsa: UNUSABLE }],
    ["may web(mx.example.org)?", { wish: "optional", hop: { sts: ENFORCE } }],
    ["may web()?", { wish: "optional", hop: { sts: ELSEWHERE } }],
    ["must", { wish: "optional", rule: { level: "encrypt" } }],
    ["must dane?", { wish: "optional", rule: { level: "encrypt" }, tlsa: TLSA }],
    ["must dane", { wish: "optional", rule: { level: "dane-only" }, tlsa: TLSA }],
    ["4.7.5 dane-required", { wish: "optional", rule: { level: "dane-only" }, tlsa: BOGUS }],
    ["must fingerprint", { wish: "optional", rule: { level: "fingerprint", fingerprints: ["AB"] } }],
    // REQUIRETLS: somebody must vouch for the host, and its certificate be verified
    ["5.7.30 validation-failure", { wish: "required" }],
    ["5.7.30 validation-failure", { wish: "required", rule: { level: "none" } }],
    ["5.7.30 validation-failure", { wish: "required", hop: { byMx: false }, host: "[192.0.2.1]" }],
    ["must web(mx.example.org) REQUIRETLS", { wish: "required", hop: { authentic: true } }],
    ["must web(mx.example.org) REQUIRETLS", { wish: "required", hop: { byMx: false } }],
    ["must web(mx.example.org) REQUIRETLS", { wish: "required", hop: { sts: ENFORCE } }],
    ["must web(mx.example.org)? web(mx.example.org) REQUIRETLS", { wish: "required", hop: { sts: TESTING } }],
    ["4.7.5 validation-failure", { wish: "required", hop: { sts: ELSEWHERE } }],
    ["must dane REQUIRETLS", { wish: "required", tlsa: TLSA }],
    ["must web(mx.example.org) REQUIRETLS", { wish: "required", tlsa: UNUSABLE }],
    ["4.7.5 dnssec-invalid", { wish: "required", tlsa: BOGUS }],
    ["must dane REQUIRETLS", { wish: "required", rule: { level: "may", ignorePublished: true }, tlsa: TLSA }],
  ];
  for (const [expected, given] of table) assertEquals(short(given), expected, JSON.stringify(given));
});

Deno.test("case 68: no combination of answers sends in clear, or unverified, what one of them forbids", () => {
  const given = fc.record({
    wish: fc.constantFrom("usual" as const, "required" as const, "optional" as const),
    level: fc.constantFrom(null, ...TLS_LEVELS),
    ignorePublished: fc.boolean(),
    tlsa: fc.constantFrom<TlsaAnswer | null>(null, TLSA, UNUSABLE, BOGUS, { kind: "none" }),
    sts: fc.constantFrom(null, ENFORCE, TESTING, ELSEWHERE),
    byMx: fc.boolean(),
    authentic: fc.boolean(),
  });
  fc.assert(
    fc.property(given, ({ wish, level, ignorePublished, tlsa, sts, byMx, authentic }) => {
      const rule = level === null ? null : {
        level,
        ignorePublished,
        ...level === "fingerprint" && { fingerprints: ["AB"] },
      };
      const hop = { domain: "example.org", byMx, authentic, sts };
      const outcome = demandOf({ wish, rule, hop }, { host: HOST, tlsa });
      if ("refused" in outcome) {
        assert(outcome.reply.verdict !== "accept");
        return;
      }
      const strict = outcome.checks.filter(({ lenient }) => !lenient);
      const obeyed = level !== "none" && wish !== "optional" && rule?.ignorePublished !== true;
      if (wish === "required") assert(outcome.tls === "must" && outcome.requireTls && strict.length > 0);
      if (level === "encrypt" || level === "secure" || level === "fingerprint" || level === "dane-only") {
        assertEquals(outcome.tls, "must");
      }
      if (level === "secure") assert(strict.some(({ kind }) => kind === "web"));
      if (level === "fingerprint") assert(strict.some(({ kind }) => kind === "fingerprint"));
      if (level === "dane-only") assert(strict.some(({ kind }) => kind === "dane"));
      if (obeyed && tlsa === TLSA) assert(outcome.tls === "must" && strict.some(({ kind }) => kind === "dane"));
      if (obeyed && tlsa === UNUSABLE) assertEquals(outcome.tls, "must");
      if (obeyed) assert(tlsa !== BOGUS);
      if (obeyed && byMx && sts?.policy?.mode === "enforce" && tlsa !== TLSA) {
        assert(outcome.tls === "must" && sts === ENFORCE && strict.some(({ kind }) => kind === "web"));
      }
      assert(outcome.tls !== "never" || level === "none");
      assert(outcome.tls !== "may" || strict.length === 0);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("TLSA are asked for only where they can be believed and count (RFC 7672 2.2)", () => {
  const ask = (given: Given, hostAuthentic = true) =>
    wantsTlsa({
      wish: given.wish ?? "usual",
      rule: given.rule ?? null,
      hop: { domain: "example.org", byMx: true, authentic: true, sts: null, ...given.hop },
    }, hostAuthentic);
  assert(ask({}));
  assert(ask({ hop: { byMx: false, authentic: false } }), "a host that the operator named");
  assert(!ask({}, false));
  assert(!ask({ hop: { authentic: false } }));
  assert(!ask({ rule: { level: "none" } }));
  assert(!ask({ rule: { level: "may", ignorePublished: true } }));
  assert(ask({ rule: { level: "dane-only", ignorePublished: true } }));
  assert(ask({ rule: { level: "may", ignorePublished: true }, wish: "required" }));
});

Deno.test("the ClientHello asks for the TLSA base (RFC 7672 8.1), and addresses ask for nothing", () => {
  const name = (given: Given) => {
    const outcome = decide(given);
    return "refused" in outcome ? undefined : outcome.serverName;
  };
  assertEquals(name({}), HOST);
  assertEquals(
    name({ tlsa: { kind: "records", base: "canonical.example.net", usable: [record] } }),
    "canonical.example.net",
  );
  assertEquals(name({ host: "[192.0.2.1]" }), null);
});

Deno.test("what is reported is the policy that was in force, and a key tells demands apart", () => {
  const demand = (given: Given) => decide(given) as TlsDemand;
  assertEquals(demand({}).reported, { type: "no-policy-found", domain: "example.org", text: [], mx: [] });
  assertEquals(demand({ tlsa: TLSA, hop: { sts: ENFORCE } }).reported, {
    type: "tlsa",
    domain: "example.org",
    text: [`3 1 1 ${"00".repeat(32)}`],
    mx: [],
  });
  assertEquals(demand({ hop: { sts: ENFORCE } }).reported, {
    type: "sts",
    domain: "example.org",
    text: ["version: STSv1", "mode: enforce", "mx: mx.example.org", "max_age: 86400"],
    mx: [HOST],
  });
  assertEquals(demand({ tlsa: UNUSABLE, hop: { sts: ENFORCE } }).reported.type, "sts");
  const all: Given[] = [
    {},
    { rule: { level: "none" } },
    { rule: { level: "encrypt" } },
    { rule: { level: "secure" } },
    { rule: { level: "secure", names: ["a.example"] } },
    { rule: { level: "fingerprint", fingerprints: ["AB"] } },
    { rule: { level: "fingerprint", fingerprints: ["CD"] } },
    { tlsa: TLSA },
    { wish: "optional", tlsa: TLSA },
    { wish: "required", tlsa: TLSA },
    { hop: { sts: ENFORCE } },
    { hop: { sts: TESTING } },
  ];
  assertEquals(new Set(all.map((given) => demand(given).key)).size, all.length);
  assertEquals(demand({ tlsa: TLSA }).key, demand({ tlsa: { ...TLSA } }).key);
});
