/**
 * Every plugin does the same in a Worker as in the server's thread. Run by contract_test.ts, without a check of types: each
 * Worker has a graph of modules of its own, and each would be checked anew.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Plugin } from "postern";
import { loadConfig } from "../../../core/config/load.ts";
import { describe } from "../../../core/config/describe.ts";
import { ConfigError } from "../../../core/config/issue.ts";
import { TempFolder } from "../../support/temp.ts";
import { sandboxed } from "../../../core/sandbox/sandboxed.ts";
import { moduleOf, PLUGINS } from "../../../plugins/mod.ts";
import { same } from "./contract.ts";
import { type Row, scenarios, Stage, verbs } from "./scenarios.ts";
import everything from "./plugins/verbs.ts";

const MODULE = new URL("./plugins/verbs.ts", import.meta.url);

for (const [options, scenes] of verbs()) {
  Deno.test(`in a worker: everything that a context has is what it is outside, ${JSON.stringify(options)}`, async () => {
    const inside = await sandboxed(MODULE, options);
    try {
      const all = Object.keys(inside.handlers).filter((phase) => !scenes.some(([each]) => each === phase));
      const outside: Plugin = everything(options as never);
      for (const phase of all) {
        delete (outside.handlers as Record<string, unknown>)[phase];
        delete (inside.handlers as Record<string, unknown>)[phase];
      }
      await same(outside, inside, scenes);
    } finally {
      await inside.stop!();
    }
  });
}

Deno.test("in a worker: every plugin that comes with Postern does what it does outside", async (test) => {
  await using stage = await Stage.open();
  const rows = scenarios(stage);
  assertEquals(Object.keys(rows).toSorted(), Object.keys(PLUGINS).toSorted());
  for (const [name, row] of Object.entries(rows) as [keyof typeof PLUGINS, Row][]) {
    await test.step(name, async () => {
      const { options, net = [], read = [], scenes } = row, { url, exported } = moduleOf(name)!;
      const base = stage.folder.path;
      const trouble = () => {};
      const outside = (PLUGINS[name] as unknown as typeof everything).parse(options, [], { base, trouble }) as Plugin;
      const inside = await sandboxed(url, options, { net, read, base, exported, trouble });
      try {
        await outside.start?.();
        await same(outside, inside, scenes);
      } finally {
        await inside.stop!();
        await outside.stop?.();
      }
    });
  }
});

Deno.test("in a configuration: options are checked inside, in the words of outside, and their place is told", async () => {
  await using folder = await TempFolder.make();
  const verbs = MODULE.pathname;
  await folder.file(
    "postern.yaml",
    `plugins:\n  - ${verbs}: { dose: all }\n    sandbox: {}\n  - ${verbs}: { does: 3 }\n    sandbox: { net: ["a.example:25"] }\n    as: again\n`,
  );
  const { issues } = await assertRejects(() => loadConfig({ env: {}, cwd: folder.path }), ConfigError);
  assertEquals(issues.filter(({ path }) => path.includes("verbs")).map(({ line, message }) => [line, message]), [
    [2, 'unknown key; did you mean "does"?'],
    [4, "must be a string"],
  ]);
});

Deno.test("in a configuration: what runs apart is a plugin like others, and says where it runs", async () => {
  await using folder = await TempFolder.make();
  await folder.file(
    "postern.yaml",
    `hostname: mx.example.org\ndomains: [example.org]\nplugins:\n  - ${MODULE.pathname}: {}\n    sandbox: { read: [lists] }\n  - inbox\n`,
  );
  const config = await loadConfig({ env: {}, cwd: folder.path });
  const [plugin] = config.listeners[0]!.plugins;
  assertEquals(plugin!.name, "verbs");
  assertEquals(plugin!.sandbox, { isolate: "worker", net: [], read: ["lists"], env: [] });
  assert(describe(config).some((line) => line.endsWith("in a worker of its own: read lists")));
});
