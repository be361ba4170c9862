/**
 * What stands for a login name where the name itself must not: people type passwords there (SEMANTICS 28), and a name of
 * 64 KB is no key for a counter. A keyed hash, one key per data folder: a log that leaves the machine can be searched for
 * one visitor over months, and guessed back into names by nobody. Non-job: when to use the name itself.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";
import type { Counters } from "../store/store.ts";

/** Longer than any account's name; what is longer is one and the same name. */
const LONGEST = 512;
/** In the store, where every thread and node finds it. Written anew at each start: entries end. */
const KEY = "auth:pseudonym key", TEN_YEARS = 10 * 365 * 86_400;

export class Pseudonyms {
  readonly #key: Uint8Array;

  /** `key`: octets that nobody can guess. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * With the store's key, made when there is none. Of two nodes that make it in the same moment the later one wins: the
   * other one's names differ until its next start, and nothing else does.
   */
  static async open(counters: Counters): Promise<Pseudonyms> {
    const key = await counters.get(KEY) ?? randomBytes(32).toString("hex");
    await counters.put(KEY, key, { seconds: TEN_YEARS, durable: true });
    return new Pseudonyms(Buffer.from(await counters.get(KEY) ?? key, "hex"));
  }

  /** For people: `user#3fa9c1`. */
  of(user: string): string {
    return `user#${this.index(user).slice(0, 6)}`;
  }

  /**
   * For counters: 128 bits in hex. One for all the ways to write a name: case, compatibility forms and white space, which
   * a directory may overlook (RFC 4518 2.6), do not count.
   */
  index(user: string): string {
    const name = user.slice(0, LONGEST).normalize("NFKC").toLowerCase().replace(/\s+/g, " ").trim();
    return createHmac("sha256", this.#key).update(name).digest("hex").slice(0, 32);
  }
}
