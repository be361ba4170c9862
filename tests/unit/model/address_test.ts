/** Paths and mailboxes: tables for the grammar, properties for what must hold for every text. */
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import fc from "fast-check";
import {
  type Address,
  formatAddress,
  parseAddress,
  parsePath,
  type Path,
  type PathFault,
  sameAddress,
} from "../../../core/model/address.ts";

const whole = (text: string, path: Path): Address | null => {
  if (path.fault !== undefined) throw new Error(`${JSON.stringify(text)} is refused: ${path.fault}`);
  assertEquals(path.end, text.length);
  return path.address;
};
const fault = (path: Path): PathFault | undefined => path.fault;

Deno.test("a path means its mailbox", () => {
  const table: [string, string, string][] = [
    ["<a@b>", "a", "b"],
    ["<First.Last@Example.ORG>", "First.Last", "example.org"],
    ["<a@XN--BCHER-KVA.example>", "a", "xn--bcher-kva.example"],
    ["<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~", "example.org"],
    ["<a@ab--cd.example>", "a", "ab--cd.example"],
    ["<a@1.2.3.4>", "a", "1.2.3.4"],
    ["<a@[192.0.2.1]>", "a", "[192.0.2.1]"],
    ["<a@[ipv6:2001:DB8:0:0:0:0:0:1]>", "a", "[IPv6:2001:db8::1]"],
    ["<a@[IPv6:::192.0.2.1]>", "a", "[IPv6:::c000:201]"],
    ["<@x.example:a@b>", "a", "b"],
    ["<__proto__@example.org>", "__proto__", "example.org"],
  ];
  for (const [text, local, domain] of table) assertEquals(whole(text, parsePath(text, 0)), { local, domain }, text);
});

Deno.test("a path ends at its bracket, and what follows is left alone", () => {
  assertEquals(parsePath("FROM:<a@b> SIZE=1", 5), { address: { local: "a", domain: "b" }, end: 10 });
  assertEquals(parsePath("FROM:<a@[192.0.2.1]>x", 5), { address: { local: "a", domain: "[192.0.2.1]" }, end: 20 });
});

Deno.test("case 18: <> is the null path, <Postmaster> in any case needs no domain", () => {
  assertEquals(whole("<>", parsePath("<>", 0)), null);
  for (const text of ["<Postmaster>", "<postmaster>", "<POSTMASTER>", '<"postmaster">']) {
    assertEquals(whole(text, parsePath(text, 0))?.domain, "");
    assertEquals(whole(text, parsePath(text, 0))?.local.toLowerCase(), "postmaster");
  }
  assertEquals(fault(parsePath("<postmaste>", 0)), "syntax");
});

Deno.test("case 19: what is no path is refused as syntax, with lenient only the brackets may be missing", () => {
  const table = [
    "",
    "<",
    ">",
    "<a",
    "<a@",
    "<a@b",
    "a@b",
    " <a@b>",
    "<a@b.>",
    "<a@.b>",
    "<a@b..c>",
    "<@>",
    "<@b>",
    "<a>",
  ];
  table.push(
    "<.a@b>",
    "<a.@b>",
    "<a..b@c>",
    '<"a@b>',
    '<"a"b@c>',
    '<a"b"@c>',
    "<a b@c>",
    "<a@b c>",
    "<a@-b>",
    "<a@b->",
  );
  table.push(
    "<a@[192.0.2.1>",
    "<a@[192.0.2.1]x>",
    "<a@[]>",
    "<a@[IPv6:1:2:3:4:5:6:7::]>",
    "<a@[tag:x]>",
    "<a@@b>",
    "<a@b@c>",
  );
  table.push(
    "<<a@b>>",
    "<a@b_c>",
    "<a@b:25>",
    "<@a@b>",
    "<@a,b:c@d>",
    "<@[192.0.2.1]:c@d>",
    "<a\0@b>",
    "<a@b\0>",
    '<"a\tb"@c>',
  );
  for (const text of table) {
    assertEquals(fault(parsePath(text, 0)), "syntax", text);
  }
  assertEquals(parsePath("a@b SIZE=1", 0, { lenient: true }), { address: { local: "a", domain: "b" }, end: 3 });
  assertEquals(parsePath("  <a@b>", 0, { lenient: true }), { address: { local: "a", domain: "b" }, end: 7 });
  assertEquals(fault(parsePath("a@b>", 0, { lenient: true })), "syntax");
  assertEquals(fault(parsePath("<a@b", 0, { lenient: true })), "syntax");
});

