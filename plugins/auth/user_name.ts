/** What may be the name of a login: it goes into the log, into Received and into keys of counters. */

const NAME = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,256}$/u;

/**
 * One line of text with something in it, and not too long; no space where a directory overlooks it (RFC 4518 2.6), so
 * that each account has one name.
 */
export function isUserName(value: unknown): value is string {
  return typeof value === "string" && value.length <= 512 && NAME.test(value) && value.trim() === value &&
    !value.includes("  ");
}
