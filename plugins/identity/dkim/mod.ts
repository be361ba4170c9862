/**
 * DKIM after the last octet: checks the signatures of the received octets, leaves what they come to under `DKIM`, attests it
 * (RFC 8601 2.7.1), and refuses where the operator says so (codes of RFC 7372 3.1). By itself a finding is a fact and no
 * verdict: RFC 6376 6.3 says that a broken signature is worth as much as none.
 * Non-job: checking signatures (core/dkim), whose mail it is (dmarc).
 */
import { z } from "zod";
import { contentOf, KeyRecords, type SignatureResult, verify } from "../../../core/dkim/mod.ts";
import {
  defer,
  defineMessagePlugin,
  type EdgeContext,
  type EdgePhases,
  isLoopback,
  Networks,
  parseDuration,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { unchecked } from "../unchecked.ts";
import { withKeyDoor } from "../key_door.ts";
import { DKIM, type DkimFindings } from "./key.ts";
import { sentenceOf } from "./telling.ts";

export { DKIM, type DkimFinding, type DkimFindings, type DkimResult } from "./key.ts";

const verdict = z.enum(["mark", "reject"]).default("mark");
const points = z.number().default(0);

const Options = z.strictObject({
  fail: verdict.describe("No signature passes, and one of them is broken: refuse, or only note it"),
  permerror: verdict.describe("None passes, and one cannot be checked: its key is gone, or it is written wrongly"),
  policy: verdict.describe("None passes but some that are not enough for this site (limited, covers)"),
  none: verdict.describe("There is no signature"),
  temperror: z.enum(["pass", "defer"]).default("pass")
    .describe("None passes, and name service failed for one: go on, or ask to come again"),
  limited: z.enum(["pass", "policy", "fail"]).default("policy")
    .describe("What a signature is worth that leaves the end of the body to anybody (l=)"),
  covers: z.array(z.string().regex(/^[!-9<-~]+$/, "Write names of header fields").toLowerCase()).default([])
    .describe("Fields that a signature must cover as often as they are there, else it is policy: [subject]"),
  score: z.strictObject({
    pass: points.describe("Points for a message with a good signature: below zero speaks for it"),
    fail: points,
    permerror: points,
    policy: points,
    none: points,
  }).prefault({}).describe("Points for a message, by what its signatures come to"),
  signatures: z.int().min(1).max(50).default(10).describe("How many signatures are looked at, the first ones"),
  timeout: z.string().refine((text) => (parseDuration(text) ?? 0) > 0, "Write a duration like 10s").prefault("10s")
    .transform((text) => parseDuration(text)!).describe("For all questions to name service about one message"),
  networks: z.array(network).default([]).describe(
    "Clients whose mail is not checked: hosts of your own, which sign on the way out if at all",
  ),
});
type Settings = z.output<typeof Options>;

/** The best first, but for `temperror`: what may pass later is not held against a message now. */
const ORDER: readonly SignatureResult["result"][] = ["pass", "temperror", "policy", "fail", "permerror", "neutral"];

/**
 * @example
 * ```ts
 * import { dkim } from "./mod.ts";
 * const plugin = dkim({ score: { fail: 1 }, covers: ["subject", "date"] });
 * ```
 */
export const dkim: PluginFactory<z.input<typeof Options>, EdgePhases> = defineMessagePlugin({
  name: "dkim",
  options: Options,
  roles: ["mx", "edge"],
  create(options) {
    const skipped = new Networks(options.networks), records = new KeyRecords();
    const { timeout, signatures: most } = options;

    async function find(ctx: EdgeContext): Promise<DkimFindings> {
      const content = await contentOf(ctx.message);
      const found = await withKeyDoor(
        ctx,
        { records, timeout },
        (door) => verify(content, { ...door, now: ctx.now(), most }),
      );
      const names = options.covers.length === 0 ? [] : ctx.message.headers.map(({ name }) => name.toLowerCase());
      const signatures = found.signatures.map((each) => judged(each, options, names));
      const result = ORDER.find((result) => signatures.some((each) => each.result === result)) ?? "none";
      return { result, signatures, more: found.more };
    }

    return {
      async data(ctx, next) {
        const { peer } = ctx;
        if (peer !== null && (peer.identity !== null || skipped.has(peer.ip))) {
          ctx.note(unchecked(peer));
          return next();
        }
        const findings = await find(ctx);
        ctx.set(DKIM, findings);
        ctx.note(sentenceOf(findings));
        attest(ctx, findings);
        const worth = options.score[findings.result as keyof Settings["score"]] ?? 0;
        if (worth !== 0) ctx.score(worth, `dkim=${findings.result}`);
        const exempt = peer !== null && isLoopback(peer.ip) ||
          ctx.recipients.every(({ original }) => original.local.toLowerCase() === "postmaster");
        return (exempt ? null : refusal(findings, options)) ?? next();
      },
    };
  },
});

/** A signature that passes, with what this site wants besides. `names`: of the fields that are there, lower case. */
function judged(each: SignatureResult, { limited, covers }: Settings, names: readonly string[]): SignatureResult {
  if (each.result !== "pass") return each;
  if (each.limited !== null && limited !== "pass") {
    const { covered, size } = each.limited;
    return { ...each, result: limited, reason: `it covers ${covered} of ${size} octets of the body (l=)` };
  }
  const count = (list: readonly string[], name: string) => list.filter((other) => other === name).length;
  const open = covers.find((name) => count(each.fields, name) < count(names, name)); // a second Subject in front too
  return open === undefined ? each : { ...each, result: "policy", reason: `it does not cover ${open}` };
}

/** RFC 8601 2.7.1, RFC 6008 for header.b. */
function attest(ctx: EdgeContext, { result, signatures }: DkimFindings): void {
  if (signatures.length === 0) ctx.attest({ method: "dkim", result });
  for (const { result, reason, domain, agent, selector, algorithm, b, testing } of signatures) {
    const properties = [
      ["header.d", domain],
      ["header.i", agent],
      ["header.s", selector],
      ["header.a", algorithm],
      ["header.b", b],
    ].filter((each): each is [string, string] => each[1] !== null);
    const why = [reason ?? "", testing ? "the domain is only trying (t=y)" : ""].filter((each) => each !== "");
    ctx.attest({ method: "dkim", result, ...why.length > 0 ? { reason: why.join("; ") } : {}, properties });
  }
}

/** What the operator wants of a message none of whose signatures passes; null: nothing against it. */
function refusal(findings: DkimFindings, options: Settings): Reply<"defer" | "reject"> | null {
  const { result, signatures } = findings;
  if (result === "pass" || result === "neutral") return null;
  const about = signatures.find((each) => each.result === result), reason = sentenceOf(findings);
  if (result === "temperror") {
    if (options.temperror === "pass") return null;
    return defer("4.4.3", "Name service failed while checking the DKIM signature, try again later", { reason });
  }
  if (options[result] === "mark") return null;
  if (signatures.length > 0 && signatures.every(({ testing }) => testing)) return null; // RFC 6376 3.6.1, t=y
  if (result === "policy") return reject("5.7.21", `No acceptable DKIM signature: ${about!.reason}`, { reason });
  if (result === "none") return reject("5.7.20", "This message has no DKIM signature", { reason });
  return reject("5.7.20", `No passing DKIM signature: ${about!.reason}`, { reason });
}
