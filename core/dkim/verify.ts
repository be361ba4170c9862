/**
 * What the DKIM signatures of a message come to (RFC 6376 6.1, results of RFC 8601 2.7.1): at most ten of them, their keys
 * asked for together, one pass over the body for all. Never throws for anything that a signature, a record or name service
 * says. Non-job: what to do about it (the plugin dkim).
 */
import type { FieldRange } from "../model/headers.ts";
import { type BodyHashed, type Content, hashBodies, type WantedHash } from "./content.ts";
import { type KeyRecord, KeyRecordError, type KeyRecords } from "./public_key.ts";
import { recordName } from "./record.ts";
import { sha256 } from "./sha256.ts";
import {
  type DkimSignature,
  readDkimSignature,
  readTags,
  type Signature,
  SignatureError,
  type SignerTags,
} from "./signature.ts";
import { SignedHeader } from "./signed_header.ts";

/** RFC 8601 2.7.1 of one signature. */
export type SignatureVerdict = "pass" | "fail" | "neutral" | "policy" | "temperror" | "permerror";

/** One signature. What it says of itself stands here as it was found, whatever came of it: null where it cannot be read. */
export interface SignatureResult {
  readonly result: SignatureVerdict;
  /** Why it is no pass; null for a pass. Our own words, with nothing of the peer's in them. */
  readonly reason: string | null;
  /** d=, canonical: the domain that answers for the message. */
  readonly domain: string | null;
  /** i=, or `@` and the domain (RFC 6376 3.5). */
  readonly agent: string | null;
  /** s=, canonical. */
  readonly selector: string | null;
  /** a= */
  readonly algorithm: string | null;
  /** The first eight characters of b=, which tell signatures of one domain apart (RFC 6008 4). */
  readonly b: string | null;
  /** Names in h=, lower case. */
  readonly fields: readonly string[];
  /** With l=: how many octets of the canonical body it covers, and how many there are. Null: all, or nobody knows. */
  readonly limited: { readonly covered: number; readonly size: number } | null;
  /** The domain is only trying (t=y of its key): its failure is to count as if there were no signature. */
  readonly testing: boolean;
}
/** All of them. */
export interface Verified {
  /** In the order of their fields. */
  readonly signatures: readonly SignatureResult[];
  /** How many more there are, which nobody looked at. */
  readonly more: number;
}

/** How to ask for records, and what for. */
export interface KeyDoor {
  /**
   * The TXT records of a name; rejects when there are none: an error whose `temporary` is false says that there is no such
   * record, any other that nobody knows.
   */
  readonly txt: (name: string) => Promise<readonly string[]>;
  /** Records that were read before. */
  readonly records: KeyRecords;
}
export interface VerifyOptions extends KeyDoor {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Signatures that are looked at, the first ones; default: 10. */
  readonly most?: number;
}

/** Records of one name that are tried (RFC 6376 6.1.2 lets a verifier choose). */
const MOST_RECORDS = 4;
/** Keys among them that are tried: the old one and the new one. Each costs sums, and a chain of ARC has a hundred of them. */
const MOST_TRIED = 2;
const AGENT = 320;

/** What is known of a signature before its key is there. */
interface Readable {
  readonly field: FieldRange;
  readonly about: SignatureResult;
  readonly signature: DkimSignature;
}

/** @throws what the content's stream throws. */
export async function verify(content: Content, options: VerifyOptions): Promise<Verified> {
  const header = new SignedHeader(content.head), fields = header.named("dkim-signature");
  const read = fields.slice(0, options.most ?? 10).map((field) => readField(header, field, options.now));
  const readable = read.filter((each) => "signature" in each);
  const keys = new Keys(options);
  for (const { signature } of readable) keys.ask(signature); // while the body is hashed
  const hashes = await hashesOf(content, header.section.bodyStart, readable.map(({ signature }) => signature));
  const signatures = await Promise.all(
    read.map((each) => "signature" in each ? check(each, { header, keys, body: hashes.get(each.signature)! }) : each),
  );
  return { signatures, more: fields.length - read.length };
}

function readField(header: SignedHeader, field: FieldRange, now: number): Readable | SignatureResult {
  let tags = new Map<string, string>();
  try {
    tags = readTags(header.section.value(field));
    const signature = readDkimSignature(tags, now);
    return { field, about: aboutOf(tags, signature), signature };
  } catch (error) {
    return { ...aboutOf(tags, null), result: "permerror", reason: wordsOf(error, SignatureError) };
  }
}

/** What tells a signature from others, as far as it can be read. */
function aboutOf(tags: ReadonlyMap<string, string>, signature: DkimSignature | null): SignatureResult {
  const short = (tag: string, most: number) => tags.get(tag)?.slice(0, most) ?? null;
  return {
    result: "neutral",
    reason: null,
    domain: signature?.domain ?? short("d", 255)?.toLowerCase() ?? null,
    agent: signature?.agent.slice(0, AGENT) ?? short("i", AGENT),
    selector: signature?.selector ?? short("s", 255)?.toLowerCase() ?? null,
    algorithm: short("a", 40),
    b: tags.get("b")?.slice(0, 20).replace(/[ \t]/g, "").slice(0, 8) ?? null,
    fields: signature?.fields ?? [],
    limited: null,
    testing: false,
  };
}

