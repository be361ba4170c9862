/**
 * What files a message may bring: judged by their content, their names and types, and what is in archives, which are
 * listed within limits and never unpacked onto anything. For each rule the operator says what a finding means. Fails
 * closed: what cannot be inspected in time is 451. Non-job: viruses (clamav, milters), text (spam_score).
 */
import { z } from "zod";
import {
  defineMessagePlugin,
  type EdgeContext,
  type EdgePhases,
  type MimeDefect,
  parseSize,
  type PartHead,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { type BodyPart, readParts } from "../body_edits.ts";
import { dropParts } from "../drop_parts.ts";
import { Inspection } from "./inspection.ts";
import { Inspector } from "./inspector.ts";
import { ATTACHMENTS } from "./key.ts";
import { DENIED } from "./names.ts";
import { type Action, ACTIONS, type Finding, RULE_NAMES, type RuleName, RULES } from "./rules.ts";

export { ATTACHMENTS } from "./key.ts";
export type { Finding } from "./rules.ts";

const size = z.string().refine((text) => parseSize(text) !== null, "Write a size like 64KiB or 25MiB")
  .transform((text) => parseSize(text)!);
const extension = z.string().regex(/^\.?[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/, "Write an extension like exe")
  .transform((text) => text.replace(/^\./, "").toLowerCase());
const typePattern = z.string().regex(/^[\w.+-]+\/(?:\*|[\w.+-]+)$/, "Write a type like audio/* or text/x-script")
  .transform((text) => text.toLowerCase());
const forEachRule = <T extends z.ZodType>(make: (rule: RuleName) => T): { [name in RuleName]: T } =>
  Object.fromEntries(RULE_NAMES.map((rule) => [rule, make(rule)])) as { [name in RuleName]: T };

const Options = z.strictObject({
  ...forEachRule((rule) => z.enum(ACTIONS).default(RULES[rule].action).describe(RULES[rule].text)),
  points: z.strictObject(forEachRule((rule) => z.number().default(RULES[rule].points))).prefault({})
    .describe("Points that a finding gives where its rule says score."),
  extensions: z.array(extension).default([...DENIED]).describe("Extensions of the rule name, in place of the list."),
  allow: z.array(extension).default([]).describe("Extensions of that list that are allowed here."),
  types: z.array(typePattern).default([]).describe("Types of the rule type: application/x-foo, or audio/*."),
  attachments: z.int().positive().default(100).describe("Files in a message, beyond which the rule count speaks."),
  largest: size.optional().describe("Decoded size of a file, beyond which the rule size speaks; unset: any."),
  levels: z.int().positive().max(100).default(30).describe("Parts in parts, beyond which the rule depth speaks."),
  archives: z.strictObject({
    depth: z.int().min(0).max(10).default(3).describe("Archives in each other that are looked into."),
    entries: z.int().positive().default(10_000).describe("Files in all archives of a message."),
    size: size.prefault("128MiB").describe("What an archive may unpack to, by its own word and in fact."),
    ratio: z.number().positive().default(200).describe(
      "How many times its size an archive may say that it unpacks to.",
    ),
  }).prefault({}).describe("Limits of the rule limits."),
  logins: z.boolean().default(false).describe("Judge what clients send that have logged in, too."),
});

/** Defects that show two programs two sets of parts. */
const AMBIGUOUS: ReadonlySet<MimeDefect> = new Set<MimeDefect>([
  "duplicateField",
  "longField",
  "parameterGap",
  "codedMultipart",
  "sharedBoundary",
  "nearBoundary",
  "behindEnd",
]);
const TOLD = 5; // findings in a reason

/**
 * Judges the files of a message after its last octet.
 *
 * @example
 * ```ts
 * import { attachments } from "./mod.ts";
 * import { runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const message = "Content-Disposition: attachment; filename=invoice.pdf.exe\n\nnot even a program\n";
 * const { reply } = await runPhase(attachments(), "data", { message });
 * assertEquals(String(reply), "550 5.7.1 Attachment refused: a file name of a kind that runs (invoice.pdf.exe: .exe)");
 * ```
 */
export const attachments: PluginFactory<z.input<typeof Options>, EdgePhases> = defineMessagePlugin({
  name: "attachments",
  options: Options,
  roles: ["mx", "edge"],
  create(options) {
    const extensions = new Set(options.extensions.filter((each) => !options.allow.includes(each)));
    const { archives, points } = options, actionOf = (rule: RuleName): Action => options[rule];

    async function inspect(ctx: EdgeContext): Promise<{ parts: BodyPart[]; findings: readonly Finding[] }> {
      const inspection = new Inspection({ extensions, archives });
      try {
        const parts = await readParts(ctx.message, {
          part: (head) => head.composite ? undefined : new Inspector(inspection, factsOf(head)),
          pause: () => inspection.work(ctx.signal),
        });
        judgeParts(parts, inspection);
        return { parts, findings: inspection.findings.filter(({ rule }) => actionOf(rule) !== "ignore") };
      } finally {
        await inspection.close();
      }
    }

    function judgeParts(parts: readonly BodyPart[], inspection: Inspection): void {
      const files = parts.filter(isFile);
      const report = (rule: RuleName, part: BodyPart | null, what: string) =>
        inspection.report(rule, part?.path ?? null, { names: part?.filename ? [part.filename] : [], what });
      if (files.length > options.attachments) report("count", null, `${files.length} files`);
      const deepest = Math.max(0, ...parts.map(({ depth }) => depth));
      if (deepest > options.levels) report("depth", null, `${deepest} levels`);
      for (const part of parts) {
        if (options.largest !== undefined && part.size > options.largest && isFile(part)) {
          report("size", part, `${part.size} octets`);
        }
        if (options.types.some((type) => fits(part.type, type))) report("type", part, part.type);
        for (const defect of part.defects) if (AMBIGUOUS.has(defect)) report("ambiguous", part, defect);
        if (part.defects.includes("tooDeep")) report("depth", part, "deeper than is read");
      }
    }

    return {
      async data(ctx, next) {
        if (ctx.peer !== null && ctx.peer.identity !== null && !options.logins) { // and no promise
          ctx.note("Not looked at: the client has logged in");
          return next();
        }
        const { parts, findings } = await inspect(ctx);
        ctx.set(ATTACHMENTS, findings);
        if (findings.length === 0) return next();
        ctx.note(`Found: ${reasonOf(findings)}`);
        const by = (action: Action) => findings.filter(({ rule }) => actionOf(rule) === action);
        for (const finding of by("score")) ctx.score(points[finding.rule], `attachments: ${inWords(finding)}`);
        // Whoever has trouble with us must reach somebody                                          RFC 5321 4.5.1
        const stops = !ctx.recipients.every(({ original }) => original.local.toLowerCase() === "postmaster");
        const [refused] = by("reject");
        if (refused && stops) {
          return reject("5.7.1", `Attachment refused: ${RULES[refused.rule].text} (${detail(refused)})`, {
            reason: reasonOf(by("reject")),
          });
        }
        const kept = await drop(ctx, parts, by("drop"));
        const held = [...by("hold"), ...kept];
        if (held.length > 0 && stops) ctx.hold(`attachments: ${reasonOf(held)}`);
        return next();
      },
    };
  },
});

/** Takes the parts out. Returns the findings whose part cannot be taken out. */
async function drop(ctx: EdgeContext, parts: readonly BodyPart[], findings: readonly Finding[]): Promise<Finding[]> {
  if (findings.length === 0) return [];
  const paths = new Map(findings.map((finding) => [finding.part, finding]));
  const dropped = parts.filter(({ path }) => paths.has(path)).map((part) => ({
    part,
    note: `A part of this message was removed on its way: ${inWords(paths.get(part.path)!)}`,
  }));
  const locked = await dropParts(ctx, dropped, { reason: `attachments: ${reasonOf(findings)}` });
  const left = new Set(locked.map(({ part }) => part.path));
  return findings.filter(({ part }) => part === null || left.has(part));
}

const factsOf = ({ path, filenames, type }: PartHead) => ({ part: path, names: filenames, type, around: [] });
const isFile = ({ composite, filename, disposition, type }: BodyPart): boolean =>
  !composite && (filename !== null || disposition === "attachment" || !/^(?:text|image|multipart)\//.test(type));
const fits = (type: string, pattern: string): boolean =>
  pattern.endsWith("/*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
const detail = ({ where, what }: Finding): string => where === "" ? what : `${where}: ${what}`;
const inWords = (finding: Finding): string => `${finding.rule}: ${RULES[finding.rule].text} (${detail(finding)})`;
const reasonOf = (findings: readonly Finding[]): string =>
  findings.slice(0, TOLD).map(inWords).join("; ") + (findings.length > TOLD ? `; ${findings.length - TOLD} more` : "");
