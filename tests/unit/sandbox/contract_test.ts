/** Every plugin does the same in a Worker as in the server's thread. */
import { assertEquals } from "@std/assert";
import type { Plugin } from "postern";
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
