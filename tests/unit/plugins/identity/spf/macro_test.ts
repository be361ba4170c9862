import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  expandName,
  expandText,
  type MacroValues,
  parseDomainSpec,
  parseMacroString,
} from "../../../../../plugins/identity/spf/macro.ts";

// The values of the examples in RFC 7208 7.4.
const VALUES: MacroValues = {
  s: "strong-bad@email.example.com",
  l: "strong-bad",
  o: "email.example.com",
  d: "email.example.com",
  i: "192.0.2.3",
  p: "mx.example.org",
  h: "mx.example.org",
  c: "192.0.2.3",
  r: "receiver.example",
  t: "1136214245",
  v: "in-addr",
};
const text = (source: string, values = VALUES) =>
  expandText(parseMacroString(source, { explanation: true }) ?? ["(no macro string)"], values, 1000);

Deno.test("expansion: the examples of RFC 7208 7.4", () => {
  const table: readonly [string, string][] = [
    ["%{s}", "strong-bad@email.example.com"],
    ["%{o}", "email.example.com"],
    ["%{d}", "email.example.com"],
    ["%{d4}", "email.example.com"],
    ["%{d3}", "email.example.com"],
    ["%{d2}", "example.com"],
    ["%{d1}", "com"],
    ["%{dr}", "com.example.email"],
    ["%{d2r}", "example.email"],
    ["%{l}", "strong-bad"],
    ["%{l-}", "strong.bad"],
    ["%{lr}", "strong-bad"],
    ["%{lr-}", "bad.strong"],
    ["%{l1r-}", "strong"],
    ["%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"],
    ["%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"],
    ["%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"],
    ["%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"],
    ["%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"],
    ["100%% of%_%-", "100% of %20"],
    ["%{c} %{r} %{t} %{p} %{h}", "192.0.2.3 receiver.example 1136214245 mx.example.org mx.example.org"],
    ["%{S}", "strong-bad%40email.example.com"],
    ["%{D127}", "email.example.com"],
  ];
  for (const [source, expected] of table) assertEquals(text(source), expected, source);
  const six = { ...VALUES, v: "ip6", i: "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1" };
  assertEquals(
    text("%{ir}.%{v}._spf.%{d2}", six),
    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
  );
  assertEquals(text("%{L}", { ...VALUES, l: "é ~" }), "%C3%A9%20~");
});

Deno.test("macro strings: what is none", () => {
  const wrong = [
    "%",
    "a%",
    "%a",
    "%{",
    "%{}",
    "%{a}",
    "%{d",
    "%{d0}",
    "%{d00r}",
    "%{dR2}",
    "%{d-x}",
    "%{ d}",
    "%{d}%",
    "é",
    "a\n",
  ];
  for (const source of wrong) assertEquals(parseMacroString(source, { explanation: true }), null, source);
  for (const source of ["%{c}", "%{r}", "%{T}", "a b"]) {
    assertEquals(parseMacroString(source), null, source);
    assert(parseMacroString(source, { explanation: true }) !== null, source);
  }
});

Deno.test("domain-spec: a macro or a top label at the end", () => {
  const right = [
    "a.b",
    "a.b.",
    ".b",
    "a.b-c",
    "a.1b",
    "a.1-1",
    "%{d}",
    "a%{d}",
    "%{d}.com",
    "a%_",
    "_spf.%{d2}",
    "a..b",
  ];
  const wrong = [
    "",
    "a",
    "a.",
    ".",
    "a.1",
    "a.-b",
    "a.b-",
    "a.b_c",
    "%{d}a",
    "a.b/24",
    "a.b:25",
    "a.b ",
    "a.é",
    "a.1.",
  ];
  for (const source of right) assert(parseDomainSpec(source) !== null, source);
  for (const source of wrong) assertEquals(parseDomainSpec(source), null, source);
});

Deno.test("case 58: a 450-character macro, and any number of them, expand to a name that fits", () => {
  const long = { ...VALUES, l: "x.".repeat(200) + "y", s: "z".repeat(320) };
  for (
    const source of ["%{l}.example.org", "%{l}".repeat(10_000) + ".example.org", `${"a.".repeat(30_000)}example.org`]
  ) {
    const name = expandName(parseDomainSpec(source)!, long);
    assert(name.length <= 253 && name.endsWith(".example.org"), `${name.length} ${name.slice(-20)}`);
    assert(!name.startsWith("."));
  }
  assertEquals(text("%{s}".repeat(10_000), long).length, 1000);
  // RFC 7208 7.3: whole labels go, and no more of them than must
  const exact = `${"b".repeat(60)}.`.repeat(4) + "example.org"; // 255
  assertEquals(expandName(parseDomainSpec(exact)!, VALUES), exact.slice(61));
  const fits = "aaaaa." + `${"b".repeat(58)}.`.repeat(4) + "example.org"; // 253
  assertEquals(expandName(parseDomainSpec(`${fits}.`)!, VALUES), fits);
  assertEquals(expandName(parseDomainSpec(`x.${fits}.`)!, VALUES), fits);
  assertEquals(expandName(parseDomainSpec("%{s}.%{s}")!, long), "");
});

Deno.test("any text is a macro string or none, and what expands has the values' characters only", () => {
  const piece = fc.constantFrom(
    "%",
    "{",
    "}",
    "d",
    "l",
    "2",
    "r",
    "-",
    "/",
    "%{d}",
    "%{l1r-}",
    "a",
    ".",
    " ",
    "\n",
    "é",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const parsed = parseMacroString(pieces.join(""), { explanation: true });
    if (parsed !== null) assert(/^[\x20-\x7e]*$/.test(expandText(parsed, VALUES, 10_000)));
    const spec = parseDomainSpec(pieces.join(""));
    if (spec !== null) assert(expandName(spec, VALUES).length <= 253);
  }));
});
