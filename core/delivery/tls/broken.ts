/**
 * Hosts whose TLS broke in the handshake: for a day mail to them goes in clear, where nobody asks for more. Counted, and
 * kept over a restart. Non-job: whether a delivery may go in clear at all (a demand of `must` never looks here).
 */
import type { Counters } from "../../store/store.ts";
import type { TlsDemand } from "./policy.ts";

const DAY_SECONDS = 86_400;

export class BrokenTls {
  readonly #counters: Pick<Counters, "get" | "add">;
  /** Handshakes that broke since the start. */
  count = 0;

  constructor(counters: Pick<Counters, "get" | "add">) {
    this.#counters = counters;
  }

  /** True when STARTTLS should not be tried: say `untried` to `verdictOf`, and speak in clear. */
  async skips(demand: TlsDemand, host: string): Promise<boolean> {
    if (demand.tls !== "may" || demand.checks.length > 0) return false; // what is published is tried, and counted
    return await this.#counters.get(nameOf(host)) !== undefined;
  }

  /** A handshake with the host failed. Returns how often within the day that began with the first. */
  remember(host: string): Promise<number> {
    this.count++;
    return this.#counters.add(nameOf(host), 1, { seconds: DAY_SECONDS });
  }
}

function nameOf(host: string): string {
  return `tls:broken:${host}`;
}
