/** Names in certificates against names that are expected. */
import { assertEquals } from "@std/assert";
import type { Certificate } from "../../../../core/net/tls/certificate.ts";
import { isExpectedName, namesIn } from "../../../../core/net/tls/reference_name.ts";

Deno.test("a name in a certificate is the one expected, or a star for its first label (RFC 9525 6.3)", () => {
  const table: readonly [boolean, string, string][] = [
    [true, "mx.example.org", "mx.example.org"],
    [true, "mx.example.org.", "mx.example.org"],
    [true, "*.example.org", "mx.example.org"],
    [false, "*.example.org", "example.org"],
    [false, "*.example.org", "a.mx.example.org"],
    [false, "*.example.org", ".example.org"],
    [false, "m*.example.org", "mx.example.org"],
    [false, "mx.*.org", "mx.example.org"],
    [false, "*", "org"],
    [false, "*.org", "example.org"],
    [false, "*.", "org"],
    [false, "", "mx.example.org"],
    [false, "example.org", "mx.example.org"],
    [false, "mx.example.org", "example.org"],
    [false, "mx.example.org\0.evil.example", "mx.example.org"],
    // What is expected may have a star as well: whatever is below
    [true, "mx.example.org", "*.example.org"],
    [true, "a.b.example.org", "*.example.org"],
    [true, "*.example.org", "*.example.org"],
    [false, "example.org", "*.example.org"],
    [false, "badexample.org", "*.example.org"],
  ];
  for (const [expected, presented, name] of table) {
    assertEquals(isExpectedName([presented], [name]), expected, `${presented} for ${name}`);
  }
  assertEquals(isExpectedName(["a.example", "b.example"], ["c.example", "b.example"]), true);
  assertEquals(isExpectedName([], ["c.example"]), false);
  assertEquals(isExpectedName(["a.example"], []), false);
});

Deno.test("the common name counts only where it is asked for and there is no other name", () => {
  const certificate = (dnsNames: readonly string[], commonName: string) => ({ dnsNames, commonName }) as Certificate;
  assertEquals(namesIn(certificate(["a.example"], "B.example"), { commonName: true }), ["a.example"]);
  assertEquals(namesIn(certificate([], "B.example"), { commonName: true }), ["b.example"]);
  assertEquals(namesIn(certificate([], "B.example")), []);
  assertEquals(namesIn(certificate([], ""), { commonName: true }), []);
});
