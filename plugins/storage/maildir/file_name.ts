/**
 * The name of a message's file in a Maildir: `SECONDS.ID_N.HOST,S=SIZE,W=VIRTUAL` (the first two parts are the unique
 * name of the Maildir convention, S and W save an IMAP server a read). All but the sizes follow from the message and
 * the recipient alone, so that a second attempt makes the same name and overwrites. Pure.
 */
import { createHash } from "node:crypto";
import { type Address, formatAddress } from "../../../core/pipeline/mod.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * The part that a second attempt shares, up to and with the dot before the host: whatever begins with it is this copy.
 * N is a digest of the address and not its place among the recipients: a later attempt sees only those still open.
 */
export function copyPrefix(id: string, recipient: Address): string {
  const address = formatAddress(recipient).toLowerCase();
  const number = createHash("sha256").update(address).digest("hex").slice(0, 16);
  return `${secondsOf(id)}.${id}_${number}.`;
}

/** The whole name, as it stands in `new`. `host` has its "/" and ":" written as the convention wants. */
export function fileName(prefix: string, options: { host: string; size: number; virtualSize: number }): string {
  const host = options.host.replaceAll(/[^A-Za-z0-9._-]/g, (char) => "\\" + octal(char));
  return `${prefix}${host},S=${options.size},W=${options.virtualSize}`;
}

/** Seconds since 1970 when the message's transaction began: the first ten characters of its id, in base 32. */
function secondsOf(id: string): number {
  let time = 0;
  for (const char of id.slice(0, 10)) time = time * 32 + Math.max(0, ALPHABET.indexOf(char));
  return Math.floor(time / 1000);
}

const octal = (char: string): string => (char.charCodeAt(0) & 0xff).toString(8).padStart(3, "0");
