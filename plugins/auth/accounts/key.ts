/** What is known of the one who logged in, for plugins behind the back ends that set it. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** The account behind a login. */
export interface Account {
  /** As its back end has it; the identity of the connection is the same. */
  readonly name: string;
  /**
   * What it may send as: an address, `@domain` for every address of a domain, `user+*@domain`, `*` for any.
   * Empty where its back end says nothing of it.
   */
  readonly senders: readonly string[];
}

/** Set when a login succeeded whose name has an account; until the connection ends. */
export const ACCOUNT: Key<Account, "connection"> = key("account", "connection", told);

/** Told as `alice, may send as alice@example.org, @example.net`. */
function told({ name, senders }: Account): string {
  if (senders.length === 0) return name;
  return `${name}, may send as ${senders.slice(0, 5).join(", ")}${senders.length > 5 ? " and others" : ""}`;
}
