/**
 * One plugin in one phase: owns its clock, its next() and the blame. Whatever a handler does, its call ends with a Reply:
 * a throw, a late or a wrong answer is that of `failure`, or as if the plugin were not there where the operator says so.
 * Non-job: order (compose.ts), the meaning of a reply for the phase (pipeline.ts).
 */
import type { Decision } from "../../observe/events.ts";
import { Reply } from "../../model/reply.ts";
import { proceed } from "./compose.ts";
import { PluginContext } from "../contexts/plugin_context.ts";
import type { TransactionContext } from "../contexts/transaction_context.ts";
import { DEADLINES } from "./deadlines.ts";
import { type Effect, told as data } from "../effect.ts";
import { failure } from "../endings/endings.ts";
import { AFTER, dropped, IN_QUEUE, late, noReply, placeOf, TWICE, UNAWAITED } from "./faults.ts";
import type { Answer, Next, Phase, Policy } from "../plugin.ts";

const DEADLINE = 30_000;

export type AnyHandler = (ctx: PluginContext, next: Next) => unknown;

/** A place in the order of a phase: a plugin, or a combination of some. */
export interface Step {
  run(ctx: TransactionContext, chain: readonly Step[], index: number, rest: Next): Answer;
}

/** A plugin in a phase, with what the operator says of it. */
export class PluginStep implements Step {
  readonly name: string;
  readonly phase: Phase;
  readonly handler: AnyHandler;
  readonly observe: boolean;
  readonly skip: boolean;
  readonly deadline: number;

  constructor(name: string, phase: Phase, handler: AnyHandler, policy: Policy = {}) {
    this.name = name;
    this.phase = phase;
    this.handler = handler;
    this.observe = policy.mode === "observe";
    this.skip = this.observe || policy.onError === "skip";
    this.deadline = policy.deadline ?? DEADLINE;
  }

  run(ctx: TransactionContext, chain: readonly Step[], index: number, rest: Next): Answer {
    return new Call(this, ctx, chain, index, rest).start();
  }
}

/** The last reading of the clock: whoever hands over to another call has just read it, and a reading costs 0.1 us. */
let instant = 0;
export function readClock(): number {
  return instant = performance.now();
}

const NOTHING: readonly unknown[] = [];
type Writable<T> = { -readonly [K in keyof T]: T[K] };

class Call {
  readonly #step: PluginStep;
  readonly #ctx: TransactionContext;
  readonly #chain: readonly Step[];
  readonly #index: number;
  readonly #rest: Next;
  readonly #began = instant;
  #mark = instant;
  #own = 0;
  #called = false;
  #done = false;
  #stopped = false;
  #below: Reply | undefined;
  #pending: Promise<Reply> | undefined;
  #misuse: string | undefined;
  #view: PluginContext | undefined;
  #held: unknown[] | undefined;
  #expire: ((why: Error) => void) | undefined;

  constructor(step: PluginStep, ctx: TransactionContext, chain: readonly Step[], index: number, rest: Next) {
    this.#step = step;
    this.#ctx = ctx;
    this.#chain = chain;
    this.#index = index;
    this.#rest = rest;
  }

  start(): Answer {
    const step = this.#step, ctx = this.#ctx;
    if (ctx.gone !== null) return this.#fail(ctx.gone);
    if (ctx.expires > 0 && instant >= ctx.expires) return this.#fail("no time was left for it");
    const view = this.#view = new PluginContext(step.observe ? this.#copy() : ctx, step.name);
    ctx.services.asking?.(step.name, step.phase);
    let answer: unknown;
    try {
      answer = step.handler(view, this.next);
    } catch (error) {
      return this.#fail(error);
    }
    if (!(answer instanceof Promise)) return this.#finish(answer);
    if (answer === this.#pending) { // `return next()`: nothing left to watch
      this.#close();
      this.#report("next", view.noted);
      return answer;
    }
    return new Promise((resolve) => {
      this.#expire = (why) => resolve(this.#fail(why));
      (this.#ctx.services.deadlines ?? DEADLINES).watch(this);
      (answer as Promise<unknown>).then(
        (value) => this.#done || resolve(this.#finish(value)),
        (error) => this.#done || resolve(this.#fail(error)),
      );
    });
  }

  readonly next: Next = () => {
    if (this.#done || this.#called) {
      throw new Error(this.#misuse = this.#done ? AFTER : TWICE);
    }
    this.#called = true;
    this.#own += readClock() - this.#mark;
    const below = this.#behind();
    if (!(below instanceof Promise)) {
      this.#mark = instant; // read by the last call below
      return this.#below = below;
    }
    return this.#pending = below.then((reply) => {
      this.#mark = readClock();
      this.#pending = undefined;
      return this.#below = reply;
    });
  };

