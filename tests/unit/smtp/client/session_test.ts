/** Conversations of the client engine: what it says when, and what it makes of the answers. */
import { assertEquals, assertThrows } from "@std/assert";
import { ClientSession } from "../../../../core/smtp/client/mod.ts";
import { clientOptions, opening, play, transaction } from "../../../support/client_dialogue.ts";
import { octets } from "../../../support/bytes.ts";

const PIPELINING = opening("PIPELINING");
const TWO = [transaction(["x@y.example", "z@y.example"])];

Deno.test("without PIPELINING one command at a time, DATA, and QUIT", async () => {
  await play(
    `${opening("SIZE 1000")}
    > send
    C: MAIL FROM:<a@b.example> SIZE=12
    S: 250 2.1.0 OK
    C: RCPT TO:<x@y.example>
    S: 250 2.1.5 OK
    C: RCPT TO:<z@y.example>
    S: 251 2.1.5 will forward
    C: DATA
    S: 354 go
    E: content
    > write a\\r\\n.b\\r\\nc
    C: a
    C: ..b
    C<< c
    > end
    C<< \\r\\n.\\r\\n
    S: 250 2.6.0 queued as 7
    E: done accept 2.6.0 dot; accept 2.6.0 dot
    E: ready
    > quit
    C: QUIT
    S: 221 bye
    E: close`,
    { send: TWO },
  );
});

Deno.test("with PIPELINING all up to DATA in one batch, and nothing behind it", async () => {
  const script = `${PIPELINING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S<< 250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n354 go\\r\\n
    E: content
    > end
    C: .
    S: 250 OK
    E: done accept 2.0.0 dot; accept 2.0.0 dot
    E: ready`;
  for (const cut of [Infinity, 1, 3]) await play(script, { send: TWO, cut });
});

Deno.test("EHLO that is refused is said again as HELO, and nothing is offered then", async () => {
  const session = await play(`
    S: 220 old
    C: EHLO out.example.org
    S: 502 5.5.1 what?
    C: HELO out.example.org
    S: 250-mx.y.example
    S: 250 PIPELINING
    E: ready
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<x@y.example>
    S: 250 OK
    C: DATA
    S: 354 go
    E: content`);
  assertEquals(session.peer.has("PIPELINING"), false);
});

Deno.test("LHLO has no fall-back, 4xx and 421 to EHLO have none, and 521 means it", async () => {
  await play(
    `S: 220 local
    C: LHLO out.example.org
    S: 500 5.5.1 what?
    C: QUIT
    E: close reject 5.5.1 hello`,
    { options: { lmtp: true } },
  );
  await play(`S: 220 x
    C: EHLO out.example.org
    S: 451 4.3.0 later
    C: QUIT
    E: close defer 4.3.0 hello`);
  await play(`S: 220 x
    C: EHLO out.example.org
    S: 421 later
    E: close defer 4.3.2 hello`);
  await play(`S: 220 x
    C: EHLO out.example.org
    S: 521 no mail here
    C: QUIT
    E: close reject 5.3.2 hello`);
  await play(`S: 220 x
    C: EHLO out.example.org
    S: 500 what
    C: HELO out.example.org
    S: 550 5.7.1 not you
    C: QUIT
    E: close reject 5.7.1 hello`);
});

Deno.test("a greeting of 5xx is for ever, of 4xx for now, in several lines", async () => {
  await play(`S: 220-hello
    S: 220 there
    C: EHLO out.example.org`);
  await play(`S: 554-5.7.1 blocked
    S: 554 5.7.1 see our site
    C: QUIT
    E: close reject 5.7.1 greeting`);
  await play(`S: 450 4.3.2 busy
    C: QUIT
    E: close defer 4.3.2 greeting`);
  await play(`S: 421 4.7.0 too many connections
    E: close defer 4.7.0 greeting`);
});

Deno.test("MAIL that is refused is everybody's refusal, whatever is said behind it", async () => {
  await play(
    `${PIPELINING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S: 451 4.7.1 come again
    S: 503 5.5.1 MAIL first
    S: 503 5.5.1 MAIL first
    S: 503 5.5.1 MAIL first
    E: done defer 4.7.1 mail; defer 4.7.1 mail
    E: ready
    > quit
    C: QUIT
    S: 221 bye
    E: close`,
    { send: TWO },
  );
  await play(`${opening()}
    > send
    C: MAIL FROM:<a@b.example>
    S: 550 5.1.8 who?
    E: done reject 5.1.8 mail
    E: ready`);
});

Deno.test("case 65: each recipient has its own result", async () => {
  const rest = `
    S: 550 5.1.1 nobody
    S: 451 4.2.1 later
    S: 250 OK
    S: 354 go
    E: content
    > end
    C: .
    S: 250 2.0.0 queued
    E: done reject 5.1.1 rcpt; defer 4.2.1 rcpt; accept 2.0.0 dot
    E: ready`;
  await play(
    `${PIPELINING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<y@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S: 250 OK${rest}`,
    { send: [transaction(["x@y.example", "y@y.example", "z@y.example"])] },
  );
});

