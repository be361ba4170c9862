/**
 * Plugins of plugins: conditions, alternatives, company. A combination is a plugin like any other, and its members keep
 * their own names, clocks and blame. Non-job: a rule language; a condition is a function.
 */
import { accept, type Reply } from "../model/reply.ts";
import { readClock, type Step } from "./calls/call.ts";
import { after, proceed } from "./calls/compose.ts";
import { COMBINED, type Combined, PHASES, stepsOf } from "./compile.ts";
import type { Facts } from "./contexts/contexts.ts";
import { PluginContext } from "./contexts/plugin_context.ts";
import type { TransactionContext } from "./contexts/transaction_context.ts";
import { failure } from "./endings/endings.ts";
import { worst } from "./endings/settlement.ts";
import type { Answer, Handlers, Next, Phase, Phases, Plugin, Policy } from "./plugin.ts";

/**
 * A condition on what is known of the connection and the transaction. It must be quick: nothing cuts it off.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase, type Test, when } from "postern";
 * import { assertEquals } from "@std/assert";
 * const plain: Test = ({ client }) => client.tls === null;
 * const { reply } = await runPhase(when(plain, on("mail", () => reject("5.7.10", "TLS first"))), "mail");
 * assertEquals(reply.text, "TLS first");
 * ```
 */
export type Test = (facts: Facts) => boolean;

function combined(
  word: string,
  members: readonly Plugin[],
  step: Combined["step"],
  more: Pick<Combined, "together"> = {},
): Plugin {
  const made: Combined = { members, step, ...more };
  const plugin = { name: `${word}(${members.map((each) => each.name).join(", ")})`, handlers: {}, [COMBINED]: made };
  // The pipeline takes a combination apart; whoever calls a handler of it gets the same behaviour.
  const handlers: Record<string, unknown> = {};
  for (const phase of PHASES) {
    const chain = stepsOf(plugin, phase, undefined);
    if (chain.length === 0) continue;
    handlers[phase] = (ctx: Phases[Phase], next: Next) => proceed(chain, 0, PluginContext.behind(ctx), next);
  }
  return { ...plugin, handlers: handlers as Handlers };
}

/**
 * These plugins, where the condition holds.
 *
 * @example
 * ```ts
 * import { on, reject, simulate, when } from "postern";
 * import { assertEquals } from "@std/assert";
 * const closed = on("mail", () => reject("5.7.1", "Members only"));
 * const strangers = when((facts) => facts.client.identity === null, closed);
 * const result = await simulate([strangers], { from: "a@example.org", to: "b@example.net" });
 * assertEquals(result.reply.text, "Members only");
 * ```
 */
export function when(test: Test, ...plugins: readonly Plugin[]): Plugin {
  return combined("when", plugins, (chains, phase, policy) => new Conditional(test, chains.flat(), phase, policy));
}

/**
 * These plugins, except where the condition holds.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase, unless } from "postern";
 * import { assertEquals } from "@std/assert";
 * const closed = on("mail", () => reject("5.7.1", "Members only"));
 * const guarded = unless((facts) => facts.client.identity !== null, closed);
 * const codes = [await runPhase(guarded, "mail"), await runPhase(guarded, "mail", { identity: "ann" })];
 * assertEquals(codes.map(({ reply }) => reply.code), [550, 250]);
 * ```
 */
export function unless(test: Test, ...plugins: readonly Plugin[]): Plugin {
  const not: Test = (facts) => !test(facts);
  return combined("unless", plugins, (chains, phase, policy) => new Conditional(not, chains.flat(), phase, policy));
}

