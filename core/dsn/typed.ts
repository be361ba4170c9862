/**
 * Values that came encoded in envelope parameters, and addresses with their type, as a report has them: xtext (RFC 3461 4),
 * utf-8-addr-xtext and utf-8-address (RFC 6533 3). What would not survive in a field stays encoded.
 */
import { type Address, formatAddress } from "../model/address.ts";

const PRINTABLE = /^[!-~](?:[ -~]*[!-~])?$/;
const NON_ASCII = /[^\x00-\x7f]/;
const CONTROL = /[\p{Cc}\p{Cs}\u2028\u2029]/u;

/** Decoded when that is plain ASCII, else as it stands: no +0D+0A of a stranger ends a line. */
export function decodeXtext(text: string): string {
  const decoded = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return PRINTABLE.test(decoded) ? decoded : text;
}

/** `\x{...}` of utf-8-addr-xtext and utf-8-addr-unitext decoded; null when that gives no line of text. */
function decodeUnicode(text: string): string | null {
  let good = true;
  const decoded = text.replace(/\\x\{([0-9A-F]{2,6})\}/g, (_, hex: string) => {
    const code = parseInt(hex, 16);
    if (code <= 0x10ffff) return String.fromCodePoint(code);
    good = false;
    return "";
  });
  return good && !CONTROL.test(decoded) && decoded.trim() === decoded && decoded !== "" ? decoded : null;
}

/** Graphic ASCII alone: QCHAR stays, everything else becomes `\x{...}` (utf-8-addr-xtext, RFC 6533 3). */
export function encodeUnicode(text: string): string {
  return text.replace(
    /[^!-*,-<>-[\]-~]/gu,
    (char) => `\\x{${char.codePointAt(0)!.toString(16).toUpperCase().padStart(2, "0")}}`,
  );
}

/** Text where only what is not ASCII is escaped: for words of a server in a field that must be ASCII. */
export function escapeUnicode(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (char) => `\\x{${char.codePointAt(0)!.toString(16).toUpperCase()}}`);
}

export function isAscii(text: string): boolean {
  return !NON_ASCII.test(text);
}

/** The value of Original-Recipient for an ORCPT as it stood on the wire. `wide`: UTF-8 may stand in the field. */
export function originalRecipient(orcpt: string, wide: boolean): string {
  const at = orcpt.indexOf(";"), type = escapeUnicode(orcpt.slice(0, at)), address = orcpt.slice(at + 1);
  if (type.toLowerCase() !== "utf-8") return `${type}; ${escapeUnicode(decodeXtext(address))}`;
  const decoded = decodeUnicode(
    address.replace(
      /\+([0-7][0-9A-F])/g,
      (whole, hex: string) =>
        PRINTABLE.test(String.fromCharCode(parseInt(hex, 16))) ? String.fromCharCode(parseInt(hex, 16)) : whole,
    ),
  );
  if (decoded === null) return `${type}; ${escapeUnicode(address)}`;
  return `${type}; ${wide ? decoded : encodeUnicode(decoded)}`;
}

/** The value of Final-Recipient. */
export function finalRecipient(address: Address, wide: boolean): string {
  const text = formatAddress(address);
  if (isAscii(text)) return `rfc822; ${text}`;
  return `utf-8; ${wide ? text : encodeUnicode(text)}`;
}
