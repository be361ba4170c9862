/** A transaction that only asks: MAIL, RCPT, and RSET; never DATA, never BDAT, whatever the peer offers or says. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseAddress } from "../../../../core/model/address.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../../core/model/envelope.ts";
import { ClientSession } from "../../../../core/smtp/client/mod.ts";
import { octets } from "../../../support/bytes.ts";
import { clientOptions, opening, play, transaction } from "../../../support/client_dialogue.ts";

const QUESTION = [transaction(["x@y.example"], { sender: null })];
const TWO = [transaction(["x@y.example", "z@y.example"], { sender: null })];
const PIPELINING = opening("PIPELINING", "CHUNKING", "SIZE 10", "8BITMIME");
const ASKED = `${PIPELINING}
    > ask
    C: MAIL FROM:<>
    C: RCPT TO:<x@y.example>
    `;

Deno.test("one command at a time: the answer is told before RSET is said, and the session is ready after it", async () => {
  const script = `${opening("SIZE 10", "8BITMIME")}
    > ask
    C: MAIL FROM:<>
    S: 250 2.1.0 OK
    C: RCPT TO:<x@y.example>
    S: 250 2.1.5 OK
    C: RCPT TO:<z@y.example>
    S: 550 5.1.1 nobody
    E: done accept 2.1.5 rcpt; reject 5.1.1 rcpt
    C: RSET
    S: 250 flushed
    E: ready
    > quit
    C: QUIT
    S: 221 bye
    E: close`;
  for (const cut of [Infinity, 1, 3]) await play(script, { send: TWO, cut });
});

Deno.test("with PIPELINING and CHUNKING all up to RCPT at once, and no size; then a message on the same connection", async () => {
  const script = `${PIPELINING}
    > ask
    C: MAIL FROM:<>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    S<< 250 OK\\r\\n251 2.1.5 will forward\\r\\n450 4.2.0 not now\\r\\n
    E: done accept 2.1.5 rcpt; defer 4.2.0 rcpt
    C: RSET
    S: 250 OK
    E: ready
    > send
    C: MAIL FROM:<a@b.example> SIZE=9
    C: RCPT TO:<x@y.example>
    E: content
    > write 123456\\r\\n
    > end
    C: BDAT 8 LAST
    C: 123456
    S<< 250 OK\\r\\n250 OK\\r\\n250 taken\\r\\n
    E: done accept 2.0.0 dot
    E: ready`;
  for (const cut of [Infinity, 1]) {
    await play(script, { send: [...TWO, transaction(["x@y.example"], { size: 9 })], cut });
  }
});

Deno.test("LMTP is asked the same way", async () => {
  await play(
    `S: 220 local
    C: LHLO out.example.org
    S: 250-mx
    S: 250 PIPELINING
    E: ready
    > ask
    C: MAIL FROM:<>
    C: RCPT TO:<x@y.example>
    S<< 250 OK\\r\\n250 OK\\r\\n
    E: done accept 2.0.0 rcpt
    C: RSET
    S: 250 OK
    E: ready`,
    { options: { lmtp: true }, send: QUESTION },
  );
});

Deno.test("MAIL that is refused is everybody's refusal, whatever is said to RCPT", async () => {
  await play(
    `${PIPELINING}
    > ask
    C: MAIL FROM:<>
    C: RCPT TO:<x@y.example>
    C: RCPT TO:<z@y.example>
    S: 550 5.7.1 no bounces here
    S: 250 OK
    S: 503 5.5.1 MAIL first
    E: done reject 5.7.1 mail; reject 5.7.1 mail
    C: RSET
    S: 250 OK
    E: ready`,
    { send: TWO },
  );
  await play(
    `${opening()}
    > ask
    C: MAIL FROM:<>
    S: 451 4.7.1 come again
    E: done defer 4.7.1 mail; defer 4.7.1 mail
    C: RSET
    S: 250 OK
    E: ready`,
    { send: TWO },
  );
});

Deno.test("what a message left open is closed before the question, once", async () => {
  await play(
    `${opening()}
    > send
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<x@y.example>
    S: 550 5.1.1 nobody
    E: done reject 5.1.1 rcpt
    E: ready
    > ask
    C: RSET
    S: 250 OK
    C: MAIL FROM:<>
    S: 250 OK
    C: RCPT TO:<x@y.example>
    S: 250 OK
    E: done accept 2.0.0 rcpt
    C: RSET
    S: 250 OK
    E: ready
    > send
    C: MAIL FROM:<>`,
    { send: [transaction(), ...QUESTION] },
  );
});

Deno.test("nothing is said of who cannot be asked for", async () => {
  const wide = { address: { local: "\u00fc", domain: "y.example" }, parameters: NO_RCPT_PARAMETERS };
  await play(
    `${opening()}
    > ask
    E: done reject 5.6.7 envelope
    E: ready`,
    { send: [transaction([], { recipients: [wide] })] },
  );
  await play(
    `${opening()}
    > ask
    E: done reject 5.7.30 envelope
    E: ready`,
    { send: [transaction(["x@y.example"], { parameters: { ...NO_MAIL_PARAMETERS, requireTls: true } })] },
  );
  await play(
    `${opening("8BITMIME", "SMTPUTF8")}
    > ask
    C: MAIL FROM:<a@b.example> SMTPUTF8
    S: 250 OK
    C<< RCPT TO:<\\xc3\\xbc@y.example>\\r\\n
    S: 250 OK
    E: done accept 2.0.0 rcpt
    C: RSET
    S: 250 OK
    E: ready`,
    { send: [transaction([], { recipients: [wide] })] },
  );
});

Deno.test("RFC 9422: a question counts among the transactions and domains that a peer takes in a session", async () => {
  await play(
    `${opening("LIMITS MAILMAX=1 RCPTDOMAINMAX=1")}
    > ask
    C: MAIL FROM:<a@b.example>
    S: 250 OK
    C: RCPT TO:<x@y.example>
    S: 250 OK
    E: done accept 2.0.0 rcpt; untried 4.5.3 envelope
    C: RSET
    S: 250 OK
    C: QUIT
    S: 221 bye
    E: close`,
    { send: [transaction(["x@y.example", "x@z.example"])] },
  );
});

Deno.test("case 62: peers that are none end it, and what was told stands", async () => {
  const told = `${ASKED}S<< 250 OK\\r\\n250 OK\\r\\n
    E: done accept 2.0.0 rcpt
    C: RSET
    `;
  const table: readonly (readonly [what: string, script: string])[] = [
    ["354 to MAIL", `${ASKED}S: 354 go\nE: done defer 4.5.0 mail\nE: close defer 4.5.0 mail`],
    ["354 to RCPT", `${ASKED}S: 250 OK\nS: 354 go\nE: done defer 4.5.0 rcpt\nE: close defer 4.5.0 rcpt`],
    ["no reply", `${ASKED}S: 250 OK\nS: hello\nE: done defer 4.5.0 rcpt\nE: close defer 4.5.0 rcpt`],
    ["421 to MAIL", `${ASKED}S: 421 4.3.2 bye\nE: done defer 4.3.2 mail\nE: close defer 4.3.2 mail`],
    ["421 to RCPT", `${ASKED}S: 250 OK\nS: 421 4.3.2 bye\nE: done defer 4.3.2 rcpt\nE: close defer 4.3.2 rcpt`],
    [
      "an answer to RSET before it is said",
      `${ASKED}S<< 250 OK\\r\\n250 OK\\r\\n250 flushed\\r\\n\nE: done accept 2.0.0 rcpt\nE: close defer 4.5.0 envelope`,
    ],
    [
      "half an answer to RSET before it is said",
      `${ASKED}S<< 250 OK\\r\\n250 OK\\r\\n25\nE: done accept 2.0.0 rcpt\nE: close defer 4.5.0 envelope`,
    ],
    ["RSET refused", `${told}S: 502 5.5.1 what?\nC: QUIT\nE: close defer 4.5.1 reset`],
    ["RSET answered by 354", `${told}S: 354 go\nE: close defer 4.5.0 reset`],
    ["421 to RSET", `${told}S: 421 4.3.2 bye\nE: close defer 4.3.2 reset`],
    ["silence after RSET", `${told}> lost too slow\nE: close defer 4.4.2 reset`],
    ["silence after MAIL", `${ASKED}> lost too slow\nE: done defer 4.4.2 mail\nE: close defer 4.4.2 mail`],
    ["silence after RCPT", `${ASKED}S: 250 OK\n> lost gone\nE: done defer 4.4.2 rcpt\nE: close defer 4.4.2 rcpt`],
  ];
  for (const [what, script] of table) {
    await play(script, { send: QUESTION }).catch((error) => {
      throw new Error(`${what}: ${error.message}`);
    });
  }
});

Deno.test("case 67: what no command can say is not asked, and nothing else can be asked meanwhile", () => {
  const session = new ClientSession(clientOptions());
  session.receive(octets("220 x\r\n"));
  session.next();
  session.receive(octets("250 x\r\n"));
  session.next();
  session.takeOutput();
  const recipient = { address: { local: "x>\r\nRSET\r\n", domain: "y.example" }, parameters: NO_RCPT_PARAMETERS };
  const envelope = { sender: parseAddress("a@b.example"), parameters: NO_MAIL_PARAMETERS };
  assertThrows(() => session.ask({ ...envelope, recipients: [recipient] }), TypeError);
  assertEquals([session.ready, session.takeOutput().length], [true, 0]);
  session.ask({ ...envelope, recipients: transaction().recipients });
  assertThrows(() => session.ask({ ...envelope, recipients: transaction().recipients }), Error, "sending");
});
