import { assert, assertEquals } from "@std/assert";
import { type DmarcRecord, isDmarcRecord, parseRecord } from "../../../../../plugins/identity/dmarc/record.ts";

const DEFAULTS: DmarcRecord = {
  p: "none",
  sp: null,
  np: null,
  adkim: "r",
  aspf: "r",
  fo: "0",
  psd: "u",
  testing: false,
  rua: [],
  unusable: false,
};

Deno.test("a record begins with its version, whose value has a case (RFC 9989 4.7)", () => {
  const table: readonly [string, boolean][] = [
    ["v=DMARC1", true],
    ["v=DMARC1;", true],
    ["v=DMARC1; p=none", true],
    ["V = DMARC1 ;p=none", true],
    ["v=dmarc1; p=none", false],
    ["v=DMARC1 p=none", false],
    ["v=DMARC10; p=none", false],
    ["p=none; v=DMARC1", false],
    [" v=DMARC1; p=none", false],
    ["v=spf1 -all", false],
    ["", false],
  ];
  for (const [text, expected] of table) assertEquals(isDmarcRecord(text), expected, text);
});

Deno.test("tags, defaults and what cannot be read (RFC 9989 4.7, 4.8, 4.10.1)", () => {
  const address = { local: "d", domain: "example.com" };
  const table: readonly [string, Partial<DmarcRecord>][] = [
    ["p=none", {}],
    ["p=reject; sp=quarantine; np=reject", { p: "reject", sp: "quarantine", np: "reject" }],
    [" P = Reject ;SP=NONE", { p: "reject", sp: "none" }],
    ["p=reject; adkim=s; aspf=S; t=y; psd=n; fo=1:d:s", {
      p: "reject",
      adkim: "s",
      aspf: "s",
      testing: true,
      psd: "n",
      fo: "1:d:s",
    }],
    // of two the first; unknown tags, tags of RFC 7489 and what is no tag at all say nothing
    ["p=quarantine; p=reject; x=1; pct=0; rf=afrf; ri=3600; nonsense; =x;;", { p: "quarantine" }],
    ["p=reject; adkim=x; aspf=; t=yes; psd=maybe; fo=9", { p: "reject" }],
    // no policy that can be read: "none" where there is somebody to report to, no DMARC at all otherwise
    ["rua=mailto:d@example.com", { rua: [address] }],
    ["p=foo; rua=mailto:d@example.com", { rua: [address] }],
    ["p=reject; sp=foo; rua=mailto:d@example.com", { rua: [address] }],
    ["p=reject; np=; rua=https://example.com/", {}],
    ["", { unusable: true }],
    ["p=foo", { unusable: true }],
    ["p=reject; sp=foo; rua=nobody", { unusable: true }],
    ["p=reject; np=foo; rua=mailto:", { unusable: true }],
  ];
  for (const [tags, expected] of table) {
    assertEquals(parseRecord(`v=DMARC1; ${tags}`), { ...DEFAULTS, ...expected }, tags);
  }
});

Deno.test("destinations: mailto alone, decoded, sizes of RFC 7489 left out, at most four", () => {
  const table: readonly [string, readonly string[]][] = [
    ["mailto:a@example.com", ["a@example.com"]],
    ["mailto:a@example.com!10m , MAILTO:b@Example.NET!50", ["a@example.com", "b@example.net"]],
    ["mailto:a%2Bb@example.com?subject=x", ["a+b@example.com"]],
    ["mailto:%zz@example.com,mailto:a@[192.0.2.1],mailto:postmaster,https://example.com/", []],
    ["mailto:a@b.example!c", []],
    [
      Array.from({ length: 9 }, (_, at) => `mailto:${at}@example.com`).join(),
      [0, 1, 2, 3].map((at) => `${at}@example.com`),
    ],
  ];
  for (const [uris, expected] of table) {
    const { rua } = parseRecord(`v=DMARC1; p=none; rua=${uris}`);
    assertEquals(rua.map(({ local, domain }) => `${local}@${domain}`), expected, uris);
  }
});

Deno.test("a record made to hurt costs no more than one", () => {
  const started = performance.now();
  for (const part of ["p=none;", "=", ";", ",", "mailto:a@b.c,", " ", "!9"]) {
    parseRecord(`v=DMARC1; rua=${part.repeat(100_000)}`);
    isDmarcRecord(`v=DMARC1${part.repeat(100_000)}`);
  }
  assert(performance.now() - started < 5_000);
});
