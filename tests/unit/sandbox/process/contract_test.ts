/**
 * Plugins do the same in a process as in the server's thread. The wire and the shim are those of a Worker, which every plugin
 * is held to (../contract_test.ts): here are everything that a context has, and the plugins that send the most across.
 */
import { sandboxed } from "../../../../core/sandbox/sandboxed.ts";
import type { Plugin } from "../../../../core/pipeline/plugin.ts";
import { moduleOf, PLUGINS } from "../../../../plugins/mod.ts";
import { same } from "../contract.ts";
import everything from "../plugins/verbs.ts";
import { scenarios, Stage, verbs } from "../scenarios.ts";

const MODULE = new URL("../plugins/verbs.ts", import.meta.url);
/** With keys, octets, signers, name service and files. */
const SOME = ["spf", "dkim", "dkim_sign", "attachments", "rewrite", "recipients", "inbox"] as const;

for (const [options, scenes] of verbs()) {
  Deno.test(`in a process: everything that a context has is what it is outside, ${JSON.stringify(options)}`, async () => {
    const inside = await sandboxed(MODULE, options, { isolate: "process" });
    try {
      const asked = new Set<string>(scenes.map(([phase]) => phase));
      const only = (plugin: Plugin): Plugin => ({
        ...plugin,
        handlers: Object.fromEntries(Object.entries(plugin.handlers).filter(([phase]) => asked.has(phase))),
      });
      await same(only(everything(options as never)), only(inside), scenes);
    } finally {
      await inside.stop!();
    }
  });
}

Deno.test("in a process: plugins do what they do outside", async (test) => {
  await using stage = await Stage.open();
  const rows = scenarios(stage), base = stage.folder.path, trouble = () => {};
  for (const name of SOME) {
    await test.step(name, async () => {
      const { options, net = [], read = [], scenes } = rows[name], { url, exported } = moduleOf(name)!;
      const outside: Plugin = (PLUGINS[name] as unknown as typeof everything).parse(options, [], { base, trouble });
      const inside = await sandboxed(url, options, { net, read, base, exported, trouble, isolate: "process" });
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
