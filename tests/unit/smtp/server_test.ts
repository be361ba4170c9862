/** What the engine counts, keeps and tells, where a dialogue script would be long. */
import { assert, assertEquals } from "@std/assert";
import { accept, defer, reject, Reply } from "../../../core/model/reply.ts";
import { COMMANDS } from "../../../core/smtp/commands/mod.ts";
import { Offer } from "../../../core/smtp/extensions.ts";
import type { ServerOptions } from "../../../core/smtp/server.ts";
import { codes, converse, type HostAnswer, LIMITS } from "../../support/engine.ts";

const HELLO = "EHLO c.example\r\n", MAIL = "MAIL FROM:<a@sender.example>\r\n", RCPT = "RCPT TO:<b@example.org>\r\n";
const MESSAGE = "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n";

Deno.test("case 30: recipients beyond the limit are 452 and end neither the session nor the earlier recipients", () => {
  const { output, messages } = converse([HELLO + MAIL + RCPT.repeat(180) + MESSAGE]);
  assertEquals(output.match(/^452 4\.5\.3 /gm)?.length, 80);
  assertEquals(messages.length, 1);
  const endless = converse([HELLO + MAIL + RCPT.repeat(1000)]);
  assertEquals(endless.closed, "too many errors");
});

Deno.test("case 16: recipients that a plugin refuses are free for a while, then errors; those that it defers are free longer", () => {
  const guess = (times: number, reply: Reply = reject("5.1.1", "No such user here")) =>
    converse([HELLO + MAIL + RCPT.repeat(times)], {}, (event) => event.type === "rcpt" ? reply : undefined);
  assertEquals(guess(LIMITS.junk + LIMITS.errors).closed, null);
  assertEquals(guess(LIMITS.junk + LIMITS.errors + 1).closed, "too many errors");
  assertEquals(guess(LIMITS.recipients + LIMITS.errors, defer("4.7.1", "Come again")).closed, null);
  // a message that goes through makes them free again
  let asked = 0;
  const mixed = converse(
    [HELLO, ...Array.from({ length: 5 }, () => MAIL + RCPT.repeat(50) + RCPT + MESSAGE)],
    {},
    (event) => event.type === "rcpt" && ++asked % 51 !== 0 ? reject("5.1.1", "No such user here") : undefined,
  );
  assertEquals([mixed.closed, mixed.messages.length], [null, 5]);
});

Deno.test("case 11: a byte order mark is part of the command, and makes it another one", () => {
  assertEquals(codes(converse(["\xef\xbb\xbfEHLO c.example\r\n"]).output), "220 500");
});

Deno.test("parameters cost their length: six hundred of them are looked at once each", () => {
  const words = Array.from({ length: 600 }, (_, i) => `k${i.toString(36)}`).join(" ");
  const { output } = converse([HELLO, `MAIL FROM:<a@sender.example> ${words}\r\n`], {
    limits: { ...LIMITS, command: 65_536 },
  });
  assertEquals(codes(output), "220 250 555");
});

Deno.test("a spoiled message is told with its transaction: spoiled at once, refused at its end, then reset", () => {
  const { events } = converse([HELLO + MAIL + RCPT + "DATA\r\n", "a\nb", "c\r\n.\r\n"]);
  const names = events.map((event) => event.type === "refused" ? `refused ${event.command}` : event.type);
  assertEquals(names.slice(-4), ["content", "spoiled", "refused message", "reset"]);
});

Deno.test("LMTP: a list of replies of another length than the recipients is a defect, not a session out of step", () => {
  const lmtp = (replies: number) =>
    converse(
      ["LHLO c.example\r\n" + MAIL + RCPT.repeat(3) + MESSAGE],
      { lmtp: true },
      (event) => event.type === "message" ? Array.from({ length: replies }, () => accept("kept")) : undefined,
    );
  assertEquals(lmtp(3).output.match(/^250 2\.0\.0 kept/gm)?.length, 3);
  for (const wrong of [0, 2, 4]) {
    let thrown: unknown;
    try {
      lmtp(wrong);
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof Error, `${wrong} replies`);
  }
});

