/**
 * The header of a gzip file (RFC 1952 2.3) and the deflated octets behind it, from octets in any cut. Non-job: inflating
 * (inflater.ts), members behind the first.
 */
const EXTRA = 4, NAME = 8, COMMENT = 16, CHECK = 2;
const TRAILER = 8; // CRC and size
const MAX_NAME = 4096;

/** Takes the deflated octets. */
export interface GzipData {
  write(octets: Uint8Array): void;
  end(): void;
}

export class GzipReader {
  readonly #begin: (name: string | null) => GzipData | null;
  #state: "fixed" | "extraSize" | "extra" | "name" | "comment" | "check" | "data" = "fixed";
  #count = 0;
  #flags = 0;
  #extra = 0;
  #name = "";
  #data: GzipData | null = null;
  /** The last octets so far: a trailer, if no more come. */
  #tail = new Uint8Array(0);

  /** `begin` is told of the name that the header has, and returns who takes the data. */
  constructor(begin: (name: string | null) => GzipData | null) {
    this.#begin = begin;
  }

  write(octets: Uint8Array): void {
    let at = 0;
    for (; at < octets.length && this.#state !== "data"; at++) this.#octet(octets[at]!);
    if (at === octets.length || this.#data === null) return;
    const rest = octets.subarray(at), all = new Uint8Array(this.#tail.length + rest.length);
    all.set(this.#tail);
    all.set(rest, this.#tail.length);
    const keep = Math.max(0, all.length - TRAILER);
    if (keep > 0) this.#data.write(all.subarray(0, keep));
    this.#tail = all.slice(keep);
  }

  end(): void {
    this.#data?.end();
  }

  #octet(octet: number): void {
    const count = this.#count++;
    switch (this.#state) {
      case "fixed":
        if (count === 3) this.#flags = octet;
        if (count === 9) this.#next(EXTRA);
        break;
      case "extraSize":
        this.#extra |= octet << 8 * count;
        if (count === 1) {
          this.#state = "extra";
          this.#count = 0;
          if (this.#extra === 0) this.#next(NAME);
        }
        break;
      case "extra":
        if (this.#count === this.#extra) this.#next(NAME);
        break;
      case "name":
        if (octet === 0) this.#next(COMMENT);
        else if (this.#name.length < MAX_NAME) this.#name += String.fromCharCode(octet);
        break;
      case "comment":
        if (octet === 0) this.#next(CHECK);
        break;
      case "check":
        if (count === 1) this.#next(0);
        break;
    }
  }

  /** To the first of the optional fields from this one on that is there. */
  #next(from: number): void {
    this.#count = 0;
    const order = [[EXTRA, "extraSize"], [NAME, "name"], [COMMENT, "comment"], [CHECK, "check"]] as const;
    const start = order.findIndex(([flag]) => flag === from);
    const found = start < 0 ? undefined : order.slice(start).find(([flag]) => (this.#flags & flag) !== 0);
    this.#state = found?.[1] ?? "data";
    if (this.#state === "data") this.#data = this.#begin(this.#name === "" ? null : this.#name);
  }
}
