/** The plots of the overview: what the ledger counted, step by step. */
import { COMMIT_BOUNDS, DELAY_BOUNDS, type RatePoint } from "../../../ledger/ledger.ts";
import { age, count, shortTime } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { lines, type PlotTone, type Series, stacked } from "../plots/plot.ts";
import { linear, logarithmic, quantile, times } from "../plots/scale.ts";
import type { Range } from "./range.ts";

export interface PlotsData {
  readonly range: Range;
  readonly since: number;
  readonly until: number;
  readonly points: readonly RatePoint[];
  readonly now: number;
}
type Counted = "accepted" | "held" | "refused" | "deferred" | "delivered" | "postponed" | "bounced";

const VERDICTS: readonly (readonly [Counted, PlotTone, string])[] = [
  ["accepted", "ok", "accepted"],
  ["held", "hold", "held"],
  ["deferred", "wait", "deferred"],
  ["refused", "bad", "refused"],
];
const DELIVERIES: readonly (readonly [Counted, PlotTone, string])[] = [
  ["delivered", "ok", "delivered"],
  ["postponed", "wait", "put off"],
  ["bounced", "bad", "bounced"],
];
const ROWS = 6; // of a plot as numbers

export function sum(points: readonly RatePoint[], of: Counted | "sessions" | "octets"): number {
  return points.reduce((total, point) => total + point[of], 0);
}

export function verdictPlot(data: PlotsData): Html {
  return countPlot(data, {
    id: "plot-verdicts",
    title: "Messages by verdict",
    what: "messages",
    of: VERDICTS,
    wide: true,
  });
}
export function deliveryPlot(data: PlotsData): Html {
  return countPlot(data, {
    id: "plot-deliveries",
    title: "Deliveries",
    what: "recipients",
    of: DELIVERIES,
    wide: false,
  });
}

interface CountPlot {
  readonly id: string;
  readonly title: string;
  readonly what: string;
  readonly of: readonly (readonly [Counted, PlotTone, string])[];
  readonly wide: boolean;
}

function countPlot(data: PlotsData, { id, title, what, of, wide }: CountPlot): Html {
  const { points, range } = data;
  const series = of.map(([key, tone, name]): Series => ({
    name,
    tone,
    values: points.map((point) => point[key]),
    end: count(sum(points, key)),
  }));
  const totals = points.map((point) => of.reduce((total, [key]) => total + point[key], 0));
  const most = Math.max(0, ...totals), at = points[totals.indexOf(most)]?.at ?? data.since;
  const all = totals.reduce((a, b) => a + b, 0);
  const label = all === 0
    ? `Stacked bars: no ${what} in this time.`
    : `Stacked bars: ${count(all)} ${what}, of which ${
      series.map(({ name, end }) => `${end} ${name}`).join(", ")
    }. The most in one step, ${count(most)}, from ${moment(at, data)} on.`;
  return stacked({
    id,
    title,
    note: `${what} per ${range.per}, ${period(data)}`,
    label,
    scale: linear(most),
    feet: times(data.since, data.until),
    series,
    wide,
    table: table(data, of.map(([key, , name]) => [name, (part) => count(sum(part, key))])),
  });
}

export function queuePlot(data: PlotsData): Html {
  const values = data.points.map(({ queue }) => queue);
  const known = values.filter((value) => value !== null), last = known.at(-1), most = Math.max(0, ...known);
  const label = last === undefined
    ? "One line: nobody counted the queue in this time."
    : `One line: ${count(last)} recipients in the queue now, ${count(most)} at most, ${count(known[0]!)} at first.`;
  return lines({
    id: "plot-queue",
    title: "Recipients in the queue",
    note: `count, end of each ${data.range.per}`,
    label,
    scale: linear(most),
    feet: times(data.since, data.until),
    series: [{
      name: last === undefined ? "not counted" : count(last),
      tone: "acc",
      values,
      end: last === undefined ? "" : "now",
    }],
    wide: false,
    table: table(data, [["recipients, at the end", (part) => {
      const n = part.findLast(({ queue }) => queue !== null)?.queue;
      return n === undefined || n === null ? "–" : count(n);
    }]]),
  }, { area: true });
}

