/**
 * The classifier of one instance of the plugin: an opinion of a message in points, with its words for people, and lessons.
 * Non-job: what points lead to (spam_score/mod.ts).
 */
import type { Counters } from "../../../../core/pipeline/mod.ts";
import type { Reading } from "../reading.ts";
import { classify, probability } from "./classify.ts";
import type { Class } from "./counts.ts";
import { Lessons } from "./lessons.ts";
import { type TokenList, tokensOf } from "./tokens.ts";

export interface BayesOptions {
  /** Messages of each class that must have been learned, before it says anything. */
  readonly minimum: number;
  /** The most that it gives, and the least. */
  readonly spam: number;
  readonly ham: number;
  /** Messages that are remembered, and for how many seconds. */
  readonly lessons: number;
  readonly seconds: number;
}
/** The store, and the moment in milliseconds since 1970. */
export interface Place {
  readonly store: Counters;
  readonly now: number;
}

/**
 * Points for each unit of the balance (classify.ts): at a balance of 12 chance would have to be e^12 times as lucky, and the
 * message goes to quarantine by that alone.
 */
const SLOPE = 0.5;
/** Points nearer to 0 are none. */
const LEAST = 0.1;
const SHOWN = 5;

export class Bayes {
  readonly #options: BayesOptions;
  readonly #lessons: Lessons;

  constructor(options: BayesOptions) {
    this.#options = options;
    this.#lessons = new Lessons({ most: options.lessons, seconds: options.seconds });
  }

  /** Null: it has nothing to say. */
  async judge(reading: Reading, place: Place): Promise<{ readonly points: number; readonly reason: string } | null> {
    await this.#lessons.refresh(place.store, place.now);
    const { counts } = this.#lessons, { minimum, spam, ham } = this.#options;
    if (counts.spam < minimum || counts.ham < minimum) return null;
    const list = tokensOf(reading), { balance, told } = classify(list.tokens, counts);
    const points = Math.round(10 * Math.max(ham, Math.min(spam, SLOPE * balance))) / 10;
    if (Math.abs(points) < LEAST) return null;
    const words = points > 0 ? `: ${this.#strongest(list).join(", ")}` : "";
    return {
      points,
      reason: `${told} of its words and marks are known from ${points > 0 ? "spam" : "good mail"}${words}`,
    };
  }

  async learn(reading: Reading, as: Class, place: Place): Promise<string> {
    const learned = await this.#lessons.learn(tokensOf(reading).tokens, as, place);
    const what = learned === "new" ? `learned as ${as}` : learned === "known" ? `known as ${as} already` : `now ${as}`;
    return `${what}; ${this.#total()}`;
  }

  async status(place: Place): Promise<string> {
    await this.#lessons.refresh(place.store, place.now);
    return this.#total();
  }

  #total(): string {
    const { spam, ham } = this.#lessons.counts, { minimum } = this.#options;
    const missing = [spam < minimum && `${minimum - spam} spam`, ham < minimum && `${minimum - ham} ham`].filter(
      Boolean,
    );
    return `${spam} spam and ${ham} ham known` + (missing.length > 0 ? `, ${missing.join(" and ")} to go` : "");
  }

  /** What speaks most for spam, in words. They are the sender's: printable, and short. */
  #strongest({ tokens, name }: TokenList): string[] {
    const { counts } = this.#lessons, worst: { at: number; weight: number }[] = [];
    for (let at = 0; at < tokens.length; at++) {
      const place = counts.place(tokens[at]!);
      if (place < 0 || counts.spamAt(place) < 2) continue;
      const weight = counts.spamAt(place) * (probability(counts, place) - 0.5);
      if (weight <= (worst.length < SHOWN ? 0 : worst.at(-1)!.weight)) continue;
      worst.push({ at, weight });
      worst.sort((a, b) => b.weight - a.weight);
      worst.length = Math.min(worst.length, SHOWN);
    }
    return worst.map(({ at }) => JSON.stringify(name(at).replace(/[^\x20-\x7e]+/g, "?").slice(0, 40)));
  }
}
