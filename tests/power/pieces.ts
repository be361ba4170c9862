/**
 * The octets of one file: those that are durable, and the changes since, of which a power cut keeps any part. Non-job:
 * names (disk.ts).
 */
import type { Random } from "../support/random.ts";

/** What a cut leaves of the changes that no sync has covered. */
export type Kept =
  /** Nothing. */
  | "none"
  /** All, as when only the process is killed. */
  | "all"
  /** All up to one of them, of which a part. */
  | "torn"
  /** Any sectors of any, and any of the sizes that the file had. */
  | "scattered";

export interface Loss {
  readonly random: Random;
  /** Octets that are written whole or not at all. */
  readonly sector: number;
  /** Room that was never written reads as anything instead of zeros. */
  readonly junk: boolean;
}

type Change = { readonly at: number; readonly data: Uint8Array } | { readonly size: number };

export class FileOctets {
  #durable = new Uint8Array(0);
  #size = 0;
  #pending: Change[] = [];
  /** Changes that are in `#durable`. */
  #folded = 0;

  /** How many changes there were: what a sync that begins now will cover. */
  get changes(): number {
    return this.#folded + this.#pending.length;
  }

  change(change: Change): void {
    this.#pending.push(change);
  }

  /** The first so many changes are durable. */
  fold(changes: number): void {
    const count = Math.max(0, changes - this.#folded);
    for (const change of this.#pending.splice(0, count)) this.#apply(change);
    this.#folded += count;
  }

  #apply(change: Change): void {
    if ("size" in change) {
      this.#grow(change.size);
      if (change.size < this.#size) this.#durable.fill(0, change.size, this.#size);
      this.#size = change.size;
      return;
    }
    const { at, data } = change;
    this.#grow(at + data.length);
    this.#durable.set(data, at);
    this.#size = Math.max(this.#size, at + data.length);
  }

  #grow(size: number): void {
    if (size <= this.#durable.length) return;
    const grown = new Uint8Array(Math.max(size, 2 * this.#durable.length));
    grown.set(this.#durable.subarray(0, this.#size));
    this.#durable = grown;
  }

  /** What may be found after a cut. */
  after(kept: Kept, { random, sector, junk }: Loss): Uint8Array<ArrayBuffer> {
    const left = new FileOctets();
    left.#durable = this.#durable.slice(0, this.#size);
    left.#size = this.#size;
    if (kept === "none" || this.#pending.length === 0) return left.#durable;
    if (kept === "scattered") return this.#scattered(left, { random, sector, junk });
    const whole = kept === "all" ? this.#pending.length : random.below(this.#pending.length);
    for (const change of this.#pending.slice(0, whole)) left.#apply(change);
    const last = this.#pending[whole];
    if (last !== undefined && "data" in last) {
      const most = Math.floor((last.at + last.data.length) / sector) * sector - last.at; // a sector is whole or not
      const length = Math.floor(random.below(Math.max(1, most + 1)) / sector) * sector;
      left.#apply({ at: last.at, data: last.data.subarray(0, length) });
    }
    return left.#durable.slice(0, left.#size);
  }

  #scattered(left: FileOctets, { random, sector, junk }: Loss): Uint8Array<ArrayBuffer> {
    const share = random.pick([1, 5, 9]), sizes = [left.#size];
    let size = left.#size;
    for (const change of this.#pending) {
      size = "size" in change ? change.size : Math.max(size, change.at + change.data.length);
      sizes.push(size);
    }
    left.#apply({ size: Math.max(...sizes) }); // sizes are one thing, sectors another
    if (junk) { for (let at = this.#size; at < left.#size; at++) left.#durable[at] = random.word(); }
    for (const change of this.#pending) {
      if ("size" in change) {
        if (random.below(10) < share) left.#durable.fill(0, change.size, left.#size);
        continue;
      }
      const { at, data } = change;
      for (let from = 0; from < data.length;) {
        const to = Math.min(data.length, (Math.floor((at + from) / sector) + 1) * sector - at);
        if (random.below(10) < share) left.#apply({ at: at + from, data: data.subarray(from, to) });
        from = to;
      }
    }
    return left.#durable.slice(0, random.pick(sizes));
  }
}
