import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatAddress } from "../../../core/model/address.ts";
import { countMailboxes, mailboxesIn, replaceMailboxes } from "../../../core/model/mailboxes.ts";

const count = (text: string) => countMailboxes(new TextEncoder().encode(text));

Deno.test("mailboxes of a From field are counted", () => {
  const table: [text: string, count: number, malformed: boolean][] = [
    ["joe@example.org", 1, false],
    ["<joe@example.org>", 1, false],
    ["Joe <joe@example.org>", 1, false],
    ["Joe Q. Public <joe@example.org>", 1, false], // obs-phrase: a dot in the name
    ['"Joe, the \\"first\\"" <joe@example.org>', 1, false],
    ["joe@example.org (Joe (the first), of a@b)", 1, false],
    ["=?utf-8?q?Jo=C3=A9?= <joe@example.org>", 1, false],
    ["Zoë <zoë@bücher.example>", 1, false],
    ['"a b"@example.org', 1, false],
    ["joe@[192.0.2.1]", 1, false],
    ["joe@[IPv6:2001:db8::1]", 1, false],
    ["a@b, c@d", 2, false],
    ["A <a@b>, c@d , E <e@f>", 3, false],
    ["a@b,, ,c@d", 2, false], // obs-mbox-list
    ["Team: a@b, C <c@d>;", 2, false], // RFC 6854
    ["Undisclosed:;", 0, false],
    ["<@one,@two:joe@example.org>", 1, false], // obs-route
    ["joe . smith @ example . org", 1, false],
    ["a@b (one)\r\n\t(two)", 1, false],
    // What people see as an address but the name shows another: one mailbox.
    ["ceo@bank.example <x@evil.example>", 1, false],
    ['"ceo@bank.example" <x@evil.example>', 1, false],
    // No mailbox.
    ["", 0, false],
    ["Joe", 0, true],
    ["<>", 0, true],
    ["<joe>", 0, true],
    ["joe@", 0, true],
    ["@example.org", 0, true],
    ["=?utf-8?b?am9lQGV4YW1wbGUub3Jn?=", 0, true], // the whole address as an encoded-word
    ["a@b@c", 0, true],
    // One, and something wrong.
    ["Joe <joe@example.org> x", 1, true],
    ["a@b c", 1, true],
    ["a b@c", 1, true],
    ["<a@b> <c@d>", 1, true],
    ["Joe <joe@example.org", 1, true],
    ['"Joe <joe@example.org>', 0, true],
    ["(Joe joe@example.org", 0, true],
    ["joe@example.org)", 1, true],
    ["a@b;", 1, true],
    ["a]@b", 1, true],
    ["=?utf-8?q?a=40b?=@example.org", 1, true], // RFC 2047 5
  ];
  for (const [text, expected, malformed] of table) assertEquals(count(text), { count: expected, malformed }, text);
});

Deno.test("the addresses of a field are those that its mailboxes name, without comments and white space", () => {
  const table: [text: string, addresses: string[] | null][] = [
    ["Joe Q. Public <joe@Example.ORG>", ["joe@example.org"]],
    ["A <a@b.example>, (x) c (y) @ d . example (z) , T: e@f.example;", ["a@b.example", "c@d.example", "e@f.example"]],
    ['ceo@bank.example <x@evil.example>, "p@q.example" <y@evil.example>', [
      "ceo@bank.example", // some readers show it
      "x@evil.example",
      "y@evil.example",
    ]],
    ["<victim@bank.example,alice@example.org>", null],
    ["<victim@bank.example:alice@example.org>", null],
    ["<@one,victim@bank.example:alice@example.org>", null],
    ["a@b@c.example <alice@example.org>", null],
    ["<@one,@two:joe@example.org>", ["joe@example.org"]],
    ['"a b"@example.org, "ab"@example.org', ['"a b"@example.org', "ab@example.org"]],
    ["Zoë <zoë@bücher.example>", ["zoë@xn--bcher-kva.example"]],
    ["joe@[192.0.2.1]", ["joe@[192.0.2.1]"]],
    ["", []],
    ["Undisclosed:;", []],
    ["Joe", null],
    ["<a@b> <c@d>", null],
    ["a b@c.example", null],
    ["a@b.example c", null],
    ["=?utf-8?q?a?=@b.example", null],
    ["a@-b.example", null], // a mailbox to a lenient reader, and no address
    ["a@b.example, a..b@c.example", null],
    ["a@b.example, " + "x".repeat(65) + "@c.example", null],
    ["postmaster", null],
  ];
  for (const [text, expected] of table) assertEquals(mailboxesIn(text)?.map(formatAddress) ?? null, expected, text);
});

