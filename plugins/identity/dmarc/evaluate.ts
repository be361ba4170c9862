/**
 * The check itself: does something that was authenticated align with the author's domain, and what does its owner ask for
 * if not (RFC 9989 4.4, 4.10, 5.3). Name service is asked as little as the answer needs. Non-job: who the author is
 * (author.ts), what is done about it (mod.ts).
 */
import { DnsError, type Resolver } from "../../../core/pipeline/mod.ts";
import type { DmarcPolicy, DmarcResult } from "./key.ts";
import type { DmarcRecord } from "./record.ts";
import { type Published, TreeWalk } from "./tree_walk.ts";

/** What other checks found; domains in lower case and A-labels. */
export interface Authenticated {
  /** The author's domain. */
  readonly author: string;
  /** The domain of MAIL FROM that SPF passed for (of the HELO name for a null sender, RFC 7208 2.4). Null: none. */
  readonly spf: string | null;
  /** `d=` of the signatures that verify. */
  readonly dkim: readonly string[];
  /** Domains whose SPF or signature could not be checked because name service failed: they may have passed. */
  readonly undecided: readonly string[];
}

export interface Evaluation {
  readonly result: DmarcResult;
  /** Null without a record. */
  readonly published: Published | null;
  /** Should it fail; null without a record. */
  readonly policy: DmarcPolicy | null;
  /** The owner is testing, and a policy was made milder by it. */
  readonly softened: boolean;
  readonly spf: boolean;
  readonly dkim: readonly string[];
  readonly problem: string | null;
}

const NOTHING: Omit<Evaluation, "result"> = {
  published: null,
  policy: null,
  softened: false,
  spf: false,
  dkim: [],
  problem: null,
};
const UNDECIDED = "name service failed while SPF or a signature was checked";
/** Signing domains that are looked at. Whoever aligns is among the first: a stranger's thousand cost nothing. */
const MAX_DOMAINS = 50;

export interface EvaluateOptions {
  readonly dns: Pick<Resolver, "txt" | "a">;
  readonly signal: AbortSignal;
}

/** Never rejects for what name service does: that is a `temperror`. */
export async function evaluate(who: Authenticated, options: EvaluateOptions): Promise<Evaluation> {
  const walk = new TreeWalk(options.dns, options.signal);
  try {
    return await evaluateBy(walk, who, options);
  } catch (error) {
    if (!(error instanceof DnsError)) throw error;
    return { ...NOTHING, result: "temperror", problem: `name service failed (${error.fault})` }; // RFC 9989 5.3.6
  }
}

async function evaluateBy(walk: TreeWalk, who: Authenticated, options: EvaluateOptions): Promise<Evaluation> {
  const published = await walk.policy(who.author);
  if (published === null) return { ...NOTHING, result: "none" };
  const { record } = published;
  if (record.unusable) return { ...NOTHING, result: "permerror", problem: "the record has no policy that can be read" };
  const aligns = aligner(walk, who.author);
  let failure: DnsError | null = null;
  const holds = async (domain: string, strict: boolean): Promise<boolean> => {
    try {
      return await aligns(domain, strict);
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      failure = error;
      return false;
    }
  };
  const spf = who.spf !== null && await holds(who.spf, record.aspf === "s");
  const dkim: string[] = [];
  for (const domain of likely(who.dkim, who.author)) {
    if (await holds(domain, record.adkim === "s")) dkim.push(domain);
  }
  const passed = spf || dkim.length > 0; // one that aligns is enough, whatever the others were
  if (!passed) {
    if (failure !== null) throw failure;
    for (const domain of likely(who.undecided, who.author)) {
      if (await aligns(domain, false)) return { ...NOTHING, result: "temperror", problem: UNDECIDED };
    }
  }
  const asked = await askedPolicy(published, who.author, { ...options, matters: !passed });
  const policy = record.testing ? MILDER[asked] : asked; // t=y                                          RFC 9989 4.7
  return {
    result: passed ? "pass" : "fail",
    published,
    policy,
    softened: policy !== asked,
    spf,
    dkim,
    problem: null,
  };
}
const MILDER: Readonly<Record<DmarcPolicy, DmarcPolicy>> = { none: "none", quarantine: "none", reject: "quarantine" };

/** Whether a domain aligns with the author's. The organization is looked for only where names leave it open. */
function aligner(walk: TreeWalk, author: string): (domain: string, strict: boolean) => Promise<boolean> {
  return async (domain, strict) => {
    if (domain === author) return true; // RFC 9989 4.10.2: no walk is needed
    if (strict || !haveCommonEnd(domain, author)) return false;
    const organization = await walk.organization(author);
    // What is not at or below it cannot have the same: no walk up from there for a stranger's signatures.
    if (domain !== organization && !domain.endsWith(`.${organization}`)) return false;
    return await walk.organization(domain) === organization;
  };
}

/** The domains that may align, the author's own first. */
function likely(all: readonly string[], author: string): readonly string[] {
  const domains = [...new Set(all)].filter((domain) => haveCommonEnd(domain, author));
  return domains.sort((a, b) => Number(b === author) - Number(a === author)).slice(0, MAX_DOMAINS);
}

/** The last label at least; without one two domains have nothing in common. */
function haveCommonEnd(a: string, b: string): boolean {
  return a.slice(a.lastIndexOf(".") + 1) === b.slice(b.lastIndexOf(".") + 1);
}

/** p, sp or np (RFC 9989 4.10.1). Whether the author's domain exists is asked only where the answer makes a difference. */
async function askedPolicy(
  { domain, record }: { readonly domain: string; readonly record: DmarcRecord },
  author: string,
  { dns, signal, matters }: EvaluateOptions & { readonly matters: boolean },
): Promise<DmarcPolicy> {
  if (domain === author) return record.p;
  const existing = record.sp ?? record.p, missing = record.np ?? existing;
  if (existing === missing || !matters) return existing;
  try {
    await dns.a(author, { signal });
    return existing;
  } catch (error) {
    if (!(error instanceof DnsError) || error.temporary) throw error;
    return error.fault === "nxdomain" ? missing : existing; // no data is a name that exists                    RFC 8020
  }
}
