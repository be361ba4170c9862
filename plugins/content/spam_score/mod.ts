/**
 * Adds up what other plugins and a few rules of its own hold against a message, and draws the line: tag, quarantine,
 * reject. Belongs behind the plugins whose points it counts. Non-job: learning, decoding, virus scanning.
 */
import { z } from "zod";
import {
  defineMessagePlugin,
  type EdgePhases,
  type Message,
  type MessageContext,
  parseSize,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { HEADERS } from "../headers/key.ts";
import { SPF } from "../../identity/spf/key.ts";
import { BodyScan } from "./body_scan.ts";
import { type Facts, type Rule, RULE_NAMES, type RuleName, RULES } from "./rules.ts";

/** Messages up to this size are read at once: they are in memory anyway. */
const SMALL = 64 * 1024;
/** Rules look at no more of a field: enough for any honest one, and nothing to pay for the others. */
const MAX_VALUE = 1000;
const BODY_PATTERNS: ReadonlyMap<RuleName, string | RegExp> = new Map(
  RULE_NAMES.flatMap((name) => {
    const rule: Rule = RULES[name];
    return "body" in rule ? [[name, rule.body] as const] : [];
  }),
);

const threshold = z.union([z.number().positive(), z.literal("never").transform(() => Infinity)]);
const size = z.string().refine((text) => parseSize(text) !== null, "Write a size like 64KiB or 1MiB")
  .transform((text) => parseSize(text)!);
const SpamScoreOptions = z.strictObject({
  tag: threshold.prefault(4).describe("From these points on the message says so in X-Spam fields; or never."),
  quarantine: threshold.prefault(6).describe("From these points on the message is held for a person; or never."),
  reject: threshold.prefault(12).describe("From these points on the message is refused; or never."),
  scan: size.prefault("256KiB").describe("How much of the body is looked at."),
  weights: z.strictObject(
    Object.fromEntries(
      RULE_NAMES.map((name) => [name, z.number().default(RULES[name].points).describe(RULES[name].text)]),
    ) as { [name in RuleName]: z.ZodDefault<z.ZodNumber> },
  ).prefault({}).describe("Points of each rule; 0 turns it off."),
}).refine((limits) => limits.quarantine === Infinity || limits.quarantine < limits.reject, {
  path: ["quarantine"],
  message: "Must be less than reject, else it never happens",
});

/**
 * Weighs a message after its last octet.
 *
 * @example
 * ```ts
 * import { spamScore } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(spamScore({ quarantine: 6, reject: "never" }).name, "spam_score");
 * ```
 */
export const spamScore: PluginFactory<z.input<typeof SpamScoreOptions>, EdgePhases> = defineMessagePlugin({
  name: "spam_score",
  after: ["spf", "headers"],
  options: SpamScoreOptions,
  create: (options) => ({
    async data(ctx, next) {
      const before = sum(ctx.scores);
      const found = RULE_NAMES.filter(await judge(ctx, options.scan)).filter((name) => options.weights[name] !== 0);
      for (const name of found) ctx.score(options.weights[name], `${name}: ${RULES[name].text}`);
      const total = rounded(before + sum(found.map((name) => ({ points: options.weights[name] }))));
      const tests = `tests=${found.join(",") || "none"} others=${before}`;
      const reason = `score=${total} ${tests}`;
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
  }),
});
const FIELDS = ["X-Spam-Flag", "X-Spam-Score", "X-Spam-Status"];

/** Which rules hit. */
async function judge(ctx: MessageContext, limit: number): Promise<(name: RuleName) => boolean> {
  const { message } = ctx;
  const facts: Facts = {
    header: (name) => message.header(name)?.slice(0, MAX_VALUE),
    formJudged: ctx.get(HEADERS) !== undefined,
    spf: ctx.get(SPF)?.result,
  };
  const hits = await scanBody(message, limit);
  return (name) => {
    const rule: Rule = RULES[name];
    return "body" in rule ? hits.has(name) : rule.when(facts);
  };
}

async function scanBody(message: Message, limit: number): Promise<ReadonlySet<RuleName>> {
  const scan = new BodyScan(BODY_PATTERNS, limit);
  if (message.size <= SMALL) scan.push(await message.bytes());
  else for await (const chunk of message.stream()) if (!scan.push(chunk)) break; // leaving the loop cancels the stream
  scan.end();
  return scan.hits;
}

const sum = (scores: readonly { readonly points: number }[]): number =>
  rounded(scores.reduce((total, each) => total + each.points, 0));
/** 0.1 + 0.2 is 0.3 to an operator. */
const rounded = (points: number): number => Math.round(points * 100) / 100;
