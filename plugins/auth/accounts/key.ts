/** What `accounts` knows of the one who logged in, for plugins after it. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** The account behind a login. */
export interface Account {
  /** As it stands in the accounts file; the identity of the connection is the same. */
  readonly name: string;
  /**
   * What it may send as, as it stands in the file: an address, `@domain` for every address of a domain, `*` for any.
   * Empty where the file says nothing of it.
   */
  readonly senders: readonly string[];
}

/** Set when a login succeeded whose name has an account; until the connection ends. */
export const ACCOUNT: Key<Account, "connection"> = key("account", "connection");
