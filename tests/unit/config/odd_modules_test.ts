/** Modules of the operator's that export what is no plugin, or throw what is no error: each is one fault, with its place. */
import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../../core/config/issue.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { TempFolder } from "../../support/temp.ts";

const rows: readonly [module: string, why: string][] = [
  ["throw { toString() { throw 1; } };", "cannot load BASE: it threw what is no text"],
  ['export default { name: "x", handlers: { get mail() { throw 5; } } };', "WANTED: it throws when it is read"],
  ['export default { name: "x", handlers: {}, after: 5 };', "WANTED: after is no list of names"],
  ['export default { name: "x", handlers: {}, roles: "mx" };', "WANTED: roles is no list of names"],
  ['export default { name: "\\u001b[2J", handlers: {} };', "WANTED: its name is no name"],
  [
    "export default new Proxy(function () {}, { get() { throw new Error('no'); } });",
    "BASE: its default export threw: no",
  ],
  [
    'import { definePlugin } from "postern"; export default definePlugin({ name: "x", create: () => ({}) });',
    "cannot load BASE: x: options must be a schema; z.strictObject({}) where it takes none",
  ],
];

for (const [module, why] of rows) {
  Deno.test(`a module of its own kind: ${module}`, async () => {
    await using folder = await TempFolder.make();
    const path = await folder.file("odd.ts", module);
    const file = await folder.file("postern.yaml", "plugins: [./odd.ts]\n");
    const error = await assertRejects(() => loadConfig({ file, env: {} }), ConfigError);
    const expected = why.replace("WANTED", `${path} must export a plugin as its default`).replace("BASE", path);
    assertEquals(error.issues.filter((each) => each.path.startsWith("plugins")).map(({ message }) => message), [
      expected,
    ]);
  });
}
