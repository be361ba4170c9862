/** What a peer can send stays small in the ledger, and telling of it never ends a line or a process. */
import { assert, assertEquals } from "@std/assert";
import { newId } from "../../../core/model/id.ts";
import { Reply } from "../../../core/model/reply.ts";
import { openSqliteLedger } from "../../../core/ledger/sqlite.ts";
import { Recorder } from "../../../core/ledger/recording/recorder.ts";
import { mapStrings, replaceAddresses } from "../../../core/ledger/archive/redaction.ts";
import { Tally } from "../../../core/ledger/recording/tally.ts";
import { Happening } from "./happenings.ts";

const AT = Date.UTC(2026, 10, 30, 12);
const recorded = () => {
  const lines: string[] = [];
  const recorder = new Recorder({
    tally: new Tally(),
    now: () => AT,
    sink: (line) => lines.push(line),
    waits() {},
    sessions: 100,
  });
  return { lines, recorder };
};

Deno.test("a HELO of 1 MB, 1,000 recipients and 10,000 decisions are one row of a sane size", async () => {
  const ledger = openSqliteLedger({ now: () => AT });
  const session = new Happening(ledger.observe, { at: AT, helo: "h".repeat(1e6) });
  const transaction = newId(AT + 1), recipients = Array.from({ length: 1000 }, (_, i) => `r${i}@example.org`);
  for (let i = 0; i < 10_000; i++) {
    session.decide("data", `p${i}`, "next", { transaction, reason: "x".repeat(100_000) });
    session.tell({
      type: "scored",
      session: session.session,
      transaction,
      plugin: `p${i}`,
      points: 1,
      reason: "r".repeat(1000),
    });
  }
  session.tell({
    type: "accepted",
    session: session.session,
    transaction,
    ip: "192.0.2.7",
    sender: "ada@example.net",
    recipients,
    size: 1,
    ms: 1,
    held: null,
    messageId: "m".repeat(1e6),
  });
  session.close();
  const story = (await ledger.explain(transaction))!;
  assertEquals([story.cut, story.recipients.length, story.recipientCount, story.points], [true, 50, 1000, 10_000]);
  assert(story.steps.length <= 1000 && story.steps.length >= 500, String(story.steps.length));
  assert(JSON.stringify(story).length < 2e6, String(JSON.stringify(story).length));
  assertEquals((await ledger.search({ to: "r999@example.org" })).entries.map(({ id }) => id), [transaction]);
  assert((await ledger.size()).octets < 4e6);
  await ledger.close();
});

Deno.test("any text of a peer comes back as it was, and can be searched for without harm", async () => {
  const ledger = openSqliteLedger({ now: () => AT });
  const evils = [
    '"',
    "\\",
    "\n\t\r",
    "\x00",
    "\u202e",
    "\ud800x",
    "'; drop table entry; --",
    "* OR *",
    "(",
    "NEAR(a b)",
    "^a",
    "a:b",
    "{",
    "é@ü.example",
    "\u2028",
  ];
  const ids: string[] = [];
  for (const [i, evil] of evils.entries()) {
    const session = new Happening(ledger.observe, { at: AT + i * 10, helo: evil });
    ids.push(session.reject(`${evil}@example.net`, [`${evil}@example.org`], { reason: evil }));
    session.close();
  }
  for (const [i, evil] of evils.entries()) {
    const story = (await ledger.explain(ids[i]!))!;
    assertEquals(
      [story.helo, story.reason],
      [evil, evil].map((each) => each.toWellFormed() === each ? each : story.helo),
      evil,
    );
    for (
      const query of [{ q: evil }, { from: evil }, { to: `${evil}@example.org` }, { plugin: evil }, { ip: evil }, {
        before: evil,
      }]
    ) {
      await ledger.search(query);
    }
    await ledger.explain(evil);
  }
  assertEquals((await ledger.search({ limit: 100 })).entries.length, evils.length);
  await ledger.close();
});

Deno.test("only so many sessions are in memory; of one more nothing is kept, and mail goes on", () => {
  const { lines, recorder } = recorded();
  const sessions = Array.from({ length: 150 }, (_, i) => new Happening(recorder.observe, { at: AT + i }));
  for (const session of sessions) session.accept("ada@example.net", ["bob@example.org"]);
  for (const session of sessions) session.close();
  recorder.release();
  assertEquals(lines.filter((line) => line.startsWith("e")).length, 100);
});

Deno.test("a transaction is one entry, whatever order its events come in", () => {
  const { lines, recorder } = recorded();
  const session = new Happening(recorder.observe, { at: AT });
  const id = session.reject("a@example.net", ["b@example.org"]);
  session.decide("data", "late", "next", { transaction: id }); // one that ran beside who refused
  session.decide("deliver", "srs", "next", { transaction: id });
  session.tell({ type: "scored", session: session.session, transaction: id, plugin: "late", points: 1, reason: "x" });
  session.refuse("DATA", new Reply(503, "5.5.1", "No"), { transaction: id });
  session.tell({
    type: "abandoned",
    session: session.session,
    transaction: newId(AT + 5),
    sender: "",
    recipients: [],
    reason: "reset",
  });
  session.close();
  session.close();
  recorder.release();
  assertEquals(lines.map((line) => line[0]), ["l", "l", "l", "e", "e", "s"]);
});

Deno.test("redaction: every way in which an address stands in a text", () => {
  const cases: readonly [string, string][] = [
    ["bob@example.org", "[bob@example.org]"],
    ["<bob@example.org>: no such user.", "<[bob@example.org]>: no such user."],
    ["to bob@example.org, carol+x@b.example.", "to [bob@example.org], [carol+x@b.example]."],
    ['"a b"@example.org is quoted', '["a b"@example.org] is quoted'],
    ["bob@[192.0.2.7] literal", "[bob@[192.0.2.7]] literal"],
    ["no address @ all", "no address @ all"],
    ["@example.org and bob@", "@example.org and bob@"],
    ["a@b@c.example", "[a@b]@c.example"],
    ["jürgen@bücher.example", "[jürgen@bücher.example]"],
    ["mailto:bob@example.org?subject=x", "mailto:[bob@example.org]?subject=x"],
    ["", ""],
  ];
  for (const [text, expected] of cases) assertEquals(replaceAddresses(text, (each) => `[${each}]`), expected, text);
  assertEquals(mapStrings({ a: ["x@y.example", 1, null, { b: true }] }, (text) => text.toUpperCase()), {
    a: ["X@Y.EXAMPLE", 1, null, { b: true }],
  });
});

Deno.test("redaction is linear: a megabyte of the worst takes no time to speak of", () => {
  const began = performance.now();
  for (const unit of ["a", "@", 'a"@', "a@", "[", ".@", '"', "a@b."]) {
    replaceAddresses(unit.repeat(Math.floor(1e6 / unit.length)), () => "x");
  }
  assert(performance.now() - began < 20_000);
});
