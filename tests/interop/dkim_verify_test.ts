/** What others sign and seal, as we check it, and what we seal, as they do: dkimpy and OpenDKIM. Cases 55 and 57. */
import { assert, assertEquals } from "@std/assert";
import { seal, verify, verifyChain } from "../../core/dkim/mod.ts";
import { PrivateKey } from "../../core/dkim/private_key.ts";
import type { SigningKey } from "../../core/dkim/sign.ts";
import { join, latin1, mail, octets } from "../support/bytes.ts";
import { testWith, testWithPython } from "../support/debian.ts";
import { TempFolder } from "../support/temp.ts";
import { content, door, zoneOf } from "../unit/dkim/crafted.ts";
import { ed25519Pem, pem, rsaPkcs8 } from "../unit/dkim/keys.ts";
import { run } from "./run.ts";

const SEED = new Uint8Array(32).fill(7), ED25519 = ed25519Pem(SEED);
const RSA = pem("PRIVATE KEY", await rsaPkcs8(2048));
const KEYS: readonly SigningKey[] = [
  { domain: "example.org", selector: "rsa", key: PrivateKey.parse(RSA) },
  { domain: "example.org", selector: "ed", key: PrivateKey.parse(ED25519) },
];
const ZONE = await zoneOf(...KEYS);
const door0 = () => ({ ...door(ZONE), now: Date.now() });
const FORMS = ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"];

const HEADER = `Received: from client.example.org
  by mx.example.org; Fri, 02 Jan 2026 03:04:05 +0000
From: Alice <alice@example.org>
To: bob@example.net,
	carol@example.net
CC: dave@example.net
Subject:  two  spaces	and a tab 
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <1@example.org>
`;
const MESSAGES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "text": mail(`${HEADER}\nHello  Bob \t\n\n\n.\n..\n \t\nend\n\n\n`),
  "an empty body": mail(`${HEADER}\n`),
  "a body of empty lines": mail(`${HEADER}\n\n\n\n`),
  "a last line without an end": mail(`${HEADER}\nHello`),
  "UTF-8": mail(`${HEADER}Comments: \xc3\xa4\n\nGr\xc3\xbc\xc3\x9fe\n`),
  "several of one name": mail(`${HEADER}To: erin@example.net\nSubject: another\n\nHello\n`),
  "a long body": mail(`${HEADER}\n${`${"0123456789 ".repeat(50)}\n`.repeat(400)}`),
};

/** Octets of a message changed where a signature has to see it. */
function tampered(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const text = latin1(message);
  return [
    octets(text.replace("alice@", "mallory@")),
    octets(text.replace(/(?<=^Subject: +)two/m, "three")),
    join(message, octets("\r\nmore\r\n")),
  ];
}

const SIGN = `
import base64, dkim, json, sys
given = json.load(sys.stdin)
out = []
for each in given["messages"]:
    message = base64.b64decode(each)
    for form in given["forms"]:
        how = tuple(form.encode().split(b"/"))
        for limited in (False, True):
            rsa = dkim.sign(message, b"rsa", b"example.org", given["rsa"].encode(), canonicalize=how, length=limited)
            ed = dkim.sign(message, b"ed", b"example.org", given["ed"].encode(), canonicalize=how, length=limited, signature_algorithm=b"ed25519-sha256")
            out.append(base64.b64encode(rsa + ed + message).decode())
print(json.dumps(out))
`;

testWithPython(
  "dkim",
  "what dkimpy signs we take, in every form, with l= and without; changed it fails",
  async (python) => {
    const given = {
      messages: Object.values(MESSAGES).map((each) => each.toBase64()),
      forms: FORMS,
      rsa: RSA,
      ed: SEED.toBase64(),
    };
    const signed = JSON.parse(
      await run(python, ["-c", SIGN], { text: JSON.stringify(given), deadline: 60_000 }),
    ) as string[];
    assertEquals(signed.length, Object.keys(MESSAGES).length * FORMS.length * 2);
    for (const [at, each] of signed.entries()) {
      const message = Uint8Array.fromBase64(each), limited = at % 2 === 1;
      const { signatures } = await verify(content(message), door0());
      assertEquals(
        signatures.map(({ result, reason }) => [result, reason]),
        [["pass", null], ["pass", null]],
        String(at),
      );
      for (const changed of tampered(message).slice(0, limited ? 2 : 3)) {
        const { signatures } = await verify(content(changed), door0());
        assertEquals(signatures.map(({ result }) => result), ["fail", "fail"], String(at));
      }
      if (limited) {
        const { signatures } = await verify(content(tampered(message)[2]!), door0());
        assert(signatures.every(({ result, limited }) => result === "pass" && limited!.covered < limited!.size));
      }
    }
  },
);

