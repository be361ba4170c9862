/**
 * Tells whether a pattern is anywhere in a text, in time linear in the text whatever the pattern and the text are: the
 * pattern becomes a machine without choices, made state by state as texts need it (subset construction, Thompson 1968).
 * Bounded memory: after so many states it begins anew. Non-job: the syntax (pattern_syntax.ts), where the match is.
 */
import { type Assertion, type Node, parsePattern, type Ranges } from "./pattern_syntax.ts";

/** Steps of a pattern with its repetitions written out, and states that are kept. */
const MAX_STEPS = 500, MAX_STATES = 1000;
/** Steps that are looked at to make states for one message, some 30 ms; and what a state costs beside them. */
const MAX_WORK = 250_000, STATE = 20;

/** A place in the pattern. What leads on without a character: `to` (both ways), if the assertion holds. */
interface Step {
  /** Index of the character set that leads to `next`; -1: none. */
  set: number;
  next: number;
  readonly to: number[];
  assertion: Assertion | null;
}
/** What is before or behind a place: nothing, the end of a line, a character of a word, another. */
const EDGE = 0, LINE = 1, WORD = 2, OTHER = 3;

interface State {
  readonly steps: readonly number[];
  readonly before: number;
  /** By class of character; 0: not known yet. */
  readonly next: Int32Array;
}
const MATCH = -1, UNKNOWN = 0;

export class LinearPattern {
  readonly source: string;
  readonly #steps: Step[] = [];
  readonly #end: number;
  readonly #first: number;
  /** The class of each code unit; what each class is, for `before`; and which sets have it. */
  readonly #classOf: Uint8Array | Uint16Array;
  readonly #kinds: number[] = [];
  readonly #inSet: boolean[][] = [];
  readonly #sets: Ranges[] = [];
  /** 1 is the first state; the place 0 is nobody's. */
  #states: (State | null)[] = [null];
  #numbers = new Map<string, number>();
  #work = 0;

  /** @throws {SyntaxError} that says what is wrong with the pattern. */
  constructor(source: string) {
    this.source = source;
    this.#end = this.#step();
    this.#first = this.#build(parsePattern(source), this.#end);
    this.#classOf = this.#classes();
  }

  /** Whether it is in a text. `^` and `$` are also at the beginning and the end of a line. */
  test(text: string): boolean {
    return this.any([text]);
  }

