/** A report as a message: its header, its three parts, what is returned, and what is never in it whatever strangers say. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import PostalMime from "postal-mime";
import type { Action } from "../../../core/dsn/event.ts";
import { report } from "../../../core/dsn/report.ts";
import { latin1, octets } from "../../support/bytes.ts";
import {
  address,
  aMessage,
  anEvent,
  anOriginal,
  BOB,
  HOUR,
  LETTER,
  NOW,
  OPTIONS,
  read,
  type ReadPart,
  RECEIVED,
  statusOf,
  STRANGER,
  theNotification,
  unicode,
  valueOf,
  write,
} from "./sample.ts";

const mail = (text: string) => octets(text.replaceAll("\n", "\r\n"));
const EAI = aMessage({ parameters: { smtputf8: true } });
const FULL = aMessage({ parameters: { ret: "FULL" } });

Deno.test("RFC 3464 appendix E: a simple DSN", async () => {
  const message = aMessage({ receivedAt: Date.UTC(1994, 6, 7, 21, 14), origin: { ...STRANGER, helo: "vnet.example" } });
  const to = address("louisl@larry.slip.umd.edu");
  const event = anEvent({
    to,
    original: to,
    orcpt: "rfc822;louisl@larry.slip.umd.edu",
    status: "4.0.0",
    cause: "expired",
    remote: { name: "larry.slip.umd.edu", ip: null },
    words: "426 connection timed out",
    at: Date.UTC(1994, 6, 7, 21, 15, 49),
  });
  const { parts } = read((await write([event], { message, options: { host: "cs.utk.edu" } })).content);
  assertEquals(statusOf(parts[1]!), [
    [
      ["Reporting-MTA", "dns; cs.utk.edu"],
      ["Received-From-MTA", "dns; vnet.example"],
      ["Arrival-Date", "Thu, 7 Jul 1994 21:14:00 +0000"],
    ],
    [
      ["Original-Recipient", "rfc822; louisl@larry.slip.umd.edu"],
      ["Final-Recipient", "rfc822; louisl@larry.slip.umd.edu"],
      ["Action", "failed"],
      ["Status", "4.0.0"],
      ["Remote-MTA", "dns; larry.slip.umd.edu"],
      ["Diagnostic-Code", "smtp; 426 connection timed out"],
      ["Last-Attempt-Date", "Thu, 7 Jul 1994 21:15:49 +0000"],
      ["Final-Log-ID", message.id],
    ],
  ]);
});

Deno.test("case 80: the header of a report, and its envelope", async () => {
  const made = await write([anEvent()]);
  const whole = read(made.content);
  assertEquals(whole.fields.map(([name, value]) => `${name}: ${value}`), [
    "From: Mail Delivery System <MAILER-DAEMON@mail.example.net>",
    "To: <alice@example.org>",
    "Subject: Your message could not be delivered",
    "Date: Mon, 1 Jan 2024 15:00:00 +0000",
    `Message-ID: <${OPTIONS.id}@mail.example.net>`,
    "In-Reply-To: <lunch.1@example.org>",
    "References: <lunch.1@example.org>",
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    whole.fields.at(-1)!.join(": "),
  ]);
  assertEquals([made.sender, made.to, made.id, made.parent], [null, aMessage().sender!, OPTIONS.id, aMessage().id]);
  const { ret, envid, body, smtputf8 } = made.parameters; // no RET in the envelope                    RFC 3461 6.1
  assertEquals({ ret, envid, body, smtputf8, notify: made.recipient.notify }, {
    ret: null,
    envid: null,
    body: "7BIT",
    smtputf8: false,
    notify: null,
  });
  assertEquals(whole.parts.map(({ type }) => type), [
    "text/plain; charset=utf-8",
    "message/delivery-status",
    "message/rfc822",
  ]);
});

Deno.test("all fields of RFC 3464 are there when they have something to say, and none when not", async () => {
  const message = aMessage({
    parameters: { envid: "QQ+2B314", deliverBy: { at: RECEIVED + HOUR, mode: "N", trace: false } },
    origin: { ...STRANGER, helo: "[192.0.2.1]" },
  });
  const events = [
    anEvent({
      action: "delayed",
      status: "5.4.1",
      retryUntil: NOW + 24 * HOUR,
      orcpt: "rfc822;a+2Bb@example.com",
      words: "451 4.4.1 wait",
    }),
    anEvent({ action: "delayed", to: address("carol@example.com"), status: "nonsense", words: null, remote: null }),
    anEvent({ action: "delayed", to: address("dora@example.com"), status: "4.4.1", words: "no answer", remote: null }),
  ];
  const [about, ...recipients] = statusOf(read((await write(events, { message })).content).parts[1]!);
  assertEquals(about, [
    ["Original-Envelope-Id", "QQ+314"],
    ["Reporting-MTA", "dns; mail.example.net"],
    ["Received-From-MTA", "dns; [192.0.2.1]"],
    ["Arrival-Date", "Mon, 1 Jan 2024 10:00:00 +0000"],
    ["Deliver-By-Date", "Mon, 1 Jan 2024 11:00:00 +0000"],
  ]);
  assertEquals(recipients, [[
    ["Original-Recipient", "rfc822; a+b@example.com"],
    ["Final-Recipient", "rfc822; bob@example.com"],
    ["Action", "delayed"],
    ["Status", "4.4.1"],
    ["Remote-MTA", "dns; mx.example.com"],
    ["Diagnostic-Code", "smtp; 451 4.4.1 wait"],
    ["Last-Attempt-Date", "Mon, 1 Jan 2024 15:00:00 +0000"],
    ["Will-Retry-Until", "Tue, 2 Jan 2024 15:00:00 +0000"],
    ["Final-Log-ID", message.id],
  ], [
    ["Final-Recipient", "rfc822; carol@example.com"],
    ["Action", "delayed"],
    ["Status", "4.0.0"],
    ["Last-Attempt-Date", "Mon, 1 Jan 2024 15:00:00 +0000"],
    ["Final-Log-ID", message.id],
  ], [
    ["Final-Recipient", "rfc822; dora@example.com"],
    ["Action", "delayed"],
    ["Status", "4.4.1"],
    ["Diagnostic-Code", "x-postern; no answer"],
    ["Last-Attempt-Date", "Mon, 1 Jan 2024 15:00:00 +0000"],
    ["Final-Log-ID", message.id],
  ]]);
});

Deno.test("the class of a status fits the action", async () => {
  const rows: [Action, string, "expired" | "overdue" | undefined, string][] = [
    ["failed", "5.1.1", undefined, "5.1.1"],
    ["failed", "4.2.2", undefined, "5.2.2"],
    ["failed", "4.2.2", "expired", "4.2.2"],
    ["failed", "5.1.1", "expired", "5.1.1"],
    ["failed", "5.4.7", "overdue", "5.4.7"],
    ["failed", "2.0.0", undefined, "5.0.0"],
    ["failed", "", undefined, "5.0.0"],
    ["failed", "5.1.1\r\nX-A: b", undefined, "5.0.0"],
    ["failed", "5.1111.1", undefined, "5.0.0"],
    ["delayed", "5.7.1", undefined, "4.7.1"],
    ["delayed", "2.1.5", undefined, "4.0.0"],
    ["delivered", "2.1.5", undefined, "2.1.5"],
    ["relayed", "4.4.7", undefined, "2.0.0"],
    ["expanded", "", undefined, "2.0.0"],
  ];
  for (const [action, status, cause, expected] of rows) {
    const event = anEvent({ action, status, notify: ["SUCCESS", "FAILURE", "DELAY"], ...cause && { cause } });
    const [, recipient] = statusOf(read((await write([event])).content).parts[1]!);
    assertEquals(valueOf(recipient!, "Status"), expected, `${action} ${status}`);
  }
});

Deno.test("RFC 6533: addresses and words beyond ASCII, for who sent SMTPUTF8 and who did not", async () => {
  const to = address("bücher@example.com");
  const rows: [name: string, smtputf8: boolean, eightBit: boolean, orcpt: string | null, type: string, coding: string, {
    original: string | undefined;
    final: string;
    words: string;
  }][] = [
    ["sent with SMTPUTF8", true, true, "utf-8;b\\x{FC}cher@example.org", "message/global-delivery-status", "8bit", {
      original: "utf-8; bücher@example.org",
      final: "utf-8; bücher@example.com",
      words: "smtp; 550 5.1.1 unbekannter Empfänger",
    }],
    ["the ORCPT in UTF-8", true, true, "utf-8;bücher+2Bx@example.org", "message/global-delivery-status", "8bit", {
      original: "utf-8; bücher+x@example.org",
      final: "utf-8; bücher@example.com",
      words: "smtp; 550 5.1.1 unbekannter Empfänger",
    }],
    ["7 bits", true, false, null, "message/global-delivery-status", "quoted-printable", {
      original: undefined,
      final: "utf-8; bücher@example.com",
      words: "smtp; 550 5.1.1 unbekannter Empfänger",
    }],
    ["sent without it, to an alias", false, true, "rfc822;books@example.org", "message/delivery-status", "7bit", {
      original: "rfc822; books@example.org",
      final: "utf-8; b\\x{FC}cher@example.com",
      words: "smtp; 550 5.1.1 unbekannter Empf\\x{E4}nger",
    }],
    ["an ORCPT in UTF-8 without it", false, true, "utf-8;b\\x{FC}cher@example.org", "message/delivery-status", "7bit", {
      original: "utf-8; b\\x{FC}cher@example.org",
      final: "utf-8; b\\x{FC}cher@example.com",
      words: "smtp; 550 5.1.1 unbekannter Empf\\x{E4}nger",
    }],
  ];
  for (const [name, smtputf8, eightBit, orcpt, type, coding, expected] of rows) {
    const message = aMessage({ parameters: { smtputf8 } });
    const event = anEvent({ to, orcpt, words: "550 5.1.1 unbekannter Empfänger" });
    const part = read((await write([event], { message, options: { eightBit } })).content).parts[1]!;
    assertEquals([part.type, part.coding], [type, coding], name);
    const recipient = statusOf(part)[1]!;
    const found = (field: string) => {
      const value = valueOf(recipient, field);
      return value === undefined ? undefined : unicode(value);
    };
    assertEquals(
      {
        original: found("Original-Recipient"),
        final: found("Final-Recipient")!,
        words: found("Diagnostic-Code")!,
      },
      expected,
      name,
    );
  }
});

Deno.test("a sender beyond ASCII needs SMTPUTF8 for its report, one that only said so does not (SEMANTICS 20)", async () => {
  const sender = address("алиса@example.org");
  const made = await write([anEvent()], { message: aMessage({ sender, parameters: { smtputf8: true } }) });
  assertEquals(made.parameters.smtputf8, true);
  assertEquals(unicode(valueOf(read(made.content).fields, "To")!), "<алиса@example.org>");
  const plain = await write([anEvent()], { message: EAI });
  assertEquals(plain.parameters.smtputf8, false);
  assertEquals(read(plain.content).parts[1]!.type, "message/delivery-status");
});

Deno.test("case 80: RET and the size cap decide what is returned (RFC 3461 4.3, 6.2; RFC 8689 5)", async () => {
  const rows: [name: string, Parameters<typeof aMessage>[0], Partial<Parameters<typeof anEvent>[0]>, string][] = [
    ["FULL", { parameters: { ret: "FULL" }, origin: STRANGER }, {}, "message/rfc822"],
    ["HDRS", { parameters: { ret: "HDRS" } }, {}, "text/rfc822-headers"],
    ["nothing said, logged in", {}, {}, "message/rfc822"],
    ["nothing said, a stranger", { origin: STRANGER }, {}, "text/rfc822-headers"],
    ["FULL, but no failure", { parameters: { ret: "FULL" } }, { action: "delayed" }, "text/rfc822-headers"],
    ["FULL, but REQUIRETLS", { parameters: { ret: "FULL", requireTls: true } }, {}, "text/rfc822-headers"],
    ["to the postmaster", { sender: null, origin: STRANGER }, {}, "message/rfc822"],
  ];
  for (const [name, changes, event, type] of rows) {
    const made = await write([anEvent(event)], { message: aMessage(changes) });
    const part = read(made.content).parts[2]!;
    assertEquals(part.type, type, name);
    const expected = latin1(LETTER);
    assertEquals(
      part.raw,
      type === "message/rfc822" ? expected : expected.slice(0, expected.indexOf("\r\n\r\n") + 2),
      name,
    );
    assertEquals(made.parameters.requireTls, changes?.parameters?.requireTls, name);
  }
  const size = LETTER.length;
  for (const inMemory of [true, false]) {
    for (const [returnSize, type] of [[size, "message/rfc822"], [size - 1, "text/rfc822-headers"]] as const) {
      const original = anOriginal(LETTER, inMemory);
      const made = await write([anEvent()], { original, options: { returnSize } });
      assertEquals(read(made.content).parts[2]!.type, type);
    }
  }
  assertEquals(read((await write([anEvent()], { original: null })).content).parts.length, 2, "its octets are gone");
});

Deno.test("a message that cannot be read, or is more than it said, is told of by its header", async () => {
  const broken = { ...anOriginal(LETTER, false), stream: () => new ReadableStream({ pull: (to) => to.error("gone") }) };
  const longer = { ...anOriginal(LETTER, false), size: LETTER.length - 1 };
  for (const original of [broken, longer]) {
    assertEquals(read((await write([anEvent()], { original })).content).parts[2]!.type, "text/rfc822-headers");
  }
});

Deno.test("a large message is not read at all, and no more than its bound is", async () => {
  let pulled = 0;
  const stream = () =>
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(to) {
        pulled++;
        to.enqueue(new Uint8Array(65536));
      },
    }, { highWaterMark: 0 });
  const head = LETTER.slice(0, latin1(LETTER).indexOf("\r\n\r\n") + 4);
  await write([anEvent()], { original: { size: 1e9, memory: null, head, stream } });
  assertEquals(pulled, 0);
  await write([anEvent()], { original: { size: 1000, memory: null, head, stream } }); // it lies about its size
  assertEquals(pulled, 1);
});

Deno.test("what is returned fits the transport that the report asks for", async () => {
  const head = "From: a@example.org\nSubject: x\n", long = "x".repeat(999);
  const rows: [name: string, content: Uint8Array<ArrayBuffer>, eai: boolean, string, string, seven: string][] = [
    ["7 bits", mail(`${head}\ntext\n`), false, "message/rfc822", "7bit", "message/rfc822 7bit"],
    ["no line end at the end", mail(`${head}\ntext`), false, "message/rfc822", "7bit", "message/rfc822 7bit"],
    ["8 bits", mail(`${head}\n\xe4\n`), false, "message/rfc822", "8bit", "text/rfc822-headers 7bit"],
    ["NUL", mail(`${head}\n\0\n`), false, "text/rfc822-headers", "7bit", "text/rfc822-headers 7bit"],
    ["a bare CR", octets("A: b\r\n\r\na\rb\r\n"), false, "text/rfc822-headers", "7bit", "text/rfc822-headers 7bit"],
    ["a bare LF", octets("A: b\r\n\r\na\nb\r\n"), false, "text/rfc822-headers", "7bit", "text/rfc822-headers 7bit"],
    ["a long line", mail(`${head}\n${long}\n`), false, "text/rfc822-headers", "7bit", "text/rfc822-headers 7bit"],
    [
      "a header in Latin-1",
      mail(`${head}X: \xe4\n\n`),
      false,
      "message/rfc822",
      "8bit",
      "text/rfc822-headers; charset=unknown-8bit quoted-printable",
    ],
    [
      "a header in UTF-8 without SMTPUTF8",
      mail(`${head}X: \xc3\xa4\n\n`),
      false,
      "message/rfc822",
      "8bit",
      "text/rfc822-headers; charset=utf-8 quoted-printable",
    ],
    [
      "a long line of the header",
      mail(`${head}X: ${long}\n\n`),
      false,
      "text/rfc822-headers; charset=utf-8",
      "quoted-printable",
      "text/rfc822-headers; charset=utf-8 quoted-printable",
    ],
    [
      "a header in UTF-8",
      mail(`${head}X: \xc3\xa4\n\ntext\n`),
      true,
      "message/global",
      "8bit",
      "message/global quoted-printable",
    ],
    [
      "and a NUL",
      mail(`${head}X: \xc3\xa4\n\na\0\n`),
      true,
      "message/global",
      "quoted-printable",
      "message/global quoted-printable",
    ],
    ["a body in UTF-8", mail(`${head}\n\xc3\xa4\n`), true, "message/rfc822", "8bit", "text/rfc822-headers 7bit"],
  ];
  for (const [name, content, eai, type, coding, seven] of rows) {
    const message = eai ? aMessage({ parameters: { ret: "FULL", smtputf8: true } }) : FULL;
    for (const eightBit of [true, false]) {
      const made = await write([anEvent()], { message, original: anOriginal(content), options: { eightBit } });
      const part = read(made.content).parts[2]!;
      assertEquals(`${part.type} ${part.coding}`, eightBit ? `${type} ${coding}` : seven, name);
      assertEquals(made.parameters.body, part.coding === "8bit" ? "8BITMIME" : "7BIT", name);
      const whole = latin1(content), text = whole.endsWith("\r\n") ? whole : `${whole}\r\n`;
      const body = text.startsWith("\r\n") ? 0 : text.indexOf("\r\n\r\n");
      assertEquals(part.text, part.type.startsWith("message/") ? text : text.slice(0, body + 2), name);
    }
  }
  const header = aMessage({ parameters: { ret: "HDRS", smtputf8: true } });
  const global = read(
    (await write([anEvent()], { message: header, original: anOriginal(mail(`X: \xc3\xa4\n\n`)) })).content,
  );
  assertEquals([global.parts[2]!.type, global.parts[2]!.coding], ["message/global-headers", "8bit"]);
});

Deno.test("the header that is returned is bounded, and holds whole fields as they were received", async () => {
  const field = (n: number) => `X-${n}: ${"y".repeat(900)}\r\n`;
  const huge = `To: ${"a@example.com,\r\n ".repeat(6000)}b@example.com\r\n`;
  const content = octets(`Subject: first\r\n${huge}${Array.from({ length: 100 }, (_, n) => field(n)).join("")}\r\n`);
  const part = read((await write([anEvent()], { original: anOriginal(content), options: { returnSize: 0 } })).content)
    .parts[2]!;
  assert(part.raw.length <= 65536, String(part.raw.length));
  assertStringIncludes(part.raw, "Subject: first\r\nX-0: yyy"); // without the one that is larger than the bound
  assertMatch(part.raw, /y\r\n$/);
  const empty = read(
    (await write([anEvent()], { original: anOriginal(octets("\r\nno header\r\n")), options: { returnSize: 0 } }))
      .content,
  );
  assertEquals(empty.parts.length, 2);
});

Deno.test("the report stands beside its message in a mail program, unless the Message-ID is none", async () => {
  const rows: [header: string, id: string | undefined][] = [
    ["Message-ID: <a@b>", "<a@b>"],
    ["Message-Id:\n <a.1@b>", "<a.1@b>"],
    ["message-id: <a@b> <c@d>", undefined],
    ["Message-ID: <a@b>\nMessage-ID: <a@b>", undefined],
    ["Message-ID: <a b@c>", undefined],
    ["Message-ID: <a@ä>", undefined],
    [`Message-ID: <${"a".repeat(500)}@b>`, undefined],
    ["Message-ID: a@b", undefined],
    ["Subject: none", undefined],
  ];
  for (const [header, id] of rows) {
    const { fields } = read((await write([anEvent()], { original: anOriginal(mail(`${header}\n\n`)) })).content);
    assertEquals([valueOf(fields, "References"), valueOf(fields, "In-Reply-To")], [id, id], header);
  }
});

Deno.test("every boundary is apart from the content, also where a stranger knew it", async () => {
  const first = `=_${OPTIONS.id}_0`, second = `=_${OPTIONS.id}_1`;
  const content = mail(`Subject: ${first}\n\n--${first}--\n--${second}\n`);
  const whole = read((await write([anEvent()], { original: anOriginal(content) })).content);
  assertEquals(whole.parts.length, 3);
  assertEquals(whole.parts[2]!.raw, latin1(content));
  assertStringIncludes(whole.type, `=_${OPTIONS.id}_2`);
});

Deno.test("postal-mime reads it: the text, and the message inside", async () => {
  const subject = "Mittagessen für alle";
  const message = aMessage({ summary: { from: "", to: "", subject } });
  const mail = await PostalMime.parse((await write([anEvent({ words: "550 größer" })], { message })).content);
  assertEquals(mail.from, { name: "Mail Delivery System", address: "MAILER-DAEMON@mail.example.net" });
  assertStringIncludes(mail.text!, `Subject:  ${subject}`);
  assertStringIncludes(mail.text!, "550 größer");
  const types = mail.attachments.map(({ mimeType }) => mimeType);
  assertEquals(types, ["message/delivery-status", "message/rfc822"]);
});

Deno.test("a thousand recipients: the text names a hundred, the details name all", async () => {
  const events = Array.from({ length: 1000 }, (_, n) => anEvent({ to: address(`r${n}@example.com`), words: "550 no" }));
  const { parts } = read((await write(events)).content);
  assertEquals(parts[0]!.text.match(/^r\d+@example\.com$/gm)?.length, 100);
  assertStringIncludes(parts[0]!.text, "And 900 more");
  assertEquals(parts[0]!.text.match(/There is no mailbox/g)?.length, 1, "who shares a reason shares the paragraph");
  assertEquals(statusOf(parts[1]!).length, 1001);
});

const nasty = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({ unit: "grapheme", maxLength: 2000 }),
  fc.constantFrom(
    "550 a\r\nBcc: evil@example.org\r\n\r\n--x",
    "550-one\r\n550-two\n550 three",
    "\r\n\r\n",
    "\0",
    "\u202e\u2028\u2029\u0085x",
    "\ud800",
    "漢".repeat(3000),
    "x".repeat(5000),
    " ".repeat(5000) + "x",
    "=_01HKXRBD80ZZZZZZZZZZZZZZZZ_0",
    "+0D+0ABcc:+20x",
    "utf-8;\\x{0D}\\x{0A}Bcc: x",
    "utf-8;\\x{110000}\\x{D800}",
    "rfc822;+00+FF+80",
    `utf-8;${"ü".repeat(500)}`,
    ";",
    "",
  ),
);
const NAMES_STATUS = new Set(
  ("Original-Envelope-Id Reporting-MTA Received-From-MTA Arrival-Date Original-Recipient Final-Recipient Action Status " +
    "Remote-MTA Diagnostic-Code Last-Attempt-Date Will-Retry-Until Final-Log-ID").split(" "),
);

Deno.test("case 80: whatever a server or a client said, lines stay lines and fields stay fields", async () => {
  const made = fc.record({
    words: fc.option(nasty),
    name: nasty,
    local: nasty,
    original: nasty,
    orcpt: fc.option(nasty),
    envid: fc.option(nasty),
    helo: nasty,
    subject: nasty,
    status: nasty,
    smtputf8: fc.boolean(),
    eightBit: fc.boolean(),
    content: fc.uint8Array({ maxLength: 300 }),
    action: fc.constantFrom<Action>("failed", "delayed"),
  });
  await fc.assert(
    fc.asyncProperty(made, async (it) => {
      const message = aMessage({
        sender: { local: it.local, domain: "example.org" },
        origin: { ...STRANGER, helo: it.helo },
        summary: { from: it.subject, to: it.subject, subject: it.subject },
        parameters: { envid: it.envid, smtputf8: it.smtputf8, ret: "FULL" },
      });
      const event = anEvent({
        action: it.action,
        to: { local: it.local, domain: "example.com" },
        original: { local: it.original, domain: "example.com" },
        orcpt: it.orcpt,
        words: it.words,
        remote: { name: it.name, ip: it.name },
        status: it.status,
      });
      const original = anOriginal(Uint8Array.from(it.content));
      const { content, parameters } = await report(theNotification([event], message), message, original, {
        ...OPTIONS,
        eightBit: it.eightBit,
      });
      const text = latin1(content);
      assertEquals(/[^\r]\n|\r[^\n]|\0|\r$/.exec(text), null);
      assertEquals(text.split("\r\n").filter((line) => line.length > 998), []);
      if (parameters.body === "7BIT") assertEquals(/[^\x00-\x7f]/.test(text.slice(text.indexOf("\r\n\r\n"))), false);
      const { fields, parts } = read(content);
      const names = fields.map(([name]) => name).filter((name) => !/^(?:In-Reply-To|References)$/.test(name));
      assertEquals(
        names.slice(0, 8).join(),
        "From,To,Subject,Date,Message-ID,Auto-Submitted,MIME-Version,Content-Type",
      );
      assertEquals(parts.length, fields.length > 0 && parts.length === 2 ? 2 : 3);
      const groups = statusOf(parts[1] as ReadPart);
      assertEquals(groups.length, 2);
      for (const [name] of groups.flat()) assert(NAMES_STATUS.has(name), name);
      const once = groups.map((group) => group.map(([name]) => name));
      for (const each of once) assertEquals(new Set(each).size, each.length);
      unicode(parts[0]!.text);
      unicode(parts[1]!.text);
      if (!it.smtputf8) assertEquals(/[^\x00-\x7f]/.test(parts[1]!.raw), false);
    }),
    { numRuns: 300 },
  );
});

Deno.test("a long field can be unfolded to what it was", async () => {
  const words = `550 5.7.1 ${"a word and another ".repeat(30)}`.trim();
  const part = read((await write([anEvent({ words })])).content).parts[1]!;
  assertEquals(valueOf(statusOf(part)[1]!, "Diagnostic-Code"), `smtp; ${words}`);
  assertEquals(part.raw.split("\r\n").filter((line) => line.length > 78), []);
});

Deno.test("Original-Recipient only where the sender named one (RFC 3461 6.3 d)", async () => {
  const part = read((await write([anEvent({ to: BOB, original: address("b@example.org") })])).content).parts[1]!;
  assertEquals(valueOf(statusOf(part)[1]!, "Original-Recipient"), undefined);
});

Deno.test("a next hop behind a socket file has no name in the DNS (RFC 3464 2.1.2)", async () => {
  for (
    const [remote, said] of [
      [{ name: "dovecot", ip: null }, "x-local-hostname; dovecot"],
      [{ name: "localhost", ip: "127.0.0.1" }, "dns; localhost"],
    ] as const
  ) {
    const { parts } = read((await write([anEvent({ remote })])).content);
    assertStringIncludes(parts[1]!.text, `Remote-MTA: ${said}`);
  }
});
