/** Many calls that are open when a sandbox ends: none of them is harmed for another, and few sandboxes are begun for them. */
import { assert, assertEquals } from "@std/assert";
import { runPhase } from "postern";
import { pluginOf } from "../../../core/sandbox/host/plugin.ts";
import { Sandbox, type SandboxOptions } from "../../../core/sandbox/host/sandbox.ts";
import { rootOf } from "../../../core/sandbox/root.ts";
import { openWorker } from "../../../core/sandbox/worker_channel.ts";

const PERMISSIONS = { net: [], read: [], env: [] };
const MODULE = new URL("./plugins/crowd.ts", import.meta.url).href;

/** The codes of messages from these senders, all at once, and how many sandboxes were begun. */
async function crowd(
  locals: readonly string[],
): Promise<{ readonly codes: readonly number[]; readonly begun: number }> {
  const { text: root, loading, hosts } = rootOf({ module: MODULE, name: "default" }, PERMISSIONS);
  let begun = 0;
  const options: SandboxOptions = {
    open: (spec) => (begun++, openWorker(spec)),
    strict: null,
    spec: { name: "crowd", root, loading, hosts, permissions: PERMISSIONS, memory: null },
    making: { options: undefined, at: [], base: ".", name: null },
    cpu: 30_000,
    trouble: () => {},
  };
  const facts = { isolate: "worker", ...PERMISSIONS } as const;
  const plugin = pluginOf(new Sandbox(options), await Sandbox.describe(options), facts);
  await plugin.start!();
  const found = await Promise.all(locals.map((local) => runPhase(plugin, "mail", { from: `${local}@example.net` })));
  await plugin.stop!();
  return { codes: found.map(({ reply }) => reply.code), begun };
}

const GOOD = Array.from({ length: 20 }, () => "good");

Deno.test("one of many ends a sandbox: it alone is harmed, and the others do not wait for one sandbox each", async () => {
  const { codes, begun } = await crowd([...GOOD, "bad", ...GOOD]);
  assertEquals(codes.filter((code) => code === 451).length, 1);
  assertEquals(codes[GOOD.length], 451);
  assert(begun <= 12, `${begun} sandboxes for ${codes.length} messages`);
});

Deno.test("one that ends a sandbox behind its answer: whoever is asked there after it is not taken for it", async () => {
  const { codes } = await crowd(["mine", ...GOOD, "mine", ...GOOD.slice(0, 5), "mine"]);
  assertEquals(codes.filter((code) => code !== 250), []);
});
