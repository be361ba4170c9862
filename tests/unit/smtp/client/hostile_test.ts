/** Peers that do not speak SMTP, leave, or want more than they should: cases 62, 63 and 64. */
import { assert, assertEquals } from "@std/assert";
import { Input } from "../../../../core/smtp/input.ts";
import { ClientSession, PeerReply } from "../../../../core/smtp/client/mod.ts";
import { Malformed, ReplyReader } from "../../../../core/smtp/client/reply_reader.ts";
import { octets } from "../../../support/bytes.ts";
import { clientOptions, described, opening, play, transaction } from "../../../support/client_dialogue.ts";

/** What is no reply, wherever it comes. */
const BROKEN: readonly (readonly [what: string, raw: string])[] = [
  ["two digits", "25\r\n"],
  ["one digit", "2\r\n"],
  ["four digits", "2500 OK\r\n"],
  ["no space behind the code", "250OK\r\n"],
  ["no code", "OK\r\n"],
  ["an empty line", "\r\n"],
  ["a space first", " 250 OK\r\n"],
  ["1xx", "150 soon\r\n"],
  ["6xx", "650 OK\r\n"],
  ["0xx", "050 OK\r\n"],
  ["LF alone", "250 OK\n"],
  ["LF alone in the middle", "250-OK\n250 OK\r\n"],
  ["LF first", "\n"],
  ["another code in the middle", "250-a\r\n550 b\r\n"],
  ["another code of the class", "250-a\r\n251 b\r\n"],
  ["a line that is no line of it", "250-a\r\nb\r\n250 c\r\n"],
  ["binary", "\xff\xfe\0\x01\r\n"],
  ["a TLS alert", "\x15\x03\x01\0\x02\x02\x28\r\n"],
  ["a web server", "HTTP/1.1 400 Bad Request\r\n"],
  ["a line without an end", `250 ${"x".repeat(5000)}`],
  ["a line that is too long", `250 ${"x".repeat(5000)}\r\n`],
  ["binary without an end", "\0".repeat(5000)],
  ["lines without an end", "250-x\r\n".repeat(101)],
  ["big lines without an end", `250-${"x".repeat(4000)}\r\n`.repeat(20)],
  ["continuation without an end, empty", "250-\r\n".repeat(101)],
];

const hear = (session: ClientSession, text: string) => {
  session.receive(octets(text));
  const events = [];
  for (let event = session.next(); event !== null; event = session.next()) events.push(event);
  return events;
};

Deno.test("case 62: what is no reply is temporary, and the connection is given up without a word", () => {
  for (const [what, text] of BROKEN) {
    const session = new ClientSession(clientOptions());
    const [event, ...more] = hear(session, text);
    assert(event?.type === "close" && more.length === 0, what);
    assertEquals([event.failure?.verdict, event.failure?.status], ["defer", "4.5.0"], what);
    assertEquals(session.takeOutput().length, 0, what);
    assertEquals([session.closed, session.wait], [true, null], what);
    assertEquals(hear(session, "220 x\r\n"), [], what);
  }
});

Deno.test("case 62: at every step of a transaction, and in any cut", async () => {
  for (const [what, text] of BROKEN.slice(0, 18)) {
    const bad = `S<< ${[...text].map((char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join("")}`;
    const begun = `${opening("PIPELINING")}
      > send
      C: MAIL FROM:<a@b.example>
      C: RCPT TO:<x@y.example>
      C: DATA
      `;
    const all = [
      `S: 220 x\nC: EHLO out.example.org\n${bad}\nE: close defer 4.5.0 hello`,
      `${begun}${bad}\nE: done defer 4.5.0 mail\nE: close defer 4.5.0 mail`,
      `${begun}S: 250 OK\n${bad}\nE: done defer 4.5.0 rcpt\nE: close defer 4.5.0 rcpt`,
      `${begun}S: 250 OK\nS: 250 OK\n${bad}\nE: done defer 4.5.0 data\nE: close defer 4.5.0 data`,
      `${begun}S: 250 OK\nS: 250 OK\nS: 354 go\nE: content\n> end\nC: .\n${bad}\nE: done defer 4.5.0 dot?\nE: close defer 4.5.0 dot`,
    ];
    for (const script of all) {
      for (const cut of [Infinity, 1]) {
        await play(script, { cut }).catch((error) => {
          throw new Error(`${what}, cut ${cut}: ${error.message}`);
        });
      }
    }
  }
});

