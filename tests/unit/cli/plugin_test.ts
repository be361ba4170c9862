/** `postern plugin`: names, folders that have something in them, the list. What it writes runs in tests/e2e/plugin_kit_test.ts. */
import { assert, assertEquals } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { PLUGINS } from "../../../plugins/mod.ts";
import { filesBelow } from "../../support/files_below.ts";
import { TempFolder } from "../../support/temp.ts";
import { FakeTerminal } from "./fake_terminal.ts";

const NAMES: readonly [name: string, complaint: string][] = [
  ["spf", '"spf" comes with Postern already'],
  ["class", '"class" is a word of TypeScript'],
  ["when", '"when" means something else in a configuration'],
  ["core", '"core" means something else'],
  ["No-Spam", "no_spam would do"],
  ["../outside", '"../outside" is no name for a plugin'],
  ["/etc/x", "is no name"],
  ["", "is no name"],
  ["a\u001b[31mb", "is no name"],
  ["a".repeat(41), "40 at most"],
];

Deno.test("plugin new: a name that cannot be one is refused in one line, and nothing is written", async () => {
  await using folder = await TempFolder.make();
  for (const [name, complaint] of NAMES) {
    const terminal = new FakeTerminal({ cwd: folder.path });
    assertEquals(await run(["plugin", "new", name], terminal), 1, name);
    assertEquals(terminal.complaints.length, 1);
    assert(terminal.complaints[0]!.includes(complaint), terminal.complaints[0]);
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("plugin new: what is there stays as it is; a project that does not know postern is told what it lacks", async () => {
  await using folder = await TempFolder.make();
  const project = await folder.file("deno.jsonc", '{\n  // mine\n  "imports": {}\n}\n');
  await folder.file("plugins/mine/mod.ts", "// mine\n");
  const terminal = new FakeTerminal({ cwd: folder.path });
  assertEquals(await run(["plugin", "new", "mine"], terminal), 1);
  assert(terminal.complaints[0]!.includes("is there already, and nothing of it was changed"), terminal.complaints[0]);
  assertEquals(await run(["plugin", "new", "other", "--dir", "."], terminal), 0);
  assert(terminal.text.includes('deno.jsonc does not know "postern" yet'), terminal.text);
  assertEquals(await Deno.readTextFile(project), '{\n  // mine\n  "imports": {}\n}\n');
  assertEquals(filesBelow(folder.path, /./).map((path) => path.slice(folder.path.length + 1)), [
    "deno.jsonc",
    "plugins/mine/mod.ts",
    "plugins/other/README.md",
    "plugins/other/mod.ts",
    "plugins/other/mod_test.ts",
  ]);
});

Deno.test("plugin list: every plugin with its options", async () => {
  const terminal = new FakeTerminal(), json = new FakeTerminal();
  assertEquals(await run(["plugin", "list"], terminal), 0);
  assertEquals(terminal.printed.map((line) => line.split(" ")[0]), Object.keys(PLUGINS));
  assert(terminal.printed.some((line) => /^inbox +name, identity, everything$/.test(line)), terminal.text);
  assertEquals(await run(["plugin", "list", "--json"], json), 0);
  const { plugins } = JSON.parse(json.text) as { plugins: { name: string; options: string[] }[] };
  assertEquals(plugins.find(({ name }) => name === "inbox")?.options, ["name", "identity", "everything"]);
});
