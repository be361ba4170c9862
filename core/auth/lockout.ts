/**
 * Slows down and shuts out whoever guesses passwords (case 39), and never the user for what others did elsewhere.
 * It counts failures by account and place, and by network; the counts and the locks are durable, and all threads and
 * nodes count together. docs/operations.md, "Failed logins", has the rules in words.
 * Non-job: checking a password, waiting (both authentication.ts).
 *
 * The place of an attempt is the client's network, /24 or /48: a /48 holds as many sites (/56) as a /24 holds hosts, and
 * whoever wants one gets it for nothing. Once an account logged in from an address (IPv6: /64), that address is a place
 * of its own for the account, and its network a trusted one, for 30 days.
 */
import { isLoopback, networkOf, Networks } from "../model/ip.ts";
import type { Observer } from "../observe/events.ts";
import type { Counters } from "../store/store.ts";
import type { Pseudonyms } from "./pseudonym.ts";

/** Times in milliseconds. */
export interface LockoutSettings {
  /** The longest delay of one attempt; it doubles with each failure until then. */
  readonly delay: number;
  /** Failures of one account from one network before the two are locked out. */
  readonly failuresPerAccount: number;
  /** Failures from one network, whatever the account, before it is locked out. */
  readonly failuresPerPrefix: number;
  /** How long a failure counts. */
  readonly window: number;
  /** The first lock-out; each further one within a week lasts twice as long. */
  readonly lockout: number;
  /** The longest lock-out. */
  readonly longestLockout: number;
  /** Failures of one account from everywhere within `window` before a person is told. */
  readonly alert: number;
}
export const DEFAULT_LOCKOUT: LockoutSettings = {
  delay: 8000,
  failuresPerAccount: 10,
  failuresPerPrefix: 50,
  window: 3_600_000,
  lockout: 300_000,
  longestLockout: 86_400_000,
  alert: 100,
};
export interface LockoutOptions {
  readonly counters: Counters;
  readonly pseudonyms: Pseudonyms;
  /** Milliseconds since 1970. */
  now(): number;
  /** Told of alerts. */
  readonly emit: Observer;
  readonly settings?: LockoutSettings;
  /** Networks that speak for many users, such as a webmail's: never locked out as a whole. Loopback is one. */
  readonly trusted?: readonly string[];
  /** Attempts that may wait at the same time (default 1000). */
  readonly waiting?: number;
}

/** One try to log in. Give the same object to `before` and to what comes after it. */
export interface Attempt {
  readonly ip: string;
  /** The name as the client said it; empty where only a token says who it is. */
  readonly user: string;
}
/** How many milliseconds to wait before the check, or why there is none: 421 4.7.0, and no password is looked at. */
export type Verdict =
  | { readonly delay: number }
  /** `busy`: nobody has failed too often, too many are under way. */
  | { readonly refused: string; readonly busy: boolean };

/** What is known of an attempt's origin. */
interface Place {
  /** The account's index; null when there is no name. */
  readonly account: string | null;
  readonly network: string;
  /** What failures of the account are counted under: the network, or the address once it is known. */
  readonly here: string;
  /** The account logged in from this address, from this network, or from neither, in the last 30 days. */
  readonly known: "address" | "network" | null;
  /** Counts for the network too. */
  readonly shared: boolean;
  /** Milliseconds that `before` made it wait. */
  waited: number;
}

const MINUTE = 60, DAY = 86_400, REMEMBERED = 30 * DAY, WEEK = 7 * DAY; // seconds
const FIRST_DELAY = 500; // of the second failure
/** Longer than any attempt lasts. One that was never heard of again is forgotten with it. */
const UNDER_WAY = 5 * MINUTE;
/** How many more failures a place may have that the account logged in from: 100 in an hour, the most that NIST SP 800-63B allows in a row. */
const PATIENCE = 10;

export class Lockout {
  readonly #counters: Counters;
  readonly #pseudonyms: Pseudonyms;
  readonly #now: () => number;
  readonly #emit: Observer;
  readonly #settings: LockoutSettings;
  readonly #trusted: Networks;
  readonly #waiting: Waiting;
  readonly #window: number;
  readonly #places = new WeakMap<Attempt, Place>();

  constructor(options: LockoutOptions) {
    this.#counters = options.counters;
    this.#pseudonyms = options.pseudonyms;
    this.#now = options.now;
    this.#emit = options.emit;
    this.#settings = options.settings ?? DEFAULT_LOCKOUT;
    this.#trusted = new Networks(options.trusted ?? []);
    this.#waiting = new Waiting(options.waiting ?? 1000, this.#settings.delay);
    this.#window = this.#settings.window / 1000;
  }

