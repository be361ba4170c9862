/** Converted messages as Python's email package reads them: the same parts with the same octets, and no defect. */
import { assert, assertEquals } from "@std/assert";
import { convert, examine } from "../../core/mime/convert.ts";
import { octets } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { TempFolder } from "../support/temp.ts";
import { run } from "./run.ts";

const PYTHON = `
import email, email.policy, json, sys
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTP)
print(json.dumps([[p.get_content_type(), [type(d).__name__ for d in p.defects],
    None if p.is_multipart() else p.get_payload(decode=True).hex()] for p in mail.walk()]))
`;

async function read(content: Uint8Array): Promise<unknown> {
  await using folder = await TempFolder.make();
  await Deno.writeFile(folder.at("mail.eml"), content);
  return JSON.parse(await run("python3", ["-c", PYTHON], { input: folder.at("mail.eml") }));
}

const LONG = "a line that is too long, and ends in spaces \t ".repeat(40);
const CONTENT = octets([
  "Subject: parts",
  "MIME-Version: 1.0",
  'Content-Type: multipart/mixed; boundary="=_a b"',
  "Content-Transfer-Encoding: 8bit",
  "",
  "pre",
  "--=_a b",
  'Content-Type: multipart/alternative; boundary="=_a"',
  "",
  "--=_a",
  "Content-Type: text/plain; charset=utf-8",
  "Content-Transfer-Encoding: 8bit",
  "",
  `Gr\xc3\xbc\xc3\x9fe = \t `,
  "--=_ab",
  LONG,
  `${"x".repeat(75)}--=_a`,
  "",
  "--=_a",
  "Content-Type: text/html; charset=utf-8",
  "",
  `<p>${"\xe2\x82\xac".repeat(600)}`,
  "--=_a--",
  "--=_a b",
  "Content-Type: message/rfc822",
  "",
  "Subject: inner",
  "MIME-Version: 1.0",
  "Content-Type: text/plain; charset=iso-8859-1",
  "Content-Transfer-Encoding: 8bit",
  "",
  "\xe4",
  "--=_a b",
  "Content-Type: application/octet-stream",
  "Content-Transfer-Encoding: 8bit",
  "",
  Array.from({ length: 256 }, (_, n) => String.fromCharCode(n)).filter((each) => !"\r\n\0".includes(each)).join(""),
  "--=_a b--",
  "",
].join("\r\n"));

testWith(["python3"], "Python's email package reads the same octets out of what was converted", async () => {
  const content = () => new Blob([CONTENT]).stream();
  const outcome = convert(content(), await examine(content()), "7BIT");
  assert(outcome !== "impossible");
  const converted = await new Response(outcome).bytes();
  assert(converted.every((octet) => octet < 128));
  assertEquals(await read(converted), await read(CONTENT));
});
