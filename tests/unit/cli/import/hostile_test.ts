/** `postern import`: folders that want to hurt. They cost linear time, become no code, and name nothing of JavaScript. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { documentOf } from "../../../../cli/import/document.ts";
import { importHaraka } from "../../../../cli/import/haraka/import.ts";
import { importPostfix } from "../../../../cli/import/postfix/import.ts";
import { Sources } from "../../../../cli/import/sources.ts";
import { imported } from "../../../support/import_folder.ts";
import { TempFolder } from "../../../support/temp.ts";

const HOST = `myhostname = mx.example.org
mydestination = example.org
local_recipient_maps =
alias_maps =
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
`;
const LINES = 10_000;
const lines = (each: (index: number) => string) => Array.from({ length: LINES }, (_, index) => each(index)).join("\n");

/** The draft and its text; compared pair by pair these tables take minutes. */
async function read(program: "postfix" | "haraka", files: Readonly<Record<string, string>>) {
  await using folder = await TempFolder.make();
  for (const [name, text] of Object.entries(files)) await folder.file(name, text);
  const sources = new Sources(folder.path, program === "postfix" ? "/etc/postfix" : folder.path, folder.path);
  const began = performance.now();
  const draft = await (program === "postfix" ? importPostfix : importHaraka)(sources), yaml = documentOf(draft);
  const seconds = (performance.now() - began) / 1000;
  assert(seconds < 45, `${seconds} s for ${Object.keys(files).join(", ")}`);
  return { draft, yaml };
}

Deno.test("import postfix: tables of many lines cost linear time", async () => {
  const { draft } = await read("postfix", {
    "main.cf": `${HOST}transport_maps = hash:/etc/postfix/transport
virtual_alias_maps = hash:/etc/postfix/virtual
virtual_mailbox_domains = v.example
virtual_mailbox_maps = hash:/etc/postfix/mailboxes
virtual_transport = smtp:[relay.example.net]
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/logins
smtp_tls_policy_maps = hash:/etc/postfix/tls
${lines((index) => `odd_${index} = ${index}`)}
`,
    transport: lines((index) => `d${index}.example.com smtp:[h${index}.example.net]:${index % 60_000 + 1}`),
    virtual: lines((index) => `a${index}@other.example b${index}@example.net`),
    mailboxes: lines((index) => `a${index}@v.example v/a${index}/`),
    logins: lines((index) => `h${index}.example.net user:word${index}`),
    tls: lines((index) => `d${index}.example encrypt`),
  });
  assertEquals([draft.hops.size, draft.book.accounts.size, draft.rules.size], [LINES + 1, LINES, LINES]);
  assert(draft.left.length >= LINES);
});

Deno.test("import postfix: a list that every alias includes does not multiply", async () => {
  const { draft } = await read("postfix", {
    "main.cf": HOST.replace("alias_maps =", "alias_maps = hash:/etc/aliases"),
    "etc/aliases": lines((index) => `a${index}: :include:/etc/members`),
    "etc/members": lines((index) => `m${index}@example.net`),
  });
  const members = draft.book.aliases.values().reduce((sum, { targets }) => sum + targets.length, 0);
  assert(members > LINES && members <= 500_000, `${members}`);
  assert(draft.left.some(({ instead }) => instead.includes("500,000")));
});

Deno.test("import haraka: a table of many lines that are left costs linear time", async () => {
  const aliases = Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`a${index}`, { action: "drop" }]));
  const { draft } = await read("haraka", {
    "config/plugins": "aliases\n",
    "config/me": "mx.example.org\n",
    "config/aliases.json": JSON.stringify(aliases),
  });
  assert(draft.left.length >= 200_000);
});

Deno.test("import: names of JavaScript's own are names like all others", async () => {
  const { left, yaml } = await imported("postfix", {
    "main.cf": `${HOST}mynetworks = 127.0.0.0/8 $constructor$toString$__proto__
smtp_tls_policy_maps = inline:{ {one.example = constructor} }
smtp_tls_security_level = toString
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = inline:{ {ann@example.org = __proto__}, {bob@example.org = constructor} }
`,
  });
  assertEquals(left.filter((each) => /main\.cf:[78]:/.test(each)), [
    "main.cf:7: one.example constructor",
    "main.cf:8: smtp_tls_security_level = toString",
  ]);
  assertMatch(yaml, /"?__proto__"?: \[ "?ann@example\.org"? \]/);
  assertMatch(yaml, /constructor: \[ "?bob@example\.org"? \]/);
});

Deno.test("import: the name of a file ends no comment", async () => {
  const { yaml, config } = await imported("postfix", {
    "main.cf": `${HOST}relay_domains = hash:/etc/postfix/a\rdomains: [evil.example]\n`.replace(
      "hash:/etc/postfix/a\r",
      "/etc/postfix/a\r",
    ),
    "a\rdomains:": "good.example\n",
  });
  assertEquals(config.domains, ["example.org"]);
  assert(!yaml.includes("\r"));
});
