/**
 * A plot as a figure: labels up the side and along the foot, shapes between, names at the end, and the same as numbers
 * below. Only the shapes stretch, so words keep their size at any width. Numbers stand in attributes of SVG, never in
 * styles. Non-job: which numbers (overview/).
 */
import { type Html, markup } from "../html.ts";
import type { Scale, Tick } from "./scale.ts";

/** The colours of shapes: verdicts, and plain ones. */
export type PlotTone = "ok" | "hold" | "wait" | "bad" | "acc" | "ink" | "ink2";
export interface Series {
  readonly name: string;
  readonly tone: PlotTone;
  /** Null: nobody looked, or nothing was there to be measured. */
  readonly values: readonly (number | null)[];
  /** What stands behind its name at the end. */
  readonly end: string;
}
export interface Plot {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  /** Unit and period. */
  readonly note: string;
  /** The finding, for who cannot see it. */
  readonly label: string;
  readonly scale: Scale;
  readonly feet: readonly Tick[];
  readonly series: readonly Series[];
  readonly wide: boolean;
  /** The same as numbers. */
  readonly table: Html;
}

const WIDTH = 960;

/** Bars, one upon the other from the base. */
export function stacked(plot: Plot): Html {
  const height = plot.wide ? 176 : 136, n = Math.max(1, ...plot.series.map(({ values }) => values.length));
  const slot = WIDTH / n, bar = round(slot * 0.86), floor = new Array<number>(n).fill(0);
  const paths = plot.series.map(({ tone, values }) => {
    let d = "";
    for (const [i, value] of values.entries()) {
      if (value === null || value <= 0) continue;
      const low = plot.scale.place(floor[i]!) * height;
      floor[i]! += value;
      const high = plot.scale.place(floor[i]!) * height;
      d += `M${round(i * slot)} ${round(height - high)}h${bar}v${round(high - low)}h-${bar}z`;
    }
    return d !== "" && markup`<path class="f-${tone}" d="${d}"/>`;
  });
  let reached = 0;
  const ends = plot.series.map((each) => {
    const last = averageEnd(each.values), middle = plot.scale.place(reached + last / 2);
    reached += last;
    return middle;
  });
  return figure(plot, { height, shapes: markup`${paths}`, ends });
}

/** Lines; what is not known is a gap. `area`: the first one has its ground filled. */
export function lines(plot: Plot, { area = false }: { readonly area?: boolean } = {}): Html {
  const height = plot.wide ? 176 : 136;
  const shapes = plot.series.map(({ tone, values }, index) => {
    const slot = WIDTH / Math.max(1, values.length - 1);
    let d = "", ground = "", start = -1;
    for (const [i, value] of [...values, null].entries()) {
      if (value !== null) {
        const x = round(i * slot), y = round(height - plot.scale.place(value) * height);
        d += start < 0 ? `M${x} ${y}` : `L${x} ${y}`;
        ground += start < 0 ? `M${x} ${height}L${x} ${y}` : `L${x} ${y}`;
        if (start < 0) start = i;
      } else if (start >= 0) {
        if (start === i - 1) d += `h${round(slot / 2)}`; // one alone would not be seen
        ground += `L${round((i - 1) * slot)} ${height}z`;
        start = -1;
      }
    }
    return d !== "" &&
      markup`${area && index === 0 && markup`<path class="f-area" d="${ground}"/>`}<path class="ln l-${
        tone === "ink2" ? "ink3" : tone
      }" d="${d}"/>`;
  });
  const ends = plot.series.map(({ values }) => {
    const last = values.findLast((value) => value !== null);
    return last === undefined || last === null ? 0 : plot.scale.place(last);
  });
  return figure(plot, { height, shapes: markup`${shapes}`, ends });
}

interface Drawn {
  readonly height: number;
  readonly shapes: Html;
  /** Where each series ends, from 0 at the base to 1. */
  readonly ends: readonly number[];
}

function figure(plot: Plot, { height, shapes, ends }: Drawn): Html {
  const { id, title, note, label, scale, feet, series } = plot;
  const grid = scale.ticks.map(({ at }) =>
    markup`<path class="gl${at === 0 && " base"}" d="M0 ${round(height - at * height)}h${WIDTH}"/>`
  );
  const places = apart(ends, 17 / height);
  return markup`<figure class="plot card ${plot.wide ? "c12" : "c6"}" aria-labelledby="${id}">
  <figcaption><b id="${id}">${title}</b><span>${note}</span></figcaption>
  <div class="legend" aria-hidden="true">${
    series.map(({ name, tone, end }) => markup`<span><i class="sw ${tone}"></i> ${name} ${end}</span>`)
  }</div>
  <div class="pg${!plot.wide && " low"}">
    <svg class="ya" aria-hidden="true">${
    scale.ticks.map(({ at, text }) => markup`<text x="${plot.wide ? 32 : 40}" y="${percent(1 - at)}">${text}</text>`)
  }</svg>
    <svg viewBox="0 0 ${WIDTH} ${height}" preserveAspectRatio="none" role="img" aria-label="${label}">${grid}${shapes}</svg>
    <svg class="en" aria-hidden="true">${
    series.map(({ name, tone, end }, i) =>
      markup`<text class="t-${tone}" x="10" y="${percent(1 - places[i]!)}">${name} <tspan>${end}</tspan></text>`
    )
  }</svg>
    <svg class="xa" aria-hidden="true">${
    feet.map(({ at, text }, i) =>
      markup`<text class="${i % 2 === 0 ? "even" : "odd"}" x="${percent(at)}" y="15">${text}</text>`
    )
  }</svg>
  </div>
  <details class="more"><summary>The same as numbers</summary><div class="tw" tabindex="0" role="region" aria-label="${title}, as numbers">${plot.table}</div></details>
</figure>`;
}

/** Names keep a distance, so that none stands on another. */
function apart(ends: readonly number[], gap: number): readonly number[] {
  const order = ends.map((_, i) => i).sort((a, b) => ends[a]! - ends[b]!), places = [...ends];
  for (const [n, i] of order.entries()) {
    if (n > 0) places[i] = Math.max(places[i]!, places[order[n - 1]!]! + gap);
  }
  let ceiling = 1;
  for (const i of order.toReversed()) { // what went over the top pushes the others down again
    places[i] = Math.min(places[i]!, ceiling);
    ceiling = places[i]! - gap;
  }
  return places;
}

/** What the last few steps had, so that one empty step does not move a name to the floor. */
function averageEnd(values: readonly (number | null)[]): number {
  const last = values.slice(-4).map((value) => value ?? 0);
  return last.length === 0 ? 0 : last.reduce((sum, value) => sum + value, 0) / last.length;
}

function percent(share: number): string {
  return `${round(share * 100)}%`;
}
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
