/**
 * One set more for a chain (RFC 8617 5.1): what this site found, a signature over the message as it goes on, a seal over
 * the chain. A chain that is broken is sealed as such, alone and once. Non-job: whether to seal, whether a chain holds.
 */
import { fold } from "../../model/fold.ts";
import type { HeaderSection } from "../../model/headers.ts";
import { concat } from "../../model/octets.ts";
import { type Content, hashBodies } from "../content.ts";
import { hashInput, namesOf, signatureOf, type SigningKey } from "../sign.ts";
import { type SignedField, signedFields } from "../signed_fields.ts";
import { SignedHeader } from "../signed_header.ts";
import {
  type ArcSet,
  ChainError,
  type ChainValidation,
  highestInstance,
  MOST_SETS,
  newestSeal,
  readSets,
} from "./sets.ts";

export interface SealOptions {
  readonly key: SigningKey;
  /** What became of the chain that is there; `none`: there is none. */
  readonly cv: ChainValidation;
  /** Who says so: the authserv-id. */
  readonly host: string;
  /** What it found, as `ownResults` gives it. */
  readonly results: readonly string[];
  /** The moment of the seal (t=), milliseconds since 1970. */
  readonly now: number;
  /** Which fields are signed; null: none can be. Default: `signedFields` and the DKIM signatures. */
  readonly fields?: (section: HeaderSection) => readonly SignedField[] | null;
  /** In which order the tags of a field stand; default: i= first, as RFC 8617 4.1.2 and 4.1.3 have it. */
  readonly order?: readonly string[];
}

const ORDER = ["i", "a", "cv", "c", "d", "s", "t", "h", "bh", "b"];
const LINE = 76;
const sealedFields = (section: HeaderSection) => signedFields(section, ["DKIM-Signature"]);
const encoder = new TextEncoder();

/**
 * The three fields of a set, with their CRLF, to be put in front of the content. Null when the chain has ended (its newest
 * seal says fail, or it has fifty sets), or when no two readers need see the same header in the content.
 *
 * @throws what the stream or WebCrypto throws.
 */
export async function seal(content: Content, options: SealOptions): Promise<string | null> {
  const header = new SignedHeader(content.head), { section } = header;
  const instance = highestInstance(header) + 1;
  if (instance > MOST_SETS || section.malformedAt !== null || newestSeal(header)?.cv === "fail") return null;
  const { key: { domain, selector, key }, host, now } = options;
  const { cv, sets } = chainOf(header, options);
  const fields = (options.fields ?? sealedFields)(section);
  if (fields === null) return null;
  const [body] = await hashBodies(content, section.bodyStart, [{ form: "relaxed", limit: null }]);
  const results = options.results.length === 0 ? ["none"] : options.results;
  const found = folded("ARC-Authentication-Results", [`i=${instance}`, host, ...results].join("; "));
  const { order = ORDER } = options,
    common = {
      i: instance,
      a: key.algorithm,
      d: domain,
      s: selector,
      t: Math.floor(now / 1000),
    };
  const message = await signed("ARC-Message-Signature", {
    tags: { ...common, c: "relaxed/relaxed", h: namesOf(fields), bh: body!.hash.toBase64() },
    order,
    sign: (unsigned) => signatureOf(unsigned, key, { hashed: hashInput(section, fields, "relaxed"), form: "relaxed" }),
  });
  const own = new SignedHeader(encoder.encode(found + message));
  const chain = concat([
    ...sets.flatMap((set) =>
      [set.results, set.message, set.seal].flatMap(({ field }) => header.canonical(field, "relaxed"))
    ),
    ...own.section.fields.flatMap((field) => own.canonical(field, "relaxed")),
  ]);
  const sealed = await signed("ARC-Seal", {
    tags: { ...common, cv },
    order,
    sign: (unsigned) => signatureOf(unsigned, key, { hashed: chain, form: "relaxed" }),
  });
  return sealed + message + found;
}

/** What the seal says of the chain, and which sets it covers: of a broken one none but its own (RFC 8617 5.1.2). */
function chainOf(header: SignedHeader, { cv, now }: SealOptions): { cv: ChainValidation; sets: readonly ArcSet[] } {
  if (highestInstance(header) === 0) return { cv: "none", sets: [] };
  if (cv !== "pass") return { cv: "fail", sets: [] };
  try {
    return { cv, sets: readSets(header, now) };
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    return { cv: "fail", sets: [] }; // it was whole when it came
  }
}

interface Unsigned {
  /** All but b= */
  readonly tags: Readonly<Record<string, string | number>>;
  readonly order: readonly string[];
  readonly sign: (unsigned: string) => Promise<string>;
}

/** Its b= is one word, since what seals it covers the spaces in it, and shorter than a line may be by law. */
async function signed(name: string, { tags, order, sign }: Unsigned): Promise<string> {
  const list = order.filter((tag) => tag === "b" || tag in tags).map((tag) => `${tag}=${tags[tag] ?? ""}`);
  const unsigned = folded(name, list.join("; ")).slice(0, -2);
  const at = /(?<=[;\s]b=)(?=;|$)/.exec(unsigned)!.index;
  return `${unsigned.slice(0, at)}${await sign(unsigned)}${unsigned.slice(at)}\r\n`;
}

function folded(name: string, value: string): string {
  // deno-lint-ignore no-control-regex
  const clean = value.replace(/[\x00-\x08\x0a-\x1f\x7f]+/g, " ");
  return fold(`${name}: ${clean}`, { from: name.length + 2, line: LINE });
}
