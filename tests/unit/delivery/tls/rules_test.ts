/** The operator's rules: which counts for a domain, and which are none. */
import { assertEquals, assertThrows } from "@std/assert";
import { type TlsRule, TlsRules } from "../../../../core/delivery/tls/rules.ts";

Deno.test("the closest rule counts: the domain, then what is above it, then the star", () => {
  const rules = new TlsRules({
    "*": { level: "may" },
    "*.example.org": { level: "encrypt" },
    "*.a.example.org": { level: "none" },
    "Bücher.Example": { level: "dane" },
    "mx.a.example.org": { level: "dane-only" },
    "[192.0.2.1]": { level: "none" },
  });
  const level = (domain: string) => rules.of(domain)?.level;
  assertEquals(level("example.org"), "may"); // a star is something
  assertEquals(level("x.example.org"), "encrypt");
  assertEquals(level("y.x.example.org"), "encrypt");
  assertEquals(level("x.a.example.org"), "none");
  assertEquals(level("mx.a.example.org"), "dane-only");
  assertEquals(level("xn--bcher-kva.example"), "dane");
  assertEquals(level("[192.0.2.1]"), "none");
  assertEquals(new TlsRules().of("example.org"), null);
});

Deno.test("names and fingerprints are taken in any usual writing, and checked", () => {
  const hex = "ab".repeat(32), colons = "AB:".repeat(31) + "AB";
  const rules = new TlsRules({
    "a.example": { level: "fingerprint", fingerprints: [hex, colons] },
    "b.example": { level: "secure", names: ["MX.B.Example", "*.Bücher.example"] },
  });
  assertEquals(rules.of("a.example")?.fingerprints, [hex.toUpperCase(), hex.toUpperCase()]);
  assertEquals(rules.of("b.example")?.names, ["mx.b.example", "*.xn--bcher-kva.example"]);
  const wrong: readonly [string, TlsRule, string][] = [
    ["no domain", { level: "may" }, '"no domain" is no domain'],
    ["a.example", { level: "fingerprint" }, "go together"],
    ["a.example", { level: "encrypt", fingerprints: [hex] }, "go together"],
    ["a.example", { level: "fingerprint", fingerprints: ["ab"] }, '"ab" is no SHA-256 fingerprint'],
    ["a.example", { level: "encrypt", names: ["mx.example"] }, "names go with the level secure"],
    ["a.example", { level: "secure", names: ["*"] }, '"*" is no name of a host'],
    ["a.example", { level: "secure", names: ["a b"] }, '"a b" is no name of a host'],
  ];
  for (const [pattern, rule, message] of wrong) {
    assertThrows(() => new TlsRules({ [pattern]: rule }), TypeError, message);
  }
});
