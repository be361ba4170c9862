/**
 * Reports as others read them (report_parsers.ts). Addresses in UTF-8 are a defect to Python, so those of the header are
 * tests/unit/dsn/report_test.ts's.
 */
import { assertEquals, assertMatch } from "@std/assert";
import type { DeliveryEvent } from "../../core/dsn/event.ts";
import { octets } from "../support/bytes.ts";
import { testWith, testWithPerl } from "../support/debian.ts";
import { address, aMessage, anEvent, anOriginal, HOUR, NOW, STRANGER, write } from "../unit/dsn/sample.ts";
import { bounceParser, defects, pythonEmail } from "./report_parsers.ts";

const CAROL = address("carol@example.net");
const failures: readonly DeliveryEvent[] = [
  anEvent({ orcpt: "rfc822;bob@example.com" }),
  anEvent({
    to: CAROL,
    status: "5.2.2",
    remote: { name: "mail.example.net", ip: "192.0.2.26" },
    words: `552-5.2.2 The mailbox is full,\r\n552 5.2.2 ${"really ".repeat(40)}`,
  }),
];

testWithPerl("Mail::DeliveryStatus::BounceParser", "case 80: BounceParser finds who failed and why", async () => {
  const made = await write(failures);
  const lines = await bounceParser(made.content);
  assertEquals(lines, [
    "bounce=1 id=<lunch.1@example.org>",
    "bob@example.com|user_unknown|550|dns; mx.example.com|5.1.1|failed",
    "carol@example.net|over_quota|552|dns; mail.example.net|5.2.2|failed",
  ]);
});

testWithPerl(
  "Mail::DeliveryStatus::BounceParser",
  "BounceParser takes a notice of delay for none of a failure",
  async () => {
    const made = await write([anEvent({ action: "delayed", status: "4.4.1", retryUntil: NOW + HOUR })]);
    const lines = await bounceParser(made.content);
    assertEquals(lines.slice(1), []);
  },
);

testWith(["python3"], "case 80: Python's email reads every kind of report without a defect", async () => {
  const eai = { message: aMessage({ parameters: { smtputf8: true, ret: "FULL" } }) };
  const bücher = address("bücher@example.com");
  const cyrillic = anOriginal(new TextEncoder().encode("Subject: Обед\r\nFrom: a@example.org\r\n\r\nда\r\n"));
  const latin = anOriginal(octets("Subject: caf\xe9\r\nMIME-Version: 1.0\r\n\r\n\xe9\r\n"));
  const kinds: [name: string, Awaited<ReturnType<typeof write>>, types: readonly string[]][] = [
    ["failure", await write(failures), ["text/plain", "message/delivery-status", "message/rfc822"]],
    [
      "delay",
      await write([anEvent({ action: "delayed", retryUntil: NOW })]),
      ["text/plain", "message/delivery-status", "text/rfc822-headers"],
    ],
    [
      "success",
      await write([anEvent({ action: "delivered", notify: ["SUCCESS"], status: "2.1.5", words: null })]),
      ["text/plain", "message/delivery-status", "text/rfc822-headers"],
    ],
    [
      "a stranger's, 8 bits in 7",
      await write([anEvent()], {
        message: aMessage({ origin: STRANGER }),
        original: latin,
        options: { eightBit: false },
      }),
      ["text/plain", "message/delivery-status", "text/rfc822-headers"],
    ],
    [
      "EAI",
      await write([anEvent({ to: bücher, words: "550 größer" })], { ...eai, original: cyrillic }),
      ["text/plain", "message/global-delivery-status", "message/global"],
    ],
  ];
  for (const [name, made, types] of kinds) {
    const { from, to, report, auto, whole } = await pythonEmail(made.content);
    assertEquals([from, report, auto], [
      "Mail Delivery System <MAILER-DAEMON@mail.example.net>",
      "delivery-status",
      "auto-replied",
    ], name);
    assertEquals(to, "alice@example.org");
    assertEquals(whole.parts?.map(({ type }) => type), types, name);
    assertEquals(defects(whole), [], name);
    assertMatch(whole.parts![0]!.text!, /^Your message /);
  }
  const { whole } = await pythonEmail(kinds[0]![1].content);
  const [about, bob, carol, ...more] = whole.parts![1]!.groups!;
  assertEquals([about![0], more.length], [["Reporting-MTA", "dns; mail.example.net"], 0]);
  assertEquals(bob!.slice(0, 4), [
    ["Original-Recipient", "rfc822; bob@example.com"],
    ["Final-Recipient", "rfc822; bob@example.com"],
    ["Action", "failed"],
    ["Status", "5.1.1"],
  ]);
  const told = carol!.find(([field]) => field === "Diagnostic-Code")![1];
  assertEquals(told, `smtp; 552-5.2.2 The mailbox is full, 552 5.2.2 ${"really ".repeat(40).trim()}`);
});
