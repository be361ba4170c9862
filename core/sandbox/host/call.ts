/**
 * A call of a handler that runs apart, seen from the pipeline: what was done inside is done again here, in the same order,
 * on the real context, next() included. So every clock, check and word of the pipeline is what it is for a handler of its
 * own. Non-job: where it runs (sandbox.ts).
 */
import type { Reply } from "../../model/reply.ts";
import type { Signer } from "../../pipeline/contexts/contexts.ts";
import { OutsideError } from "../../pipeline/contexts/outside.ts";
import { PluginContext } from "../../pipeline/contexts/plugin_context.ts";
import type { TransactionContext } from "../../pipeline/contexts/transaction_context.ts";
import type { Answer, Next, Phase } from "../../pipeline/plugin.ts";
import { fromWireError, fromWireReply, toWireReply } from "../values.ts";
import type { Deed, Outcome, Outward, Question, WireEffect } from "../wire.ts";
import { Asking } from "./asking.ts";
import { Bodies } from "./bodies.ts";
import { askHouse } from "./house.ts";
import { Garbage } from "./incoming.ts";
import type { Life, Open } from "./life.ts";
import { clockOf, snapshotOf } from "./snapshot.ts";

/** What calls of one plugin have in common. */
export interface CallHost {
  /** The number of this site in that life. */
  houseOf(ctx: TransactionContext, life: Life): number;
  /** A signer of that life. */
  signer(life: Life, signer: number): Signer;
  /** By phase, what was learned: that it reads the octets, that it looks at what next() gives. */
  readonly reads: Set<Phase>;
  readonly looks: Set<Phase>;
  trouble(message: string): void;
}

/** Something of each type that is no reply; the rest is nothing. */
const LIKE = new Map<string, unknown>([["null", null], ["object", {}], ["string", ""], ["number", 0], [
  "boolean",
  false,
], [
  "function",
  () => {},
]]);
/** Words of one call that came too late: so many are told. */
const MOST_LATE = 10;

export class PhaseCall implements Open {
  readonly #host: CallHost;
  readonly #phase: Phase;
  readonly #view: PluginContext;
  readonly #ctx: TransactionContext;
  readonly #next: Next;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (why: Error) => void;
  readonly answer: Promise<Reply>;
  #life: Life | null = null;
  #call = 0;
  #asking: Asking | null = null;
  #bodies: Bodies;
  #over = false;
  #careful = false;
  /** What next() gave here. */
  #passed: Answer | null = null;
  #below: Reply | null = null;
  /** It was asked again after next(): what it does before it, it did. */
  #repeats = false;
  /** It was asked again because it looked at what next() gives. */
  #asked = false;
  #late = 0;
  /** Questions to somebody outside, by the number that the inside gave them. */
  readonly #outside = new Map<number, { resolve(answer: string): void; reject(why: Error): void }>();

