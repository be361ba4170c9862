/** What `feedback` read in a report, for the plugins behind it. */
import { type Address, type Key, key } from "../../../core/pipeline/mod.ts";

/** One sentence of a report about one recipient of ours. */
export interface Told {
  /** Whom it is about; null where the report does not say, or nothing proves that we wrote there. */
  readonly recipient: Address | null;
  /** Of a DSN the enhanced status (RFC 3463), of an ARF report its Feedback-Type in lower case (RFC 5965). */
  readonly what: string;
  /** What was done about it. */
  readonly done: "suppressed" | "counted" | "told" | "nothing";
}
/** A report that came in. */
export interface Feedback {
  /** A delivery status notification (RFC 3464), or a complaint (RFC 5965). */
  readonly kind: "dsn" | "arf";
  readonly told: readonly Told[];
}

/** Set for a message that is a report which can be read; absent for all others. */
export const FEEDBACK: Key<Feedback> = key("feedback", "transaction", told);

/** Told as `dsn: 5.1.1 suppressed, 4.2.2 counted`. */
function told({ kind, told }: Feedback): string {
  const words = told.slice(0, 5).map(({ what, done }) => `${what} ${done}`).join(", ");
  return `${kind}: ${words || "nothing"}${told.length > 5 ? ` and ${told.length - 5} more` : ""}`;
}
