/**
 * How many connections at once: in all, and of one peer (an IPv4 address, an IPv6 /64). A listener role has a budget of
 * its own, so that strangers on port 25 cannot shut out submission (case 36). Non-job: rates (plugins/access).
 */
import { networkOf, type Networks } from "../model/ip.ts";

export class ConnectionLimits {
  #total = 0;
  readonly #peers = new Map<string, number>();

  constructor(
    readonly options: { readonly connections: number; readonly perIp: number; readonly exempt: Networks },
  ) {}

  get total(): number {
    return this.#total;
  }

  /** Nine places of ten are taken. */
  get crowded(): boolean {
    return this.#total >= this.options.connections * 0.9;
  }

  /**
   * Takes a place: null, or why there is none. Each success is owed one `leave`. Without an address, of a peer that is
   * not known yet (behind a proxy), it is one of all and of nobody's share.
   */
  enter(ip: string | null): "full" | "share" | null {
    if (this.#total >= this.options.connections) return "full";
    if (ip !== null && !this.options.exempt.has(ip)) {
      const peer = networkOf(ip);
      const count = this.#peers.get(peer) ?? 0;
      if (count >= this.options.perIp) return "share";
      this.#peers.set(peer, count + 1);
    }
    this.#total++;
    return null;
  }

  leave(ip: string | null): void {
    this.#total--;
    if (ip === null || this.options.exempt.has(ip)) return;
    const peer = networkOf(ip);
    const count = this.#peers.get(peer) ?? 0;
    if (count <= 1) this.#peers.delete(peer);
    else this.#peers.set(peer, count - 1);
  }
}
