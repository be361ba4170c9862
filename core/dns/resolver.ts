/**
 * The one door to name service. A resolver tells "no such name", "no such record", "the servers failed" and "no answer
 * in time" apart, because policy must: the first two are answers, the last two never support a permanent verdict
 * (RFC 7208 2.6.6, RFC 5321 5.1). Values and an interface only; see system_resolver.ts and memory_resolver.ts.
 */
import type { Answer, RecordType } from "./answer.ts";

/** `nxdomain`, `nodata`: the name or record is not there, for sure. `servfail`, `timeout`: nobody knows. */
export type DnsFault = "nxdomain" | "nodata" | "servfail" | "timeout";

/**
 * A lookup without records. `temporary` tells what nobody knows from what is not there: of the first no permanent verdict may
 * come (RFC 7208 2.6.6).
 *
 * @example
 * ```ts
 * import { DnsError, MemoryResolver } from "postern";
 * import { assertEquals, assertRejects } from "@std/assert";
 * const dns = new MemoryResolver({ "broken.example": "servfail" });
 * const lost = await assertRejects(() => dns.mx("nowhere.example"), DnsError);
 * const broken = await assertRejects(() => dns.mx("broken.example"), DnsError);
 * assertEquals([lost.fault, lost.temporary, broken.fault, broken.temporary], ["nxdomain", false, "servfail", true]);
 * ```
 */
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
/** One TLSA record (RFC 6698 2.1): the certificate that a TLS server must show. Nobody has checked the numbers. */
export interface Tlsa {
  /** 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE. */
  readonly usage: number;
  /** 0 the whole certificate, 1 its public key. */
  readonly selector: number;
  /** 0 as it is, 1 SHA-256, 2 SHA-512. */
  readonly matching: number;
  /** The certificate association data. */
  readonly data: Uint8Array;
}
/** How to ask. */
export interface LookupOptions {
  /** Cancels the question; the promise rejects with `timeout`. */
  readonly signal?: AbortSignal;
}

/**
 * Name service for plugins. Names are A-labels without a trailing dot. An answer without records is no answer.
 *
 * @throws {DnsError} from every method but `lookup`, as a rejection.
 *
 * @example
 * ```ts
 * import { DnsError, MemoryResolver, type Resolver } from "postern";
 * import { assertEquals } from "@std/assert";
 * // Null: nobody knows.
 * async function hasMx(dns: Resolver, domain: string): Promise<boolean | null> {
 *   try {
 *     return (await dns.mx(domain)).length > 0;
 *   } catch (error) {
 *     if (error instanceof DnsError) return error.temporary ? null : false;
 *     throw error;
 *   }
 * }
 * const dns = new MemoryResolver({ "a.example": { mx: [[10, "mx.a.example"]] }, "b.example": "timeout" });
 * assertEquals([await hasMx(dns, "a.example"), await hasMx(dns, "b.example")], [true, null]);
 * assertEquals(await hasMx(dns, "c.example"), false);
 * ```
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
  /** Any of the types with all that is known: the canonical name, the time to live, whether it is authentic. Never rejects. */
  lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Promise<Answer<T>>;
}
