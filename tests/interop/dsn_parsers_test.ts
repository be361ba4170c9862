/**
 * Reports as others read them: Perl's Mail::DeliveryStatus::BounceParser, by which list managers find dead addresses (it
 * wants LF, as mailboxes of Unix have it), and Python's email package, which names defects where there are any. Addresses
 * in UTF-8 are a defect to Python, so those of the header are tests/unit/dsn/report_test.ts's.
 */
import { assertEquals, assertMatch } from "@std/assert";
import type { DeliveryEvent } from "../../core/dsn/event.ts";
import { octets, withLf } from "../support/bytes.ts";
import { testWith, testWithPerl } from "../support/debian.ts";
import { TempFolder } from "../support/temp.ts";
import { address, aMessage, anEvent, anOriginal, HOUR, NOW, STRANGER, write } from "../unit/dsn/sample.ts";
import { run } from "./run.ts";

const PERL = `
use Mail::DeliveryStatus::BounceParser;
my $bounce = Mail::DeliveryStatus::BounceParser->new(\\*STDIN);
print "bounce=", $bounce->is_bounce ? 1 : 0, " id=", $bounce->orig_message_id || "", "\\n";
for ($bounce->reports) {
  my @reason = map { my $value = $_; $value =~ s/^\\s+|\\s+$//g; $value } map { $_ || "" } (
    $_->get("email"), $_->get("std_reason"), $_->get("smtp_code"), $_->get("Remote-MTA"), $_->get("Status"), $_->get("Action"));
  print join("|", @reason), "\\n";
}
`;

const PYTHON = `
import email, email.policy, json, sys
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTPUTF8)
def look(part):
    found = {"type": part.get_content_type(), "defects": [type(each).__name__ for each in part.defects]}
    for name in part.keys():
        found["defects"] += [name + ": " + type(each).__name__ for each in getattr(part[name], "defects", [])]
    if part.get_content_type() == "message/delivery-status":
        found["groups"] = [[[name, value] for name, value in group.items()] for group in part.get_payload()]
    elif part.is_multipart():
        found["parts"] = [look(each) for each in part.iter_parts()] if part.get_content_maintype() == "multipart" else [look(each) for each in part.get_payload()]
    elif part.get_content_type() == "text/plain":
        found["text"] = part.get_content()
    return found
print(json.dumps({"from": str(mail["From"].addresses[0]), "to": mail["To"].addresses[0].addr_spec, "subject": mail["Subject"],
    "report": mail.get_param("report-type"), "auto": mail["Auto-Submitted"], "whole": look(mail)}))
`;

/** What a program prints with `content` on its standard input. */
async function through(program: "perl" | "python3", script: string, content: Uint8Array): Promise<string> {
  await using folder = await TempFolder.make();
  await Deno.writeFile(folder.at("report.eml"), content);
  return await run(program, [program === "perl" ? "-e" : "-c", script], { input: folder.at("report.eml") });
}

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
  const lines = (await through("perl", PERL, withLf(made.content))).trim().split("\n");
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
    const lines = (await through("perl", PERL, withLf(made.content))).trim().split("\n");
    assertEquals(lines.slice(1), []);
  },
);

interface Looked {
  readonly type: string;
  readonly defects: readonly string[];
  readonly parts?: readonly Looked[];
  readonly groups?: readonly (readonly (readonly [string, string])[])[];
  readonly text?: string;
}
const defects = (part: Looked): readonly string[] => [...part.defects, ...(part.parts ?? []).flatMap(defects)];

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
    const { from, to, report, auto, whole } = JSON.parse(await through("python3", PYTHON, made.content));
    assertEquals([from, report, auto], [
      "Mail Delivery System <MAILER-DAEMON@mail.example.net>",
      "delivery-status",
      "auto-replied",
    ], name);
    assertEquals(to, "alice@example.org");
    assertEquals((whole as Looked).parts?.map(({ type }) => type), types, name);
    assertEquals(defects(whole), [], name);
    assertMatch((whole as Looked).parts![0]!.text!, /^Your message /);
  }
  const { whole } = JSON.parse(await through("python3", PYTHON, kinds[0]![1].content)) as { whole: Looked };
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
