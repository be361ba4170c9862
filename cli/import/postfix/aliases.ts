/**
 * The file of aliases(5): `name: target, target`, where a target may be a command, a file or a list of addresses in a
 * file. Non-job: what becomes of them (local.ts).
 */
import type { Sources } from "../sources.ts";
import type { Origin } from "../draft.ts";
import { logicalLines } from "./lines.ts";

export type Target =
  | { readonly kind: "address"; readonly text: string }
  | { readonly kind: "command" | "file" | "include"; readonly text: string };

export interface AliasLine {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly from: Origin;
}

/** @throws {SourceError} */
export async function readAliases(path: string, sources: Sources): Promise<AliasLine[]> {
  const { name, text } = await sources.read(path);
  return logicalLines(text).flatMap(({ number, text: line }) => {
    const { word, end } = quotedWord(line, ":");
    if (line[end] !== ":" || word === "") return [];
    return [{ name: word.toLowerCase(), targets: targetsIn(line.slice(end + 1)), from: { file: name, line: number } }];
  });
}

/** Targets parted by commas; one in quotes may hold some. */
export function targetsIn(text: string): Target[] {
  const targets: Target[] = [];
  for (let at = 0; at <= text.length;) {
    const { word, end } = quotedWord(text.slice(at), ",");
    if (word !== "") targets.push(targetOf(word));
    at += end + 1;
  }
  return targets;
}

function targetOf(word: string): Target {
  if (word.startsWith("|")) return { kind: "command", text: word };
  if (word.startsWith("/")) return { kind: "file", text: word };
  if (/^:include:/i.test(word)) return { kind: "include", text: word.slice(9).trim() };
  return { kind: "address", text: word.replace(/^\\/, "") };
}

/** A word up to a mark, quotes taken off; where it ended. */
function quotedWord(text: string, mark: string): { word: string; end: number } {
  let word = "", quoted = false, at = 0;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\" && at + 1 < text.length && quoted) word += text[++at];
    else if (char === '"') quoted = !quoted;
    else if (char === mark && !quoted) break;
    else word += char;
  }
  return { word: word.trim(), end: at };
}
