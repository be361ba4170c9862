/**
 * Questions of one call and their answers: each is answered once, in any order, and a signal goes with it. What fails is
 * an answer too. Non-job: what the answer is.
 */
import { toWireError } from "../values.ts";
import type { Outward, Question } from "../wire.ts";
import { Garbage } from "./incoming.ts";
import type { Life } from "./life.ts";

/** Questions that wait at a time: more is no plugin's, but a flood. */
const MOST = 1000;

export class Asking {
  readonly #life: Life;
  readonly #call: number;
  readonly #waiting = new Map<number, AbortController>();
  readonly #answer: (about: Question, signal: AbortSignal) => unknown;
  readonly #clock: () => number | null;

  constructor(
    life: Life,
    call: number,
    options: { answer(about: Question, signal: AbortSignal): unknown; clock(): number | null },
  ) {
    this.#life = life;
    this.#call = call;
    this.#answer = options.answer;
    this.#clock = options.clock;
  }

  /** @throws {Garbage} where that is no question of a plugin's. */
  take({ question, about }: Extract<Outward, { do: "question" }>): void {
    const octets = about.ask === "write" ? about.octets.length : about.ask === "send" ? about.content.length : 0;
    if (octets > 0) this.#life.owe(octets);
    if (this.#waiting.size >= MOST || this.#waiting.has(question)) throw new Garbage("too many questions at a time");
    const controller = new AbortController();
    this.#waiting.set(question, controller);
    void this.#run(question, about, controller.signal).then(() => this.#life.owe(-octets));
  }

  cancel(question: number): void {
    this.#waiting.get(question)?.abort(new DOMException("it is not wanted any more", "AbortError"));
  }

  async #run(question: number, about: Question, signal: AbortSignal): Promise<void> {
    const call = this.#call, life = this.#life;
    try {
      const value = await this.#answer(about, signal);
      const transfer = value instanceof Uint8Array && value.length > 16_384 ? [value.buffer as ArrayBuffer] : [];
      life.post({ do: "response", call, question, value, now: this.#clock() }, transfer);
    } catch (error) {
      life.post({ do: "response", call, question, error: toWireError(error), now: this.#clock() });
    } finally {
      this.#waiting.delete(question);
    }
  }
}
