/** What `recipients` found out, for plugins after it. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/**
 * The mailbox behind a recipient. `name` is the recipient's final address as `local@domain`, so whoever runs again from
 * the durable queue, where keys are gone, reads the same from `recipient.address`.
 */
export interface Mailbox {
  readonly name: string;
  /** What the peer wrote behind the separator (`news` in `alice+news@`), empty when nothing. */
  readonly detail: string;
}

/** Set for each recipient that is an account of ours; absent for all others. */
export const MAILBOX: Key<Mailbox, "recipient"> = key(
  "mailbox",
  "recipient",
  ({ name, detail }) => detail === "" ? name : `${name}, detail ${detail}`,
);