Deno.test("case 62: replies of a class that the step does not have are no answers", async () => {
  const begun = `${opening("PIPELINING")}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    `;
  await play(`S: 354 go\nE: close defer 4.5.0 greeting`);
  await play(`S: 220 x\nC: EHLO out.example.org\nS: 354 go\nE: close defer 4.5.0 hello`);
  await play(`${begun}S: 354 go\nE: done defer 4.5.0 mail\nE: close defer 4.5.0 mail`);
  await play(`${begun}S: 250 OK\nS: 354 to RCPT\nE: done defer 4.5.0 rcpt\nE: close defer 4.5.0 rcpt`);
  await play(`${begun}S: 250 OK\nS: 250 OK\nS: 250 to DATA\nE: done defer 4.5.0 data\nE: close defer 4.5.0 data`);
  await play(`${begun}S: 250 OK\nS: 250 OK\nS: 334 go\nE: done defer 4.5.0 data\nE: close defer 4.5.0 data`);
  await play(`${begun}S: 250 OK\nS: 250 OK\nS: 354 go\nE: content\n> end\nC: .\nS: 354 go
    E: done defer 4.5.0 dot?\nE: close defer 4.5.0 dot`);
});

Deno.test("case 62: replies to nothing end the connection, and nothing that was said before is undone", async () => {
  await play(`${opening("PIPELINING")}\nS: 250 OK\nE: close defer 4.5.0 envelope`);
  await play(`${opening("PIPELINING")}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    S<< 250 OK\\r\\n250 OK\\r\\n354 go\\r\\n250 early\\r\\n
    E: content
    E: done defer 4.5.0 block
    E: close defer 4.5.0 block
    > write x
    > end`);
  await play(`${opening("PIPELINING")}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    S<< 250 OK\\r\\n250 OK\\r\\n354 go\\r\\n
    E: content
    > end
    C: .
    S<< 250 OK\\r\\n250 OK\\r\\n
    E: done accept 2.0.0 dot
    E: close defer 4.5.0 envelope`);
  // A host that answers each event at once must not take what was said too early for an answer to it
  const session = new ClientSession(clientOptions());
  hear(session, "220 x\r\n");
  hear(session, "250-x\r\n250 PIPELINING\r\n");
  session.send(transaction());
  session.receive(octets("250 OK\r\n250 OK\r\n354 go\r\n250 queued\r\n"));
  const outcomes = [];
  for (let event = session.next(); event !== null; event = session.next()) {
    if (event.type === "content") event.sink.end();
    if (event.type === "done") outcomes.push(...event.outcomes.map(described));
  }
  assertEquals(outcomes, ["defer 4.5.0 block"]);
  await play(`S: 220 x
    C: EHLO out.example.org
    S<< 250 x\\r\\n2
    E: close defer 4.5.0 envelope`);
  await play(`S: 220 x
    C: EHLO out.example.org
    S<< 250 x\\r\\n421 4.3.2 bye\\r\\n
    E: close defer 4.3.2 envelope`);
});

Deno.test("a refusal in the middle of DATA is the message's, and no dot follows what was cut off", async () => {
  await play(`${opening("PIPELINING")}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    S<< 250 OK\\r\\n250 OK\\r\\n354 go\\r\\n
    E: content
    > write half of it\\r\\n
    C: half of it
    S: 552 5.3.4 too big
    E: done reject 5.3.4 block
    E: close reject 5.3.4 block
    > write the other half\\r\\n
    > end`);
});

Deno.test("case 62: replies are read in constant memory, and texts are one printable line, cut", () => {
  const read = (text: string): PeerReply => {
    const input = new Input();
    input.add(octets(text));
    const reply = new ReplyReader().read(input);
    assert(reply instanceof PeerReply, text.slice(0, 40));
    return reply;
  };
  const cases: readonly (readonly [raw: string, status: string, text: string, whole: string])[] = [
    ["250\r\n", "2.0.0", "", "250"],
    ["250 \r\n", "2.0.0", "", "250"],
    ["550 5.1.1 no such user\r\n", "5.1.1", "no such user", "550 5.1.1 no such user"],
    ["550 5.1.1\r\n", "5.1.1", "", "550 5.1.1"],
    ["550-5.7.1 a\r\n550 5.7.1 b\r\n", "5.7.1", "a b", "550 5.7.1 a 5.7.1 b"],
    ["550-5.7.1 a\r\n550-\r\n550 b\r\n", "5.7.1", "a b", "550 5.7.1 a b"],
    ["550 4.7.1 liar\r\n", "5.0.0", "4.7.1 liar", "550 4.7.1 liar"],
    ["450 4.1234.1 liar\r\n", "4.2.0", "4.1234.1 liar", "450 4.1234.1 liar"],
    ["421 bye\r\n", "4.3.2", "bye", "421 bye"],
    ["499 odd\r\n", "4.0.0", "odd", "499 odd"],
    ["551 moved\r\n", "5.1.6", "moved", "551 moved"],
    ["550 a\0b\x1b[31mc\rd\te\r\n", "5.0.0", "a?b?[31mc?d e", "550 a?b?[31mc?d e"],
    ["550 na\xc3\xafve \xe2\x80\xae \xe2\x80\xa8 \xff\r\n", "5.0.0", "naïve ? ? \ufffd", "550 naïve ? ? \ufffd"],
  ];
  for (const [raw, status, text, whole] of cases) {
    const reply = read(raw);
    assertEquals([reply.status, reply.text, reply.toString()], [status, text, whole], JSON.stringify(raw));
  }
  const long = read(`${`550-${"x".repeat(3000)}\r\n`.repeat(10)}550 y\r\n`);
  assertEquals([long.text.length, long.toString().length], [1003, 1003]);
});

