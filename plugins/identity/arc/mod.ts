/**
 * ARC after the last octet (RFC 8617): whether the chain of those who forwarded the message holds, and whether they are
 * whom this site believes. Leaves it under `ARC` and attests it. No verdict: RFC 8617 5.2 says that a broken chain is worth
 * as much as none. Non-job: checking chains (core/dkim), what a trusted one excuses (dmarc), sealing (arc_seal).
 */
import { z } from "zod";
import { type Chain, contentOf, KeyRecords, verifyChain } from "../../../core/dkim/mod.ts";
import {
  defineMessagePlugin,
  DomainSet,
  type EdgeContext,
  type EdgePhases,
  isDomainPattern,
  Networks,
  parseDuration,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { unchecked } from "../unchecked.ts";
import { withKeyDoor } from "../key_door.ts";
import { ARC, type ArcFinding } from "./key.ts";

export { ARC, type ArcFinding, type ArcSealer } from "./key.ts";

const Options = z.strictObject({
  trust: z.array(
    z.string().refine((text) => text !== "*" && isDomainPattern(text), {
      error: (issue) => `"${issue.input}" is no domain, nor *.domain`,
    }),
  ).default([]).describe(
    "Domains that may seal: when all of a chain are here, dmarc believes what the first of them saw",
  ),
  timeout: z.string().refine((text) => (parseDuration(text) ?? 0) > 0, "Write a duration like 10s").prefault("10s")
    .transform((text) => parseDuration(text)!).describe("For all questions to name service about one message"),
  networks: z.array(network).default([]).describe("Clients whose mail is not checked: hosts of your own"),
});

/**
 * @example
 * ```ts
 * import { arc } from "./mod.ts";
 * const plugin = arc({ trust: ["lists.example.net"] });
 * ```
 */
export const arc: PluginFactory<z.input<typeof Options>, EdgePhases> = defineMessagePlugin({
  name: "arc",
  options: Options,
  roles: ["mx", "edge"],
  create({ trust, timeout, networks }) {
    const trusted = new DomainSet(trust), skipped = new Networks(networks), records = new KeyRecords();

    async function find(ctx: EdgeContext): Promise<ArcFinding> {
      const content = await contentOf(ctx.message);
      const chain = await withKeyDoor(
        ctx,
        { records, timeout },
        (door) => verifyChain(content, { ...door, now: ctx.now() }),
      );
      return findingOf(chain, trusted);
    }

    return {
      async data(ctx, next) {
        const { peer } = ctx;
        if (peer !== null && (peer.identity !== null || skipped.has(peer.ip))) {
          ctx.note(unchecked(peer));
          return next();
        }
        const finding = await find(ctx);
        ctx.set(ARC, finding);
        ctx.note(sentenceOf(finding));
        const { cv, reason, temporary, oldestPass, sealers } = finding, newest = sealers.at(-1);
        ctx.attest({
          method: "arc",
          result: temporary ? "temperror" : cv, // a seal that says fail says it for good: not for an outage
          ...reason === null ? {} : { reason },
          properties: newest === undefined
            ? []
            : [["header.d", newest.domain], ["header.oldest-pass", String(oldestPass)]], // RFC 8617 5.2, 10.3
        });
        return next();
      },
    };
  },
});

function sentenceOf({ cv, reason, temporary, sealers, trusted }: ArcFinding): string {
  if (cv === "none") return "Nobody on its way has sealed it";
  if (temporary) return `Nobody can say whether its chain of seals holds: ${reason ?? "name service failed"}`;
  if (cv === "fail") return `Its chain of seals does not hold${reason === null ? "" : `: ${reason}`}`;
  const count = sealers.length === 1 ? "1 seal" : `${sealers.length} seals`;
  return `A chain of ${count} holds, the last by ${sealers.at(-1)?.domain}; ${
    trusted ? "all are trusted" : "not all are trusted"
  }`;
}

function findingOf({ cv, reason, temporary, sets, oldestPass }: Chain, trusted: DomainSet): ArcFinding {
  const sealers = sets.map(({ instance, seal }) => ({ instance, domain: seal.says.domain }));
  const all = cv === "pass" && sealers.every(({ domain }) => trusted.has(domain));
  return { cv, reason, temporary, sealers, oldestPass, trusted: all, results: all ? sets[0]!.results.says : null };
}
