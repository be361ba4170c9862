/** What we sign, as others check it: dkimpy, and OpenDKIM with our records in a real zone. Case 56. */
import { assert, assertEquals } from "@std/assert";
import { Outgoing } from "../../core/delivery/outgoing.ts";
import { headerEnd } from "../../core/model/headers.ts";
import { on, runPhase } from "../../core/pipeline/mod.ts";
import { memoryBody } from "../../core/pipeline/testing/simulation.ts";
import type { Canonicalization } from "../../core/dkim/canonical.ts";
import { dkim_sign } from "../../plugins/outbound/dkim_sign/mod.ts";
import { PrivateKey } from "../../core/dkim/private_key.ts";
import { recordName, recordText, zoneRecord } from "../../core/dkim/record.ts";
import { sign, type SigningKey } from "../../core/dkim/sign.ts";
import { join, latin1, mail, octets } from "../support/bytes.ts";
import { testWith, testWithPython } from "../support/debian.ts";
import { NAME_SERVERS, NameServers } from "../support/name_servers.ts";
import { TempFolder } from "../support/temp.ts";
import { pem, RFC_ED25519, RFC_ED25519_PEM, rsaPkcs8 } from "../unit/dkim/keys.ts";
import { run } from "./run.ts";

const FORMS: readonly (readonly [Canonicalization, Canonicalization])[] = [
  ["relaxed", "relaxed"],
  ["relaxed", "simple"],
  ["simple", "relaxed"],
  ["simple", "simple"],
];
const ED25519: SigningKey = { domain: "example.org", selector: "ed25519", key: RFC_ED25519 };

let made: Promise<readonly SigningKey[]> | null = null;
/** The same for all tests: a key of 4096 bits takes seconds. */
const allKeys = () => made ??= makeKeys();

async function makeKeys(): Promise<readonly SigningKey[]> {
  const rsa = [1024, 2048, 4096].map(async (bits) => ({
    domain: "example.org",
    selector: `rsa${bits}`,
    key: PrivateKey.parse(pem("PRIVATE KEY", await rsaPkcs8(bits))),
  }));
  return [...await Promise.all(rsa), ED25519];
}

const HEADER = `Received: from client.example.org
  by mx.example.org; Fri, 02 Jan 2026 03:04:05 +0000
From: Alice <alice@example.org>
To: bob@example.net,
	carol@example.net
CC:dave@example.net
Subject:  two  spaces	and a tab 
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <1@example.org>
`;
const MESSAGES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "text": mail(`${HEADER}\nHello  Bob \t\n\n\n.\n..\n \t\nend\n\n\n`),
  "no body": mail(HEADER),
  "an empty body": mail(`${HEADER}\n`),
  "a body of empty lines": mail(`${HEADER}\n\n\n\n`),
  "a last line without an end": mail(`${HEADER}\nHello`),
  "MIME and UTF-8": mail(
    `${HEADER}MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n` +
      `Gr\xc3\xbc\xc3\x9fe\n`,
  ),
  "UTF-8 in its header": mail(`${HEADER}Comments: \xc3\xa4\nReply-To: "\xc3\xa4" <a@example.org>\n\nHello\n`),
  "several of one name": mail(`${HEADER}To: erin@example.net\nReferences: <a@b>\n <c@d>\nSubject: another\n\nHello\n`),
  "a long body": mail(`${HEADER}\n${`${"0123456789 ".repeat(50)}\n`.repeat(400)}`),
};

/** Signed, and read from memory or in pieces. */
async function signed(
  message: Uint8Array<ArrayBuffer>,
  keys: readonly SigningKey[],
  canonicalization: readonly [Canonicalization, Canonicalization] = ["relaxed", "relaxed"],
): Promise<Uint8Array<ArrayBuffer>> {
  const end = headerEnd(message), head = end < 0 ? message : message.subarray(0, end);
  const stream = () => ReadableStream.from([message.subarray(0, 100), message.subarray(100)]);
  const memory = message.length < 1000 ? message : null;
  const fields = await sign({ head, memory, stream }, keys, {
    now: Date.now(),
    canonicalization,
  });
  assert(fields !== null);
  return join(octets(fields), message);
}

const VERIFY = `
import base64, dkim, json, sys
given = json.load(sys.stdin)
find = lambda name, timeout=5: given["records"].get(name.decode().rstrip("."), "").encode()
def verify(message, index):
    try:
        return dkim.DKIM(message, minkey=1024).verify(index, dnsfunc=find)
    except dkim.DKIMException as error:
        return False
print(json.dumps([[verify(base64.b64decode(each), index) for index in range(given["signatures"])] for each in given["messages"]]))
`;

