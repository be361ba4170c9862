/** What the lists say of a client, for the plugins behind: greylisting leaves whoever stands on a list of good ones alone. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** One list that knows the client, or a name that it uses. */
export interface ListedBy {
  /** The list's zone, as the configuration has it. */
  readonly zone: string;
  /** What was looked up: an address or a domain. */
  readonly subject: string;
  /** What the list answered, addresses in 127.0.0.0/8: only those that count. */
  readonly codes: readonly string[];
  /** Positive: it speaks against the client. */
  readonly weight: number;
}

/** Lists on which the client's address stands; set at `connect` once they were asked, empty when no list knows it. */
export const LISTED: Key<readonly ListedBy[], "connection"> = key("dnsbl.listed", "connection", told);
/** Lists of good clients (`allow`) on which the address stands; set and empty as `LISTED`. */
export const DNSWL: Key<readonly ListedBy[], "connection"> = key("dnsbl.allowed", "connection", told);
/** Lists of names (`domains`) on which the HELO name stands; set at `helo` once they were asked. */
export const LISTED_HELO: Key<readonly ListedBy[], "connection"> = key("dnsbl.helo", "connection", told);
/** Lists of names (`domains`) on which the sender's domain stands; set at `mail` once they were asked. */
export const LISTED_SENDER: Key<readonly ListedBy[]> = key("dnsbl.sender", "transaction", told);

const TOLD = 5; // lists

/** Told as `bl.example.org (weight 4)`, or `none`. */
function told(listed: readonly ListedBy[]): string {
  const words = listed.slice(0, TOLD).map(({ zone, weight }) => `${zone} (weight ${weight})`).join(", ");
  return `${words || "none"}${listed.length > TOLD ? ` and ${listed.length - TOLD} more` : ""}`;
}
