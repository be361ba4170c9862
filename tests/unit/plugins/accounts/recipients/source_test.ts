/** The file of the tables: read at the start, read again when it changes, kept when it breaks. */
import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { simulate } from "../../../../../core/pipeline/testing/simulation.ts";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";

/** A site with a file, a clock that the test turns, and what the operator was told. */
class Site implements Disposable {
  readonly base = Deno.makeTempDirSync();
  readonly told: string[] = [];
  now = Date.now();

  write(text: string | Uint8Array, name = "recipients.yaml"): void {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    Deno.writeFileSync(`${this.base}/${name}`, bytes);
    this.touch(this.now, name);
  }
  touch(time: number, name = "recipients.yaml"): void {
    Deno.utimeSync(`${this.base}/${name}`, new Date(time), new Date(time));
  }
  remove(): void {
    Deno.removeSync(`${this.base}/recipients.yaml`);
  }
  plugin(options: Parameters<typeof recipients>[0] = {}) {
    const setup = { base: this.base, trouble: (message: string) => void this.told.push(message) };
    return recipients.parse({ file: "recipients.yaml", ...options }, ["recipients"], setup);
  }
  faults(options: Parameters<typeof recipients>[0] = {}): string[] {
    const { issues } = assertThrows(() => this.plugin(options), OptionsError) as OptionsError;
    return issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  async knows(plugin: ReturnType<typeof recipients>, name: string): Promise<boolean> {
    const { recipients: kept } = await simulate([plugin], { to: `${name}@example.org`, now: () => this.now });
    return kept.length > 0;
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.base, { recursive: true });
  }
}

Deno.test("a file is read beside the configuration, and both are one set of names", async () => {
  using site = new Site();
  site.write("accounts:\n  alice:\n  __proto__: maildir\naliases:\n  info: [alice, bob]\n");
  const plugin = site.plugin({ accounts: ["bob"] });
  for (const name of ["alice", "bob", "info", "__proto__"]) assertEquals(await site.knows(plugin, name), true, name);
  assertEquals(await site.knows(plugin, "constructor"), false);
  assertEquals(site.faults({ accounts: ["Alice", "bob"] }), [
    'recipients.file: recipients.yaml:2:3: the account "alice" is there twice',
  ]);
});

Deno.test("a missing or broken file at the start is an error with its place, all faults at once", () => {
  using site = new Site();
  assertEquals(site.faults().length, 1);
  assertEquals(site.faults()[0]!.startsWith("recipients.file: recipients.yaml: "), true);
  assertEquals(site.faults({ file: "." }), ["recipients.file: .: is no file"]);
  site.write("accounts: [alice]\naliases:\n  info: alcie\n  a b@: alice\nuser: x\n");
  assertEquals(site.faults(), [
    'recipients.file: recipients.yaml:4:3: "a b@" is no address and no local part',
    'recipients.file: recipients.yaml:5:1: "user" is not known: expected accounts, aliases, catchAll, virtual',
    'recipients.file: recipients.yaml:3:9: "alcie" is no account or alias here; a foreign address needs its domain',
  ]);
  site.write("accounts:\n  alice: maildir\n  bob: |\n bad\n");
  assertEquals(site.faults()[0]!.startsWith("recipients.file: recipients.yaml:"), true);
  site.write(new Uint8Array([0x61, 0x3a, 0x20, 0xff]));
  assertEquals(site.faults(), ["recipients.file: recipients.yaml:1:4: this is no UTF-8 text"]);
  const STORE = "expected { to: local, plugin: NAME }, { to: remote } or { to: remote, via: NAME }";
  site.write("accounts: { alice: { store: { to: remote, plugin: x } }, bob: { store: { to: remote, via: '' } } }\n");
  assertEquals(site.faults(), [
    `recipients.file: recipients.yaml:1:29: ${STORE}`,
    `recipients.file: recipients.yaml:1:72: ${STORE}`,
  ]);
  site.write("accounts: { alice: { store: { to: nowhere } }, bob: { shop: x } }\n");
  assertEquals(site.faults(), [
    `recipients.file: recipients.yaml:1:29: ${STORE}`,
    'recipients.file: recipients.yaml:1:55: "shop" is not known in bob: expected store',
  ]);
});

