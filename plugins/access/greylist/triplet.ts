/**
 * What a greylist remembers a mail by: who sends (a network, or a domain that SPF vouches for), from whom, to whom; as
 * texts of bounded length. Pure but for the digest. Non-job: how long it is remembered (mod.ts).
 */
import { type Address, formatAddress, networkOf, registrableDomain } from "../../../core/pipeline/mod.ts";
import type { SpfFinding } from "../../identity/spf/key.ts";

/** Longer names are their digest, characters. */
const LONGEST = 200;

/** Before the domain that SPF vouches for. */
const SPF_NAME = "spf ";
/** A mechanism that everybody passes says nothing of a client. */
const EVERYBODY = /^[+?]?all$/i;

/**
 * Who sends: big sites come again from another of their hosts, and SPF says which are theirs. `spf` is of the sender's
 * domain; a pass for `all` vouches for nobody.
 */
export function clientOf(ip: string, spf: SpfFinding | undefined): string {
  const vouched = spf?.result === "pass" && spf.identity === "mailfrom" && !EVERYBODY.test(spf.mechanism ?? "");
  return vouched ? `${SPF_NAME}${spf.domain.toLowerCase().slice(0, 255)}` : networkOf(ip, { v4: 24, v6: 64 });
}

/** Whom a client counts to where what it leaves behind is bounded: nobody has a fresh name for each mail. */
export function crowdOf(client: string): string {
  const domain = client.startsWith(SPF_NAME) ? client.slice(SPF_NAME.length) : null;
  return domain === null ? client : `${SPF_NAME}${registrableDomain(domain) ?? domain}`;
}

/** Tags of return paths that say nothing of who it is: BATV (prvs, btv1), Proofpoint's. */
const TAG = /^(?:prvs|msprvs1|btv1)=+[^=]*=+/;

/**
 * A sender as it is from mail to mail: lists and shops write a number, a digest or the recipient into each return path.
 * What stands behind a `+` goes, and what looks counted becomes `#`.
 */
export function stableSender(sender: Address | null): string {
  if (sender === null) return "<>";
  const local = sender.local.toLowerCase().replace(TAG, ""), plus = local.indexOf("+");
  const name = plus > 0 ? local.slice(0, plus) : local;
  return `${name.replace(/[a-z0-9]+/g, (word) => isCounted(word) ? "#" : word)}@${sender.domain}`;
}

/** A number, a digest, a part of a UUID. */
function isCounted(word: string): boolean {
  return /[0-9]/.test(word) || (word.length === 4 || word.length >= 8) && /^[a-f]+$/.test(word);
}

/** The name of a triplet in the store. Local parts of ours are one mailbox whatever their case. */
export async function nameOf(client: string, sender: Address | null, recipient: Address): Promise<string> {
  const to = formatAddress({ local: recipient.local.toLowerCase(), domain: recipient.domain });
  const name = `${client} ${stableSender(sender)} ${to}`;
  if (name.length <= LONGEST) return name;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name));
  return `sha256:${new Uint8Array(digest).toHex()}`;
}
