/**
 * A plugin in a process that does its worst to one message: that one is deferred, those beside it are answered, the next
 * one too, and the server's own memory stays as it was.
 */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { runPhase } from "../../../../core/pipeline/testing/simulation.ts";
import type { Plugin } from "../../../../core/pipeline/plugin.ts";
import { sandboxed, type SandboxedOptions } from "../../../../core/sandbox/sandboxed.ts";
import { waitFor } from "../../../support/wait.ts";

const MIB = 1024 * 1024;

/** A module whose plugin runs these lines for mail of bad@example.net, and has nothing against any. */
function moduleOf(lines: string, before = ""): string {
  return `data:text/javascript,${
    encodeURIComponent(`${before}
    export default { name: "hostile", handlers: { mail: async (ctx, next) => {
      if (ctx.sender.local === "slow") await new Promise((wake) => setTimeout(wake, 200));
      if (ctx.sender.local === "bad") { ${lines} }
      return next();
    } } };`)
  }`;
}

async function apart(
  module: string,
  limits: SandboxedOptions,
  use: (plugin: Plugin, troubles: string[]) => Promise<void>,
): Promise<void> {
  const troubles: string[] = [], trouble = (message: string) => void troubles.push(message);
  const plugin = await sandboxed(module, {}, { isolate: "process", trouble, ...limits });
  try {
    await plugin.start?.();
    await use(plugin, troubles);
  } finally {
    await plugin.stop?.();
    await waitFor("the end of all", () => children().length === 0, { deadline: 60_000 });
  }
}

/** The code of its answer, and why. */
async function ask(plugin: Plugin, local: string): Promise<{ readonly code: number; readonly why: string }> {
  const { reply, decisions } = await runPhase(plugin, "mail", { from: `${local}@example.net` });
  return { code: reply.code, why: decisions.find(({ plugin }) => plugin === "hostile")?.reason ?? "" };
}

/** Processes that this thread has started: other files of tests run in this process too, and have children of their own. */
function children(): number[] {
  const text = Deno.readTextFileSync(`/proc/${Deno.readLinkSync("/proc/thread-self")}/children`);
  return text.split(" ").filter((each) => each.trim() !== "").map(Number);
}

const attacks: Readonly<Record<string, readonly [lines: string, why: RegExp, limits?: SandboxedOptions]>> = {
  "fills octets": [
    "const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));",
    /more than 64 MiB of memory/,
    { memory: 64 * MIB },
  ],
  "fills octets, and yields": [
    "const all = []; for (;;) { all.push(new Uint8Array(1e6).fill(1)); await 0; await new Promise((go) => setTimeout(go)); }",
    /more than 64 MiB of memory/,
    { memory: 64 * MIB },
  ],
  "fills its heap with text": [
    "let all = []; for (let n = 0;; n++) all.push('x'.repeat(1000) + n);",
    /64 MiB|heap was full/,
    { memory: 64 * MIB },
  ],
  "fills a map": [
    "const all = new Map(); for (let n = 0;; n++) all.set(n, { n });",
    /64 MiB|heap was full/,
    { memory: 64 * MIB },
  ],
  "loops": ["for (;;);", /did not yield/],
  "exits": ["Deno.exit(0); await new Promise(() => {});", /exit/],
  "throws in a timer": ["setTimeout(() => { throw new Error('later') }); await new Promise(() => {});", /later/],
  "writes into the frames": [
    "(await import('node:fs')).writeSync(1, 'a line\\n'); await new Promise(() => {});",
    /no frame/,
  ],
};
for (const [name, [lines, why, limits = {}]] of Object.entries(attacks)) {
  Deno.test(`a plugin in a process that ${name} harms one message`, async () => {
    await apart(moduleOf(lines), limits, async (plugin, troubles) => {
      assertEquals((await ask(plugin, "good")).code, 250);
      const before = Deno.memoryUsage().rss;
      const [bad, ...others] = await Promise.all(
        ["bad", "good", "slow", "slow", "good"].map((each) => ask(plugin, each)),
      );
      assertEquals(others.map(({ code }) => code), [250, 250, 250, 250]);
      assertEquals(bad!.code, 451);
      assertMatch(bad!.why, why);
      assertEquals((await ask(plugin, "good")).code, 250);
      assert(troubles.some((each) => why.test(each)), troubles.join("\n"));
      const grown = (Deno.memoryUsage().rss - before) / MIB;
      console.log(`the server grew by ${grown.toFixed(0)} MiB`);
      assertLess(grown, 200);
    });
  });
}

Deno.test("a process that is killed, or stopped, under a call: that call is asked again and answered", async () => {
  await apart(moduleOf(""), { cpu: 2_000 }, async (plugin) => {
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      assertEquals((await ask(plugin, "good")).code, 250);
      const [pid] = children();
      const slow = ask(plugin, "slow");
      Deno.kill(pid!, signal);
      assertEquals((await slow).code, 250, signal);
      await waitFor("its end", () => !children().includes(pid!), { deadline: 60_000 });
    }
  });
});
