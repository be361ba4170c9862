/** What is odd about the name that a client greeted with: `ctx.get(HELO)`. Absent when the client was not checked. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/**
 * - `invalid`: neither a domain name nor an address literal (RFC 5321 4.1.1.1).
 * - `own`: a stranger calls itself like this host, like one of its domains or like nobody but a host itself: localhost.
 * - `literal`: an address literal that is not the client's address.
 * - `ip`: an address without the brackets of a literal.
 * - `dot`: a name of one label.
 * - `unresolved`: the name has neither addresses nor mail hosts.
 * - `mismatch`: the name has addresses, and none of them is the client's.
 */
export type HeloFault = "invalid" | "own" | "literal" | "ip" | "dot" | "unresolved" | "mismatch";

export interface HeloFinding {
  /** The name as the client wrote it. */
  readonly name: string;
  /** Those that were looked for, in the order above. */
  readonly faults: readonly HeloFault[];
  /** The client's address is among the name's. Null: that was not asked, or nobody knows. */
  readonly confirmed: boolean | null;
}

/** Of the last greeting. */
export const HELO: Key<HeloFinding, "connection"> = key("helo", "connection", told);

/** Told as `mail.example.net: mismatch`. */
function told({ name, faults, confirmed }: HeloFinding): string {
  return `${name}: ${faults.join(", ") || (confirmed ? "its own" : "nothing odd")}`;
}
