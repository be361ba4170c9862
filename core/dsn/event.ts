/**
 * What happened to one recipient of a message, in the words of RFC 3464: what a report is made of. There is no action for
 * mail that was discarded, or held and given up: nobody is told of that, so it cannot be said here (SEMANTICS 16).
 * Non-job: who is told (notify.ts), how it is written (report.ts).
 */
import type { Address } from "../model/address.ts";
import type { RcptParameters } from "../model/envelope.ts";
import type { StoredMessage } from "../store/store.ts";

/** RFC 3464 2.3.3. `delivered`: at its place, a mailbox or an LMTP server. `relayed`: given to who tells no more of it. */
export type Action = "failed" | "delayed" | "delivered" | "relayed" | "expanded";

/** A recipient as a row of the queue has it. */
export interface ReportedRecipient {
  readonly address: Address;
  /** What RCPT named, before aliases. */
  readonly original: Address;
  readonly parameters: RcptParameters;
}

/** A server that was asked. */
export interface Remote {
  readonly name: string;
  readonly ip: string | null;
}

export interface DeliveryEvent {
  readonly action: Action;
  readonly recipient: ReportedRecipient;
  /** RFC 3463: of the reply, else what describes it best. A class that does not fit the action is corrected. */
  readonly status: string;
  /** The reply as it came, its lines with code, or a reason of our own; null when there is nothing to quote. */
  readonly words: string | null;
  /** Whose words; null: ours. */
  readonly remote: Remote | null;
  /** When it was tried last, or when it happened; milliseconds since 1970. */
  readonly at: number;
  /** `expired`: the queue gave up. `overdue`: the moment that the sender named has passed (RFC 2852 4). */
  readonly cause?: "expired" | "overdue";
  /** With `delayed`: when the queue will give up. */
  readonly retryUntil?: number;
  /** With `relayed`: what the next hop offered. None: a place that knows nothing of mail, such as a web hook. */
  readonly peer?: { readonly dsn: boolean; readonly deliverBy: boolean };
  /** With `failed`: a plugin refused the content for this recipient behind the 250 (SEMANTICS 8). */
  readonly refused?: true;
}

/** The message that it is about, as it lies in the store. */
export type ReportedMessage = Pick<StoredMessage, "id" | "sender" | "parameters" | "origin" | "receivedAt" | "summary">;

const STATUS = /^([245])\.(\d{1,3})\.(\d{1,3})$/; // RFC 3463 2

/** The status with the class that the action has: what is delayed was not refused for good, whatever was said. */
export function statusOf({ action, status, cause }: DeliveryEvent): string {
  const [, given, subject = "0", detail = "0"] = STATUS.exec(status) ?? [];
  const own = action === "delayed" ? "4" : action !== "failed" ? "2" : cause === "expired" && given === "4" ? "4" : "5";
  // Between "later" and "never" the reason stays the same; 2.0.0 said in a refusal is none.
  return given === own || own !== "2" && given !== undefined && given !== "2"
    ? `${own}.${subject}.${detail}`
    : `${own}.0.0`;
}
