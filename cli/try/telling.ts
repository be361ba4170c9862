/** What `postern try` says: each command with what plugins thought of it, and what would become of the message. */
import type { Attempted, Turn } from "../../core/replay/attempt.ts";
import type { Event } from "../../core/observe/events.ts";

type Decision = Extract<Event, { readonly type: "decision" }>;

/** For people: strangers' words without controls. */
export function tell({ turns, kept }: Attempted): string[] {
  const lines = turns.flatMap(turnLines);
  if (kept === null) return [...lines, "", "The message would be refused."].map(plain);
  lines.push("", kept.held === null ? "The message would be taken:" : `The message would be held: ${kept.held}`);
  for (const { recipient, state, way } of kept.recipients) lines.push(`  ${recipient}  ${way}  ${state}`);
  if (kept.scores.length > 0) {
    const sum = kept.scores.reduce((total, { points }) => total + points, 0);
    lines.push(
      `  ${round(sum)} points: ${kept.scores.map((each) => `${each.reason} ${round(each.points)}`).join(", ")}`,
    );
  }
  for (const field of kept.added.split(/\r\n(?![ \t])/)) {
    if (field !== "") lines.push(`  + ${field.replace(/\r\n[ \t]+/g, " ")}`);
  }
  return lines.map(plain);
}

function turnLines({ command, reply, events }: Turn): string[] {
  if (reply === null) return [];
  const said = reply.trimEnd().split("\r\n"), last = said.at(-1) ?? "";
  const lines = ["", command === "the connection" || command === "the message" ? command : `C: ${command}`];
  for (const event of events) {
    if (event.type === "decision") lines.push(...decisionLines(event));
    else if (event.type === "scored") lines.push(`      ${round(event.points)} points: ${event.reason}`);
    else if (event.type === "trouble") lines.push(`  ! ${event.where}: ${event.message}`);
  }
  const delayed = events.find((event) => event.type === "refused");
  if (delayed?.type === "refused" && delayed.delayedFrom !== null) {
    lines.push(`  ${delayed.plugin} decided that at ${delayed.delayedFrom}: ${delayed.reason ?? delayed.reply.text}`);
  }
  if (last !== "") lines.push(`S: ${last}`);
  return lines;
}

function decisionLines({ plugin, verdict, reason, ms, facts = [], asked = [], held, observed }: Decision): string[] {
  const word = observed === true && verdict !== "next" ? `would ${verdict}` : verdict;
  const lines = [
    `  ${plugin.padEnd(18)} ${word.padEnd(8)} ${reason}`.trimEnd() + (ms >= 1 ? `  (${round(ms)} ms)` : ""),
  ];
  for (const [name, words] of facts) lines.push(`      ${name}: ${words}`);
  for (const { type, name, records, fault } of asked) {
    lines.push(`      ${type} ${name}: ${fault ?? recordsIn(records)}`);
  }
  for (const change of held ?? []) lines.push(`      would: ${JSON.stringify(change).slice(0, 200)}`);
  return lines;
}

function recordsIn(records: readonly unknown[] | null): string {
  const words = (records ?? []).slice(0, 8).map((each) =>
    typeof each === "string" ? each : Object.values(each as object).join(" ")
  );
  return words.join(", ").slice(0, 255);
}
function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
