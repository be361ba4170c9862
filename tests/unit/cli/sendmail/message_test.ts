/** What a program hands in becomes a message: line ends, header, recipients, Bcc. */
import { assert, assertEquals } from "@std/assert";
import { addressesOf, qualified } from "../../../../cli/sendmail/addresses.ts";
import { beforeDot, prepare } from "../../../../cli/sendmail/message.ts";
import { personIn } from "../../../../cli/sendmail/person.ts";

const AUTHOR = {
  from: "root@example.org",
  name: "Root",
  origin: "example.org",
  date: "Mon, 30 Nov 2026 12:00:00 +0000",
  messageId: "<id@mx.example.org>",
};
const octets = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function made(input: string, author: Partial<typeof AUTHOR> = {}): { text: string; recipients: readonly string[] } {
  const { content, recipients } = prepare(octets(input), { ...AUTHOR, ...author });
  return { text: text(content), recipients };
}

Deno.test("what is missing is added, and LF becomes CRLF", () => {
  assertEquals(
    made("Subject: hi\n\nhello\n").text,
    "Message-ID: <id@mx.example.org>\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n" +
      'From: "Root" <root@example.org>\r\nSubject: hi\r\n\r\nhello\r\n',
  );
});

Deno.test("what is there stays as it is, folded lines too", () => {
  const input = "From: Ann\r\n <ann@example.net>\r\nDate: x\r\nMessage-ID: <y@z>\r\nSubject: a\r\n\tb\r\n\r\nhello";
  assertEquals(made(input).text, `${input}\r\n`);
});

Deno.test("a message without a header gets one before its text", () => {
  const { text } = made("hello: \x01 world\nthis is no field\n");
  assert(text.includes("\r\n\r\nthis is no field\r\n"), text);
  assert(made("no header here\n").text.endsWith("\r\n\r\nno header here\r\n"));
  assert(made("").text.endsWith("\r\n\r\n"));
});

Deno.test("the first line of an mbox is no field", () => {
  assert(!made("From ann@example.org Mon Nov 30\nSubject: a\n\nb\n").text.includes("From ann"));
});

Deno.test("To, Cc and Bcc name recipients, Bcc is taken out, names of this machine get their domain", () => {
  const { text, recipients } = made(
    'To: root, "Bob, B" <bob@example.net>\nCc: Staff: ann (Ann), <eve>;\nBcc: secret@example.com\nFrom: cron (Cron Daemon)\n\nx\n',
  );
  assertEquals(recipients, [
    "root@example.org",
    "bob@example.net",
    "ann@example.org",
    "eve@example.org",
    "secret@example.com",
  ]);
  assert(text.includes('To: root@example.org, "Bob, B" <bob@example.net>\r\n'), text);
  assert(text.includes("Cc: Staff: ann@example.org (Ann), <eve@example.org>;\r\n"), text);
  assert(text.includes("From: cron@example.org (Cron Daemon)\r\n"), text);
  assert(!/secret|Bcc/i.test(text), text);
});

Deno.test("Resent fields name who gets it, where there are any", () => {
  const { text, recipients } = made("To: a@example.net\nResent-To: b@example.net\nResent-Bcc: c@example.net\n\nx\n");
  assertEquals(recipients, ["b@example.net", "c@example.net"]);
  assert(!/Resent-Bcc/.test(text));
});

Deno.test("a name beyond ASCII is an encoded word", () => {
  const { text } = made("\nx\n", { name: "Jürgen Groß" });
  assert(/^From: (?:=\?utf-8\?B\?[\w+/=]+\?= )+<root@example\.org>\r$/m.test(text), text);
});

Deno.test("a name has no line of its own", () => {
  assert(
    made("\nx\n", { name: "a\nBcc: b@example.org" }).text.includes(
      'From: "a Bcc: b@example.org" <root@example.org>\r\n',
    ),
  );
});

Deno.test("a dot alone ends the message", () => {
  for (
    const [input, left] of [["a\n.\nb\n", "a\n"], ["a\r\n.\r\nb", "a\r\n"], [".\nx", ""], ["a\n.", "a\n"], [
      "a\n..\n.b\n",
      "a\n..\n.b\n",
    ]] as const
  ) assertEquals(text(beforeDot(octets(input))), left);
});

Deno.test("hostile headers take time that grows with them", () => {
  for (
    const input of [
      `To: ${"a,".repeat(200_000)}\n\n`,
      `To: ${"(".repeat(400_000)}\n\n`,
      `To: ${'"'.repeat(400_001)}\n\n`,
      `To: ${"<".repeat(400_000)}\n\n`,
      `To: ${"a:".repeat(200_000)}\n\n`,
      "X: y\n".repeat(100_000) + "\n",
      `X: y\n${" \n".repeat(200_000)}\n`,
      ".\r".repeat(200_000),
    ]
  ) {
    const began = performance.now();
    made(input);
    beforeDot(octets(input));
    assert(performance.now() - began < 5000, input.slice(0, 10)); // quadratic would be minutes
  }
});

Deno.test("addresses as people write them", () => {
  assertEquals(addressesOf('a@[IPv6:::1], b (x, y), <>, ,; "q u"@example.net', "o.example"), [
    "a@[IPv6:::1]",
    "b@o.example",
    '"q u"@example.net',
  ]);
  assertEquals(qualified('"a b", c', "o.example"), '"a b"@o.example, c@o.example');
  assertEquals(qualified("not an address, x@y", "o.example"), "not an address, x@y");
});

Deno.test("who runs the process", () => {
  const accounts = "root:x:0:0:root of &:/root:/bin/sh\nann:x:1000:1000:Ann B.,room 1,,:/home/ann:/bin/sh\n";
  assertEquals(personIn(accounts, 1000, undefined), { login: "ann", name: "Ann B." });
  assertEquals(personIn(accounts, 0, undefined), { login: "root", name: "root of Root" });
  assertEquals(personIn("", 7, undefined), { login: "uid-7", name: "" });
  assertEquals(personIn("", null, "a b"), { login: "nobody", name: "" });
});
