/**
 * OpenMetrics 1.0 as text: families whole and once, each with TYPE, UNIT and HELP before its samples, `# EOF` last.
 * Non-job: what is measured (metrics.ts), serving it (core/admin).
 */
import type { Histogram } from "./histogram.ts";

/** Names of labels and their values, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** What a family is called and what it means. */
export interface Family {
  /** Without `_total`; ends with its unit where it has one. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly unit?: "seconds" | "bytes";
}
export type Sample = readonly [labels: Labels, value: number];

export class Exposition {
  readonly #lines: string[] = [];

  /** What only grows. */
  counter(family: Family, samples: number | readonly Sample[]): void {
    this.#family(family, "counter", "_total", samples);
  }

  /** What goes up and down; nothing is written where nobody measured it. */
  gauge(family: Family, samples: number | null | undefined | readonly Sample[]): void {
    if (samples !== undefined && samples !== null) this.#family(family, "gauge", "", samples);
  }

  /** Facts as labels. */
  info(family: Family, labels: Labels): void {
    this.#family(family, "info", "_info", [[labels, 1]]);
  }

  histogram(
    family: Family,
    histograms: Histogram | readonly (readonly [labels: Labels, histogram: Histogram])[],
  ): void {
    this.#head(family, "histogram");
    const all = Array.isArray(histograms) ? histograms : [[{}, histograms]];
    for (const [labels, histogram] of all as readonly (readonly [Labels, Histogram])[]) {
      let below = 0;
      for (const [at, bound] of histogram.bounds.entries()) {
        below += histogram.counts[at]!;
        this.#sample(`${family.name}_bucket`, { ...labels, le: float(bound) }, below);
      }
      this.#sample(`${family.name}_bucket`, { ...labels, le: "+Inf" }, histogram.count);
      this.#sample(`${family.name}_count`, labels, histogram.count);
      this.#sample(`${family.name}_sum`, labels, histogram.sum);
    }
  }

  /** All of it, to the end. */
  toString(): string {
    return `${this.#lines.join("\n")}\n# EOF\n`;
  }

  #family(family: Family, type: string, suffix: string, samples: number | readonly Sample[]): void {
    this.#head(family, type);
    const all: readonly Sample[] = typeof samples === "number" ? [[{}, samples]] : samples;
    for (const [labels, value] of all) this.#sample(family.name + suffix, labels, value);
  }

  #head({ name, help, unit }: Family, type: string): void {
    this.#lines.push(`# TYPE ${name} ${type}`);
    if (unit !== undefined) this.#lines.push(`# UNIT ${name} ${unit}`);
    this.#lines.push(`# HELP ${name} ${escape(help)}`);
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`).join(",");
    // Sums of floats end in noise that nobody measured
    const number = Number.isInteger(value) ? value : Number(value.toPrecision(12));
    this.#lines.push(`${name}${pairs === "" ? "" : `{${pairs}}`} ${number}`);
  }
}

/** A bound as every other exporter writes it: 1 is `1.0` (OpenMetrics, "Canonical Numbers"). */
function float(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

const LONGEST = 200; // characters of a label's value

function escape(text: string): string {
  const short = text.length > LONGEST ? text.slice(0, LONGEST) : text;
  return short.toWellFormed().replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
