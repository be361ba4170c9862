/**
 * Signed return paths (BATV, draft-levine-smtp-batv, PRVS): `prvs=KDDDSSSSSS=local@domain`. K is the number of the key, DDD
 * the last day on which it counts, SSSSSS the first three octets of HMAC-SHA-1 over K, DDD and the address. Exim writes
 * and reads the same. Web standards only. Non-job: whose addresses are signed, what a bad one means (mod.ts).
 */
import { type Address, formatAddress } from "../../../core/pipeline/mod.ts";

const DAY = 86_400_000, DAYS = 1000;
const MAX_LOCAL = 64; // octets as written, RFC 5321 4.5.3.1.1
const FORM = /^prvs=([0-9])([0-9]{3})([0-9a-f]{6})=(.+)$/is;

/** What a tag came to: the address without it, and whether it counts still. */
export interface Read {
  readonly address: Address;
  /** The last day on which it counts, in days since 1970 UTC. */
  readonly expires: number;
  readonly expired: boolean;
}
export interface TagsOptions {
  /** The first signs, all are good for checking. */
  readonly secrets: readonly string[];
  /** The number of the first, 0 to 9: it is shown, and the hash covers it. */
  readonly key: number;
  /** How long a tag counts, in days beside today. */
  readonly days: number;
}

const utf8 = new TextEncoder();

export class Tags {
  readonly #keys: readonly Promise<CryptoKey>[];

  constructor(readonly options: TagsOptions) {
    this.#keys = options.secrets.map((secret) =>
      crypto.subtle.importKey("raw", utf8.encode(secret), { name: "HMAC", hash: "SHA-1" }, false, ["sign"])
    );
  }

  /** The address with a tag that was made at the moment `now`. */
  async sign(address: Address, now: number): Promise<Address> {
    const { key, days } = this.options;
    const head = `${key}${String((dayOf(now) + days) % DAYS).padStart(3, "0")}`;
    return { local: `prvs=${head}${await this.#hash(0, head, address)}=${address.local}`, domain: address.domain };
  }

  /** What is signed here: null for an address whose tag is not ours, or that has none. */
  async read({ local, domain }: Address, now: number): Promise<Read | null> {
    const found = FORM.exec(local);
    if (found === null) return null;
    const [, key, day, hash, own] = found as unknown as [string, string, string, string, string];
    const address = { local: own, domain };
    let good = false;
    for (let at = 0; at < this.#keys.length; at++) {
      good = isEqual(await this.#hash(at, `${key}${day}`, address), hash.toLowerCase()) || good;
    }
    if (!good) return null;
    const today = dayOf(now), left = (Number(day) - today % DAYS + DAYS) % DAYS;
    // One day more for a clock that is ahead of ours. What is far ahead in a circle of 1000 days lies behind
    const expired = left > this.options.days + 1;
    return { address, expires: today + (expired ? left - DAYS : left), expired };
  }

  /** Hosts on the way may fold the case of a local part: the hash does not see it. */
  async #hash(at: number, head: string, { local, domain }: Address): Promise<string> {
    const text = utf8.encode(`${head}${formatAddress({ local: local.toLowerCase(), domain })}`);
    return new Uint8Array(await crypto.subtle.sign("HMAC", await this.#keys[at]!, text)).subarray(0, 3).toHex();
  }
}

/** False for an address that has no room for a tag: it is neither signed nor asked for one. */
export function hasRoom({ local }: Address): boolean {
  const tagged = `prvs=0000000000=${local}`;
  return utf8.encode(formatAddress({ local: tagged, domain: "" })).length <= MAX_LOCAL;
}

function dayOf(now: number): number {
  return Math.floor(now / DAY);
}

/** In a time that tells nothing of where they differ. */
function isEqual(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
