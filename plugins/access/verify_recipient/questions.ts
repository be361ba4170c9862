/**
 * Questions to next hops: each address is asked about once at a time, each hop so often in a time and not at all for a
 * while after it gave no answer, and nobody waits longer than he wants to. What is heard is remembered, also when nobody
 * waits for it any more. Non-job: who is asked about (mod.ts), what is remembered (answer.ts).
 */
import type { Address, RcptContext, Reply } from "../../../core/pipeline/mod.ts";
import type { Rate } from "../rate.ts";
import { type Answer, answerIn, formatAnswer } from "./answer.ts";

export interface QuestionsOptions {
  /** Who to say it is from. */
  readonly sender: Address | null;
  /** Questions to one hop. */
  readonly rate: Rate;
  /** Milliseconds that a client waits. */
  readonly timeout: number;
  /** Seconds that a hop is left alone after it gave no answer. */
  readonly pause: number;
  /** Seconds that an answer is kept. */
  keep(answer: Answer): number;
}

/** Whoever asks, as far as it matters here. */
export type Asker = Pick<RcptContext, "store" | "signal" | "now" | "alert" | "callAhead">;
/** What is asked: of whom, and the name that the answer is kept under. */
export interface Subject {
  readonly hop: string;
  readonly name: string;
}
/** Why nobody said anything. */
export interface Unanswered {
  readonly unanswered: string;
}

/** Seconds from one alert about a hop to the next. */
const TOLD = 3600;

export class Questions {
  readonly #options: QuestionsOptions;
  /** By name; null: who asked has gone, and nothing came of it. */
  readonly #underWay = new Map<string, Promise<Reply | null>>();

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  isUnderWay({ name }: Subject): boolean {
    return this.#underWay.has(name);
  }

  /** What the hop says of the recipient that is being decided. */
  async ask(ctx: Asker, subject: Subject): Promise<Reply | Unanswered> {
    const { timeout } = this.#options, late = Promise.withResolvers<null>();
    const timer = setTimeout(() => late.resolve(null), timeout);
    const found = await Promise.race([this.#answer(ctx, subject), late.promise]).finally(() => clearTimeout(timer));
    if (found !== null) return found;
    const unanswered = `${subject.hop} gave no answer in ${timeout} ms`;
    await this.#rest(ctx, { ...subject, why: unanswered });
    return { unanswered };
  }

  async #answer(ctx: Asker, subject: Subject): Promise<Reply | Unanswered> {
    for (;;) {
      let answer = this.#underWay.get(subject.name);
      if (answer === undefined) {
        const bar = await this.#bar(ctx, subject);
        if (bar !== null) return { unanswered: bar };
        answer = this.#underWay.get(subject.name) ?? this.#begin(ctx, subject); // somebody may have begun meanwhile
      }
      const reply = await answer;
      if (reply !== null) return reply;
      if (ctx.signal.aborted) return { unanswered: "the client has gone" };
    }
  }

  /** Why no question is asked now. */
  async #bar({ store }: Asker, { hop }: Subject): Promise<string | null> {
    const { count, seconds, period } = this.#options.rate;
    if (await store.get(`silent ${hop}`) !== undefined) return `${hop} gave no answer a moment ago`;
    const asked = await store.add(`questions ${hop}`, 1, { seconds });
    return asked > count ? `${hop} was asked ${count} times in ${period}` : null;
  }

  #begin(ctx: Asker, subject: Subject): Promise<Reply | null> {
    const answer = this.#question(ctx, subject).finally(() => this.#underWay.delete(subject.name));
    this.#underWay.set(subject.name, answer);
    return answer;
  }

  async #question(ctx: Asker, subject: Subject): Promise<Reply | null> {
    const { sender, keep } = this.#options, { store, signal } = ctx;
    const reply = await ctx.callAhead({ sender });
    if (signal.aborted && reply.verdict === "defer") return null;
    const answer = answerIn(reply, ctx.now());
    if (answer !== null) await store.put(`answer ${subject.name}`, formatAnswer(answer), { seconds: keep(answer) });
    else if (reply.status.startsWith("4.4.")) { // it said nothing, of nobody
      await this.#rest(ctx, { ...subject, why: String(reply) });
    }
    return reply;
  }

  /** Other clients need not wait for a hop that says nothing; a person hears of it, as it may never say anything. */
  async #rest(ctx: Asker, { hop, why }: Subject & { readonly why: string }): Promise<void> {
    const { store } = ctx;
    await store.put(`silent ${hop}`, "1", { seconds: this.#options.pause });
    if (await store.add(`told ${hop}`, 1, { seconds: TOLD }) === 1) {
      ctx.alert(hop, `does not say which recipients it takes: ${why}`);
    }
  }
}