Deno.test("case 20: 64 octets of local part, 255 of domain, 256 of path, counted as written", () => {
  const label = "d".repeat(63), long = (size: number) => `${label}.${label}.${label}.`.padEnd(size, "d");
  const good = (text: string) => whole(text, parsePath(text, 0, { smtputf8: true }));
  const bad = (text: string) => assertEquals(fault(parsePath(text, 0, { smtputf8: true })), "length", text);
  good(`<${"a".repeat(64)}@b>`);
  bad(`<${"a".repeat(65)}@b>`);
  good(`<"${"a".repeat(62)}"@b>`);
  bad(`<"${"a".repeat(63)}"@b>`);
  good(`<${"é".repeat(32)}@b>`);
  bad(`<${"é".repeat(33)}@b>`);
  good(`<a@${long(252)}>`); // 256 with its brackets
  bad(`<a@${long(253)}>`);
  good(`<ab@${long(251)}>`);
  bad(`<@relay.example:ab@${long(252)}>`);
  assertEquals(fault(parsePath(`<a@${"d".repeat(64)}.org>`, 0)), "syntax");
});

Deno.test("case 20: a megabyte of anything is refused at once", () => {
  const mega = 1 << 20;
  const texts = ["<", "@", '"', "\\", ".", "[", ":", " ", "a", "é", "(", "a.", "@a,"].flatMap((char) => {
    const much = char.repeat(mega / char.length);
    return [much, `<${much}@b>`, `<a@${much}>`, `<"${much}"@b>`, `<@${much}:a@b>`, `<a@[${much}]>`, `${much}<a@b>`];
  });
  const start = performance.now();
  for (const text of texts) {
    assert(parsePath(text, 0, { smtputf8: true }).fault !== undefined);
    assert(text.startsWith(" ") || parsePath(text, 0, { lenient: true }).fault !== undefined);
  }
  // Some 90 MB in all: anything quadratic takes hours, a linear look at them far less than this.
  assertLess(performance.now() - start, 10_000);
});

Deno.test("case 21: quotes are how an address is written, not what it is", () => {
  const table: [string, string, string][] = [
    ['<"a b"@d>', "a b", '"a b"@d'],
    ['<"a\\"b"@d>', 'a"b', '"a\\"b"@d'],
    ['<"a@b"@d>', "a@b", '"a@b"@d'],
    ['<"a\\\\b"@d>', "a\\b", '"a\\\\b"@d'],
    ['<"ab"@d>', "ab", "ab@d"],
    ['<"a\\b"@d>', "ab", "ab@d"],
    ['<"a.b"@d>', "a.b", "a.b@d"],
    ['<"a..b"@d>', "a..b", '"a..b"@d'],
    ['<".a"@d>', ".a", '".a"@d'],
    ['<""@d>', "", '""@d'],
    ["<CaSe@d>", "CaSe", "CaSe@d"],
  ];
  for (const [text, local, format] of table) {
    const address = whole(text, parsePath(text, 0));
    assertEquals(address, { local, domain: "d" });
    assertEquals(formatAddress(address), format);
  }
  assertEquals(formatAddress(null), "");
});

Deno.test("case 22: a source route is stripped, never followed", () => {
  assertEquals(parsePath("<@a.example,@b.example:u@d>", 0), { address: { local: "u", domain: "d" }, end: 27 });
  assertEquals(parsePath('<@a.example:"x:y"@d>', 0), { address: { local: "x:y", domain: "d" }, end: 20 });
  assertEquals(fault(parsePath(`<${"@a.example,".repeat(30)}@b.example:u@d>`, 0)), "length");
});

