/**
 * The ARC sets of a header (RFC 8617 4.2): three fields for each hop that sealed, held together by their i=. Whether the
 * sets are whole and in order is said here (RFC 8617 5.2, steps 1 to 3), whether their signatures hold in chain.ts.
 */
import type { FieldRange } from "../../model/headers.ts";
import {
  readSignature,
  readSigner,
  readTags,
  type Signature,
  SignatureError,
  type SignerTags,
  timeOf,
} from "../signature.ts";
import type { SignedHeader } from "../signed_header.ts";

/** RFC 8617 4.2.1. */
export const MOST_SETS = 50;

/** What a seal says of the chain before it (RFC 8617 4.1.3). */
export type ChainValidation = "none" | "pass" | "fail";

/** A field of a set, and what it says. */
export interface Part<T> {
  readonly field: FieldRange;
  readonly says: T;
}
export interface Seal extends SignerTags {
  readonly cv: ChainValidation;
}
/** What one hop added. */
export interface ArcSet {
  readonly instance: number;
  /** ARC-Authentication-Results: its text behind `i=N;`. */
  readonly results: Part<string>;
  /** ARC-Message-Signature */
  readonly message: Part<Signature>;
  /** ARC-Seal */
  readonly seal: Part<Seal>;
}

/** Why there is no whole chain: our words. */
export class ChainError extends Error {
  override readonly name = "ChainError";
}

/**
 * c= of a message signature that has none. RFC 8617 4.1.2 refers to DKIM, where it would be simple/simple; all that verify
 * chains read it so, and nobody who seals leaves it out.
 */
const FORM = "relaxed/relaxed";
const RESULTS = "arc-authentication-results", MESSAGE = "arc-message-signature", SEAL = "arc-seal";

/** How many sets a header seems to have: the highest number of fields of one name. 0: no ARC in it. */
export function countSets(header: SignedHeader): number {
  return Math.max(...[RESULTS, MESSAGE, SEAL].map((name) => header.named(name).length));
}

/**
 * The cv= of the newest seal, and its i=, as far as it can be read, whatever else is wrong with the chain; null without a
 * seal that says its i=.
 */
export function newestSeal(
  header: SignedHeader,
): { readonly instance: number; readonly cv: string | undefined } | null {
  let newest: { instance: number; cv: string | undefined } | null = null;
  for (const field of header.named(SEAL).slice(0, MOST_SETS + 1)) {
    try {
      const tags = readTags(header.section.value(field)), instance = instanceOf(tags.get("i"));
      if (newest === null || instance > newest.instance) newest = { instance, cv: tags.get("cv") };
    } catch { /* a seal of nobody */ }
  }
  return newest;
}

/** The highest i= of any field, as far as it can be read; 0 without one. Where none can be read but fields are there: 1. */
export function highestInstance(header: SignedHeader): number {
  let highest = countSets(header) > 0 ? 1 : 0;
  for (const name of [RESULTS, MESSAGE, SEAL]) {
    for (const field of header.named(name)) {
      const found = /(?:^|;)[ \t]{0,100}i[ \t]{0,100}=[ \t]{0,100}(\d{1,3})[ \t]{0,100}(?:;|$)/.exec(
        header.section.value(field).slice(0, 65_536),
      );
      highest = Math.max(highest, Number(found?.[1] ?? 0));
    }
  }
  return highest;
}

/**
 * The sets, the first hop's first. `now`: milliseconds since 1970.
 *
 * @throws {ChainError}
 */
export function readSets(header: SignedHeader, now: number): readonly ArcSet[] {
  const count = countSets(header);
  if (count > MOST_SETS) throw new ChainError(`there are more than ${MOST_SETS} sets`);
  if (newestSeal(header)?.cv === "fail") throw new ChainError("the newest seal says that the chain had failed before");
  const read = <T>(name: string, say: (value: string) => { readonly instance: number; readonly says: T }) => {
    const parts = new Map<number, Part<T>>();
    for (const field of header.named(name)) {
      const { instance, says } = said(name, () => say(header.section.value(field)));
      if (parts.has(instance)) throw new ChainError(`there are two ${name} with one i=`);
      parts.set(instance, { field, says });
    }
    return parts;
  };
  const results = read(RESULTS, readResults), messages = read(MESSAGE, (value) => readMessage(value, now));
  const seals = read(SEAL, readSeal);
  return Array.from({ length: count }, (_, at) => {
    const instance = at + 1;
    const [result, message, seal] = [results.get(instance), messages.get(instance), seals.get(instance)];
    if (!result || !message || !seal) throw new ChainError(`set ${instance} is not whole`);
    if (seal.says.cv !== (instance === 1 ? "none" : "pass")) throw new ChainError(`cv= of set ${instance} cannot be`);
    return { instance, results: result, message, seal };
  });
}

/** Says whose fault it is. */
function said<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    throw new ChainError(`${name}: ${error.message}`);
  }
}

/** `i=N; authserv-id; ...` (RFC 8617 4.1.1). */
function readResults(value: string) {
  const found = /^[ \t]{0,100}i[ \t]{0,100}=[ \t]{0,100}(\d{1,3})[ \t]{0,100};/.exec(value);
  if (found === null) throw new SignatureError("it does not begin with i=");
  return { instance: instanceOf(found[1]), says: value.slice(found[0].length).trim() };
}

function readMessage(value: string, now: number) {
  const tags = readTags(value), instance = instanceOf(tags.get("i")), says = readSignature(tags, { now, form: FORM });
  if (says.fields.includes(SEAL)) throw new SignatureError("it covers a seal"); // RFC 8617 4.1.2
  return { instance, says };
}

function readSeal(value: string) {
  const tags = readTags(value), instance = instanceOf(tags.get("i")), cv = tags.get("cv");
  if (cv !== "none" && cv !== "pass" && cv !== "fail") throw new SignatureError("cv= says nothing");
  if (tags.has("h") || tags.has("bh")) throw new SignatureError("it covers more than sets (h=, bh=)"); // RFC 8617 4.1.3
  timeOf(tags, "t");
  return { instance, says: { ...readSigner(tags), cv } as Seal };
}

function instanceOf(text: string | undefined): number {
  const instance = text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (instance < 1 || instance > MOST_SETS) throw new SignatureError(`i= is no number up to ${MOST_SETS}`);
  return instance;
}