  /**
   * Whether it is in one of the texts of a message. Texts that make the machine larger than a thousand states again and
   * again are given up, all of them together: false.
   */
  any(texts: readonly string[]): boolean {
    this.#work = 0;
    return texts.some((text) => this.#isIn(text));
  }

  /** Steps that the last call looked at. */
  get work(): number {
    return this.#work;
  }

  #isIn(text: string): boolean {
    let number = this.#number([this.#first], EDGE);
    for (let at = 0; at < text.length; at++) {
      const of = this.#classOf[text.charCodeAt(at)]!;
      let next = this.#states[number]!.next[of]!;
      if (next === UNKNOWN) {
        if (this.#work > MAX_WORK) return false;
        next = this.#advance(number, of);
      }
      if (next === MATCH) return true;
      number = next;
    }
    return this.#closure(this.#states[number]!, EDGE) === null;
  }

  #step(): number {
    if (this.#steps.length >= MAX_STEPS) throw new SyntaxError("The repetitions of this pattern are too many");
    return this.#steps.push({ set: -1, next: -1, to: [], assertion: null }) - 1;
  }

  /** Makes the steps of a node that lead to `end`; returns the first. */
  #build(node: Node, end: number): number {
    switch (node.is) {
      case "set": {
        const step = this.#step();
        this.#steps[step]!.set = this.#sets.push(node.ranges) - 1;
        this.#steps[step]!.next = end;
        return step;
      }
      case "assert": {
        const step = this.#step();
        this.#steps[step]!.assertion = node.what;
        this.#steps[step]!.to.push(end);
        return step;
      }
      case "sequence":
        return node.of.reduceRight((after, each) => this.#build(each, after), end);
      case "choice": {
        const step = this.#step();
        for (const each of node.of) this.#steps[step]!.to.push(this.#build(each, end));
        return step;
      }
      case "repeat": {
        let after = end;
        if (node.most === Infinity) {
          after = this.#step();
          this.#steps[after]!.to.push(this.#build(node.of, after), end);
        } else {
          for (let times = node.least; times < node.most; times++) {
            const step = this.#step();
            this.#steps[step]!.to.push(this.#build(node.of, after), end);
            after = step;
          }
        }
        for (let times = 0; times < node.least; times++) after = this.#build(node.of, after);
        return after;
      }
    }
  }

  /** Characters that no set tells apart are one class. */
  #classes(): Uint8Array | Uint16Array {
    const word: Ranges = [[48, 57], [65, 90], [95, 95], [97, 122]], line: Ranges = [[10, 10], [13, 13]];
    const sets = [...this.#sets, word, line], edges = new Set([0]);
    for (const ranges of sets) for (const [from, to] of ranges) edges.add(from).add(to + 1);
    const starts = [...edges].filter((edge) => edge <= 0xffff).sort((a, b) => a - b);
    const names = new Map<string, number>(), table = new Uint16Array(0x10000);
    const cursors = sets.map(() => 0);
    starts.forEach((start, at) => {
      const inSet = sets.map((ranges, set) => {
        while (cursors[set]! < ranges.length && ranges[cursors[set]!]![1] < start) cursors[set]!++;
        const range = ranges[cursors[set]!];
        return range !== undefined && range[0] <= start;
      });
      const name = inSet.map(Number).join("");
      let of = names.get(name);
      if (of === undefined) {
        names.set(name, of = names.size);
        this.#kinds.push(inSet.at(-2) ? WORD : inSet.at(-1) ? LINE : OTHER);
        this.#inSet.push(inSet);
      }
      table.fill(of, start, starts[at + 1] ?? 0x10000);
    });
    return names.size <= 256 ? Uint8Array.from(table) : table;
  }

  #number(steps: readonly number[], before: number): number {
    const name = `${before}:${steps.join()}`, known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#states.push({ steps, before, next: new Int32Array(this.#kinds.length) }) - 1;
    this.#numbers.set(name, number);
    return number;
  }

  /** The state behind a character of a class, or MATCH. */
  #advance(from: number, of: number): number {
    const state = this.#states[from]!, reached = this.#closure(state, this.#kinds[of]!);
    let next = MATCH;
    if (reached !== null) {
      const steps = new Set([this.#first]); // it may begin anywhere
      for (const each of reached) {
        const { set, next } = this.#steps[each]!;
        if (set >= 0 && this.#inSet[of]![set]) steps.add(next);
      }
      if (this.#states.length > MAX_STATES) {
        this.#states = [null];
        this.#numbers = new Map();
        return this.#number([...steps].sort((a, b) => a - b), this.#kinds[of]!);
      }
      next = this.#number([...steps].sort((a, b) => a - b), this.#kinds[of]!);
    }
    state.next[of] = next;
    return next;
  }

  /** All steps that a state stands on before a character of that kind; null when the end is among them. */
  #closure({ steps, before }: State, behind: number): ReadonlySet<number> | null {
    const reached = new Set<number>(), open = [...steps];
    this.#work += STATE;
    while (open.length > 0) {
      const at = open.pop()!;
      if (reached.has(at)) continue;
      if (at === this.#end) return null;
      reached.add(at);
      this.#work++;
      const { to, assertion } = this.#steps[at]!;
      if (assertion === null || holds(assertion, before, behind)) open.push(...to);
    }
    return reached;
  }
}

function holds(assertion: Assertion, before: number, behind: number): boolean {
  switch (assertion) {
    case "start":
      return before === EDGE || before === LINE;
    case "end":
      return behind === EDGE || behind === LINE;
    case "boundary":
      return (before === WORD) !== (behind === WORD);
    case "inside":
      return (before === WORD) === (behind === WORD);
  }
}
