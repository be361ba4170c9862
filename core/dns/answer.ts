/**
 * What name service says, as values: records or a fault, for how long, and whether DNSSEC vouches for it. The seam below
 * `Resolver`: stub.ts asks the network, memory_resolver.ts reads literal data, cache.ts stands before either,
 * name_resolver.ts is the door above them.
 */
import type { DnsFault, Mx, Tlsa } from "./resolver.ts";

/** The record types that mail needs, and what one record of each is. */
export interface RecordOf {
  /** An IPv4 address. */
  A: string;
  /** An IPv6 address. */
  AAAA: string;
  /** The name that this one is an alias of: asked for itself, not followed. */
  CNAME: string;
  /** A mail exchanger. */
  MX: Mx;
  /** Strings, joined; octets as Latin-1. */
  TXT: string;
  /** A name of an address. */
  PTR: string;
  /** What a TLS server's certificate must be (RFC 6698). */
  TLSA: Tlsa;
}
/** One of them. */
export type RecordType = keyof RecordOf;

/** What holds for every answer. */
export interface AnswerOrigin {
  /** Seconds that it holds for. */
  readonly ttl: number;
  /** The name at the end of the CNAMEs, canonical: the one that has the records or lacks them. */
  readonly name: string;
  /** A validating resolver that we trust vouches for all of it, CNAMEs and "no" included (the AD bit, RFC 4035 3.2.3). */
  readonly authentic: boolean;
}
/** Records, at least one, or why there are none. */
export type Answer<T extends RecordType = RecordType> =
  | AnswerOrigin & { readonly records: readonly RecordOf[T][]; readonly fault?: undefined }
  | AnswerOrigin & { readonly records?: undefined; readonly fault: DnsFault };

/** What is below the door. */
export interface NameService {
  /**
   * Never rejects: every outcome of name service is an answer. `name` is canonical (see `canonicalName`).
   * When `signal` aborts, the answer is the fault `timeout`.
   */
  ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>>;
}

/** The answer of nobody. */
export function unanswered(fault: DnsFault, name: string): Answer<never> {
  return { fault, ttl: 0, name, authentic: false };
}
