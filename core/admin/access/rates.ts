/**
 * How often requests come: so many of one token and of one network in so long, by fixed windows in bounded memory. The peers
 * of this machine are not counted, unless an operator says how many are allowed. Non-job: wrong tokens (session.ts).
 */
import { canonicalIp, isLoopback, networkOf } from "../../model/ip.ts";
import type { Rate } from "../../model/units.ts";
import { Problem } from "../problem.ts";

const MAX_KEYS = 10_000;

export interface RequestRatesOptions {
  /** Null: any number. */
  readonly rate: Rate | null;
  /** Peers on this machine count too. */
  readonly loopback: boolean;
  readonly now: () => number;
}

export class RequestRates {
  readonly #options: RequestRatesOptions;
  readonly #windows = new Map<string, { count: number; until: number }>();

  constructor(options: RequestRatesOptions) {
    this.#options = options;
  }

  /** @throws {Problem} 429 when the peer's network has had its share. */
  ofNetwork(remote: string): void {
    this.#count(`ip ${networkOf(canonicalIp(remote) ?? remote, { v6: 64 })}`, remote);
  }
  /** @throws {Problem} 429 when the token has. */
  ofToken(name: string, remote: string): void {
    this.#count(`token ${name}`, remote);
  }

  #count(key: string, remote: string): void {
    const { rate, loopback } = this.#options;
    if (rate === null || !loopback && isLoopback(canonicalIp(remote) ?? "")) return;
    const now = this.#options.now(), window = this.#windows.get(key);
    if (window === undefined || window.until <= now) {
      this.#windows.delete(key); // a new window goes to the young end of the map
      if (this.#windows.size >= MAX_KEYS) this.#windows.delete(this.#windows.keys().next().value!);
      this.#windows.set(key, { count: 1, until: now + rate.milliseconds });
    } else if (++window.count > rate.count) {
      const wait = Math.max(1, Math.ceil((window.until - now) / 1000));
      throw new Problem(429, `Too many requests; try again in ${wait} s.`, { "Retry-After": String(wait) });
    }
  }
}
