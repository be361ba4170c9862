/** The file of accounts: read at the start, read again when it changes, kept when it breaks. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { accounts } from "../../../../../plugins/auth/accounts/mod.ts";
import { cheapHash } from "./cheap.ts";
import { login } from "./login.ts";

const scrypt = await cheapHash("secret");
const KEY = "A".repeat(43) + "=";
const SCRAM = `SCRAM-SHA-256$15000:c2FsdHNhbHQ=$${KEY}:${KEY}`;

/** A site with a file, a clock that the test turns, and what the operator was told. */
class Site implements Disposable {
  readonly base = Deno.makeTempDirSync();
  readonly told: string[] = [];
  now = Date.now();

  write(text: string | Uint8Array, mode = 0o600): void {
    const path = `${this.base}/accounts.txt`;
    Deno.writeFileSync(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    Deno.chmodSync(path, mode);
    Deno.utimeSync(path, new Date(this.now), new Date(this.now));
  }
  plugin(options: Parameters<typeof accounts>[0] = { file: "accounts.txt" }) {
    const setup = { base: this.base, trouble: (message: string) => void this.told.push(message) };
    return accounts.parse(options, ["accounts"], setup);
  }
  faults(options?: Parameters<typeof accounts>[0]): string[] {
    const { issues } = assertThrows(() => this.plugin(options), OptionsError) as OptionsError;
    return issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  async knows(plugin: ReturnType<typeof accounts>, name: string): Promise<boolean> {
    return (await login(plugin, "PLAIN", [name, "secret"], { now: () => this.now })).identity !== null;
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.base, { recursive: true });
  }
}

Deno.test("a file and the lines of the configuration are one set of accounts", async () => {
  using site = new Site();
  site.write(`# people\r\n\r\nalice ${scrypt}\r\n!secret ${"s".repeat(40)}\n__proto__ ${scrypt}`);
  const plugin = site.plugin({ file: "accounts.txt", accounts: [`bob ${scrypt}`] });
  for (const name of ["alice", "bob", "__proto__"]) assertEquals(await site.knows(plugin, name), true, name);
  for (const name of ["constructor", "!secret", "#", "people"]) assertEquals(await site.knows(plugin, name), false);
  assertEquals(site.faults({ file: "accounts.txt", accounts: [`Alice ${scrypt}`] }), [
    'accounts.file: accounts.txt:3:1: the account "alice" is there twice',
  ]);
  assertEquals(site.told, []);
});

Deno.test("a missing or broken file at the start is an error with its places, and shows nothing secret", () => {
  using site = new Site();
  assertEquals(site.faults(), [
    "accounts.file: accounts.txt: there is no such file; postern user add makes it",
  ]);
  assertEquals(site.faults({ file: "." }), ["accounts.file: .: is no file"]);
  site.write(`alice ${scrypt}\n\nbob hunter2\ncarol ${scrypt.replace("ln=10", "ln=2")}\nALICE\n`);
  assertEquals(site.faults().map((each) => each.slice(0, 70)), [
    "accounts.file: accounts.txt:3:5: bob: a word that means nothing here: ",
    "accounts.file: accounts.txt:4:7: carol: no scrypt hash that can be che",
    'accounts.file: accounts.txt:5:1: the account "ALICE" is there twice',
  ]);
  site.write("x\n".repeat(1000));
  assertEquals(site.faults().length, 20);
  site.write(new Uint8Array([0x61, 0x20, 0xff]));
  assertEquals(site.faults(), ["accounts.file: accounts.txt: this is no UTF-8 text"]);
});

Deno.test("a file that others can read is told of, and used", async () => {
  using site = new Site();
  site.write(`alice ${scrypt}\n`, 0o644);
  assertEquals(await site.knows(site.plugin(), "alice"), true);
  assertEquals(site.told.length, 1);
  assertStringIncludes(site.told[0]!, "chmod 600");
  site.write(`alice ${scrypt}\n`, 0o640);
  site.plugin();
  assertEquals(site.told.length, 1);
});

Deno.test("a changed file is read at the next login, after a second and not before", async () => {
  using site = new Site();
  site.write(`alice ${scrypt}\n`);
  const plugin = site.plugin();
  assertEquals(await site.knows(plugin, "alice"), true);
  site.now += 500;
  site.write(`bob ${scrypt}\nalice ${scrypt} disabled\n`);
  assertEquals(await site.knows(plugin, "bob"), false, "within the second nobody looks");
  site.now += 1000;
  assertEquals([await site.knows(plugin, "bob"), await site.knows(plugin, "alice")], [true, false]);
  assertEquals(site.told, []);
});

Deno.test("case 25: a broken or vanished file keeps the accounts that were read, and the operator is told once", async () => {
  using site = new Site();
  site.write(`alice ${scrypt}\n`);
  const plugin = site.plugin();
  const later = async (name: string) => {
    site.now += 2000;
    return await site.knows(plugin, name);
  };
  site.now += 2000;
  site.write(`bob ${scrypt}\nalice hunter2\n`);
  await later("alice"); // seen, and left until it rests
  assertEquals([await later("alice"), await later("bob")], [true, false]);
  assertEquals(site.told.length, 1);
  assertStringIncludes(site.told[0]!, "accounts.txt:2:7: alice: a word that means nothing here");
  assertStringIncludes(site.told[0]!, "the accounts read before stay in force");
  assertEquals(site.told[0]!.includes("hunter2"), false);
  Deno.removeSync(`${site.base}/accounts.txt`);
  assertEquals([await later("alice"), await later("alice"), site.told.length], [true, true, 2]);
  site.write(`bob ${scrypt}\n`);
  await later("bob");
  assertEquals([await later("alice"), await later("bob"), site.told.length], [false, true, 2]);
});

Deno.test("case 25: a file that was emptied is not taken for one without accounts", async () => {
  using site = new Site();
  site.write(`alice ${scrypt}\n`);
  const plugin = site.plugin();
  const later = async () => {
    site.now += 2000;
    return await site.knows(plugin, "alice");
  };
  assertEquals(await later(), true);
  site.write("\n");
  assertEquals([await later(), await later(), await later()], [true, true, true]);
  assertStringIncludes(site.told.join("\n"), "the file is empty; the accounts read before stay in force");
  site.write("# nobody any more\n");
  await later();
  assertEquals(await later(), false);
});

Deno.test("a mechanism that comes with a new file needs a restart, and the operator is told", async () => {
  using site = new Site();
  site.write(`alice ${scrypt}\n`);
  const plugin = site.plugin();
  assertEquals(plugin.mechanisms, ["PLAIN", "LOGIN"]);
  site.now += 2000;
  site.write(`alice ${scrypt} ${SCRAM}\n`);
  for (let look = 0; look < 3; look++) {
    site.now += 2000;
    await site.knows(plugin, "alice");
  }
  assertEquals(site.told, [
    "accounts.txt has accounts for SCRAM-SHA-256, SCRAM-SHA-256-PLUS now: a restart announces it",
  ]);
});
