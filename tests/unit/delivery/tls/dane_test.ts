/** TLSA records: which are asked for, which can be used, and which certificates satisfy them. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { daneFailure, formatTlsa, isUsable, tlsaOf, type TlsaRecord } from "../../../../core/delivery/tls/dane.ts";
import type { Resolver } from "../../../../core/dns/resolver.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { type Issued, Pki } from "../../net/tls/pki.ts";
import { derOf, tlsaFor } from "./fixture.ts";

const record = (usage: number, selector: number, matching: number, length: number): TlsaRecord => (
  { usage, selector, matching, data: new Uint8Array(length).fill(1) }
);

Deno.test("usages 2 and 3 with known selectors and whole digests can be used between mail servers (RFC 7672 3.1)", () => {
  for (let usage = 0; usage < 6; usage++) {
    for (let selector = 0; selector < 4; selector++) {
      for (let matching = 0; matching < 5; matching++) {
        const known = (usage === 2 || usage === 3) && selector <= 1 && matching <= 2;
        const length = matching === 2 ? 64 : 32;
        assertEquals(isUsable(record(usage, selector, matching, length)), known, `${usage} ${selector} ${matching}`);
      }
    }
  }
  assert(!isUsable(record(3, 1, 1, 31)) && !isUsable(record(3, 1, 1, 33)) && !isUsable(record(3, 1, 1, 64)));
  assert(!isUsable(record(3, 1, 2, 32)) && !isUsable(record(3, 1, 0, 0)) && !isUsable(record(255, 255, 255, 32)));
  assertEquals(formatTlsa({ usage: 3, selector: 1, matching: 1, data: new Uint8Array([0xab, 1]) }), "3 1 1 AB01");
});

Deno.test("case 68: TLSA that are bogus are unknown, insecure ones are none, unusable ones are there", async () => {
  const good = record(3, 1, 1, 32), bad = record(1, 1, 1, 32);
  type Answers = Record<
    string,
    { records?: TlsaRecord[]; fault?: "nxdomain" | "nodata" | "servfail" | "timeout"; authentic?: boolean }
  >;
  const asked: string[] = [];
  const of = (names: readonly string[], answers: Answers) => {
    asked.length = 0;
    const lookup = (name: string) => {
      asked.push(name);
      return Promise.resolve({ name, ttl: 60, authentic: true, ...answers[name] ?? { fault: "nxdomain" as const } });
    };
    const host = { host: names.at(-1)!, name: names[0]!, addresses: ["192.0.2.1"], authentic: true, ttl: 60 };
    return tlsaOf(host, 25, { dns: { lookup: lookup as unknown as Resolver["lookup"] } });
  };
  const base = "_25._tcp.mx.example", other = "_25._tcp.alias.example";
  assertEquals(await of(["mx.example"], { [base]: { records: [good, bad] } }), {
    kind: "records",
    base: "mx.example",
    usable: [good],
  });
  assertEquals(await of(["mx.example"], { [base]: { records: [bad] } }), {
    kind: "records",
    base: "mx.example",
    usable: [],
  });
  assertEquals(await of(["mx.example"], { [base]: { records: [good], authentic: false } }), { kind: "none" });
  assertEquals(await of(["mx.example"], { [base]: { fault: "nodata" } }), { kind: "none" });
  for (const fault of ["servfail", "timeout"] as const) {
    assertEquals(await of(["mx.example"], { [base]: { fault, authentic: false } }), {
      kind: "unknown",
      text: `TLSA ${base}: ${fault}`,
    });
  }
  // An alias: the canonical name first, then the alias itself                                          RFC 7672 2.2.2
  const found = await of(["mx.example", "alias.example"], { [other]: { records: [good] } });
  assertEquals([found.kind === "records" && found.base, [...asked]], ["alias.example", [base, other]]);
  await of(["mx.example", "alias.example"], { [base]: { records: [bad] }, [other]: { records: [good] } });
  assertEquals(asked, [base]);
  await of(["mx.example", "mx.example"], {});
  assertEquals(asked, [base]);
  const many = await of(["mx.example"], { [base]: { records: Array.from({ length: 1000 }, () => good) } });
  assertEquals(many.kind === "records" && many.usable.length, 32);
});

testWith(["openssl"], "case 68: usage 3 ignores name and date, usage 2 wants name, date and path", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const root = await pki.authority("root"), between = await pki.authority("between", { by: root });
  const good = await pki.issue("good", { by: between, san: "DNS:mx.example.org" });
  const bare = await pki.issue("mx.example.org", { by: between }); // a common name alone
  const both = await pki.issue("mx.example.org", { by: between, san: "DNS:elsewhere.example" });
  const foreign = await pki.issue("x", { by: between, san: "DNS:elsewhere.example" });
  const expired = await pki.issue("x", { by: between, san: "DNS:mx.example.org", days: -1 });
  const self = await pki.issue("x", { san: "DNS:nobody.example", days: -1 });
  const other = await pki.issue("other", { san: "DNS:mx.example.org" });
  const names = ["mx.example.org", "example.org"];
  const outcome = (chain: readonly Issued[], ...records: TlsaRecord[]) =>
    daneFailure(chain.map(({ certificate }) => derOf(certificate)), { records, names }, Date.now())?.type ?? "good";
  const of = ({ certificate }: Issued, usage: number, selector: number, matching: number) =>
    tlsaFor(certificate, usage, selector, matching);

  for (const selector of [0, 1]) {
    for (const matching of [0, 1, 2]) {
      const what = `${selector} ${matching}`;
      for (const each of [self, expired, foreign, good]) {
        assertEquals(outcome([each], of(each, 3, selector, matching)), "good", `3 ${what}`);
      }
      assertEquals(outcome([good, between], of(other, 3, selector, matching)), "validation-failure", `3 ${what}`);
      // The server's own certificate is what 3 speaks of, not one above it
      assertEquals(outcome([good, between], of(between, 3, selector, matching)), "validation-failure", `3 ${what}`);

      for (const anchor of [between, root]) {
        const whole = [good, between, root];
        assertEquals(outcome(whole, of(anchor, 2, selector, matching)), "good", `2 ${what}`);
        const two = of(anchor, 2, selector, matching);
        assertEquals(outcome([bare, between, root], two), "good", "the common name, where there is no other");
        assertEquals(outcome([both, between, root], two), "certificate-host-mismatch");
        assertEquals(outcome([foreign, between, root], two), "certificate-host-mismatch");
        assertEquals(outcome([expired, between, root], two), "certificate-expired");
      }
      // Only a record that has all of the authority can do without the server's sending it                RFC 7671 5.2.2
      const unsent = outcome([good], of(between, 2, selector, matching));
      assertEquals(unsent, matching === 0 ? "good" : "validation-failure", `2 ${what}`);
      assertEquals(outcome([good, between], of(good, 2, selector, matching)), "validation-failure", "2 of itself");
      assertEquals(outcome([self], of(self, 2, selector, matching)), "validation-failure", "2 of itself");
    }
  }
  // One of several will do; SHA-512 silences SHA-256 of the same usage and selector, and no other        RFC 7671 9
  assertEquals(outcome([good, between], of(other, 3, 1, 1), of(between, 2, 1, 1)), "good");
  assertEquals(outcome([good, between], of(other, 3, 1, 2), of(good, 3, 1, 1)), "validation-failure");
  assertEquals(outcome([good, between], of(other, 3, 0, 2), of(good, 3, 1, 1)), "good");
  assertEquals(outcome([], of(good, 3, 1, 1)), "validation-failure");
  assertEquals(outcome([good]), "validation-failure", "no record");
});

Deno.test("no octets of a chain and no record make an exception", () => {
  const records = fc.array(fc.record({
    usage: fc.constantFrom(2, 3),
    selector: fc.constantFrom(0, 1),
    matching: fc.constantFrom(0, 1, 2),
    data: fc.uint8Array({ maxLength: 80 }),
  }));
  const chains = fc.array(fc.uint8Array({ maxLength: 80 }).map((octets) => new Uint8Array(octets)));
  fc.assert(fc.property(records, chains, (some, chain) => {
    const failure = daneFailure(chain, { records: some, names: ["mx.example.org"] }, 0);
    const same = (a: Uint8Array, b?: Uint8Array) =>
      b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]);
    const bare = some.some((each) =>
      each.usage === 3 && each.selector === 0 && each.matching === 0 && same(each.data, chain[0])
    );
    assertEquals(failure === null, bare);
  }));
});
