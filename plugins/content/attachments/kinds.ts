/**
 * What content is, by its first octets, whatever its name and type say. Pure. Non-job: what is inside of it.
 */
export type Kind =
  | "pe"
  | "elf"
  | "macho"
  | "java"
  | "shortcut"
  | "script"
  | "zip"
  | "gzip"
  | "tar"
  | "rar"
  | "7z"
  | "cab"
  | "iso"
  | "bzip2"
  | "xz"
  | "zstd"
  | "tnef"
  | "ole"
  | "onenote"
  | "pdf"
  | "rtf"
  | "html"
  | "image";

/** Octets that `kindOf` looks at. */
export const LOOKED_AT = 4096;
/** Where a disk image says that it is one (ECMA-119 8.1), and what. */
export const ISO_AT = 32_769, ISO_MARK = "CD001";

export const PROGRAMS: ReadonlySet<Kind> = new Set(["pe", "elf", "macho", "java", "shortcut"]);
/** Hold files that nobody here takes out. */
export const OPAQUE: ReadonlySet<Kind> = new Set(["rar", "7z", "cab", "iso", "bzip2", "xz", "zstd", "tnef"]);

/** Octets as characters, at the very beginning. */
const MAGIC: readonly (readonly [beginning: string, kind: Kind])[] = [
  ["\x7fELF", "elf"],
  ["\xfe\xed\xfa\xce", "macho"],
  ["\xfe\xed\xfa\xcf", "macho"],
  ["\xce\xfa\xed\xfe", "macho"],
  ["\xcf\xfa\xed\xfe", "macho"],
  ["\xca\xfe\xba\xbe", "java"], // or a Mach-O for several processors: a program all the same
  ["L\0\0\0\x01\x14\x02\0", "shortcut"],
  ["#!", "script"],
  ["PK\x03\x04", "zip"],
  ["PK\x05\x06", "zip"],
  ["PK\x07\x08", "zip"],
  ["\x1f\x8b", "gzip"],
  ["Rar!\x1a\x07", "rar"],
  ["7z\xbc\xaf\x27\x1c", "7z"],
  ["MSCF", "cab"],
  ["BZh", "bzip2"],
  ["\xfd7zXZ\0", "xz"],
  ["\x28\xb5\x2f\xfd", "zstd"],
  ["\x78\x9f\x3e\x22", "tnef"],
  ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"],
  ["\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "onenote"],
  ["{\\rtf", "rtf"],
  ["\x89PNG\r\n\x1a\n", "image"],
  ["\xff\xd8\xff", "image"],
  ["GIF87a", "image"],
  ["GIF89a", "image"],
  ["II*\0", "image"],
  ["MM\0*", "image"],
];

/**
 * The kind of what begins with these octets, LOOKED_AT of them or all there are; null: none of those that matter.
 *
 * @example
 * ```ts
 * import { kindOf } from "./kinds.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(kindOf(new TextEncoder().encode("%PDF-1.7")), "pdf");
 * ```
 */
export function kindOf(octets: Uint8Array): Kind | null {
  const text = latin1(octets.subarray(0, LOOKED_AT));
  for (const [beginning, kind] of MAGIC) if (text.startsWith(beginning)) return kind;
  if (text.startsWith("MZ") && isProgram(octets)) return "pe";
  if (text.startsWith("ustar", 257)) return "tar";
  if (text.startsWith("RIFF") && text.startsWith("WEBP", 8)) return "image";
  if (text.slice(0, 1029).includes("%PDF-")) return "pdf"; // readers take some octets before it
  const words = text.slice(0, 512).replace(/^(?:\xef\xbb\xbf)?[ \t\r\n]*/, "").toLowerCase();
  if (/^@echo (?:off|on)\b/.test(words)) return "script";
  return /^<(?:!doctype html|html|script)\b/.test(words) ? "html" : null;
}

/** "MZ" may begin a text: a program has zeros in its header, or says where its second one is. */
function isProgram(octets: Uint8Array): boolean {
  if (octets.length < 64) return false;
  const at = octets[60]! | octets[61]! << 8 | octets[62]! << 16;
  const second = latin1(octets.subarray(at, at + 4));
  return second.startsWith("PE\0\0") || /^(?:NE|LE|LX)/.test(second) || octets.subarray(2, 64).includes(0);
}

/** Types and the kinds that their content may be; a type that is not here may be anything. */
const EXPECTED: readonly (readonly [type: RegExp, kinds: readonly Kind[]])[] = [
  [/^image\/(?!svg|x-)/, ["image"]],
  [/^(?:audio|video|font)\//, []],
  [/^text\/(?:plain|csv|calendar)$/, ["script", "html", "rtf"]],
  [/^application\/pdf$/, ["pdf"]],
  [/^application\/(?:msword|vnd\.ms-)/, ["ole", "zip", "rtf", "html"]],
  [/^application\/vnd\.(?:openxmlformats|oasis)/, ["zip", "ole"]], // with a password it is OLE
];

/** The content is of a kind, and of none that this type has. */
export function contradicts(type: string, kind: Kind): boolean {
  return EXPECTED.some(([pattern, kinds]) => pattern.test(type) && !kinds.includes(kind));
}

export function latin1(octets: Uint8Array): string {
  let text = "";
  for (let at = 0; at < octets.length; at += 4096) {
    text += String.fromCharCode.apply(null, octets.subarray(at, at + 4096) as unknown as number[]);
  }
  return text;
}
