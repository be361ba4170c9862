import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isSpfRecord, parseRecord } from "../../../../../plugins/identity/spf/record.ts";

Deno.test("which TXT records are SPF records", () => {
  for (const text of ["v=spf1", "V=SPF1 -all", "v=spf1 ", "v=spf1 \x01"]) assert(isSpfRecord(text), text);
  for (const text of ["", "v=spf10", "v=spf1-all", "v=spf1\t-all", " v=spf1", "v=spf2.0/pra", "v=spf1\n", "v=DKIM1"]) {
    assert(!isSpfRecord(text), text);
  }
});

Deno.test("terms that are right", () => {
  const record = parseRecord(
    "v=spf1  +A/24//64 -mx:%{d2} ?ptr ~IP4:192.0.2.0/24 ip6:2001:db8::/32 exists:%{i}.x.org moo=%{d} all ",
  );
  assert(typeof record !== "string", String(record));
  assertEquals(record.directives.map(({ qualifier, mechanism: { name }, text }) => [qualifier, name, text]), [
    ["+", "a", "+A/24//64"],
    ["-", "mx", "-mx:%{d2}"],
    ["?", "ptr", "?ptr"],
    ["~", "ip4", "~IP4:192.0.2.0/24"],
    ["+", "ip6", "ip6:2001:db8::/32"],
    ["+", "exists", "exists:%{i}.x.org"],
    ["+", "all", "all"],
  ]);
  assertEquals(record.directives[0]!.mechanism, { name: "a", domain: null, bits4: 24, bits6: 64 });
  assertEquals(record.directives[3]!.mechanism, { name: "ip4", network: [192, 0, 2, 0], bits: 24 });
  const more = [
    "a:x.org/0",
    "a:x.org//0",
    "a:x.org/32//128",
    "mx//64",
    "a:%{d}/8",
    "ip4:0.0.0.0/0",
    "redirect=x.org",
    "x.y-z_1=",
    "a=b",
  ];
  for (const term of more) assert(typeof parseRecord(`v=spf1 ${term}`) !== "string", term);
});

Deno.test("terms that are wrong make the record wrong", () => {
  const wrong = [
    "all:x.org",
    "all/8",
    "all.",
    "al",
    "++all",
    "- all",
    "-",
    "include",
    "include:",
    "include:x",
    "include/24",
    "a:",
    "a/33",
    "a//129",
    "a/08",
    "a/",
    "a//",
    "a/24/64",
    "a/24//",
    "a:x.org/24/",
    "a:x.org:80",
    "a:x.org/-1",
    "a/٣",
    "mx:192.0.2.1",
    "ptr:",
    "ptr/24",
    "exists",
    "exists:x.org/24",
    "ip4",
    "ip4:",
    "ip4:192.0.2",
    "ip4:192.0.2.01",
    "ip4:192.0.2.1/33",
    "ip4:192.0.2.1/",
    "ip4:192.0.2.1//24",
    "ip4/24",
    "ip4:2001:db8::1",
    "ip6:192.0.2.1",
    "ip6:2001:db8::1/129",
    "ip6:2001:db8::1%eth0",
    "ip6:::g",
    "redirect=",
    "redirect=x",
    "exp=",
    "exp=%{x}",
    "=x",
    "1x=y",
    "moo=%",
    "moo=\x01",
    "a\t-all",
    "-all\t",
    "é",
    "redirect=x.org redirect=y.org",
    "exp=x.org exp=x.org",
    "-redirect=x.org",
  ];
  for (const term of wrong) assertEquals(typeof parseRecord(`v=spf1 ${term}`), "string", JSON.stringify(term));
});

Deno.test("any record is read or refused, and what is refused is named in few words", () => {
  const piece = fc.constantFrom(
    " ",
    "a",
    "mx",
    "ip4:",
    "192.0.2.1",
    "/",
    "//",
    "24",
    ":",
    "=",
    "%{d}",
    "%",
    "-",
    "x.org",
    "all",
    "\0",
    "é",
    "exp=",
  );
  fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string({ unit: "binary" })), { maxLength: 30 }), (pieces) => {
    const record = parseRecord(`v=spf1 ${pieces.join("")}`);
    assert(typeof record !== "string" || record.length < 100);
  }));
});

Deno.test("case 59: a 64 KB record costs no more than its length", () => {
  const small = (text: string) => text.repeat(Math.ceil(400 / text.length)),
    large = (text: string) => text.repeat(Math.ceil(64_000 / text.length));
  const time = (text: string): number => {
    const start = performance.now();
    for (let i = 0; i < 5; i++) parseRecord(text);
    return performance.now() - start;
  };
  for (const unit of ["a", "a:", "/", "//1", "1/", "%{d}", "%{", "a=", "-", ".", "a.", "%%", " a", "=/"]) {
    for (const head of ["v=spf1 ", "v=spf1 a:", "v=spf1 x=", "v=spf1 ip6:", "v=spf1 exists:"]) {
      time(head + small(unit)); // compiled
      const took = time(head + large(unit));
      assert(took < 1000, `${head}${unit}...: ${took} ms for 5 times 64 KB`); // quadratic takes minutes
    }
  }
});
