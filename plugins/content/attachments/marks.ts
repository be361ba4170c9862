/**
 * Looks for marks in octets of any cut: that an Office document of the old form has macros or a password, that a PDF runs
 * something, that a file is a disk image. Linear; keeps a few octets between two pieces. Non-job: reading those formats.
 */
import { ISO_AT, ISO_MARK, latin1 } from "./kinds.ts";

export type Mark = "macros" | "encrypted" | "pdfScript" | "iso";

const wide = (text: string): string => text.replace(/[^]/g, "$&\0");
/** Names of streams in the directory of an OLE file, in UTF-16. */
const OLE: readonly (readonly [text: string, mark: Mark])[] = [
  [wide("_VBA_PROJECT"), "macros"],
  [wide("EncryptedPackage"), "encrypted"],
];
const PDF: readonly (readonly [text: string, mark: Mark])[] = [
  ["/JavaScript", "pdfScript"],
  ["/JS(", "pdfScript"],
  ["/JS (", "pdfScript"],
  ["/JS<", "pdfScript"],
  ["/Launch", "pdfScript"],
  ["/Encrypt ", "encrypted"],
];
const LONGEST = 64;

export class MarkFinder {
  readonly #found: (mark: Mark) => void;
  readonly #wanted: Map<string, Mark>;
  readonly #pdf: boolean;
  readonly #image: boolean;
  #tail = "";
  #at = 0;
  #sign = "";

  /** `found` is told of each mark once. Kind null: only a disk image is looked for. */
  constructor(kind: "ole" | "pdf" | null, found: (mark: Mark) => void) {
    this.#found = found;
    this.#pdf = kind === "pdf";
    this.#image = kind === null;
    this.#wanted = new Map(kind === null ? [] : kind === "ole" ? OLE : PDF);
  }

  /** Nothing more can be found. */
  get over(): boolean {
    return this.#image ? this.#at >= ISO_AT + ISO_MARK.length : this.#wanted.size === 0;
  }

  write(octets: Uint8Array): void {
    if (this.#image) return this.#imageMark(octets);
    for (let at = 0; at < octets.length && this.#wanted.size > 0; at += 65_536) {
      let text = this.#tail + latin1(octets.subarray(at, at + 65_536));
      this.#tail = text.slice(-LONGEST);
      // Names may have their characters in hex                                              ISO 32000-1 7.3.5
      if (this.#pdf && text.includes("#")) {
        text = text.replace(/#([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      }
      for (const [sign, mark] of this.#wanted) {
        if (!text.includes(sign)) continue;
        for (const [other, same] of this.#wanted) if (same === mark) this.#wanted.delete(other);
        this.#found(mark);
      }
    }
  }

  #imageMark(octets: Uint8Array): void {
    const from = ISO_AT - this.#at, to = from + ISO_MARK.length;
    this.#at += octets.length;
    if (to <= 0 || from >= octets.length) return;
    this.#sign += latin1(octets.subarray(Math.max(0, from), Math.min(to, octets.length)));
    if (this.#sign === ISO_MARK) this.#found("iso");
  }
}