/** What dkimpy says of each message: of each of its signatures. */
async function dkimpy(
  python: string,
  messages: readonly Uint8Array[],
  keys: readonly SigningKey[],
): Promise<boolean[][]> {
  const records: Record<string, string> = {};
  for (const { domain, selector, key } of keys) records[recordName(domain, selector)] = await recordText(key);
  const given = { records, signatures: keys.length, messages: messages.map((each) => each.toBase64()) };
  return JSON.parse(await run(python, ["-c", VERIFY], { text: JSON.stringify(given), deadline: 60_000 }));
}

testWithPython("dkim", "dkimpy takes every signature of every key, in every form", async (python) => {
  const keys = await allKeys(), sent: { readonly name: string; readonly message: Uint8Array }[] = [];
  for (const [name, message] of Object.entries(MESSAGES)) {
    for (const forms of FORMS) sent.push({ name: `${name}, ${forms}`, message: await signed(message, keys, forms) });
  }
  const verdicts = await dkimpy(python, sent.map(({ message }) => message), keys);
  assertEquals(verdicts.length, sent.length);
  for (const [at, verdict] of verdicts.entries()) assertEquals(verdict, keys.map(() => true), sent[at]!.name);
});

testWithPython(
  "dkim",
  "case 56: no signed octet can be changed, nothing shown be added or taken away",
  async (python) => {
    const text = latin1(await signed(mail(`${HEADER}\nHello  Bob\n`), [ED25519]));
    const front = text.indexOf("\r\nFrom: ") + 2, b = text.indexOf(" b="), end = text.indexOf("\r\n\r\n") + 2;
    const changed: [what: string, octets: Uint8Array][] = [];
    for (let at = "DKIM-Signature:".length; at < text.length; at++) {
      if (at === b) at = front; // Received, which is not signed, stands between
      if (!/[\w<>@.,:;=+-]/.test(text[at]!)) continue; // white space may change in relaxed form
      changed.push([`octet ${at}`, octets(`${text.slice(0, at)}${text[at] === "x" ? "y" : "x"}${text.slice(at + 1)}`)]);
    }
    for (
      const field of ["From: Mallory <m@example.net>", "Subject: another", "To: m@example.net", "Cc: m@example.net"]
        .concat("Date: Thu, 01 Jan 2026 03:04:05 +0000", "MIME-Version: 1.0", "Content-Type: text/html")
        .concat("Content-Transfer-Encoding: base64", "Reply-To: m@example.net", "Sender: m@example.net")
        .concat("Message-ID: <2@example.org>")
    ) {
      for (const at of [0, front, end]) {
        changed.push([`${field} at ${at}`, octets(`${text.slice(0, at)}${field}\r\n${text.slice(at)}`)]);
      }
    }
    const fields = text.slice(front, end).split(/(?<=\r\n)(?![ \t])/);
    for (const field of fields) {
      changed.push([`without ${field}`, octets(text.replace(field, ""))]);
    }
    changed.push(["a longer body", octets(`${text}more\r\n`)], ["a shorter one", octets(text.slice(0, -5))]);
    const verdicts = await dkimpy(python, changed.map(([, each]) => each), [ED25519]);
    assert(verdicts.length > 150);
    assertEquals(verdicts.flatMap(([good], at) => good ? [changed[at]![0]] : []), []);

    const kept = [
      text,
      `Received: from a by b\r\nReturn-Path: <a@example.org>\r\n${text}`,
      `${text.slice(0, end)}X-Spam: no\r\nList-Id: <a.example>\r\n${text.slice(end)}`,
      `${text}\r\n\r\n`,
      latin1(await signed(octets(text), [{ ...ED25519, selector: "again" }])).replace(/(?<=^DKIM-)/, "Other-"),
    ];
    assertEquals(await dkimpy(python, kept.map(octets), [ED25519]), kept.map(() => [true]));
  },
);

