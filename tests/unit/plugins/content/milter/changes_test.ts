/** Changes that a milter asks for at the end of a message, over a real socket: what becomes of header, body and envelope. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, on, parallel } from "../../../../../core/pipeline/mod.ts";
import { milter } from "../../../../../plugins/content/milter/mod.ts";
import { STEPS } from "../../../../../plugins/content/milter/protocol.ts";
import { agreed, FakeMilter, harmless, packet, type Said, uint32 } from "../../../../support/fake_milter.ts";
import { Stage } from "./stage.ts";

const ending = (...said: Said[]) => new FakeMilter((heard) => heard.letter === "E" ? [...said, "c"] : harmless(heard));
const add = (name: string, value: string) => packet("h", `${name}\0${value}\0`);
const insert = (index: number, name: string, value: string) => packet("i", `${uint32(index)}${name}\0${value}\0`);
const change = (index: number, name: string, value: string) => packet("m", `${uint32(index)}${name}\0${value}\0`);
const MESSAGE = "Received: theirs\nSubject: one\nX: 1\nX: 2\nX: 3\n\nHello\n";

/** The fields as they would be written, ours as "Received: ours". */
async function section(...said: Said[]): Promise<string[]> {
  await using fake = ending(...said);
  using stage = new Stage([milter({ connect: fake.place })]);
  assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
  const [header, body] = stage.written.split("\r\n\r\n");
  assertEquals(body, "Hello\r\n");
  return header!.replace(stage.received.trimEnd(), "Received: ours").split(/\r\n(?![ \t])/);
}
const PLAIN = ["Received: ours", "Received: theirs", "Subject: one", "X: 1", "X: 2", "X: 3"];

Deno.test("fields are added at the end, and inserted where the milter counts them", async () => {
  const without = (at: number, ...fields: string[]) => PLAIN.toSpliced(at, 0, ...fields);
  assertEquals(await section(), PLAIN);
  assertEquals(await section(add("A", "b"), add("A", "c")), [...PLAIN, "A: b", "A: c"]);
  assertEquals(await section(insert(0, "A", "b")), without(0, "A: b"));
  assertEquals(await section(insert(1, "A", "b")), without(1, "A: b")); // behind our own Received
  assertEquals(await section(insert(2, "A", "b")), without(2, "A: b"));
  assertEquals(await section(insert(99, "A", "b"), add("B", "c")), [...PLAIN, "A: b", "B: c"]);
  assertEquals(await section(insert(1, "A", "b"), insert(1, "B", "c")), without(1, "B: c", "A: b"));
  assertEquals(await section(insert(0, "A", "b"), insert(1, "B", "c")), without(0, "A: b", "B: c"));
});

Deno.test("fields are changed by their number among those of their name, which a removal does not shift", async () => {
  assertEquals(await section(change(2, "x", "two")), PLAIN.with(4, "X: two"));
  assertEquals(await section(change(1, "X", ""), change(3, "X", "three")), [...PLAIN.slice(0, 3), "X: 2", "X: three"]);
  assertEquals(await section(change(1, "X", ""), change(2, "X", ""), change(3, "X", "")), PLAIN.slice(0, 3));
  assertEquals(await section(change(1, "X", ""), change(1, "X", "back")), PLAIN.with(3, "X: back"));
  assertEquals(await section(change(0, "X", "zero")), PLAIN.with(3, "X: zero"));
  assertEquals(await section(change(1, "Received", "r")), PLAIN.with(1, "Received: r")); // ours is not theirs to change
  assertEquals(await section(change(7, "X", "new")), [...PLAIN, "X: new"]);
  assertEquals(await section(change(7, "X", "")), PLAIN);
  assertEquals(await section(add("X", "4"), change(4, "X", "four")), [...PLAIN, "X: four"]);
  assertEquals(await section(insert(3, "X", "0"), change(1, "X", "zero")), PLAIN.toSpliced(3, 0, "X: zero"));
  assertEquals(await section(add("X", "4"), change(4, "X", "")), PLAIN);
});

Deno.test("a field stays one field, its folds stand", async () => {
  assertEquals(await section(add("A", "b;\n\tc;\r\n d")), [...PLAIN, "A: b;\r\n\tc;\r\n d"]);
  assertEquals(await section(add("A", "b\nBcc: evil@example.net\n\nbody")), [
    ...PLAIN,
    "A: b Bcc: evil@example.net body",
  ]);
  assertEquals(await section(change(1, "Subject", "b\r\nBcc: c")), PLAIN.with(2, "Subject: b Bcc: c"));
});

