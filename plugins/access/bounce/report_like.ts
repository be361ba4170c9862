/**
 * Whether mail from `<>` looks like what comes from `<>`: a report, a receipt, an automatic reply (RFC 3834, RFC 6522).
 * Lenient: old programs mark theirs in many ways. Looks at the header section alone. Non-job: reading the report.
 */
import type { Message } from "../../../core/pipeline/mod.ts";

/** Fields that only programs write. */
const TELLING: ReadonlySet<string> = new Set([
  "x-failed-recipients",
  "x-autoreply",
  "x-autorespond",
  "x-auto-response-suppress",
  "x-loop",
  "tls-report-domain",
]);
const DAEMON = /(?:mailer-daemon|postmaster|mail-daemon|mdaemon)@/i;

/** True when one field says so. */
export function isReportLike({ headers }: Pick<Message, "headers">): boolean {
  return headers.some(({ name, value }) => {
    const field = name.toLowerCase();
    switch (field) {
      case "content-type":
        return /^multipart\/report\b/i.test(value) || /^message\/delivery-status\b/i.test(value);
      case "auto-submitted":
        return !/^no\b/i.test(value);
      case "precedence":
        return /^(?:bulk|junk|auto_reply)\b/i.test(value);
      case "from":
        return value === "<>" || DAEMON.test(value.slice(0, 1000));
      default:
        return TELLING.has(field);
    }
  });
}

/**
 * True for a receipt (RFC 8098): a mail program sends it to the address that Disposition-Notification-To names, which has
 * no tag, and no host of spam asks for one.
 */
export function isReceipt(message: Pick<Message, "header">): boolean {
  const type = message.header("Content-Type") ?? "";
  return /^multipart\/report\b/i.test(type) && /report-type="?disposition-notification\b/i.test(type.slice(0, 1000));
}
