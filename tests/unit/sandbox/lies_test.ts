/** What code in a sandbox posts to its host past the shim: it is looked at, and what is wrong with it is told. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { runPhase, type Simulated } from "postern";
import { sandboxed, type SandboxedOptions } from "../../../core/sandbox/sandboxed.ts";
import { PluginContext } from "../../../core/pipeline/contexts/plugin_context.ts";

const LIAR = new URL("./plugins/liar.ts", import.meta.url);

/** What it says of itself. */
const DESCRIPTIONS: Readonly<Record<string, RegExp>> = {
  store: /^it posted a name that no plugin has/,
  terminal: /^it posted a name that no plugin has/,
  never: /^it posted deadline is no time$/,
  always: /^it posted every is no time$/,
  circle: /^it posted a schema is more than 100 deep, or a circle$/,
  phases: /^it posted phases has 1000000 entries$/,
};
for (const [lie, why] of Object.entries(DESCRIPTIONS)) {
  Deno.test(`a plugin apart lies of itself, ${lie}: it is not there`, async () => {
    const { message } = await assertRejects(() => sandboxed(`${LIAR}?lie=${lie}`), Error) as Error;
    assertMatch(message, why);
  });
}

Deno.test("a plugin apart has the name that the operator gave it, whatever it says", async () => {
  assertEquals((await sandboxed(`${LIAR}?lie=another`, {}, { as: "given" })).name, "given");
});

/** Messages whose sender says what it posts. */
async function asks(
  locals: readonly string[],
  limits: SandboxedOptions = {},
): Promise<readonly { readonly reason: string; readonly code: number }[]> {
  const plugin = await sandboxed(LIAR, {}, { ...limits, trouble: () => {} });
  try {
    const found = [];
    for (const local of locals) {
      const facts: Simulated = { from: `${local}@example.net` };
      const { decisions, reply } = await runPhase(
        plugin,
        local === "behind" || local === "octets" ? "data" : "mail",
        facts,
      );
      found.push({ reason: decisions[0]?.reason ?? "", code: reply.code });
    }
    return found;
  } finally {
    await plugin.stop!();
  }
}

const POSTED: Readonly<Record<string, string>> = {
  shared: "it posted the value of k holds what is no data",
  deep: "it posted the value of k is more than 100 deep, or a circle",
};
for (const [local, why] of Object.entries(POSTED)) {
  Deno.test(`a plugin apart posts ${local}: its message has the error, and no other`, async () => {
    assertEquals(await asks([local, "good"]), [{ reason: why, code: 451 }, { reason: "", code: 250 }]);
  });
}
for (const isolate of ["worker", "process"] as const) {
  Deno.test(`a plugin in a ${isolate} posts letters and waits for none: they are not kept`, async () => {
    const plugin = await sandboxed(`${LIAR}?lie=busy`, {}, { isolate, trouble: () => {} });
    let sent = 0;
    const house = {
      send: () => (sent++, new Promise<never>(() => {})),
      host: {},
      signal: new AbortController().signal,
    };
    const { message } = await assertRejects(() => plugin.jobs![0]!.run(house as never), Error) as Error;
    assertEquals([message, sent], ["it posted more octets than can be written", 64]);
    await plugin.stop!();
  });
}

Deno.test("a plugin apart writes a body without end: it ends, and the message goes on as it was", async () => {
  const [{ reason, code } = { reason: "", code: 0 }] = await asks(["octets"]);
  assertMatch(reason, /^was answered, rewrite\(\): no more than \d+ octets are written$/);
  assertEquals(code, 250);
});

Deno.test("a plugin apart reads and writes bodies behind its answer: nobody would take them away", async () => {
  const [, heard] = await asks(["behind", "heard"]);
  assertEquals(heard?.reason, "the call is over, the call is over");
});

Deno.test("a value of a key is data, of any kind that a fact has", async () => {
  const plugin = await sandboxed(new URL("./plugins/facts.ts", import.meta.url));
  try {
    let keys: ReadonlyMap<string, unknown> = new Map();
    const watch = {
      name: "watch",
      handlers: {
        mail(ctx: PluginContext, next: () => unknown) {
          keys = PluginContext.behind(ctx).connectionKeys;
          return next();
        },
      },
    };
    await runPhase([plugin, watch as never], "mail", {});
    assertEquals(keys.get("facts"), {
      list: [1, "two", null, true, 3n],
      map: new Map([["a", [new Date(5)]]]),
      set: new Set([1]),
      octets: new Uint8Array([1, 2]),
      words: [0.5, -1],
    });
  } finally {
    await plugin.stop!();
  }
});
