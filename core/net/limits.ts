/**
 * How many connections at once: in all, and of one peer (an IPv4 address, an IPv6 /64). A listener role has a budget of
 * its own, so that strangers on port 25 cannot shut out submission (case 36). Non-job: rates (plugins/access).
 */
import { networkOf, type Networks } from "../model/ip.ts";

export interface Places {
  /** At a time, in all. */
  readonly connections: number;
  /** Of them, of one peer. */
  readonly perIp: number;
  /** Peers that have no share of their own. */
  readonly exempt: Networks;
}

export class ConnectionLimits {
  /** Who is here; shared by all that stand for the same door. */
  readonly #here: { total: number; readonly peers: Map<string, number> };

  constructor(readonly options: Places, here: ConnectionLimits | null = null) {
    this.#here = here === null ? { total: 0, peers: new Map() } : here.#here;
  }

  /** Other bounds for the same door: who has come in counts. */
  under(options: Places): ConnectionLimits {
    return new ConnectionLimits(options, this);
  }

  get total(): number {
    return this.#here.total;
  }

  /** Nine places of ten are taken. */
  get crowded(): boolean {
    return this.#here.total >= this.options.connections * 0.9;
  }

  /**
   * Takes a place: null, or why there is none. Each success is owed one `leave`. Without an address, of a peer that is
   * not known yet (behind a proxy), it is one of all and of nobody's share.
   */
  enter(ip: string | null): "full" | "share" | null {
    if (this.#here.total >= this.options.connections) return "full";
    if (ip !== null && !this.options.exempt.has(ip)) {
      const peer = networkOf(ip);
      const count = this.#here.peers.get(peer) ?? 0;
      if (count >= this.options.perIp) return "share";
      this.#here.peers.set(peer, count + 1);
    }
    this.#here.total++;
    return null;
  }

  leave(ip: string | null): void {
    this.#here.total--;
    if (ip === null || this.options.exempt.has(ip)) return;
    const peer = networkOf(ip);
    const count = this.#here.peers.get(peer) ?? 0;
    if (count <= 1) this.#here.peers.delete(peer);
    else this.#here.peers.set(peer, count - 1);
  }
}
