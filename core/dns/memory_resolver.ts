/**
 * Name service as literal data, faults included: for tests, `simulate` and `try`. Says what it was asked.
 * Non-job: delegation, TTLs; a CNAME is followed, and loops are a failure as in life.
 */
import { type Answer, type NameService, type RecordOf, type RecordType, unanswered } from "./answer.ts";
import { canonicalName, reverseName } from "./name.ts";
import { NameResolver } from "./name_resolver.ts";
import type { DnsFault, LookupOptions, Mx, Resolver, Tlsa } from "./resolver.ts";

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
  /** Rules for the certificate of a TLS server, their data in hexadecimal digits. */
  readonly tlsa?: readonly (readonly [usage: number, selector: number, matching: number, data: string])[] | MemoryFault;
  /** DNSSEC vouches for this name, and for what is not there below it. */
  readonly authentic?: boolean;
  /** This name has no records, that one has. */
  readonly cname?: string;
}
/** Names, or IP addresses for their PTR records, in any case; a fault answers every question about the name. */
export type MemoryZone = Readonly<Record<string, MemoryRecords | MemoryFault>>;

const FIELDS = { A: "a", AAAA: "aaaa", MX: "mx", TXT: "txt", PTR: "ptr", TLSA: "tlsa" } as const;
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
  /** Any type, with all that is known. */
  lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Promise<Answer<T>> {
    return this.#names.lookup(name, type, options);
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
    const found = signal?.aborted ? unanswered("timeout", name) : this.#find(type, name);
    if (found !== "silence") return Promise.resolve(found);
    return new Promise((resolve) =>
      signal?.addEventListener("abort", () => resolve(unanswered("timeout", name)), { once: true })
    );
  }

  #find<T extends RecordType>(type: T, start: string): Answer<T> | "silence" {
    let name = start, authentic = true;
    for (let hops = 0; hops <= MAX_CHAIN; hops++) {
      const entry = this.#names.get(name);
      authentic &&= this.#isAuthentic(name);
      const origin = { ttl: this.ttl, name, authentic };
      // A name that others stand below exists (RFC 8020).
      if (entry === undefined) return { fault: this.#parents.has(name) ? "nodata" : "nxdomain", ...origin };
      if (entry === "silence") return entry;
      if (typeof entry === "string") return { ...unanswered(entry, name), ...(isFailure(entry) ? {} : origin) };
      if (entry.cname === undefined || type === "CNAME") {
        const found = read(type, entry);
        if (found === "silence") return found;
        if (typeof found !== "string") return { records: found, ...origin };
        return { ...unanswered(found, name), ...(isFailure(found) ? {} : origin) };
      }
      name = canonicalName(entry.cname) ?? "";
    }
    return unanswered("servfail", start);
  }

  /** As the zone says of the name, or of the nearest name above it that is there. */
  #isAuthentic(name: string): boolean {
    for (let at = name;;) {
      const entry = this.#names.get(at);
      if (entry !== undefined) return typeof entry !== "string" && entry.authentic === true;
      const dot = at.indexOf(".");
      if (dot < 0) return false;
      at = at.slice(dot + 1);
    }
  }
}

function isFailure(fault: DnsFault): boolean {
  return fault === "servfail" || fault === "timeout";
}

function read<T extends RecordType>(type: T, entry: MemoryRecords): readonly RecordOf[T][] | MemoryFault {
  if (type === "CNAME") {
    return entry.cname === undefined ? "nodata" : [entry.cname] as unknown as readonly RecordOf[T][];
  }
  const records = entry[FIELDS[type as Exclude<T, "CNAME">]];
  if (records === undefined || records.length === 0) return "nodata";
  if (typeof records === "string") return records;
  return records.map(record) as unknown as readonly RecordOf[T][];
}

type Written = Exclude<NonNullable<MemoryRecords[typeof FIELDS[keyof typeof FIELDS]]>, string>[number];

function record(written: Written): string | Mx | Tlsa {
  if (typeof written === "string") return written;
  if (written.length === 2) return { preference: written[0], exchange: written[1].toLowerCase() };
  const [usage, selector, matching, data] = written;
  return { usage, selector, matching, data: Uint8Array.fromHex(data) };
}
