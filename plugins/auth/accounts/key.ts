/** What a login is allowed, for plugins that come after it: which back end said so does not matter. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** Whom a client logged in as. */
export interface Account {
  /** The account's own name, in its one spelling. */
  readonly name: string;
  /** Addresses it may send from, besides a name that is an address itself. */
  readonly senders: readonly string[];
}

/** Set by a back end that knows the account; absent when it knows no more than the name. */
export const ACCOUNT: Key<Account, "connection"> = key("account", "connection");
