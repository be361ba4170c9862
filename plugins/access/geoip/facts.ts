/** What a record of a database says of an address, whoever made the database. Values only. */
import type { GeoFinding } from "./key.ts";
import { isMap, type MmdbMap, type MmdbValue } from "./mmdb.ts";

const MAX_NAME = 200;

/**
 * Country and ASN databases of MaxMind and DB-IP keep `country.iso_code`, `autonomous_system_number` and
 * `autonomous_system_organization`; IPinfo keeps flat texts: `country`, or `country_code`, `asn` ("AS64500"), `as_name`.
 */
export function factsOf(record: MmdbValue | null): GeoFinding {
  if (record === null || !isMap(record)) return { country: null, asn: null, organization: null };
  const { country, registered_country: registered } = record;
  const code = isMap(country) ? country["iso_code"] : isMap(registered) ? registered["iso_code"] : country;
  return {
    country: countryOf(code) ?? countryOf(record["country_code"]),
    asn: asnOf(record["autonomous_system_number"] ?? record["asn"]),
    organization: organizationOf(record),
  };
}

function countryOf(value: MmdbValue | undefined): string | null {
  return typeof value === "string" && /^[A-Za-z]{2}$/.test(value) ? value.toUpperCase() : null;
}

function asnOf(value: MmdbValue | undefined): number | null {
  if (typeof value === "number") return Number.isInteger(value) && value > 0 ? value : null;
  return typeof value === "string" && /^AS\d{1,10}$/i.test(value) ? Number(value.slice(2)) : null;
}

function organizationOf(record: MmdbMap): string | null {
  for (const name of ["autonomous_system_organization", "as_name", "organization"]) {
    const value = record[name];
    if (typeof value === "string" && value !== "") {
      return value.slice(0, MAX_NAME).replace(/[\p{C}\u2028\u2029]+/gu, " ");
    }
  }
  return null;
}
