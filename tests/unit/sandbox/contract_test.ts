/** The contract of plugins in Workers (in_worker.ts), in a process that checks no types. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "../../support/paths.ts";
import { PLUGINS } from "../../../plugins/mod.ts";
import { moduleOf } from "../../../plugins/modules.ts";

Deno.test("plugins do the same in a worker as outside: every plugin, every phase, every verb", async () => {
  const suite = fromFileUrl(new URL("./in_worker.ts", import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", suite],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, text);
});

Deno.test("the modules of the plugins that come with Postern are where it is said", async () => {
  for (const [name, factory] of Object.entries(PLUGINS)) {
    const { url, exported } = moduleOf(name)!;
    assertEquals((await import(url))[exported], factory, name);
  }
  assertEquals(moduleOf("constructor"), null);
});
