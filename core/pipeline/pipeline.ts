/**
 * The plugins of a listener, compiled: asks them in their order, ends the phase when none answered, checks that a yes was
 * earned, and does what belongs to the end of each phase. When no handler returns a promise, a phase makes none.
 * Non-job: one plugin's time and faults (calls/call.ts), what a context holds (contexts/transaction_context.ts).
 */
import { isOverdue, isParked } from "../model/envelope.ts";
import { formatAuthResults } from "../model/authres.ts";
import { defer, type Reply } from "../model/reply.ts";
import type { Decision } from "../observe/events.ts";
import { readClock, type Step } from "./calls/call.ts";
import { after, proceed } from "./calls/compose.ts";
import { checkPlugins, type Compiled, PHASES, stepsOf, storesOf } from "./compile.ts";
import type { Role } from "./contexts/contexts.ts";
import type { TransactionContext } from "./contexts/transaction_context.ts";
import { addCopies } from "./copy.ts";
import { AttemptEnding } from "./endings/attempt.ts";
import { delayed, spoken } from "./endings/delay.ts";
import { ENDINGS, failure, OVERDUE, YES } from "./endings/endings.ts";
import { allRefused, commitRest, settled } from "./endings/settlement.ts";
import { expand } from "./expand.ts";
import type { Answer, Phase, Plugin } from "./plugin.ts";

/**
 * What the operator says of a whole list.
 *
 * @example
 * ```ts
 * import { on, reject, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * const closed = on("mail", () => reject("5.7.1", "Closed"));
 * const phases = async (delayRefusals: boolean) =>
 *   (await simulate([closed], { to: "bob@example.org" }, { delayRefusals })).replies.at(-1)?.phase;
 * assertEquals([await phases(true), await phases(false)], ["rcpt", "mail"]); // when the refusal is said
 * ```
 */
export interface PipelineOptions {
  /** Only plugins for this role; unset: all. */
  readonly role?: Role;
  /** Say at RCPT what policy refuses at connect, helo and mail (default true). */
  readonly delayRefusals?: boolean;
  /** Milliseconds that the plugins of data and queue have together (default 120,000, at most 540,000). */
  readonly budget?: number;
  /** The list is a part of one: a route may name a plugin that is not in it (default false; true under test). */
  readonly partial?: boolean;
}

const BUDGET = 120_000;
const MAX_BUDGET = 540_000; // the client waits 600 s for the reply after the dot                   RFC 5321 4.5.3.2.6

type AskedPhase = Exclude<Phase, "queue" | "deliver">;

/**
 * @throws {Error} when a plugin stands in the wrong place, naming it.
 * @example
 * ```ts
 * import { on, reject } from "postern";
 * import { Pipeline } from "./pipeline.ts";
 * import { assertEquals } from "@std/assert";
 * const pipeline = new Pipeline([on("mail", () => reject("5.7.1", "Not today"), { name: "closed" })]);
 * assertEquals(pipeline.matrix, [{ plugin: "closed", phases: ["mail"], mode: "enforce" }]);
 * ```
 */
export class Pipeline {
  /** What each plugin does in which phase, for `check` and the admin page. Combinations are taken apart. */
  readonly matrix: readonly Compiled[];
  /** Of each plugin in the list, by its name. */
  readonly #places: ReadonlyMap<string, number>;
  readonly #chains: { readonly [P in Phase]: readonly Step[] };
  readonly #delay: boolean;
  readonly #budget: number;
  /** Names of the plugins that store mail; null when some are elsewhere. */
  readonly #stores: ReadonlySet<string> | null;

