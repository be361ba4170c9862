/**
 * The end of `deliver`: next() of the last handler makes the attempt, once, and what no attempt was made for gets the
 * chain's answer as its result, unless it is held or postponed. Once it was made, outcomes stand, whatever is said behind it. SEMANTICS 8, 17, 18.
 * Non-job: the attempt itself, and what results mean for the queue (core/delivery).
 */
import { defer, type Reply } from "../../model/reply.ts";
import type { TransactionContext } from "../contexts/transaction_context.ts";
import type { Answer } from "../plugin.ts";
import { failure } from "./endings.ts";
import { allRefused } from "./settlement.ts";

/** One run of the phase. */
export class AttemptEnding {
  readonly #ctx: TransactionContext;
  #made: Promise<Reply> | undefined;

  constructor(ctx: TransactionContext) {
    this.#ctx = ctx;
  }

  /** Makes the attempt, unless it was stopped before or nobody is left to try. Never rejects. */
  readonly make = (): Answer => {
    const ctx = this.#ctx;
    if (ctx.gone !== null) return failure("deliver");
    if (ctx.held !== null) return defer("4.3.0", "Held until a person releases it", { reason: ctx.held });
    return allRefused(ctx) ?? (this.#made ??= this.#attempt());
  };

  async #attempt(): Promise<Reply> {
    const ctx = this.#ctx;
    ctx.attempted = true;
    try {
      return await ctx.departure!.attempt();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      ctx.services.emit({ type: "trouble", where: "deliver", message: `${ctx.id}: ${why}` });
      return failure("deliver");
    }
  }

  /** What became of it, after the plugins of `deliver` gave `reply`. */
  conclude(reply: Reply): Answer {
    const ctx = this.#ctx;
    if (this.#made) return this.#made.then((made) => this.#settle(made));
    if (ctx.gone !== null) return failure("deliver"); // not tried: no result says anything
    if (ctx.held !== null) return reply;
    if (reply.verdict === "defer" && ctx.departure!.postponedUntil !== null) return reply; // no attempt: no result
    if (reply.verdict !== "accept") return this.#settle(reply);
    const refusal = allRefused(ctx);
    if (refusal !== null) return refusal;
    const reason = "accepted without an attempt", answer = failure("deliver");
    ctx.blame(answer, "core", reason);
    ctx.services.emit({
      type: "decision",
      session: ctx.session,
      transaction: ctx.transaction,
      phase: "deliver",
      plugin: "core",
      verdict: "error",
      reason,
      ms: 0,
    });
    return this.#settle(answer);
  }

  /** A refusal is the result of everybody who has none. */
  #settle(reply: Reply): Reply {
    if (reply.verdict === "accept") return reply;
    for (const { place, result } of this.#ctx.recipients) {
      if (result === null) this.#ctx.settleRecipient(place, reply as Reply<"defer" | "reject">);
    }
    return reply;
  }
}