Deno.test("a verb of the peer's own making names no command, and the log is told no more than its length", () => {
  const { events } = converse([Array.from({ length: 15 }, (_, i) => `VERB${i}${"X".repeat(500)}\r\n`).join("")]);
  const refused = events.filter((event) => event.type === "refused");
  assertEquals(refused.length, 15);
  assertEquals(new Set(refused.map((event) => event.command)), new Set(["unknown"]));
  assert(refused.every(({ reply }) => /^a word of 50\d characters$/.test(reply.options.reason!)));
});

Deno.test("case 40: what follows a refused AUTH is not told by the log, for it may be the password", () => {
  for (const refused of ["AUTH LOGIN x y", "AUTH CRAM-MD5", "AUTH PLAIN"]) {
    const { events, output } = converse([`EHLO c.example\r\n${refused}\r\nS3cretPassw0rd\r\nAGFsaWNlAFMzY3JldA==\r\n`]);
    assertEquals(codes(output).split(" ").slice(-2), ["500", "500"]);
    assert(!/s3cret|AGFs/i.test(JSON.stringify(events)), refused);
  }
});

Deno.test("case 16: no command can be said for ever without moving something", () => {
  const { junk, errors } = LIMITS;
  const loops = {
    NOOP: "NOOP\r\n",
    RSET: "RSET\r\n",
    VRFY: "VRFY a\r\n",
    HELP: "HELP\r\n",
    EHLO: HELLO,
    "MAIL and RSET": `${MAIL}RSET\r\n`,
    "MAIL and EHLO": MAIL + HELLO,
    "RCPT over and over": `${MAIL}${RCPT.repeat(150)}RSET\r\n`,
  };
  for (const [name, loop] of Object.entries(loops)) {
    const { closed } = converse([HELLO, ...Array.from({ length: junk + errors + 2 }, () => loop)]);
    assertEquals(closed, "too many errors", name);
  }
  const chunks = converse([HELLO + MAIL + RCPT, ...Array.from({ length: junk + errors + 2 }, () => "BDAT 0\r\n")]);
  assertEquals(chunks.closed, "too many errors", "empty chunks");
  const honest = converse([HELLO + MAIL + RCPT, ...Array.from({ length: 2000 }, () => "BDAT 1\r\nx")]);
  assertEquals(honest.closed, null, "octet by octet is slow, not idle");
});

Deno.test("SEMANTICS 5: a refusal of the engine inside a transaction has the host's reference, once, and no other has", () => {
  const sign = (reply: Reply) => new Reply(reply.code, reply.status, `${reply.text} (ref X)`, reply.options);
  const refusals = (text: string, options = {}, answer: HostAnswer = () => undefined) =>
    converse([text], options, answer, sign).output.split("\r\n")
      .filter((line) => /^[45]/.test(line)).map((line) => `${line.slice(0, 9)} ${line.split("(ref X)").length - 1}`);
  assertEquals(refusals(`${MAIL}${HELLO}RCPT TO:<b>\r\nNONSENSE\r\n`), ["503 5.5.1 0", "503 5.5.1 0", "500 5.5.1 0"]);
  const rows: [after: string, line: string, code: string][] = [
    [MAIL, "NONSENSE\r\n", "500 5.5.1"],
    [MAIL, "DATA\r\n", "503 5.5.1"],
    [MAIL, "RCPT TO:<<b>\r\n", "501 5.1.3"],
    [MAIL, "BDAT 1\r\nx", "503 5.5.1"],
    [MAIL + RCPT, "DATA\r\na\nb\r\n.\r\n", "550 5.5.2"],
    [MAIL + RCPT, `DATA\r\n${`${"x".repeat(98)}\r\n`.repeat(1100)}.\r\n`, "552 5.3.4"],
    [MAIL + RCPT, "BDAT 3 LAST\r\na\nb", "550 5.5.2"],
    [MAIL + RCPT, "BDAT 3\r\na\nb", "550 5.5.2"],
  ];
  for (const [after, line, code] of rows) {
    assertEquals(refusals(HELLO + after + line), [`${code} 1`], line.slice(0, 20));
  }
  const lmtp = `LHLO c.example\r\n${MAIL}${RCPT}${RCPT}DATA\r\na\nb\r\n.\r\nNONSENSE\r\n`;
  assertEquals(refusals(lmtp, { lmtp: true }), ["550 5.5.2 1", "550 5.5.2 1", "500 5.5.1 0"]);
  const full = defer("4.3.1", "No room (ref X)", { code: 452 });
  for (const line of ["DATA\r\n", "BDAT 1\r\nx"]) {
    assertEquals(refusals(HELLO + MAIL + RCPT + line, {}, (event) => event.type === "content" ? full : undefined), [
      "452 4.3.1 1",
    ], "the host's own is signed");
  }
});

