import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { SpfFinding } from "../../../../../plugins/identity/spf/key.ts";
import { type ReceivedSpf, receivedSpf } from "../../../../../plugins/identity/spf/received_spf.ts";

const FINDING: SpfFinding = {
  result: "pass",
  identity: "mailfrom",
  domain: "example.org",
  mechanism: "ip4:192.0.2.0/24",
  explanation: null,
  problem: null,
};
const field = (about: Partial<ReceivedSpf> = {}, finding: Partial<SpfFinding> = {}) =>
  receivedSpf({
    finding: { ...FINDING, ...finding },
    ip: "192.0.2.1",
    sender: "user@example.org",
    helo: "mail.example.org",
    receiver: "mx.example.net",
    utf8: false,
    ...about,
  });

Deno.test("the field of RFC 7208 9.1", () => {
  assertEquals(
    field(),
    "pass (mx.example.net: example.org designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1; " +
      'envelope-from="user@example.org"; helo=mail.example.org; receiver=mx.example.net; ' +
      'mechanism="ip4:192.0.2.0/24"; identity=mailfrom',
  );
  assertEquals(
    field({ sender: "", ip: "2001:db8::1" }, {
      result: "permerror",
      identity: "helo",
      mechanism: null,
      problem: 'wrong term a"b',
    }),
    "permerror (mx.example.net: the SPF record of example.org cannot be evaluated) " +
      'client-ip="2001:db8::1"; envelope-from=""; helo=mail.example.org; receiver=mx.example.net; ' +
      'problem="wrong term a\\"b"; identity=helo',
  );
  assert(field({}, { result: "neutral", mechanism: null }).includes('mechanism="default"'));
});

/** The field as its grammar has it: result, comment, pairs. Null when it is none. */
function read(value: string): { result: string; pairs: Map<string, string> } | null {
  const head = /^([a-z]+) \(([^()\\\r\n]*)\) /.exec(value);
  if (head === null) return null;
  const pairs = new Map<string, string>();
  const pair = /([a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9.-]+))(; |$)/y;
  pair.lastIndex = head[0].length;
  while (pair.lastIndex < value.length) {
    const found = pair.exec(value);
    if (found === null || pairs.has(found[1]!)) return null;
    pairs.set(found[1]!, found[2]?.replace(/\\(.)/g, "$1") ?? found[3]!);
  }
  return { result: head[1]!, pairs };
}

Deno.test("case 54: nothing of the peer's becomes a key, a result or a line", () => {
  const piece = fc.constantFrom(
    '"',
    "\\",
    ";",
    "(",
    ")",
    "\r\n",
    "\0",
    " ",
    "=",
    "identity=helo",
    "pass",
    "a",
    ".",
    "é",
    "\u2028",
    "\x85",
  );
  const hostile = fc.array(piece, { maxLength: 40 }).map((each) => each.join(""));
  fc.assert(fc.property(hostile, hostile, hostile, hostile, fc.boolean(), (sender, helo, mechanism, domain, utf8) => {
    const value = field({ sender, helo, utf8 }, { mechanism, domain, problem: mechanism, result: "fail" });
    const found = read(value);
    assert(found !== null, value);
    assertEquals(found.result, "fail");
    assertEquals([...found.pairs.keys()], [
      "client-ip",
      "envelope-from",
      "helo",
      "receiver",
      "mechanism",
      "problem",
      "identity",
    ]);
    assertEquals(found.pairs.get("identity"), "mailfrom");
    assert(!/[\p{Cc}\p{Zl}]/u.test(value));
    if (!utf8) assert(/^[\x20-\x7e]*$/.test(value));
  }));
});

Deno.test("case 54: the field is bounded, whatever it is told", () => {
  const long = '"'.repeat(100_000);
  assert(field({ sender: long, helo: long }, { mechanism: long, problem: long, domain: long }).length < 3500);
});

Deno.test("UTF-8 stands in the field of a message that may have it, and nowhere else", () => {
  assert(field({ sender: "josé@example.org", utf8: true }).includes('envelope-from="josé@example.org"'));
  assert(field({ sender: "josé@example.org" }).includes('envelope-from="jos?@example.org"'));
});
