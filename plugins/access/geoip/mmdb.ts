/**
 * Reads the MaxMind DB format 2.0: a binary tree over the bits of addresses, whose leaves are records. Whatever the octets
 * are, a lookup ends after bounded work with a record, with nothing, or with an MmdbError. Values only, no file.
 * Non-job: what a record means (facts.ts).
 */
import { ipOctets, isIPv4 } from "../../../core/pipeline/mod.ts";

/** The octets are no such database, or are damaged. */
export class MmdbError extends Error {
  override readonly name = "MmdbError";
}
/** What a record is made of. Maps have no prototype: a key may have any name. */
export type MmdbValue = string | number | bigint | boolean | Uint8Array | readonly MmdbValue[] | MmdbMap;
export interface MmdbMap {
  readonly [key: string]: MmdbValue;
}

/** Stands before the metadata, at the end of the file. */
const MARKER = Uint8Array.of(0xab, 0xcd, 0xef, ...new TextEncoder().encode("MaxMind.com"));
const MAX_METADATA = 128 * 1024;
const SEPARATOR = 16; // octets of zero between tree and data
const MAX_DEPTH = 16, MAX_VALUES = 5000, MAX_TEXT = 64 * 1024; // for one record; real ones have some 150 values
const TEXT = new TextDecoder();

export class Mmdb {
  /** What it calls itself: "GeoLite2-Country". */
  readonly type: string;
  /** When it was made, seconds since 1970. */
  readonly built: number;
  readonly #octets: Uint8Array;
  readonly #nodes: number;
  /** Bits of one record in a node. */
  readonly #size: number;
  readonly #version: number;
  readonly #data: number;
  /** Where the IPv4 addresses begin in a tree of IPv6. */
  readonly #root4: number;

