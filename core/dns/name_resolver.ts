/**
 * The `Resolver` that the house asks, over any name service: checks the name before a question is made of it, and turns
 * an answer without records into a DnsError.
 */
import { type Answer, type NameService, type RecordOf, type RecordType, unanswered } from "./answer.ts";
import { canonicalName, reverseName } from "./name.ts";
import { DnsError, type LookupOptions, type Mx, type Resolver } from "./resolver.ts";

export class NameResolver implements Resolver {
  readonly #service: NameService;

  constructor(service: NameService) {
    this.#service = service;
  }

  a(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("A", name, options);
  }
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("AAAA", name, options);
  }
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]> {
    return this.#ask("MX", name, options);
  }
  txt(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("TXT", name, options);
  }
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("PTR", reverseName(ip) ?? "", options);
  }
  lookup<T extends RecordType>(text: string, type: T, options?: LookupOptions): Promise<Answer<T>> {
    const name = canonicalName(text);
    return name === null ? Promise.resolve(unanswered("nxdomain", "")) : this.#service.ask(type, name, options?.signal);
  }

  async #ask<T extends RecordType>(type: T, text: string, options?: LookupOptions): Promise<readonly RecordOf[T][]> {
    const name = canonicalName(text);
    // Such a name cannot exist, and must not reach a server, a log or a cache.
    if (name === null) throw new DnsError("nxdomain", `${type} of a name that cannot be asked for`);
    const answer = await this.#service.ask(type, name, options?.signal);
    if (answer.fault !== undefined) throw new DnsError(answer.fault, `${type} ${name}`);
    return answer.records;
  }
}
