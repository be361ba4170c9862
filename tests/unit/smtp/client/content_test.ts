/** Content as the client engine writes it: DATA and BDAT (RFC 5321 4.5.2, RFC 3030), cases 2, 51 and 67. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineWriter } from "../../../../core/smtp/client/line_writer.ts";
import { Output } from "../../../../core/smtp/client/output.ts";
import { ClientSession, type ContentSink } from "../../../../core/smtp/client/mod.ts";
import { latin1, octets } from "../../../support/bytes.ts";
import { readVectors } from "../../../support/vectors.ts";
import { clientOptions, opening, play, transaction } from "../../../support/client_dialogue.ts";

function written(pieces: readonly string[], dots: boolean): string {
  const output = new Output(), lines = new LineWriter(dots);
  for (const piece of pieces) lines.write(octets(piece), output);
  lines.end(output);
  return latin1(output.take());
}

Deno.test("dots are doubled, the last line is ended, whatever the cut", () => {
  const cases: readonly (readonly [content: string, wire: string])[] = [
    ["", ".\r\n"],
    ["a\r\n", "a\r\n.\r\n"],
    ["a", "a\r\n.\r\n"],
    [".", "..\r\n.\r\n"],
    [".\r\n", "..\r\n.\r\n"],
    ["..\r\n", "...\r\n.\r\n"],
    ["a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
    ["a.b\r\n.c\r\n..d", "a.b\r\n..c\r\n...d\r\n.\r\n"],
    ["\r\n\r\n", "\r\n\r\n.\r\n"],
    ["\r\n.", "\r\n..\r\n.\r\n"],
  ];
  for (const [content, wire] of cases) {
    assertEquals(written([content], true), wire, JSON.stringify(content));
    assertEquals(written([...content], true), wire, JSON.stringify(content));
  }
});

Deno.test("cases 2 and 67: a bare CR or LF leaves as a space", () => {
  const cases: readonly (readonly [content: string, wire: string])[] = [
    ["a\nb\r\n", "a b\r\n.\r\n"],
    ["a\rb\r\n", "a b\r\n.\r\n"],
    ["a\n.\nb", "a . b\r\n.\r\n"],
    ["a\r.\rb", "a . b\r\n.\r\n"],
    ["a\r\r\nb", "a \r\nb\r\n.\r\n"],
    ["a\n\r\n.\r\n", "a \r\n..\r\n.\r\n"],
    ["a\r", "a \r\n.\r\n"],
    ["\n", " \r\n.\r\n"],
    ["\r", " \r\n.\r\n"],
    ["a\r\n.\n", "a\r\n.. \r\n.\r\n"],
  ];
  for (const [content, wire] of cases) {
    assertEquals(written([content], true), wire, JSON.stringify(content));
    assertEquals(written([...content], true), wire, JSON.stringify(content));
  }
});

for (const { id, bytes_b64 } of readVectors<{ id: string; bytes_b64: string }[]>("smtp-smuggling/endings.json") ?? []) {
  Deno.test(`case 2: ${id} in stored content ends no message on its way out`, () => {
    const content = `Subject: x\r\n\r\nouter${atob(bytes_b64)}MAIL FROM:<evil@b.example>\r\n.\r\nDATA\r\n`;
    for (const pieces of [[content], [...content]]) {
      const wire = written(pieces, true);
      assertEquals(wire.indexOf("\r\n.\r\n"), wire.length - 5);
      assert(!/(^|[^\r])\n|\r(?!\n)/.test(wire), JSON.stringify(wire));
    }
  });
}

const stray = fc.array(fc.constantFrom("\r", "\n", "\r\n", ".", "\r\n.", "a", "bc", "\0", "\xff", "."), {
  maxLength: 40,
});

Deno.test("cases 2 and 67: any octets in any cut: CRLF only, one end, as long as before, and undone by unstuffing", () => {
  fc.assert(
    fc.property(stray, fc.array(fc.nat(80)), (parts, cuts) => {
      const content = parts.join(""), whole = written([content], true);
      const ends = [...cuts.map((each) => Math.min(each, content.length)), content.length].sort((a, b) => a - b);
      let from = 0;
      const pieces = ends.map((end) => content.slice(from, from = end));
      assertEquals(written(pieces, true), whole);
      assert(!/(^|[^\r])\n|\r(?!\n)/.test(whole), JSON.stringify(whole));
      assertEquals(`\r\n${whole}`.indexOf("\r\n.\r\n"), whole.length - 3);
      const clean = content.replace(/\r(?!\n)|(?<!\r)\n/g, " ");
      const undone = whole.slice(0, -3).replace(/(^|\r\n)\.\./g, "$1.");
      assertEquals(undone, clean === "" || clean.endsWith("\r\n") ? clean : `${clean}\r\n`);
      assertEquals(written(pieces, false), clean); // a chunk: as long as it was
    }),
    { numRuns: 500 },
  );
});

const CHUNKING = opening("PIPELINING", "CHUNKING", "8BITMIME", "BINARYMIME");

Deno.test("case 51: a small message goes with its envelope, dots as they are", async () => {
  await play(`${CHUNKING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    E: content
    > write .a\\r\\n.
    > write \\r\\n
    > end
    C: BDAT 7 LAST
    C: .a
    C: .
    S<< 250 OK\\r\\n250 OK\\r\\n250 queued\\r\\n
    E: done accept 2.0.0 dot
    E: ready
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    E: content
    > end
    C: BDAT 0 LAST
    S<< 250 OK\\r\\n250 OK\\r\\n554 5.6.0 empty\\r\\n
    E: done reject 5.6.0 dot
    E: ready
    > send
    C: RSET
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    E: content`);
});

Deno.test("small chunks for nobody are answered and forgotten, given late or not", async () => {
  await play(`${CHUNKING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    E: content
    > write a\\r\\n
    > end
    C: BDAT 3 LAST
    C: a
    S<< 250 OK\\r\\n550 5.1.1 no\\r\\n503 5.5.1 no recipients\\r\\n
    E: done reject 5.1.1 rcpt
    E: ready`);
  await play(`${CHUNKING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    E: content
    > write a\\r\\n
    S<< 250 OK\\r\\n550 5.1.1 no\\r\\n
    E: done reject 5.1.1 rcpt
    E: ready
    # nothing that still comes of the old content leaks into the next transaction
    > send
    C: RSET
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    E: content`);
});

Deno.test("a big message is not sent before somebody wants it", async () => {
  const send = [transaction(["x@y.example"], { size: 1_000_000 })];
  await play(
    `${CHUNKING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    S<< 250 OK\\r\\n
    S<< 550 5.1.1 no\\r\\n
    E: done reject 5.1.1 rcpt
    E: ready
    > send
    C: RSET
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    S<< 250 OK\\r\\n250 OK\\r\\n
    S: 250 OK
    E: content`,
    { send },
  );
});

/** A session whose content is wanted. */
function wanted(
  extensions: readonly string[],
  body: "7BIT" | "8BITMIME" | "BINARYMIME",
): { session: ClientSession; sink: ContentSink; hear: (text: string) => string[] } {
  const session = new ClientSession(clientOptions());
  let sink: ContentSink | null = null;
  const hear = (text: string) => {
    session.receive(octets(text));
    const events: string[] = [];
    for (let event = session.next(); event !== null; event = session.next()) {
      if (event.type === "content") sink = event.sink;
      events.push(event.type === "done" ? `done ${event.outcomes.map((each) => each.status)}` : event.type);
    }
    return events;
  };
  hear("220 x\r\n");
  hear(["x", ...extensions].map((each, i) => `250${i === extensions.length ? " " : "-"}${each}\r\n`).join(""));
  session.send(transaction(["x@y.example"], { body, size: 10_000_000 }));
  for (let turns = 0; sink === null && turns < 4; turns++) hear("250 OK\r\n");
  session.takeOutput();
  return { session, sink: sink!, hear };
}