Deno.test("a changed file is read at the next recipient, after a second and not before", async () => {
  using site = new Site();
  site.write("accounts: [alice]\n");
  const plugin = site.plugin();
  assertEquals(await site.knows(plugin, "alice"), true);
  site.now += 500;
  site.write("accounts: [bob, carol]\n");
  assertEquals(await site.knows(plugin, "bob"), false, "within the second nobody looks");
  site.now += 1000;
  assertEquals([await site.knows(plugin, "bob"), await site.knows(plugin, "alice")], [true, false]);
  assertEquals(site.told, []);
});

Deno.test("a file that is still being written is left until it rests", async () => {
  using site = new Site();
  site.write("accounts: [alice]\n");
  const plugin = site.plugin();
  site.now += 2000;
  site.write("accounts: [bo");
  assertEquals(await site.knows(plugin, "alice"), true);
  site.now += 1000;
  site.write("accounts: [bob]\n");
  assertEquals(await site.knows(plugin, "alice"), true);
  site.now += 1000;
  assertEquals(await site.knows(plugin, "bob"), true);
  assertEquals(site.told, []);
});

Deno.test("a time of change that lies ahead of the clock is believed at the second look", async () => {
  using site = new Site();
  site.write("accounts: [alice]\n");
  const plugin = site.plugin();
  site.write("accounts: [bob, carol]\n");
  site.touch(site.now + 3_600_000);
  site.now += 2000;
  assertEquals(await site.knows(plugin, "bob"), false);
  site.now += 2000;
  assertEquals(await site.knows(plugin, "bob"), true);
});

Deno.test("case 25: a broken or vanished file keeps the names that were read, and the operator is told once", async () => {
  using site = new Site();
  site.write("accounts: [alice]\n");
  const plugin = site.plugin();
  const later = async (name: string) => {
    site.now += 5000;
    return await site.knows(plugin, name);
  };
  site.now += 1000;
  site.write("accounts: [alice\naliases: {}\n");
  assertEquals([await later("alice"), await later("alice"), await later("bob")], [true, true, false]);
  assertEquals(site.told.length, 1);
  assertEquals(site.told[0]!.startsWith("recipients.yaml:"), true);
  assertEquals(site.told[0]!.endsWith("the recipients read before stay in force"), true);

  site.remove();
  assertEquals([await later("alice"), await later("alice")], [true, true]);
  assertEquals(site.told.length, 2);

  site.write("accounts: [bob]\n");
  assertEquals([await later("bob"), await later("alice")], [true, false]);
  assertEquals(site.told.length, 2);

  site.write("accounts: [bob, bob]\n");
  assertEquals([await later("bob"), await later("bob")], [true, true]);
  assertEquals(site.told.length, 3);
});

Deno.test("a clock that goes back does not stop the looking", async () => {
  using site = new Site();
  site.write("accounts: [alice]\n");
  const plugin = site.plugin();
  assertEquals(await site.knows(plugin, "alice"), true);
  site.now -= 86_400_000;
  site.write("accounts: [bob, carol]\n");
  site.now += 2000;
  assertEquals(await site.knows(plugin, "bob"), true);
});

Deno.test("a million accounts load in seconds, and each is there", async () => {
  using site = new Site();
  const count = 1_000_000;
  const lines = Array.from({ length: count }, (_, i) => `  user${i}@example.org: maildir\n`);
  site.write(`accounts:\n${lines.join("")}`);
  const start = performance.now();
  const plugin = site.plugin();
  assertLess(performance.now() - start, 20_000);
  for (const name of ["user0", `user${count - 1}`]) assertEquals(await site.knows(plugin, name), true);
  assertEquals(await site.knows(plugin, `user${count}`), false);
});
