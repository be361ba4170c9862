/**
 * What may stand where a person types: commands, options, their choices, ids and domains that the server
 * knows. Never an error: a shell would print it into the line. Non-job: the shells (scripts.ts).
 */
import type { Argument, Command, Option } from "commander";
import { plain } from "../screen/text.ts";
import { DONE, type ExitCode, type Terminal } from "../terminal.ts";
import { known } from "./known.ts";

/** What may stand there, and what it means. */
export interface Candidate {
  readonly text: string;
  readonly about: string;
}
/** Asks the shell for names of files. */
const FILES: Candidate = { text: ":files", about: "" };
/** Milliseconds that a server may take. */
const PATIENCE = 2000;

/** Prints an answer a line. */
export async function complete(args: readonly string[], program: Command, terminal: Terminal): Promise<ExitCode> {
  const words = args[0] === "--" ? args.slice(1) : args;
  for (const { text, about } of await candidates(words.length === 0 ? [""] : words, program, terminal)) {
    terminal.out(about === "" ? plain(text) : `${plain(text)}\t${plain(about)}`);
  }
  return DONE;
}

/** `words`: those behind `postern`; the last is being typed. */
export async function candidates(
  words: readonly string[],
  program: Command,
  terminal: Terminal,
): Promise<readonly Candidate[]> {
  const typed = words.at(-1)!, place = placeOf(words.slice(0, -1), program);
  const { command, option, position, literal } = place;
  if (option !== null) return fitting(await valuesOf(option, { command, words, terminal }), typed);
  if (typed.startsWith("-") && !literal) return fitting(optionsOf(command), typed);
  const commands = position > 0 ? [] : command.commands.map((each) => ({
    text: each.name(),
    about: firstLine(each.description()),
  }));
  const help = command.parent === null && position === 0 ? [{ text: "help", about: "help for a command" }] : [];
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[position] ?? (last?.variadic ? last : undefined);
  const values = argument === undefined ? [] : await valuesOf(argument, { command, words, terminal });
  return fitting([...commands, ...help, ...values], typed);
}

interface Place {
  readonly command: Command;
  /** Whose value is being typed. */
  readonly option: Option | null;
  /** Arguments that stand before it. */
  readonly position: number;
  /** Behind `--`. */
  readonly literal: boolean;
}
function placeOf(words: readonly string[], program: Command): Place {
  let command = program, position = 0, option: Option | null = null, literal = false;
  for (const word of words) {
    if (option !== null) option = null;
    else if (literal) position++;
    else if (word === "--") literal = true;
    else if (word.startsWith("-") && word !== "-") {
      const found = command.options.find((each) => each.long === word || each.short === word);
      if (found?.required || found?.optional) option = found;
    } else {
      const next = position === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (next !== undefined) command = next;
      else if (command === program && word === "help") continue; // then names of commands follow
      else position++;
    }
  }
  return { command, option, position, literal };
}

function optionsOf(command: Command): Candidate[] {
  const all = command.options.filter((each) => !each.hidden).map((each) => ({
    text: each.long ?? each.short ?? "",
    about: firstLine(each.description),
  }));
  return [...all, { text: "--help", about: "what the command takes" }];
}

interface Asking {
  readonly command: Command;
  readonly words: readonly string[];
  readonly terminal: Terminal;
}
async function valuesOf(wanted: Option | Argument, asking: Asking): Promise<readonly Candidate[]> {
  if (wanted.argChoices !== undefined) return wanted.argChoices.map((text) => ({ text, about: "" }));
  const name = "flags" in wanted ? /[<[]([a-z]+)/i.exec(wanted.flags)?.[1] ?? "" : wanted.name();
  if (/^(?:file|folder|path|directory)$/.test(name)) return [FILES];
  let timer;
  const late = new Promise<readonly Candidate[]>((resolve) => timer = setTimeout(() => resolve([]), PATIENCE));
  try {
    return await Promise.race([late, known(name, asking)]);
  } catch {
    return []; // no configuration, no server, another's folder: nothing is known
  } finally {
    clearTimeout(timer);
  }
}

function fitting(all: readonly Candidate[], typed: string): readonly Candidate[] {
  return all.filter((each) => each === FILES || each.text.startsWith(typed));
}
function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}