Deno.test("case 62: a reader fed octet by octet gives up at the same octet, whatever it is made of", () => {
  for (const [what, text] of BROKEN) {
    const input = new Input(), reader = new ReplyReader();
    let held = 0, given: unknown = null;
    for (const octet of octets(text)) {
      input.add(Uint8Array.of(octet));
      given = reader.read(input);
      held = Math.max(held, input.left);
      if (given !== null) break;
    }
    assert(given instanceof Malformed, what);
    assert(held <= 4097, `${what}: ${held} octets held`);
  }
});

Deno.test("case 63: octets in clear behind the 220 to STARTTLS end the attempt, in one segment or two", async () => {
  const begun = `S: 220 x
    C: EHLO out.example.org
    S: 250-x
    S: 250 STARTTLS
    C: STARTTLS
    `;
  for (const tls of ["if offered", "required"] as const) {
    await play(`${begun}S<< 220 go\\r\\n250 PIPELINING\\r\\n\nE: close defer 4.7.0 starttls`, { options: { tls } });
    await play(`${begun}S<< 220 go\\r\\n2\nE: close defer 4.7.0 starttls`, { options: { tls } });
    await play(`${begun}S: 220 go\nE: starttls\nS: 250 OK\nE: close defer 4.7.0 starttls`, { options: { tls } });
  }
});

Deno.test("case 64: the connection ends at each step: temporary, and after the dot it may have arrived", async () => {
  await play(`> lost closed\nE: close defer 4.4.2 greeting`);
  await play(`S: 220 x\nC: EHLO out.example.org\n> lost closed\nE: close defer 4.4.2 hello`);
  const steps = ["S: 250 OK", "S: 250 OK", "S: 354 go\nE: content", "> write x\\r\\n\nC: x", "> end\nC: ."];
  const names = ["mail", "rcpt", "data", "block", "block", "dot?"];
  for (const [done, name] of names.entries()) {
    await play(`${opening("PIPELINING")}
      > send
      C: MAIL FROM:<a@b.example>
      C: RCPT TO:<x@y.example>
      C: DATA
      ${steps.slice(0, done).join("\n")}
      > lost closed
      E: done defer 4.4.2 ${name}
      E: close defer 4.4.2 ${name.replace("?", "")}`);
  }
});

Deno.test("case 64: LMTP: who had an answer has it; for the others it may have arrived", async () => {
  for (const end of ["> lost closed", "S: 421 4.3.2 bye"]) {
    const third = end.startsWith("S") ? "defer 4.3.2 dot; defer 4.3.2 dot?" : "defer 4.4.2 dot?; defer 4.4.2 dot?";
    await play(
      `S: 220 x
      C: LHLO out.example.org
      S: 250-x
      S: 250 PIPELINING
      E: ready
      > send
      C: MAIL FROM:<a@b.example>
      C: RCPT TO:<x@y.example>
      C: RCPT TO:<y@y.example>
      C: RCPT TO:<z@y.example>
      C: DATA
      S<< 250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n354 go\\r\\n
      E: content
      > end
      C: .
      S: 250 2.0.0 saved
      ${end}
      E: done accept 2.0.0 dot; ${third}
      E: close defer ${third.slice(6, 11)} dot`,
      { options: { lmtp: true }, send: [transaction(["x@y.example", "y@y.example", "z@y.example"])] },
    );
  }
});

Deno.test("case 64: 421 anywhere is temporary and ends the connection; who was refused before stays refused", async () => {
  const begun = `${opening("PIPELINING")}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<y@y.example>
    C: DATA
    `;
  const send = [transaction(["x@y.example", "y@y.example"])];
  await play(`${begun}S: 421 4.3.2 bye\nE: done defer 4.3.2 mail; defer 4.3.2 mail\nE: close defer 4.3.2 mail`, {
    send,
  });
  await play(
    `${begun}S: 250 OK\nS: 550 5.1.1 no\nS: 421 4.3.2 bye\nE: done reject 5.1.1 rcpt; defer 4.3.2 rcpt\nE: close defer 4.3.2 rcpt`,
    { send },
  );
  await play(
    `${begun}S: 250 OK\nS: 250 OK\nS: 421 4.3.2 bye\nE: done defer 4.3.2 rcpt; defer 4.3.2 rcpt\nE: close defer 4.3.2 rcpt`,
    { send },
  );
  await play(
    `${begun}S<< 250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n354 go\\r\\n\nE: content\n> end\nC: .\nS: 421 4.3.2 bye
    E: done defer 4.3.2 dot; defer 4.3.2 dot\nE: close defer 4.3.2 dot`,
    { send },
  );
});
