/**
 * Who is banned, in the store: an address (IPv6: its /64) or a network (/24, /56), until when and why. On disk before
 * anybody is told of it. Non-job: who deserves it (mod.ts).
 */
import { canonicalIp, type Counters, isIPv4, networkOf } from "../../../core/pipeline/mod.ts";

export interface Ban {
  /** `192.0.2.7`, `2001:db8::/64`, or a network. */
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly reason: string;
}

/** Bits of a network that several banned addresses of it ban as a whole. */
export const NETWORK = { v4: 24, v6: 56 } as const;
const PREFIX = "ban ";
const LONGEST_REASON = 200;

/**
 * The two names under which an address may be banned.
 *
 * @param ip canonical, as `ctx.client.ip`
 */
export function subjectsOf(ip: string): readonly [address: string, network: string] {
  return [networkOf(ip), networkOf(ip, NETWORK)];
}

/** The name of what a person wants to ban: an address, or a network as wide as these are. Null for all else. */
export function subjectIn(text: string): string | null {
  const [address = "", bits, more] = text.trim().split("/"), ip = canonicalIp(address);
  if (ip === null || more !== undefined) return null;
  const [one, network] = subjectsOf(ip);
  if (bits === undefined) return one;
  if (bits === String(isIPv4(ip) ? NETWORK.v4 : NETWORK.v6)) return network;
  return bits === (isIPv4(ip) ? "32" : "64") ? one : null;
}

export class Bans {
  readonly #store: Pick<Counters, "get" | "put" | "list">;
  readonly #now: () => number;

  constructor(store: Pick<Counters, "get" | "put" | "list">, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** The ban that an address is under, or null: two look-ups. */
  async of(ip: string): Promise<Ban | null> {
    const subjects = subjectsOf(ip);
    const [own, common] = await Promise.all(subjects.map((subject) => this.get(subject)));
    return own ?? common ?? null;
  }

  async get(subject: string): Promise<Ban | null> {
    return this.#read(subject, await this.#store.get(PREFIX + subject));
  }

  /**
   * Resolves when it is on disk. When it cannot be, it holds until the end of the process at least.
   *
   * @throws {StoreError} then (a rejection).
   */
  async put({ subject, until, reason }: Ban): Promise<void> {
    const line = reason.slice(0, LONGEST_REASON).replace(/[\p{C}\u2028\u2029]+/gu, " ");
    const seconds = Math.max(1, Math.ceil((until - this.#now()) / 1000));
    await this.#store.put(PREFIX + subject, `${until} ${line}`, { seconds, durable: true });
  }

  /** False when it was not there. Resolves when it is gone from disk too. */
  async remove(subject: string): Promise<boolean> {
    if (await this.get(subject) === null) return false;
    await this.#store.put(PREFIX + subject, "", { seconds: 1, durable: true }); // empty: not there, from now on
    return true;
  }

  /** In order of their names. */
  async list({ limit }: { readonly limit: number }): Promise<readonly Ban[]> {
    const found: Ban[] = [];
    let after: string | undefined = undefined;
    while (found.length < limit) {
      const wanted = limit - found.length;
      const rows = await this.#store.list({ prefix: PREFIX, limit: wanted, ...after === undefined ? {} : { after } });
      for (const { name, value } of rows) {
        const ban = this.#read(name.slice(PREFIX.length), value);
        if (ban !== null) found.push(ban);
      }
      if (rows.length < wanted) break;
      after = rows.at(-1)!.name;
    }
    return found;
  }

  #read(subject: string, value: string | undefined): Ban | null {
    if (value === undefined || value === "") return null;
    const space = value.indexOf(" "), until = Number(value.slice(0, space));
    return until > this.#now() ? { subject, until, reason: value.slice(space + 1) } : null;
  }
}