Deno.test("case 13: with no recipient left a refused DATA needs RSET, and a 354 a lone dot", async () => {
  await play(`${PIPELINING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    S: 250 OK
    S: 550 5.1.1 nobody
    S: 554 5.5.1 no valid recipients
    E: done reject 5.1.1 rcpt
    E: ready
    > send
    C: RSET
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    S: 250 flushed
    S: 250 OK
    S: 450 4.2.0 not now
    S: 354 go on
    C: .
    S: 554 5.5.1 no valid recipients
    E: done defer 4.2.0 rcpt
    E: ready
    # the dot ended the transaction: no RSET
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA`);
  await play(`${opening()}
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<x@y.example>
    S: 550 no
    E: done reject 5.0.0 rcpt
    E: ready
    > send
    C: RSET
    S: 250 OK
    C: MAIL FROM:<a@b.example>`);
});

Deno.test("DATA that is refused and a message that is refused are everybody's who was accepted", async () => {
  await play(
    `${PIPELINING}
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S: 250 OK
    S: 250 OK
    S: 550 5.1.1 nobody
    S: 452 4.3.1 full
    E: done defer 4.3.1 data; reject 5.1.1 rcpt
    E: ready
    > send
    C: RSET
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S<< 250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n250 OK\\r\\n354 go\\r\\n
    E: content
    > end
    C: .
    S: 550 5.7.1 spam
    E: done reject 5.7.1 dot; reject 5.7.1 dot
    E: ready`,
    { send: TWO },
  );
});

Deno.test("LMTP: a reply for each accepted recipient, in their order", async () => {
  await play(
    `S: 220 local LMTP
    C: LHLO out.example.org
    S: 250-local
    S: 250-PIPELINING
    S: 250 CHUNKING
    E: ready
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<y@y.example>
    C: RCPT TO:<z@y.example>
    C: DATA
    S: 250 OK
    S: 250 OK
    S: 550 5.1.1 nobody
    S: 250 OK
    S: 354 go
    E: content
    > end
    C: .
    S: 452 4.2.2 full
    S: 250 2.0.0 saved
    E: done defer 4.2.2 dot; reject 5.1.1 rcpt; accept 2.0.0 dot
    E: ready`,
    { options: { lmtp: true }, send: [transaction(["x@y.example", "y@y.example", "z@y.example"])] },
  );
});

Deno.test("LMTP: 354 without a recipient is no LMTP", async () => {
  await play(
    `S: 220 local LMTP
    C: LHLO out.example.org
    S: 250-local
    S: 250 PIPELINING
    E: ready
    > send
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<x@y.example>
    C: DATA
    S: 250 OK
    S: 550 5.1.1 nobody
    S: 354 go
    E: done reject 5.1.1 rcpt
    E: close defer 4.5.0 envelope`,
    { options: { lmtp: true } },
  );
});

Deno.test("a kept connection is asked with RSET whether it lives, and tells when it goes", async () => {
  await play(`${PIPELINING}
    > probe
    C: RSET
    S: 250 OK
    E: ready
    > probe
    C: RSET
    S: 503 5.5.1 what?
    C: QUIT
    E: close defer 4.5.1 reset`);
  await play(`${PIPELINING}
    S: 421 4.4.2 idle for too long
    E: close defer 4.4.2 envelope`);
  await play(`${PIPELINING}
    > lost closed
    E: close defer 4.4.2 envelope`);
});

Deno.test("QUIT ends it whatever comes then", async () => {
  for (const line of ["S: 221 bye", "S: 500 what?", "S<< \\0\\n", "> lost reset by peer"]) {
    await play(`${PIPELINING}
      > quit
      C: QUIT
      ${line}
      E: close`);
  }
});

Deno.test("what is waited for, and how long, is said as data", () => {
  const session = new ClientSession(clientOptions());
  const hear = (text: string) => {
    session.receive(octets(text));
    const events = [];
    for (let event = session.next(); event !== null; event = session.next()) events.push(event);
    return events;
  };
  const waits = [session.wait];
  hear("220 x\r\n");
  waits.push(session.wait);
  hear("250 x\r\n");
  assertEquals(session.wait, null);
  session.send(transaction());
  waits.push(session.wait);
  hear("250 x\r\n");
  waits.push(session.wait);
  hear("250 x\r\n");
  waits.push(session.wait);
  const [event] = hear("354 x\r\n");
  waits.push(session.wait);
  if (event?.type === "content") event.sink.end();
  waits.push(session.wait);
  assertEquals(waits.map((wait) => `${wait?.for} ${wait?.seconds}`), [
    "greeting 300",
    "hello 300",
    "mail 300",
    "rcpt 300",
    "data 120",
    "block 180",
    "dot 600",
  ]);
  hear("250 x\r\n");
  assertEquals(session.wait, null);
});

Deno.test("nothing can be asked of a session that is not ready", () => {
  const session = new ClientSession(clientOptions());
  for (const ask of [() => session.send(transaction()), () => session.probe(), () => session.quit()]) {
    assertThrows(ask, Error, "nothing can be asked");
  }
  assertThrows(() => new ClientSession(clientOptions({ hostname: "" })), TypeError);
});
