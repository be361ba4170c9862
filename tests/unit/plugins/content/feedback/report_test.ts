/** What reports say: the machine's part as many servers write it, the sentences of those that write none, and rubbish. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatAddress } from "postern";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../../../core/model/envelope.ts";
import { statusFields } from "../../../../../core/dsn/status.ts";
import {
  parseBounceText,
  parseDeliveryStatus,
  type ReportedStatus,
  severityOf,
} from "../../../../../plugins/content/feedback/report.ts";
import { octets } from "../../../../support/bytes.ts";

const lines = (text: string) => octets(text.replaceAll("\n", "\r\n"));
const shown = (found: readonly ReportedStatus[]): string[] =>
  found.map((each) => {
    const { final, original, action, status } = each;
    const from = original === null ? "" : ` for ${formatAddress(original)}`;
    return `${final && formatAddress(final)}${from} ${action} ${status} ${severityOf(each)}`;
  });
const read = (text: string) => shown(parseDeliveryStatus(lines(text)));

Deno.test("a machine's part: recipients with address, action, status", () => {
  const rows: [text: string, found: string[]][] = [
    [
      "Reporting-MTA: dns; mx.far.example\nArrival-Date: Fri, 8 Jul 1994 09:21:47 -0400\n\n" +
      "Final-Recipient: rfc822; bob@far.example\nAction: failed\nStatus: 5.1.1\n" +
      "Diagnostic-Code: smtp; 550 5.1.1 <bob@far.example>: Recipient address rejected\n",
      ["bob@far.example failed 5.1.1 hard"],
    ],
    [ // several, one of them late
      "Reporting-MTA: dns; a.example\n\nFinal-Recipient: RFC822;<bob@Far.Example>\nAction: Failed\nStatus: 5.2.2 (full)\n\n" +
      "Final-recipient: rfc822; amy@far.example\naction: delayed\nstatus: 4.4.1\nWill-Retry-Until: x\n",
      ["bob@far.example failed 5.2.2 soft", "amy@far.example delayed 4.4.1 null"],
    ],
    [ // forwarded on the way: who was named, and who failed; fields that are folded
      "Reporting-MTA: dns; a.example\n\nOriginal-Recipient: rfc822;\n bob@far.example\n" +
      "Final-Recipient: rfc822; bob2@other.example\nAction: failed\nStatus: 5.1.1\n",
      ["bob2@other.example for bob@far.example failed 5.1.1 hard"],
    ],
    [ // no more than the class: the reply says it
      "Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; bob@far.example\nAction: failed\nStatus: 5.0.0\n" +
      "Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.\n",
      ["bob@far.example failed 5.1.1 hard"],
    ],
    [ // a class that the reply does not have: what the report says stands
      "Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; bob@far.example\nAction: failed\nStatus: 5.0.0\n" +
      "Diagnostic-Code: smtp; 450 4.2.0 later\n",
      ["bob@far.example failed 5.0.0 null"],
    ],
    [ // RFC 6533
      "Reporting-MTA: dns; a.example\n\nFinal-Recipient: utf-8; b\\x{FC}cher@far.example\nAction: failed\nStatus: 5.1.1\n",
      ["bücher@far.example failed 5.1.1 hard"],
    ],
    ["Final-Recipient: rfc822; bob@far.example\nAction: failed\nStatus: 5.1.1\n", [
      "bob@far.example failed 5.1.1 hard",
    ]],
    ["Final-Recipient: x400; /c=de/\nAction: failed\nStatus: 5.1.1\n", []],
    ["Final-Recipient: rfc822; bob\nAction: failed\nStatus: 5.1.1\n", []],
    ["Final-Recipient: rfc822; bob@far.example\nStatus: 5.1.1\n", []],
    ["Final-Recipient: rfc822; bob@far.example\nAction: exploded\nStatus: 5.1.1\n", []],
    ["Final-Recipient: rfc822; bob@far.example\nAction: failed\nStatus: 5.1.1.1\n", []],
    ["Final-Recipient: rfc822; bob@far.example\nAction: failed\nStatus: 550\n", []],
    ["Final-Recipient: rfc822; a@far.example\nnonsense\nAction: failed\nStatus: 5.1.1\n", []],
    ["", []],
    ["\n\n\n\n", []],
    ["no fields at all", []],
  ];
  for (const [text, found] of rows) assertEquals(read(text), found, text);
});

Deno.test("what a failure says of the address", () => {
  const rows: [status: string, severity: "hard" | "soft" | null][] = [
    ["5.1.1", "hard"],
    ["5.1.2", "hard"],
    ["5.1.6", "hard"],
    ["5.1.10", "hard"],
    ["5.2.1", "hard"],
    ["5.1.0", "soft"],
    ["5.2.2", "soft"],
    ["4.2.2", "soft"],
    ["4.4.7", "soft"],
    ["5.4.4", "soft"],
    ["5.1.7", null], // our own address
    ["5.1.8", null],
    ["5.2.3", null], // the size
    ["5.3.4", null],
    ["5.5.0", null],
    ["5.6.1", null],
    ["5.7.1", null], // what they think of us
    ["5.0.0", null],
    ["2.1.5", null],
    ["5.1.11", null],
    ["5.1.19", null],
  ];
  for (const [status, severity] of rows) {
    const about = { final: null, original: null, status };
    assertEquals(severityOf({ ...about, action: "failed" }), severity, status);
    assertEquals(severityOf({ ...about, action: "delayed" }), null);
    assertEquals(severityOf({ ...about, action: "relayed" }), null);
  }
});

Deno.test("what this server writes itself is read back", () => {
  const address = { local: "bob+x", domain: "far.example" };
  const text = statusFields(
    {
      id: "01K0000000000000000000000A",
      sender: { local: "amy", domain: "example.org" },
      parameters: { ...NO_MAIL_PARAMETERS, envid: "QQ314159" },
      origin: { session: "s", ip: "192.0.2.1", helo: "a.example", identity: null, protocol: "ESMTP", listener: "mx" },
      receivedAt: 0,
      summary: { from: "", to: "", subject: "" },
    },
    [{
      recipient: {
        address,
        original: address,
        parameters: { ...NO_RCPT_PARAMETERS, orcpt: "rfc822;bob+2Bx@far.example" },
      },
      action: "failed",
      status: "5.1.1",
      remote: { name: "mx.far.example", ip: "192.0.2.2" },
      words: "550 5.1.1 No such user",
      at: 0,
    } as never],
    { host: "mx.example.org", wide: false },
  );
  assertEquals(shown(parseDeliveryStatus(octets(text))), [
    "bob+x@far.example for bob+x@far.example failed 5.1.1 hard",
  ]);
});

const QMAIL = `Hi. This is the qmail-send program at mx.far.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@far.example>:
Sorry, no mailbox here by that name. (#5.1.1)

<amy@other.example>:
192.0.2.7 does not like recipient.
Remote host said: 552 5.2.2 Over quota
Giving up on 192.0.2.7.

<eve@other.example>:
I could not find any status for this one.

--- Below this line is a copy of the message.

Return-Path: <list@example.org>

<innocent@far.example>:
(#5.1.1)
`;
const EXIM = `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@far.example
    SMTP error from remote mail server after RCPT TO:<bob@far.example>:
    host mx.far.example [192.0.2.2]: 550 5.1.1 User unknown
  amy@other.example
    retry timeout exceeded

------ This is a copy of the message, including all the headers. ------

  innocent@far.example
    550 5.1.1
`;

Deno.test("sentences of qmail and of old Exims, up to the copy of the mail", () => {
  assertEquals(shown(parseBounceText(lines(QMAIL))), [
    "bob@far.example failed 5.1.1 hard",
    "amy@other.example failed 5.2.2 soft",
  ]);
  assertEquals(shown(parseBounceText(lines(EXIM))), ["bob@far.example failed 5.1.1 hard"]);
  assertEquals(shown(parseBounceText(lines(EXIM.replace("This is a permanent error.", "Delayed.")))), []);
  assertEquals(shown(parseBounceText(lines(`Dear Sir,\n\n${QMAIL}`))), []); // somebody quotes one
});

Deno.test("any octets are read, and in linear time", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (octets) => {
    parseDeliveryStatus(octets);
    parseBounceText(octets);
  }));
  const pieces = [
    "\r\n",
    "x\r\n",
    ": ",
    "a:b\r\n\r\n",
    "Status: 5.1.1\r\n",
    "Final-Recipient: rfc822; <",
    "\\x{41}",
    "  a@b\r\n    5",
  ];
  for (const piece of pieces) {
    for (
      const start of [
        "",
        "Hi. This is the \n",
        "This message was created automatically by mail delivery software\nrecipients. This is a permanent error.\n",
      ]
    ) {
      const begun = performance.now(), found = octets(start + piece.repeat(128 * 1024 / piece.length));
      parseDeliveryStatus(found);
      parseBounceText(found);
      assert(performance.now() - begun < 5000, JSON.stringify(piece));
    }
  }
  const many = "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n".repeat(1000);
  assertEquals(parseDeliveryStatus(octets(many)).length, 100);
});
