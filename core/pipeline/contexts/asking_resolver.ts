/**
 * Name service as one call of one plugin has it: every question and its answer is noted for the ledger, the first 64 of
 * them. Non-job: asking (core/dns), wording what was noted (core/ledger).
 */
import type { Answer, RecordType } from "../../dns/answer.ts";
import { DnsError, type LookupOptions, type Mx, type Resolver } from "../../dns/resolver.ts";
import type { Asked } from "../../observe/events.ts";

const MOST = 64;

export class AskingResolver implements Resolver {
  readonly #resolver: Resolver;
  readonly #asked: Asked[];

  constructor(resolver: Resolver, asked: Asked[]) {
    this.#resolver = resolver;
    this.#asked = asked;
  }

  a(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#noted("A", name, this.#resolver.a(name, options));
  }
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#noted("AAAA", name, this.#resolver.aaaa(name, options));
  }
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]> {
    return this.#noted("MX", name, this.#resolver.mx(name, options));
  }
  txt(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#noted("TXT", name, this.#resolver.txt(name, options));
  }
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#noted("PTR", ip, this.#resolver.ptr(ip, options));
  }
  async lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Promise<Answer<T>> {
    const began = performance.now();
    const answer = await this.#resolver.lookup(name, type, options);
    this.#note({ type, name, records: answer.records ?? null, fault: answer.fault ?? null }, began);
    return answer;
  }

  async #noted<T>(type: RecordType, name: string, answer: Promise<readonly T[]>): Promise<readonly T[]> {
    const began = performance.now();
    try {
      const records = await answer;
      this.#note({ type, name, records, fault: null }, began);
      return records;
    } catch (error) {
      this.#note({ type, name, records: null, fault: error instanceof DnsError ? error.fault : "servfail" }, began);
      throw error;
    }
  }

  #note(asked: Omit<Asked, "ms" | "began">, began: number): void {
    if (this.#asked.length < MOST) this.#asked.push({ ...asked, began, ms: performance.now() - began });
  }
}
