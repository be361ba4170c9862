/**
 * Sanity of the header section (RFC 5322 3.6): one From, one Date, names that are names. For each rule the operator says
 * whether a fault refuses the message, gives points or is left alone. Works on the received octets.
 * Non-job: the body, authentication of the author (DMARC).
 */
import { z } from "zod";
import {
  defineMessagePlugin,
  type EdgePhases,
  parseDuration,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { examine, type Fault } from "./examine.ts";
import { readHead } from "./head.ts";
import { HEADERS } from "./key.ts";
import { RULE_NAMES, type RuleName, RULES } from "./rules.ts";

const TOLD = 5; // faults in a note
/** More than any honest header; what is longer is not read to its end. */
const MAX_HEADER = 1024 * 1024;

const duration = z.string().refine((text) => parseDuration(text) !== null, "Write a duration like 12h or 7d")
  .transform((text) => parseDuration(text)!);
const forEachRule = <T extends z.ZodType>(make: (rule: RuleName) => T): { [name in RuleName]: T } =>
  Object.fromEntries(RULE_NAMES.map((rule) => [rule, make(rule)])) as { [name in RuleName]: T };

const HeadersOptions = z.strictObject({
  ...forEachRule((rule) =>
    z.enum(["reject", "score", "ignore"]).default(RULES[rule].action)
      .describe(`${RULES[rule].text} (${RULES[rule].clause})`)
  ),
  points: z.strictObject(forEachRule((rule) => z.number().default(RULES[rule].points))).prefault({})
    .describe("Points that a fault gives where its rule says score."),
  future: duration.prefault("2d").describe("How far ahead a Date may be."),
  past: duration.prefault("30d").describe("How long ago a Date may be."),
});

/**
 * Checks the header of a message after its last octet.
 *
 * @example
 * ```ts
 * import { headers } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(headers({ missingDate: "reject" }).name, "headers");
 * ```
 */
export const headers: PluginFactory<z.input<typeof HeadersOptions>, EdgePhases> = defineMessagePlugin({
  name: "headers",
  options: HeadersOptions,
  create: ({ future, past, points, ...actions }) => ({
    async data(ctx, next) {
      const { octets, cut } = await readHead(ctx.message, MAX_HEADER);
      const { smtputf8 } = ctx.parameters;
      const faults = examine(octets, { now: ctx.now(), future, past, smtputf8, cut })
        .filter(({ rule }) => actions[rule] !== "ignore");
      ctx.set(HEADERS, faults.map(({ rule }) => rule));
      if (faults.length === 0) return next();
      ctx.note(`Faults of its header: ${faults.slice(0, TOLD).map(inWords).join("; ")}`);
      for (const fault of faults) {
        if (actions[fault.rule] === "score") ctx.score(points[fault.rule], `headers: ${inWords(fault)}`);
      }
      const worst = faults.find(({ rule }) => actions[rule] === "reject");
      if (worst === undefined) return next();
      // Whoever has trouble with us must reach somebody                                          RFC 5321 4.5.1
      if (ctx.recipients.every(({ original }) => original.local.toLowerCase() === "postmaster")) return next();
      const { status, clause } = RULES[worst.rule];
      return reject(status, `Header refused: ${inWords(worst)}; see ${clause}`, {
        reason: faults.map(inWords).join("; "),
      });
    },
  }),
});

/** `duplicate: a second Subject in line 7`. */
function inWords({ rule, line, field }: Fault): string {
  const { text } = RULES[rule];
  const what = rule === "duplicate" ? `${text} ${field}` : rule === "fieldName" && field ? `${text} (${field})` : text;
  return `${rule}: ${what}${line === null ? "" : ` in line ${line}`}`;
}
