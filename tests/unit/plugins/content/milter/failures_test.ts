/** A milter that is not there, silent, gone or incomprehensible at each step: the policy holds, and no mail is lost. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { milter } from "../../../../../plugins/content/milter/mod.ts";
import { STEPS } from "../../../../../plugins/content/milter/protocol.ts";
import { octets } from "../../../../support/bytes.ts";
import { agreed, FakeMilter, harmless, packet, type Said, uint32 } from "../../../../support/fake_milter.ts";
import { freePort } from "../../../../support/ports.ts";
import { waitFor } from "../../../../support/wait.ts";
import { Stage } from "./stage.ts";

const LATER = "451 4.3.0 The message cannot be checked at the moment, try again later";
const STEPS_OF_ALL = ["O", "C", "H", "M", "R", "T", "L", "N", "B", "E"];
const SHORT = { timeouts: { connect: "300ms", command: "300ms", content: "600ms" }, pause: "100ms" };

/** What the operator is told stays out of the test's output. */
function plugin(options: Parameters<typeof milter>[0], told: string[] = []) {
  return milter.parse(options, [], { trouble: (message) => void told.push(message) });
}

async function each(
  failing: (letter: string) => FakeMilter,
  { why, letters = STEPS_OF_ALL, options = {} }: { why: RegExp; letters?: readonly string[]; options?: object },
): Promise<void> {
  for (const letter of letters) {
    for (const unavailable of ["defer", "skip"] as const) {
      await using fake = failing(letter);
      const told: string[] = [];
      using stage = new Stage([plugin({ connect: fake.place, unavailable, ...options }, told)]);
      const reply = await stage.deliver();
      if (unavailable === "defer" && !"CH".includes(letter)) {
        assertEquals([reply, stage.kept.length], [LATER, 0], letter);
        assertMatch(stage.reasons("milter").at(-1)!, why, letter);
      } else if (unavailable === "skip") assertEquals([reply, stage.kept.length], ["250 2.0.0 OK", 1], letter);
      assertMatch(told[0]!, why, letter);
      assertEquals(told.length, 1, "told once a minute");
    }
  }
}

Deno.test("nobody listens", async () => {
  const place = `tcp://127.0.0.1:${freePort()}`, told: string[] = [];
  for (const [unavailable, reply] of [["defer", LATER], ["skip", "250 2.0.0 OK"]] as const) {
    using stage = new Stage([plugin({ connect: place, unavailable }, told)]);
    assertEquals(await stage.deliver(), reply);
    if (unavailable === "skip") assertEquals(stage.notes, ["milter: not checked: it failed before the message came"]);
  }
  assertEquals(told, [`${place}: connection refused`, `${place}: connection refused`]);
  using nowhere = new Stage([plugin({ connect: "unix:///nonexistent/socket" }, told)]);
  assertEquals(await nowhere.deliver(), LATER);
});

Deno.test("it hangs up at any step", async () => {
  await each((letter) => new FakeMilter((heard) => heard.letter === letter ? "hang up" : harmless(heard)), {
    why: /it closed the connection|it broke the connection/,
  });
});

Deno.test("it says what means nothing, or what it should not, at any step", async () => {
  const rubbish: [Said, RegExp, string[]?][] = [
    [octets("HTTP/1.1 400 Bad Request\r\n\r\n"), /announced a packet of 1213486160 octets/],
    ["z", /does not speak the milter protocol|said "z", which means nothing/],
    [packet("y", "250 2.0.0 yes\0"), /does not speak|its own reply is none/],
    [packet("c", "x"), /does not speak|goes on/],
    [
      packet("h", "A\0b\0"),
      /does not speak|changes the message \(add-header\) before its end/,
      STEPS_OF_ALL.slice(0, -1),
    ],
    ["d", /does not speak|said discard/, ["O", "C", "H"]],
    ["s", /does not speak|said skip/, ["O", "C", "H", "M", "R", "T", "N", "E"]],
    [packet("O", uint32(7) + uint32(0) + uint32(0)), /version 7|means nothing/],
    [packet("O", "abc"), /within a number|means nothing/],
    [agreed(6, 0x200), /wants to do what it may not: 0x200|means nothing/],
    [agreed(1), /version 1|means nothing/],
  ];
  for (const [said, why, letters = STEPS_OF_ALL] of rubbish) {
    await each((letter) => new FakeMilter((heard) => heard.letter === letter ? said : harmless(heard)), {
      why,
      letters,
    });
  }
});

