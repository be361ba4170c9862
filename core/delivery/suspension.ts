/**
 * Which replies suspend a route for a time ("421 4.7.0 too much mail from you"), by patterns of the operator. The text is
 * a stranger's, so there are no regular expressions: a pattern is pieces of text in their order, found from left to
 * right with no way back, in time that no reply can stretch. Pure. Non-job: the waiting (window.ts).
 */

/** Replies, and what they lead to. */
export interface SuspensionRule {
  /**
   * What the reply begins with: code, enhanced status, text, in one line. `*` stands for anything, and anything may
   * follow: `421`, `4*too many`, `*blocked*listed`. Case does not matter.
   */
  readonly reply: string;
  /** How long nothing goes there, milliseconds. */
  readonly milliseconds: number;
}

/** No more of a reply is looked at, characters; the client engine keeps no longer ones either. */
const LOOKED_AT = 2048;

interface Pattern {
  readonly pieces: readonly string[];
  readonly milliseconds: number;
}

export class SuspensionRules {
  readonly #patterns: readonly Pattern[];

  /** @throws {TypeError} for a rule that every reply would match, or that has no time. */
  constructor(rules: readonly SuspensionRule[]) {
    this.#patterns = rules.map(({ reply, milliseconds }) => {
      const pieces = fold(reply).split("*");
      if (pieces.every((each) => each === "")) throw new TypeError(`"${reply}" matches every reply`);
      if (!(milliseconds > 0)) throw new TypeError(`"${reply}" suspends for no time`);
      return { pieces, milliseconds };
    });
  }

  /** For how long this reply suspends its route: the longest of the rules that it matches, 0 when there is none. */
  after(reply: string): number {
    if (this.#patterns.length === 0) return 0;
    const line = fold(reply.slice(0, LOOKED_AT));
    let longest = 0;
    for (const { pieces, milliseconds } of this.#patterns) {
      if (milliseconds > longest && matches(line, pieces)) longest = milliseconds;
    }
    return longest;
  }
}

/** The leftmost place of each piece leaves the most to those after it, so nothing is ever tried twice. */
function matches(line: string, pieces: readonly string[]): boolean {
  const first = pieces[0]!;
  if (!line.startsWith(first)) return false;
  let at = first.length;
  for (let i = 1; i < pieces.length; i++) {
    const found = line.indexOf(pieces[i]!, at);
    if (found < 0) return false;
    at = found + pieces[i]!.length;
  }
  return true;
}

/** One line in small letters: a reply of several lines reads as one. */
function fold(text: string): string {
  return text.replace(/[\r\n]+/g, " ").toLowerCase();
}
