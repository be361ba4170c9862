/**
 * Names that answer without any name service, so that a dev inbox shows real verdicts on a machine without a network:
 * what `postern send --sample` sends comes from them. They are below .test, which nobody else can ever have; of what else
 * is there and below .invalid, that it does not exist is known without asking (RFC 6761 6.2, 6.4).
 * Non-job: any other name; those go on to the resolver behind.
 */
import type { Answer, NameService, RecordType } from "./answer.ts";
import { Memory, type MemoryZone } from "./memory_resolver.ts";
import { canonicalName } from "./name.ts";
import { NameResolver } from "./name_resolver.ts";
import type { LookupOptions, Mx, Resolver } from "./resolver.ts";

/** The public half of the key of RFC 8463 A.2, whose private half is in the RFC for everybody to read. */
const KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/** What each name is for is its name: `spf-fail.test` permits no host at all to send for it, and so on. */
export const SAMPLE_ZONE: MemoryZone = {
  "spf-fail.test": { txt: ["v=spf1 -all"] },
  "_dmarc.spf-fail.test": { txt: ["v=DMARC1; p=reject"] },
  "spf-pass.test": { txt: ["v=spf1 +all"] },
  "_dmarc.spf-pass.test": { txt: ["v=DMARC1; p=reject"] },
  // No word about hosts: what DMARC comes to is the signature's doing alone
  "dkim-fail.test": { txt: ["v=spf1 ?all"] },
  "sample._domainkey.dkim-fail.test": { txt: [KEY] },
  "_dmarc.dkim-fail.test": { txt: ["v=DMARC1; p=quarantine"] },
  "dkim-pass.test": { txt: ["v=spf1 ?all"] },
  "sample._domainkey.dkim-pass.test": { txt: [KEY] },
  "_dmarc.dkim-pass.test": { txt: ["v=DMARC1; p=quarantine"] },
};

/** The sample names in front of another resolver. */
export class SampleNames implements Resolver {
  readonly #behind: Resolver;
  readonly #samples: Resolver = new NameResolver(new Samples());

  constructor(behind: Resolver) {
    this.#behind = behind;
  }

  a(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#for(name).a(name, options);
  }
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#for(name).aaaa(name, options);
  }
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]> {
    return this.#for(name).mx(name, options);
  }
  txt(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#for(name).txt(name, options);
  }
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#behind.ptr(ip, options);
  }
  lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Promise<Answer<T>> {
    return this.#for(name).lookup(name, type, options);
  }

  #for(name: string): Resolver {
    return /(?:^|\.)(?:test|invalid)$/.test(canonicalName(name) ?? "") ? this.#samples : this.#behind;
  }
}

class Samples implements NameService {
  readonly #zone = new Memory(SAMPLE_ZONE);

  ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>> {
    const answer = this.#zone.ask(type, name, signal);
    this.#zone.queries.length = 0; // it keeps them for tests, and this one lives as long as the server
    return answer;
  }
}
