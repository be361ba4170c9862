/**
 * One picture of `postern top`: rates, verdicts, the queue by destination, plugins by time, the newest refusals, in as many
 * lines as the terminal has. Pure; text of others is made safe to print. Non-job: asking (feed.ts), drawing (command.ts).
 */
import type { Entry } from "../../core/ledger/story.ts";
import { shortId } from "../../core/model/id.ts";
import { formatSize } from "../../core/model/units.ts";
import type { DestinationRow } from "../queue/door.ts";
import type { Paint } from "../screen/colour.ts";
import { type Column, table } from "../screen/table.ts";
import { ageOf, cutTo, plain } from "../screen/text.ts";
import type { PluginTime, Sample } from "./samples.ts";

export const SORTS = ["time", "calls", "refused", "name"] as const;
export type Sort = typeof SORTS[number];

/** All that is known at a moment. */
export interface Look {
  readonly sample: Sample;
  /** The one before; null at the first look: rates are then over the whole life. */
  readonly earlier: Sample | null;
  readonly destinations: readonly DestinationRow[];
  readonly destinationCount: number;
  readonly refusals: readonly Entry[];
  /** The server of which all that is. */
  readonly server: string;
  /** What went wrong with the newest look; null: nothing. */
  readonly trouble: string | null;
}
export interface FrameOptions {
  readonly columns: number;
  /** Null: as many as it takes. */
  readonly rows: number | null;
  readonly paint: Paint;
  readonly sort: Sort;
  readonly paused: boolean;
}

export function frameOf(look: Look, options: FrameOptions): string[] {
  const { columns, rows, paint } = options, { sample, earlier } = look;
  const head = [
    `${paint("bold", "postern top")}  ${plain(look.server)}  ${moment(sample.at)}${
      look.trouble === null
        ? options.paused ? `  ${paint("yellow", "PAUSED")}` : ""
        : `  ${paint("red", cutTo(plain(look.trouble), Math.max(10, columns - 50)))}`
    }`,
    `sessions  ${rate(sample.sessions, earlier?.sessions, look)} new, ${sample.openSessions} open` +
    `   cpu ${cpuOf(look)}   memory ${formatSize(sample.memory)}${
      sample.stressed ? `   ${paint("red", "PRESSED")} ${rate(sample.shed, earlier?.shed, look)} shed` : ""
    }`,
    `messages  ${
      VERDICTS.map(([verdict, tone]) =>
        `${paint(tone, verdict)} ${rate(of(sample.messages, verdict), earlier?.messages.get(verdict), look)}`
      ).join("  ")
    }  in ${formatSize(Math.round(perSecond(sample.octets, earlier?.octets, look)))}/s`,
    `out       ${
      OUTCOMES.map(([outcome, tone]) =>
        `${paint(tone, outcome)} ${rate(of(sample.deliveries, outcome), earlier?.deliveries.get(outcome), look)}`
      ).join("  ")
    }`,
    `queue     ${STATES.map((state) => `${state} ${of(sample.queue, state)}`).join("  ")}  oldest ${
      sample.oldest > 0 ? ageOf(sample.oldest * 1000) : "-"
    }`,
  ];
  const foot = rows === null ? [] : [paint("dim", cutTo(FOOT, columns))];
  const space = rows === null ? Infinity : Math.max(0, rows - head.length - foot.length);
  return [...head, ...sections(look, { ...options, space }), ...foot];
}
const FOOT = "q quit   p pause   s sort plugins by time, calls, refused, name";
const VERDICTS = [["accepted", "green"], ["held", "magenta"], ["deferred", "yellow"], ["refused", "red"]] as const;
const OUTCOMES = [["delivered", "green"], ["deferred", "yellow"], ["bounced", "red"]] as const;
const STATES = ["ready", "active", "deferred", "held"];

/** Lines that a table has at least, its title and titles included. */
const LEAST = 5;