  /** @throws {MmdbError} when the octets are no database. */
  constructor(octets: Uint8Array) {
    this.#octets = octets;
    const start = metadataStart(octets);
    const metadata = new Decoder(octets.subarray(start)).read(0);
    if (!isMap(metadata)) throw new MmdbError("its metadata is no map");
    const number = (name: string): number => {
      const value = metadata[name];
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
      throw new MmdbError(`its metadata has no ${name}`);
    };
    if (number("binary_format_major_version") !== 2) throw new MmdbError("its format is not version 2");
    this.#nodes = number("node_count");
    this.#size = number("record_size");
    this.#version = number("ip_version");
    if (![24, 28, 32].includes(this.#size)) throw new MmdbError(`its records have ${this.#size} bits`);
    if (this.#version !== 4 && this.#version !== 6) throw new MmdbError(`its addresses are version ${this.#version}`);
    this.#data = this.#nodes * this.#size / 4 + SEPARATOR;
    if (this.#data > start) throw new MmdbError("its tree is longer than the file");
    const { database_type: type, build_epoch: built } = metadata;
    this.type = typeof type === "string" ? type : "";
    this.built = typeof built === "number" || typeof built === "bigint" ? Number(built) : 0;
    let root = 0;
    for (let bit = 0; this.#version === 6 && bit < 96 && root < this.#nodes; bit++) root = this.#record(root, 0);
    this.#root4 = root;
  }

  /**
   * The record of the smallest network that holds the address, or null.
   *
   * @param ip canonical, as `ctx.client.ip`
   * @throws {MmdbError} when that record is damaged.
   */
  get(ip: string): MmdbValue | null {
    const four = isIPv4(ip);
    if (!four && this.#version === 4) return null;
    const address = ipOctets(ip);
    let node = four ? this.#root4 : 0;
    for (let bit = 0; bit < address.length * 8 && node < this.#nodes; bit++) {
      node = this.#record(node, address[bit >> 3]! >> (7 - (bit & 7)) & 1);
    }
    if (node <= this.#nodes) return null; // `nodes` itself means nothing there
    return new Decoder(this.#octets.subarray(this.#data)).read(node - this.#nodes - SEPARATOR);
  }

  #record(node: number, side: number): number {
    const octets = this.#octets, at = node * this.#size / 4; // two records in a node
    switch (this.#size) {
      case 24:
        return unsigned(octets, at + 3 * side, 3);
      case 32:
        return unsigned(octets, at + 4 * side, 4);
      default: { // 28: the octet in the middle has the highest four bits of both
        const middle = octets[at + 3]!;
        return (side === 0 ? middle >> 4 : middle & 15) * 2 ** 24 + unsigned(octets, at + 4 * side, 3);
      }
    }
  }
}

function metadataStart(octets: Uint8Array): number {
  const size = MARKER.length, first = Math.max(0, octets.length - MAX_METADATA);
  for (let at = octets.length - size; at >= first; at--) {
    let same = 0;
    while (same < size && octets[at + same] === MARKER[same]) same++;
    if (same === size) return at + size;
  }
  throw new MmdbError("it is no MaxMind DB");
}

function unsigned(octets: Uint8Array, at: number, length: number): number {
  if (at < 0 || at + length > octets.length) throw new MmdbError("it ends too soon");
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + octets[at + i]!;
  return value;
}

/** Type numbers of the format. */
const POINTER = 1, UTF8 = 2, DOUBLE = 3, BYTES = 4, UINT16 = 5, UINT32 = 6, MAP = 7;
const INT32 = 8, UINT64 = 9, UINT128 = 10, ARRAY = 11, BOOLEAN = 14, FLOAT = 15;
const LONGEST: Readonly<Record<number, number>> = { [UINT16]: 2, [UINT32]: 4, [INT32]: 4, [UINT64]: 8, [UINT128]: 16 };

/** One value out of a section, with all that it holds. */
class Decoder {
  readonly #section: Uint8Array;
  #at = 0;
  #values = 0;
  #text = 0;

  constructor(section: Uint8Array) {
    this.#section = section;
  }

  read(at: number): MmdbValue {
    this.#at = at;
    return this.#value(0);
  }

  #value(depth: number): MmdbValue {
    if (depth > MAX_DEPTH || ++this.#values > MAX_VALUES) throw new MmdbError("a record has no end");
    const control = this.#number(1);
    let type = control >> 5;
    if (type === POINTER) return this.#pointed(control, depth);
    if (type === 0) type = this.#number(1) + 7;
    const size = this.#length(control & 31);
    switch (type) {
      case UTF8:
        return this.#string(size);
      case BYTES:
        return this.#take(size).slice();
      case MAP:
        return this.#map(size, depth);
      case ARRAY: {
        if (size > MAX_VALUES) throw new MmdbError("a record has no end");
        const found: MmdbValue[] = [];
        for (let i = 0; i < size; i++) found.push(this.#value(depth + 1));
        return found;
      }
      case BOOLEAN:
        if (size > 1) break;
        return size === 1;
      case DOUBLE:
      case FLOAT: {
        if (size !== (type === DOUBLE ? 8 : 4)) break;
        const { buffer, byteOffset } = this.#take(size), view = new DataView(buffer, byteOffset, size);
        return type === DOUBLE ? view.getFloat64(0) : view.getFloat32(0);
      }
      case UINT16:
      case UINT32:
      case INT32:
      case UINT64:
      case UINT128: {
        if (size > LONGEST[type]!) break;
        if (size > 6) return this.#take(size).reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
        const value = this.#number(size);
        return type === INT32 && size === 4 ? value | 0 : value;
      }
    }
    throw new MmdbError(`a value of type ${type} has ${size} octets`);
  }

  #map(size: number, depth: number): MmdbMap {
    if (size > MAX_VALUES) throw new MmdbError("a record has no end");
    const found: Record<string, MmdbValue> = Object.create(null);
    for (let i = 0; i < size; i++) {
      const key = this.#value(depth + 1);
      if (typeof key !== "string") throw new MmdbError("a key is no text");
      found[key] = this.#value(depth + 1);
    }
    return found;
  }

  /** What stands somewhere else; reading goes on behind the pointer. */
  #pointed(control: number, depth: number): MmdbValue {
    const size = control >> 3 & 3, high = control & 7;
    const target = size === 3
      ? this.#number(4)
      : high * 256 ** (size + 1) + this.#number(size + 1) + [0, 2048, 526_336][size]!;
    const behind = this.#at;
    if (target >= this.#section.length) throw new MmdbError("a pointer leads out of the file");
    if (this.#section[target]! >> 5 === POINTER) throw new MmdbError("a pointer leads to a pointer");
    this.#at = target;
    const value = this.#value(depth + 1);
    this.#at = behind;
    return value;
  }

  #string(size: number): string {
    this.#text += size;
    if (this.#text > MAX_TEXT) throw new MmdbError("a record has too much text");
    return TEXT.decode(this.#take(size));
  }

  #length(bits: number): number {
    if (bits < 29) return bits;
    if (bits === 29) return 29 + this.#number(1);
    return bits === 30 ? 285 + this.#number(2) : 65_821 + this.#number(3);
  }

  #number(length: number): number {
    const value = unsigned(this.#section, this.#at, length);
    this.#at += length;
    return value;
  }

  #take(length: number): Uint8Array {
    const at = this.#at;
    if (at + length > this.#section.length) throw new MmdbError("it ends too soon");
    this.#at = at + length;
    return this.#section.subarray(at, at + length);
  }
}

/** A map, and none of the other values that are objects. */
export function isMap(value: MmdbValue | undefined): value is MmdbMap {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array);
}
