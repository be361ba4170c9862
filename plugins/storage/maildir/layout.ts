/**
 * From an address to the folder of its mailbox below the root: the layout's text with `{local}` and `{domain}` filled
 * in, each escaped so that no address can leave the root and no two share a folder. Pure; non-job: making folders.
 *
 * Letters are folded to lower case (RFC 5321 2.4 leaves that to us, the host) and composed (NFC), because people and
 * file systems do not tell such names apart.
 */
import { createHash } from "node:crypto";
import type { Address } from "../../../core/pipeline/mod.ts";

/** What most file systems allow one name to be, octets. */
const MAX_NAME = 255;
const PLACEHOLDER = /\{(\w*)\}/g;
/** Plain in a folder's name. Not among them: "/", NUL, "%" (the escape), "@" (may part two placeholders). */
const PLAIN = new Set("abcdefghijklmnopqrstuvwxyz0123456789-_+=.");
const utf8 = new TextEncoder();

/** Where mailboxes lie: the path of an address below the root, with "/" between names and none in front. */
export type Layout = (address: Address) => string;

/**
 * Reads a layout such as `{domain}/{local}/Maildir`.
 *
 * @throws {TypeError} with a sentence for the operator, when the text could leave the root or let addresses collide.
 */
export function parseLayout(text: string): Layout {
  const names = text.split("/");
  for (const name of names) {
    const fixed = name.replace(PLACEHOLDER, (all, word) => word === "local" || word === "domain" ? "" : all);
    if (name === "") throw new TypeError(`layout "${text}" has an empty name: write no "/" at its ends, none twice`);
    if (name === "." || name === "..") throw new TypeError(`layout "${text}" may not contain "${name}"`);
    if (/[^ -~]|[{}%]/.test(fixed)) {
      throw new TypeError(`layout "${text}" may contain {local}, {domain} and ASCII text without { } and %`);
    }
    // Side by side, "a" + "bc" and "ab" + "c" would be one name; an "@" never stands in an escaped value.
    if (/\}[^@/]*\{/.test(name)) throw new TypeError(`layout "${text}" needs a "/" or "@" between two placeholders`);
  }
  return ({ local, domain }) => {
    const values = { local: escapeName(local), domain: escapeName(domain) };
    return names.map((name) => {
      const filled = name.replace(PLACEHOLDER, (_, word: "local" | "domain") => values[word]);
      // The domain of <Postmaster> is empty (RFC 5321 4.5.1): what would be "", "." or ".." then begins with "%".
      return limited(/^\.{0,2}$/.test(filled) ? `%${filled}` : filled);
    }).join("/");
  };
}

/** The value as part of a folder's name. Reversible up to case and composition: `%XX` is an octet of its UTF-8. */
export function escapeName(value: string): string {
  let out = "";
  for (const octet of utf8.encode(value.toLowerCase().normalize("NFC"))) {
    const char = String.fromCharCode(octet);
    // A leading dot would hide the folder, or be "." or "..".
    out += octet < 128 && PLAIN.has(char) && !(char === "." && out === "")
      ? char
      : "%" + octet.toString(16).toUpperCase().padStart(2, "0");
  }
  return out;
}

/** A name too long for the file system keeps its beginning, then "%~" (which no escape makes) and a digest of it all. */
function limited(name: string): string {
  if (name.length <= MAX_NAME) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 40);
  return `${name.slice(0, 120).replace(/%.?$/, "")}%~${digest}`;
}
