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

export const URIBL: Key<readonly UriListing[]> = key("uribl");
