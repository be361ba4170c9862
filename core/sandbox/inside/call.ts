/**
 * One call of a handler inside a sandbox: its context, its next(), its answer. A next() whose answer nobody looks at costs
 * no trip: `return next()` gives back the promise itself, or lets an async function's promise take it over, which calls its
 * own `then`; `await` never does. Who takes it over gets a stand-in; where that turns out to be looked at, the host asks
 * again, and next() makes a trip from then on. Non-job: what is done outside (host/call.ts).
 */
import { Reply } from "../../model/reply.ts";
import type { Host } from "../../pipeline/contexts/contexts.ts";
import { AFTER, TWICE } from "../../pipeline/calls/faults.ts";
import type { Next, Phase } from "../../pipeline/plugin.ts";
import { fromWireReply, toWireError, toWireReply } from "../values.ts";
import type { Deed, Inward, Outcome, Snapshot, WireReply } from "../wire.ts";
import { type Book, SandboxContext, ToldTransaction } from "./context.ts";
import { HeldWriter, type Post, Questions } from "./questions.ts";

/** What the shim knows and a call needs. */
export interface CallHouse {
  readonly post: Post;
  readonly plugin: string;
  host(house: number): Host;
  keep: Book["keep"];
}
/** A handler, as whoever calls one must see it. */
export type AnyHandler = (ctx: SandboxContext, next: Next) => unknown;
type Asked = (signal: AbortSignal) => Promise<string>;

/** Microtasks after which somebody who hands next() on has done so: an async function needs one. */
const HOPS = 3;
const then = Promise.prototype.then;

/** A handler at work. */
export class InsideCall implements Book {
  deeds: Deed[] = [];
  readonly questions: Questions;
  readonly #house: CallHouse;
  readonly #id: number;
  readonly #phase: Phase;
  readonly #tail: boolean;
  readonly #transaction: ToldTransaction;
  readonly #context: SandboxContext;
  readonly #asked = new Map<number, Asked>();
  #outside = 0;
  #bodies = 0;
  #done = false;
  #called = false;
  #pending: Promise<Reply> | null = null;
  #take: ((reply: Reply) => void) | null = null;
  #tripped = false;
  #below: Reply | null = null;
  #standIn: Reply | null = null;
  /** Deeds and questions when the stand-in was given. */
  #sofar = 0;
  #looked = false;

