/**
 * Complaints about mail, as mailbox providers send them (ARF, RFC 5965): what kind, about whose mail, to whom. Pure,
 * bounded, linear. Nothing that it says is believed here. Non-job: who may complain, what follows from it (mod.ts).
 */
import type { Address } from "../../../core/pipeline/mod.ts";
import { groupsIn, plainAddress } from "./fields.ts";

/** What a complaint says. */
export interface Complaint {
  /** Feedback-Type in lower case: `abuse`, `fraud`, `virus`, `not-spam`, `opt-out`, `other` (RFC 5965 7.3). */
  readonly type: string;
  /** The return path of the mail; null for `<>` and where it is not told. */
  readonly mailFrom: Address | null;
  /** Who got it, where the provider says so. */
  readonly recipients: readonly Address[];
  /** As it was written, for people: whoever shows it quotes it. */
  readonly source: string | null;
}

const TYPE = /^[a-z][a-z0-9-]{0,39}$/;
const MOST_RECIPIENTS = 20;

/** Null for what is no message/feedback-report: Feedback-Type, User-Agent and Version must be there (RFC 5965 3.1). */
export function parseFeedback(octets: Uint8Array): Complaint | null {
  const [fields] = groupsIn(octets);
  const type = fields?.value("Feedback-Type")?.trim().toLowerCase() ?? "";
  if (fields === undefined || !TYPE.test(type)) return null;
  if (fields.value("User-Agent") === null || !/^\s*\d/.test(fields.value("Version") ?? "")) return null;
  return {
    type,
    mailFrom: plainAddress(fields.value("Original-Mail-From") ?? ""),
    recipients: fields.values("Original-Rcpt-To").slice(0, MOST_RECIPIENTS).flatMap((text) => plainAddress(text) ?? []),
    source: fields.value("Source-IP"),
  };
}