  constructor(host: CallHost, phase: Phase, view: PluginContext, next: Next) {
    this.#host = host;
    this.#phase = phase;
    this.#view = view;
    this.#ctx = PluginContext.behind(view);
    this.#next = next;
    this.#bodies = new Bodies(this.#ctx);
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    view.signal.addEventListener("abort", () => this.#abandon(view.signal.reason), { once: true });
  }

  get retries(): boolean {
    return !this.#over;
  }

  begin(life: Life, call: number): void {
    if (this.#over) return life.close(call, true);
    this.#bodies.end();
    this.#bodies = new Bodies(this.#ctx);
    this.#forget();
    this.#life = life;
    this.#call = call;
    this.#repeats = this.#passed !== null;
    this.#asking = new Asking(life, call, {
      answer: (about, signal) => this.#ask(about, signal),
      clock: () => clockOf(this.#ctx.now()),
    });
    const phase = this.#phase, house = this.#host.houseOf(this.#ctx, life);
    const snapshot = () => snapshotOf(this.#ctx, { house, again: false, ...this.#wants });
    const tail = !this.#host.looks.has(phase);
    this.#crossing(() => life.post({ do: "call", call, phase, snapshot: snapshot(), tail }));
  }

  get #wants() {
    return { reads: this.#host.reads.has(this.#phase), careful: this.#careful };
  }

  /** A key that cannot be cloned stays out. */
  #crossing(post: () => void): void {
    try {
      post();
    } catch {
      this.#careful = true;
      post();
    }
  }

  take(message: Outward): void {
    switch (message.do) {
      case "question":
        return this.#asking?.take(message);
      case "cancel":
        return this.#asking?.cancel(message.question);
      case "asked": {
        const waiting = this.#outside.get(message.question);
        this.#outside.delete(message.question);
        if (message.error !== undefined) return waiting?.reject(fromWireError(message.error));
        return waiting?.resolve(message.value ?? "");
      }
      case "late":
        if (++this.#late <= MOST_LATE) this.#host.trouble(message.what);
        return;
      case "below":
        if (this.#over) return;
        return this.#trip(message.deeds);
      case "answer":
        if (this.#over) return;
        return this.#answered(message.deeds, message.outcome);
      default:
        throw new Garbage(`${message.do} for a call of a handler`);
    }
  }

  fail(why: Error): void {
    if (this.#over) return;
    this.#end();
    this.#reject(why);
  }

  // ---- What was done inside ------------------------------------------------------------------------------------------

  /** Somebody inside waits for what next() gives. */
  #trip(deeds: readonly Deed[]): void {
    if (!this.#repeats && this.#passed !== null || !deeds.some(({ deed }) => deed === "next")) {
      throw new Garbage("next() without a call of it");
    }
    const life = this.#life!, call = this.#call;
    const told = (below: Reply) => {
      this.#below = below;
      if (this.#over || this.#life !== life) return; // asked again meanwhile: it is told there
      const snapshot = () => snapshotOf(this.#ctx, { house: 0, again: true, ...this.#wants });
      this.#crossing(() => life.post({ do: "below", call, reply: toWireReply(below), snapshot: snapshot() }));
    };
    const repeats = this.#repeats;
    this.#repeats = false;
    if (!repeats && !this.#redo(deeds)) return;
    const passed = this.#passed!;
    if (passed instanceof Promise) void passed.then(told);
    else told(passed);
  }

  #answered(deeds: readonly Deed[], outcome: Outcome): void {
    if (outcome.is === "again") return this.#again();
    if (!this.#repeats && !this.#redo(deeds)) return;
    const passed = this.#passed;
    try {
      switch (outcome.is) {
        case "next":
          if (passed === null) throw new TypeError("answered with next() and did not call it");
          return this.#done(passed);
        case "below":
          if (this.#below === null) throw new TypeError("answered with what next() gave and did not call it");
          return this.#done(this.#below);
        case "reply":
          return this.#done(fromWireReply(outcome.reply, this.#below));
        case "nothing":
          return this.#done(LIKE.get(outcome.type) as never); // the pipeline says what that is
        case "error":
          throw new Error(outcome.error.message); // with its place, for its stack stayed inside
      }
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** It looked at the stand-in: nothing of it has happened. From now on next() makes a trip. */
  #again(): void {
    const life = this.#life!, { looks } = this.#host;
    if (this.#passed !== null || this.#asked) throw new Garbage("a wish to be asked again and again");
    this.#asked = true;
    looks.add(this.#phase);
    life.close(this.#call, true);
    life.run(this);
  }

  /** False: something of it was wrong, and the call has failed by it. */
  #redo(deeds: readonly Deed[]): boolean {
    try {
      for (const deed of deeds) this.#do(deed);
      return true;
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #do(deed: Deed): void {
    const view = this.#view;
    switch (deed.deed) {
      case "effect":
        return this.#change(deed.effect);
      case "set": {
        const { scope, key: name, value, told } = deed;
        return view.set({ name, scope, ...(told === null ? {} : { tell: () => told }) }, value);
      }
      case "note":
        return view.note(deed.sentence);
      case "attest":
        return view.attest(deed.result);
      case "alert":
        return view.alert(deed.subject, deed.message);
      case "next":
        this.#passed = this.#next(); // twice: it throws, and the pipeline says why
    }
  }

  #change(effect: WireEffect): void {
    const view = this.#view;
    switch (effect.do) {
      case "rewrite":
        return view.rewriteTo(this.#bodies.take(effect.body), effect.reason);
      case "sign":
        return view.change({ do: "sign", signer: this.#host.signer(this.#life!, effect.signer) });
      case "refuse": {
        const reply = fromWireReply(effect.reply) as Reply<"defer" | "reject">;
        return view.change({ do: "refuse", recipient: effect.recipient, reply });
      }
      default:
        return view.change(effect);
    }
  }

  #done(answer: Answer): void {
    this.#end();
    this.#resolve(answer as Reply);
  }

  /** The pipeline has given it up: a deadline, a peer that has gone. */
  #abandon(reason: unknown): void {
    if (this.#over) return;
    const life = this.#life, call = this.#call;
    const { name, message: why } = reason instanceof Error ? reason : new Error(String(reason));
    life?.post({ do: "abort", call, why, name });
    this.fail(new Error(why));
  }

  #end(): void {
    this.#over = true;
    this.#bodies.end();
    this.#forget();
    this.#life?.close(this.#call);
  }

  /** Of what the inside was asked, nothing will be heard. */
  #forget(): void {
    for (const { reject } of this.#outside.values()) reject(new OutsideError("nobody is asked: the call is over"));
    this.#outside.clear();
  }

  // ---- What is asked from inside -------------------------------------------------------------------------------------

  #ask(about: Question, signal: AbortSignal): unknown {
    const view = this.#view, ctx = this.#ctx, bodies = this.#bodies;
    switch (about.ask) {
      case "read":
        if (about.body === 0) this.#host.reads.add(this.#phase);
        return bodies.read(about.body, about.reader);
      case "unread":
        return bodies.unread(about.reader);
      case "write":
        return bodies.write(about.body, about.octets);
      case "finish":
        return bodies.finish(about.body);
      case "discard":
        return bodies.discard(about.body);
      case "pause":
        return view.pause(about.milliseconds);
      case "verify":
      case "decoy": {
        if (ctx.phase !== "auth" || ctx.credentials === null || this.#over) {
          throw new TypeError(`${about.ask}(): not here`);
        }
        return ctx.credentials[about.ask](about.stored);
      }
      case "callAhead": {
        const { services, phase, recipient, parameters } = ctx, { sender, route } = about;
        if (services.callAhead === undefined) throw new TypeError("callAhead(): nobody here asks other hosts");
        if (phase !== "rcpt" || recipient === null || this.#over) throw new TypeError("callAhead(): not here");
        const question = { sender, recipient: recipient.address, route, parameters };
        return services.callAhead(question, view.signal).then((reply) => toWireReply(reply));
      }
      case "outside":
        return view.outside(about.question, () => this.#askBack(about.number));
      default:
        return askHouse(about, view, signal);
    }
  }

  #askBack(question: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    if (this.#outside.has(question)) throw new TypeError("outside(): two questions of one number");
    this.#outside.set(question, { resolve, reject });
    this.#life!.post({ do: "outside", call: this.#call, question });
    return promise;
  }
}