Deno.test("HELP names the verbs that are done here, and each of them is", () => {
  const hidden = new Offer({ size: 1000, recipients: 100, hide: ["CHUNKING"] });
  const rows: [Partial<ServerOptions>, string][] = [
    [{}, "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP (RFC 5321)"],
    [{ vrfy: "off", offer: hidden }, "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT HELP (RFC 5321)"],
    [{ lmtp: true }, "LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP (RFC 2033)"],
  ];
  for (const [options, words] of rows) {
    assertEquals(converse(["HELP\r\n"], options).output.split("\r\n")[1], `214 2.0.0 ${words}`);
    const named = words.split(" (")[0]!.split(" ");
    for (const verb of [...COMMANDS.keys()].filter((each) => !["STARTTLS", "AUTH", "BDAT"].includes(each))) {
      const code = converse([`${verb} x\r\n`], options).output.split("\r\n")[1]!.slice(0, 3);
      assertEquals(code === "500" || code === "502", !named.includes(verb), `${verb} ${code}`);
    }
  }
});

Deno.test("a command out of order is told what is missing", () => {
  const last = (text: string, lmtp = false) => converse([text], { lmtp }).output.trim().split("\r\n").at(-1);
  for (const line of [MAIL, RCPT, "DATA\r\n", "BDAT 1\r\nx"]) {
    assertEquals(last(line), "503 5.5.1 Say EHLO first");
    assertEquals(last(line, true), "503 5.5.1 Say LHLO first");
  }
  assertEquals(last(HELLO + MAIL + MAIL), "503 5.5.1 A transaction is open: finish it, or say RSET first");
  assertEquals(last(HELLO + RCPT), "503 5.5.1 MAIL first");
  for (const line of [MAIL, RCPT, "BDAT 1\r\nx"]) {
    assertEquals(last(HELLO + MAIL + RCPT + "BDAT 3\r\na\nb" + line), "503 5.5.1 RSET first");
  }
  assertEquals(last(HELLO + MAIL + RCPT + "BDAT 1\r\nx" + MAIL), last(HELLO + MAIL + MAIL));
});

Deno.test("LMTP: a last chunk that the host has no room for is refused to each recipient (RFC 2033 4.2)", () => {
  const full = defer("4.3.1", "No space", { code: 452 });
  const text = "LHLO c.example\r\nMAIL FROM:<a@s.example>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n";
  const host: HostAnswer = (event) => event.type === "content" ? full : undefined;
  for (const [chunk, replies] of [["BDAT 3 LAST\r\nabc", 2], ["BDAT 3\r\nabc", 1]] as const) {
    const { output } = converse([text + chunk], { lmtp: true }, host);
    assertEquals(output.split("\r\n").filter((line) => line.startsWith("452 4.3.1 ")).length, replies, chunk);
  }
});