Deno.test("changes that are none", async () => {
  const rows: [Said, RegExp][] = [
    [packet("h", "no name\0x\0"), /no header field name/],
    [packet("+", "not an address\0"), /adds a recipient that is none/],
    [packet("+", "<>\0"), /adds a recipient that is none/],
    [packet("-", "a@b@c\0"), /deletes a recipient that is none/],
    [packet("i", "A\0b"), /within a number|within a text/],
  ];
  for (const [said, why] of rows) {
    await each(
      (letter) =>
        new FakeMilter((heard) => heard.letter === letter ? [packet("b", "new"), said, "c"] : harmless(heard)),
      {
        why,
        letters: ["E"],
      },
    );
  }
});

Deno.test("a body that is never whole does not count", async () => {
  await using fake = new FakeMilter((heard) =>
    heard.letter === "E" ? [packet("b", "half"), "hang up"] : harmless(heard)
  );
  using stage = new Stage([plugin({ connect: fake.place, unavailable: "skip" })]);
  assertEquals(await stage.deliver("A: b\n\nHello\n"), "250 2.0.0 OK");
  assertEquals([stage.written.endsWith("\r\n\r\nHello\r\n"), stage.ctx.rewritten], [true, null]);
});

Deno.test("it is silent at any step", async () => {
  await each((letter) => new FakeMilter((heard) => heard.letter === letter ? null : harmless(heard)), {
    why: /no answer within|did not answer a moment ago/,
    options: SHORT,
    letters: ["O", "M", "R", "L", "E"],
  });
});

Deno.test("it says that it is at work, without end", async () => {
  await each((letter) => new FakeMilter((heard) => heard.letter === letter ? endless() : harmless(heard)), {
    why: /no answer within|it closed the connection|it broke|a moment ago/,
    options: SHORT,
    letters: ["M", "E"],
  });
});

/** Signs of life for longer than anybody waits. */
function endless(): Said[] {
  return Array(400_000).fill("p");
}

Deno.test("one that hung up between two messages is called again; one that does so at each is not called for ever", async () => {
  await using fake = new FakeMilter();
  using stage = new Stage([plugin({ connect: fake.place })]);
  await stage.deliver();
  fake.hangUp();
  await waitFor("the end", () => fake.ended === 1);
  assertEquals(await stage.mail(), "250 2.0.0 OK");
  assertEquals(await stage.rcpt(), "250 2.0.0 OK");
  assertEquals(await stage.data("A: b\n\nx\n"), "250 2.0.0 OK");
  assertEquals([fake.letters, fake.connections], ["OCHMRTLNBE" + "OCHMRTLNBE", 2]);
  fake.script = (heard) => heard.letter === "M" ? "hang up" : harmless(heard);
  assertEquals(await stage.mail(), LATER);
  assertEquals(fake.connections, 3); // the connection was there, and one more was tried
});

Deno.test("one that hangs up in the middle of a transaction is not told the rest of it by another connection", async () => {
  for (const unavailable of ["defer", "skip"] as const) {
    await using fake = new FakeMilter();
    using stage = new Stage([plugin({ connect: fake.place, unavailable })]);
    await stage.connect();
    await stage.helo();
    await stage.mail();
    await stage.rcpt();
    fake.hangUp();
    await waitFor("the end", () => fake.ended === 1);
    const reply = unavailable === "defer" ? LATER : "250 2.0.0 OK";
    assertEquals(await stage.data("A: b\n\nx\n"), reply);
    assertEquals([fake.letters, fake.connections], ["OCHMR", 1]);
  }
});

