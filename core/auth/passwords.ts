/**
 * Checks passwords against what is stored for them, and makes what is stored: scrypt (RFC 7914) and SCRAM's keys
 * (RFC 5802). Off this thread, a bounded number at once. What a client logs in with again and again is remembered for a
 * minute, as a digest that is worth nothing outside of this process. Figures: docs/decisions/passwords.md.
 * Non-job: SASLprep, who the user is, how often one may try (lockout.ts).
 */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import {
  formatScryptHash,
  parseScryptHash,
  SCRYPT_COST,
  SCRYPT_LENGTH,
  SCRYPT_SALT,
  type ScryptCost,
  scryptMemory,
} from "../model/scrypt_hash.ts";
import type { Passwords } from "../smtp/sasl/mechanism.ts";
import { deriveScramKeys, formatScramKeys, parseScramKeys } from "../smtp/sasl/scram_keys.ts";
import { HashLine } from "./hash_line.ts";

export { PasswordsBusy } from "./hash_line.ts";

export interface PasswordsOptions {
  /** Checks at once. Default: one a core, at least two. */
  readonly running?: number;
  /** Checks that wait behind them; one more is refused. Default: 64. */
  readonly waiting?: number;
  /** Milliseconds that a password which was right is known to be so. Default: a minute; 0: not at all. */
  readonly remember?: number;
  /** A clock that never goes back, in milliseconds. */
  readonly now?: () => number;
}

/** Passwords that are remembered at once. */
const MOST = 1000;
/** RFC 7677 4: the rule of thumb of its time. More would be the client's work, not ours: docs/decisions/passwords.md. */
const SCRAM_ITERATIONS = 15_000;
const SCRAM_SALT = 16;

/** Passwords that are checked on threads of their own, in line. One for a process. */
export class ScryptPasswords implements Passwords {
  readonly #line: HashLine;
  readonly #remember: number;
  readonly #now: () => number;
  readonly #secret = randomBytes(32);
  /** Digest of password and stored form, to the time when it is forgotten; the oldest first. */
  readonly #right = new Map<string, number>();
  /** What is being checked now: who asks the same meanwhile gets the same answer. */
  readonly #flights = new Map<string, Promise<boolean>>();

  constructor(options: PasswordsOptions = {}) {
    const { running = Math.max(2, availableParallelism()), waiting = 64, remember = 60_000 } = options;
    this.#line = new HashLine({ running, waiting });
    this.#remember = remember;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Whether `password`, prepared by SASLprep, is the one behind `stored`. False for a stored form that is none.
   *
   * @throws {PasswordsBusy} when too many wait already.
   */
  matches(password: string, stored: string): Promise<boolean> {
    const check = checkOf(stored);
    if (check === null) return Promise.resolve(false);
    const digest = createHmac("sha256", this.#secret).update(stored).update("\0").update(password).digest("base64");
    if ((this.#right.get(digest) ?? -Infinity) > this.#now()) return Promise.resolve(true);
    const flight = this.#flights.get(digest);
    if (flight !== undefined) return flight;
    // Wrong ones are never remembered: each costs its guesser the whole time, whoever the user is.
    const checking = this.#line.run(stored, () => check(password)).then((right) => {
      if (right && this.#remember > 0) this.#keep(digest);
      return right;
    }).finally(() => this.#flights.delete(digest));
    this.#flights.set(digest, checking);
    return checking;
  }

  #keep(digest: string): void {
    const now = this.#now();
    this.#right.delete(digest);
    for (const [old, until] of this.#right) {
      if (until > now && this.#right.size < MOST) break;
      this.#right.delete(old);
    }
    this.#right.set(digest, now + this.#remember);
  }
}

/** How to check a password against this; null where it is nothing that a password can be checked against. */
function checkOf(stored: string): ((password: string) => Promise<boolean>) | null {
  const hash = parseScryptHash(stored);
  if (hash !== null) {
    return async (password) => timingSafeEqual(await derive(password, hash.salt, hash.hash.length, hash), hash.hash);
  }
  const keys = parseScramKeys(stored);
  if (keys === null) return null;
  return async (password) => timingSafeEqual((await deriveScramKeys(password, keys)).storedKey, keys.storedKey);
}

export interface HashOptions {
  /** Octets that nobody can guess. */
  readonly random: (length: number) => Uint8Array<ArrayBuffer>;
}

/** What to store of a new password, prepared by SASLprep: `$scrypt$...`. */
export async function hashPassword(password: string, { random }: HashOptions): Promise<string> {
  const salt = random(SCRYPT_SALT);
  const hash = await derive(password, salt, SCRYPT_LENGTH, SCRYPT_COST);
  return formatScryptHash({ ...SCRYPT_COST, salt, hash });
}

/** What to store of it for clients that prove it by SCRAM and never tell it: `SCRAM-SHA-256$...`. */
export async function scramOfPassword(password: string, { random }: HashOptions): Promise<string> {
  return formatScramKeys(await deriveScramKeys(password, { iterations: SCRAM_ITERATIONS, salt: random(SCRAM_SALT) }));
}

function derive(
  password: string,
  salt: Uint8Array,
  length: number,
  cost: ScryptCost,
): Promise<Uint8Array<ArrayBuffer>> {
  const { ln, r, p } = cost;
  return new Promise((resolve, reject) =>
    scrypt(
      password,
      salt,
      length,
      { N: 2 ** ln, r, p, maxmem: 2 * scryptMemory(cost) },
      (error, key) => error ? reject(error) : resolve(Uint8Array.from(key)),
    )
  );
}
