/** How the points of a message came together: a step for each plugin, with the lines from which on it is held or refused. */
import type { Story } from "../../../ledger/story.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";
import { points, sumOf } from "../sessions/words.ts";
import { type Gates, rounded, type Share, sharesOf, verdictAt } from "./gates.ts";

const STEPS = 7; // the rest is one step more
const TONES = { accepted: "ok", held: "hold", refused: "bad" } as const;

/** Nothing where nobody gave points. */
export function ladder(story: Story, gates: Gates | null): Html | null {
  const shares = folded(sharesOf(story));
  if (shares.length === 0) return null;
  const total = rounded(shares.reduce((sum, each) => sum + each.points, 0));
  let reached = 0, low = 0, high = Math.max(0, total);
  for (const each of shares) {
    reached += each.points;
    low = Math.min(low, reached);
    high = Math.max(high, reached);
  }
  const top = Math.max(high, gates?.refused ?? 0, gates?.held ?? 0, 1) * 1.1, span = top - low;
  const at = (value: number) => `${Math.round((value - low) / span * 10_000) / 100}%`;
  const lines = markup`${gates?.held != null && line("gate", at(gates.held))}${
    gates?.refused != null && line("gate hard", at(gates.refused))
  }`;
  const bar = (from: number, to: number, kind: string) =>
    markup`<svg aria-hidden="true">${lines}<rect class="${kind}" x="${at(Math.min(from, to))}" y="4" width="${
      Math.round(Math.abs(to - from) / span * 10_000) / 100
    }%" height="12" rx="1"/></svg>`;
  reached = 0;
  const tone = gates === null ? "ink" : TONES[verdictAt(total, gates)];
  return markup`<div class="pad ladder">
  <h2>How ${sumOf(total)} points came together</h2>
  <div class="lad">${
    shares.map((each) => {
      const from = reached;
      reached += each.points;
      return markup`<span><code>${foreign(each.plugin, 40)}</code></span>${
        bar(from, reached, "f-ink")
      }<span class="num">${points(each.points)}</span>`;
    })
  }<b>together</b>${bar(0, total, `f-${tone}`)}<b class="num">${sumOf(total)}</b>
  <svg class="ax" aria-hidden="true"><text x="${at(0)}" y="14">0</text>${
    gates?.held != null && markup`<text x="${at(gates.held)}" y="14">${gates.held} held</text>`
  }${
    gates?.refused != null &&
    markup`<text class="t-bad" x="${at(gates.refused)}" y="14">${gates.refused} refused</text>`
  }</svg>${
    gates !== null &&
    markup`<span class="vh">${gates.held !== null && `Held from ${gates.held} points on. `}${
      gates.refused !== null && `Refused from ${gates.refused} points on.`
    }</span>`
  }</div></div>`;
}

function line(kind: string, x: string): Html {
  return markup`<line class="${kind}" x1="${x}" x2="${x}" y1="-2" y2="22"/>`;
}

function folded(shares: readonly Share[]): readonly Share[] {
  if (shares.length <= STEPS + 1) return shares;
  const rest = shares.slice(STEPS);
  return [...shares.slice(0, STEPS), {
    plugin: `${rest.length} more`,
    points: rounded(rest.reduce((sum, each) => sum + each.points, 0)),
  }];
}
