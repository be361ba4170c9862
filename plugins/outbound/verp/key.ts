/** What `verp` read from a bounce's address, for plugins after it. */
import { type Address, formatAddress, type Key, key } from "../../../core/pipeline/mod.ts";

export interface Bounced {
  /** The sender whose mail came back. */
  readonly sender: Address;
  /** Whom it did not reach. */
  readonly recipient: Address;
}

/** Set for a recipient that a variable return path led to; absent for all others. */
export const BOUNCED: Key<Bounced, "recipient"> = key(
  "bounced",
  "recipient",
  ({ sender, recipient }) => `mail of ${formatAddress(sender)} to ${formatAddress(recipient)}`,
);
