/** How many each peer has of something; whoever has none takes no room. Non-job: what a peer is, how many it may have. */
export class PeerCounts {
  readonly #counts = new Map<string, number>();

  /** Peers that have any. */
  get size(): number {
    return this.#counts.size;
  }

  of(peer: string): number {
    return this.#counts.get(peer) ?? 0;
  }

  add(peer: string): void {
    this.#counts.set(peer, this.of(peer) + 1);
  }

  remove(peer: string): void {
    const count = this.of(peer);
    if (count <= 1) this.#counts.delete(peer);
    else this.#counts.set(peer, count - 1);
  }

  clear(): void {
    this.#counts.clear();
  }
}
