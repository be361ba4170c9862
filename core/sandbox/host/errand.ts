/**
 * What a plugin that runs apart is asked beside its handlers: to sign, to do a job, to learn, to hear of an event. It is not
 * asked again where its sandbox ends meanwhile. Non-job: doing it (inside/errand.ts).
 */
import type { Resolver } from "../../dns/resolver.ts";
import type { SignedContent } from "../../pipeline/contexts/contexts.ts";
import type { Letter, ObserverHouse } from "../../pipeline/plugin.ts";
import { fromWireError } from "../values.ts";
import type { Inward, Outward, Question } from "../wire.ts";
import { Asking } from "./asking.ts";
import { Bodies } from "./bodies.ts";
import { askHouse } from "./house.ts";
import { Garbage } from "./incoming.ts";
import type { Life, Open } from "./life.ts";
import { clockOf } from "./snapshot.ts";

/** What it may ask for. Absent: what signs has no house. */
export interface ErrandHouse extends Partial<ObserverHouse> {
  readonly dns?: Resolver;
  readonly signal?: AbortSignal;
  send?(letter: Letter): Promise<void>;
}

export class Errand implements Open {
  readonly answer: Promise<string>;
  readonly retries = false;
  readonly #message: (life: Life, call: number, now: number | null) => Inward;
  readonly #house: ErrandHouse;
  readonly #bodies: Bodies;
  readonly #resolve: (value: string) => void;
  readonly #reject: (why: Error) => void;
  #asking: Asking | null = null;
  #end: () => void = () => {};

  constructor(
    message: (life: Life, call: number, now: number | null) => Inward,
    options: { readonly house?: ErrandHouse; readonly content?: SignedContent } = {},
  ) {
    this.#message = message;
    this.#house = options.house ?? {};
    this.#bodies = new Bodies(options.content ?? null);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(life: Life, call: number): void {
    const { now = Date.now, signal } = this.#house;
    const clock = () => clockOf(now());
    this.#asking = new Asking(life, call, { answer: (about, signal) => this.#ask(about, signal), clock });
    const abort = () => life.post({ do: "abort", call, why: "the server stops", name: "AbortError" });
    signal?.addEventListener("abort", abort, { once: true });
    this.#end = () => {
      signal?.removeEventListener("abort", abort);
      this.#bodies.end();
      life.close(call);
    };
    life.post(this.#message(life, call, clock()));
  }

  take(message: Outward): void {
    switch (message.do) {
      case "question":
        return this.#asking?.take(message);
      case "cancel":
        return this.#asking?.cancel(message.question);
      case "late":
        return;
      case "done":
        this.#end();
        if (message.error !== undefined) return this.#reject(fromWireError(message.error));
        return this.#resolve(message.value ?? "");
      default:
        throw new Garbage(`${message.do} for an errand`);
    }
  }

  fail(why: Error): void {
    this.#end();
    this.#reject(why);
  }

  #ask(about: Question, signal: AbortSignal): unknown {
    const { store, dns = null, alert, send } = this.#house;
    switch (about.ask) {
      case "read":
        return this.#bodies.read(about.body, about.reader);
      case "unread":
        return this.#bodies.unread(about.reader);
      case "alert":
        return alert?.(about.subject, about.message);
      case "send": {
        if (send === undefined) break;
        const { from, to, content } = about;
        return send({ from, to, content });
      }
      default:
        if (store !== undefined) return askHouse(about, { dns, store }, signal);
    }
    throw new TypeError(`${about.ask} has no meaning here`);
  }
}
