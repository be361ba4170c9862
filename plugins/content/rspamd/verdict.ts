/**
 * What rspamd says of a message, read from the JSON of /checkv2: action, points, symbols, fields to add and to remove.
 * Bounded, whatever it says. Non-job: what is done about it (mod.ts).
 */
import { z } from "zod";
import { EngineError } from "../engine_error.ts";

/** A field that rspamd wants in front of the message. */
export interface AddedField {
  readonly name: string;
  readonly value: string;
}
/** What rspamd says. */
export interface RspamdVerdict {
  /** In its words: `no action`, `add header`, `reject` and so on. */
  readonly action: string;
  /** Its points. */
  readonly score: number;
  /** `1.5/15 NAME(1.5),OTHER(0)`: the symbols that weigh most come first. */
  readonly reason: string;
  /** For the person at the other end; null when it has no words of its own. */
  readonly message: string | null;
  /** What the subject is to be; null: it wants no other. */
  readonly subject: string | null;
  /** In their order; at most 100. */
  readonly add: readonly AddedField[];
  /** Names of fields that are to go; at most 100. */
  readonly remove: readonly string[];
}

const MOST_FIELDS = 100, MOST_SYMBOLS = 40, MOST_TEXT = 200;
const NAME = /^[!-9;-~]{1,76}$/; // RFC 5322 3.6.8

const Answer = z.object({
  action: z.string().min(1).max(64),
  score: z.number(),
  required_score: z.number().nullish(),
  symbols: z.record(z.string(), z.object({ score: z.number().nullish() })).default({}),
  messages: z.object({ smtp_message: z.string().optional().catch(undefined) }).default({}),
  subject: z.string().optional(),
  "dkim-signature": z.union([z.string(), z.array(z.string())]).default([]),
  milter: z.object({
    add_headers: z.record(z.string(), z.unknown()).default({}),
    remove_headers: z.record(z.string(), z.unknown()).default({}),
  }).default({ add_headers: {}, remove_headers: {} }),
});

/** A value, one with its place, or several of either. */
const Value = z.union([z.string(), z.object({ value: z.string() }).transform(({ value }) => value)]);
const Values = z.union([Value.transform((value) => [value]), z.array(Value)]);

/** @throws {EngineError} when it is none. */
export function parseVerdict(text: string): RspamdVerdict {
  const { success, data: answer } = Answer.safeParse(json(text));
  if (!success) throw new EngineError("its answer is none of rspamd's");
  const { action, score, required_score, symbols, messages, subject, milter } = answer;
  const signatures = [answer["dkim-signature"]].flat().map((value) => ({ name: "DKIM-Signature", value }));
  const fields = Object.entries(milter.add_headers).flatMap(([name, given]) => {
    const values = Values.safeParse(given);
    return (values.success ? values.data : []).map((value) => ({ name, value }));
  });
  return {
    action,
    score,
    reason: `${round(score)}/${required_score ?? "-"} ${named(symbols)}`,
    message: messages.smtp_message?.trim().slice(0, MOST_TEXT) || null,
    subject: subject === undefined ? null : unfolded(subject),
    add: [...signatures, ...fields].filter(({ name }) => NAME.test(name)).slice(0, MOST_FIELDS)
      .map(({ name, value }) => ({ name, value: unfolded(value) })),
    remove: Object.keys(milter.remove_headers).filter((name) => NAME.test(name)).slice(0, MOST_FIELDS),
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new EngineError("its answer is no JSON");
  }
}

function named(symbols: Readonly<Record<string, { readonly score?: number | null | undefined }>>): string {
  const weighed = Object.entries(symbols).map(([name, { score }]) => [name.slice(0, 64), score ?? 0] as const);
  weighed.sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
  return weighed.slice(0, MOST_SYMBOLS).map(([name, score]) => `${name}(${round(score)})`).join(",") || "none";
}

const round = (points: number): number => Math.round(points * 100) / 100;

/** Only the line ends go: a signature covers the space behind them. */
function unfolded(text: string): string {
  return text.replace(/\r?\n(?=[ \t])/g, "");
}
