/**
 * Places for connections that several threads share: a table in shared memory, so that limits hold exactly over all of
 * them and taking a place waits for nobody's answer. Each thread's own counts stand apart, and what a dead thread had is
 * taken back. Non-job: what the limits are (core/net/limits.ts).
 */
import type { Places, Taken } from "../net/limits.ts";

/** Threads and roles that there can be. */
const MOST_ROLES = 8;
/** Peers with a share at a time; more connections than that no process has descriptors for. */
const SLOTS = 1 << 17;
/** Of a slot before the counts of the threads: the peer's name in three words, and 1 where it is taken. */
const HEAD = 4;

/** The memory, made by the owner and given to every thread. `threads`: how many count, the owner among them. */
export function placesMemory(threads: number, slots: number = SLOTS): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (HEADER + MOST_ROLES * (threads + 1) + slots * (HEAD + threads)));
}

// Words at the beginning: who holds the lock (thread + 1), how many threads, how many slots are taken.
const LOCK = 0, USED = 1, HEADER = 2;

/** One thread's hand on the table. */
export class SharedPlaces {
  readonly #words: Int32Array;
  readonly #threads: number;
  readonly #thread: number;
  readonly #slots: number;
  readonly #table: number;

  /** `thread`: from 0 to `threads - 1`, nobody else's. */
  constructor(memory: SharedArrayBuffer, { threads, thread }: { readonly threads: number; readonly thread: number }) {
    this.#words = new Int32Array(memory);
    this.#threads = threads;
    this.#thread = thread;
    this.#table = HEADER + MOST_ROLES * (threads + 1);
    this.#slots = Math.floor((this.#words.length - this.#table) / (HEAD + threads));
  }

  /** Places of one role. */
  of(role: string): Taken {
    const at = ROLES.indexOf(role);
    if (at < 0) throw new RangeError(`no role ${role}`);
    const total = HEADER + at * (this.#threads + 1), words = this.#words;
    return {
      get total() {
        return Atomics.load(words, total);
      },
      take: (peer, most) => this.#locked(() => this.#take(at, total, peer, most)),
      give: (peer) => this.#locked(() => this.#give(at, total, peer)),
    };
  }

  /** What a thread that is dead had. Nobody else may do so while it lives. */
  takeBack(thread: number): void {
    Atomics.compareExchange(this.#words, LOCK, thread + 1, 0); // it may have died with it
    this.#locked(() => {
      const words = this.#words;
      for (let role = 0; role < ROLES.length; role++) {
        const total = HEADER + role * (this.#threads + 1);
        words[total]! -= words[total + 1 + thread]!;
        words[total + 1 + thread] = 0;
      }
      for (let slot = 0; slot < this.#slots; slot++) words[this.#at(slot) + HEAD + thread] = 0;
      for (let slot = 0; slot < this.#slots; slot++) {
        const at = this.#at(slot);
        while (words[at] !== 0 && this.#count(at) === 0) this.#free(slot); // another may have moved here
      }
    });
  }

  #take(
    role: number,
    total: number,
    peer: string | null,
    { connections, perIp }: Pick<Places, "connections" | "perIp">,
  ): "full" | "share" | null {
    const words = this.#words;
    if (words[total]! >= connections) return "full";
    if (peer !== null) {
      const slot = this.#find(role, peer, true);
      if (slot < 0) return "full";
      const at = this.#at(slot);
      if (this.#count(at) >= perIp) return "share";
      words[at + HEAD + this.#thread]!++;
    }
    Atomics.store(words, total, words[total]! + 1); // read without the lock by who only wants to know
    words[total + 1 + this.#thread]!++;
    return null;
  }

  #give(role: number, total: number, peer: string | null): void {
    const words = this.#words;
    Atomics.store(words, total, words[total]! - 1);
    words[total + 1 + this.#thread]!--;
    if (peer === null) return;
    const slot = this.#find(role, peer, false);
    if (slot < 0) return;
    const at = this.#at(slot);
    words[at + HEAD + this.#thread]!--;
    if (this.#count(at) === 0) this.#free(slot);
  }

  /** Runs `work` alone. Nothing in it waits; a thread that is off the processor keeps the others for that long. */
  #locked<T>(work: () => T): T {
    const words = this.#words, own = this.#thread + 1;
    for (let tries = 0; Atomics.compareExchange(words, LOCK, 0, own) !== 0; tries++) {
      if (tries > SPINS) Atomics.wait(words, LOCK, words[LOCK]!, 1);
    }
    try {
      return work();
    } finally {
      Atomics.store(words, LOCK, 0);
      Atomics.notify(words, LOCK, 1);
    }
  }

  #at(slot: number): number {
    return this.#table + slot * (HEAD + this.#threads);
  }
  #count(at: number): number {
    let count = 0;
    for (let thread = 0; thread < this.#threads; thread++) count += this.#words[at + HEAD + thread]!;
    return count;
  }

  /** The slot of a peer, made where it is wanted and not there; -1: there is none. */
  #find(role: number, peer: string, make: boolean): number {
    const words = this.#words, [one, two, three] = nameOf(role, peer);
    for (let slot = homeOf(one, two, this.#slots), tries = 0; tries < this.#slots; tries++) {
      const at = this.#at(slot);
      if (words[at] === 0) {
        if (!make || words[USED]! >= this.#slots * 0.9) return -1;
        words[USED]!++;
        words[at] = 1;
        words[at + 1] = one;
        words[at + 2] = two;
        words[at + 3] = three;
        return slot;
      }
      if (words[at + 1] === one && words[at + 2] === two && words[at + 3] === three) return slot;
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
    return -1;
  }

  /** Empties a slot, and draws closer what had to stand behind it. */
  #free(slot: number): void {
    const words = this.#words, size = HEAD + this.#threads;
    words[USED]!--;
    let hole = slot;
    for (let next = slot;;) {
      next = next + 1 === this.#slots ? 0 : next + 1;
      const at = this.#at(next);
      if (words[at] === 0) break;
      const home = homeOf(words[at + 1]!, words[at + 2]!, this.#slots);
      const stays = hole <= next ? hole < home && home <= next : hole < home || home <= next;
      if (stays) continue;
      words.copyWithin(this.#at(hole), at, at + size);
      hole = next;
    }
    words.fill(0, this.#at(hole), this.#at(hole) + size);
  }
}

const ROLES: readonly string[] = ["mx", "submission", "lmtp"];
/** Before a waiting thread gives the processor away. */
const SPINS = 200;

/** A role and a network in three words, exact: an IPv4 address has 32 bits, an IPv6 /64 has 64. */
function nameOf(role: number, peer: string): readonly [number, number, number] {
  if (!peer.includes(":")) {
    let word = 0, part = 0;
    for (let i = 0; i < peer.length; i++) {
      const digit = peer.charCodeAt(i) - 48;
      if (digit >= 0) part = part * 10 + digit;
      else {
        word = word << 8 | part;
        part = 0;
      }
    }
    return [word << 8 | part, 0, role << 1];
  }
  const groups = peer.slice(0, peer.indexOf("::") < 0 ? peer.length : peer.indexOf("::")).split(":");
  const group = (at: number) => parseInt(groups[at] || "0", 16);
  return [group(0) << 16 | group(1), group(2) << 16 | group(3), role << 1 | 1];
}

function homeOf(one: number, two: number, slots: number): number {
  let hash = Math.imul(one ^ Math.imul(two, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return ((hash ^ hash >>> 16) >>> 0) % slots;
}
