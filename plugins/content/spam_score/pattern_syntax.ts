/**
 * Reads a pattern of an operator: the regular part of regular expressions, which is what can be matched in linear time.
 * Literals, `.`, classes, groups, `|`, `* + ? {m,n}`, `^ $ \b \B`, escapes `\d \w \s` and their opposites. Case never
 * matters. Non-job: matching (linear_pattern.ts). Back references and looking ahead are refused: they cannot be linear.
 */

/** Code units from and to, both included, in order and apart. */
export type Ranges = readonly (readonly [from: number, to: number])[];
export type Assertion = "start" | "end" | "boundary" | "inside";
export type Node =
  | { readonly is: "set"; readonly ranges: Ranges }
  | { readonly is: "assert"; readonly what: Assertion }
  | { readonly is: "sequence"; readonly of: readonly Node[] }
  | { readonly is: "choice"; readonly of: readonly Node[] }
  | { readonly is: "repeat"; readonly of: Node; readonly least: number; readonly most: number };

const LAST = 0xffff, LONGEST = 1000, DEEPEST = 50, MOST_TIMES = 200;
const DIGIT: Ranges = [[48, 57]];
const WORD: Ranges = [[48, 57], [65, 90], [95, 95], [97, 122]];
const SPACE: Ranges = [
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [
    0x202f,
    0x202f,
  ],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGIT,
  w: WORD,
  s: SPACE,
  D: opposite(DIGIT),
  W: opposite(WORD),
  S: opposite(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, 0: 0 };

/** @throws {SyntaxError} that says what is wrong, and where. */
export function parsePattern(source: string): Node {
  if (source.length > LONGEST) throw new SyntaxError(`A pattern has at most ${LONGEST} characters`);
  return new Parser(source).whole();
}

class Parser {
  #at = 0;
  #depth = 0;
  constructor(readonly source: string) {}

  whole(): Node {
    const node = this.#choice();
    if (this.#at < this.source.length) throw this.#fault(`"${this.source[this.#at]}" closes nothing`);
    return node;
  }

  #choice(): Node {
    if (++this.#depth > DEEPEST) throw this.#fault("too many groups inside of each other");
    const branches = [this.#sequence()];
    while (this.#take("|")) branches.push(this.#sequence());
    this.#depth--;
    return branches.length === 1 ? branches[0]! : { is: "choice", of: branches };
  }

  #sequence(): Node {
    const of: Node[] = [];
    while (this.#at < this.source.length && !"|)".includes(this.source[this.#at]!)) of.push(this.#repeated());
    return { is: "sequence", of };
  }

  #repeated(): Node {
    const node = this.#single(), times = this.#times();
    if (times === null) return node;
    if (node.is === "assert") throw this.#fault("a place cannot be repeated");
    if (this.#take("?") || this.#take("+") || this.#take("*")) {
      throw this.#fault("a repetition of a repetition, greedy or not, means nothing here");
    }
    return { is: "repeat", of: node, ...times };
  }

  #times(): { readonly least: number; readonly most: number } | null {
    if (this.#take("*")) return { least: 0, most: Infinity };
    if (this.#take("+")) return { least: 1, most: Infinity };
    if (this.#take("?")) return { least: 0, most: 1 };
    const found = /^\{(\d{1,4})(?:(,)(\d{0,4}))?\}/.exec(this.source.slice(this.#at, this.#at + 12));
    if (found === null) return null;
    const [all, from = "", comma, to = ""] = found, least = Number(from);
    const most = comma === undefined ? least : to === "" ? Infinity : Number(to);
    if (most < least || least > MOST_TIMES || most !== Infinity && most > MOST_TIMES) {
      throw this.#fault(`a repetition is {m,n} with m at most n, and n at most ${MOST_TIMES}`);
    }
    this.#at += all.length;
    return { least, most };
  }

  #single(): Node {
    const char = this.source[this.#at++]!;
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return { is: "set", ranges: this.#class() };
      case ".":
        return { is: "set", ranges: opposite([[10, 10], [13, 13]]) };
      case "^":
        return { is: "assert", what: "start" };
      case "$":
        return { is: "assert", what: "end" };
      case "\\":
        return this.#escaped();
      case "*":
      case "+":
      case "?":
      case "{":
        throw this.#fault(`"${char}" repeats nothing; write \\${char}`, -1);
    }
    return { is: "set", ranges: eitherCase(char.charCodeAt(0), char.charCodeAt(0)) };
  }

  #group(): Node {
    if (this.#take("?") && !this.#take(":")) throw this.#fault("of the groups with (? only (?: is there");
    const node = this.#choice();
    if (!this.#take(")")) throw this.#fault("a group is not closed");
    return node;
  }

  #escaped(): Node {
    const char = this.source[this.#at];
    if (char === "b" || char === "B") {
      this.#at++;
      return { is: "assert", what: char === "b" ? "boundary" : "inside" };
    }
    const found = this.#escape();
    return { is: "set", ranges: typeof found === "number" ? eitherCase(found, found) : found };
  }

  /** Behind a backslash: a code unit or a class. */
  #escape(): number | Ranges {
    const char = this.source[this.#at++];
    if (char === undefined) throw this.#fault("a backslash at the end");
    if (Object.hasOwn(CLASSES, char)) return CLASSES[char]!;
    if (Object.hasOwn(CONTROLS, char)) return CONTROLS[char]!;
    const digits = char === "x" ? 2 : char === "u" ? 4 : 0;
    if (digits > 0) {
      const hex = this.source.slice(this.#at, this.#at + digits);
      if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length < digits) throw this.#fault(`\\${char} wants ${digits} hex digits`);
      this.#at += digits;
      return parseInt(hex, 16);
    }
    if (/[A-Za-z0-9]/.test(char)) throw this.#fault(`\\${char} is not there`);
    return char.charCodeAt(0);
  }

  #class(): Ranges {
    const negative = this.#take("^"), ranges: [number, number][] = [];
    for (let first = true; first || this.source[this.#at] !== "]"; first = false) {
      const from = this.#inClass();
      if (typeof from !== "number") {
        ranges.push(...from.map(([a, b]) => [a, b] as [number, number]));
        continue;
      }
      let to = from;
      if (this.source[this.#at] === "-" && this.source[this.#at + 1] !== "]" && this.#at + 1 < this.source.length) {
        this.#at++;
        const end = this.#inClass();
        if (typeof end !== "number" || end < from) throw this.#fault("a range that ends before it begins");
        to = end;
      }
      ranges.push(...eitherCase(from, to).map(([a, b]) => [a, b] as [number, number]));
    }
    this.#at++;
    return negative ? opposite(joined(ranges)) : joined(ranges);
  }

  #inClass(): number | Ranges {
    const char = this.source[this.#at];
    if (char === undefined) throw this.#fault("a class is not closed");
    this.#at++;
    return char === "\\" ? this.#escape() : char.charCodeAt(0);
  }

  #take(char: string): boolean {
    if (this.source[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
  #fault(what: string, back = 0): SyntaxError {
    return new SyntaxError(`At character ${this.#at + back + 1}: ${what}`);
  }
}

/** A range and what is the same in the other case: letters A to Z, and for one character whatever it is. */
function eitherCase(from: number, to: number): Ranges {
  const ranges: [number, number][] = [[from, to]];
  for (const [first, last, by] of [[65, 90, 32], [97, 122, -32]] as const) {
    const [low, high] = [Math.max(from, first), Math.min(to, last)];
    if (low <= high) ranges.push([low + by, high + by]);
  }
  if (from === to && from > 127) {
    const char = String.fromCharCode(from);
    for (const other of [char.toLowerCase(), char.toUpperCase()]) {
      if (other.length === 1) ranges.push([other.charCodeAt(0), other.charCodeAt(0)]);
    }
  }
  return joined(ranges);
}

function joined(ranges: readonly (readonly [number, number])[]): Ranges {
  const out: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}
function opposite(ranges: Ranges): Ranges {
  const out: [number, number][] = [];
  let at = 0;
  for (const [from, to] of ranges) {
    if (from > at) out.push([at, from - 1]);
    at = to + 1;
  }
  if (at <= LAST) out.push([at, LAST]);
  return out;
}
