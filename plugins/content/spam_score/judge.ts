/**
 * Which rules hit: the rules of a site made ready once, then asked about each message. Text is walked once for all phrases;
 * a pattern looks at each text once. Non-job: points and thresholds (mod.ts), reading the message (reading.ts).
 */
import { Phrases } from "./phrases.ts";
import type { Pattern, Place, Rule } from "./rule.ts";
import { type Facts, TESTS } from "./tests.ts";
import type { WordCount } from "./words.ts";
import type { Reading } from "./reading.ts";

/** What else of a message rules ask for. */
export interface Circumstances {
  readonly formJudged: boolean;
  key(name: string): string | undefined;
}

interface Phrase {
  readonly rule: string;
  readonly phrase: string;
}

/** Rules by their names, in their order. */
export class Judge {
  readonly #rules: readonly (readonly [name: string, rule: Rule])[];
  readonly #ofText = new Phrases<Phrase>();
  readonly #ofSubject = new Phrases<Phrase>();

  /** @throws {TypeError} for a phrase that is none. */
  constructor(rules: ReadonlyMap<string, Rule>) {
    this.#rules = [...rules];
    for (const [rule, look] of rules) {
      if (!("phrases" in look)) continue;
      for (const phrase of look.phrases) {
        if (look.of !== "subject") this.#ofText.add(phrase, { rule, phrase });
        if (look.of !== "text") this.#ofSubject.add(phrase, { rule, phrase });
      }
    }
  }

  /** The names of the rules that hit. */
  hits(reading: Reading, circumstances: Circumstances): string[] {
    const said = new Map<string, Set<string>>();
    const found = ({ rule, phrase }: Phrase) => {
      const phrases = said.get(rule);
      if (phrases) phrases.add(phrase);
      else said.set(rule, new Set([phrase]));
    };
    reading.subject.each(this.#ofSubject.walk(found));
    for (const words of reading.words) words.each(this.#ofText.walk(found));
    const facts: Facts = { reading, subject: reading.subject.text, words: sum(reading.words), ...circumstances };
    return this.#rules.filter(([name, rule]) => {
      if ("phrases" in rule) return (said.get(name)?.size ?? 0) >= (rule.least ?? 1);
      if ("test" in rule) return TESTS[rule.test](facts);
      if ("key" in rule) return rule.is.includes(circumstances.key(rule.key) ?? "");
      if ("header" in rule) return rule.matches.test(reading.header(rule.header) ?? "");
      return anywhere(reading, rule.in, rule.matches);
    }).map(([name]) => name);
  }
}

function anywhere(reading: Reading, place: Place, pattern: Pattern): boolean {
  const texts = textsAt(reading, place);
  return pattern.any?.(texts) ?? texts.some((text) => pattern.test(text));
}

function textsAt({ texts, html, urls, parts }: Reading, place: Place): readonly string[] {
  switch (place) {
    case "text":
      return texts;
    case "html":
      return html;
    case "url":
      return urls;
    case "type":
      return parts.map(({ type }) => type);
    case "filename":
      return parts.flatMap(({ filenames }) => filenames);
  }
}

function sum(counts: readonly WordCount[]): WordCount {
  const total = { words: 0, large: 0, letters: 0, invisible: 0, mixed: 0 };
  for (const each of counts) {
    for (const name of ["words", "large", "letters", "invisible", "mixed"] as const) total[name] += each[name];
  }
  return total;
}
