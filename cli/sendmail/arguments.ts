/**
 * The command line of a sendmail, as cron, PHP and mail programs write it: one-letter options in clusters, values glued to
 * them or behind them. What has no meaning here is taken and passed over, as every sendmail does. Pure.
 * Non-job: doing it.
 */
import { CommandError } from "../terminal.ts";
import { EX_USAGE } from "./sysexits.ts";

/** What it was called to do. */
export type Mode = "send" | "smtp" | "queue" | "aliases" | "flush";

/** What a command line says. */
export interface Arguments {
  readonly mode: Mode;
  /** In their order, as they were written. */
  readonly recipients: readonly string[];
  /** -t: To, Cc and Bcc name recipients too. */
  readonly fromHeader: boolean;
  /** -i: a line with a dot alone is text. */
  readonly dots: boolean;
  /** -f, -r: the sender of the envelope; null unless said, empty for nobody. */
  readonly sender: string | null;
  /** -F: the name of a person, for a From that is missing. */
  readonly name: string | null;
  /** -N: when to report; null unless said. */
  readonly notify: readonly ("NEVER" | "SUCCESS" | "FAILURE" | "DELAY")[] | null;
  /** -R: what a report returns. */
  readonly ret: "FULL" | "HDRS" | null;
  /** -V: the envelope's id, plain. */
  readonly envid: string | null;
  /** -C, --config: the configuration file. */
  readonly config: string | null;
}

/** Letters with a value, glued or behind. */
const VALUED = "ABCFLNORVXfhpro";
/** Letters without, and what a sendmail of some time took. */
const PLAIN = "GUcimnstvxIe";
const MODES: Readonly<Record<string, Mode | null>> = {
  m: "send",
  s: "smtp",
  p: "queue",
  i: "aliases",
  a: "send",
  d: null,
  D: null,
  v: null,
  t: null,
  h: null,
  H: null,
};

/**
 * Reads a command line. `called` is the name that the program was called by.
 *
 * @throws {CommandError} EX_USAGE
 * @example
 * ```ts
 * import { parseArguments } from "./arguments.ts";
 * const { dots, sender, recipients } = parseArguments(["-oi", "-fme@example.org", "you@example.org"], "sendmail");
 * console.log(dots, sender, recipients); // true me@example.org [ "you@example.org" ]
 * ```
 */
export function parseArguments(args: readonly string[], called: string): Arguments {
  const found = {
    mode: (called === "mailq" ? "queue" : called === "newaliases" ? "aliases" : "send") as Mode,
    recipients: [] as string[],
    fromHeader: false,
    dots: false,
    sender: null as string | null,
    name: null as string | null,
    notify: null as Arguments["notify"],
    ret: null as Arguments["ret"],
    envid: null as string | null,
    config: null as string | null,
  };
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") {
      found.recipients.push(...args.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      found.recipients.push(word);
      continue;
    }
    const [long, glued] = /^--config(?:=(.*))?$/s.exec(word) ?? [];
    if (long !== undefined) {
      found.config = glued ?? args[++at] ?? missing("--config");
      continue;
    }
    for (let place = 1; place < word.length; place++) {
      const letter = word[place]!, rest = word.slice(place + 1);
      if (letter === "q") { // -q, -q15m, -qRdomain: what waits is sent anyway
        found.mode = "flush";
        break;
      }
      if (letter === "b") {
        const mode = MODES[rest === "" ? args[++at] ?? "" : rest];
        if (mode === undefined) throw usage(`-b${rest}: there is no such mode`);
        if (mode === null) throw usage(`-b${rest} is not for Postern: postern serve runs the server`);
        found.mode = mode;
        break;
      }
      if (letter === "d" && place === 1) break; // -d0-99.1: looks into an insect that we are not
      if (VALUED.includes(letter)) {
        const value = rest === "" ? args[++at] ?? missing(`-${letter}`) : rest;
        valued(letter, value, found);
        break;
      }
      if (!PLAIN.includes(letter)) throw usage(`-${letter}: there is no such option`);
      if (letter === "e" && rest !== "") break; // -em: an -oem of old
      if (letter === "t") found.fromHeader = true;
      else if (letter === "i") found.dots = true;
      else if (letter === "s" && place === 1 && rest === "") continue;
      else if (letter === "I") found.mode = "aliases";
    }
  }
  return found;
}

type Found = { -readonly [K in keyof Arguments]: Arguments[K] };

function valued(letter: string, value: string, found: Found): void {
  switch (letter) {
    case "f":
    case "r":
      found.sender = /^<.*>$/s.test(value) ? value.slice(1, -1) : value;
      break;
    case "F":
      found.name = value;
      break;
    case "C":
      found.config = value;
      break;
    case "o": // -oi is the one that means something here; the others are other programs' habits
      if (value === "i" || value === "itrue") found.dots = true;
      break;
    case "N":
      found.notify = notifyOf(value);
      break;
    case "R":
      if (!/^(?:full|hdrs)$/i.test(value)) throw usage(`-R ${value}: full or hdrs`);
      found.ret = value.toUpperCase() as "FULL" | "HDRS";
      break;
    case "V":
      found.envid = value;
  }
}

function notifyOf(value: string): Arguments["notify"] {
  const words = value.toUpperCase().split(",").map((each) => each.trim());
  const known = ["SUCCESS", "FAILURE", "DELAY"] as const;
  if (words.length === 1 && words[0] === "NEVER") return ["NEVER"];
  const found = known.filter((each) => words.includes(each));
  if (words.some((each) => !known.includes(each as never))) {
    throw usage(`-N ${value}: never, or of failure,delay,success`);
  }
  return found;
}

function missing(option: string): never {
  throw usage(`${option} wants a value`);
}
function usage(message: string): CommandError {
  return new CommandError(`sendmail: ${message}`, EX_USAGE);
}