Deno.test("case 24: non-ASCII only with SMTPUTF8, and broken names are told from broken syntax", () => {
  for (const text of ["<é@d>", '<"é"@d>', "<a@é.example>", "<@é.example:a@d>", "<user\u00ff@d>", "<user\uff20out@d>"]) {
    assertEquals(fault(parsePath(text, 0)), "non-ascii", text);
  }
  const wide = { smtputf8: true };
  assertEquals(parsePath("<é@Bücher.example>", 0, wide), {
    address: { local: "é", domain: "xn--bcher-kva.example" },
    end: 18,
  });
  assertEquals(whole("<a\uff20b@d>", parsePath("<a\uff20b@d>", 0, wide)), { local: "a\uff20b", domain: "d" });
  for (
    const name of ["xn--a", "xn--0.example", "1א.example", "\u0378.example", "-é.example", "１２７.1", "é..example"]
  ) {
    assertEquals(fault(parsePath(`<a@${name}>`, 0, wide)), "domain", name);
  }
  for (const text of ["<a\u0085@d>", "<\u2028@d>", '<"\u009f"@d>', "<\ud800@d>", '<"\udc00"@d>']) {
    assertEquals(fault(parsePath(text, 0, wide)), "syntax");
  }
});

Deno.test("addresses of a configuration are whole or none", () => {
  assertEquals(parseAddress(" a@B.example "), { local: "a", domain: "b.example" });
  assertEquals(parseAddress("é@bücher.example"), { local: "é", domain: "xn--bcher-kva.example" });
  for (const text of ["", "a", "a@b>", "a@b> c", "<a@b>", "a@b c", "a@b,c@d"]) {
    assertEquals(parseAddress(text), null, text);
  }
  assert(sameAddress({ local: "A", domain: "d" }, { local: "a", domain: "d" }));
  assert(!sameAddress({ local: "a", domain: "d" }, { local: "a", domain: "e" }));
});

const grain = fc.string({
  unit: fc.constantFrom(...'aB0.-+%!@"\\ <>[]:,é\u3002\uff0e\0\r\n_'.split(""), "xn--", "IPv6:", "example"),
  maxLength: 12,
});
const local = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    fc.constantFrom("é", "𝒳"),
  ),
  maxLength: 15,
});
const name = fc.array(fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), { minLength: 1, maxLength: 4 })
  .map((labels) => labels.join(".")).filter((text) => !text.includes("xn--"));

/** What stands between the brackets: a mailbox, as it may be written, with at most one piece of it gone wrong. */
const mailbox = fc.tuple(local, name, fc.boolean(), fc.nat(), fc.nat(2), fc.oneof(fc.constant(""), grain))
  .map(([local, name, quoted, place, cut, extra]) => {
    const left = quoted ? `"${local.replace(/["\\]/g, "\\$&")}"` : local;
    const text = `${left}@${name}`, at = place % (text.length + 1);
    return extra === "" ? text : text.slice(0, at) + extra + text.slice(at + cut);
  });
const runs = { numRuns: 2000 };

Deno.test("property: every local part of printable text survives being written and read", () => {
  fc.assert(
    fc.property(local, name, (local, domain) => {
      assertEquals(parseAddress(formatAddress({ local, domain })), { local, domain });
    }),
    runs,
  );
});

Deno.test("property: what is read comes out as one text, and that text is read as the same", () => {
  let read = 0;
  fc.assert(
    fc.property(mailbox, fc.boolean(), (text, smtputf8) => {
      const path = parsePath(`<${text}>`, 0, { smtputf8 });
      if (path.fault !== undefined || path.address === null) return;
      read++;
      const format = formatAddress(path.address);
      assertEquals(parsePath(`<${format}>`, 0, { smtputf8: true }), { address: path.address, end: format.length + 2 });
      assert(!/[\0-\x1f\x7f]/.test(format));
    }),
    runs,
  );
  assertGreater(read, runs.numRuns / 10);
});

Deno.test("property: a path and the same path behind a source route are one address, so the short way is right", () => {
  fc.assert(
    fc.property(mailbox, (rest) => {
      if (/^[@>]/.test(rest)) return;
      const direct = parsePath(`<${rest}>`, 0), routed = parsePath(`<@r:${rest}>`, 0);
      if (direct.fault !== undefined) assertEquals(routed, direct);
      else assertEquals(routed, { address: direct.address, end: direct.end + 3 });
    }),
    runs,
  );
});

Deno.test("property: only non-ASCII separates SMTPUTF8 from plain", () => {
  fc.assert(
    fc.property(mailbox, (rest) => {
      const text = `<${rest}>`, plain = parsePath(text, 0), wide = parsePath(text, 0, { smtputf8: true });
      if (/^[\0-\x7f]*$/.test(text) || plain.fault === undefined) assertEquals(plain, wide);
    }),
    runs,
  );
});