Deno.test("what failed in a transaction stays so until the next one", async () => {
  await using fake = new FakeMilter((heard) => heard.letter === "R" ? "hang up" : harmless(heard));
  using stage = new Stage([plugin({ connect: fake.place })]);
  await stage.connect();
  await stage.helo();
  await stage.mail();
  assertEquals([await stage.rcpt(), await stage.rcpt("c@example.org")], [LATER, LATER]);
  fake.script = harmless;
  assertEquals(await stage.rcpt(), LATER);
  assertEquals(await stage.mail(), "250 2.0.0 OK");
  assertEquals(await stage.rcpt(), "250 2.0.0 OK");
  assertEquals(await stage.data("A: b\n\nx\n"), "250 2.0.0 OK");
});

Deno.test("one that hangs is left alone for a while: sessions do not wait for it one after the other", async () => {
  await using fake = new FakeMilter(() => null);
  const waiting = plugin({ connect: fake.place, timeouts: { connect: "200ms" }, pause: "1h" });
  using stage = new Stage([waiting]);
  assertEquals(await stage.deliver(), LATER);
  assertEquals(fake.connections, 1);
  using other = new Stage([waiting]);
  assertEquals(await other.deliver(), LATER);
  assertEquals([fake.connections, other.reasons("milter").at(-1)], [
    1,
    `${fake.place}: it did not answer a moment ago`,
  ]);
});

Deno.test("the client goes while the milter is at work: the connection is closed, and nothing is kept", async () => {
  await using fake = new FakeMilter((heard) => heard.letter === "E" ? null : harmless(heard));
  using stage = new Stage([plugin({ connect: fake.place })]);
  const reply = stage.deliver();
  await waitFor("the end of the message", () => fake.letters.endsWith("E"));
  stage.ctx.abort("peer left");
  assertEquals((await reply).slice(0, 3), "451");
  await waitFor("the end of the connection", () => fake.ended === 1);
  assertEquals(stage.kept, []);
});

Deno.test("the time after the last octet is over: deferred, whatever the milter may have", async () => {
  await using fake = new FakeMilter((heard) => heard.letter === "E" ? null : harmless(heard));
  using stage = new Stage([plugin({ connect: fake.place, unavailable: "skip" })], { budget: 300 });
  assertEquals((await stage.deliver()).slice(0, 9), "451 4.3.0");
  assertEquals(stage.kept, []);
});

Deno.test("it answers twice", async () => {
  const twice = octets("\0\0\0\x01c\0\0\0\x01c");
  await each((letter) => new FakeMilter((heard) => heard.letter === letter ? twice : harmless(heard)), {
    why: /it does not speak|it spoke without being asked/,
  });
});

Deno.test("1e5 fields and a megabyte in one of them go by in bounded time", async () => {
  const many = `${"X: y\n".repeat(100_000)}\nbody\n`, large = `A: ${"x ".repeat(500_000)}\n\nbody\n`;
  await using fake = new FakeMilter((heard) =>
    heard.letter === "O" ? agreed(6, 0x1ff, STEPS.silentHeader) : "LDAQK".includes(heard.letter) ? null : "c"
  );
  for (const message of [many, large]) {
    using stage = new Stage([plugin({ connect: fake.place })]);
    const begun = performance.now();
    assertEquals(await stage.deliver(message), "250 2.0.0 OK");
    assert(performance.now() - begun < 20_000);
  }
  assertEquals(fake.data("L").length, 100_001);
});

Deno.test("options that are none", () => {
  const rows: [object, RegExp][] = [
    [{}, /connect/],
    [{ connect: "inet:8891@localhost" }, /must be the place of an engine/],
    [{ connect: "tcp://127.0.0.1:8891", protocol: 5 }, /must be 2, 3, 4 or 6/],
    [{ connect: "tcp://127.0.0.1:8891", timeouts: { connect: "1h" } }, /from 100ms to 30s/],
    [{ connect: "tcp://127.0.0.1:8891", macros: { "{a b}": "x" } }, /milter\.macros\.\{a b\}/],
    [{ connect: "tcp://127.0.0.1:8891", networks: ["here"] }, /no IP address or network/],
    [{ connect: "tcp://127.0.0.1:8891", actions: ["fly"] }, /add_headers/],
  ];
  for (const [options, why] of rows) {
    const error = assertThrows(() => milter(options as never), OptionsError);
    assertMatch(error.message, why);
  }
  const made = milter({ connect: "unix:///run/milter.sock" });
  assertEquals([made.deadline, made.mechanisms], [105_000, []]);
});
