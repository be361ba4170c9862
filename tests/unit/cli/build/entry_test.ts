/** The generated modules: what a registry keeps, and a program as a text inside of its loader. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { threadsIn } from "../../../../cli/build/bundle.ts";
import { contentsText, loaderText, registryText } from "../../../../cli/build/entry.ts";
import { PLUGINS } from "../../../../plugins/mod.ts";
import { TempFolder } from "../../../support/temp.ts";

const ROOT = new URL("../../../../", import.meta.url).pathname.replace(/\/$/, "");
const REGISTRY = await Deno.readTextFile(`${ROOT}/plugins/mod.ts`);

Deno.test("a registry has the plugins that are named, and all else that the real one exports", async () => {
  await using folder = await TempFolder.make();
  const names = ["spf", "spam_score", "inbox"];
  const { text, leftOut } = registryText(REGISTRY, new Set(names), `${ROOT}/plugins`);
  const path = await folder.file("registry.ts", text);
  const chosen = await import(path), real = await import("../../../../plugins/mod.ts");
  assertEquals(Object.keys(chosen.PLUGINS).sort(), [...names].sort());
  for (const name of names) assert(chosen.PLUGINS[name] === PLUGINS[name as keyof typeof PLUGINS], name);
  assertEquals(Object.keys(chosen).sort(), Object.keys(real).sort());
  assertEquals([...leftOut, ...names].sort(), Object.keys(PLUGINS).sort());
  assertThrows(() => registryText("export const PLUGINS = {\n  a: b(),\n}", new Set(), "/x"), RangeError, "a: b()");
});

Deno.test("every thread of the tree is found by its file's name", async () => {
  const threads = await threadsIn(ROOT);
  assertEquals([...threads.keys()], [
    "child.ts",
    "inside.ts",
    "ledger_thread.ts",
    "mime_worker.ts",
    "sqlite_reader.ts",
    "sqlite_writer.ts",
    "thread.ts",
  ]);
  for (const path of threads.values()) assert((await Deno.stat(path)).isFile, path);
});

Deno.test("a program runs as it is written, whatever characters and quotes it has", async () => {
  await using folder = await TempFolder.make();
  const texts = ["`\\u{1f600}`", "😀 — ß \u2028 \" ' ` \\ ${x} </script>", "$& $1 $$"];
  const program = `import_meta2 = {};
var import_meta2;
const texts = ${JSON.stringify(texts)}, quoted = /[—ß]/.test(texts[1]); // 😀
module.exports.main = () => Promise.resolve(console.log(JSON.stringify([texts, quoted, import_meta2.url, require("node:path").sep])));
`;
  const text = loaderText(program);
  // deno-lint-ignore no-control-regex
  assertMatch(text, /^[\x00-\x7f]*$/);
  const path = await folder.file("main.js", text);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["run", "--no-config", path] }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [texts, true, `file://${path}`, "/"]);
});

Deno.test("names and texts of others stay texts in what is generated", async () => {
  await using folder = await TempFolder.make();
  const name = `./it's "odd"\n\${x}.ts`;
  await folder.file("odd.ts", "export default 1;\n");
  const text = contentsText({
    root: ROOT,
    permissions: ["--allow-read=/a b,,c"],
    leftOut: ["spf"],
    own: [{ name, specifier: `file://${folder.at("odd.ts")}` }],
    threads: new Map([["a.ts", "`${1}`\n</script>"]]),
    sandboxes: new Map([[name, "x"]]),
  }).replace(`${ROOT}/core/packed/contents.ts`, "./carry.ts");
  await folder.file(
    "carry.ts",
    "export let told: unknown;\nexport const carry = (what: unknown) => void (told = what);\n",
  );
  await import(await folder.file("contents.ts", text));
  const { told } = await import(folder.at("carry.ts"));
  assertEquals(JSON.parse(JSON.stringify(told)), {
    permissions: ["--allow-read=/a b,,c"],
    leftOut: ["spf"],
    threads: { "a.ts": "`${1}`\n</script>" },
    sandboxes: { [name]: "x" },
    plugins: { [name]: { default: 1 } },
  });
});
