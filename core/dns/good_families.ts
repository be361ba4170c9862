/**
 * Which family of addresses a host was last reached by: where IPv6 is broken on the way, only the first connection waits
 * for it (RFC 8305 4). Bounded, least recently used goes first. Non-job: the race itself (race_connect.ts).
 */
import { type Family, familyOf } from "./host_addresses.ts";

export interface GoodFamiliesOptions {
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
  /** Hosts that are kept (default 10,000). */
  readonly maxHosts?: number;
}

const LIFETIME = 10 * 60_000; // then the preferred family has its chance again

export class GoodFamilies {
  readonly #now: () => number;
  readonly #maxHosts: number;
  readonly #hosts = new Map<string, { readonly family: Family; readonly until: number }>(); // oldest use first

  constructor(options: GoodFamiliesOptions = {}) {
    this.#now = options.now ?? (() => performance.now());
    this.#maxHosts = options.maxHosts ?? 10_000;
  }

  /** Hosts kept now. */
  get size(): number {
    return this.#hosts.size;
  }

  /** The host was reached at this address. */
  note(host: string, address: string): void {
    this.#hosts.delete(host);
    this.#hosts.set(host, { family: familyOf(address), until: this.#now() + LIFETIME });
    if (this.#hosts.size > this.#maxHosts) this.#hosts.delete(this.#hosts.keys().next().value!);
  }

  /** Undefined when nobody knows. */
  of(host: string): Family | undefined {
    const known = this.#hosts.get(host);
    if (known === undefined || known.until > this.#now()) return known?.family;
    this.#hosts.delete(host);
    return undefined;
  }
}
