/**
 * Adds up what other plugins, rules and a classifier that learns hold against a message, and draws the line: tag,
 * quarantine, reject. Belongs behind the plugins whose points it counts. Non-job: the rules (rules.ts, own_rules.ts), the
 * classifier (bayes/), virus scanning.
 */
import { z } from "zod";
import {
  defineMessagePlugin,
  type EdgePhases,
  HeaderSection,
  key,
  type MessageContext,
  OptionsError,
  parseDuration,
  parseSize,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { HEADERS } from "../headers/key.ts";
import { Bayes } from "./bayes/bayes.ts";
import { Judge } from "./judge.ts";
import { SPAM_LIMITS, type SpamLimits } from "./key.ts";
import { ownRule, OwnRules } from "./own_rules.ts";
import { read } from "./reading.ts";
import type { Rule } from "./rule.ts";
import { RULE_NAMES, type RuleName, RULES } from "./rules.ts";

const threshold = z.union([z.number().positive(), z.literal("never").transform(() => Infinity)]);
const size = z.string().refine((text) => parseSize(text) !== null, "Write a size like 64KiB or 1MiB")
  .transform((text) => parseSize(text)!);
const duration = z.string().refine((text) => parseDuration(text) !== null, "Write a time like 90d")
  .transform((text) => parseDuration(text)!);
const BayesOptions = z.strictObject({
  enabled: z.boolean().default(true).describe("Whether messages are classified by what was learned."),
  minimum: z.number().int().min(1).max(100_000).default(200)
    .describe("It says nothing before it knows so many messages of spam and as many of ham."),
  spam: z.number().min(0).max(1000).default(7).describe("The points of what is surely spam."),
  ham: z.number().min(-1000).max(0).default(-3).describe("The points of what is surely not."),
  lessons: z.number().int().min(2).max(40_000).default(10_000)
    .describe("Messages that are remembered; the oldest of the larger class make room."),
  remember: duration.prefault("365d").describe("How long a message is remembered."),
});
const SpamScoreOptions = z.strictObject({
  tag: threshold.prefault(4).describe("From these points on the message says so in X-Spam fields; or never."),
  quarantine: threshold.prefault(6).describe("From these points on the message is held for a person; or never."),
  reject: threshold.prefault(12).describe("From these points on the message is refused; or never."),
  scan: size.prefault("256KiB").describe("How much of its text, decoded, is looked at."),
  weights: z.strictObject(
    Object.fromEntries(
      RULE_NAMES.map((
        name,
      ) => [name, z.number().min(-1000).max(1000).default(RULES[name].points).describe(RULES[name].text)]),
    ) as { [name in RuleName]: z.ZodDefault<z.ZodNumber> },
  ).prefault({}).describe("Points of each rule that ships; 0 turns it off."),
  rules: OwnRules.prefault({}).describe("Rules of your own, by name."),
  bayes: BayesOptions.prefault({}).describe("The classifier that learns."),
}).refine((limits) => limits.quarantine === Infinity || limits.quarantine < limits.reject, {
  path: ["quarantine"],
  message: "Must be less than reject, else it never happens",
});

/** Who gives points, or leaves keys that rules look at. */
const SCORERS: readonly string[] = [
  ...["dnsbl", "early_talker", "geoip", "reputation", "bounce", "spam_trap"],
  ...["spf", "dkim", "dmarc", "fcrdns", "helo"],
  ...["headers", "attachments", "uribl", "clamav", "rspamd", "spamassassin", "milter"],
];

/**
 * Weighs a message after its last octet.
 *
 * @example
 * ```ts
 * import { spamScore } from "./mod.ts";
 * import { runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const plugin = spamScore({
 *   quarantine: 6,
 *   reject: "never",
 *   rules: { sells_gold: { in: "text", matches: "gold (bars|coins)", points: 7 } },
 * });
 * const { held } = await runPhase(plugin, "data", { message: "Subject: Hello\n\nBuy Gold  Coins\nor gold coins\n" });
 * assertEquals(held?.includes("sells_gold"), true);
 * ```
 */
export const spamScore: PluginFactory<z.input<typeof SpamScoreOptions>, EdgePhases> = defineMessagePlugin({
  name: "spam_score",
  after: SCORERS,
  options: SpamScoreOptions,
  create: (options) => {
    const rules = rulesOf(options), judge = new Judge(rules);
    const limits: SpamLimits = { quarantine: options.quarantine, reject: options.reject };
    const bayes = options.bayes.enabled
      ? new Bayes({ ...options.bayes, seconds: options.bayes.remember / 1000 })
      : null;

    /** The points of each rule that hits, and of the classifier. */
    async function weigh(ctx: MessageContext): Promise<{ name: string; points: number; reason: string }[]> {
      const reading = await read(ctx.message, options.scan);
      const formJudged = ctx.get(HEADERS) !== undefined;
      const found = judge.hits(reading, { formJudged, key: (name) => wordUnder(ctx, name) }).map((name) => {
        const { points, text } = rules.get(name)!;
        return { name, points, reason: text };
      });
      const opinion = await bayes?.judge(reading, { store: ctx.store, now: ctx.now() }) ?? null;
      return opinion === null ? found : [...found, { name: "bayes", ...opinion }];
    }

    return {
      async data(ctx, next) {
        ctx.set(SPAM_LIMITS, limits);
        const others = ctx.scores, before = sum(others);
        const found = await weigh(ctx);
        for (const { name, points, reason } of found) ctx.score(points, `${name}: ${reason}`);
        const total = rounded(before + sum(found));
        const tests = `tests=${found.map(({ name }) => name).join(",") || "none"} others=${before}`;
        const reason = inWords({ total, found, before, others }, limits);
        ctx.note(reason);
        // Whoever has trouble with us must reach somebody: tagged, never stopped                    RFC 5321 4.5.1
        const stop = !ctx.recipients.every(({ original }) => original.local.toLowerCase() === "postmaster");
        if (stop && total >= options.reject) return reject("5.7.1", "Message looks like spam", { reason });
        // A sender's own X-Spam fields would speak in our name.
        for (const name of FIELDS) if (ctx.message.header(name) !== undefined) ctx.removeHeader(name);
        if (total >= options.tag) {
          ctx.prependHeader("X-Spam-Status", `Yes, score=${total} required=${options.tag} ${tests}`);
          ctx.prependHeader("X-Spam-Score", String(total));
          ctx.prependHeader("X-Spam-Flag", "YES");
        }
        if (stop && total >= options.quarantine) ctx.hold(`spam_score: ${reason}`);
        return next();
      },
      ...bayes && {
        async learn(content, as, { store, now }) {
          const place = { store, now: now() };
          if (content.length === 0) return await bayes.status(place);
          const section = new HeaderSection(content);
          const reading = await read({
            size: content.length,
            headers: section.fields.map((field) => ({ name: field.name, value: section.value(field) })),
            bytes: () => Promise.resolve(content),
            stream: () => new Blob([content]).stream(),
          }, options.scan);
          return await bayes.learn(reading, as, place);
        },
      },
    };
  },
});
const FIELDS = ["X-Spam-Flag", "X-Spam-Score", "X-Spam-Status"];

/** All rules with points, by their names. */
function rulesOf({ weights, rules }: z.output<typeof SpamScoreOptions>): ReadonlyMap<string, Rule> {
  const all = new Map<string, Rule>();
  for (const name of RULE_NAMES) if (weights[name] !== 0) all.set(name, { ...RULES[name], points: weights[name] });
  for (const [name, rule] of Object.entries(rules)) {
    if (name === "bayes" || Object.hasOwn(RULES, name)) {
      throw new OptionsError([{
        path: ["rules", name],
        message: "That is the name of a rule that ships: see weights",
      }]);
    }
    if (rule.points !== 0) all.set(name, ownRule(name, rule));
  }
  return all;
}

/** What a plugin left under a key of any scope, where that is a word or has one as its `result`. */
function wordUnder(ctx: MessageContext, name: string): string | undefined {
  const value = ctx.get(key<unknown>(name)) ?? ctx.get(key<unknown>(name, "connection"));
  const word = typeof value === "object" && value !== null && "result" in value ? value.result : value;
  return typeof word === "string" ? word : undefined;
}

/** The sum, and what it is made of. */
interface Weighed {
  readonly total: number;
  /** Of this plugin. */
  readonly found: readonly { readonly name: string; readonly points: number }[];
  /** Of all others. */
  readonly before: number;
  readonly others: MessageContext["scores"];
}

/**
 * `14.5 points, refused from 12: content rules 6 (subject_sells 4, no_subject 2), others 8.5 (a trap 5, a list 3.5)`, for
 * whoever has to judge what became of the message. Never for the peer.
 */
function inWords({ total, found, before, others }: Weighed, { quarantine, reject }: SpamLimits): string {
  const said = `${total} point${total === 1 ? "" : "s"}${lineOf(total, quarantine, reject)}`;
  const parts: string[] = [];
  if (found.length > 0) {
    parts.push(`content rules ${sum(found)}${heaviest(found, ({ name }) => name)}`);
  }
  if (others.length > 0) {
    parts.push(`others ${before}${heaviest(others, ({ reason }) => reason.slice(0, MOST_REASON))}`);
  }
  return parts.length === 0 ? said : `${said}: ${parts.join(", ")}`;
}
const MOST_TOLD = 3, MOST_REASON = 100;

/** The line that it crossed, or the next one. */
function lineOf(total: number, quarantine: number, reject: number): string {
  if (total >= reject || total >= quarantine && reject < Infinity) {
    return total >= reject ? `, refused from ${reject}` : `, held from ${quarantine}, refused from ${reject}`;
  }
  const [word, line] = quarantine < Infinity ? ["held", quarantine] : ["refused", reject];
  return line === Infinity ? "" : `, ${word} from ${line}`;
}

/** Those that weigh most, whichever way. */
function heaviest<T extends { readonly points: number }>(scores: readonly T[], name: (score: T) => string): string {
  const weighty = scores.filter(({ points }) => points !== 0);
  const most = weighty.toSorted((a, b) => Math.abs(b.points) - Math.abs(a.points)).slice(0, MOST_TOLD);
  if (most.length === 0) return "";
  const more = weighty.length > most.length ? ` and ${weighty.length - most.length} more` : "";
  return ` (${most.map((each) => `${name(each)} ${rounded(each.points)}`).join(", ")}${more})`;
}

const sum = (scores: readonly { readonly points: number }[]): number =>
  rounded(scores.reduce((total, each) => total + each.points, 0));
/** 0.1 + 0.2 is 0.3 to an operator. */
const rounded = (points: number): number => Math.round(points * 100) / 100;
