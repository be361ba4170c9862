/** Counters, a clock and TLSA records for the tests of delivery's TLS. Non-job: certificates (tests/unit/net/tls/pki.ts). */
import { createHash, X509Certificate } from "node:crypto";
import type { TlsaRecord } from "../../../../core/delivery/tls/dane.ts";
import type { CounterEntry, CounterOptions, CounterQuery, Counters } from "../../../../core/store/store.ts";

/** A clock that is moved by hand. */
export class Clock {
  now = Date.UTC(2026, 3, 1, 12);
  readonly read = (): number => this.now;
}

/** Counters that outlive whoever uses them: a second user sees what a restarted process would. */
export class PlainCounters implements Counters {
  readonly rows = new Map<string, { value: string; expires: number }>();
  constructor(readonly clock: Clock) {}

  get(name: string): Promise<string | undefined> {
    const row = this.rows.get(name);
    return Promise.resolve(row !== undefined && row.expires > this.clock.now ? row.value : undefined);
  }
  put(name: string, value: string, { seconds }: CounterOptions): Promise<void> {
    this.rows.set(name, { value, expires: this.clock.now + seconds * 1000 });
    return Promise.resolve();
  }
  /** In one piece: two at a time are two. */
  add(name: string, amount: number, { seconds }: CounterOptions): Promise<number> {
    const row = this.rows.get(name), { now } = this.clock, lives = row !== undefined && row.expires > now;
    const sum = (lives ? Number(row.value) : 0) + amount;
    this.rows.set(name, { value: String(sum), expires: lives ? row.expires : now + seconds * 1000 });
    return Promise.resolve(sum);
  }
  list({ prefix, limit, after = "" }: CounterQuery): Promise<readonly CounterEntry[]> {
    const live = [...this.rows].map(([name, row]) => ({ name, ...row }))
      .filter(({ name, expires }) => name.startsWith(prefix) && name > after && expires > this.clock.now);
    return Promise.resolve(live.sort((a, b) => a.name < b.name ? -1 : 1).slice(0, limit));
  }
}

/** The certificate in a PEM file, DER. */
export function derOf(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new X509Certificate(Deno.readTextFileSync(path)).raw);
}

/** The record that the certificate in a PEM file satisfies; its key as openssl has it, so that our reader is checked. */
export function tlsaFor(path: string, usage: number, selector: number, matching: number): TlsaRecord {
  const x509 = new X509Certificate(Deno.readTextFileSync(path));
  const part = selector === 0 ? x509.raw : x509.publicKey.export({ type: "spki", format: "der" });
  const data = matching === 0 ? part : createHash(matching === 1 ? "sha256" : "sha512").update(part).digest();
  return { usage, selector, matching, data: new Uint8Array(data) };
}
