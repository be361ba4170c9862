/** Records and policy files of MTA-STS: tables, and anything at all. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  formatStsPolicy,
  isStsHost,
  readStsId,
  readStsPolicy,
  type StsPolicy,
  StsPolicyError,
} from "../../../../core/delivery/tls/mta_sts.ts";

Deno.test("the id of _mta-sts records (RFC 8461 3.1)", () => {
  const table: readonly [string | null, ...string[]][] = [
    ["20160831085700Z", "v=STSv1; id=20160831085700Z;"], // the RFC's example
    ["a", "v=STSv1;id=a"],
    ["a", "v=STSv1 \t; \tid=a \t; \t"],
    ["a", "v=STSv1; ext=1:2/3; id=a; other.x-y_z=~"],
    ["a", "v=STSv1; id=a; id=b"], // the first counts
    ["a", "v=spf1 -all", "v=STSv1; id=a", "google-site-verification=x"],
    ["x".repeat(32), `v=STSv1; id=${"x".repeat(32)}`],
    [null],
    [null, "v=STSv1"],
    [null, "v=STSv1;"],
    [null, "v=STSv1; id="],
    [null, `v=STSv1; id=${"x".repeat(33)}`],
    [null, "v=STSv1; id=a-b"],
    [null, "v=STSv1; ID=a"],
    [null, "v=stsv1; id=a"],
    [null, " v=STSv1; id=a"],
    [null, "v=STSv1 id=a"],
    [null, "v=STSv2; id=a"],
    [null, "v=STSv10; id=a"],
    [null, "v=STSv1; id=a", "v=STSv1; id=a"], // not exactly one
    [null, "v=STSv1; id=a; ; x=y"],
    [null, "v=STSv1; id=a; x = y"],
    [null, "v=STSv1; id=a; x=é"],
    [null, "v=STSv1; id=a; x="],
    [null, `v=STSv1; id=a${"; x=y".repeat(1000)}`],
  ];
  for (const [id, ...records] of table) assertEquals(readStsId(records), id, JSON.stringify(records));
});

const EXAMPLE = `version: STSv1
mode: enforce
mx: mail.example.com
mx: *.example.net
mx: backupmx.example.com
max_age: 604800
`;

Deno.test("policy files (RFC 8461 3.2)", () => {
  const policy: StsPolicy = {
    mode: "enforce",
    mx: ["mail.example.com", "*.example.net", "backupmx.example.com"],
    maxAge: 604_800,
  };
  assertEquals(readStsPolicy(EXAMPLE), policy);
  assertEquals(readStsPolicy(EXAMPLE.replaceAll("\n", "\r\n")), policy);
  assertEquals(readStsPolicy(EXAMPLE.trimEnd()), policy);
  assertEquals(readStsPolicy(EXAMPLE.replaceAll(": ", ":")), policy);
  assertEquals(readStsPolicy(`${EXAMPLE}x-new: whatever: it, says\n \t \n\n`), policy);
  assertEquals(readStsPolicy(`${EXAMPLE}mode: none\nmax_age: 1\nversion: STSv2\n`), policy); // the first counts
  const with_ = (from: string, to: string) => readStsPolicy(EXAMPLE.replace(from, to));
  assertEquals(with_("604800", "9999999999").maxAge, 31_557_600); // at most a year
  assertEquals(with_("604800", "0").maxAge, 0);
  assertEquals(with_("mx: mail.example.com", "mx: MAIL.Bücher.Example.\nmx: mail.example.com").mx, [
    "mail.xn--bcher-kva.example",
    "mail.example.com",
    "*.example.net",
    "backupmx.example.com",
  ]);
  assertEquals(readStsPolicy("version: STSv1\nmode: none\nmax_age: 86400\n"), { mode: "none", mx: [], maxAge: 86_400 });
  const faults: readonly [string, string][] = [
    ["version: STSv1\n", ""],
    ["STSv1", "STSv2"],
    ["STSv1", "stsv1"],
    ["mode: enforce\n", ""],
    ["enforce", "Enforce"],
    ["max_age: 604800\n", ""],
    ["604800", "-1"],
    ["604800", "1e9"],
    ["604800", "10000000000"],
    ["*.example.net", "*"],
    ["*.example.net", "*.*.example.net"],
    ["*.example.net", "a.*.net"],
    ["*.example.net", ".example.net"],
    ["*.example.net", "192.0.2.1 x"],
    ["mode: enforce", "mode enforce"],
    ["mode: enforce", "mode : enforce"],
    ["mode: enforce", ": enforce"],
    ["mx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\n", ""],
    [
      "mx: mail",
      `${"mx: a.example\n"}${Array.from({ length: 256 }, (_, i) => `mx: h${i}.example\n`).join("")}mx: mail`,
    ],
  ];
  for (const [from, to] of faults) {
    assert(EXAMPLE.includes(from));
    assertThrows(() => with_(from, to), StsPolicyError, undefined);
  }
});

Deno.test("a star in a policy is one label (RFC 8461 4.1)", () => {
  const policy: StsPolicy = { mode: "enforce", mx: ["*.example.com", "mail.example.org"], maxAge: 1 };
  for (const host of ["mail.example.com", "x.example.com", "mail.example.org"]) assert(isStsHost(policy, host), host);
  for (
    const host of ["example.com", "foo.bar.example.com", ".example.com", "example.org", "a.mail.example.org", "com"]
  ) {
    assert(!isStsHost(policy, host), host);
  }
});

Deno.test("whatever is read as a policy can be written and read again, and nothing else is thrown than its error", () => {
  const host = fc.array(fc.stringMatching(/^[a-z0-9]{1,10}$/), { minLength: 1, maxLength: 4 }).map((all) =>
    all.join(".")
  );
  const policies = fc.record({
    mode: fc.constantFrom("enforce" as const, "testing" as const),
    mx: fc.uniqueArray(fc.tuple(fc.constantFrom("", "*."), host).map((all) => all.join("")), {
      minLength: 1,
      maxLength: 20,
    }),
    maxAge: fc.nat(31_557_600),
  });
  fc.assert(fc.property(policies, fc.constantFrom("\n", "\r\n"), (policy, end) => {
    assertEquals(readStsPolicy(formatStsPolicy(policy).join(end)), { ...policy });
  }));
  const lines = fc.array(
    fc.oneof(fc.string(), fc.constantFrom("version: STSv1", "mode: testing", "mx: a.example", "max_age: 1", "\r", ":")),
  );
  fc.assert(fc.property(lines, (all) => {
    try {
      readStsPolicy(all.join("\n"));
    } catch (error) {
      assert(error instanceof StsPolicyError);
    }
    readStsId(all);
  }));
});