Deno.test("chunks are bounded, some go ahead unanswered, then the host is told to wait and to go on", () => {
  const { session, sink, hear } = wanted(["PIPELINING", "CHUNKING"], "7BIT");
  const piece = octets("0123456789abcde\n".repeat(4096)); // 64 KiB
  let writes = 0;
  do writes++; while (sink.write(piece));
  const sizes = [...latin1(session.takeOutput()).matchAll(/BDAT (\d+)\r\n/g)].map(([, size]) => Number(size));
  assertEquals([writes, sizes], [8, Array(8).fill(65536)]);
  assertEquals(sink.write(piece), false); // it takes it all the same
  assertEquals(session.takeOutput().length, 0);
  assertEquals(hear("250 OK\r\n"), []); // what was held back took the room
  assertEquals(session.takeOutput().length, "BDAT 65536\r\n".length + 65536);
  assertEquals(hear("250 OK\r\n"), ["content"]);
  sink.end();
  assertEquals(latin1(session.takeOutput()), "BDAT 0 LAST\r\n");
  assertEquals(hear("250 OK\r\n".repeat(7)), []);
  assertEquals(hear("250 2.6.0 queued\r\n"), ["done 2.6.0", "ready"]);
});

Deno.test("without PIPELINING each chunk waits for the answer to the one before", () => {
  const { session, sink, hear } = wanted(["CHUNKING", "8BITMIME", "BINARYMIME"], "BINARYMIME");
  assertEquals(sink.write(octets("\r\n.\n\0\xff".repeat(20_000))), false);
  assertEquals([...latin1(session.takeOutput()).matchAll(/BDAT (\d+)( LAST)?\r\n/g)].map(([, size]) => size), [
    "65536",
  ]);
  sink.end();
  assertEquals(session.takeOutput().length, 0);
  hear("250 OK\r\n");
  const rest = latin1(session.takeOutput());
  assert(rest.startsWith("BDAT 54464 LAST\r\n"), rest.slice(0, 40));
  assertEquals(rest.length, "BDAT 54464 LAST\r\n".length + 54464);
  assertEquals(hear("250 OK\r\n"), ["done 2.0.0", "ready"]);
});

