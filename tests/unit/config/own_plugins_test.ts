/** The options of one's own plugins in the JSON Schema: of every list, of groups, of a file that is not finished. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../../core/config/issue.ts";
import { configurationSchema } from "../../../core/config/json_schema.ts";
import { ownPlugins } from "../../../core/config/own_plugins.ts";
import { REGISTRY } from "../../../core/config/registry.ts";
import { TempFolder } from "../../support/temp.ts";

const MARKS = `import { definePlugin } from "postern";
import { z } from "zod";
export default definePlugin({
  name: "marks",
  options: z.strictObject({ mark: z.string().describe("What is written.") }),
  create: () => ({}),
});
`;
/** It would leave a sign here, if it came here. What "postern" has it is given, in its sandbox too. */
const BOXED = `import { z } from "zod";
globalThis.boxed = true;
const options = z.strictObject({ word: z.string() });
export default ({ definePlugin }) => definePlugin({ name: "boxed", options, create: () => ({}) });
`;
/** Options that hold themselves. */
const TREE = `import { z } from "zod";
const Node = z.strictObject({ get inside() { return z.array(Node); } });
export default ({ definePlugin }) => definePlugin({ name: "tree", options: z.strictObject({ root: Node }), create: () => ({}) });
`;

interface Named {
  readonly anyOf: readonly [{ readonly enum?: readonly string[] }, { readonly pattern?: string }];
}
interface Entry {
  readonly properties: Readonly<Record<string, { readonly anyOf: readonly unknown[] }>>;
  readonly patternProperties: Readonly<Record<string, unknown>>;
}

/** With what cannot be asked, in words. */
async function asked(text: string): Promise<{ own: Awaited<ReturnType<typeof ownPlugins>>; troubles: string[] }> {
  await using folder = await TempFolder.make();
  await folder.file("plugins/marks.ts", MARKS);
  await folder.file("plugins/boxed.js", BOXED);
  await folder.file("plugins/tree.js", TREE);
  await folder.file("plugins/on.js", 'export default { name: "on", handlers: {} };');
  await folder.file("postern.yaml", text);
  const troubles: string[] = [];
  const own = await ownPlugins("postern.yaml", {
    cwd: folder.path,
    env: {},
    trouble: (name) => troubles.push(name),
  });
  return { own, troubles };
}

Deno.test("each is asked wherever it stands, one in a sandbox not here, and what cannot be asked spoils nothing", async () => {
  const { own, troubles } = await asked(`
hostnam: "\${NOT_SET}"
plugins:
  - ./plugins/marks.ts: { mrak: x }
    mode: watch
  - parallel: [firstOf: [./plugins/on.js], spf]
  - ./plugins/absent.ts
  - ./plugins/boxed.js: {}
    sandbox: { net: ["api.example.org:443"] }
listeners:
  - { address: nowhere, plugins: [{ ./plugins/tree.js: {} }] }
`);
  assertEquals([...own.keys()], ["./plugins/marks.ts", "./plugins/on.js", "./plugins/boxed.js", "./plugins/tree.js"]);
  assertEquals(troubles, ["./plugins/absent.ts"]);
  const boxed = own.get("./plugins/boxed.js") as { properties: unknown; required: unknown };
  assertEquals([boxed.properties, boxed.required], [{ word: { type: "string" } }, ["word"]]);
  assertEquals((globalThis as { boxed?: true }).boxed, undefined);

  const schema = configurationSchema(REGISTRY, own);
  const [named, entry] = (schema["$defs"] as { entry: { anyOf: [Named, Entry] } }).entry.anyOf;
  assertEquals(entry.properties["./plugins/marks.ts"]!.anyOf[0], {
    type: "object",
    properties: { mark: { type: "string", description: "What is written." } },
    required: ["mark"],
    additionalProperties: false,
  });
  assertEquals(entry.properties["./plugins/on.js"]!.anyOf[0], { type: "object", additionalProperties: false });
  assert(named.anyOf[0].enum!.includes("./plugins/marks.ts") && named.anyOf[0].enum!.includes("spf"));
  const others = new RegExp(named.anyOf[1].pattern!, "u");
  assertEquals(Object.keys(entry.patternProperties), [others.source.replaceAll("\\/", "/")]);
  const names = ["./x.ts", "../x.ts", "/x.ts", "npm:postern-plugin-x@1.2.3/sub", "spff", "jsr:@a/b", "x/y.ts"];
  assertEquals(names.map((name) => others.test(name)), [true, true, true, true, false, false, false]);
  // References of a schema of its own lead into that, wherever it stands
  assertEquals((own.get("./plugins/tree.js") as { $defs?: unknown }).$defs !== undefined, true);
  assert(JSON.stringify(schema).includes('"$id":"urn:postern:.%2Fplugins%2Ftree.js"'));
});

Deno.test("a file that is no YAML is a fault with its line", async () => {
  const error = await assertRejects(() => asked("plugins: [\n"), ConfigError);
  assert(/^postern\.yaml:\d+:\d+: /.test(error.message), error.message);
});
