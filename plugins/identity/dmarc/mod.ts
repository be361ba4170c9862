/**
 * DMARC after the last octet (RFC 9989): does what SPF and DKIM authenticated align with the author's domain, and what its
 * owner asks for if not. Leaves the finding under `DMARC`, attests it, does what the operator wants done, and counts for
 * the daily reports (RFC 9990). Non-job: SPF, DKIM and ARC themselves; failure reports (RFC 9991), which are never sent.
 */
import { z } from "zod";
import {
  canonicalDomain,
  defer,
  defineMessagePlugin,
  DomainSet,
  type EdgeContext,
  type EdgePhases,
  HeaderSection,
  isDomainPattern,
  isLoopback,
  type Job,
  type Message,
  Networks,
  parseAddress,
  parseAuthResults,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { ARC } from "../arc/key.ts";
import { DKIM } from "../dkim/key.ts";
import { inTime } from "../in_time.ts";
import { unchecked } from "../unchecked.ts";
import { SPF } from "../spf/key.ts";
import { authorOf } from "./author.ts";
import { count } from "./counts.ts";
import { evaluate, type Evaluation } from "./evaluate.ts";
import { DMARC, type DmarcFinding, type DmarcPolicy } from "./key.ts";
import { sendReports } from "./reporter.ts";
import { sentenceOf } from "./telling.ts";

export { DMARC, type DmarcFinding, type DmarcOverride, type DmarcPolicy, type DmarcResult } from "./key.ts";

const domain = z.string().refine(isDomainPattern, {
  error: (issue) => `"${issue.input}" is no domain, and no *.domain`,
});
const address = z.string().refine((text) => (parseAddress(text)?.domain ?? "") !== "", {
  error: (issue) => `"${issue.input}" is no address like dmarc@example.org`,
});

const Options = z.strictObject({
  quarantine: z.enum(["mark", "score", "hold"]).default("mark").describe(
    "What fails and whose owner asks for quarantine: only note it, add points, or keep it for a person",
  ),
  reject: z.enum(["mark", "score", "hold", "reject"]).default("mark").describe(
    "What fails and whose owner asks for rejection, and what names no author that could be checked",
  ),
  points: z.number().positive().default(4).describe("What `score` adds"),
  shown: z.enum(["mark", "score"]).default("mark").describe(
    "From shows an address of another domain in a display name or a comment",
  ),
  temperror: z.enum(["pass", "defer"]).default("pass").describe("Name service failed: go on, or ask to come again"),
  unknownPeer: z.enum(["permerror", "fail"]).default("permerror").describe(
    "Nobody has seen who brought it (an edge platform), so that SPF was not asked, and no signature passes: what that is worth",
  ),
  networks: z.array(network).default([]).describe("Clients that are not checked: relays of your own"),
  forwarders: z.array(network).default([]).describe("Clients that forward mail of others, which therefore may fail"),
  lists: z.array(domain).default([]).describe(
    "Mailing lists by the domains that SPF or DKIM vouches for: what they distribute may fail",
  ),
  arc: z.boolean().default(true).describe("What fails is excused where a trusted ARC chain says that it passed before"),
  reports: z.strictObject({
    from: address.describe("Where the mail comes from, and where bounces go: mail of that domain must pass DMARC"),
    organization: z.string().min(1).max(200).optional().describe("Who reports; the host's name unless said"),
    contact: z.string().min(1).max(200).optional().describe("Where questions go; `from` unless said"),
    limit: z.int().min(1).max(10_000).default(500).describe("Reports in a day, at most"),
  }).optional().describe("Daily reports to the domains that ask for them; none are sent without it"),
});
type Action = "mark" | "score" | "hold" | "reject";

const HOUR = 3_600_000;
/** Name service has so long in all, milliseconds: less than a plugin has. */
const TIME = 20_000;
/** Read at once up to here; of a larger message the first octets, which hold any header section that was let in. */
const HEAD = 256 * 1024, MAX_HEAD = 1024 * 1024;

/**
 * @example
 * ```ts
 * import { dmarc } from "./mod.ts";
 * const plugin = dmarc({ quarantine: "hold", reject: "reject", lists: ["lists.example.net"] });
 * ```
 */
export const dmarc: PluginFactory<z.input<typeof Options>, EdgePhases> = defineMessagePlugin({
  name: "dmarc",
  after: ["spf", "dkim", "arc"],
  options: Options,
  roles: ["mx", "edge"],
  create(options, setup) {
    const skipped = new Networks(options.networks), forwarders = new Networks(options.forwarders);
    const lists = new DomainSet(options.lists), { reports } = options;

    /** Why a failure is no reason to do what the owner asks; null: none. */
    function excuse(ctx: EdgeContext, author: string): DmarcFinding["override"] {
      if (ctx.peer !== null && forwarders.has(ctx.peer.ip)) return { type: "trusted_forwarder", comment: "" };
      const { spf, dkim } = authenticated(ctx);
      if ([spf, ...dkim].some((each) => each !== null && lists.has(each))) return { type: "mailing_list", comment: "" };
      const arc = options.arc ? ctx.get(ARC) : undefined;
      if (arc?.trusted && arc.results !== null && saysPass(arc.results, author)) {
        const sealers = arc.sealers.map(({ instance, domain }) => `as[${instance}].d=${domain}`);
        return { type: "local_policy", comment: `arc=pass ${sealers.slice(0, 3).join(" ")}` }; // RFC 8617 7.2.2
      }
      return isForPostmaster(ctx) ? { type: "local_policy", comment: "mail for postmaster" } : null;
    }

    /** What is to be done about it, and what a report says was done. */
    function decide(
      ctx: EdgeContext,
      { result, policy, softened }: Evaluation,
      author: string,
    ): { readonly action: Action } & Pick<DmarcFinding, "override" | "disposition"> {
      if (result === "pass") {
        return { action: "mark", override: null, disposition: policy === "none" ? "none" : "pass" };
      }
      const testing = softened ? { type: "policy_test_mode", comment: "" } as const : null;
      if (result !== "fail" || policy === null || policy === "none") {
        return { action: "mark", override: testing, disposition: "none" };
      }
      const override = excuse(ctx, author);
      if (override !== null) return { action: "mark", override, disposition: "none" };
      const action = options[policy], disposition = DISPOSITIONS[action];
      const ours = disposition === policy ? null : { type: "local_policy", comment: "" } as const;
      return { action, override: testing ?? ours, disposition };
    }

    /** Null: nothing against it. */
    function act(
      ctx: EdgeContext,
      action: Action,
      { text, reason }: { readonly text: string; readonly reason: string },
    ) {
      if (action === "reject") return reject("5.7.1", text, { reason }); // RFC 9989 7.2
      if (action === "hold") ctx.hold(reason);
      else if (action === "score") ctx.score(options.points, reason);
      return null;
    }

    async function check(ctx: EdgeContext) {
      const head = await headOf(ctx.message);
      const author = authorOf(head, { whole: head.length === ctx.message.size });
      if (author.domain === null) {
        const { problem, shown } = author;
        const finding = { ...UNCHECKED, shown, problem };
        ctx.set(DMARC, finding);
        ctx.note(sentenceOf(finding));
        ctx.attest({ method: "dmarc", result: "permerror", reason: problem });
        const action = isForPostmaster(ctx) ? "mark" : options.reject; // it would be the way around every policy
        return act(ctx, action, {
          text: `DMARC needs one author: ${problem}`,
          reason: `${sentenceOf(finding)} (dmarc=permerror)`,
        });
      }
      const found = await judge(ctx, author.domain, options.unknownPeer);
      const { result, published, policy, problem } = found;
      const { action, override, disposition } = decide(ctx, found, author.domain);
      const finding: DmarcFinding = {
        result,
        domain: author.domain,
        policyDomain: published?.domain ?? null,
        policy,
        spf: found.spf,
        dkim: found.dkim,
        shown: author.shown,
        override,
        disposition,
        problem,
      };
      ctx.set(DMARC, finding);
      const sentence = sentenceOf(finding);
      ctx.note(sentence);
      const why = problem ?? (override === null ? "" : `${override.type} ${override.comment}`.trimEnd());
      ctx.attest({
        method: "dmarc",
        result,
        ...why !== "" && { reason: why },
        properties: [
          ["header.from", author.domain],
          ...policy === null ? [] : [["policy.dmarc", policy] as const],
        ],
      });
      if (reports !== undefined && published !== null && ctx.peer !== null) { // a report is about addresses
        await remember(ctx, { ...found, ip: ctx.peer.ip }, { author: author.domain, override, disposition });
      }
      if (author.shown.length > 0 && options.shown === "score") {
        ctx.score(options.points, `From of ${author.domain} shows ${author.shown.join(", ")}`);
      }
      if (result === "temperror" && options.temperror === "defer") {
        return defer("4.4.3", `Name service failed while checking DMARC of ${author.domain}, try again later`, {
          reason: sentence,
        });
      }
      return act(ctx, action, {
        text: `Email rejected per DMARC policy for ${author.domain}`,
        reason: sentence,
      });
    }

    /** For the report of the day. Mail in the name of our own domains is no news to anybody. */
    async function remember(
      ctx: EdgeContext,
      { ip, published, spf, dkim }: Evaluation & { readonly ip: string },
      { author, override, disposition }: Pick<DmarcFinding, "override" | "disposition"> & { readonly author: string },
    ): Promise<void> {
      if (published === null || published.record.rua.length === 0) return;
      if (DomainSet.of(ctx.host.domains).has(published.domain)) return;
      const sender = ctx.get(SPF);
      const message = {
        ip,
        disposition,
        dkim: dkim.length > 0,
        spf,
        override,
        headerFrom: author,
        envelopeFrom: ctx.sender?.domain ?? "",
        signatures: (ctx.get(DKIM)?.signatures ?? []).flatMap(({ domain, selector, result }) =>
          domain === null || selector === null ? [] : [{ domain, selector, result }]
        ),
        sender: sender === undefined ? null : { domain: canonicalDomain(sender.domain) ?? "", result: sender.result },
      };
      try {
        await count(ctx.store, message, { published, now: ctx.now() });
      } catch (error) { // no mail waits for statistics
        setup.trouble(
          `a message is not in the report about ${published.domain}: ${error instanceof Error ? error.message : error}`,
        );
      }
    }

    const jobs: readonly Job[] = reports === undefined ? [] : [{
      name: "reports",
      every: HOUR,
      run: (house) =>
        sendReports(house, {
          from: parseAddress(reports.from)!,
          organization: reports.organization ?? house.host.name,
          contact: reports.contact ?? reports.from,
          limit: reports.limit,
        }),
    }];

    return {
      jobs,
      data(ctx, next) {
        const { peer } = ctx;
        if (peer !== null && (peer.identity !== null || isLoopback(peer.ip) || skipped.has(peer.ip))) {
          ctx.note(unchecked(peer));
          return next();
        }
        return check(ctx).then((refusal) => refusal ?? next());
      },
    };
  },
});

const DISPOSITIONS: Readonly<Record<Action, DmarcPolicy>> = {
  mark: "none",
  score: "quarantine",
  hold: "quarantine",
  reject: "reject",
};
const UNCHECKED: DmarcFinding = {
  result: "permerror",
  domain: null,
  policyDomain: null,
  policy: null,
  spf: false,
  dkim: [],
  shown: [],
  override: null,
  disposition: "none",
  problem: null,
};

/** Domains that something vouches for, and those of which nobody knows because name service failed. */
function authenticated(ctx: EdgeContext) {
  const sender = ctx.get(SPF), domain = sender === undefined ? null : canonicalDomain(sender.domain);
  const signatures = ctx.get(DKIM)?.signatures ?? [];
  const of = (result: string) =>
    signatures.flatMap((each) => each.result === result && each.domain !== null ? each.domain : []);
  return {
    spf: sender?.result === "pass" ? domain : null,
    dkim: of("pass"),
    undecided: [...sender?.result === "temperror" && domain !== null ? [domain] : [], ...of("temperror")],
  };
}

async function judge(ctx: EdgeContext, author: string, unknownPeer: "permerror" | "fail"): Promise<Evaluation> {
  const who = { author, ...authenticated(ctx) };
  const found = await inTime(TIME, ctx.signal, (signal) => evaluate(who, { dns: ctx.dns, signal }));
  if (found.result !== "fail") return found;
  // What was not looked at is not known, and must not be held against the message.
  const problem = ctx.get(DKIM) === undefined
    ? "signatures were not checked: dkim is not there"
    : ctx.peer === null && ctx.get(SPF) === undefined && unknownPeer === "permerror"
    ? "SPF was not checked: nobody has seen who brought it"
    : null;
  return problem === null ? found : { ...found, result: "permerror", policy: null, published: null, problem };
}

/** The first sealer, whom we trust, saw a pass of that very domain. */
function saysPass(results: string, author: string): boolean {
  return parseAuthResults(results)?.results.some(({ method, result, properties = [] }) =>
    method === "dmarc" && result === "pass" &&
    properties.some(([name, value]) => name === "header.from" && canonicalDomain(value) === author)
  ) ?? false;
}

/** Whoever has trouble with us must reach somebody (RFC 5321 4.5.1). */
function isForPostmaster({ recipients }: EdgeContext): boolean {
  return recipients.every(({ original }) => original.local.toLowerCase() === "postmaster");
}

/** The header section, and enough behind it where it has no end. */
async function headOf(message: Message): Promise<Uint8Array> {
  if (message.size <= MAX_HEAD) return await message.bytes({ max: MAX_HEAD });
  const head = new Uint8Array(MAX_HEAD);
  let size = 0, next = HEAD;
  for await (const chunk of message.stream()) {
    const part = chunk.subarray(0, MAX_HEAD - size);
    head.set(part, size);
    size += part.length;
    if (size === MAX_HEAD) break;
    if (size < next) continue;
    next *= 2;
    const section = new HeaderSection(head.subarray(0, size));
    if (section.malformedAt === null && section.bodyStart < size) break;
  }
  return head.subarray(0, size);
}