export function commitPlot(data: PlotsData): Html {
  return latencyPlot(data, {
    id: "plot-commit",
    title: "Time to the 250",
    of: "commit",
    from: "from the last octet to the 250",
    bounds: COMMIT_BOUNDS,
  });
}
export function delayPlot(data: PlotsData): Html {
  return latencyPlot(data, {
    id: "plot-delay",
    title: "Time to delivery",
    of: "delay",
    from: "from the last octet to the delivery",
    bounds: DELAY_BOUNDS,
  });
}

interface LatencyPlot {
  readonly id: string;
  readonly title: string;
  readonly of: "commit" | "delay";
  readonly from: string;
  readonly bounds: readonly number[];
}

function latencyPlot(data: PlotsData, { id, title, of, from, bounds }: LatencyPlot): Html {
  const { points } = data;
  const at = (part: readonly RatePoint[], share: number) =>
    quantile(bounds.concat(0).map((_, i) => part.reduce((n, point) => n + (point[of][i] ?? 0), 0)), bounds, share);
  const series = ([[0.95, "95 of 100", "acc"], [0.5, "half", "ink2"]] as const).map(([share, name, tone]): Series => {
    const whole = at(points, share);
    return {
      name,
      tone,
      values: points.map((point) => quantile(point[of], bounds, share)),
      end: whole === null ? "" : duration(whole),
    };
  });
  const half = at(points, 0.5), most = at(points, 0.95);
  const label = half === null || most === null
    ? "Two lines: nothing was measured in this time."
    : `Two lines: half of all took up to ${duration(half)}, 95 of 100 up to ${duration(most)}.`;
  return lines({
    id,
    title,
    note: `${from}, log scale`,
    label,
    scale: logarithmic(series.flatMap(({ values }) => values.filter((value) => value !== null)), duration),
    feet: times(data.since, data.until),
    series,
    wide: false,
    table: table(
      data,
      [["half up to", 0.5], ["95 of 100 up to", 0.95]].map(([name, share]) => [name as string, (part) => {
        const value = at(part, share as number);
        return value === null ? "–" : duration(value);
      }]),
    ),
  });
}

/** `0.4 ms`, `23 ms`, `1.8 s`, `6 h 20 min` */
export function duration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 10_000 ? `${Math.round(ms / 100) / 10} s` : age(ms);
}

/** In some rows: from when, and what of each column. */
function table(
  { points, range, now }: PlotsData,
  columns: readonly (readonly [name: string, value: (part: readonly RatePoint[]) => string])[],
): Html {
  const size = Math.max(1, Math.ceil(points.length / ROWS));
  const parts = Array.from(
    { length: Math.ceil(points.length / size) },
    (_, i) => points.slice(i * size, (i + 1) * size),
  );
  return markup`<table><thead><tr><th scope="col">From</th>${
    columns.map(([name]) => markup`<th scope="col" class="num">${name}</th>`)
  }</tr></thead><tbody>${
    parts.map((part) =>
      markup`<tr><th scope="row">${moment(part[0]!.at, { now })}, ${age(part.length * range.step)}</th>${
        columns.map(([, value]) => markup`<td class="num">${value(part)}</td>`)
      }</tr>`
    )
  }</tbody></table>`;
}

/** `09:45`, or with its day where that is another. */
function moment(at: number, { now }: { readonly now: number }): string {
  const day = shortTime(at, now);
  return day.includes(":") ? day : `${day} ${new Date(at).toISOString().slice(11, 16)}`;
}
function period(data: PlotsData): string {
  return `${moment(data.since, data)} to ${moment(data.until, data)}`;
}
