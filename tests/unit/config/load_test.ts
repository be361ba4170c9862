import { assert, assertEquals, assertLess, assertMatch, assertRejects } from "@std/assert";
import type { Config } from "../../../core/config/config.ts";
import { connectionsFor } from "../../../core/config/defaults.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { nearest } from "../../../core/config/nearest.ts";
import { REGISTRY } from "../../../core/config/registry.ts";
import { simulate } from "../../../core/pipeline/mod.ts";
import { leavesOf } from "../../../core/pipeline/compile.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { TempFolder } from "../../support/temp.ts";

/** Loads a file with this text, in a folder of its own. */
async function load(text: string, env: Record<string, string> = {}): Promise<Config> {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  await Deno.writeTextFile(`${folder}/postern.yaml`, text);
  return await loadConfig({ env, cwd: folder });
}

Deno.test("without a configuration: a dev inbox on loopback that takes every address and lets nothing out", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  const config = await loadConfig({ env: {}, cwd: folder });
  assertEquals([config.file, config.hostname, config.devInbox, config.domains], [null, "localhost", true, ["*"]]);
  assertEquals(config.data, `${folder}/data`);
  assertEquals(config.listeners.map((each) => [each.role, each.address]), [["mx", {
    host: "127.0.0.1",
    port: 2525,
  }]]);
  assertEquals(config.admin, {
    address: { host: "127.0.0.1", port: 8025 },
    token: null,
    tokens: [],
    rate: null,
    release: null,
    hosts: [],
    devInbox: true,
  });
  assertEquals(config.warnings, []);
  const plugins = config.listeners[0]!.plugins;
  const host = { name: config.hostname, domains: config.domains, postmaster: null };
  for (const to of ["anybody@example.com", "x@[192.0.2.1]", "postmaster@nowhere.test"]) {
    const result = await simulate(plugins, { ip: "127.0.0.1", from: "a@example.org", to, host });
    assertEquals(result.reply.verdict, "accept", `${to}: ${result.reply}`);
    assertEquals([result.deposits.length, result.rows.length], [1, 0], to);
  }
});

Deno.test("the host's words reach the plugin, and conditions select it", async () => {
  const config = await load(`
hostname: mx.example.org
postmaster: ops@example.org
domains: [example.org]
listeners:
  - { address: "127.0.0.1:2525", name: world }
  - { address: "127.0.0.1:2526", name: own, plugins: [{ inbox: { everything: true } }] }
plugins:
  - relay: { networks: ["10.0.0.0/8"] }
    as: trusted
    roles: [mx]
    onError: skip
    deadline: 5s
  - discard: { everything: true }
    as: bin
    when: { senderDomain: [example.net, "*.example.net"], listener: world }
    unless: { network: 192.0.2.0/24, recipientDomain: keep.example }
  - firstOf: [{ relay: {}, as: second }, spf]
    as: choice
  - inbox: { everything: true }
    mode: enforce
`);
  assertEquals(config.warnings, []);
  assertEquals(config.trustedNetworks, ["10.0.0.0/8"]);
  const [world, own] = config.listeners;
  assertEquals(world!.plugins[0]!.policy, { onError: "skip", deadline: 5000, roles: ["mx"] });
  assertEquals(new Pipeline(world!.plugins, { role: "mx" }).matrix.map((each) => each.plugin), [
    "trusted",
    "bin",
    "second",
    "spf",
    "inbox",
  ]);
  assertEquals(new Pipeline(world!.plugins, { role: "lmtp" }).matrix.map((each) => each.plugin)[0], "bin");
  assertEquals(own!.plugins.map((each) => each.name), ["inbox"]);
  const host = { name: "mx.example.org", domains: ["example.org"], postmaster: null };
  const took = async (facts: { from: string; ip?: string; to?: string; listener?: string }) => {
    const { from, ip = "203.0.113.9", to = "x@example.org", listener = "world" } = facts;
    const { recipients } = await simulate(world!.plugins, { from, ip, to, listener, role: "mx", host });
    return recipients[0]?.route;
  };
  const bin = { to: "local", plugin: "bin" } as const, inbox = { to: "local", plugin: "inbox" } as const;
  assertEquals(await took({ from: "a@example.net" }), bin);
  assertEquals(await took({ from: "a@sub.example.net" }), bin);
  assertEquals(await took({ from: "a@example.com" }), inbox);
  assertEquals(await took({ from: "a@example.net", listener: "other" }), inbox);
  assertEquals(await took({ from: "a@example.net", ip: "192.0.2.7" }), bin, "both of unless must hold");
  assertEquals(await took({ from: "a@example.net", ip: "192.0.2.7", to: "x@keep.example" }), inbox);
});

