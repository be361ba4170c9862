/**
 * Lists a ZIP archive from its octets in any cut: local headers and the central directory (APPNOTE 4.3), wherever they
 * stand. Headers are searched for and not followed, so lengths that lie hide nothing, and what a stored archive inside
 * holds is listed too. Linear; memory is one header. Non-job: unpacking (inflater.ts), judging names.
 */
import { isUtf8 } from "../../../core/pipeline/mod.ts";

const P = 0x50, CENTRAL = 0x0201, FIXED = { local: 30, central: 46 } as const;
const MAX_NAME = 4096, MAX_METHOD = 99, MAX_VERSION = 100;

export interface ZipEntry {
  readonly name: string;
  /** Named in the central directory, which is what most programs read; else by a local header. */
  readonly central: boolean;
  readonly encrypted: boolean;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  /** As declared, octets; Infinity when they come behind the data. */
  readonly packed: number;
  readonly unpacked: number;
}
/** Takes the packed octets of an entry. */
export interface ZipData {
  write(octets: Uint8Array): void;
  end(): void;
}

export class ZipLister {
  readonly #entry: (entry: ZipEntry) => ZipData | null;
  #head = new Uint8Array(64);
  #size = 0;
  /** Octets that the header needs; 0: looking for one. */
  #need = 0;
  #data: ZipData | null = null;
  #left = 0;

  /** `entry` is told of each header; for a local one it may return who takes the data. */
  constructor(entry: (entry: ZipEntry) => ZipData | null) {
    this.#entry = entry;
  }

