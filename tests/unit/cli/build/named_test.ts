/** What a binary is built with and may do, from the text of a configuration. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { EVERYTHING, readNamed } from "../../../../cli/build/named.ts";
import { permissionsFor } from "../../../../cli/build/permissions.ts";
import { DEV_INBOX } from "../../../../core/config/defaults.ts";
import { TempFolder } from "../../../support/temp.ts";

const INBOX = ["any_login", "chaos", "dkim", "dmarc", "headers", "inbox", "spam_score", "spf"];

async function named(folder: TempFolder, text: string) {
  return await readNamed(await folder.file("etc/postern.yaml", text));
}

Deno.test("every plugin that a configuration names is found, in groups and lists of listeners too", async () => {
  await using folder = await TempFolder.make();
  const found = await named(
    folder,
    `
data: ./data
listeners:
  - { address: "0.0.0.0:25", plugins: [greylist, { ./mine.ts: {} }] }
  - { address: "0.0.0.0:587", role: submission, plugins: standard }
nextHops: { away: { hosts: ["smtp://relay.example.org"], auth: { user: x, password: "\${RELAY_PASSWORD}" } } }
admin: { token: "\${TOKEN:-none}" }
plugins:
  - rate_limit: { messagesPerIp: 100/1m }
    as: rates
    roles: [mx]
  - parallel: [{ dnsbl: { zones: {} } }, fcrdns, { firstOf: [uribl] }]
  - npm:postern-plugin-x@1.2.3/deep: {}
    sandbox: { net: [] }
  - ./plugins/two.ts: { file: /srv/lists/names.txt }
    sandbox: { memory: 64MiB }
`,
  );
  const standard = ["account_guard", "accounts", "arc", "maildir", "null_mx", "recipients", "relay", "sender_login"];
  assertEquals(
    [...found.builtIns!].sort(),
    [...new Set([...INBOX, ...standard, "submission", "greylist", "rate_limit", "dnsbl", "fcrdns", "uribl"])].sort(),
  );
  assertEquals(found.own, [
    { name: "npm:postern-plugin-x@1.2.3/deep", sandboxed: true, isolated: false },
    { name: "./plugins/two.ts", sandboxed: true, isolated: true },
    { name: "./mine.ts", sandboxed: false, isolated: false },
  ]);
  assertEquals(found.isolated, true);
  assertEquals(found.variables, ["RELAY_PASSWORD", "TOKEN"]);
  assert(found.paths.includes("/srv/lists/names.txt") && found.paths.includes(folder.at("etc/data")), `${found.paths}`);
  assert(!found.paths.some((each) => each.includes("relay.example.org")), "a URL is no path");
});

Deno.test("a module that stands in a sandbox and outside of one is carried for outside", async () => {
  await using folder = await TempFolder.make();
  for (const text of ["[{ ./a.ts: {}, sandbox: {} }, ./a.ts]", "[./a.ts, { ./a.ts: {}, sandbox: {} }]"]) {
    const { own } = await named(folder, `plugins: ${text}`);
    assertEquals(own.map(({ sandboxed }) => sandboxed), [false], text);
  }
});

Deno.test("a file that is no configuration is said to be none", async () => {
  await using folder = await TempFolder.make();
  for (const text of ["- a list", "just text", "", "a: [", "a: 1\na: 2"]) {
    await assertRejects(() => named(folder, text), Error);
  }
  await assertRejects(() => readNamed(folder.at("missing.yaml")), Error, "cannot read");
});

Deno.test("permissions: what is named and nothing more; the net is narrow where nobody is spoken to", async () => {
  await using folder = await TempFolder.make();
  const at = folder.at("etc");
  const flags = async (text: string, options = {}) =>
    permissionsFor(await named(folder, text), { installed: null, more: [], ...options }).map(({ flag }) => flag);
  const quiet = `
data: /var/lib/postern
listeners: [{ address: "0.0.0.0:2525" }, { address: "unix:/run/postern/lmtp.sock", role: lmtp }]
admin: { token: "\${TOKEN}" }
plugins: [{ recipients: { file: ./recipients.yaml } }, { maildir: { root: /srv/mail } }]
`;
  for (
    const [store, hosts] of [
      ["postgres://postern:${PGPASSWORD}@db.example.org/mail?sslmode=verify-full", ",db.example.org:5432"],
      ["postgresql://postern@[2001:db8::1]:5433,db2/mail", ",[2001:db8::1]:5433,db2:5432"],
      ["postgres://postern@/mail?host=/run/postgresql", ",unix:/run/postgresql/.s.PGSQL.5432"],
    ]
  ) {
    const [net, , , env] = await flags(`${quiet}store: "${store}"\n`);
    assertEquals(net, `--allow-net=0.0.0.0:2525,unix:/run/postern/lmtp.sock,127.0.0.1:8025${hosts}`);
    assertEquals(env!.includes(",PG*,"), true);
  }
  assertEquals((await flags(`${quiet}store: "\${DATABASE}"\n`))[0], "--allow-net");
  assertEquals((await flags(`${quiet}store: "postgres://u@\${HOST}/db"\n`))[0], "--allow-net");
  const [net, read, write, env, sys] = await flags(quiet);
  assertEquals(net, "--allow-net=0.0.0.0:2525,unix:/run/postern/lmtp.sock,127.0.0.1:8025");
  assertEquals(
    read,
    `--allow-read=@{exe},${at},/var/lib/postern,/etc/resolv.conf,/run/postern/lmtp.sock,/srv/mail`,
  );
  assertEquals(write, "--allow-write=/var/lib/postern,/run/postern/lmtp.sock,/srv/mail");
  assertStringIncludes(env!, "POSTERN_*,");
  assertStringIncludes(env!, ",TOKEN");
  assertEquals(sys, "--allow-sys=statfs,uid,hostname");

  const rows: [string, string][] = [
    ["plugins: [spf, inbox]", "--allow-net"],
    ["plugins: [./mine.ts, inbox]", "--allow-net"],
    ["plugins: [{ parallel: [dnsbl] }, inbox]", "--allow-net"],
    ["webhooks: []\nplugins: [inbox]", "--allow-net"],
    ["plugins: [inbox]", "--allow-net=127.0.0.1:2525"], // where it listens when nothing is said
    ["plugins: [inbox]\nadmin: {}", "--allow-net=127.0.0.1:2525,127.0.0.1:8025"],
    ['plugins: [inbox]\nlisteners: [{ address: "127.0.0.1:${PORT}" }]', "--allow-net"],
    [
      'plugins: [{ ./mine.ts: {}, sandbox: { net: [] } }, inbox]\nlisteners: [{ address: "127.0.0.1:25" }]',
      "--allow-net=127.0.0.1:25",
    ],
  ];
  const one = (address: string) => `plugins: [inbox]\nlisteners: [{ address: "${address}" }]`;
  rows.push(
    [one("unix:./a.sock"), `--allow-net=unix:${at}/a.sock`],
    [one("unix:./a,b.sock"), "--allow-net"],
    [one("${ADDRESS}"), "--allow-net"],
  );
  assert((await flags("plugins: [inbox]\nlisteners: []"))[0]!.startsWith("--allow-read="), "`--allow-net=` is no flag");
  assert(!(await flags(`${one("127.0.0.1:25")}\nhostname: /`))[1]!.split(/[=,]/).includes("/"), "not the whole disk");
  for (const [text, expected] of rows) assertEquals((await flags(text))[0], expected, text);

  const granted = await flags(
    `plugins: [{ ./a.ts: {}, sandbox: { net: ["api.example.org:443"], read: [lists, /srv/b], env: [A_KEY] } }]`,
  );
  assertEquals(granted[0], "--allow-net=127.0.0.1:2525,api.example.org:443");
  assertEquals(granted[1], `--allow-read=@{exe},${at},/etc/resolv.conf,/srv/b`);
  assertMatch(granted[3]!, /,A_KEY$/);
  const isolated = await flags("plugins: [{ ./a.ts: {}, sandbox: { isolate: process } }]", {
    more: ["--allow-read=/x"],
  });
  assertEquals(isolated.slice(-2), ["--allow-run=@{exe}", "--allow-read=/x"]);
  const moved = await flags('data: ./data\nplugins: [inbox]\nlisteners: [{ address: "unix:./a.sock" }]', {
    installed: "/etc/postern",
  });
  assertEquals(moved[0], "--allow-net=unix:/etc/postern/a.sock");
  assertStringIncludes(moved[1]!, "@{exe},/etc/postern,/etc/resolv.conf");
  assertEquals(moved[2], "--allow-write=/etc/postern/data,/etc/postern/a.sock");
});

Deno.test("without a configuration: the permissions of deno task start, all plugins, the dev inbox", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../../../deno.json", import.meta.url)));
  const started = tasks.start.split(" ").filter((word: string) => word.startsWith("--allow-")).sort()
    .map((word: string) => word === "--allow-run=deno" ? "--allow-run=@{exe}" : word); // the file is its own Deno
  const flags = permissionsFor(EVERYTHING, { installed: null, more: [] }).map(({ flag }) => flag);
  assertEquals([...flags].sort(), started);
  assertEquals([EVERYTHING.builtIns, EVERYTHING.value], [null, DEV_INBOX]);
});