testWith(["opendkim"], "what OpenDKIM signs we take, in every form; changed it fails", async () => {
  await using folder = await TempFolder.make();
  await folder.file("key.pem", RSA);
  // A milter is not told of the space behind a colon, which simple form keeps; DATA ends the last line, whatever it lacks
  const told = Object.values(MESSAGES).map((message) => latin1(message).replace(/(?<=^[\w-]+:) */gm, " "))
    .map((text) => octets(text.endsWith("\r\n") ? text : `${text}\r\n`));
  for (const [at, message] of told.entries()) await Deno.writeFile(folder.at(`mail${at}`), message);
  for (const form of FORMS) {
    await folder.file(
      "opendkim.conf",
      `Mode s\nSyslog no\nRequireSafeKeys no\nDomain example.org\nKeyFile ${
        folder.at("key.pem")
      }\nSelector rsa\nCanonicalization ${form}\nSignatureAlgorithm rsa-sha256\n`,
    );
    const files = told.map((_, at) => folder.at(`mail${at}`)).join(",");
    const printed = await run("opendkim", ["-x", folder.at("opendkim.conf"), "-t", files, "-v", "-v"]);
    const fields = [...printed.matchAll(/### INSHEADER: idx=0 hname='DKIM-Signature' hvalue='([^']+)'/g)];
    assertEquals(fields.length, told.length);
    for (const [at, [, value]] of fields.entries()) {
      const field = `DKIM-Signature: ${value!.replaceAll(/\r?\n/g, "\r\n")}\r\n`;
      const signed = join(octets(field), told[at]!), name = `${Object.keys(MESSAGES)[at]}, ${form}`;
      const { signatures } = await verify(content(signed), door0());
      assertEquals(signatures.map(({ result, reason }) => [result, reason]), [["pass", null]], name);
      for (const changed of tampered(signed)) {
        const { signatures } = await verify(content(changed), door0());
        assertEquals(signatures.map(({ result }) => result), ["fail"], name);
      }
    }
  }
});

const CHAIN = `
import base64, dkim, json, sys
given = json.load(sys.stdin)
find = lambda name, timeout=5: given["records"].get(name.decode().rstrip("."), "").encode()
out = []
for each in given["messages"]:
    message = base64.b64decode(each)
    cv, results, reason = dkim.arc_verify(message, dnsfunc=find)
    if given["seal"]:
        host = given["seal"].encode() # takes two findings of one host for none
        more = b"Authentication-Results: " + host + b"; arc=" + cv + b"; spf=pass\\r\\n" + message
        fields = dkim.arc_sign(more, b"rsa", b"example.org", given["rsa"].encode(), host)
        message = b"".join(fields) + more
    out.append([cv.decode() if cv else "", str(reason), base64.b64encode(message).decode()])
print(json.dumps(out))
`;

testWithPython(
  "dkim",
  "case 57: chains of seals by us and by dkimpy in turns, which both take; changed they fail",
  async (python) => {
    const records = Object.fromEntries(Object.entries(ZONE).map(([name, [text]]) => [name, text]));
    /** What dkimpy says of each message, and the message with its seal where it is to make one. */
    const dkimpy = async (messages: readonly Uint8Array[], sealer: string | null) => {
      const given = { messages: messages.map((each) => each.toBase64()), records, rsa: RSA, seal: sealer };
      const text = JSON.stringify(given);
      const said = JSON.parse(await run(python, ["-c", CHAIN], { text, deadline: 60_000 })) as [
        string,
        string,
        string,
      ][];
      return said.map(([cv, reason, message]) => ({ cv, reason, message: Uint8Array.fromBase64(message) }));
    };
    const ours = (message: Uint8Array<ArrayBuffer>) => verifyChain(content(message), door0());
    // A message of dkimpy's own has to have a field for each name in its h=, and no line without an end
    const names = Object.keys(MESSAGES).filter((name) => latin1(MESSAGES[name]!).endsWith("\r\n"));
    let messages = names.map((name) => MESSAGES[name]!);
    for (let hop = 1; hop <= 4; hop++) {
      if (hop % 2 === 1) {
        messages = await Promise.all(messages.map(async (message) => {
          const options = { key: KEYS[0]!, cv: "pass", host: "mx.example.org", results: ["spf=pass"], now: Date.now() };
          return join(octets((await seal(content(message), options as Parameters<typeof seal>[1]))!), message);
        }));
      } else messages = (await dkimpy(messages, `mx${hop}.example.net`)).map(({ message }) => message);
      for (const [at, { cv, reason }] of (await dkimpy(messages, null)).entries()) {
        const { cv: found, reason: why, sets } = await ours(messages[at]!);
        assertEquals([cv, found, sets.length], ["pass", "pass", hop], `${names[at]}: ${reason}, ${why}`);
      }
    }
    const changed = messages.flatMap(tampered);
    for (const [at, { cv }] of (await dkimpy(changed, null)).entries()) {
      assertEquals([cv, (await ours(changed[at]!)).cv], ["fail", "fail"]);
    }
  },
);
