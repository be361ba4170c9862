/** What went wrong in plugins: counted by plugin, the last one in words, bounded. */
import { assertEquals } from "@std/assert";
import type { Decision } from "../../../core/observe/events.ts";
import { PluginFaults } from "../../../core/observe/plugin_faults.ts";

function decision(plugin: string, more: Partial<Decision> = {}): Decision {
  return {
    type: "decision",
    session: "s",
    transaction: null,
    phase: "mail",
    plugin,
    verdict: "error",
    reason: "late",
    ms: 1,
    ...more,
  };
}

Deno.test("errors alone are kept, the most recent first, each plugin with its last one", () => {
  let now = 1000;
  const faults = new PluginFaults({ now: () => now++ });
  faults.observe(decision("spf"));
  faults.observe(decision("dmarc", { phase: "data", observed: true, reason: "x".repeat(1000) }));
  faults.observe(decision("spf", { reason: "threw" }));
  faults.observe(decision("relay", { verdict: "reject" }));
  assertEquals(
    faults.list().map(({ reason, ...rest }) => ({ ...rest, reason: reason.slice(0, 5), length: reason.length })),
    [
      { plugin: "spf", times: 2, at: 1002, phase: "mail", reason: "threw", observed: false, length: 5 },
      { plugin: "dmarc", times: 1, at: 1001, phase: "data", reason: "xxxxx", observed: true, length: 500 },
    ],
  );
});

Deno.test("names without end do not fill the memory", () => {
  const faults = new PluginFaults({ now: () => 0 });
  for (let i = 0; i < 2000; i++) faults.observe(decision(`p${i}`));
  assertEquals(faults.list().length, 500);
  faults.observe(decision("p0"));
  assertEquals(faults.list().find(({ plugin }) => plugin === "p0")?.times, 2);
});
