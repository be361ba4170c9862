/** Where a client's address is at home, as a local database has it: `ctx.get(GEOIP)`. A hint and no proof. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

export interface GeoFinding {
  /** ISO 3166-1 alpha-2, upper case; null when no database knows. */
  readonly country: string | null;
  /** Number of the autonomous system; null when no database knows. */
  readonly asn: number | null;
  /** Who runs that system: the database's words, printable, at most 200 characters. */
  readonly organization: string | null;
}

/** Set at `connect`, when at least one database was there. */
export const GEOIP: Key<GeoFinding, "connection"> = key("geoip", "connection", told);

/** Told as `DE, AS64500 (Example)`. */
function told({ country, asn, organization }: GeoFinding): string {
  const network = asn === null ? "no known network" : `AS${asn}${organization === null ? "" : ` (${organization})`}`;
  return `${country ?? "no known country"}, ${network}`;
}
