/**
 * Rules of the operator, as they stand in a configuration: checked, and made into what those that ship are.
 * Non-job: patterns (pattern_syntax.ts), asking them (judge.ts).
 */
import { z } from "zod";
import { LinearPattern } from "./linear_pattern.ts";
import { LONGEST_PHRASE, Phrases } from "./phrases.ts";
import type { Look, Rule } from "./rule.ts";

const PLACES = ["text", "html", "url", "type", "filename"] as const;

const OwnRule = z.strictObject({
  points: z.number().min(-1000).max(1000).describe("Added when it hits; negative speaks for the message."),
  says: z.string().max(200).optional().describe("What it means, for the log and those who read it."),
  header: z.string().regex(/^[!-9;-~]{1,76}$/, "A name of a header field, without the colon").optional()
    .describe("A field to look at: its value decoded, the first 1,000 characters."),
  in: z.enum(PLACES).optional().describe(
    "What else to look at: text as a person sees it, HTML as it came, each link, each part's type or file name.",
  ),
  matches: z.string().min(1).optional().describe("A pattern: regular, case never matters, anywhere in it."),
  phrases: z.array(z.string()).min(1).max(500).optional()
    .describe(`Words or phrases of up to ${LONGEST_PHRASE} words, instead of a pattern.`),
  of: z.enum(["text", "subject", "either"]).optional().describe("Where phrases stand (default: either)."),
  least: z.number().int().min(1).max(500).optional().describe("How many different ones of them it takes (default 1)."),
  key: z.string().max(64).optional().describe("What a plugin before left under this key: spf, dkim, dmarc, ..."),
  is: z.array(z.string()).min(1).max(50).optional().describe("The results that hit."),
}).superRefine((rule, context) => {
  const fault = (path: string, message: string) => void context.addIssue({ code: "custom", path: [path], message });
  const ways = (["header", "in", "phrases", "key"] as const).filter((name) => rule[name] !== undefined);
  if (ways.length !== 1) {
    const said = ways.length === 0 ? "it looks at nothing" : `it has ${ways.join(" and ")}`;
    return fault(ways[1] ?? "header", `A rule looks at one thing: header, in, phrases or key; ${said}`);
  }
  const [way] = ways, wants = way === "key" ? "is" : way === "phrases" ? null : "matches";
  if (wants !== null && rule[wants] === undefined) fault(wants, `A rule with ${way} needs ${wants}`);
  const fits: readonly string[] = way === "phrases" ? ["of", "least"] : [wants!];
  for (const name of ["matches", "is", "of", "least"] as const) {
    if (rule[name] !== undefined && !fits.includes(name)) fault(name, `${name} does not go with ${way}`);
  }
  try {
    if (rule.matches !== undefined) new LinearPattern(rule.matches);
  } catch (error) {
    fault("matches", (error as Error).message);
  }
  rule.phrases?.forEach((phrase, at) => {
    try {
      new Phrases<string>().add(phrase, "");
    } catch (error) {
      context.addIssue({ code: "custom", path: ["phrases", at], message: (error as Error).message });
    }
  });
});

/** Rules by their names, which are not those of ours. */
export const OwnRules = z.record(
  z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, "A name of small letters, digits and _"),
  OwnRule,
);

/** One of them, ready to be asked. */
export function ownRule(name: string, rule: z.output<typeof OwnRule>): Rule {
  const { points, says = name.replaceAll("_", " ") } = rule;
  return { points, text: says, ...lookOf(rule) };
}

function lookOf(
  { header, in: place, matches, phrases, of = "either", least = 1, key, is }: z.output<typeof OwnRule>,
): Look {
  if (header !== undefined) return { header: header.toLowerCase(), matches: new LinearPattern(matches!) };
  if (place !== undefined) return { in: place, matches: new LinearPattern(matches!) };
  if (phrases !== undefined) return { phrases, of, least };
  return { key: key!, is: is! };
}
