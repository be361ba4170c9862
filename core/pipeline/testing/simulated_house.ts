/**
 * What a simulated server has in the place of a house: name service that knows nothing, counters and bodies in memory.
 * Non-job: the session (simulation.ts).
 */
import { DnsError, type Resolver } from "../../dns/resolver.ts";
import { type Outside, OutsideError } from "../contexts/outside.ts";
import { memoryBody as bodyOf } from "../../store/memory_body.ts";
import type { Body, CounterEntry, CounterOptions, CounterQuery, Counters } from "../../store/store.ts";

/** Where a simulated clock stands still: 2026-01-01. */
export const START: number = Date.UTC(2026, 0, 1);

/** No name exists. */
export const EMPTY_DNS: Resolver = {
  a: (name) => Promise.reject(new DnsError("nxdomain", `A ${name}`)),
  aaaa: (name) => Promise.reject(new DnsError("nxdomain", `AAAA ${name}`)),
  mx: (name) => Promise.reject(new DnsError("nxdomain", `MX ${name}`)),
  txt: (name) => Promise.reject(new DnsError("nxdomain", `TXT ${name}`)),
  ptr: (ip) => Promise.reject(new DnsError("nxdomain", `PTR ${ip}`)),
  lookup: (name) => Promise.resolve({ fault: "nxdomain", ttl: 0, name, authentic: false }),
};

/** What is outside answers by a table; what does not stand there is not answered. */
export function answering(table: Readonly<Record<string, string | Error>>): Outside {
  const answers = new Map(Object.entries(table));
  return ({ question }) => {
    const answer = answers.get(question) ?? new OutsideError(`nobody answers "${question}"`);
    return typeof answer === "string" ? Promise.resolve(answer) : Promise.reject(answer);
  };
}

/**
 * Counters in memory that expire by the simulated clock. Give two runs the same ones to see what the first left.
 *
 * @example
 * ```ts
 * import { SimulatedCounters } from "postern";
 * import { assertEquals } from "@std/assert";
 * let now = 0;
 * const counters = new SimulatedCounters(() => now);
 * await counters.add("seen", 2, { seconds: 60 });
 * assertEquals([await counters.get("seen"), counters.names], ["2", ["seen"]]);
 * now = 60_000;
 * assertEquals(await counters.get("seen"), undefined);
 * ```
 */
export class SimulatedCounters implements Counters {
  readonly #entries = new Map<string, { value: string; until: number }>();
  /** By this clock, milliseconds since 1970; by default it stands still. */
  constructor(readonly now: () => number = () => START) {}

  /** Undefined when it was never written or has ended. */
  get(name: string): Promise<string | undefined> {
    const entry = this.#entries.get(name);
    return Promise.resolve(entry && entry.until > this.now() ? entry.value : undefined);
  }
  /** Writes a value that ends. */
  put(name: string, value: string, options: CounterOptions): Promise<void> {
    this.#entries.set(name, { value, until: this.now() + options.seconds * 1000 });
    return Promise.resolve();
  }
  /** Adds, and returns the sum. */
  add(name: string, amount: number, options: CounterOptions): Promise<number> {
    const entry = this.#entries.get(name), now = this.now();
    const alive = entry !== undefined && entry.until > now;
    const sum = (alive ? Number(entry.value) : 0) + amount;
    this.#entries.set(name, { value: String(sum), until: alive ? entry.until : now + options.seconds * 1000 });
    return Promise.resolve(sum);
  }
  /** Entries that have not ended, in order of name. */
  list({ prefix, limit, after = "" }: CounterQuery): Promise<readonly CounterEntry[]> {
    const now = this.now();
    const live = [...this.#entries].map(([name, { value, until }]) => ({ name, value, expires: until }))
      .filter(({ name, expires }) => name.startsWith(prefix) && name > after && expires > now);
    return Promise.resolve(live.sort((a, b) => a.name < b.name ? -1 : 1).slice(0, limit));
  }
  /** Every name that was written, also the expired. */
  get names(): string[] {
    return [...this.#entries.keys()];
  }
}

/** A body that lies in memory; of a text, with the line ends of the wire. */
export function memoryBody(message: string | Uint8Array<ArrayBuffer>): Body {
  return bodyOf(typeof message === "string" ? new TextEncoder().encode(message.replace(/\r?\n/g, "\r\n")) : message);
}
