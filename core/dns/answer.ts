/**
 * What name service says, as values: records or a fault, and for how long. The seam below `Resolver`: stub.ts asks the
 * network, memory_resolver.ts reads literal data, cache.ts stands before either, name_resolver.ts is the door above.
 */
import type { DnsFault, Mx } from "./resolver.ts";

/** The record types that mail needs, and what one record of each is. */
export interface RecordOf {
  A: string;
  AAAA: string;
  MX: Mx;
  TXT: string;
  PTR: string;
}
export type RecordType = keyof RecordOf;

/** Records, at least one, or why there are none; both hold for `ttl` seconds. */
export type Answer<T extends RecordType = RecordType> =
  | { readonly records: readonly RecordOf[T][]; readonly ttl: number; readonly fault?: undefined }
  | { readonly fault: DnsFault; readonly ttl: number };

export interface NameService {
  /**
   * Never rejects: every outcome of name service is an answer. `name` is canonical (see `canonicalName`).
   * When `signal` aborts, the answer is the fault `timeout`.
   */
  ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>>;
}
