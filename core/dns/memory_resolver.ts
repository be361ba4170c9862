/**
 * Name service as literal data, faults included: for tests, `simulate` and `try`. Says what it was asked.
 * Non-job: delegation, TTLs; a CNAME is followed, and loops are a failure as in life.
 */
import type { Answer, NameService, RecordOf, RecordType } from "./answer.ts";
import { canonicalName, reverseName } from "./name.ts";
import { NameResolver } from "./name_resolver.ts";
import type { DnsFault, LookupOptions, Mx, Resolver } from "./resolver.ts";

/** `silence`: no answer ever comes; the question ends when its signal aborts. */
export type MemoryFault = DnsFault | "silence";

/** What a name has. A fault in the place of records answers that type; the types not named are no data. */
export interface MemoryRecords {
  /** IPv4 addresses. */
  readonly a?: readonly string[] | MemoryFault;
  /** IPv6 addresses. */
  readonly aaaa?: readonly string[] | MemoryFault;
  /** Mail exchangers. */
  readonly mx?: readonly (readonly [preference: number, exchange: string])[] | MemoryFault;
  /** One string per record. */
  readonly txt?: readonly string[] | MemoryFault;
  /** Names of an IP address. */
  readonly ptr?: readonly string[] | MemoryFault;
  /** This name has no records, that one has. */
  readonly cname?: string;
}
/** Names, or IP addresses for their PTR records, in any case; a fault answers every question about the name. */
export type MemoryZone = Readonly<Record<string, MemoryRecords | MemoryFault>>;

const FIELDS = { A: "a", AAAA: "aaaa", MX: "mx", TXT: "txt", PTR: "ptr" } as const;
const MAX_CHAIN = 16;

/**
 * A resolver for tests: knows the names that it is given, and says what it was asked.
 *
 * @throws {TypeError} naming the text that is no name.
 * @example
 * ```ts
 * import { MemoryResolver } from "postern";
 * import { assertEquals } from "@std/assert";
 * const dns = new MemoryResolver({ "example.org": { txt: ["v=spf1 -all"] }, "slow.example": "timeout" });
 * assertEquals(await dns.txt("example.org"), ["v=spf1 -all"]);
 * assertEquals(dns.queries, ["TXT example.org"]);
 * ```
 */
export class MemoryResolver implements Resolver {
  /** Every question so far, as "TXT example.org". */
  readonly queries: readonly string[];
  readonly #names: Resolver;

  /** A name that is not in the zone does not exist. */
  constructor(zone: MemoryZone = {}) {
    const memory = new Memory(zone);
    this.queries = memory.queries;
    this.#names = new NameResolver(memory);
  }

  /** IPv4 addresses. */
  a(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#names.a(name, options);
  }
  /** IPv6 addresses. */
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#names.aaaa(name, options);
  }
  /** Mail exchangers. */
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]> {
    return this.#names.mx(name, options);
  }
  /** One string per record. */
  txt(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#names.txt(name, options);
  }
  /** Names for an IP address. */
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#names.ptr(ip, options);
  }
}

/** The name service behind it, for a cache to stand before. */
export class Memory implements NameService {
  readonly queries: string[] = [];
  readonly #names = new Map<string, MemoryRecords | MemoryFault>();
  readonly #parents = new Set<string>();

  constructor(zone: MemoryZone, readonly ttl: number = 300) {
    for (const [text, records] of Object.entries(zone)) {
      const name = reverseName(text) ?? canonicalName(text);
      if (name === null) throw new TypeError(`"${text}" is no name`);
      this.#names.set(name, records);
      for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
        this.#parents.add(name.slice(dot + 1));
      }
    }
  }

  ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>> {
    this.queries.push(`${type} ${name}`);
    const found = signal?.aborted ? "timeout" : this.#find(type, name);
    if (found === "silence") {
      return new Promise((resolve) =>
        signal?.addEventListener("abort", () => resolve({ fault: "timeout", ttl: 0 }), { once: true })
      );
    }
    return Promise.resolve(
      typeof found === "string" ? { fault: found, ttl: this.ttl } : { records: found, ttl: this.ttl },
    );
  }

  #find<T extends RecordType>(type: T, start: string): readonly RecordOf[T][] | MemoryFault {
    let name = start;
    for (let hops = 0; hops <= MAX_CHAIN; hops++) {
      const entry = this.#names.get(name);
      // A name that others stand below exists (RFC 8020).
      if (entry === undefined) return this.#parents.has(name) ? "nodata" : "nxdomain";
      if (typeof entry === "string") return entry;
      if (entry.cname === undefined) return read(type, entry);
      name = canonicalName(entry.cname) ?? "";
    }
    return "servfail";
  }
}

function read<T extends RecordType>(type: T, entry: MemoryRecords): readonly RecordOf[T][] | MemoryFault {
  const records = entry[FIELDS[type]];
  if (records === undefined || records.length === 0) return "nodata";
  if (typeof records === "string") return records;
  return records.map((each) =>
    typeof each === "string" ? each : { preference: each[0], exchange: each[1] }
  ) as unknown as readonly RecordOf[T][];
}
