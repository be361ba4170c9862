/** Steps in order: each one holds what is behind it in its hand as next(). Non-job: what a step does (call.ts). */
import type { TransactionContext } from "../contexts/transaction_context.ts";
import type { Answer, Next } from "../plugin.ts";
import type { Step } from "./call.ts";

/** Runs the steps of `chain` from `index`, then `rest`. */
export function proceed(chain: readonly Step[], index: number, ctx: TransactionContext, rest: Next): Answer {
  const step = chain[index];
  return step === undefined ? rest() : step.run(ctx, chain, index, rest);
}

/** `then` now, or when the value has come: a phase without promises makes none. */
export function after<T, R>(value: T | Promise<T>, then: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}