testWithPython("dkim", "case 56: what is signed is what goes out", async (python) => {
  const edits = on("deliver", (ctx, next) => {
    ctx.removeHeader("Subject");
    ctx.prependHeader("Subject", `[external] ${"gr\u00fc\u00dfe ".repeat(20)}`);
    ctx.prependHeader("Reply-To", "list@example.org");
    return next();
  });
  const key = { domain: "example.org", selector: "ed25519", key: RFC_ED25519_PEM };
  const { departure } = await runPhase([edits, dkim_sign({ keys: [key] })], "deliver", {
    origin: { identity: "alice" },
    message: MESSAGES["text"]!,
  });
  const sent = new TextEncoder().encode(departure!.sent);
  assert(departure!.sent.includes("\r\nReply-To: list@example.org\r\n"));
  assertEquals(await dkimpy(python, [sent], [ED25519]), [[true]]);
});

testWithPython(
  "dkim",
  "case 56: what is converted for a peer is signed behind it, from memory and from a file",
  async (python) => {
    const octets = MESSAGES["MIME and UTF-8"]!, small = memoryBody(octets);
    const large = { ...small, memory: null };
    for (const body of [small, large]) {
      const outgoing = new Outgoing({
        body,
        edits: { prepend: "Sender: list@example.org\r\n", drop: [] },
        parameters: { body: "8BITMIME", smtputf8: false },
        signers: [async (content) => (await sign(content, [ED25519], { now: Date.now() }))!],
        eightBit: "convert",
      });
      const sent: Uint8Array[] = [];
      for (const capacity of ["7BIT", "8BITMIME"] as const) {
        const form = await outgoing.form(capacity);
        assert(form !== "impossible");
        const bytes = await new Response(form.content() as BodyInit).bytes();
        assertEquals([bytes.length, bytes.some((octet) => octet > 127)], [form.facts.size, capacity !== "7BIT"]);
        sent.push(bytes);
      }
      assertEquals(await dkimpy(python, sent, [ED25519]), [[true], [true]]);
    }
  },
);

testWith(["opendkim", ...NAME_SERVERS], "OpenDKIM takes every signature, by our records in a zone", async () => {
  const keys = await allKeys();
  const records = await Promise.all(
    keys.map(async ({ domain, selector, key }) => zoneRecord(recordName(domain, selector), await recordText(key))),
  );
  await using servers = await NameServers.start({ "example.org": { records: records.join("\n"), signed: true } });
  await using folder = await TempFolder.make();
  await folder.file(
    "unbound.conf",
    `server:
  do-not-query-localhost: no
  local-zone: "example.org." nodefault
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${servers.port}
`,
  );
  await folder.file(
    "opendkim.conf",
    `Mode v\nSyslog no\nAlwaysAddARHeader yes\nMaximumSignaturesToVerify 9\nResolverConfiguration ${
      folder.at("unbound.conf")
    }\n`,
  );
  /** `selector result` of each signature, for each message. */
  const check = async (messages: readonly Uint8Array[]): Promise<string[][]> => {
    const files: string[] = [];
    for (const [at, message] of messages.entries()) {
      const ended = latin1(message).endsWith("\r\n"); // DATA ends the last line, whatever it lacks
      files.push(folder.at(`mail${at}`));
      await Deno.writeFile(files[at]!, ended ? message : join(message, octets("\r\n")));
    }
    const printed = await run("opendkim", ["-x", folder.at("opendkim.conf"), "-t", files.join(","), "-v", "-v"]);
    return printed.split("### INSHEADER").slice(1).map((result) =>
      [...result.matchAll(/dkim=(\w+) .*?header\.s=(\w+)/g)].map(([, word, selector]) => `${selector} ${word}`)
    );
  };
  const sent: { readonly name: string; readonly message: Uint8Array }[] = [];
  for (const [name, message] of Object.entries(MESSAGES)) {
    for (const forms of FORMS) {
      // A milter is not told of the space behind a colon, which simple form keeps
      const told = forms[0] === "relaxed" ? message : octets(latin1(message).replace(/(?<=^[\w-]+:) */gm, " "));
      sent.push({ name: `${name}, ${forms}`, message: await signed(told, keys, forms) });
    }
  }
  const results = await check(sent.map(({ message }) => message));
  assertEquals(results.length, sent.length);
  for (const [at, result] of results.entries()) {
    assertEquals(result, keys.map(({ selector }) => `${selector} pass`), sent[at]!.name);
  }
  const text = latin1(await signed(MESSAGES["text"]!, keys));
  const forged = [`From: m@example.net\r\n${text}`, text.replace("Hello", "Hallo"), text.replace("two", "tow")];
  const refused = await check(forged.map(octets));
  assertEquals(refused.flat().filter((each) => each.endsWith(" pass")), []);
  assertEquals(refused.length, forged.length);
});