Deno.test("a plugin of the operator's own, by its path from the configuration's folder", async () => {
  const folder = import.meta.dirname!;
  const file = await Deno.makeTempFile({ dir: folder, suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      file,
      "plugins:\n  - ./plugins/plain.ts\n  - ./plugins/reads_spf.ts: { mark: y }\n    as: marks\n",
    );
    const config = await loadConfig({ file, env: {} });
    assertEquals(config.listeners[0]!.plugins.map((each) => each.name), ["plain", "marks"]);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("what works and is probably not meant is a warning", async () => {
  const config = await load(`
store: memory
listeners: [{ address: "0.0.0.0:25" }]
plugins: [{ relay: { networks: ["0.0.0.0/0", "10.0.0.0/8"] } }]
`);
  assertEquals(config.warnings.map((each) => each.split(":")[0]), ["postmaster", "hostname", "relay", "store"]);
  const deaf = await load("hostname: mx.example.org\npostmaster: a@example.org\n");
  assertEquals(deaf.warnings.length, 1);
  assert(deaf.warnings[0]!.includes("no plugin that routes recipients"), deaf.warnings[0]);
});

Deno.test("dmarc without dkim, and feedback without marks, are warnings: they could do nothing", async () => {
  const warnings = async (plugins: string) =>
    (await load(`
hostname: mx.example.org
postmaster: a@example.org
plugins: [${plugins}{ discard: { everything: true } }]
`)).warnings;
  assertMatch((await warnings("spf, { dmarc: { reject: reject } }, ")).join(), /^dmarc: no failure can be known/);
  assertEquals(await warnings("{ parallel: [spf, dkim] }, dmarc, "), []);
  assertMatch((await warnings("feedback, ")).join(), /^feedback: believes no report/);
});

Deno.test("an empty file is the defaults; there is no site without `admin`", async () => {
  const config = await load("# nothing yet\n");
  assertEquals([config.admin, config.devInbox, config.limits.messageSize], [null, false, 50 * 1024 * 1024]);
  const opened = await load("", { POSTERN_ADMIN_TOKEN: "0123456789abcdef" });
  assertEquals(opened.admin?.address, { host: "127.0.0.1", port: 8025 });
});

Deno.test("the registry's names are the plugins' own", () => {
  for (const [name, factory] of REGISTRY) assertEquals(factory.pluginName, name);
});

Deno.test("sessions follow the descriptors there are", () => {
  assertEquals([200, 1024, 100_000].map(connectionsFor), [16, 384, 10_000]);
});

Deno.test("the nearest known name", () => {
  const names = ["hostname", "listeners", "messageSize", "recipients", "spf", "relay"];
  const table: readonly [string, string | null][] = [
    ["hostnmae", "hostname"],
    ["listener", "listeners"],
    ["message_size", "messageSize"],
    ["MESSAGESIZE", "messageSize"],
    ["sfp", "spf"],
    ["rely", "relay"],
    ["entirely", null],
    ["x", null],
    ["y".repeat(100_000), null],
  ];
  for (const [typo, name] of table) assertEquals(nearest(typo, names), name, typo.slice(0, 20));
});

Deno.test("a file of aliases that multiply is refused, not expanded", async () => {
  const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`);
  const started = performance.now();
  const told = await load(`a0: &a0 [x, x]\n${levels.join("\n")}\n`).then(() => "", (error) => String(error.message));
  assert(told.includes("alias"), told.slice(0, 300));
  assertLess(performance.now() - started, 5000);
});

Deno.test("logins in clear text, and words of proxies that anybody could say, are warned of", async () => {
  const listener = (words: string) =>
    `{ address: "0.0.0.0:2525", role: submission, tls: off, auth: { withoutTls: true }${words} }`;
  const warnings = async (words: string) =>
    (await load(`
hostname: mx.example.org
listeners: [${listener(words)}]
plugins: [any_login, { discard: { everything: true } }]
`)).warnings;
  const told = (each: string) => /as anybody|clear text|believes everybody in \S+/.exec(each)?.[0];
  assertEquals((await warnings("")).map(told), ["as anybody", "clear text"]);
  const open = await warnings(', proxy: ["0.0.0.0/0"], xclient: ["::/0", "192.0.2.1"]');
  assertEquals(open.map(told), [
    "as anybody",
    "clear text",
    "believes everybody in 0.0.0.0/0",
    "believes everybody in ::/0",
  ]);
});

Deno.test("tls.selfSigned stands in for certificates, and is warned of where mail programs of others would meet it", async () => {
  const at = (host: string) =>
    load(`hostname: mx.example.org
domains: [example.org]
tls: { selfSigned: true }
listeners: [{ address: "${host}:2587", role: submission }]
plugins: [any_login, sender_login, { discard: { everything: true } }]
`);
  const here = await at("127.0.0.1"), open = await at("0.0.0.0");
  assertEquals([here.tls?.certificates, here.listeners[0]!.tls, here.warnings], [[], "require", []]);
  assertMatch(open.warnings.join(), /^listeners: 0\.0\.0\.0:2587 shows a certificate that only vouches for itself/);
});

Deno.test("plugins: standard is a set for each role, and accounts only where somebody can log in", async () => {
  await using temp = await TempFolder.make();
  await temp.file("recipients.yaml", "accounts: [ops]\n");
  const names = async (listeners: string) => {
    await temp.file("postern.yaml", `plugins: standard\nlisteners: [${listeners}]\n`);
    const { listeners: [listener] } = await loadConfig({ env: {}, cwd: temp.path });
    return [
      listener!.mechanisms.length > 0,
      ...leavesOf(listener!.plugins, listener!.role).map(({ plugin }) => plugin.name),
    ];
  };
  assertEquals(await names(`{ address: "127.0.0.1:25" }`), [
    false,
    ...[
      "rate_limit",
      "spf",
      "relay",
      "recipients",
      "null_mx",
      "dkim",
      "arc",
      "dmarc",
      "headers",
      "spam_score",
      "maildir",
    ],
  ]);
  await temp.file("accounts.txt", "ops disabled\n");
  assertEquals(await names(`{ address: "127.0.0.1:587", role: submission, tls: off, auth: { withoutTls: true } }`), [
    true,
    ...["accounts", "account_guard", "sender_login", "relay", "recipients", "headers", "submission", "maildir"],
  ]);
});

Deno.test("who can be asked for a login is worked out from conditions too", async () => {
  const login = "any_login: {}, when: { listener: other }";
  const { listeners: [listener] } = await load(`
listeners: [{ address: "127.0.0.1:2525", auth: { withoutTls: true } }]
plugins: [{ ${login} }, { discard: { everything: true } }]
`);
  assertEquals(listener!.mechanisms, []);
});

Deno.test("a plugin in a sandbox that takes the name of another is told to have one of its own: the store goes by it", async () => {
  await using temp = await TempFolder.make();
  await temp.file("theirs.js", `export default { name: "greylist", handlers: { mail: (_, next) => next() } };\n`);
  const listed = async (name: string) => {
    await temp.file("postern.yaml", `plugins:\n  - ./theirs.js: {}\n    sandbox: {}\n${name}`);
    const { listeners } = await loadConfig({ env: {}, cwd: temp.path });
    return listeners[0]!.plugins.map((each) => each.name);
  };
  const { message } = await assertRejects(() => listed(""), Error) as Error;
  assertMatch(
    message,
    /^postern\.yaml:2:5: plugins\[0\].*: calls itself "greylist", which another plugin is: name it with "as"$/,
  );
  assert((await listed("    as: theirs\n")).includes("theirs"));
});