Deno.test("property: a field whose addresses are known is well formed, and names as many as are counted", () => {
  const piece = fc.constantFrom(
    "a",
    "@",
    "b.example",
    ".",
    "<",
    ">",
    ",",
    ":",
    ";",
    '"',
    "(",
    ")",
    " ",
    "[",
    "]",
    "=?",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 20 }).map((each) => each.join("")), (text) => {
    const addresses = mailboxesIn(text), { count: counted, malformed } = count(text);
    if (addresses !== null) assertEquals([addresses.length, false], [counted, malformed]);
  }));
});

Deno.test("case 33: a million of anything is linear", () => {
  for (
    const unit of ["(", "<", '"', " ", "@", ",", ":", ";", "\\", "[", "]", "\x7f", "a@b,", "(a)", "A:;", "=?", "<@a,"]
  ) {
    const text = unit.repeat(Math.ceil(1e6 / unit.length));
    const started = performance.now();
    count(text);
    assert(performance.now() - started < 2000, `${unit} took ${performance.now() - started} ms`);
  }
  assertEquals(count("a@b,".repeat(1e6)), { count: 1e6, malformed: false });
  assertEquals(count("(".repeat(1e5) + ")".repeat(1e5) + "a@b"), { count: 1, malformed: false });
});

Deno.test("property: a list of n plain mailboxes counts n", () => {
  const atom = fc.stringMatching(/^[a-z0-9!#$%&'*+/^_`{|}~-]{1,10}$/);
  const name = fc.constantFrom("", "Joe ", '"a, <b@c>; " ', "(c@d, e@f) ");
  const mailbox = fc.tuple(name, atom, atom).map(([name, local, domain]) => `${name}<${local}@${domain}>`);
  fc.assert(fc.property(fc.array(mailbox, { minLength: 1 }), (all) => {
    assertEquals(count(all.join(", ")), { count: all.length, malformed: false });
  }));
});

Deno.test("property: any octets give an answer", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    assert(countMailboxes(octets).count <= octets.length);
  }));
});

Deno.test("addresses are replaced, and nothing else of a field changes", () => {
  const change = ({ local, domain }: { local: string; domain: string }) =>
    domain === "old.example" ? { local: local === "q" ? "a b" : local, domain: "new.example" } : null;
  const table: [value: string, written: string | null][] = [
    ["a@old.example", "a@new.example"],
    ['"Old, A" <a@old.example> (a@old.example), b@x.example', '"Old, A" <a@new.example> (a@old.example), b@x.example'],
    ["Team:a@OLD.example ,<b@old.example>;", "Team:a@new.example ,<b@new.example>;"],
    ["=?utf-8?q?Jo=C3=A9?=\t<q@old.example>", '=?utf-8?q?Jo=C3=A9?=\t<"a b"@new.example>'],
    ["\ufeffZo\u00eb <a@old.example>", "\ufeffZo\u00eb <a@new.example>"],
    ["a@old.example <b@old.example>", "a@old.example <b@new.example>"], // a name, whatever it looks like
    ["<@one,@two:a@old.example>", "<@one,@two:a@new.example>"],
    ["( x ) a . b (y) @ old . example ( z )", "( x ) a.b@new.example ( z )"],
    ["a@x.example,\r\n  B <b@x.example>", "a@x.example,\r\n  B <b@x.example>"],
    ["undisclosed-recipients:;", "undisclosed-recipients:;"],
    ["a@old.example b@old.example", null],
    ['"a@old.example', null],
  ];
  for (const [value, written] of table) assertEquals(replaceMailboxes(value, change), written, value);
});

Deno.test("property: who changes nothing writes what was read, and what is written reads as it was meant", () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab@.,;:<>()"[] \\\u00e9'), maxLength: 60 });
  fc.assert(fc.property(text, (value) => {
    const same = replaceMailboxes(value, () => null);
    if (same !== null) assertEquals(same, value);
    const before = mailboxesIn(value), after = replaceMailboxes(value, () => ({ local: "n", domain: "new.example" }));
    assertEquals(same === null, after === null);
    if (before === null || after === null) return;
    const read = mailboxesIn(after)!;
    assertEquals(read.length, before.length);
  }));
});
