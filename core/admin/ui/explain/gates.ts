/**
 * From how many points on a message is held, and refused; and how its points came together, plugin by plugin. Pure.
 */
import type { Story } from "../../../ledger/story.ts";

/** Limits on points that were in force. Null: points never do that. */
export interface Gates {
  /** The plugin that draws the lines. */
  readonly plugin: string;
  readonly held: number | null;
  readonly refused: number | null;
}
/** What a plugin gave, by all its reasons. */
export interface Share {
  readonly plugin: string;
  readonly points: number;
}

/** The fact in which whoever adds up points says where the lines are (plugins/content/spam_score/key.ts). */
const LIMITS = "spam_score.limits";

/** Null where nobody counted. */
export function gatesOf({ steps }: Pick<Story, "steps">): Gates | null {
  for (const { plugin, facts } of steps) {
    const words = facts.find(([name]) => name === LIMITS)?.[1];
    const match = words === undefined ? null : /^held from (\S+), refused from (\S+)$/.exec(words);
    if (match !== null) return { plugin, held: limit(match[1]!), refused: limit(match[2]!) };
  }
  return null;
}
function limit(text: string): number | null {
  const points = Number(text);
  return Number.isFinite(points) ? points : null;
}

/** In the order in which plugins gave them. */
export function sharesOf({ steps }: Pick<Story, "steps">): readonly Share[] {
  const shares = new Map<string, number>();
  for (const { plugin, points } of steps) {
    for (const each of points) shares.set(plugin, (shares.get(plugin) ?? 0) + each.points);
  }
  return [...shares].map(([plugin, points]) => ({ plugin, points: rounded(points) }))
    .filter(({ points }) => points !== 0);
}

/** What so many points lead to. */
export function verdictAt(points: number, gates: Gates): "accepted" | "held" | "refused" {
  if (gates.refused !== null && points >= gates.refused) return "refused";
  return gates.held !== null && points >= gates.held ? "held" : "accepted";
}

/** 0.1 + 0.2 is 0.3 to an operator. */
export function rounded(points: number): number {
  return Math.round(points * 100) / 100;
}
