/**
 * check_host() of RFC 7208 4: may this address send for this domain? Pure but for the questions it asks of the resolver,
 * and these are bounded: 10 terms, 10 hosts for each, 2 terms in vain, and all of it in one time limit (4.6.4).
 * Non-job: what to do about the result (mod.ts).
 */
import ipaddr from "ipaddr.js";
import { canonicalDomain, canonicalIp, DnsError, isIPv4, type Mx, type Resolver } from "../../../core/pipeline/mod.ts";
import type { SpfResult } from "./key.ts";
import { expandName, expandText, type MacroString, type MacroValues, parseMacroString, usesMacro } from "./macro.ts";
import { isSpfRecord, type Mechanism, parseRecord, type Qualifier, type SpfRecord } from "./record.ts";

/** Who says what. For the HELO identity the domain is the HELO name and the local part is empty (RFC 7208 2.3, 2.4). */
export interface Identity {
  readonly ip: string;
  readonly domain: string;
  /** The local part, without quotes; empty means postmaster (RFC 7208 4.3). */
  readonly local: string;
  readonly helo: string;
}
export interface CheckOptions {
  /** Our name, for explanations. */
  readonly receiver: string;
  /** Milliseconds since 1970, for explanations. */
  readonly now: number;
  /** Milliseconds for the whole check (default 20,000: RFC 7208 4.6.4 wants no less). */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}
export interface CheckResult {
  readonly result: SpfResult;
  /** The mechanism that matched, as it stands in the record. */
  readonly mechanism: string | null;
  /** What the domain says about a fail: printable ASCII, at most 500 characters, and not our words. */
  readonly explanation: string | null;
  /** What went wrong in a permerror or temperror. */
  readonly problem: string | null;
}

const MAX_TERMS = 10, MAX_HOSTS = 10, MAX_VOID = 2; // RFC 7208 4.6.4
const MAX_EXPLANATION = 500;
const RESULTS: Readonly<Record<Qualifier, SpfResult>> = { "+": "pass", "-": "fail", "~": "softfail", "?": "neutral" };

/** Never rejects for anything that name service or a record says: that is `none`, `temperror` or `permerror`. */
export async function checkHost(identity: Identity, dns: Resolver, options: CheckOptions): Promise<CheckResult> {
  const domain = identity.domain.endsWith(".") ? identity.domain.slice(0, -1) : identity.domain;
  const ip = canonicalIp(identity.ip); // an IPv4-mapped address is IPv4: RFC 7208 5
  // RFC 7208 4.3: malformed, a literal, or not multi-label
  if (ip === null || canonicalDomain(domain) === null || !domain.includes(".")) return outcome("none");
  const time = new AbortController();
  const end = () => time.abort();
  const timer = setTimeout(end, options.timeout ?? 20_000);
  if (options.signal?.aborted) end();
  options.signal?.addEventListener("abort", end, { once: true });
  try {
    return await new Check({ ...identity, ip, domain }, dns, options, time.signal).run();
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", end);
  }
}

function outcome(result: SpfResult, about: Partial<CheckResult> = {}): CheckResult {
  return { mechanism: null, explanation: null, problem: null, ...about, result };
}

/** Ends the whole check, out of any depth of include. */
class Stop extends Error {
  constructor(readonly result: "temperror" | "permerror", readonly problem: string) {
    super(problem);
  }
}
interface Found {
  readonly result: SpfResult;
  readonly mechanism: string | null;
  /** Where to look for an explanation: the record that said fail. */
  readonly exp: MacroString | null;
  readonly domain: string;
}

class Check {
  readonly #identity: Identity;
  readonly #dns: Resolver;
  readonly #options: CheckOptions;
  readonly #signal: AbortSignal;
  readonly #client: readonly number[];
  readonly #values: Omit<MacroValues, "d" | "p">;
  readonly #confirmed = new Map<string, Promise<boolean>>();
  #pointers: Promise<readonly string[]> | null = null;
  #terms = 0;
  #void = 0;