  constructor(house: CallHouse, { call, phase, snapshot, tail }: Extract<Inward, { do: "call" }>) {
    this.#house = house;
    this.#id = call;
    this.#phase = phase;
    this.#tail = tail;
    const questions = this.questions = new Questions(house.post, call);
    questions.clock = snapshot.now;
    const { session, role, listener, client } = snapshot;
    const transaction: ToldTransaction = this.#transaction = new ToldTransaction(
      {
        host: house.host(snapshot.house),
        dns: undefined as never, // the context has its own
        counters: undefined as never,
        now: () => questions.now(),
        // Of all events one is the call's own: a verb that came too late
        emit: (event) => {
          if (event.type === "trouble") house.post({ do: "late", call, what: event.message });
        },
        commit: () => Promise.reject(new Error("that is the host's")),
        callAhead: async ({ sender, route }, signal) =>
          fromWireReply(await questions.ask({ ask: "callAhead", sender, route }, { signal }) as WireReply),
        ...(snapshot.outside ? { outside: (inquiry, ask) => this.#askOutside(inquiry.question, ask) } : {}),
        receive: () => {
          const { body: { head }, bodyStart } = transaction.received!;
          return new HeldWriter(questions, { body: ++this.#bodies, head: head.slice(0, bodyStart) });
        },
        pause: async (milliseconds) => await questions.ask({ ask: "pause", milliseconds }) === true,
      },
      { session, role, listener, client },
      { book: this, questions },
    );
    transaction.tell(phase, snapshot);
    this.#context = new SandboxContext(transaction, house.plugin, { book: this, questions });
  }

  /** It has answered. */
  get done(): boolean {
    return this.#done;
  }

  keep: Book["keep"] = (signer) => this.#house.keep(signer);

  /** Asks the handler. */
  run(handler: AnyHandler): void {
    let answer: unknown;
    try {
      answer = handler(this.#context, this.next);
    } catch (error) {
      return this.#fail(error);
    }
    if (!(answer instanceof Promise)) return this.#finish(answer);
    if (answer === this.#pending && !this.#tripped) return this.#answer({ is: "next" });
    // Its own `then` would hand out the stand-in: this one is only listened to
    then.call(answer, (value: unknown) => this.#finish(value), (error: unknown) => this.#fail(error));
  }

  readonly next: Next = () => {
    if (this.#done) throw new Error(AFTER);
    this.deeds.push({ deed: "next" });
    if (this.#called) throw new Error(TWICE); // and once more outside, where it counts
    this.#called = true;
    const pending = new Promise<Reply>((resolve) => this.#take = resolve);
    this.#pending = pending;
    const taken = (resolved: unknown, rejected: unknown) => {
      if (this.#tail && !this.#tripped && isNative(resolved) && isNative(rejected)) {
        (resolved as (reply: Reply) => void)(this.#standInReply());
        return undefined;
      }
      this.#trip();
      return then.call(pending, resolved as never, rejected as never);
    };
    Object.defineProperties(pending, {
      then: { value: taken },
      // These hand on functions of their own, which then() could not tell from an async function's
      catch: { value: (rejected: unknown) => this.#seen(pending, undefined, rejected) },
      finally: {
        value: (last: unknown) => {
          this.#trip();
          return Promise.prototype.finally.call(this.#plain(pending), last as () => void);
        },
      },
    });
    this.#hop(HOPS);
    return pending;
  };

  /** What next() gave, and what is known by now. */
  below(reply: WireReply, snapshot: Snapshot): void {
    this.questions.clock = snapshot.now;
    this.#transaction.tell(this.#phase, snapshot);
    this.#below = fromWireReply(reply);
    this.#take?.(this.#below);
  }

  /** Nobody waits for it any more. */
  abort(why: Error): void {
    this.#done = true;
    this.#context.end(why);
  }

  /** The host wants to know what it asked with that number. */
  async outside(question: number): Promise<void> {
    const ask = this.#asked.get(question), call = this.#id, { post } = this.#house;
    try {
      if (ask === undefined) throw new Error("nothing was asked with that number");
      post({ do: "asked", call, question, value: await ask(this.#context.signal) });
    } catch (error) {
      post({ do: "asked", call, question, error: toWireError(error) });
    }
  }

  async #askOutside(question: string, ask: () => Promise<string>): Promise<string> {
    const number = ++this.#outside;
    this.#asked.set(number, ask);
    try {
      return await this.questions.ask({ ask: "outside", question, number }) as string;
    } finally {
      this.#asked.delete(number);
    }
  }

  #seen(pending: Promise<Reply>, resolved: unknown, rejected: unknown): unknown {
    this.#trip();
    return then.call(pending, resolved as never, rejected as never);
  }

  #plain(pending: Promise<Reply>): Promise<Reply> {
    return then.call(pending, (reply) => reply) as Promise<Reply>;
  }

  #hop(left: number): void {
    queueMicrotask(() => {
      if (left > 1) this.#hop(left - 1);
      else if (!this.#done && this.#standIn === null) this.#trip(); // somebody waits for it
    });
  }

  #trip(): void {
    if (this.#tripped || this.#done) return;
    this.#tripped = true;
    this.#send((deeds) => this.#house.post({ do: "below", call: this.#id, deeds }));
  }

  #standInReply(): Reply {
    const look = () => {
      this.#looked = true;
      throw new Error("next() was not awaited before its answer was looked at");
    };
    const standIn: Reply = Object.create(Reply.prototype);
    for (const name of ["code", "status", "text", "verdict", "options"]) {
      Object.defineProperty(standIn, name, { get: look });
    }
    this.#sofar = this.#progress;
    return this.#standIn = standIn;
  }

  get #progress(): number {
    return this.deeds.length + this.questions.asked;
  }

  #finish(value: unknown): void {
    if (this.#done) return;
    const below = this.#below;
    if (this.#standIn !== null) {
      const unseen = value === this.#standIn && !this.#looked && this.#sofar === this.#progress;
      return this.#answer({ is: unseen ? "next" : "again" });
    }
    if (!(value instanceof Reply)) return this.#answer({ is: "nothing", type: value === null ? "null" : typeof value });
    this.#answer(value === below ? { is: "below" } : { is: "reply", reply: toWireReply(value, below) });
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    if (this.#standIn !== null) return this.#answer({ is: "again" });
    this.#answer({ is: "error", error: toWireError(error) });
  }

  #answer(outcome: Outcome): void {
    this.#done = true;
    this.#context.end();
    if (outcome.is === "again") this.deeds = []; // nothing of it has happened
    this.#send((deeds, error) => {
      const last: Outcome = error === null ? outcome : { is: "error", error: toWireError(error) };
      this.#house.post({ do: "answer", call: this.#id, deeds, outcome: last });
    });
  }

  /** Without what cannot cross: a key whose value cannot be cloned stays here, and that is said. */
  #send(post: (deeds: readonly Deed[], error: unknown) => void): void {
    const { deeds } = this;
    this.deeds = [];
    try {
      return post(deeds, null);
    } catch {
      const left = deeds.flatMap((each): readonly Deed[] =>
        each.deed !== "set" || canCross(each.value)
          ? [each]
          : [{ deed: "note", sentence: `the value of ${each.key} cannot leave the sandbox` }]
      );
      try {
        return post(left, null);
      } catch (error) {
        post([], error);
      }
    }
  }
}

/** Whether it is a function of the language itself that resolves a promise: those have no name and take one argument. */
function isNative(value: unknown): boolean {
  return typeof value === "function" && value.name === "" && value.length === 1 && !("prototype" in value) &&
    Function.prototype.toString.call(value) === "function () { [native code] }";
}

function canCross(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
