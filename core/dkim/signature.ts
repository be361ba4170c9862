/**
 * What a DKIM-Signature or an ARC-Message-Signature says of itself (RFC 6376 3.5, RFC 8617 4.1.2, names in U-labels by
 * RFC 8616), checked as far as that can be done without its key (RFC 6376 6.1.1). Non-job: whether it holds (verify.ts).
 */
import { canonicalDomain } from "../model/domain.ts";
import type { Canonicalization } from "./canonical.ts";
import type { Algorithm } from "./private_key.ts";
import { base64Of, parseTagList, TagListError, withoutSpace } from "./tag_list.ts";

/** Why a signature cannot be checked: our words, nothing of the peer's in them. */
export class SignatureError extends Error {
  override readonly name = "SignatureError";
}

/** What any signed field says: who signed, with which key, and how. */
export interface SignerTags {
  readonly algorithm: Algorithm;
  /** d=, canonical. */
  readonly domain: string;
  /** s=, in lower case and A-labels. */
  readonly selector: string;
  /** b= */
  readonly signature: Uint8Array<ArrayBuffer>;
}
/** A signature over header fields and a body. */
export interface Signature extends SignerTags {
  /** Of header and body. */
  readonly canonicalization: readonly [Canonicalization, Canonicalization];
  /** h=, lower case, in its order. */
  readonly fields: readonly string[];
  /** bh= */
  readonly bodyHash: Uint8Array<ArrayBuffer>;
  /** l=; null: the whole body. */
  readonly limit: number | null;
}
/** What DKIM has besides. */
export interface DkimSignature extends Signature {
  /** i= as it stands there, or `@` and the domain. */
  readonly agent: string;
  /** The domain in it, canonical. */
  readonly agentDomain: string;
}

/** Milliseconds that a signer's clock may be ahead of ours, or behind. */
const SKEW = 5 * 60 * 1000;
/** Names in h=: no signer lists as many, and each is looked up. */
const MOST_FIELDS = 1000;

/** @throws {SignatureError} */
export function readTags(value: string): Map<string, string> {
  try {
    return parseTagList(value);
  } catch (error) {
    if (!(error instanceof TagListError)) throw error;
    throw new SignatureError(`the signature is no tag list: ${error.message}`);
  }
}

/** A DKIM-Signature. `now`: milliseconds since 1970. @throws {SignatureError} */
export function readDkimSignature(tags: ReadonlyMap<string, string>, now: number): DkimSignature {
  if (required(tags, "v") !== "1") throw new SignatureError("its version is not 1");
  const signature = readSignature(tags, { now, form: "simple/simple" }); // RFC 6376 3.5
  if (!signature.fields.includes("from")) throw new SignatureError("From is not signed"); // RFC 6376 6.1.1
  const methods = tags.get("q");
  if (methods !== undefined && !withoutSpace(methods).split(":").includes("dns/txt")) {
    throw new SignatureError("its key is nowhere that we can ask (q=)");
  }
  const agent = tags.get("i") ?? `@${signature.domain}`;
  const at = agent.lastIndexOf("@"), agentDomain = at < 0 ? null : canonicalDomain(withoutSpace(agent.slice(at + 1)));
  if (agentDomain === null) throw new SignatureError("i= names no domain");
  if (agentDomain !== signature.domain && !agentDomain.endsWith(`.${signature.domain}`)) {
    throw new SignatureError("i= is outside of d="); // RFC 6376 6.1.1
  }
  return { ...signature, agent, agentDomain };
}

/** How to read a signature. */
export interface ReadOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** c= where it is not said. */
  readonly form: string;
}

/** What DKIM and ARC's message signature share. @throws {SignatureError} */
export function readSignature(tags: ReadonlyMap<string, string>, { now, form }: ReadOptions): Signature {
  const signer = readSigner(tags);
  const fields = withoutSpace(required(tags, "h")).toLowerCase().split(":");
  if (fields.length > MOST_FIELDS) throw new SignatureError("it lists more fields than any mail has");
  const bodyHash = base64Of(required(tags, "bh"));
  if (bodyHash?.length !== 32) throw new SignatureError("bh= is no hash");
  const limit = tags.get("l");
  if (limit !== undefined && !/^\d{1,76}$/.test(limit)) throw new SignatureError("l= is no number");
  const made = timeOf(tags, "t"), end = timeOf(tags, "x");
  if (end !== null) {
    if (made !== null && end <= made) throw new SignatureError("it ends before it begins (x=, t=)");
    if (end * 1000 + SKEW < now) throw new SignatureError("it has expired");
  }
  if (made !== null && made * 1000 - SKEW > now) throw new SignatureError("it was made in the future");
  return {
    ...signer,
    canonicalization: formsOf(tags.get("c") ?? form),
    fields,
    bodyHash,
    limit: limit === undefined ? null : Number(limit),
  };
}

/** What every signed field has. @throws {SignatureError} */
export function readSigner(tags: ReadonlyMap<string, string>): SignerTags {
  const algorithm = required(tags, "a");
  if (algorithm === "rsa-sha1") throw new SignatureError("SHA-1 counts no more (RFC 8301 3.1)");
  if (algorithm !== "rsa-sha256" && algorithm !== "ed25519-sha256") {
    throw new SignatureError("its algorithm is unknown");
  }
  const domain = canonicalDomain(required(tags, "d"));
  if (domain === null) throw new SignatureError("d= is no domain");
  const selector = selectorOf(required(tags, "s"));
  if (selector === null || selector.length + domain.length > 240) throw new SignatureError("s= is no name for DNS");
  const signature = base64Of(required(tags, "b"));
  if (signature === null || signature.length === 0) throw new SignatureError("b= is no signature");
  return { algorithm, domain, selector, signature };
}

/** Seconds since 1970; null when the tag is not there. @throws {SignatureError} */
export function timeOf(tags: ReadonlyMap<string, string>, name: string): number | null {
  const text = tags.get(name);
  if (text === undefined) return null;
  if (!/^\d{1,12}$/.test(text)) throw new SignatureError(`${name}= is no time`); // 1*12DIGIT
  return Number(text);
}

function required(tags: ReadonlyMap<string, string>, name: string): string {
  const value = tags.get(name);
  if (value === undefined) throw new SignatureError(`${name}= is missing`);
  return value;
}

const FORMS: ReadonlySet<string> = new Set<Canonicalization>(["simple", "relaxed"]);

/** c=: simple for the body where one word stands alone. */
function formsOf(text: string): readonly [Canonicalization, Canonicalization] {
  const [header, body = "simple", more] = text.split("/");
  if (!FORMS.has(header!) || !FORMS.has(body) || more !== undefined) {
    throw new SignatureError("its form is unknown (c=)");
  }
  return [header, body] as [Canonicalization, Canonicalization];
}

/** In lower case and A-labels. Underscores are not in the grammar (RFC 6376 3.1) and are in use. */
export function selectorOf(text: string): string | null {
  if (/^[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9_])?$/i.test(text) && !text.includes("..")) return text.toLowerCase();
  return canonicalDomain(text);
}
