/**
 * Reads OpenMetrics 1.0 text as strictly as its specification is written, and says what is wrong with it: order and
 * whole-ness of families, suffixes by type, units, escapes, buckets, duplicates, the end. Non-job: exemplars and
 * timestamps, which Postern does not write: they are faults here.
 */

export interface MetricSample {
  /** With its suffix. */
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}
export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly unit: string | null;
  readonly help: string | null;
  readonly samples: readonly MetricSample[];
}

type OpenFamily = { -readonly [K in keyof MetricFamily]: MetricFamily[K] } & { samples: MetricSample[] };

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [""],
  histogram: ["_bucket", "_count", "_sum", "_created"],
  info: ["_info"],
  stateset: [""],
  unknown: [""],
};
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)$/;

/** @throws {Error} naming the first line that breaks a rule. */
export function parseOpenMetrics(text: string): readonly MetricFamily[] {
  if (!text.endsWith("\n# EOF\n") && text !== "# EOF\n") throw new Error("does not end with # EOF and a line feed");
  const lines = text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1);
  const families: MetricFamily[] = [], used = new Set<string>(), series = new Set<string>();
  let open: OpenFamily | null = null as OpenFamily | null;
  const end = () => {
    if (open === null) return;
    checkFamily(open);
    for (const suffix of SUFFIXES[open.type]!) {
      if (used.has(open.name + suffix)) throw new Error(`${open.name}: clashes with another family`);
      used.add(open.name + suffix);
    }
    families.push(open);
  };
  for (const line of lines) {
    const fault = (why: string) => new Error(`${why}: ${line}`);
    if (line.startsWith("#")) {
      const [, word, name, rest] = /^# (TYPE|UNIT|HELP) (\S+) ?(.*)$/.exec(line) ?? [];
      if (word === undefined || !NAME.test(name!)) throw fault("no metadata");
      if (open?.name !== name) {
        end();
        if (families.some((each) => each.name === name)) throw fault("stands twice");
        open = { name: name!, type: "", unit: null, help: null, samples: [] };
      }
      if (open!.samples.length > 0) throw fault("metadata behind samples");
      if (word === "TYPE") {
        if (open!.type !== "" || open!.unit !== null || open!.help !== null) throw fault("TYPE is not first, or twice");
        if (!(rest! in SUFFIXES)) throw fault("no type");
        open!.type = rest!;
      } else if (word === "UNIT") {
        if (open!.unit !== null || open!.help !== null) throw fault("UNIT twice, or behind HELP");
        if (rest === "" || !name!.endsWith(`_${rest}`)) throw fault("the name does not end with its unit");
        open!.unit = rest!;
      } else {
        if (open!.help !== null) throw fault("HELP twice");
        open!.help = unescape(rest!, fault);
      }
      continue;
    }
    if (open === null) throw fault("a sample without a family");
    const sample = parseSample(line, fault);
    const suffix = (SUFFIXES[open.type] ?? [""]).find((each) => sample.name === open!.name + each);
    if (suffix === undefined) throw fault(`not of ${open.name} (${open.type})`);
    const key = `${sample.name} ${JSON.stringify([...sample.labels].sort(([a], [b]) => a < b ? -1 : 1))}`;
    if (series.has(key)) throw fault("a series twice");
    series.add(key);
    open.samples.push(sample);
  }
  end();
  return families;
}

/** The value of one series: `postern_sessions_total{listener="x"}`; null: it is not there. */
export function valueOf(families: readonly MetricFamily[], series: string): number | null {
  const { name, labels } = parseSample(`${series} 0`, (why) => new Error(`${why}: ${series}`));
  for (const family of families) {
    for (const sample of family.samples) {
      if (sample.name !== name || sample.labels.size !== labels.size) continue;
      if ([...labels].every(([label, value]) => sample.labels.get(label) === value)) return sample.value;
    }
  }
  return null;
}

