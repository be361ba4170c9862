/**
 * A resolver that a stranger's records cannot keep busy: so many questions, so long for each, all within one time. What
 * comes after is `timeout`: nobody knows. Non-job: asking.
 */
import { type Answer, type RecordType, unanswered } from "../../core/dns/answer.ts";
import { DnsError, type LookupOptions, type Mx, type Resolver } from "../../core/dns/resolver.ts";

export interface Bounds {
  /** Milliseconds for one question. */
  readonly each: number;
  /** Questions in all. */
  readonly most: number;
  /** Ends all of them. */
  readonly signal: AbortSignal;
}

export class BoundedResolver implements Resolver {
  #asked = 0;

  constructor(readonly inner: Resolver, readonly bounds: Bounds) {}

  a(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask(`A ${name}`, (within) => this.inner.a(name, within), options);
  }
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask(`AAAA ${name}`, (within) => this.inner.aaaa(name, within), options);
  }
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]> {
    return this.#ask(`MX ${name}`, (within) => this.inner.mx(name, within), options);
  }
  txt(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask(`TXT ${name}`, (within) => this.inner.txt(name, within), options);
  }
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask(`PTR ${ip}`, (within) => this.inner.ptr(ip, within), options);
  }
  lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Promise<Answer<T>> {
    if (this.#spent()) return Promise.resolve(unanswered("timeout", name));
    return this.#within(options, (within) => this.inner.lookup(name, type, within));
  }

  #ask<T>(query: string, ask: (options: LookupOptions) => Promise<T>, options?: LookupOptions): Promise<T> {
    if (this.#spent()) return Promise.reject(new DnsError("timeout", query));
    return this.#within(options, ask);
  }

  #spent(): boolean {
    return this.bounds.signal.aborted || ++this.#asked > this.bounds.most;
  }

  async #within<T>(options: LookupOptions | undefined, ask: (options: LookupOptions) => Promise<T>): Promise<T> {
    const late = new AbortController(), timer = setTimeout(() => late.abort(), this.bounds.each);
    const { signal } = this.bounds;
    try {
      return await ask({
        signal: AbortSignal.any([late.signal, signal, ...options?.signal === undefined ? [] : [options.signal]]),
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
