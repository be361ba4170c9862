/**
 * The domain that answers for a message: only one that was authenticated, else anybody could spoil or borrow the name of
 * another. By its registered part, so that nobody has a fresh name for each message. Values only.
 */
import { type Context, type Lasting, registrableDomain } from "../../../core/pipeline/mod.ts";
import { DKIM } from "../../identity/dkim/key.ts";
import { DMARC } from "../../identity/dmarc/key.ts";
import { SPF } from "../../identity/spf/key.ts";

/** The author's domain (DMARC), else that of a signature that holds (DKIM), else the sender's (SPF); null: none. */
export function domainOf(ctx: Pick<Context<Lasting>, "get">): string | null {
  const dmarc = ctx.get(DMARC);
  if (dmarc?.result === "pass" && dmarc.domain !== null) return registrableDomain(dmarc.domain);
  const signature = ctx.get(DKIM)?.signatures.find(({ result, domain }) => result === "pass" && domain !== null);
  if (signature !== undefined) return registrableDomain(signature.domain!);
  const spf = ctx.get(SPF);
  return spf?.result === "pass" && spf.identity === "mailfrom" ? registrableDomain(spf.domain) : null;
}
