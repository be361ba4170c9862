/**
 * Events as the arrays that codec.ts has: strings cut, DNS records in words, effects as plain data. What peers sent is kept
 * as it is; making it safe to print is for who prints it. Non-job: which story they belong to (recorder.ts).
 */
import { formatAddress } from "../../model/address.ts";
import { cut } from "../../observe/escape.ts";
import type { Asked, Decision, Refused } from "../../observe/events.ts";
import type { PackedRefusal, PackedStep, StepMore } from "../codec.ts";

/** The longest value. */
const LONGEST = 512;
/** Recipients that a refusal names. */
const NAMED = 50;
const RECORDS = 8, RECORD = 255, HELD = 64;

/** Cut to a sane length. */
export function short(text: string): string {
  return text.length <= LONGEST ? text : cut(text, LONGEST);
}

/** `offset`: microseconds. */
export function packStep(event: Decision, offset: number): PackedStep {
  const { phase, plugin, verdict, reason, ms } = event;
  const step: PackedStep = [phase, short(plugin), verdict, short(reason), offset, Math.round(ms * 1000)];
  const { recipient, observed, facts, asked, held } = event;
  if (recipient === undefined && facts === undefined && asked === undefined && observed === undefined) return step;
  const more: StepMore = {};
  if (recipient !== undefined) more.recipient = short(formatAddress(recipient));
  if (observed !== undefined) more.observed = true;
  if (facts !== undefined && facts.length > 0) {
    more.facts = facts.slice(0, HELD).map(([name, words]) => [short(name), short(words)]);
  }
  if (asked !== undefined && asked.length > 0) more.dns = asked.map(packLookup);
  if (held !== undefined && held.length > 0) more.held = held.slice(0, HELD).map(plain);
  step.push(more);
  return step;
}

function packLookup({ type, name, records, fault, ms }: Asked): NonNullable<StepMore["dns"]>[number] {
  const answers = (records ?? []).slice(0, RECORDS).map((record) => cut(recordWords(record), RECORD));
  return [short(`${type} ${name}`), answers, fault, Math.round(ms * 1000)];
}

/** A record as a zone file has it. */
function recordWords(record: unknown): string {
  if (typeof record === "string") return record;
  if (typeof record !== "object" || record === null) return String(record);
  const { preference, exchange, usage, selector, matching, data } = record as Record<string, unknown>;
  if (exchange !== undefined) return `${preference} ${exchange === "" ? "." : exchange}`;
  if (data instanceof Uint8Array) return `${usage} ${selector} ${matching} ${data.toHex()}`;
  return JSON.stringify(record);
}

/** An effect that was held back, its texts cut. */
function plain(effect: unknown): unknown {
  const json = JSON.stringify(effect) ?? "null";
  return json.length <= 2 * LONGEST ? effect : { do: (effect as { do?: unknown }).do ?? null, cut: short(json) };
}

export function packRefusal(event: Refused, offset: number): PackedRefusal {
  const { command, reply, recipients, plugin, reason, delayedFrom } = event;
  return [
    short(command),
    short(reply.toString()),
    recipients.length === 0 ? NOBODY : recipients.slice(0, NAMED).map(short),
    plugin,
    reason === null ? null : short(reason),
    delayedFrom,
    offset,
  ];
}
const NOBODY: readonly string[] = [];
