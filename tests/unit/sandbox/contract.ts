/**
 * One contract for plugins in the server's thread and apart from it: what they are asked and what comes of it is the same,
 * to the word. Non-job: what they are asked (scenarios.ts), where they run (contract_test.ts and others).
 */
import { assert, assertEquals } from "@std/assert";
import { on, type Phase, type Plugin, Reply, runPhase, type Simulated, SimulatedCounters } from "postern";
import { PluginContext } from "../../../core/pipeline/contexts/plugin_context.ts";
import type { TransactionContext } from "../../../core/pipeline/contexts/transaction_context.ts";

/** Everything that came of a phase, without what is another each time: ids and durations. */
export async function outcomeOf(
  plugin: Plugin,
  phase: Phase,
  facts: Simulated,
): Promise<Readonly<Record<string, unknown>>> {
  const contexts: TransactionContext[] = [];
  const watch = on(phase, (ctx, next) => (contexts.push(PluginContext.behind(ctx)), next()), { name: "watch" });
  const counters = new SimulatedCounters();
  const result = await runPhase([watch, plugin], phase, { ...facts, counters });
  const [ctx] = contexts;
  assert(ctx !== undefined);
  const { get: _, ...plain } = result;
  const all = {
    ...plain,
    events: plain.events.filter((each) => !("plugin" in each) || each.plugin !== "watch"),
    decisions: plain.decisions.filter((each) => each.plugin !== "watch"),
    reply: String(plain.reply),
    closes: plain.reply.closes,
    silent: plain.reply.options.silent,
    keys: [
      ctx.connectionKeys,
      ctx.transactionKeys,
      ...[...ctx.recipients, ...(ctx.recipient ? [ctx.recipient] : [])].map((each) => each.keys),
    ],
    counters: await counters.list({ prefix: "", limit: 1000 }),
  };
  const ids = new RegExp(`s?${ctx.session.slice(1)}`, "g");
  return plainly(all, ids) as Record<string, unknown>;
}

/** Data alone, to be compared: replies as their words, maps as their entries, functions by their being there. */
function plainly(value: unknown, ids: RegExp): unknown {
  if (typeof value === "string") return value.replace(ids, "ID");
  if (typeof value === "function") return "function";
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (value instanceof Reply) {
    return `${value} ${JSON.stringify({ ...value.options, code: undefined })}`.replace(ids, "ID");
  }
  if (value instanceof Map) return [...value].map((each) => plainly(each, ids));
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return value.map((each) => plainly(each, ids));
  // Durations; a question list that was only looked at; the code that a reply says twice
  const entries = Object.entries(value).filter(([name, each]) =>
    name !== "ms" && name !== "began" && !(name === "asked" && (each as unknown[])?.length === 0)
  );
  return Object.fromEntries(entries.map(([name, each]) => [name, plainly(each, ids)]));
}

/** Asks both the same, in the same order. */
export async function same(
  outside: Plugin,
  inside: Plugin,
  scenes: readonly (readonly [phase: Phase, facts: Simulated])[],
): Promise<void> {
  const { handlers: _, sandbox: __, start: ___, stop: ____, observe, learn, jobs, ...said } = inside;
  const { handlers: _o, start: _s, stop: _t, observe: observeO, learn: learnO, jobs: jobsO, ...saidOutside } = outside;
  assertEquals(said, saidOutside);
  assertEquals([!observe, !learn, jobs?.length ?? 0], [!observeO, !learnO, jobsO?.length ?? 0]);
  assertEquals(Object.keys(inside.handlers).toSorted(), Object.keys(outside.handlers).toSorted());
  const asked = new Set(scenes.map(([phase]) => phase));
  for (const phase of Object.keys(outside.handlers)) assert(asked.has(phase as Phase), `nothing is asked in ${phase}`);
  for (const [index, [phase, facts]] of scenes.entries()) {
    const expected = await outcomeOf(outside, phase, facts);
    const found = await outcomeOf(inside, phase, facts);
    for (const name of Object.keys(expected)) {
      assertEquals(JSON.stringify(found[name]), JSON.stringify(expected[name]), `${phase}, scene ${index}: ${name}`);
    }
  }
}