  constructor(plugins: readonly Plugin[], options: PipelineOptions = {}) {
    const { role, delayRefusals = true, budget = BUDGET, partial = false } = options;
    this.matrix = checkPlugins(plugins, role);
    this.#places = new Map(this.matrix.map(({ plugin }, place) => [plugin, place]));
    this.#stores = partial ? null : storesOf(this.matrix);
    this.#chains = Object.fromEntries(
      PHASES.map((phase) => [phase, plugins.flatMap((plugin) => stepsOf(plugin, phase, role))]),
    ) as Record<Phase, Step[]>;
    this.#delay = delayRefusals;
    this.#budget = Math.min(budget, MAX_BUDGET);
  }

  /** False: only core's own ending is there. */
  handles(phase: Phase): boolean {
    return this.#chains[phase].length > 0;
  }

  /** Asks about what `ctx` was told last. Synchronous when no handler returned a promise; never rejects. */
  run(phase: Phase, ctx: TransactionContext): Answer {
    const { services } = ctx;
    if (services.phase === undefined) return this.#run(phase, ctx);
    const began = performance.now();
    return after(this.#run(phase, ctx), (reply) => {
      services.phase!(phase, reply.verdict, performance.now() - began);
      return reply;
    });
  }

  #run(phase: Phase, ctx: TransactionContext): Answer {
    ctx.phase = phase;
    if (phase === "rcpt") return this.#rcpt(ctx);
    if (phase === "queue") return this.#queue(ctx);
    if (phase === "deliver") return this.#deliver(ctx);
    if (phase === "data") ctx.expires = readClock() + this.#budget;
    const answer = this.#ask(phase, ctx);
    return answer instanceof Promise
      ? answer.then((reply) => this.#conclude(phase, ctx, reply))
      : this.#conclude(phase, ctx, answer);
  }

  /** The chain, the ending, and what a yes owes. */
  #ask(phase: AskedPhase, ctx: TransactionContext): Answer {
    if (ctx.gone !== null) return failure(phase);
    const chain = this.#chains[phase];
    if (chain.length === 0) return this.#end(phase, ctx);
    readClock();
    const answer = proceed(chain, 0, ctx, () => this.#end(phase, ctx));
    return answer instanceof Promise
      ? answer.then((reply) => this.#earned(phase, ctx, reply))
      : this.#earned(phase, ctx, answer);
  }

  #end(phase: AskedPhase, ctx: TransactionContext): Reply {
    const reply = ENDINGS[phase].end(ctx);
    if (reply !== YES) this.#tell(phase, ctx, reply, reply.verdict, reply.options.reason ?? reply.text);
    return reply;
  }

  #earned(phase: AskedPhase, ctx: TransactionContext, reply: Reply): Reply {
    if (reply.verdict !== "accept") return reply;
    const owed = ctx.gone ?? ENDINGS[phase].owes(ctx, this.#stores);
    if (owed === null) return reply;
    const refusal = failure(phase);
    if (ctx.gone === null) this.#tell(phase, ctx, refusal, "error", owed);
    return refusal;
  }

  #conclude(phase: AskedPhase, ctx: TransactionContext, reply: Reply): Answer {
    switch (phase) {
      case "connect":
        return this.#delay ? delayed(ctx, phase, reply) : reply;
      case "helo": {
        const said = this.#delay ? delayed(ctx, phase, reply) : reply;
        if (said.verdict === "accept") ctx.reset();
        else ctx.helo = ctx.formerHelo; // the server stays in the state that it was in              RFC 5321 4.1.4
        return said;
      }
      case "mail":
        return this.#delay ? delayed(ctx, phase, reply) : reply;
      case "auth":
        ctx.credentials = null;
        if (reply.verdict !== "accept") ctx.forgetIdentity();
        return reply;
      case "data": {
        const refusal = reply.verdict === "accept" ? allRefused(ctx) : reply;
        if (refusal !== null) return refusal;
        if (ctx.authResults.length > 0) this.#sayFindings(ctx);
        if (ctx.suppressed.length === 0 && ctx.copies.length === 0) return reply;
        return this.#suppress(ctx).then(async (failed) =>
          failed ?? (ctx.copies.length === 0 ? null : await addCopies(ctx, () => this.#ask("rcpt", ctx))) ?? reply
        );
      }
      default:
        return reply;
    }
  }

  /** One field; findings of plugins that ran together stand in the list's order, not in that of their answers. */
  #sayFindings(ctx: TransactionContext): void {
    const { edits, host, authResults, finders } = ctx;
    const placeOf = (index: number) => this.#places.get(finders[index]!) ?? 0;
    const results = [...authResults.keys()].sort((a, b) => placeOf(a) - placeOf(b)).map((index) => authResults[index]!);
    ctx.edits = { ...edits, prepend: formatAuthResults(host.name, results) + edits.prepend };
  }

  /** Before the 250: the message is the only one who says so. */
  async #suppress({ suppressed, services }: TransactionContext): Promise<Reply | null> {
    try {
      for (const { address, reason, seconds } of suppressed) await services.suppress?.(address, { reason, seconds });
      return null;
    } catch (error) {
      return defer("4.3.0", "Local error in processing", { reason: `cannot suppress: ${error}` });
    }
  }

  #rcpt(ctx: TransactionContext): Answer {
    const refusal = spoken(ctx);
    if (refusal) return refusal;
    return after(this.#ask("rcpt", ctx), (reply) => {
      if (reply.verdict !== "accept") return reply;
      if (ctx.members === null) return this.#admitted(ctx, reply);
      return expand(ctx, () => this.#ask("rcpt", ctx)).then((last) => this.#admitted(ctx, last, true));
    });
  }

  #admitted(ctx: TransactionContext, reply: Reply, expanded = false): Reply {
    if (reply.verdict !== "accept") return reply;
    if (!expanded) ctx.admit();
    ctx.commands.push(ctx.command);
    return reply;
  }

  #queue(ctx: TransactionContext): Answer {
    if (ctx.gone !== null) return failure("queue");
    const first = ctx.tries === 0;
    if (first && isOverdue(ctx.parameters, ctx.now())) {
      this.#tell("queue", ctx, OVERDUE, "reject", "its BY is over");
      return OVERDUE;
    }
    const chain = this.#chains.queue, now = readClock();
    if (ctx.expires === 0) ctx.expires = now + this.#budget;
    // What is held waits for a person, and what is parked for its hour; nobody stores it before        SEMANTICS 17
    const waits = ctx.held !== null || first && isParked(ctx.parameters, ctx.now());
    const answer = chain.length === 0 || waits ? commitRest(ctx) : proceed(chain, 0, ctx, () => commitRest(ctx));
    return after(answer, (reply) => settled(ctx, reply));
  }

  /** Without a budget: nobody waits for the reply, and an attempt takes the time that other hosts take. */
  #deliver(ctx: TransactionContext): Answer {
    const ending = new AttemptEnding(ctx);
    readClock();
    return after(proceed(this.#chains.deliver, 0, ctx, ending.make), (reply) => ending.conclude(reply));
  }

  #tell(phase: Phase, ctx: TransactionContext, reply: Reply, verdict: Decision["verdict"], reason: string): void {
    ctx.blame(reply, "core", reason);
    ctx.services.emit({
      type: "decision",
      session: ctx.session,
      transaction: ctx.transaction,
      phase,
      plugin: "core",
      verdict,
      reason,
      ms: 0,
    });
  }
}