Deno.test("a finding that is not written yet can be seen and not be changed", async () => {
  await using fake = ending(change(1, "Authentication-Results", ""), insert(1, "A", "b"));
  using stage = new Stage([milter({ connect: fake.place })], {
    before: [{
      name: "finder",
      handlers: { data: (ctx, next) => (ctx.attest({ method: "spf", result: "pass" }), next()) },
    }],
  });
  await stage.deliver(MESSAGE);
  assert(
    stage.written.startsWith("Authentication-Results: mx.example.org;\r\n\tspf=pass\r\nA: b\r\nReceived:"),
    stage.written,
  );
  assertEquals(stage.notes, ["milter: no Authentication-Results to change"]);
});

Deno.test("another body, in pieces; every line of it ends in CRLF", async () => {
  const rows: [pieces: string[], body: string][] = [
    [["one\r\ntwo\r\n"], "one\r\ntwo\r\n"],
    [["one\r", "\ntwo", "\n.\n", "\r"], "one\r\ntwo\r\n.\r\n\r\n"],
    [["a\r\rb\n\r\n"], "a\r\n\r\nb\r\n\r\n"],
    [["a\r", "b"], "a\r\nb"],
    [[""], ""],
    [["x".repeat(65_535), "y".repeat(65_535)], "x".repeat(65_535) + "y".repeat(65_535)],
  ];
  for (const [pieces, body] of rows) {
    await using fake = ending(...pieces.map((piece) => packet("b", piece)), add("A", "b"));
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
    assertEquals(stage.written.endsWith(`X: 3\r\nA: b\r\n\r\n${body}`), true, JSON.stringify(pieces).slice(0, 80));
    assertEquals(stage.events.filter(({ type }) => type === "rewritten").length, 1);
  }
});

Deno.test("sender and recipients", async () => {
  const rows: [said: Said[], sender: string, recipients: string[], notes: string[]][] = [
    [[packet("e", "<new@example.net>\0")], "new@example.net", ["b", "c"], [
      "milter: sender <a@example.net> is now <new@example.net>",
    ]],
    [[packet("e", "new@example.net\0SIZE=10\0")], "new@example.net", ["b", "c"], [
      "milter: parameters of MAIL stay as they are",
      "milter: sender <a@example.net> is now <new@example.net>",
    ]],
    [[packet("e", "<>\0")], "a@example.net", ["b", "c"], ["milter: the sender stays <a@example.net>"]],
    [[packet("+", "<d@example.org>\0")], "a@example.net", ["b", "c", "d+"], ["milter: added <d@example.org>"]],
    [[packet("2", "<d@example.org>\0NOTIFY=NEVER\0")], "a@example.net", ["b", "c", "d+"], [
      "milter: a recipient is added without parameters",
      "milter: added <d@example.org>",
    ]],
    [[packet("-", "<B@Example.ORG>\0")], "a@example.net", ["c"], ["milter: took <b@example.org> away"]],
    [[packet("-", "b@example.org\0"), packet("+", "b@example.org\0")], "a@example.net", ["c", "b+"], [
      "milter: took <b@example.org> away",
      "milter: added <b@example.org>",
    ]],
    [[packet("+", "d@example.org\0"), packet("-", "d@example.org\0")], "a@example.net", ["b", "c"], []],
    [[packet("-", "x@example.org\0")], "a@example.net", ["b", "c"], []],
    [[packet("-", "b@example.org\0"), packet("-", "c@example.org\0")], "a@example.net", [], [
      "milter: took <b@example.org> away",
      "milter: took <c@example.org> away",
    ]],
  ];
  for (const [said, sender, recipients, notes] of rows) {
    await using fake = ending(...said);
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver(MESSAGE, ["b@example.org", "c@example.org"]), "250 2.0.0 OK");
    assertEquals(formatAddress(stage.ctx.sender), sender);
    const kept = stage.kept.map(({ recipient: { address, copy } }) => `${address.local}${copy ? "+" : ""}`);
    assertEquals([kept, stage.notes], [recipients, notes]);
  }
});

Deno.test("mail from nobody stays so", async () => {
  await using fake = ending(packet("e", "<new@example.net>\0"));
  using stage = new Stage([milter({ connect: fake.place })]);
  await stage.connect();
  await stage.helo();
  await stage.mail(null);
  await stage.rcpt();
  assertEquals(await stage.data(MESSAGE), "250 2.0.0 OK");
  assertEquals(stage.ctx.sender, null);
});