/** The sum over all series of that name that have these labels. */
export function sumOf(
  families: readonly MetricFamily[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  let sum = 0;
  for (const sample of families.flatMap(({ samples }) => samples)) {
    const fits = Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value);
    if (sample.name === name && fits) sum += sample.value;
  }
  return sum;
}

function parseSample(line: string, fault: (why: string) => Error): MetricSample {
  const [head] = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line) ?? [];
  if (head === undefined) throw fault("no name");
  let at = head.length;
  const labels = new Map<string, string>();
  if (line[at] === "{") {
    at++;
    while (line[at] !== "}") {
      const [whole, name, raw] = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/.exec(line.slice(at)) ?? [];
      if (whole === undefined) throw fault("no label");
      if (labels.has(name!)) throw fault("a label twice");
      labels.set(name!, unescape(raw!, fault));
      at += whole.length;
      if (line[at] === ",") at++;
      else if (line[at] !== "}") throw fault("labels without a comma");
      if (line[at - 1] === "," && line[at] === "}") throw fault("a comma too many");
    }
    at++;
  }
  if (line[at] !== " ") throw fault("no space before the value");
  const text = line.slice(at + 1);
  if (!NUMBER.test(text)) throw fault("no number");
  return { name: head, labels, value: numberOf(text) };
}

function numberOf(text: string): number {
  if (/Inf$/.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}

function unescape(text: string, fault: (why: string) => Error): string {
  return text.replace(/\\(.?)/g, (_, char: string) => {
    const meant = { "\\": "\\", '"': '"', n: "\n" }[char];
    if (meant === undefined) throw fault("an escape that there is not");
    return meant;
  });
}

function checkFamily({ name, type, unit, help, samples }: MetricFamily): void {
  const fault = (why: string) => new Error(`${name}: ${why}`);
  if (type === "") throw fault("has no TYPE");
  if (help === null || help === "") throw fault("has no HELP");
  if ((type === "info" || type === "stateset") && unit !== null) throw fault("may have no unit");
  for (const { name: sample, labels, value } of samples) {
    if (labels.has("le") && !sample.endsWith("_bucket")) throw fault("le where no bucket is");
    if (type === "counter" && !(value >= 0)) throw fault("a counter below zero");
    if (type === "info" && value !== 1) throw fault("an info that is not 1");
  }
  if (type === "histogram") checkHistogram(name, samples, fault);
}

function checkHistogram(name: string, samples: readonly MetricSample[], fault: (why: string) => Error): void {
  const groups: { key: string; samples: MetricSample[] }[] = [];
  for (const sample of samples) {
    const key = JSON.stringify([...sample.labels].filter(([label]) => label !== "le"));
    const last = groups.at(-1);
    if (last?.key === key) last.samples.push(sample);
    else if (groups.some((each) => each.key === key)) throw fault("a histogram in two pieces");
    else groups.push({ key, samples: [sample] });
  }
  for (const { samples } of groups) {
    const buckets = samples.filter((each) => each.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => labels.get("le") ?? "");
    if (bounds.at(-1) !== "+Inf") throw fault("its last bucket is not +Inf");
    for (const bound of bounds.slice(0, -1)) {
      if (!NUMBER.test(bound) || !/[.e]/.test(bound)) throw fault(`le="${bound}" is no canonical float`);
    }
    const numbers = bounds.map(numberOf), counts = buckets.map(({ value }) => value);
    if (numbers.some((each, at) => at > 0 && !(each > numbers[at - 1]!))) throw fault("bounds do not rise");
    if (counts.some((each, at) => at > 0 && each < counts[at - 1]!)) throw fault("buckets are not cumulative");
    const count = samples.find((each) => each.name === `${name}_count`)?.value;
    if (count !== counts.at(-1)) throw fault("its count is not that of +Inf");
    if (!samples.some((each) => each.name === `${name}_sum`)) throw fault("has no sum");
  }
}
