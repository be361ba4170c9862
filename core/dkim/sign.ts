/**
 * DKIM signatures of one content (RFC 6376 5, RFC 8301, RFC 8463). The body is read once, in pieces, whatever its size.
 * Never with l=: others could add to what was signed (case 55). Non-job: whose mail is signed, and for which domain.
 */
import { fold } from "../model/fold.ts";
import { HeaderSection } from "../model/headers.ts";
import { concat } from "../model/octets.ts";
import { canonicalField, type Canonicalization } from "./canonical.ts";
import { type Content, hashBodies } from "./content.ts";
import type { PrivateKey } from "./private_key.ts";
import { type SignedField, signedFields } from "./signed_fields.ts";

/** A key, and where its record is. Domain and selector in A-labels. */
export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  readonly key: PrivateKey;
}

/** How to sign. */
export interface SignOptions {
  /** Of header and body; relaxed both unless given. */
  readonly canonicalization?: readonly [header: Canonicalization, body: Canonicalization];
  /** The moment of the signature (t=), milliseconds since 1970. */
  readonly now: number;
  /** Milliseconds after which it counts no more (x=); none unless given. */
  readonly expire?: number | null;
  /** The domain, or one below it, that it is signed for (i=); not said unless given. */
  readonly agent?: string | null;
  /** Names of fields to sign besides those that always are. */
  readonly headers?: readonly string[];
}

/** Characters of a line that are aimed at. */
const LINE = 76;

/**
 * A field for each key, with its CRLF, to be put in front of the content. Null when no two readers need see the same
 * header in it: a line of it is no field, or there are more fields than any mail has.
 *
 * @throws what the stream or WebCrypto throws.
 */
export async function sign(
  content: Content,
  keys: readonly SigningKey[],
  options: SignOptions,
): Promise<string | null> {
  const { canonicalization = ["relaxed", "relaxed"], headers = [] } = options;
  const section = new HeaderSection(content.head);
  const fields = section.malformedAt === null ? signedFields(section, headers) : null;
  if (fields === null) return null;
  const [body] = await hashBodies(content, section.bodyStart, [{ form: canonicalization[1], limit: null }]);
  const bodyHash = body!.hash.toBase64();
  const hashed = hashInput(section, fields, canonicalization[0]);
  let out = "";
  for (const key of keys) {
    const unsigned = fieldOf(key, fields, { ...options, canonicalization, bodyHash });
    out += await signField(unsigned, key.key, { hashed, form: canonicalization[0] });
  }
  return out;
}

/** What is signed, and how its field is hashed. */
export interface SignInput {
  /** The fields of h= in their form. */
  readonly hashed: Uint8Array;
  readonly form: Canonicalization;
}

/** A field that ends in `b=` and no line end, with its signature (RFC 6376 3.7). */
export async function signField(unsigned: string, key: PrivateKey, input: SignInput): Promise<string> {
  const signature = await signatureOf(unsigned, key, input);
  const room = Math.max(0, LINE - (unsigned.length - unsigned.lastIndexOf("\n") - 1));
  let out = unsigned + signature.slice(0, room); // white space in b= counts for nothing
  for (let at = room; at < signature.length; at += LINE) out += `\r\n ${signature.slice(at, at + LINE)}`;
  return `${out}\r\n`;
}

/** What b= of a field without a line end, whose b= says nothing yet, has to say: base64. */
export async function signatureOf(unsigned: string, key: PrivateKey, { hashed, form }: SignInput): Promise<string> {
  const own = canonicalField(new TextEncoder().encode(`${unsigned}\r\n`), form);
  const data = concat([hashed, own.subarray(0, -2)]); // its own line end is not hashed
  return (await key.sign(data)).toBase64();
}

/** The fields as they are hashed, one after the other. */
export function hashInput(
  section: HeaderSection,
  fields: readonly SignedField[],
  form: Canonicalization,
): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  for (const { range } of fields) {
    if (range === null) continue;
    const piece = canonicalField(section.octets.subarray(range.start, range.end), form);
    pieces.push(piece);
    if (piece.at(-1) !== 10) pieces.push(Uint8Array.of(13, 10)); // the last line of a content without a body
  }
  return concat(pieces);
}

type FieldOptions = SignOptions & {
  readonly canonicalization: readonly [Canonicalization, Canonicalization];
  readonly bodyHash: string;
};

/** `DKIM-Signature: ...; b=`, folded (RFC 6376 3.5). */
function fieldOf(key: SigningKey, fields: readonly SignedField[], options: FieldOptions): string {
  const { canonicalization, now, expire = null, agent = null, bodyHash } = options;
  const time = Math.floor(now / 1000);
  const tags = [
    "v=1",
    `a=${key.key.algorithm}`,
    `c=${canonicalization.join("/")}`,
    `d=${key.domain}`,
    `s=${key.selector}`,
    ...agent === null ? [] : [`i=@${agent}`],
    `t=${time}`,
    ...expire === null ? [] : [`x=${time + Math.ceil(expire / 1000)}`],
    `h=${namesOf(fields)}`,
    `bh=${bodyHash}`,
    "b=",
  ];
  return fold(`DKIM-Signature: ${tags.join("; ")}`, { from: "DKIM-Signature: ".length, line: LINE }).slice(0, -2);
}

/** The value of h=: joined by colons, with a space, where it may be broken, after as many as a line holds. */
export function namesOf(fields: readonly SignedField[]): string {
  let out = "", line = 0;
  for (const { name } of fields) {
    if (out !== "") out += ":";
    if (line + name.length > LINE - "; h=:".length) {
      out += " ";
      line = 0;
    }
    out += name;
    line += name.length + 1;
  }
  return out;
}