/** The tables, each with its share of the lines. */
function sections(look: Look, { columns, paint, sort, space }: FrameOptions & { readonly space: number }): string[] {
  const style = { width: columns, paint };
  const plugins = pluginRows(look, sort), { destinations, refusals } = look;
  const all: readonly (readonly [title: string, lines: readonly string[]])[] = [
    [`plugins by ${sort}`, table(plugins, PLUGINS, style)],
    [`destinations (${look.destinationCount})`, table(destinations, DESTINATIONS, style)],
    ["newest refusals", table(refusals, REFUSALS, style)],
  ];
  const shown = all.filter(([, lines]) => lines.length > 1);
  if (shown.length === 0) return space > 1 ? ["", "Nothing has happened yet."] : [];
  const lines: string[] = [];
  let left = space;
  shown.forEach(([title, body], index) => {
    const share = Math.max(LEAST, Math.floor(left / (shown.length - index)));
    const room = Math.min(left, share) - 2; // an empty line and the title
    if (room < 2) return;
    lines.push("", paint("cyan", title), ...body.slice(0, room));
    left -= 2 + Math.min(body.length, room);
  });
  return lines;
}

interface PluginRow extends PluginTime {
  readonly name: string;
}
function pluginRows({ sample, earlier }: Look, sort: Sort): PluginRow[] {
  const rows = [...sample.plugins].map(([name, now]) => {
    const before = earlier?.plugins.get(name);
    const since = (key: keyof PluginTime) => Math.max(0, now[key] - (before?.[key] ?? 0));
    return { name, calls: since("calls"), seconds: since("seconds"), rejects: now.rejects, defers: now.defers };
  });
  const order: Record<Sort, (a: PluginRow, b: PluginRow) => number> = {
    time: (a, b) => b.seconds - a.seconds,
    calls: (a, b) => b.calls - a.calls,
    refused: (a, b) => b.rejects + b.defers - a.rejects - a.defers,
    name: () => 0,
  };
  return rows.sort((a, b) => order[sort](a, b) || (a.name < b.name ? -1 : 1));
}

const PLUGINS: readonly Column<PluginRow>[] = [
  { title: "plugin", text: ({ name }) => name, cut: true },
  { title: "calls", text: ({ calls }) => String(calls), right: true },
  { title: "time ms", text: ({ seconds }) => (seconds * 1000).toFixed(1), right: true },
  {
    title: "ms/call",
    text: ({ calls, seconds }) => calls === 0 ? "-" : (seconds * 1000 / calls).toFixed(2),
    right: true,
  },
  { title: "refused", text: ({ rejects }) => String(rejects), right: true },
  { title: "deferred", text: ({ defers }) => String(defers), right: true },
];
const DESTINATIONS: readonly Column<DestinationRow>[] = [
  { title: "destination", text: ({ destination }) => destination, cut: true },
  { title: "under way", text: ({ running }) => String(running), right: true },
  { title: "ready", text: ({ waiting }) => String(waiting), right: true },
  { title: "rests until", text: ({ closedUntil }) => closedUntil?.slice(11, 19) ?? "-", tone: () => "yellow" },
  { title: "why", text: ({ reason }) => reason ?? "", cut: true },
];
const REFUSALS: readonly Column<Entry>[] = [
  { title: "when", text: ({ at }) => new Date(at).toISOString().slice(11, 19), tone: () => "dim" },
  { title: "id", text: ({ id }) => shortId(id) },
  { title: "client", text: ({ ip }) => ip || "-" },
  { title: "from", text: ({ sender }) => sender === null ? "-" : `<${sender}>`, cut: true },
  { title: "by", text: ({ plugin }) => plugin ?? "-", tone: () => "red" },
  {
    title: "why",
    text: ({ reason, reply, verdict }) => reason || (verdict === "accepted" ? "" : reply ?? ""),
    cut: true,
  },
];

function perSecond(now: number, before: number | undefined, { sample, earlier }: Look): number {
  if (earlier === null) return 0;
  const seconds = (sample.at - earlier.at) / 1000, grown = now - (before ?? 0);
  return seconds <= 0 || grown < 0 ? 0 : grown / seconds; // it began anew
}
/** `12.3/s`; at the first look the sum. */
function rate(now: number, before: number | undefined, look: Look): string {
  return look.earlier === null ? String(now) : `${perSecond(now, before, look).toFixed(1)}/s`;
}
function cpuOf(look: Look): string {
  if (look.earlier === null) return `${look.sample.cpu.toFixed(1)} s`;
  return `${Math.round(100 * perSecond(look.sample.cpu, look.earlier.cpu, look))}%`;
}
function of(map: ReadonlyMap<string, number>, name: string): number {
  return map.get(name) ?? 0;
}
function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
