import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { AccountsText } from "../../../../cli/user/accounts_file.ts";
import { run } from "../../../../cli/main.ts";
import { SecretReader } from "../../../../cli/secret.ts";
import { ScryptPasswords } from "../../../../core/auth/passwords.ts";
import { accounts } from "../../../../plugins/auth/accounts/mod.ts";
import { login } from "../../plugins/auth/accounts/login.ts";
import { postern } from "../../../support/cli.ts";
import { TempFolder } from "../../../support/temp.ts";
import { FakeTerminal } from "../fake_terminal.ts";

const PASSWORD = "correct horse";

/** A folder, commands in it, and who gets in by the file that they made. */
class Site implements AsyncDisposable {
  constructor(readonly folder: TempFolder) {}
  static async make(): Promise<Site> {
    return new Site(await TempFolder.make());
  }
  async user(args: string, input = PASSWORD, typed?: readonly string[]): Promise<readonly [number, string]> {
    const terminal = new FakeTerminal({ cwd: this.folder.path, input, ...(typed ? { typed } : {}) });
    const code = await run(["user", ...args.split(" ")], terminal);
    return [code, [...terminal.printed, ...terminal.complaints].join("\n")];
  }
  read(name = "a.txt"): Promise<string> {
    return Deno.readTextFile(this.folder.at(name));
  }
  async enters(user: string, password: string, mechanism = "PLAIN"): Promise<boolean> {
    const plugin = accounts.parse({ file: "a.txt" }, ["accounts"], { base: this.folder.path });
    return (await login(plugin, mechanism, [user, password])).identity !== null;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("user: added, another password, listed, removed", async () => {
  await using site = await Site.make();
  assertEquals(await site.user("add alice --file a.txt --sender alice@example.org @example.net"), [
    0,
    "alice is added to a.txt",
  ]);
  assertEquals((await Deno.stat(site.folder.at("a.txt"))).mode! & 0o777, 0o600);
  assertEquals([await site.enters("alice", PASSWORD), await site.enters("alice", PASSWORD, "SCRAM-SHA-256")], [
    true,
    true,
  ]);
  assertEquals((await site.user("add bob --file a.txt --no-scram --disabled", `${PASSWORD}\r\n`))[0], 0);
  assertEquals(await site.enters("bob", PASSWORD), false);
  assertEquals(await site.user("passwd ALICE --file a.txt", "battery staple\n"), [0, "alice has a new password"]);
  assertEquals([await site.enters("alice", PASSWORD), await site.enters("alice", "battery staple")], [false, true]);
  assertEquals(await site.enters("alice", "battery staple", "SCRAM-SHA-256"), true);
  assertEquals((await site.user("list --file a.txt"))[1].split("\n"), [
    "alice  password, SCRAM; sends as alice@example.org, @example.net",
    "bob    disabled; password",
  ]);
  const json = JSON.parse((await site.user("list --file a.txt --json"))[1]);
  assertEquals(json.accounts[0], {
    name: "alice",
    password: true,
    scram: true,
    cramMd5: false,
    certificates: [],
    senders: ["alice@example.org", "@example.net"],
    disabled: false,
  });
  assertEquals(await site.user("remove alice --file a.txt"), [0, "alice is removed from a.txt"]);
  assertEquals((await site.user("list --file a.txt --json"))[1].includes("alice"), false);
});

Deno.test("user: the prompt asks twice, and shows and keeps nothing of what was typed", async () => {
  await using site = await Site.make();
  assertEquals(await site.user("add alice --file a.txt", "", [PASSWORD, PASSWORD]), [0, "alice is added to a.txt"]);
  assertEquals(await site.user("add bob --file a.txt", "", [PASSWORD, "correct house"]), [
    1,
    "postern: the two are not the same",
  ]);
  assertEquals((await site.read()).includes("correct"), false);
  assertEquals(await site.enters("alice", PASSWORD), true);
});

Deno.test("user: what is refused, in one line, without the password, and with the file as it was", async () => {
  await using site = await Site.make();
  await site.user("add alice --file a.txt");
  const before = await site.read();
  const hex = "ab".repeat(32);
  const table: readonly [args: string, input: string, code: number, words: RegExp][] = [
    ["add alice --file a.txt", PASSWORD, 1, /^postern: alice is in a\.txt already$/],
    ["add Alice --file a.txt", PASSWORD, 1, /^postern: Alice is in a\.txt already$/],
    ["add bob --file a.txt", "", 1, /^postern: the password is empty/],
    ["add bob --file a.txt", "\n", 1, /^postern: the password is empty/],
    ["add bob --file a.txt", "hunter2", 1, /^postern: the password is weak: 8 characters at least$/],
    ["add bob --file a.txt", "hunter2\nhunter2\n", 1, /^postern: the password holds characters that SASLprep/],
    ["add bob --file a.txt", "hunter2\u0000hunter2", 1, /^postern: the password holds characters/],
    ["add bob --file a.txt", "hunter2\ue000hunter2", 1, /^postern: the password holds characters/],
    ["add bob --file a.txt", "x".repeat(1025), 1, /^postern: the password is too long: 1024 octets at most$/],
    ["passwd bob --file a.txt", PASSWORD, 1, /^postern: a\.txt has no account bob$/],
    ["remove bob --file a.txt", "", 1, /^postern: a\.txt has no account bob$/],
    ["list --file b.txt", "", 1, /^postern: b\.txt: there is no such file; postern user add makes it$/],
    ["passwd bob --file b.txt", PASSWORD, 1, /^postern: b\.txt: there is no such file/],
    ["remove bob --file b.txt", "", 1, /^postern: b\.txt: there is no such file/],
    ["add bob --file nowhere/a.txt", PASSWORD, 1, /^postern: nowhere\/a\.txt: No such file/],
    ["add bob --file .", PASSWORD, 1, /^postern: \.: /],
    ["add @bob --file a.txt", PASSWORD, 2, /^postern: "@bob" is no name for an account: a name does not begin with @$/],
    ["add !secret --file a.txt", PASSWORD, 2, /^postern: "!secret" is no name/],
    ["add b\u0001ob --file a.txt", PASSWORD, 2, /^postern: "b\\u0001ob" is no name for an account: SASLprep/],
    ["add b\u200eob --file a.txt", PASSWORD, 2, /is no name for an account: SASLprep \(RFC 4013\) forbids/],
    [`add ${"b".repeat(256)} --file a.txt`, PASSWORD, 2, /: a name has at most 255 octets$/],
    ["add  --file a.txt", PASSWORD, 2, /^postern: "" is no name for an account: a name must not be empty$/],
    ["add bob --file a.txt --sender nobody", PASSWORD, 2, /^postern: --sender: "nobody": a sender is an address/],
    ["add bob --file a.txt --certificate ab", PASSWORD, 2, /^postern: --certificate: "ab" is no SHA-256 fingerprint/],
    ["add bob --file a.txt --no-password", PASSWORD, 2, /^postern: --no-password: say what else it has/],
    [`add bob --fil a.txt --certificate ${hex}`, PASSWORD, 2, /unknown option '--fil'.*see postern user add --help$/],
    ["add --file a.txt", PASSWORD, 2, /missing required argument 'name'; see postern user add --help$/],
    ["add bob", PASSWORD, 1, /^postern: the configuration names no accounts file: name one with --file$/],
  ];
  for (const [args, input, code, words] of table) {
    const [is, said] = await site.user(args, input);
    assertEquals([is, said.split("\n").length], [code, 1], `${args}: ${said}`);
    assertMatch(said, words);
    assertEquals(said.includes("hunter2"), false, said);
  }
  assertEquals(await site.read(), before);
  assertEquals([...Deno.readDirSync(site.folder.path)].map(({ name }) => name), ["a.txt"]);
});

Deno.test("user: an account by certificate, one of another plugin, and one with a readable password", async () => {
  await using site = await Site.make();
  const hex = "ab".repeat(32);
  assertEquals((await site.user(`add alice --file a.txt --no-password --certificate ${hex}`))[0], 0);
  assertEquals((await site.user("add bob --file a.txt --no-password --sender bob@example.org"))[0], 0);
  assertEquals((await site.user("add carol --file a.txt --cram-md5"))[0], 0);
  assertStringIncludes(await site.read(), `\nalice SHA256:${"AB:".repeat(31)}AB\nbob sender=bob@example.org\n`);
  assertStringIncludes((await site.user("list --file a.txt"))[1], "carol  password, SCRAM, CRAM-MD5");
  await site.user("passwd carol --file a.txt", "another one");
  assertEquals(
    (await site.user("list --file a.txt --json"))[1].includes('"cramMd5":true'),
    false,
    "the old one is gone",
  );
});

Deno.test("user: names and passwords are what every mechanism will make of them", async () => {
  await using site = await Site.make();
  assertEquals(
    (await site.user("add ba\u0308r\u00ad --file a.txt", "\u2168\u00a0correct"))[1],
    "b\u00e4r is added to a.txt",
  );
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256"]) {
    assertEquals(await site.enters("b\u00e4r", "IX correct", mechanism), true);
    assertEquals(await site.enters("ba\u0308r", "\u2168 correct", mechanism), true);
  }
});

Deno.test("user: lines that nobody asked about stay as they are, and so do mode, link and secret", async () => {
  await using site = await Site.make();
  const others = "# people\r\n\n  bob\tsender=*   disabled\r\n\tbroken line hunter2\n#alice\n";
  await Deno.mkdir(site.folder.at("real"));
  await site.folder.file("real/accounts", `${others}alice`);
  await Deno.chmod(site.folder.at("real/accounts"), 0o640);
  await Deno.symlink("real/accounts", site.folder.at("a.txt"));
  assertEquals((await site.user("add carol --file a.txt"))[0], 0);
  const [secret, rest] = (await site.read()).split(/(?<=^!secret [^\n]+\n)/);
  assertMatch(secret!, /^!secret [A-Za-z0-9+/=]{44}\n$/);
  assertMatch(rest!, new RegExp(`^${others.replace(/[*]/g, "\\*")}alice\ncarol \\$scrypt[^\n]+\n$`));
  assertEquals((await site.user("passwd alice --file a.txt"))[0], 0);
  assertEquals((await site.user("remove carol --file a.txt"))[0], 0);
  const text = await site.read();
  assert(text.startsWith(secret + others + "alice $scrypt$"), text);
  assertEquals(text.split("\n").length, (secret + others).split("\n").length + 1);
  const info = await Deno.lstat(site.folder.at("a.txt"));
  assertEquals([info.isSymlink, (await Deno.stat(site.folder.at("a.txt"))).mode! & 0o777], [true, 0o640]);
  const [code, words] = await site.user("list --file a.txt");
  assertEquals([code, words.split(":").slice(0, 4).join(":")], [1, "postern: a.txt:5:9"]);
  assertEquals(words.includes("hunter2"), false);
});

Deno.test("user: whoever comes at the same time waits, and nobody's account is lost", async () => {
  await using site = await Site.make();
  const names = Array.from({ length: 8 }, (_, n) => `user${n}`);
  const added = await Promise.all(names.map((name) => site.user(`add ${name} --file a.txt`)));
  assertEquals(added.map(([code]) => code), names.map(() => 0));
  // Processes of their own, one of which leaves a half-written file behind
  await site.folder.file("a.txt.new", "half");
  const others = await Promise.all(
    ["x", "y", "z"].map((name) =>
      postern(["user", "add", name, "--file", "a.txt"], { cwd: site.folder.path, input: PASSWORD })
    ),
  );
  assertEquals(
    others.map(({ code, out }) => [code, out]),
    ["x", "y", "z"].map((name) => [
      0,
      `${name} is added to a.txt\n`,
    ]),
  );
  const { accounts } = JSON.parse((await site.user("list --file a.txt --json"))[1]);
  assertEquals(accounts.map(({ name }: { name: string }) => name).toSorted(), [...names, "x", "y", "z"].toSorted());
  const same = await Promise.all([1, 2, 3].map(() => site.user("add once --file a.txt")));
  assertEquals(same.map(([code]) => code).toSorted(), [0, 1, 1]);
  assertEquals([...Deno.readDirSync(site.folder.path)].map(({ name }) => name), ["a.txt"]);
});

Deno.test("user: the file that the configuration names, which need not be there yet, nor the rest be right", async () => {
  await using site = await Site.make();
  const config = (plugins: string, more = "") =>
    site.folder.file("postern.yaml", `hostname: mx.example.org\n${more}plugins:\n${plugins}`);
  await config("  - relay\n  - accounts: { file: etc/people.txt, caseSensitive: true }\n");
  await Deno.mkdir(site.folder.at("etc"));
  assertEquals(await site.user("add alice"), [0, "alice is added to etc/people.txt"]);
  assertEquals((await site.user("add Alice"))[0], 0, "two names here");
  assertEquals((await site.user("list"))[1].split("\n").length, 2);
  await config("  - accounts: { file: etc/people.txt }\n", "domains: [\n");
  assertEquals((await site.user("add bob"))[0], 1, "what cannot be read at all names nothing");
  await config("  - accounts: { file: etc/people.txt }\n  - nonsense\n");
  assertEquals((await site.user("add bob"))[0], 0);
  await config("  - accounts: { file: a.txt }\n  - accounts: { file: b.txt }\n    as: more\n");
  assertEquals(await site.user("add bob"), [
    1,
    "postern: the configuration names a.txt and b.txt: say which with --file",
  ]);
  await config("  - relay\n");
  assertEquals(
    (await site.user("add bob"))[1],
    "postern: the configuration names no accounts file: name one with --file",
  );
  assertEquals((await site.user("add bob --config nowhere.yaml"))[1], "nowhere.yaml: there is no such file");
});

Deno.test("user: two accounts of one password have nothing in common", async () => {
  await using site = await Site.make();
  await site.user("add alice --file a.txt");
  await site.user("add bob --file a.txt");
  const [alice, bob] = (await site.read()).split("\n").slice(2).map((line) => line.split(" ").slice(1));
  for (const [at, form] of alice!.entries()) {
    assertNotEquals(form, bob![at]);
    assertEquals(await new ScryptPasswords().matches(PASSWORD, form), true);
  }
});

Deno.test("property: whatever is in the file, one line changes and the others do not", () => {
  const line = fc.oneof(fc.constantFrom("# x", "", "!secret x", "bob", "b c"), fc.string({ maxLength: 8 }))
    .filter((text) => !/^\s*alice(\s|$)/i.test(text) && !text.includes("\n"));
  const place = { path: "", name: "x", caseSensitive: false };
  fc.assert(fc.property(fc.array(line), fc.nat(), fc.constantFrom("\n", "\r\n"), (lines, at, end) => {
    const split = at % (lines.length + 1);
    const text = (middle: readonly string[]) =>
      [...lines.slice(0, split), ...middle, ...lines.slice(split)].map((each) => each + end).join("");
    const there = new AccountsText(place, text(["alice disabled"]));
    there.set("Alice", "alice x");
    assertEquals(String(there).replace(/^alice x\n/m, `alice x${end}`), text(["alice x"]));
    there.set("alice", null);
    assertEquals(String(there), text([]));
    there.set("alice", "alice y");
    assertEquals(String(there), `${text([])}alice y\n`);
  }));
});

Deno.test("keys: erased, begun anew, given up, typed ahead", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const lines = async (...chunks: readonly (string | Uint8Array)[]) => {
    const keys = chunks.map((each) => typeof each === "string" ? bytes(each) : each);
    const reader = new SecretReader(() => Promise.resolve(keys.shift() ?? null));
    const found = [];
    for (let line; (line = await reader.line()) !== null;) found.push(line);
    return found;
  };
  assertEquals(await lines("one\rtwo\nth", "ree\r"), ["one", "two", "three"]);
  assertEquals(await lines("ab\u00e4\u007f\u007fc\r"), ["ac"]);
  assertEquals(await lines("a\b\b\bb\r"), ["b"]);
  assertEquals(await lines("wrong\u0015right\r"), ["right"]);
  assertEquals(await lines("secret\u0003more\r"), []);
  assertEquals(await lines("\u0004"), []);
  assertEquals(await lines("a\u0004b\r"), ["a\u0004b"]);
  assertEquals(await lines("unfinished"), []);
  assertEquals(await lines(bytes("\u00e4").slice(0, 1), bytes("\u00e4\r").slice(1)), ["\u00e4"]);
  assertEquals(await lines(Uint8Array.of(0xff, 0x0d)), ["\ufffd"]);
  assertEquals((await lines("x".repeat(100_000), "\r"))[0]!.length, 4096);
});
