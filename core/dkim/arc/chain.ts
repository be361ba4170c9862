/**
 * Whether a chain of ARC holds (RFC 8617 5.2): the sets whole and in order, the newest message signature true to the
 * message, every seal true to the sets before it. Never throws for anything that a message or name service says.
 * Non-job: whom to believe (the plugin arc), sealing (seal.ts).
 */
import type { Content } from "../content.ts";
import { Sha256, sha256 } from "../sha256.ts";
import { SignedHeader } from "../signed_header.ts";
import { bodyFault, hashesOf, type KeyDoor, Keys, type Outcome } from "../verify.ts";
import { type ArcSet, ChainError, type ChainValidation, countSets, readSets } from "./sets.ts";

/** What a chain comes to. */
export interface Chain {
  /** RFC 8617 4.4. */
  readonly cv: ChainValidation;
  /** Why it failed; null otherwise. Our words. */
  readonly reason: string | null;
  /** Name service failed: nothing is known against the chain, and later it may pass. */
  readonly temporary: boolean;
  /** The sets, the first hop's first; empty unless it passed. */
  readonly sets: readonly ArcSet[];
  /**
   * The lowest instance whose message signature, and every one behind it, still holds (RFC 8617 5.2, step 5); 0 when the
   * first one's does; null unless the chain passed.
   */
  readonly oldestPass: number | null;
}

/** How to look at a chain. */
export interface ChainOptions extends KeyDoor {
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** @throws what the content's stream throws. */
export async function verifyChain(content: Content, options: ChainOptions): Promise<Chain> {
  const header = new SignedHeader(content.head);
  if (countSets(header) === 0) return { cv: "none", reason: null, temporary: false, sets: [], oldestPass: null };
  try {
    const sets = readSets(header, options.now);
    const keys = new Keys(options);
    for (const { message, seal } of sets) {
      keys.ask(seal.says);
      if (message === sets.at(-1)!.message) keys.ask(message.says);
    }
    const fault = await newestFault(content, sets, { header, keys }) ?? await sealFault(sets, { header, keys });
    if (fault !== null) return failed(fault);
    return {
      cv: "pass",
      reason: null,
      temporary: false,
      sets,
      oldestPass: await oldestPass(content, sets, { header, keys }),
    };
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    return failed({ reason: error.message, temporary: false });
  }
}

interface Fault {
  readonly reason: string;
  readonly temporary: boolean;
}
interface Surroundings {
  readonly header: SignedHeader;
  readonly keys: Keys;
}

function failed({ reason, temporary }: Fault): Chain {
  return { cv: "fail", reason, temporary, sets: [], oldestPass: null };
}

function faultOf(what: string, { result, reason }: Outcome): Fault | null {
  return result === "pass" ? null : { reason: `${what}: ${reason}`, temporary: result === "temperror" };
}

/** RFC 8617 5.2, step 4. */
async function newestFault(content: Content, sets: readonly ArcSet[], around: Surroundings): Promise<Fault | null> {
  const newest = sets.at(-1)!;
  const [outcome] = await messageOutcomes(content, [newest], around);
  return faultOf(`message signature ${newest.instance}`, outcome!);
}

/** Whether each message signature is true to the message as it is. */
async function messageOutcomes(
  content: Content,
  sets: readonly ArcSet[],
  { header, keys }: Surroundings,
): Promise<Outcome[]> {
  const hashes = await hashesOf(content, header.section.bodyStart, sets.map(({ message }) => message.says));
  return await Promise.all(sets.map(({ message: { field, says } }) =>
    keys.check(says, {
      strictly: true,
      digest: () => sha256(header.hashed(says.fields, field, says.canonicalization[0])),
      before: () => bodyFault(says, hashes.get(says)!) ?? partly(says.limit, hashes.get(says)!.size),
    })
  ));
}

/** A seal vouches for a message, not for a part of it. */
function partly(limit: number | null, size: number): string | null {
  return limit === null || limit === size ? null : "it covers a part of the body (l=)";
}

/**
 * RFC 8617 5.2, step 6; 5.1.1 for what a seal covers: all sets up to its own, which are hashed once for all seals.
 */
async function sealFault(sets: readonly ArcSet[], { header, keys }: Surroundings): Promise<Fault | null> {
  const before = new Sha256();
  for (const { instance, results, message, seal } of sets) {
    for (const { field } of [results, message]) {
      for (const octets of header.canonical(field, "relaxed")) before.update(octets);
    }
    const own = before.clone();
    own.update(header.unsigned(seal.field, "relaxed"));
    const digest = own.digest();
    const outcome = await keys.check(seal.says, {
      strictly: true,
      digest: () => Promise.resolve(digest),
      before: () => null,
    });
    const fault = faultOf(`seal ${instance}`, outcome);
    if (fault !== null) return fault;
    for (const octets of header.canonical(seal.field, "relaxed")) before.update(octets);
  }
  return null;
}

/** Older message signatures that are looked at: they tell where a message was changed, and no more. */
const MOST_OLDER = 5;

async function oldestPass(content: Content, sets: readonly ArcSet[], around: Surroundings): Promise<number> {
  const older = sets.slice(Math.max(0, sets.length - 1 - MOST_OLDER), -1).toReversed();
  const outcomes = older.length === 0 ? [] : await messageOutcomes(content, older, around);
  const broken = outcomes.findIndex(({ result }) => result !== "pass");
  const holds = broken < 0 ? sets.length - older.length : sets.length - broken;
  return holds === 1 ? 0 : holds;
}