  write(octets: Uint8Array): void {
    let at = 0;
    while (at < octets.length) {
      if (this.#size > 0 && octets.length - at >= FIXED.central) this.#settle(octets.subarray(at, at + FIXED.central));
      if (this.#need === 0) {
        const found = seek(octets, at);
        this.#give(octets.subarray(at, found));
        at = found;
        if (found < octets.length) this.#need = 4;
      } else if (this.#size < 4) {
        const octet = octets[at]!;
        if (this.#fits(octet)) {
          this.#head[this.#size++] = octet;
          at++;
          if (this.#size === 4) this.#need = this.#head[2] === 3 ? FIXED.local : FIXED.central;
        } else this.#restart(this.#size);
      } else {
        const part = octets.subarray(at, at + this.#need - this.#size);
        this.#keep(part);
        at += part.length;
        if (this.#size === this.#need) this.#header();
      }
    }
  }

  end(): void {
    if (this.#size > 0) this.#give(this.#head.slice(0, this.#size));
    this.#endData();
  }

  /**
   * What was kept of the octets before may begin a header: `next`, the ones behind it, say whether it does. Without this
   * each false one leads to the next, octet by octet, and none is ever passed over at once.
   */
  #settle(next: Uint8Array): void {
    const size = this.#size, fixed = size > 2 && this.#head[2] === 3 ? FIXED.local : FIXED.central;
    if (size >= fixed) return; // it does
    const joined = new Uint8Array(size + next.length);
    joined.set(this.#head.subarray(0, size));
    joined.set(next, size);
    const found = Math.min(seek(joined, 0), size);
    if (found === 0) return;
    this.#give(joined.subarray(0, found));
    this.#head.set(joined.subarray(found, size));
    this.#size = size - found;
    this.#need = found === size ? 0 : this.#size < 4 ? 4 : this.#head[2] === 3 ? FIXED.local : FIXED.central;
  }

  /** Whether the octet goes on with `PK\x03\x04` or `PK\x01\x02`. */
  #fits(octet: number): boolean {
    if (this.#size === 0) return octet === P;
    if (this.#size === 1) return octet === 0x4b;
    if (this.#size === 2) return octet === 3 || octet === 1;
    return octet === (this.#head[2] === 3 ? 4 : 2);
  }

  #keep(part: Uint8Array): void {
    if (this.#size + part.length > this.#head.length) {
      const larger = new Uint8Array(Math.max(this.#need, this.#head.length * 2));
      larger.set(this.#head.subarray(0, this.#size));
      this.#head = larger;
    }
    this.#head.set(part, this.#size);
    this.#size += part.length;
  }

  /** It was no header: its first octets are data, the others are looked at again. */
  #restart(data: number): void {
    const head = this.#head.slice(0, this.#size);
    this.#size = this.#need = 0;
    this.#give(head.subarray(0, data));
    if (data < head.length) this.write(head.subarray(data));
  }

  #header(): void {
    const head = this.#head, u16 = (at: number) => head[at]! | head[at + 1]! << 8;
    const u32 = (at: number) => (u16(at) | u16(at + 2) << 16) >>> 0;
    const central = u16(2) === CENTRAL, fixed = central ? FIXED.central : FIXED.local, base = central ? 6 : 4;
    const nameLength = u16(base + 22), extraLength = u16(base + 24);
    if (this.#size === fixed) {
      if (!isPlausible(head, 0)) return this.#restart(4);
      this.#need = fixed + nameLength + extraLength;
      return;
    }
    const flags = u16(base + 2), method = u16(base + 4), octets = head.slice(fixed, fixed + nameLength);
    const late = !central && (flags & 8) !== 0;
    const [unpacked, packed] = sizes(head.subarray(fixed + nameLength, this.#size), u32(base + 18), u32(base + 14));
    const name = new TextDecoder(isUtf8(octets) ? "utf-8" : "windows-1252").decode(octets);
    this.#size = this.#need = 0;
    this.#endData();
    const unknown = late && packed === 0;
    const data = this.#entry({
      name,
      central,
      encrypted: (flags & 1) !== 0 || (flags & 0x2000) !== 0,
      method,
      packed: unknown ? Infinity : packed,
      unpacked: unknown ? Infinity : unpacked,
    });
    if (central) return;
    this.#data = data;
    this.#left = unknown ? Infinity : packed;
    if (this.#left === 0) this.#endData();
  }

  #give(octets: Uint8Array): void {
    if (this.#data === null || octets.length === 0) return;
    const part = octets.length > this.#left ? octets.subarray(0, this.#left) : octets;
    this.#left -= part.length;
    this.#data.write(part);
    if (this.#left === 0) this.#endData();
  }

  #endData(): void {
    const data = this.#data;
    this.#data = null;
    data?.end();
  }
}

/** The first octet from `from` on that may begin a header: what is known to be none costs no more than this look. */
function seek(octets: Uint8Array, from: number): number {
  for (let at = octets.indexOf(P, from); at >= 0; at = octets.indexOf(P, at + 1)) {
    const left = octets.length - at;
    if (left > 1 && octets[at + 1] !== 0x4b) continue;
    if (left > 2 && octets[at + 2] !== 3 && octets[at + 2] !== 1) continue;
    if (left > 3 && octets[at + 3] !== (octets[at + 2] === 3 ? 4 : 2)) continue;
    if (left >= FIXED.central && !isPlausible(octets, at)) continue;
    return at;
  }
  return octets.length;
}

/** The fixed part of a header that stands at `at`. */
function isPlausible(octets: Uint8Array, at: number): boolean {
  const base = at + (octets[at + 2] === 1 ? 6 : 4), nameLength = octets[base + 22]! | octets[base + 23]! << 8;
  return octets[base]! <= MAX_VERSION && (octets[base + 4]! | octets[base + 5]! << 8) <= MAX_METHOD && nameLength > 0 &&
    nameLength <= MAX_NAME;
}

/** Sizes of ZIP64, where the header says that they are there (APPNOTE 4.5.3). */
function sizes(extra: Uint8Array, unpacked: number, packed: number): [unpacked: number, packed: number] {
  const FULL = 0xffffffff;
  if (unpacked !== FULL && packed !== FULL) return [unpacked, packed];
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  for (let at = 0; at + 4 <= extra.length;) {
    const id = view.getUint16(at, true), end = Math.min(at + 4 + view.getUint16(at + 2, true), extra.length);
    let from = at + 4;
    const next = () => from + 8 <= end ? Number(view.getBigUint64((from += 8) - 8, true)) : FULL;
    if (id === 1) return [unpacked === FULL ? next() : unpacked, packed === FULL ? next() : packed];
    at = end;
  }
  return [unpacked, packed];
}
