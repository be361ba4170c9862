/**
 * The one door to name service. A resolver tells "no such name", "no such record", "the servers failed" and "no answer
 * in time" apart, because policy must: the first two are answers, the last two never support a permanent verdict
 * (RFC 7208 2.6.6, RFC 5321 5.1). Values and an interface only; see system_resolver.ts and memory_resolver.ts.
 */

/** `nxdomain`, `nodata`: the name or record is not there, for sure. `servfail`, `timeout`: nobody knows. */
export type DnsFault = "nxdomain" | "nodata" | "servfail" | "timeout";

/** A lookup without records. */
export class DnsError extends Error {
  /** Tells it from other errors. */
  override readonly name = "DnsError";
  /** `query`: what was asked, such as "TXT example.org". */
  constructor(readonly fault: DnsFault, readonly query: string) {
    super(`${query}: ${fault}`);
  }
  /** True when asking again later may help. */
  get temporary(): boolean {
    return this.fault === "servfail" || this.fault === "timeout";
  }
}

/** One MX record. */
export interface Mx {
  /** The lower, the sooner (RFC 5321 5.1). */
  readonly preference: number;
  /** Empty for the null MX of RFC 7505. */
  readonly exchange: string;
}
/** How to ask. */
export interface LookupOptions {
  /** Cancels the question; the promise rejects with `timeout`. */
  readonly signal?: AbortSignal;
}

/**
 * Name service for plugins. Names are A-labels without a trailing dot. An answer without records is no answer.
 *
 * @throws {DnsError} from every method, as a rejection.
 */
export interface Resolver {
  /** IPv4 addresses. */
  a(name: string, options?: LookupOptions): Promise<readonly string[]>;
  /** IPv6 addresses. */
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]>;
  /** Mail exchangers, in any order. */
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]>;
  /** One string per record: its character strings joined without a space (RFC 7208 3.3). Octets as Latin-1. */
  txt(name: string, options?: LookupOptions): Promise<readonly string[]>;
  /** Names for an IP address, lower case, as told: nobody has checked that they point back. */
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]>;
}