  /** Time behind next() is not the plugin's. */
  tick(now: number): void {
    if (this.#pending) return;
    const { gone, expires } = this.#ctx;
    if (gone !== null) this.#expire!(new Error(gone));
    else if (this.#own + now - this.#mark - this.#view!.paused(now) > this.#step.deadline) {
      this.#expire!(overdue(late(this.#step.deadline)));
    } else if (expires > 0 && now >= expires) this.#expire!(overdue("exceeded the time after the last octet"));
  }

  #behind(): Answer {
    return proceed(this.#chain, this.#index + 1, this.#ctx, this.#rest);
  }

  #finish(value: unknown): Answer {
    this.#stopClock();
    if (this.#misuse) return this.#fail(this.#misuse);
    // A handler that never yielded was out of any timer's reach: it is late all the same.
    if (this.#own > this.#step.deadline) return this.#fail(overdue(late(this.#step.deadline)));
    if (!(value instanceof Reply)) return this.#fail(noReply(value, this.#called));
    if (this.#pending) return this.#fail(UNAWAITED);
    const below = this.#below;
    if (value === below) {
      this.#close();
      this.#report("next", this.#view!.noted);
      return value;
    }
    if (below && below.verdict !== "accept" && value.verdict === "accept" && value.options.over !== below) {
      return this.#fail(dropped(below));
    }
    if (this.#step.phase === "queue" && value.verdict === "reject") return this.#fail(IN_QUEUE);
    this.#close();
    const reason = value.options.reason ?? value.text;
    if (this.#step.observe) {
      this.#report(value.verdict, value.verdict === "accept" ? reason : wouldHaveSaid(value));
      return this.#pass();
    }
    this.#report(value.verdict, reason);
    if (value.verdict !== "accept") this.#ctx.blame(value, this.#step.name, reason);
    return value;
  }

  #fail(error: unknown): Answer {
    const why = told(error);
    this.#close(why);
    this.#report("error", why.message);
    if (this.#step.skip) return this.#pass();
    // What is still running behind next() ends before the phase does: it must not run into the next command.
    const answer = failure(this.#step.phase);
    this.#ctx.blame(answer, this.#step.name, why.message);
    return this.#pending ? this.#pending.then(() => answer) : answer;
  }

  /** As if the plugin had said next(). */
  #pass(): Answer {
    return this.#pending ?? this.#below ?? this.#behind();
  }

  #close(why?: Error): void {
    this.#stopClock();
    this.#done = true;
    if (this.#expire) (this.#ctx.services.deadlines ?? DEADLINES).unwatch(this); // at once: what only a sweep frees, leaks
    this.#view?.end(why);
  }

  /** Time behind next() does not count; the rest counts once. */
  #stopClock(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (!this.#pending) this.#own += readClock() - this.#mark;
    if (this.#view !== undefined) this.#own = Math.max(0, this.#own - this.#view.paused(instant));
  }

  #report(verdict: Decision["verdict"], reason: string): void {
    const ctx = this.#ctx, { name, phase, observe } = this.#step, view = this.#view;
    const decision: Writable<Decision> = {
      type: "decision",
      session: ctx.session,
      transaction: ctx.transaction,
      phase,
      plugin: name,
      verdict,
      reason,
      ms: this.#own,
      began: this.#began,
    };
    if (phase === "rcpt" && ctx.recipient !== null) decision.recipient = ctx.recipient.address;
    if (view?.facts !== undefined) decision.facts = view.facts;
    if (view?.asked !== undefined) decision.asked = view.asked;
    if (observe) {
      decision.held = this.#held ?? NOTHING;
      decision.observed = true;
    }
    ctx.services.emit(decision);
  }

  /** A view whose changes it alone sees: contexts assign, so an assignment through it stays with it. */
  #copy(): TransactionContext {
    const held: unknown[] = this.#held = [];
    const view: TransactionContext = Object.create(this.#ctx);
    view.apply = function (effect: Effect): string | null {
      const note = Object.getPrototypeOf(view).apply.call(view, effect);
      held.push(data(effect));
      return note;
    };
    return view;
  }
}

/** What was thrown as an Error of ours: it may be anything, even something that throws when it is looked at. */
function told(error: unknown): Error {
  try {
    if (error instanceof DOMException) return error as Error;
    const text = error instanceof Error ? error.message + placeOf(error) : String(error);
    return new Error(text, { cause: error });
  } catch {
    return new Error("threw something that cannot be read");
  }
}

/** What nobody was told, behind why. */
function wouldHaveSaid(reply: Reply): string {
  const { reason } = reply.options, said = `It would have said ${reply}`;
  return reason === undefined || reason === reply.text ? said : `${reason.replace(/\.$/, "")}. ${said}`;
}

function overdue(text: string): Error {
  return new DOMException(text, "TimeoutError") as Error;
}