/**
 * In order until one does not refuse; when all refuse, a deferral before a rejection.
 *
 * @example
 * ```ts
 * import { defer, firstOf, on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const one = on("mail", (ctx, next) => ctx.sender?.local === "ann" ? next() : reject("5.7.1", "Not in the first list"));
 * const two = on("mail", (ctx, next) => ctx.sender?.local === "bob" ? next() : defer("4.3.0", "The second list is down"));
 * const either = firstOf(one, two);
 * const senders = ["ann@example.net", "bob@example.net", "eve@example.net"];
 * const results = await Promise.all(senders.map((from) => runPhase(either, "mail", { from })));
 * assertEquals(results.map(({ reply }) => reply.code), [250, 250, 451]);
 * ```
 */
export function firstOf(...plugins: readonly Plugin[]): Plugin {
  return combined("firstOf", plugins, (chains) => new Alternatives(chains));
}

/**
 * All at once; list order, not speed, picks the answer. Members cannot wrap what follows: their next() ends with them. None
 * can read what another one finds out in the same phase. One after the other or as a list, as in YAML; one deadline for
 * all of them is `withPolicy(parallel(...), { deadline: 5000 })`.
 *
 * @example
 * ```ts
 * import { on, parallel, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * let open: () => void = () => {};
 * const gate = new Promise<void>((resolve) => open = resolve);
 * const slow = on("mail", async () => (await gate, reject("5.7.1", "The first in the list")), { name: "slow" });
 * const quick = on("mail", () => (open(), reject("5.7.1", "The first in time")), { name: "quick" });
 * const { reply } = await runPhase(parallel(slow, quick), "mail");
 * assertEquals(reply.text, "The first in the list");
 * ```
 */
export function parallel(...plugins: readonly Plugin[] | readonly [readonly Plugin[]]): Plugin {
  return combined("parallel", plugins.flat(), (chains) => new Together(chains), { together: true });
}

class Conditional implements Step {
  constructor(
    readonly test: Test,
    readonly members: readonly Step[],
    readonly phase: Phase,
    readonly policy: Policy,
  ) {}

  run(ctx: TransactionContext, chain: readonly Step[], index: number, rest: Next): Answer {
    let holds = false;
    try {
      holds = this.test(ctx);
    } catch (error) {
      ctx.services.emit({
        type: "decision",
        session: ctx.session,
        transaction: ctx.transaction,
        phase: this.phase,
        plugin: "core",
        verdict: "error",
        reason: `a condition threw: ${error instanceof Error ? error.message : error}`,
        ms: 0,
      });
      if (this.policy.onError !== "skip" && this.policy.mode !== "observe") return failure(this.phase);
    }
    return holds
      ? proceed(this.members, 0, ctx, () => proceed(chain, index + 1, ctx, rest))
      : proceed(chain, index + 1, ctx, rest);
  }
}

/** What a member's next() answers where the member is not the one that goes on. */
const PASSED = accept();
const passed: Next = () => PASSED;

class Alternatives implements Step {
  constructor(readonly members: readonly (readonly Step[])[]) {}

  run(ctx: TransactionContext, chain: readonly Step[], index: number, rest: Next): Answer {
    const refusals: Reply[] = [];
    const from = (at: number): Answer => {
      const member = this.members[at];
      if (member === undefined) return worst(refusals)!;
      readClock();
      return after(proceed(member, 0, ctx, passed), (reply) => {
        if (reply === PASSED) return proceed(chain, index + 1, ctx, rest);
        if (reply.verdict === "accept") return reply;
        refusals.push(reply);
        return from(at + 1);
      });
    };
    return from(0);
  }
}

class Together implements Step {
  constructor(readonly members: readonly (readonly Step[])[]) {}

  run(ctx: TransactionContext, chain: readonly Step[], index: number, rest: Next): Answer {
    const answers = this.members.map((member) => (readClock(), proceed(member, 0, ctx, passed)));
    const first = (replies: readonly Reply[]): Answer =>
      replies.find((reply) => reply !== PASSED) ?? proceed(chain, index + 1, ctx, rest);
    return answers.some((answer) => answer instanceof Promise)
      ? Promise.all(answers).then((replies) => (readClock(), first(replies)))
      : first(answers as Reply[]);
  }
}
