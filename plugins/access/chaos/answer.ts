/**
 * What is answered on purpose: a refusal as people write one ("450 4.2.1 Mailbox full", "550", "hang up"), or nothing
 * but a wait. Non-job: when (rule.ts, address.ts).
 */
import { type DeferCode, type RejectCode, Reply } from "../../../core/pipeline/mod.ts";

/** `pass`: the next plugin is asked, later. */
export type Deed = { readonly say: Reply<"defer" | "reject"> } | "pass";

/** Codes of refusals (RFC 5321 4.2.3, RFC 4954 6, RFC 7504), with the status that fits most of the time (RFC 3463). */
const CODES: Readonly<Record<DeferCode | RejectCode, readonly [status: string, text: string]>> = {
  421: ["4.3.2", "Service not available, closing the channel"],
  450: ["4.2.1", "Mailbox is not available now"],
  451: ["4.3.0", "Local error, try again later"],
  452: ["4.2.2", "Mailbox is full"],
  454: ["4.7.0", "Temporary authentication failure"],
  455: ["4.5.4", "Parameters cannot be taken now"],
  500: ["5.5.2", "Syntax error"],
  501: ["5.5.4", "Syntax error in parameters"],
  502: ["5.5.1", "Command not implemented"],
  503: ["5.5.1", "Bad sequence of commands"],
  504: ["5.5.4", "Parameter not implemented"],
  521: ["5.3.2", "Host does not take mail"],
  530: ["5.7.0", "Authentication required"],
  535: ["5.7.8", "Authentication credentials invalid"],
  538: ["5.7.11", "Encryption required for this mechanism"],
  550: ["5.1.1", "No such mailbox"],
  551: ["5.1.6", "The user has moved"],
  552: ["5.2.2", "Mailbox is full"],
  553: ["5.1.3", "Mailbox name not allowed"],
  554: ["5.7.1", "Transaction failed"],
  555: ["5.5.4", "Parameters not recognized"],
  556: ["5.1.10", "Domain does not take mail"],
};
const WRITTEN = /^(\d{3})(?:[ -](\d\.\d{1,3}\.\d{1,3}))?(?: (.{1,400}))?$/;

/** The refusal that a text describes; null when it describes none. `reason`: why, for the ledger. */
export function refusalOf(text: string, reason: string): Reply<"defer" | "reject"> | null {
  if (isHangUp(text)) return new Reply(421, "4.3.2", "Hung up on purpose", { silent: true, reason });
  const [, digits = "", status, words] = WRITTEN.exec(text.trim()) ?? [];
  const usual = CODES[Number(digits) as keyof typeof CODES] as (typeof CODES)[421] | undefined;
  if (usual === undefined || status !== undefined && status[0] !== digits[0]) return null;
  return new Reply(Number(digits), status ?? usual[0], words ?? usual[1], { reason });
}

export function isHangUp(text: string): boolean {
  return /^(?:hang[ -]?up|drop)$/i.test(text.trim());
}

/** For who wrote something else. */
export const ANSWERS = 'must be a refusal such as "450 4.2.1 Mailbox full" or "550", or "hang up", or "pass"';
