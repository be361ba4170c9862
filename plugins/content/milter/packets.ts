/**
 * Packets of the milter protocol: a length in four octets, a letter, data; texts end in NUL, numbers are big-endian.
 * Octets in any pieces in, packets out, and the other way round, in bounded memory. Non-job: what they mean.
 */
import { MilterError } from "./protocol.ts";

/** A packet that came. */
export interface Packet {
  /** One character: what it is. */
  readonly letter: string;
  /** What is behind the letter; a copy. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The longest packet that is read: a megabyte of data, and what names it. Who announces more speaks something else. */
export const LONGEST_PACKET: number = 1024 * 1024 + 1024;
const LENGTH = 4;

/** A part of a packet: a text is UTF-8 with a NUL behind it, and loses its own NULs. */
export type Part = string | Uint8Array | { readonly uint32: number } | { readonly uint16: number };

const utf8 = new TextEncoder(), strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A packet as the wire has it.
 *
 * @example
 * ```ts
 * import { encodePacket } from "./packets.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals([...encodePacket("H", ["mx"])], [0, 0, 0, 4, 72, 109, 120, 0]);
 * ```
 */
export function encodePacket(letter: string, parts: readonly Part[] = []): Uint8Array<ArrayBuffer> {
  const pieces = parts.map(encodePart);
  const size = pieces.reduce((sum, piece) => sum + piece.length, 1);
  const packet = new Uint8Array(LENGTH + size);
  new DataView(packet.buffer).setUint32(0, size);
  packet[LENGTH] = letter.charCodeAt(0);
  let at = LENGTH + 1;
  for (const piece of pieces) {
    packet.set(piece, at);
    at += piece.length;
  }
  return packet;
}

function encodePart(part: Part): Uint8Array {
  if (typeof part === "string") return utf8.encode(`${part.replaceAll("\0", " ")}\0`); // a NUL would hide what follows it
  if (part instanceof Uint8Array) return part;
  const [size, value] = "uint32" in part ? [4, part.uint32] : [2, part.uint16];
  const octets = new Uint8Array(size), view = new DataView(octets.buffer);
  if (size === 4) view.setUint32(0, value);
  else view.setUint16(0, value);
  return octets;
}

/** Makes packets out of what comes. */
export class PacketReader {
  readonly #head = new Uint8Array(LENGTH);
  /** Octets of `#head` or `#packet` that are there. */
  #filled = 0;
  #packet: Uint8Array<ArrayBuffer> | null = null;

  /** The packets that are whole with these octets. @throws {MilterError} when a length is none. */
  *read(octets: Uint8Array): Generator<Packet, void> {
    for (let at = 0; at < octets.length;) {
      const target = this.#packet ?? this.#head;
      const piece = octets.subarray(at, at + target.length - this.#filled);
      target.set(piece, this.#filled);
      at += piece.length;
      this.#filled += piece.length;
      if (this.#filled < target.length) return;
      this.#filled = 0;
      if (this.#packet === null) {
        const size = new DataView(this.#head.buffer).getUint32(0);
        if (size === 0 || size > LONGEST_PACKET) throw new MilterError(`it announced a packet of ${size} octets`);
        this.#packet = new Uint8Array(size);
      } else {
        const packet = this.#packet;
        this.#packet = null;
        yield { letter: String.fromCharCode(packet[0]!), data: packet.subarray(1) };
      }
    }
  }

  /** It is in the middle of a packet. */
  get within(): boolean {
    return this.#packet !== null || this.#filled > 0;
  }
}

/** Reads the data of a packet from its start. */
export class Fields {
  #at = 0;
  constructor(readonly data: Uint8Array) {}

  get done(): boolean {
    return this.#at === this.data.length;
  }
  /** @throws {MilterError} when it is not there. */
  uint32(): number {
    if (this.data.length - this.#at < 4) throw new MilterError("a packet of it ends within a number");
    const { buffer, byteOffset } = this.data;
    const value = new DataView(buffer, byteOffset + this.#at).getUint32(0);
    this.#at += 4;
    return value;
  }
  /** UTF-8, else Latin-1. @throws {MilterError} when it does not end. */
  text(): string {
    const end = this.data.indexOf(0, this.#at);
    if (end < 0) throw new MilterError("a packet of it ends within a text");
    const octets = this.data.subarray(this.#at, end);
    this.#at = end + 1;
    return decode(octets);
  }
  /** All that is left; a copy. */
  rest(): Uint8Array<ArrayBuffer> {
    const octets = this.data.slice(this.#at);
    this.#at = this.data.length;
    return octets;
  }
  /** @throws {MilterError} when there is more. */
  end(): void {
    if (!this.done) throw new MilterError("a packet of it goes on where it should end");
  }
}

function decode(octets: Uint8Array): string {
  try {
    return strict.decode(octets);
  } catch {
    let text = "";
    for (const octet of octets) text += String.fromCharCode(octet); // "latin1" means windows-1252 to TextDecoder
    return text;
  }
}
