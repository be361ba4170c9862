/**
 * Asks lists in DNS about the hosts that the links of a message lead to, and gives points. Never refuses by itself: what
 * the points come to is for spam_score. A list that does not answer counts for nothing. Non-job: the client's address
 * and names (dnsbl), following links.
 */
import { z } from "zod";
import {
  canonicalDomain,
  defineMessagePlugin,
  DomainSet,
  type EdgeContext,
  type EdgePhases,
  isDomainPattern,
  isLoopback,
  isNetwork,
  messageContent,
  Networks,
  parseDuration,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { type LinkTarget, someOf, targetsIn } from "./hosts.ts";
import { URIBL, type UriListing } from "./key.ts";
import { UriList } from "./list.ts";

export { URIBL, type UriListing } from "./key.ts";

const zone = z.string().refine((text) => canonicalDomain(text) !== null, {
  error: (issue) => `"${issue.input}" is no name of a list`,
});
const List = z.union([
  z.number(),
  z.strictObject({
    weight: z.number().default(2).describe("Points that a listing gives"),
    mask: z.int().min(1).max(255).optional().describe("Bits of the last octet, one of which must be set; unset: any"),
    addresses: z.boolean().default(false).describe("Ask it about links to bare IPv4 addresses, too"),
  }),
], { error: "must be a weight, or { weight, mask, addresses }" });
const duration = z.string().refine((text) => {
  const time = parseDuration(text);
  return time !== null && time >= 100 && time <= 20_000;
}, "Write a duration like 3s, between 100ms and 20s").transform((text) => parseDuration(text)!);

const Options = z.strictObject({
  zones: z.record(zone, List).refine((zones) => Object.keys(zones).length > 0, "no list is named")
    .describe("Lists, each with its weight"),
  most: z.int().min(1).max(100).default(20).describe("Hosts of a message that are asked about"),
  allow: z.array(z.string().refine(isDomainPattern, { error: (issue) => `"${issue.input}" is no domain` })).default([])
    .describe("Registered domains that are not asked about, beside the local ones"),
  timeout: duration.prefault("3s").describe("How long a message waits for the lists"),
  networks: z.array(z.string().refine(isNetwork, { error: (issue) => `"${issue.input}" is no network` })).default([])
    .describe("Clients whose mail is not looked at"),
});

/**
 * @example
 * ```ts
 * import { uribl } from "./mod.ts";
 * import { MemoryResolver, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const dns = new MemoryResolver({ "spam.example.uri.example.org": { a: ["127.0.0.2"] } });
 * const message = "Subject: x\n\nBuy at http://www.spam.example/now\n";
 * const { scores } = await runPhase(uribl({ zones: { "uri.example.org": 3 } }), "data", { dns, message });
 * assertEquals(scores, [{ points: 3, reason: "uribl: spam.example is listed by uri.example.org (127.0.0.2)" }]);
 * ```
 */
export const uribl: PluginFactory<z.input<typeof Options>, EdgePhases> = defineMessagePlugin({
  name: "uribl",
  options: Options,
  roles: ["mx", "edge"],
  create(options, { trouble }) {
    const lists = Object.entries(options.zones).map(([zone, entry]) => {
      const { weight, mask = null, addresses = false } = typeof entry === "number" ? { weight: entry } : entry;
      return new UriList({ zone: canonicalDomain(zone)!, weight, mask, addresses });
    });
    const allowed = new DomainSet(options.allow), exempt = new Networks(options.networks);

    async function listings(ctx: EdgeContext, targets: readonly LinkTarget[]): Promise<UriListing[]> {
      const asking = {
        dns: ctx.dns,
        signal: AbortSignal.any([ctx.signal, AbortSignal.timeout(options.timeout)]),
        now: ctx.now(),
        trouble,
      };
      const found = await Promise.all(
        lists.flatMap((list) =>
          targets.map(async (target) => {
            const { zone, weight } = list.settings, codes = await list.ask(target, asking);
            return codes.length === 0 ? [] : [{ zone, subject: target.subject, codes, weight }];
          })
        ),
      );
      return found.flat();
    }

    return {
      async data(ctx, next) {
        const { peer } = ctx;
        if (peer !== null && (peer.identity !== null || isLoopback(peer.ip) || exempt.has(peer.ip))) return next();
        const ours = DomainSet.of(ctx.host.domains);
        const targets = targetsIn(await messageContent(ctx.message))
          .filter(({ subject }) => !allowed.has(subject) && !ours.has(subject));
        const listed = targets.length === 0 ? [] : await listings(ctx, someOf(targets, options.most));
        ctx.set(URIBL, listed);
        ctx.note(
          targets.length === 0
            ? "It has no links to ask about"
            : listed.length === 0
            ? "No list knows where its links lead"
            : `Its links lead to what ${listed.length === 1 ? "a list knows" : "lists know"}`,
        );
        const told = new Set<string>(); // one list, one weight, however many hosts of the message it knows
        for (const { zone, subject, codes, weight } of listed) {
          if (told.has(zone)) continue;
          told.add(zone);
          ctx.score(weight, `uribl: ${subject} is listed by ${zone} (${codes.join(" ")})`);
        }
        return next();
      },
    };
  },
});
