/**
 * What a failed file operation means to the sender. Always temporary: the operator can mend it, and the queue waits.
 * A table from error codes to replies, nothing else.
 */
import { defer, type Reply } from "../../../core/pipeline/mod.ts";

const FULL = ["4.3.1", "Not enough space for this message", 452] as const; // RFC 3463 3.4: mail system full
const QUOTA = ["4.2.2", "Mailbox is over its quota", 452] as const; // RFC 3463 3.3: mailbox full
const MAILBOX = ["4.2.0", "Mailbox is not available now", 451] as const; // RFC 3463 3.3: other mailbox status
const SYSTEM = ["4.3.0", "Message cannot be stored now", 451] as const; // RFC 3463 3.4: other mail system status

const BY_CODE = new Map<unknown, typeof FULL | typeof QUOTA | typeof MAILBOX>([
  ["ENOSPC", FULL],
  ["EDQUOT", QUOTA],
  // The mailbox's own path is wrong: not ours, not a folder, a loop of links.
  ["EACCES", MAILBOX],
  ["EPERM", MAILBOX],
  ["ENOTDIR", MAILBOX],
  ["EISDIR", MAILBOX],
  ["ELOOP", MAILBOX],
  ["ENAMETOOLONG", MAILBOX],
]);

/** Deno gives this error no code: 122 on Linux, 69 on macOS and the BSDs. */
const DQUOT = /quota exceeded \(os error \d+\)$/i;

/** The refusal for whatever was thrown; its reason names the error for the ledger, the peer never sees paths. */
export function refusalFor(error: unknown): Reply<"defer"> {
  const message = error instanceof Error ? error.message : String(error);
  const [status, text, code] = BY_CODE.get((error as { code?: unknown } | null)?.code) ??
    (DQUOT.test(message) ? QUOTA : SYSTEM);
  return defer(status, text, { code, reason: `maildir: ${message}` });
}