  /** May this attempt be checked, and when? One of `failed`, `succeeded` and `abandoned` must follow if it may. */
  async before(attempt: Attempt): Promise<Verdict> {
    const place = await this.#placeOf(attempt);
    const { account, network, here, known, shared } = place;
    // First, so that attempts under way count as failed until they are not: else a hundred guesses at once would all pass.
    const underWay = account === null
      ? 0
      : await this.#counters.add(`auth:trying:${account} ${here}`, 1, { seconds: UNDER_WAY });
    const [networkLocked, locked, failed, networkFailed] = await Promise.all([
      shared ? this.#counters.get(`auth:lock:${network}`) : undefined,
      account === null ? undefined : this.#counters.get(`auth:lock:${account} ${here}`),
      account === null ? 0 : this.#read(`auth:failed:${account} ${here}`),
      shared ? this.#read(`auth:failed:${network}`) : 0,
    ]);
    let refused: string | null = null, busy = false;
    if (networkLocked !== undefined && known === null) refused = `${network} is locked out`;
    else if (locked !== undefined) refused = `the account is locked out from ${here}`;
    else if (failed + underWay > this.#limit(known)) {
      refused = `too many logins of the account at once from ${here}`;
      busy = true;
    }
    const { failuresPerAccount, failuresPerPrefix } = this.#settings;
    const own = this.#delay(failed);
    const common = known === "address"
      ? 0
      : networkLocked !== undefined
      ? this.#settings.delay
      : this.#delay(Math.floor(networkFailed * failuresPerAccount / failuresPerPrefix));
    place.waited = Math.max(own, common);
    if (refused === null && !this.#waiting.take(place.waited, this.#now())) {
      refused = "too many logins are waiting";
      busy = true;
    }
    if (refused !== null) {
      await this.#release(place);
      return { refused, busy };
    }
    this.#places.set(attempt, place);
    return { delay: place.waited };
  }