Deno.test("a chunk that is refused ends the message; RSET follows", () => {
  const { session, sink, hear } = wanted(["PIPELINING", "CHUNKING"], "7BIT");
  sink.write(new Uint8Array(140_000).fill(120));
  assertEquals(hear("552 5.3.4 too big\r\n"), []);
  assertEquals(sink.write(new Uint8Array(100_000)), false);
  sink.end();
  session.takeOutput();
  assertEquals(hear("503 5.5.1 RSET first\r\n"), ["done 5.3.4", "ready"]);
  session.send(transaction());
  assert(latin1(session.takeOutput()).startsWith("RSET\r\nMAIL FROM:"));
});

Deno.test("LMTP: a binary message ends with an empty chunk that goes alone", async () => {
  await play(
    `S: 220 local
    C: LHLO out.example.org
    S: 250-local
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-CHUNKING
    S: 250 BINARYMIME
    E: ready
    > send
    C: MAIL FROM:<a@b.example> BODY=BINARYMIME
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    S<< 250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n
    E: content
    > write \\0\\n
    > end
    C: BDAT 2
    C<< \\0\\n
    S: 250 OK
    C: BDAT 0 LAST
    S: 250 2.0.0 saved
    S: 452 4.2.2 full
    E: done accept 2.0.0 dot; defer 4.2.2 dot
    E: ready`,
    { options: { lmtp: true }, send: [transaction(["x@y.example", "z@y.example"], { body: "BINARYMIME" })] },
  );
});

Deno.test("a sink of a transaction that is over takes nothing", async () => {
  const { session, sink, hear } = wanted(["PIPELINING", "CHUNKING"], "7BIT");
  sink.write(octets("one\r\n"));
  sink.end();
  hear("250 OK\r\n");
  session.takeOutput();
  session.send(transaction(["z@y.example"]));
  session.takeOutput();
  assertEquals(sink.write(octets("for somebody else\r\n")), false);
  sink.end();
  assertEquals(session.takeOutput().length, 0);
  await play(`${opening()}
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<x@y.example>
    S: 250 OK
    C: DATA
    S: 354 go
    E: content
    > end
    C: .
    > end
    > write late
    S: 250 OK
    E: done accept 2.0.0 dot
    E: ready`);
});
