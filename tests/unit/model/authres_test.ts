/** Authentication-Results written and read (RFC 8601). */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type AuthResult, formatAuthResults, parseAuthResults } from "../../../core/model/authres.ts";

const valueOf = (field: string) => field.slice(field.indexOf(":") + 1).replaceAll("\r\n", "").trim();

Deno.test("RFC 8601 B: the examples are read", () => {
  const rows: [value: string, host: string, results: AuthResult[]][] = [
    ["example.org 1; none", "example.org", []],
    ["example.com;\r\n spf=pass smtp.mailfrom=example.net", "example.com", [
      { method: "spf", result: "pass", properties: [["smtp.mailfrom", "example.net"]] },
    ]],
    [
      'example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom="a b"@x',
      "example.com",
      [],
    ],
    [
      `foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462`,
      "foo.example.net",
      [{ method: "dkim", result: "fail", properties: [["policy.expired", "1362471462"]] }],
    ],
    ['"a;b" ; dkim=pass reason="good; \\"really\\"" header.i=@example.com;', "a;b", [
      { method: "dkim", result: "pass", reason: 'good; "really"', properties: [["header.i", "@example.com"]] },
    ]],
  ];
  for (const [value, host, results] of rows) {
    const read = parseAuthResults(value.replaceAll("\r\n", ""));
    if (value.includes('"a b"@x')) assertEquals(read, null, "a quoted local part is no value we would guess at");
    else assertEquals(read, { host, results });
  }
  for (const bad of ["", ";", "a; spf", "a; spf=", "a; spf=pass x", "a spf=pass", 'a; spf=pass x.y="z', "a; =pass"]) {
    assertEquals(parseAuthResults(bad), null, bad);
  }
});

Deno.test("case 54: whatever is written is read back as it was, and never as more", () => {
  const value = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.constantFrom("a; dkim=pass", "a\r\nX: y", '"', "\\", "a)b(", "é"),
  );
  fc.assert(fc.property(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 4 }), (pairs) => {
    const results = pairs.map(([reason, text]): AuthResult => ({
      method: "spf",
      result: "fail",
      reason,
      properties: [["smtp.mailfrom", text]],
    }));
    const field = formatAuthResults("mx.example.org", results);
    assertMatch(field, /^Authentication-Results: mx\.example\.org;\r\n(?:[ \t][^\r\n]*\r\n)+$/);
    const read = parseAuthResults(valueOf(field));
    assert(read !== null, field);
    assertEquals(read.results.map(({ method, result }) => `${method}=${result}`), pairs.map(() => "spf=fail"));
    assertEquals(
      read.results.map(({ properties }) => properties?.map(([name]) => name)),
      pairs.map(() => ["smtp.mailfrom"]),
    );
  }));
});

Deno.test("case 54: long values are cut, lines are folded, names are keywords", () => {
  const long = formatAuthResults("mx.example.org", [
    { method: "dkim", result: "pass", reason: "x".repeat(5000), properties: [["header.d", "y".repeat(5000)]] },
  ]);
  assert(long.split("\r\n").every((line) => line.length < 998));
  assertEquals(/x{256}|y{256}/.test(long), false);
  assertEquals(formatAuthResults("mx.example.org", []), "Authentication-Results: mx.example.org; none\r\n");
  const wrong: AuthResult[] = [
    { method: "spf; dkim", result: "pass" },
    { method: "spf", result: "pass\r\n" },
    { method: "spf", result: "" },
    { method: "spf", result: "pass", properties: [["x", "y"]] },
  ];
  for (const each of wrong) assertThrows(() => formatAuthResults("mx.example.org", [each]), TypeError);
});

Deno.test("a value made to hurt is read in linear time", () => {
  for (
    const bad of [
      "(".repeat(1e6),
      "(" + "\\(".repeat(1e6),
      "a; ".repeat(1e6),
      `a; ${"x=y ".repeat(1e6)}`,
      '"'.repeat(1e6),
    ]
  ) {
    assertEquals(parseAuthResults(bad), null);
  }
});