  constructor(identity: Identity, dns: Resolver, options: CheckOptions, signal: AbortSignal) {
    this.#identity = identity;
    this.#dns = dns;
    this.#options = options;
    this.#signal = signal;
    this.#client = bytes(identity.ip);
    const { ip, domain, helo } = identity, local = identity.local || "postmaster";
    this.#values = {
      s: `${local}@${domain}`,
      l: local,
      o: domain,
      i: isIPv4(ip)
        ? ip
        : this.#client.map((each) => `${(each >> 4).toString(16)}.${(each & 15).toString(16)}`).join("."),
      h: helo,
      c: ip,
      r: options.receiver,
      t: String(Math.floor(options.now / 1000)),
      v: isIPv4(ip) ? "in-addr" : "ip6",
    };
  }

  async run(): Promise<CheckResult> {
    try {
      const { result, mechanism, exp, domain } = await this.#evaluate(this.#identity.domain);
      const explanation = result === "fail" && exp !== null ? await this.#explain(exp, domain) : null;
      return outcome(result, { mechanism, explanation });
    } catch (error) {
      if (error instanceof Stop) return outcome(error.result, { problem: error.problem });
      throw error;
    }
  }

  async #evaluate(domain: string): Promise<Found> {
    const record = await this.#record(domain);
    if (record === null) return { result: "none", mechanism: null, exp: null, domain };
    for (const { mechanism, qualifier, text } of record.directives) {
      if (await this.#matches(mechanism, domain)) {
        return { result: RESULTS[qualifier], mechanism: text, exp: record.exp, domain };
      }
    }
    if (record.redirect === null) return { result: "neutral", mechanism: null, exp: null, domain }; // 4.7
    this.#countTerm();
    const target = await this.#name(record.redirect, domain);
    const found = await this.#evaluate(target); // and its exp, not this record's: 6.1
    if (found.result === "none") throw new Stop("permerror", "redirect leads to no SPF record");
    return found;
  }

  /** RFC 7208 4.4, 4.5. Null: there is none. */
  async #record(domain: string): Promise<SpfRecord | null> {
    const texts = await this.#ask(this.#dns.txt(domain, { signal: this.#signal }));
    const [text, second] = (texts ?? []).filter(isSpfRecord);
    if (text === undefined) return null;
    if (second !== undefined) throw new Stop("permerror", "more than one SPF record");
    const record = parseRecord(text);
    if (typeof record === "string") throw new Stop("permerror", record);
    return record;
  }

  async #matches(mechanism: Mechanism, domain: string): Promise<boolean> {
    switch (mechanism.name) {
      case "all":
        return true;
      case "ip4":
      case "ip6":
        return within(this.#client, mechanism.network, mechanism.bits);
      case "include": {
        this.#countTerm();
        const { result } = await this.#evaluate(await this.#name(mechanism.domain, domain));
        if (result === "none") throw new Stop("permerror", "include of a domain without SPF record"); // 5.2
        return result === "pass";
      }
      case "a": {
        this.#countTerm();
        const hosts = await this.#addresses(await this.#name(mechanism.domain, domain));
        if (hosts === null) this.#countVoid();
        return this.#isAmong(hosts, mechanism);
      }
      case "mx": {
        this.#countTerm();
        const name = await this.#name(mechanism.domain, domain);
        const list = await this.#ask<readonly Mx[]>(this.#dns.mx(name, { signal: this.#signal }));
        if (list === null) this.#countVoid();
        else if (list.length > MAX_HOSTS) throw new Stop("permerror", "mx with more than 10 hosts");
        for (const { exchange } of list ?? []) {
          if (this.#isAmong(exchange === "" ? null : await this.#addresses(exchange), mechanism)) return true;
        }
        return false;
      }
      case "exists": {
        this.#countTerm();
        const name = await this.#name(mechanism.domain, domain);
        const found = await this.#ask(this.#dns.a(name, { signal: this.#signal })); // A, for IPv6 clients too: 5.7
        if (found === null) this.#countVoid();
        return found !== null;
      }
      case "ptr": {
        this.#countTerm(); // not void: what the client's own network lacks is not the domain's fault
        const target = (await this.#name(mechanism.domain, domain)).toLowerCase();
        for (const name of await this.#names()) {
          if (isBelow(name, target) && await this.#confirms(name)) return true;
        }
        return false;
      }
    }
  }

  // ---- Names and addresses ---------------------------------------------------------------------------------------

  /** The target-name of a term; the current domain when there is no domain-spec. */
  async #name(spec: MacroString | null, domain: string): Promise<string> {
    return spec === null ? domain : expandName(spec, await this.#valuesFor(spec, domain));
  }

  async #valuesFor(string: MacroString, domain: string): Promise<MacroValues> {
    return { ...this.#values, d: domain, p: usesMacro(string, "p") ? await this.#validated(domain) : "" };
  }

  /** The addresses of the client's family. Null: there are none. */
  #addresses(name: string): Promise<readonly string[] | null> {
    const options = { signal: this.#signal };
    return this.#ask(isIPv4(this.#identity.ip) ? this.#dns.a(name, options) : this.#dns.aaaa(name, options));
  }

  #isAmong(hosts: readonly string[] | null, { bits4, bits6 }: { bits4: number; bits6: number }): boolean {
    const bits = this.#client.length === 4 ? bits4 : bits6;
    return hosts !== null && hosts.some((each) => within(this.#client, bytes(each), bits));
  }

  /** The names of the client's address, the first ten; an error means none (RFC 7208 5.5). */
  #names(): Promise<readonly string[]> {
    return this.#pointers ??= this.#dns.ptr(this.#identity.ip, { signal: this.#signal }).then(
      (names) => names.slice(0, MAX_HOSTS),
      unlessBroken([]),
    );
  }

  /** True when the name points back to the client; an error skips the name (RFC 7208 5.5). */
  #confirms(name: string): Promise<boolean> {
    let known = this.#confirmed.get(name);
    if (known === undefined) {
      const options = { signal: this.#signal };
      const addresses = isIPv4(this.#identity.ip) ? this.#dns.a(name, options) : this.#dns.aaaa(name, options);
      known = addresses.then((list) => this.#isAmong(list, { bits4: 32, bits6: 128 }), unlessBroken(false));
      this.#confirmed.set(name, known);
    }
    return known;
  }

  /** %{p}: the domain itself before a name below it before any name, else "unknown" (RFC 7208 7.3). */
  async #validated(domain: string): Promise<string> {
    const own = domain.toLowerCase();
    const rank = (name: string) => name === own ? 0 : isBelow(name, own) ? 1 : 2;
    for (const name of [...await this.#names()].sort((a, b) => rank(a) - rank(b))) {
      if (await this.#confirms(name)) return name;
    }
    return "unknown";
  }

  // ---- Limits ----------------------------------------------------------------------------------------------------

  #countTerm(): void {
    if (++this.#terms > MAX_TERMS) throw new Stop("permerror", "more than 10 terms that ask name service");
  }

  /** Counts terms whose own question was in vain: RFC 7208 4.6.4 limits terms. */
  #countVoid(): void {
    if (++this.#void > MAX_VOID) throw new Stop("permerror", "more than 2 lookups in vain");
  }

  /** Null: the name or the record is not there. */
  async #ask<T>(question: Promise<T>): Promise<T | null> {
    try {
      return await question;
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      if (!error.temporary) return null;
      throw new Stop("temperror", this.#signal.aborted ? "the check took too long" : error.message);
    }
  }

  // ---- Explanation -----------------------------------------------------------------------------------------------

  /** RFC 7208 6.2: whatever is wrong with it, there is none, and the result stays. */
  async #explain(exp: MacroString, domain: string): Promise<string | null> {
    try {
      const texts = await this.#dns.txt(await this.#name(exp, domain), { signal: this.#signal });
      const string = texts.length === 1 ? parseMacroString(texts[0]!, { explanation: true }) : null;
      if (string === null) return null;
      const text = expandText(string, await this.#valuesFor(string, domain), MAX_EXPLANATION);
      return /^[\x20-\x7e]*$/.test(text) && text.trim() !== "" ? text : null;
    } catch (error) {
      return unlessBroken(null)(error);
    }
  }
}

/** A faulty answer of name service counts as `value`; any other error is a fault of ours. */
function unlessBroken<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof DnsError) return value;
    throw error;
  };
}

/** `name` is `domain` or below it. */
function isBelow(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

function bytes(ip: string): readonly number[] {
  return ipaddr.parse(ip).toByteArray();
}

/** The first `bits` are the same, and the family is. */
function within(address: readonly number[], network: readonly number[], bits: number): boolean {
  if (address.length !== network.length) return false;
  const whole = bits >> 3, rest = bits & 7;
  for (let i = 0; i < whole; i++) if (address[i] !== network[i]) return false;
  return rest === 0 || (address[whole]! ^ network[whole]!) >> 8 - rest === 0;
}