Deno.test("quarantine", async () => {
  for (const [reason, held] of [["odd\r\none", "milter: odd one"], ["", "milter: quarantined"]]) {
    await using fake = ending(packet("q", `${reason}\0`));
    using stage = new Stage([milter({ connect: fake.place })]);
    assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
    assertEquals([stage.ctx.held, stage.kept.map(({ state }) => state)], [held!, ["held"]]);
  }
});

Deno.test("two milters, one behind the other: the second sees what the first has made of it", async () => {
  await using first = ending(
    insert(0, "A", "b"),
    change(1, "X", ""),
    change(1, "Subject", "two"),
    packet("b", "other\r\n"),
  );
  await using second = new FakeMilter((heard) =>
    heard.letter === "O"
      ? agreed(6, 0x1ff, STEPS.silentHeader)
      : heard.letter === "L"
      ? null
      : heard.letter === "E"
      ? [add("Last", "c"), change(1, "A", "changed"), "c"]
      : harmless(heard)
  );
  using stage = new Stage([milter({ connect: first.place }), milter({ connect: second.place })]);
  assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
  assertEquals(second.data("L"), ["A\0b\0", "Received\0theirs\0", "Subject\0two\0", "X\x002\0", "X\x003\0"]);
  assertEquals(second.data("B"), ["other\r\n"]);
  const received = stage.received;
  assertEquals(
    stage.written,
    `A: changed\r\n${received}Received: theirs\r\nSubject: two\r\nX: 2\r\nX: 3\r\nLast: c\r\n\r\nother\r\n`,
  );
});

Deno.test("beside another that changes the header it changes nothing: places would be those of other fields", async () => {
  await using fake = ending(change(1, "X", ""));
  const other = on("data", (ctx, next) => (ctx.prependHeader("A", "b"), next()), { name: "other" });
  using stage = new Stage([parallel(milter({ connect: fake.place }), other)]);
  assertEquals(await stage.deliver(MESSAGE), "451 4.3.0 Local error in processing");
  assertEquals(stage.reasons("milter"), ["others changed the header meanwhile: parallel"]);
});

Deno.test("what the operator does not allow is not offered, and a milter that does it all the same has failed", async () => {
  await using fake = ending(packet("-", "<b@example.org>\0"));
  fake.script = ((script) => (heard) => heard.letter === "O" ? agreed(6, 1) : script(heard))(fake.script);
  const told: string[] = [], trouble = (message: string) => void told.push(message);
  using stage = new Stage([milter.parse({ connect: fake.place, actions: ["add_headers"] }, [], { trouble })]);
  assertEquals(told, []);
  assertEquals((await stage.deliver(MESSAGE)).slice(0, 9), "451 4.3.0");
  assertEquals(fake.data("O"), [uint32(6) + uint32(0x101) + uint32(0x301fffff)]);
  assertEquals(told, [`${fake.place}: it may not do that: delete-recipient`]);
  assertEquals(stage.kept, []);
});

Deno.test("too many recipients or octets of fields are a milter's mistake, and nothing of them counts", async () => {
  const flood: [Said[], RegExp][] = [
    [Array.from({ length: 101 }, (_, at) => packet("+", `<c${at}@example.net>\0`)), /adds too many recipients/],
    [Array.from({ length: 9 }, () => add("A", "x".repeat(1024 * 1024 - 10))), /changes too much/],
  ];
  for (const [said, why] of flood) {
    await using fake = ending(packet("-", "<b@example.org>\0"), packet("b", "other\r\n"), ...said);
    const quiet = { trouble: () => {} };
    using stage = new Stage([milter.parse({ connect: fake.place, unavailable: "skip" }, [], quiet)]);
    assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
    assertEquals([stage.kept.length, stage.kept[0]!.recipient.result], [1, null]);
    assertEquals(stage.written.endsWith("\r\n\r\nHello\r\n"), true);
    assert(stage.notes.some((note) => why.test(note)), stage.notes.join());
  }
});

Deno.test("changes that cannot all be made are not made by halves", async () => {
  await using fake = ending(packet("-", "<b@example.org>\0"), packet("+", "<c@example.net>\0"), add("A", "b"));
  const copier = on("data", (ctx, next) => {
    for (let at = 0; at < 100; at++) ctx.copyTo({ local: `x${at}`, domain: "example.net" });
    return next();
  }, { name: "copier" });
  const policy = { onError: "skip" } as const;
  using stage = new Stage([{ ...milter({ connect: fake.place }), policy }], { before: [copier] });
  assertEquals(await stage.deliver(MESSAGE), "250 2.0.0 OK");
  const kept = stage.kept.find(({ recipient }) => recipient.address.local === "b");
  assertEquals([kept?.recipient.result, stage.written.includes("\r\nA: b")], [null, false]);
});
