/**
 * How many connections at once: in all, and of one peer (an IPv4 address, an IPv6 /64). A listener role has a budget of
 * its own, so that strangers on port 25 cannot shut out submission (case 36). Non-job: rates (plugins/access).
 */
import { networkOf, type Networks } from "../model/ip.ts";
import { PeerCounts } from "./peer_counts.ts";

export interface Places {
  /** At a time, in all. */
  readonly connections: number;
  /** Of them, of one peer. */
  readonly perIp: number;
  /** Peers that have no share of their own. */
  readonly exempt: Networks;
}

/** Who is here, by a door; each `take` that succeeded is owed one `give`. */
export interface Taken {
  readonly total: number;
  /** `peer`: null for one that counts for nobody's share. */
  take(peer: string | null, most: Pick<Places, "connections" | "perIp">): "full" | "share" | null;
  give(peer: string | null): void;
}

/** Those of one thread. */
class TakenHere implements Taken {
  total = 0;
  readonly #peers = new PeerCounts();

  take(peer: string | null, { connections, perIp }: Pick<Places, "connections" | "perIp">): "full" | "share" | null {
    if (this.total >= connections) return "full";
    if (peer !== null) {
      if (this.#peers.of(peer) >= perIp) return "share";
      this.#peers.add(peer);
    }
    this.total++;
    return null;
  }

  give(peer: string | null): void {
    this.total--;
    if (peer !== null) this.#peers.remove(peer);
  }
}

export class ConnectionLimits {
  /** Who is here; shared by all that stand for the same door. */
  readonly #here: Taken;

  /** `here`: who counts already, of this thread or of all of them (core/threads). */
  constructor(readonly options: Places, here: Taken = new TakenHere()) {
    this.#here = here;
  }

  /** Other bounds for the same door: who has come in counts. */
  under(options: Places): ConnectionLimits {
    return new ConnectionLimits(options, this.#here);
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
    return this.#here.take(this.#peer(ip), this.options);
  }

  leave(ip: string | null): void {
    this.#here.give(this.#peer(ip));
  }

  #peer(ip: string | null): string | null {
    return ip === null || this.options.exempt.has(ip) ? null : networkOf(ip);
  }
}
