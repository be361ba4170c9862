/**
 * What a rule is: points, a sentence, and what it looks at, all of it data. Types only. Non-job: the rules that ship
 * (rules.ts), those of the operator (own_rules.ts), asking a message (judge.ts).
 */
import type { TestName } from "./tests.ts";

/** A pattern, however it is matched; never looks back at what it has read. */
export interface Pattern {
  test(text: string): boolean;
  /** As `test` of each; for patterns whose work over all texts of a message is bounded. */
  any?(texts: readonly string[]): boolean;
}

/** Where a pattern looks: decoded text, HTML as it came, each link, each type of a part, each name of a file. */
export type Place = "text" | "html" | "url" | "type" | "filename";

export type Look =
  | {
    /** A field by its name in lower case; its value decoded and cut at 1,000 characters. */
    readonly header: string;
    readonly matches: Pattern;
  }
  | { readonly in: Place; readonly matches: Pattern }
  | {
    /** Any of them, of one to five words, whatever their case and what is between the words. */
    readonly phrases: readonly string[];
    readonly of: "text" | "subject" | "either";
    /** How many different ones (default 1). */
    readonly least?: number;
  }
  | {
    /** What a plugin before left under this key: a word, or `result` of it. */
    readonly key: string;
    readonly is: readonly string[];
  }
  | { readonly test: TestName };

export interface RuleText {
  /** Added when it hits; negative speaks for the message. */
  readonly points: number;
  /** What it means when it hits, for people. */
  readonly text: string;
}
export type Rule = RuleText & Look;