/** The body's hash as each wants it; each hash is made once. */
export async function hashesOf(
  content: Content,
  start: number,
  signatures: readonly Signature[],
): Promise<Map<Signature, BodyHashed>> {
  const wanted = new Map<string, WantedHash>();
  const nameOf = ({ canonicalization: [, form], limit }: Signature) => `${form} ${limit}`;
  for (const each of signatures) wanted.set(nameOf(each), { form: each.canonicalization[1], limit: each.limit });
  const names = [...wanted.keys()];
  const hashes = names.length === 0 ? [] : await hashBodies(content, start, [...wanted.values()]);
  return new Map(signatures.map((each) => [each, hashes[names.indexOf(nameOf(each))]!]));
}

interface Surroundings {
  readonly header: SignedHeader;
  readonly keys: Keys;
  readonly body: BodyHashed;
}

/** RFC 6376 6.1.2, 6.1.3. */
async function check(
  { field, about, signature }: Readable,
  { header, keys, body }: Surroundings,
): Promise<SignatureResult> {
  const { canonicalization: [form], limit, fields } = signature;
  const limited = limit === null || limit === body.size
    ? null
    : { covered: Math.min(limit, body.size), size: body.size };
  const outcome = await keys.check(signature, {
    strictly: signature.agentDomain === signature.domain,
    digest: () => sha256(header.hashed(fields, field, form)),
    before: () => bodyFault(signature, body),
  });
  return { ...about, limited, ...outcome };
}

/** Why the body is not what was signed, or null. */
export function bodyFault({ limit, bodyHash }: Signature, body: BodyHashed): string | null {
  if (limit !== null && limit > body.size) return "the body is shorter than what was signed (l=)";
  return bodyHash.every((octet, at) => octet === body.hash[at]) ? null : "the body was changed";
}

/** How a signature is checked once its key is there. */
export interface Check {
  /** False: the key may not be one with t=s. */
  readonly strictly: boolean;
  /** What was signed. */
  readonly digest: () => Promise<Uint8Array<ArrayBuffer>>;
  /** What speaks against it whatever its key is; null: nothing. */
  readonly before: () => string | null;
}
/** What a check comes to. */
export interface Outcome {
  readonly result: Exclude<SignatureVerdict, "neutral" | "policy">;
  readonly reason: string | null;
  readonly testing: boolean;
}

/** The records of a message's signatures: each name is asked for once. */
export class Keys {
  readonly #asked = new Map<string, Promise<readonly string[] | Outcome>>();

  constructor(private readonly door: KeyDoor) {}

  /** Begins to ask for the key of a signature. */
  ask({ selector, domain }: SignerTags): Promise<readonly string[] | Outcome> {
    const name = recordName(domain, selector);
    let answer = this.#asked.get(name);
    if (answer === undefined) this.#asked.set(name, answer = this.#lookUp(name));
    return answer;
  }

  /** Whether the signature is its key's; of several records the first that fits it decides, or the one that says yes. */
  async check(signer: SignerTags, { strictly, digest, before }: Check): Promise<Outcome> {
    const texts = await this.ask(signer);
    if ("result" in texts) return texts;
    const fault = before();
    let worst: Outcome | null = null, hashed: Uint8Array<ArrayBuffer> | null = null, tried = 0;
    for (const text of texts.slice(0, MOST_RECORDS)) {
      const record = this.#read(text, signer);
      if ("result" in record) {
        worst ??= record;
        continue;
      }
      const { key, testing } = record;
      const said = (result: Outcome["result"], reason: string | null): Outcome => ({ result, reason, testing });
      if (record.strict && !strictly) worst = said("permerror", "i= is not the domain itself, as its key wants (t=s)");
      else if (fault !== null) worst = said("fail", fault);
      else if (++tried > MOST_TRIED) break;
      else if (await key.verify(signer.signature, hashed ??= await digest())) return said("pass", null);
      else worst = said("fail", "the signature is not that of what is here");
    }
    return worst ?? NO_KEY;
  }

  #read(text: string, { algorithm }: SignerTags): KeyRecord | Outcome {
    try {
      const record = this.door.records.parse(text);
      if (record.key.algorithm === algorithm) return record;
      return { result: "permerror", reason: "its key is of another kind (k=)", testing: record.testing };
    } catch (error) {
      return { result: "permerror", reason: wordsOf(error, KeyRecordError), testing: false };
    }
  }

  async #lookUp(name: string): Promise<readonly string[] | Outcome> {
    try {
      return await this.door.txt(name);
    } catch (error) {
      if ((error as { temporary?: unknown } | null)?.temporary === false) return NO_KEY; // RFC 6376 6.1.2
      return { result: "temperror", reason: "name service did not say what its key is", testing: false };
    }
  }
}

const NO_KEY: Outcome = { result: "permerror", reason: "there is no key for it", testing: false };

/** What was meant for others to read. @throws what is our own fault. */
export function wordsOf(error: unknown, kind: new (message: string) => Error): string {
  if (error instanceof kind) return error.message;
  throw error;
}
