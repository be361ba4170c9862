/** Who gets in, and what those learn who do not. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { PasswordsBusy, ScryptPasswords } from "../../../../../core/auth/passwords.ts";
import { deriveScramKeys, formatScramKeys } from "../../../../../core/smtp/sasl/scram_keys.ts";
import { defer, on, OptionsError, type Plugin, reject } from "../../../../../core/pipeline/mod.ts";
import { ACCOUNT, accounts } from "../../../../../plugins/auth/accounts/mod.ts";
import { vouch } from "../../../../../plugins/auth/vouch.ts";
import { login, type LoginOptions, random } from "./login.ts";
import { cheapHash } from "./cheap.ts";

const scrypt = await cheapHash("secret");
const scram = async (password: string, iterations = 4096) =>
  formatScramKeys(await deriveScramKeys(password, { iterations, salt: random(16) }));
const keys = await scram("secret");
const HEX = "AB:".repeat(31) + "CD", OTHER = "EF:".repeat(31) + "CD";
const tls = (fingerprint: string, emails: string[] = [], commonName = ""): NonNullable<LoginOptions["tls"]> => ({
  version: "TLSv1.3",
  cipher: "x",
  serverName: null,
  resumed: false,
  certificate: { fingerprint, commonName, emails },
});

const lines = [
  `alice ${scrypt} ${keys} sender=alice@example.org sender=@example.net`,
  `bob ${await scram("secret")}`,
  `carol ${scrypt} disabled`,
  `dave cram-md5=${new TextEncoder().encode("secret").toBase64()}`,
  `erin SHA256:${HEX} SHA256:${OTHER}`,
  "frank sender=frank@example.com",
];
const made: string[] = [];
const plugin = (options: Parameters<typeof accounts.parse>[0] = { accounts: lines }) =>
  accounts.parse(options, ["accounts"], { trouble: (message) => void made.push(message) });
const all = plugin({ accounts: lines, cramMd5: true });

Deno.test("a login by each mechanism: its identity, its senders, its reply", async () => {
  const table: readonly [mechanism: string, user: string, password: string, identity: string | null, LoginOptions?][] =
    [
      ["PLAIN", "alice", "secret", "alice"],
      ["PLAIN", "ALICE", "secret", "alice"],
      ["LOGIN", "alice", "secret", "alice"],
      ["SCRAM-SHA-256", "alice", "secret", "alice"],
      ["SCRAM-SHA-256", "Alice", "secret", "alice"],
      ["PLAIN", "bob", "secret", "bob"], // SCRAM's keys check a password that is told
      ["SCRAM-SHA-256", "bob", "secret", "bob"],
      ["CRAM-MD5", "dave", "secret", "dave"],
      ["EXTERNAL", "erin", "", "erin", { tls: tls(HEX) }],
      ["EXTERNAL", "erin", "", "erin", { tls: tls(OTHER) }],
      ["EXTERNAL", "", "", "erin", { tls: tls(HEX, [], "Erin Example") }],
      ["EXTERNAL", "", "", "erin", { tls: tls(HEX, ["e@example.org"]) }],
      // And who does not get in
      ["PLAIN", "alice", "Secret", null],
      ["PLAIN", "alice ", "secret", null],
      ["PLAIN", "nobody", "secret", null],
      ["PLAIN", "carol", "secret", null],
      ["PLAIN", "dave", "secret", null],
      ["PLAIN", "erin", "secret", null],
      ["PLAIN", "frank", "secret", null],
      ["PLAIN", "__proto__", "secret", null],
      ["PLAIN", "#", "secret", null],
      ["LOGIN", "nobody", "secret", null],
      ["CRAM-MD5", "dave", "Secret", null],
      ["CRAM-MD5", "alice", "secret", null],
      ["CRAM-MD5", "nobody", "secret", null],
      ["EXTERNAL", "alice", "", null, { tls: tls(HEX) }],
      ["EXTERNAL", "alice", "", null, { tls: tls(HEX, ["erin@example.org"], "erin") }],
      ["EXTERNAL", "", "", null, { tls: tls(HEX, [], "alice") }], // a name of ours on another's certificate
      ["EXTERNAL", "erin", "", null, { tls: tls("00:".repeat(31) + "00") }],
      ["EXTERNAL", "frank", "", null, { tls: tls("00:".repeat(31) + "00") }],
    ];
  for (const [mechanism, user, password, identity, options] of table) {
    const { reply, ...result } = await login(all, mechanism, [user, password], options);
    const what = `${mechanism} ${user} ${password}`;
    assertEquals(result.identity, identity, what);
    assertEquals(String(reply), identity === null ? "535 5.7.8 Authentication failed" : "250 2.0.0 OK", what);
    assertEquals(result.get(ACCOUNT)?.name ?? null, identity, what);
  }
  const { get } = await login(all, "PLAIN", ["alice", "secret"]);
  assertEquals(get(ACCOUNT)!.senders, ["alice@example.org", "@example.net"]);
});

Deno.test("names: two that differ in case are two where the operator says so; what is the same to SASLprep is one", async () => {
  const two = plugin({ accounts: [`Alice ${scrypt}`, `alice ${keys}`], caseSensitive: true });
  assertEquals((await login(two, "PLAIN", ["Alice", "secret"])).identity, "Alice");
  assertEquals((await login(two, "PLAIN", ["ALICE", "secret"])).identity, null);
  assertThrows(() => plugin({ accounts: [`Alice ${scrypt}`, `alice ${keys}`] }), OptionsError, "is there twice");
  const wide = plugin({ accounts: [`b\u00e4r ${scrypt}`, `\u2168 ${scrypt}`] }); // RFC 4013 3: ROMAN NUMERAL NINE is IX
  assertEquals((await login(wide, "PLAIN", ["ba\u0308r", "secret"])).identity, "b\u00e4r");
  assertEquals((await login(wide, "PLAIN", ["IX", "secret"])).identity, "\u2168");
});

Deno.test("what EHLO announces is what some account can do", () => {
  const of = (options: Parameters<typeof plugin>[0]) => plugin(options).mechanisms;
  assertEquals(of({ accounts: [`alice ${scrypt}`] }), ["PLAIN", "LOGIN"]);
  assertEquals(of({ accounts: lines }), ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"]);
  made.length = 0;
  assertEquals(of({ accounts: [`alice ${scrypt}`], cramMd5: true }), ["PLAIN", "LOGIN"]);
  assertEquals(made, []);
  assertEquals(of({ accounts: lines, cramMd5: true })!.at(-1), "CRAM-MD5");
  assertEquals(made.length, 1, "the operator is warned");
  assertEquals(all.roles, ["submission"]);
});

Deno.test("case 38: SCRAM shows a name that is not there a salt that stays, like those of others, and asks for the same proof", async () => {
  const shown = async (plugin: Plugin, user: string) =>
    (await login(plugin, "SCRAM-SHA-256", [user, "x"])).challenges[0]!.replace(/^r=[^,]+,/, "");
  const same = plugin({ accounts: lines }), secret = `!secret ${"s".repeat(32)}`;
  const nobody = await shown(all, "nobody");
  assertEquals(nobody.length, (await shown(all, "alice")).length);
  assertEquals(nobody.replace(/^s=[^,]+/, ""), (await shown(all, "alice")).replace(/^s=[^,]+/, ""));
  assertEquals([await shown(all, "nobody"), await shown(same, "nobody"), await shown(all, "NoBody")], [
    nobody,
    nobody,
    nobody,
  ], "again, after a restart, and in another case");
  assertNotEquals(await shown(all, "nobody2"), nobody);
  for (const user of ["carol", "dave", "erin", "frank"]) { // no keys, and so no salt of their own
    assertEquals(await shown(all, user), await shown(same, user));
  }
  // A salt that came of the accounts alone would change with them, and those of the others would not
  const before = await shown(plugin({ accounts: [secret, ...lines] }), "nobody");
  assertEquals(await shown(plugin({ accounts: [secret, ...lines, `zoe ${await scram("x")}`] }), "nobody"), before);
  assertNotEquals(await shown(plugin({ accounts: [`!secret ${"t".repeat(32)}`, ...lines] }), "nobody"), before);
});

Deno.test("case 38: where accounts differ in cost, names that are not there do so in the same shares", async () => {
  const mixed = await Promise.all(
    Array.from({ length: 8 }, async (_, n) => `u${n} ${await scram("x", n < 2 ? 5000 : 4096)}`),
  );
  const site = plugin({ accounts: [`!secret ${"s".repeat(32)}`, ...mixed] });
  let few = 0;
  for (let n = 0; n < 200; n++) {
    const { asked: [form] } = await login(site, "PLAIN", [`nobody${n}`, "x"]);
    if (form!.includes("$5000:")) few++;
  }
  assert(few > 25 && few < 80, `${few} of 200`);
});

Deno.test("case 38: a wrong password, a name that is not there, one that is disabled: one check each, one reply", async () => {
  const cost = (form: string) => form.replace(/\$[^$]*\$[^$]*$/, "");
  for (const user of ["alice", "nobody", "carol", "dave", "frank"]) {
    const { reply, asked } = await login(plugin({ accounts: [lines[0]!, ...lines.slice(2)] }), "PLAIN", [user, "x"]);
    assertEquals([String(reply), asked.map(cost)], ["535 5.7.8 Authentication failed", [cost(scrypt)]], user);
  }
  const nobody = plugin({ accounts: ["frank"] });
  assertEquals((await login(nobody, "PLAIN", ["nobody", "x"])).asked.length, 1, "where nobody has a password too");
});

Deno.test("other back ends: asked about who is not there, before the time is burnt, and about who failed here", async () => {
  const order: string[] = [];
  const other = on("auth", (ctx, next) => {
    order.push(ctx.credentials.user);
    if (ctx.client.identity === null && ctx.credentials.reveal() === "other") ctx.identify(ctx.credentials.user);
    return next();
  });
  const both = [all, other];
  const known = await login(both, "PLAIN", ["zoe", "other"]);
  assertEquals([known.identity, known.asked, known.get(ACCOUNT)], ["zoe", [], undefined]);
  assertEquals((await login(both, "PLAIN", ["zoe", "x"])).asked.length, 1);
  assertEquals(
    (await login(both, "PLAIN", ["alice", "other"])).identity,
    "alice",
    "each back end has its own passwords",
  );
  const senders = await login(both, "PLAIN", ["frank", "other"]);
  assertEquals([senders.identity, senders.get(ACCOUNT)!.senders], ["frank", ["frank@example.com"]]);
  const more = on("auth", (ctx, next) => (vouch(ctx, "frank", ["f@example.org"]), next()));
  const directory = await login([all, more], "PLAIN", ["frank", "x"]);
  assertEquals(directory.get(ACCOUNT)!.senders, ["f@example.org", "frank@example.com"]);
  assertEquals(order, ["zoe", "zoe", "alice", "frank"]);
  // Disabled is disabled, whoever vouches, and on whichever side
  for (const plugins of [both, [other, all]]) {
    const barred = await login(plugins, "PLAIN", ["carol", "other"]);
    assertEquals([String(barred.reply), barred.reply.verdict], ["535 5.7.8 Authentication failed", "reject"]);
  }
  // One that stands before has vouched: no time is spent
  assertEquals((await login([other, all], "PLAIN", ["zoe", "other"])).asked, []);
});

Deno.test("case 38: a back end that is down says so for known and unknown alike, and takes nobody in", async () => {
  const down = on("auth", () => defer("4.7.0", "Temporary authentication failure", { code: 454 }));
  for (const user of ["alice", "nobody"]) {
    const { reply, asked } = await login([plugin(), down], "PLAIN", [user, "x"]);
    assertEquals([String(reply), asked.length], ["454 4.7.0 Temporary authentication failure", 1]);
  }
  const closed = on("auth", () => reject("5.7.0", "Closed", { code: 535 }));
  assertEquals((await login([plugin(), closed], "PLAIN", ["alice", "secret"])).reply.verdict, "reject");
});

Deno.test("case 38: with every place taken, known and unknown are told the same, 454 4.7.0", async () => {
  const passwords = new ScryptPasswords({ running: 1, waiting: 0 });
  const busy = passwords.matches("x", await cheapHash("y", 15));
  for (const user of ["alice", "nobody"]) {
    const { reply } = await login(plugin(), "PLAIN", [user, "secret"], { passwords });
    assertEquals(String(reply), "454 4.7.0 Temporary authentication failure");
  }
  await busy;
  assert(new PasswordsBusy() instanceof Error);
});

Deno.test("faults of lines in the configuration have their place, all of them", () => {
  const { issues } = assertThrows(
    () => plugin({ accounts: [lines[0]!, "alice", "bob hunter2", "erin SHA256:00"] }),
    OptionsError,
  ) as OptionsError;
  assertEquals(issues.map(({ path, message }) => `${path.join(".")}: ${message.slice(0, 40)}`), [
    'accounts.accounts.1: the account "alice" is there twice',
    "accounts.accounts.2: bob: a word that means nothing here: exp",
    "accounts.accounts.3: erin: a word that means nothing here: ex",
  ]);
  assertThrows(() => plugin({}), OptionsError, "needs a file");
});

Deno.test("case 38: by SCRAM nobody else is asked before the challenge, whether the name is there or not", async () => {
  const order: string[] = [];
  const other = on("auth", (_ctx, next) => (order.push("other"), next()));
  for (const name of ["alice", "nobody"]) {
    const { asked } = await login([all, other], "SCRAM-SHA-256", [name, "wrong"]);
    assertEquals([asked.length, order.splice(0)], [1, ["other"]], name);
  }
});

Deno.test("case 38: a disabled account is compared with what no password opens", async () => {
  const { asked } = await login(all, "PLAIN", ["carol", "secret"]);
  const { asked: open } = await login(all, "PLAIN", ["alice", "secret"]);
  assertEquals(asked.length, 1);
  assert(!open.includes(asked[0]!));
});
