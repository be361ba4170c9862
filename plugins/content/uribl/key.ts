/** What the lists say of the hosts that a message's links lead to, for plugins after `uribl`; empty: nothing. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** A list has it. */
export interface UriListing {
  readonly zone: string;
  /** The registered domain, or the IPv4 address. */
  readonly subject: string;
  /** The list's answers that count. */
  readonly codes: readonly string[];
  readonly weight: number;
}

export const URIBL: Key<readonly UriListing[]> = key("uribl", "transaction", told);

const TOLD = 5; // listings

/** Told as `spam.example by uri.example.org`, or `none`. */
function told(listed: readonly UriListing[]): string {
  const words = listed.slice(0, TOLD).map(({ subject, zone }) => `${subject} by ${zone}`).join(", ");
  return `${words || "none"}${listed.length > TOLD ? ` and ${listed.length - TOLD} more` : ""}`;
}
