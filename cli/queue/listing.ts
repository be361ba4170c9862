/**
 * What of the queue is printed: lines that scripts know, tables on a terminal, JSON. Non-job: asking for it (door.ts).
 */
import { readShortId, shortId } from "../../core/model/id.ts";
import { formatSize } from "../../core/model/units.ts";
import { painter, toneOf } from "../screen/colour.ts";
import { type Column, table } from "../screen/table.ts";
import { ageOf, plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, type Terminal } from "../terminal.ts";
import type { DestinationRow, QueueDoor, QueueFilter, QueueRow } from "./door.ts";

interface Listing {
  readonly limit: number;
  readonly json?: true | undefined;
}
type Recipient = QueueRow["recipients"][number];

export async function list(
  door: QueueDoor,
  { filter, limit, json }: Listing & { readonly filter: QueueFilter },
  terminal: Terminal,
): Promise<ExitCode> {
  const page = await door.list({ ...filter, limit });
  if (json) {
    terminal.out(JSON.stringify(page, null, 2));
    return DONE;
  }
  const screen = terminal.screen(), { items, corrupt = [], total } = page;
  if (screen === null) { for (const row of items) for (const line of rowLines(row)) terminal.out(line); }
  else if (items.length > 0) {
    const rows = items.flatMap((row) => row.recipients.map((recipient) => ({ row, recipient })));
    for (const line of table(rows, columns(Date.now()), { width: screen.columns, paint: painter(terminal) })) {
      terminal.out(line);
    }
  }
  for (const { id, why } of corrupt) terminal.out(`${id}  corrupt: ${plain(why)}`);
  terminal.out(total === 0 ? nothingIn(filter) : `${items.length} of ${total} messages`);
  return DONE;
}

/** A message, and a line for each of its recipients. */
export function rowLines(row: QueueRow): string[] {
  return [
    `${row.id}  ${row.queuedAt}  ${formatSize(row.size).padStart(9)}  <${plain(row.from)}>`,
    ...row.recipients.map((each) => `  ${each.state.padEnd(9)} <${plain(each.address)}>${waits(each)}`),
  ];
}

function columns(now: number): readonly Column<{ readonly row: QueueRow; readonly recipient: Recipient }>[] {
  return [
    { title: "id", text: ({ row }) => shortId(row.id) },
    { title: "age", text: ({ row }) => ageOf(now - Date.parse(row.queuedAt)), right: true },
    { title: "size", text: ({ row }) => formatSize(row.size), right: true },
    { title: "from", text: ({ row }) => `<${row.from}>`, cut: true },
    { title: "to", text: ({ recipient }) => `<${recipient.address}>`, cut: true },
    { title: "state", text: ({ recipient }) => recipient.state, tone: ({ recipient }) => toneOf(recipient.state) },
    { title: "tries", text: ({ recipient }) => String(recipient.attempts), right: true },
    { title: "next", text: ({ recipient: { nextAttempt } }) => nextOf(nextAttempt, now), right: true },
    { title: "why", text: ({ recipient }) => recipient.lastReply ?? "", cut: true },
  ];
}
function nextOf(moment: string | null, now: number): string {
  if (moment === null) return "-";
  const left = Date.parse(moment) - now;
  return left <= 0 ? "now" : `in ${ageOf(left)}`;
}

export async function show(
  door: QueueDoor,
  id: string,
  options: { readonly json?: true },
  terminal: Terminal,
): Promise<ExitCode> {
  const row = readShortId(id) === null ? await door.item(id) : null;
  if (row === null) throw new CommandError(`nothing in the queue has the id ${id}`);
  if (options.json) {
    terminal.out(JSON.stringify(row, null, 2));
    return DONE;
  }
  terminal.out(`id       ${row.id}`);
  terminal.out(`from     <${plain(row.from)}>`);
  if (row.subject) terminal.out(`subject  ${plain(row.subject)}`);
  terminal.out(`size     ${formatSize(row.size)}`);
  terminal.out(`queued   ${row.queuedAt}`);
  if (row.ret) terminal.out(`RET      ${plain(row.ret)}`);
  if (row.envid) terminal.out(`ENVID    ${plain(row.envid)}`);
  for (const each of row.recipients) {
    terminal.out(`to       <${plain(each.address)}> ${each.state}${waits(each)}`);
    if (each.notify) terminal.out(`  NOTIFY ${plain(each.notify.join(","))}`);
    if (each.orcpt) terminal.out(`  ORCPT  ${plain(each.orcpt)}`);
    if (each.destination) terminal.out(`  way    ${plain(each.destination)}`);
    if (each.told) terminal.out(`  told   its sender, at ${each.told}`);
    if (each.deadline && each.state !== "held") terminal.out(`  tells  its sender by ${each.deadline}`);
  }
  return DONE;
}

export async function destinations(
  door: QueueDoor,
  { limit, json }: Listing,
  terminal: Terminal,
): Promise<ExitCode> {
  const found = await door.destinations(limit), { total, items } = found ?? { total: 0, items: [] };
  if (json) {
    terminal.out(JSON.stringify({ total, items }, null, 2));
    return DONE;
  }
  const screen = terminal.screen();
  if (screen === null) { for (const each of items) terminal.out(destinationLine(each)); }
  else if (items.length > 0) {
    for (const line of table(items, DESTINATIONS, { width: screen.columns, paint: painter(terminal) })) {
      terminal.out(line);
    }
  }
  terminal.out(
    found === null
      ? "No server runs: nothing is on its way."
      : total === 0
      ? "Nothing rests, nothing is under way."
      : `${items.length} of ${total} ${total === 1 ? "destination" : "destinations"}`,
  );
  return DONE;
}

function destinationLine({ destination, waiting, running, closedUntil, reason }: DestinationRow): string {
  const rest = closedUntil === null ? "" : `, nothing before ${closedUntil}`, why = reason ? `: ${plain(reason)}` : "";
  return `${plain(destination)}  ${running} under way, ${waiting} ready${rest}${why}`;
}
const DESTINATIONS: readonly Column<DestinationRow>[] = [
  { title: "destination", text: ({ destination }) => destination, cut: true },
  { title: "under way", text: ({ running }) => String(running), right: true },
  { title: "ready", text: ({ waiting }) => String(waiting), right: true },
  { title: "rests until", text: ({ closedUntil }) => closedUntil ?? "-", tone: () => "yellow" },
  { title: "why", text: ({ reason }) => reason ?? "", cut: true },
];

function waits({ attempts, nextAttempt, lastReply }: Recipient): string {
  return `${attempts > 0 ? `, ${attempts} ${attempts === 1 ? "attempt" : "attempts"}` : ""}${
    nextAttempt ? `, next ${nextAttempt}` : ""
  }${lastReply ? `: ${plain(lastReply)}` : ""}`;
}

/** A filter that finds nothing says nothing of the rest. */
function nothingIn({ state, ...others }: QueueFilter): string {
  if (Object.values(others).some((each) => each !== undefined)) return "Nothing in the queue matches.";
  return state === undefined
    ? "The queue is empty."
    : state === "held"
    ? "Nothing is held."
    : `Nothing in the queue is ${state}.`;
}