  /**
   * The password was wrong. Resolves when that is on disk, with the milliseconds to wait before the answer.
   * `exists`: whether there is such an account; null when nobody knows. The answer and its time do not depend on it.
   */
  async failed(attempt: Attempt, { exists }: { readonly exists: boolean | null }): Promise<{ readonly delay: number }> {
    const place = this.#places.get(attempt) ?? await this.#placeOf(attempt);
    const { account, network, here, known, shared } = place;
    const seconds = this.#window;
    const [failed, networkFailed, everywhere] = await Promise.all([ // in one write
      account === null ? 0 : this.#count(`auth:failed:${account} ${here}`, seconds),
      shared && known === null ? this.#count(`auth:failed:${network}`, seconds) : 0,
      account === null ? 0 : this.#counters.add(`auth:failed:${account}`, 1, { seconds }),
    ]);
    await Promise.all([
      this.#release(place),
      failed >= this.#limit(known) ? this.#lock(`${account} ${here}`, failed, known !== null) : null,
      networkFailed >= this.#settings.failuresPerPrefix ? this.#lock(network, networkFailed, false) : null,
      account !== null && exists !== false && everywhere >= this.#settings.alert
        ? this.#alert(account, exists ? attempt.user : this.#pseudonyms.of(attempt.user), everywhere)
        : null,
    ]);
    const delay = Math.max(0, this.#delay(failed) - place.waited);
    return { delay: this.#waiting.take(delay, this.#now()) ? delay : 0 };
  }

  /** The password was right: what failed here before is forgiven, and the account is known here from now on. */
  async succeeded(attempt: Attempt): Promise<void> {
    const place = this.#places.get(attempt) ?? await this.#placeOf(attempt);
    const { account, network, here } = place;
    if (account === null) return;
    const today = String(Math.floor(this.#now() / (DAY * 1000)));
    await Promise.all([
      this.#release(place),
      this.#forgive(`auth:failed:${account} ${here}`),
      this.#remember(`auth:known:${account} ${networkOf(attempt.ip)}`, today),
      this.#remember(`auth:known:${account} ${network}`, today),
    ]);
  }

  /** Nobody could say whether it was right: a back end that failed, a client that cancelled before it showed anything. */
  async abandoned(attempt: Attempt): Promise<void> {
    await this.#release(this.#places.get(attempt) ?? await this.#placeOf(attempt));
  }

  async #placeOf({ ip, user }: Attempt): Promise<Place> {
    const address = networkOf(ip), network = networkOf(ip, { v4: 24, v6: 48 });
    const account = user === "" ? null : this.#pseudonyms.index(user);
    const shared = !isLoopback(ip) && !this.#trusted.has(ip);
    if (account === null) return { account, network, here: network, known: null, shared, waited: 0 };
    const [byAddress, byNetwork] = await Promise.all([
      this.#counters.get(`auth:known:${account} ${address}`),
      this.#counters.get(`auth:known:${account} ${network}`),
    ]);
    const known = byAddress !== undefined ? "address" : byNetwork !== undefined ? "network" : null;
    return { account, network, here: known === "address" ? address : network, known, shared, waited: 0 };
  }

  #limit(known: Place["known"]): number {
    return this.#settings.failuresPerAccount * (known === null ? 1 : PATIENCE);
  }

  /** Of the answer to the last of so many failures: none for the first, then half a second, twice as long each time. */
  #delay(failures: number): number {
    return failures < 2 ? 0 : Math.min(this.#settings.delay, FIRST_DELAY * 2 ** (failures - 2));
  }

  async #read(name: string): Promise<number> {
    return Math.max(0, Number(await this.#counters.get(name) ?? 0));
  }

  /** One more, on disk. A disk that is full or broken ends no lock-out: the count in memory goes on. */
  async #count(name: string, seconds: number): Promise<number> {
    try {
      return await this.#counters.add(name, 1, { seconds, durable: true });
    } catch { // the store has told of it
      return Math.max(1, await this.#read(name));
    }
  }

  async #release({ account, here }: Place): Promise<void> {
    if (account !== null) await this.#subtract(`auth:trying:${account} ${here}`, 1, UNDER_WAY);
  }

  /** Takes back all, or `most`, and nothing that somebody else adds meanwhile. */
  async #forgive(name: string, most = Infinity): Promise<void> {
    const failures = Math.min(await this.#read(name), most);
    if (failures > 0) await this.#subtract(name, failures, this.#window);
  }

  /** Of a counter that may have ended since it was read: what is below nothing is given back. */
  async #subtract(name: string, amount: number, seconds: number): Promise<void> {
    const rest = await this.#counters.add(name, -amount, { seconds });
    if (rest < 0) await this.#counters.add(name, Math.min(amount, -rest), { seconds });
  }

  /**
   * A place that is not known is locked for longer each time, and begins anew then. One that is known stays where it is,
   * with one attempt a minute: its owner comes in again, and a neighbour behind the same address cannot guess for ever.
   */
  async #lock(what: string, failures: number, known: boolean): Promise<void> {
    const { lockout, longestLockout } = this.#settings;
    let seconds = MINUTE;
    if (!known) {
      const level = await this.#count(`auth:locks:${what}`, WEEK);
      seconds = Math.ceil(Math.min(longestLockout, lockout * 2 ** (level - 1)) / 1000);
    }
    await this.#keep(`auth:lock:${what}`, String(failures), seconds);
    await this.#forgive(`auth:failed:${what}`, known ? 1 : Infinity);
  }

  async #remember(name: string, today: string): Promise<void> {
    if (await this.#counters.get(name) !== today) await this.#keep(name, today, REMEMBERED);
  }

  async #keep(name: string, value: string, seconds: number): Promise<void> {
    try {
      await this.#counters.put(name, value, { seconds, durable: true });
    } catch { /* the store has told of it, and writes it when it can */ }
  }

  /** Once an hour for an account. */
  async #alert(account: string, subject: string, failures: number): Promise<void> {
    if (await this.#counters.add(`auth:alerted:${account}`, 1, { seconds: 60 * MINUTE }) > 1) return;
    const minutes = Math.round(this.#window / MINUTE);
    const message = `${failures} failed logins from everywhere within ${minutes} minutes`;
    this.#emit({ type: "alert", where: "auth", subject: subject.slice(0, 256), message });
  }
}

/** Whose wait is not over. Nobody says when one leaves: its place is free when its time is. */
class Waiting {
  readonly #limit: number;
  readonly #longest: number;
  #ends: number[] = [];

  constructor(limit: number, longest: number) {
    this.#limit = limit;
    this.#longest = longest;
  }

  take(delay: number, now: number): boolean {
    if (delay === 0) return true;
    if (this.#ends.length >= this.#limit) {
      this.#ends = this.#ends.filter((end) => end > now && end - now <= this.#longest); // also after the clock jumped
    }
    if (this.#ends.length >= this.#limit) return false;
    this.#ends.push(now + delay);
    return true;
  }
}
