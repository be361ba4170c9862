/**
 * Lists a tar archive from its octets in any cut (POSIX ustar, with the long names of GNU and pax). Linear; memory is one
 * block and one long name. Non-job: judging names.
 */
import { latin1 } from "./kinds.ts";

const BLOCK = 512, MAX_NAME = 4096;

/** Takes the octets of an entry. */
export interface TarData {
  write(octets: Uint8Array): void;
  end(): void;
}

export class TarLister {
  /** A header that is none: what follows cannot be listed. */
  broken = false;
  readonly #entry: (name: string, size: number) => TarData | null;
  readonly #block = new Uint8Array(BLOCK);
  #kept = 0;
  /** Octets of the entry, and of its padding, that are still to come. */
  #left = 0;
  #padding = 0;
  #data: TarData | null = null;
  /** A name for the entry after this one is being read: how it is written there. */
  #naming: "gnu" | "pax" | null = null;
  #long = "";

  constructor(entry: (name: string, size: number) => TarData | null) {
    this.#entry = entry;
  }

  write(octets: Uint8Array): void {
    let at = 0;
    while (at < octets.length && !this.broken) {
      if (this.#left > 0) {
        const part = octets.subarray(at, at + this.#left);
        this.#left -= part.length;
        at += part.length;
        if (this.#naming !== null) this.#long = (this.#long + latin1(part.subarray(0, MAX_NAME))).slice(0, MAX_NAME);
        else this.#data?.write(part);
        if (this.#left === 0) this.#endData();
      } else if (this.#padding > 0) {
        const part = Math.min(this.#padding, octets.length - at);
        this.#padding -= part;
        at += part;
      } else {
        const part = octets.subarray(at, at + BLOCK - this.#kept);
        this.#block.set(part, this.#kept);
        this.#kept += part.length;
        at += part.length;
        if (this.#kept === BLOCK) this.#header();
      }
    }
  }

  end(): void {
    this.#endData();
  }

  #header(): void {
    this.#kept = 0;
    const text = latin1(this.#block);
    if (text.charCodeAt(0) === 0) return; // the end, or filling behind it
    const field = (at: number, size: number) => text.slice(at, at + size).split("\0")[0]!;
    const digits = field(124, 12).trim(),
      size = this.#block[124]! & 0x80 ? binary(this.#block) : parseInt(digits || "0", 8);
    if (!Number.isSafeInteger(size) || size < 0) {
      this.broken = true;
      return;
    }
    this.#left = size;
    this.#padding = (BLOCK - size % BLOCK) % BLOCK;
    const kind = text[156];
    if (kind === "L" || kind === "x") {
      this.#naming = kind === "L" ? "gnu" : "pax";
      this.#long = "";
      if (size === 0) this.#endData();
      return;
    }
    if (kind === "K" || kind === "g") return;
    const prefix = text.startsWith("ustar\0", 257) ? field(345, 155) : "";
    const name = this.#long || (prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`);
    this.#long = "";
    this.#data = this.#entry(utf8(name), size);
    if (size === 0) this.#endData();
  }

  #endData(): void {
    if (this.#naming === "gnu") this.#long = this.#long.split("\0")[0]!;
    else if (this.#naming === "pax") this.#long = /(?:^|\n)\d{1,10} path=([^\n]*)/.exec(this.#long)?.[1] ?? "";
    this.#naming = null;
    const data = this.#data;
    this.#data = null;
    data?.end();
  }
}

/** Sizes past eight gigabytes. */
function binary(block: Uint8Array): number {
  let size = block[124]! & 0x7f;
  for (let at = 125; at < 136; at++) size = size * 256 + block[at]!;
  return size;
}

function utf8(name: string): string {
  return new TextDecoder().decode(Uint8Array.from(name, (char) => char.charCodeAt(0)));
}
