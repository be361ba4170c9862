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
/** Who makes it has so many seconds; then it is another one's turn. Milliseconds between two looks at whether it is there. */
const TURN = 10, LOOK = 50;

export class Pseudonyms {
  readonly #key: Uint8Array;

  /** `key`: octets that nobody can guess. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * With the store's key, made when there is none. Of nodes that start together one makes it and the others wait for it:
   * with keys of their own they would count the failures of an account under two names, and lock it out late.
   */
  static async open(counters: Counters): Promise<Pseudonyms> {
    let key = await counters.get(KEY);
    while (key === undefined) {
      if (await counters.add(`${KEY} turn`, 1, { seconds: TURN }) === 1) key = randomBytes(32).toString("hex");
      else {
        await new Promise((resolve) => setTimeout(resolve, LOOK));
        key = await counters.get(KEY);
      }
    }
    await counters.put(KEY, key, { seconds: TEN_YEARS, durable: true });
    return new Pseudonyms(Buffer.from(key, "hex"));
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
