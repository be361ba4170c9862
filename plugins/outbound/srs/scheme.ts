/**
 * The Sender Rewriting Scheme: a return path of ours that leads back to somebody else's. `SRS0=HASH=DAY=domain=local@ours`
 * for a plain sender, `SRS1=HASH=host==...@ours` for one that another forwarder has rewritten, `SRS0=HASH=DAY==KEY@ours`
 * for one that is too long for a local part and is remembered instead. Web standards only. Non-job: when to rewrite.
 *
 * Only who wrote a path reads it, so the hash is ours to choose: HMAC-SHA-256, 30 bits of it in base32. It survives hosts
 * that fold the case of a local part, and is as long as the field's usual four characters of base64 plus two.
 */
import { type Address, formatAddress, parseAddress } from "../../../core/pipeline/mod.ts";

const MAX_LOCAL = 64; // octets as written, RFC 5321 4.5.3.1.1
const DAY = 86_400_000, DAYS = 1024; // two characters of base32
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HASH = 6, KEY = 16;

const PLAIN = /^SRS0[-+=]([^=]+)=([A-Z2-7]{2})=([^=]*)=(.+)$/is;
const AGAIN = /^SRS1[-+=]([^=]+)=([^=]+)=([-+=].+)$/is;
const OTHERS = /^SRS0([-+=].+)$/is;

/** What is too long is kept by the caller. */
export interface Memory {
  /** Null when it was never kept, or has ended. */
  recall(key: string): Promise<Address | null>;
  keep(key: string, sender: Address): Promise<void>;
}
export interface SchemeOptions {
  /** Domain of the paths. */
  readonly domain: string;
  /** The first signs, all are good for checking. */
  readonly secrets: readonly string[];
  /** Milliseconds that a path is good for. */
  readonly maxAge: number;
  readonly separator: "=" | "-" | "+";
}

/** True for an address that looks like a path of the scheme, whoever wrote it. */
export function isRewritten({ local }: Address): boolean {
  return /^SRS[01][-+=]/i.test(local);
}

const utf8 = new TextEncoder();

export class Scheme {
  readonly #keys: readonly Promise<CryptoKey>[];

  constructor(readonly options: SchemeOptions) {
    this.#keys = options.secrets.map((secret) =>
      crypto.subtle.importKey("raw", utf8.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
    );
  }

  /** A path of ours for mail from `sender`, at the moment `now`. */
  async forward(sender: Address, now: number, memory: Memory): Promise<Address> {
    const { domain, separator } = this.options;
    const again = AGAIN.exec(sender.local), others = OTHERS.exec(sender.local);
    if (again !== null || others !== null) {
      const [host, rest] = again ? [again[2]!, again[3]!] : [sender.domain, others![1]!];
      const path = { local: `SRS1${separator}${await this.#hash(0, host, rest)}=${host}=${rest}`, domain };
      if (fits(path)) return path;
    }
    const day = dayOf(now), head = `SRS0${separator}`;
    const path = {
      local: `${head}${await this.#hash(0, day, sender.domain, sender.local)}=${day}=${sender.domain}=${sender.local}`,
      domain,
    };
    if (fits(path)) return path;
    const key = base32(await this.#mac(0, ["kept", formatAddress(sender)]), KEY);
    await memory.keep(key, sender);
    return { local: `${head}${await this.#hash(0, day, "", key)}=${day}==${key}`, domain };
  }

  /** Whom a path of ours leads back to, or why it leads nowhere. */
  async back(path: Address, now: number, memory: Memory): Promise<Address | "forged" | "expired"> {
    const again = AGAIN.exec(path.local);
    if (again !== null) {
      const [, hash, host, rest] = again as unknown as [string, string, string, string];
      if (!await this.#fits(hash, host, rest)) return "forged";
      return parsed(`SRS0${rest}`, host) ?? "forged";
    }
    const plain = PLAIN.exec(path.local);
    if (plain === null) return "forged";
    const [, hash, day, domain, local] = plain as unknown as [string, string, string, string, string];
    if (!await this.#fits(hash, day.toUpperCase(), domain, local)) return "forged";
    if (this.#isOld(day, now)) return "expired";
    return domain === "" ? await memory.recall(local.toUpperCase()) ?? "expired" : parsed(local, domain) ?? "forged";
  }

  #isOld(day: string, now: number): boolean {
    const age = (Math.floor(now / DAY) - fromDay(day)) & (DAYS - 1);
    return age * DAY > this.options.maxAge && age !== DAYS - 1; // a clock a day behind the writer's
  }

  async #fits(hash: string, ...parts: string[]): Promise<boolean> {
    let good = false;
    for (let at = 0; at < this.#keys.length; at++) {
      good = isEqual(await this.#hash(at, ...parts), hash.toUpperCase()) || good;
    }
    return good;
  }

  /** Hosts on the way may fold the case of a local part: the hash does not see it. */
  async #hash(key: number, ...parts: string[]): Promise<string> {
    return base32(await this.#mac(key, parts.map((part) => part.toLowerCase())), HASH);
  }

  async #mac(key: number, parts: readonly string[]): Promise<Uint8Array> {
    const text = utf8.encode(parts.join("\0"));
    return new Uint8Array(await crypto.subtle.sign("HMAC", await this.#keys[key]!, text));
  }
}

function fits({ local }: Address): boolean {
  return utf8.encode(formatAddress({ local, domain: "" })).length <= MAX_LOCAL;
}

function parsed(local: string, domain: string): Address | null {
  return parseAddress(formatAddress({ local, domain }));
}

function dayOf(now: number): string {
  const day = Math.floor(now / DAY) & (DAYS - 1);
  return BASE32[day >> 5]! + BASE32[day & 31]!;
}
function fromDay(day: string): number {
  const [high, low] = [...day.toUpperCase()].map((char) => BASE32.indexOf(char)) as [number, number];
  return high << 5 | low;
}

function base32(octets: Uint8Array, length: number): string {
  let out = "", bits = 0, value = 0;
  for (let at = 0; out.length < length; at++) {
    value = value << 8 | octets[at]!;
    for (bits += 8; bits >= 5 && out.length < length; bits -= 5) out += BASE32[value >> bits - 5 & 31];
    value &= 0xff;
  }
  return out;
}

/** In a time that tells nothing of where they differ. */
function isEqual(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
