/**
 * A rule of the plugin `chaos`: in which phase, for whom, how often, after how long, with which answer. As it is written
 * in a configuration or sent to the API, and as the plugin asks it. Non-job: counting (mod.ts), addresses (address.ts).
 */
import { z } from "zod";
import { type Address, isNetwork, Networks, parseAddressPattern, parseDuration } from "../../../core/pipeline/mod.ts";
import { ANSWERS, type Deed, refusalOf } from "./answer.ts";

/** Phases in which something can go wrong on purpose. */
export const CHAOS_PHASES = ["connect", "helo", "auth", "mail", "rcpt", "data"] as const;
export type ChaosPhase = typeof CHAOS_PHASES[number];

/** `ctx.pause` waits no longer. */
const LONGEST = 120_000;
const pattern = z.string().max(320).refine((text) => text === "<>" || patternOf(text) !== null, {
  error: 'must be an address, "full@*", "*@example.org", "user+*@example.org", "*", or "<>"',
});

export const RuleOptions = z.strictObject({
  phase: z.enum(CHAOS_PHASES).default("rcpt").describe("Where it goes wrong"),
  to: pattern.optional().describe("Only for these recipients (in `rcpt` and `data`)"),
  from: pattern.optional().describe('Only for these senders (from `mail` on); "<>" is the null sender'),
  user: z.string().min(1).max(320).optional().describe("Only for who logs in by this name (in `auth`)"),
  ip: z.string().refine(isNetwork, { error: (issue) => `"${issue.input}" is no IP address or network` }).optional()
    .describe("Only for clients from there"),
  answer: z.string().min(1).max(450).refine((text) => text === "pass" || refusalOf(text, "") !== null, {
    error: ANSWERS,
  }).describe('A refusal such as "450 4.2.1 Mailbox full"; "hang up", without a word; "pass", to only wait'),
  delay: z.string().refine((text) => (parseDuration(text) ?? Infinity) <= LONGEST, {
    error: "must be a duration such as 500ms or 5s, at most 2m",
  }).optional().describe("Wait so long before the answer"),
  rate: z.number().gt(0).max(1).default(1).describe("How often: 0.1 is one in ten"),
  times: z.int().min(1).max(1000).optional()
    .describe("Only the first times, for each sender and recipient; then it works"),
  on: z.boolean().default(true).describe("False: the rule rests"),
}).superRefine((rule, context) => {
  const allowed: Readonly<Record<"to" | "from" | "user", readonly ChaosPhase[]>> = {
    to: ["rcpt", "data"],
    from: ["mail", "rcpt", "data"],
    user: ["auth"],
  };
  for (const [key, phases] of Object.entries(allowed)) {
    if (rule[key as "to"] === undefined || phases.includes(rule.phase)) continue;
    context.addIssue({ code: "custom", path: [key], message: `is not known in ${rule.phase}` });
  }
  if (rule.answer === "pass" && rule.delay === undefined) {
    context.addIssue({ code: "custom", path: ["answer"], message: '"pass" without a delay does nothing' });
  }
});
export type ReadRule = z.output<typeof RuleOptions>;

/** Most rules that a list has. */
export const MOST_RULES = 50;

/** What is asked about: what is not known in the phase is not there. */
export interface Moment {
  readonly phase: ChaosPhase;
  readonly ip: string;
  readonly user?: string;
  readonly sender?: Address | null;
  readonly recipients?: readonly Address[];
}
/** A rule, ready to be asked. */
export interface Rule {
  /** Names it in counters, and for people. */
  readonly id: string;
  readonly about: string;
  readonly deed: Deed;
  /** Milliseconds. */
  readonly delay: number;
  readonly rate: number;
  /** Null: always. */
  readonly times: number | null;
  suits(moment: Moment): boolean;
}

/** `about`: what people call it, such as "rule 2". */
export function ruleOf(read: ReadRule, { id, about }: { readonly id: string; readonly about: string }): Rule {
  const to = addressesOf(read.to), from = addressesOf(read.from);
  const networks = read.ip === undefined ? null : new Networks([read.ip]), user = read.user?.toLowerCase();
  return {
    id,
    about,
    deed: read.answer === "pass" ? "pass" : { say: refusalOf(read.answer, `on purpose: ${about}`)! },
    delay: read.delay === undefined ? 0 : parseDuration(read.delay)!,
    rate: read.rate,
    times: read.times ?? null,
    suits: (moment) =>
      read.on && read.phase === moment.phase && (networks?.has(moment.ip) ?? true) &&
      (user === undefined || moment.user?.toLowerCase() === user) &&
      (from === null || moment.sender !== undefined && from(moment.sender)) &&
      (to === null || (moment.recipients ?? []).some(to)),
  };
}

function addressesOf(text: string | undefined): ((address: Address | null) => boolean) | null {
  if (text === undefined) return null;
  if (text === "<>") return (address) => address === null;
  const suits = patternOf(text)!;
  return (address) => address === null ? text === "*" : suits(address);
}

/** As everywhere, and `full@*`: a local part in any domain. */
function patternOf(text: string): ((address: Address) => boolean) | null {
  const [, local] = /^(.+)@\*$/.exec(text) ?? [];
  if (local === undefined) return parseAddressPattern(text);
  const domain = "any.invalid", suits = parseAddressPattern(`${local}@${domain}`);
  return suits === null ? null : (address) => suits({ local: address.local, domain });
}
