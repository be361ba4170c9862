/**
 * DMARC records: what a domain asks for mail in its name (RFC 9989 4.7, 4.8). Only a wrong version makes a record none;
 * other tags that cannot be read count as left out. Pure and linear. Non-job: where records are found (tree_walk.ts).
 */
import { type Address, parseAddress } from "../../../core/pipeline/mod.ts";
import type { DmarcPolicy } from "./key.ts";

export type Alignment = "r" | "s";

export interface DmarcRecord {
  /** For the domain itself. */
  readonly p: DmarcPolicy;
  /** For its subdomains; null: `p` holds. */
  readonly sp: DmarcPolicy | null;
  /** For subdomains that do not exist; null: `sp` holds. */
  readonly np: DmarcPolicy | null;
  readonly adkim: Alignment;
  readonly aspf: Alignment;
  /** What failure reports are asked for, as it was written. */
  readonly fo: string;
  /** The domain is a public suffix, is none, or does not say. */
  readonly psd: "y" | "n" | "u";
  /** Its owner is testing: the policy is applied one step milder. */
  readonly testing: boolean;
  /** Where aggregate reports go, `mailto:` only. */
  readonly rua: readonly Address[];
  /**
   * Its policy cannot be read, and it asks for no reports: the message is treated as if there were no record
   * (RFC 9989 4.10.1).
   */
  readonly unusable: boolean;
}

// "v" equals %s"DMARC1", then the end or a separator                                                        RFC 9989 4.8
const VERSION = /^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;
// dmarc-fo, without a look at what stands twice
const FO = /^[01ds](?::[01ds]){0,3}$/i;
/** Destinations that we send to, of each record: RFC 9990 leaves the number to us. */
const MAX_DESTINATIONS = 4;
/** A record longer than this is nobody's: 64 strings of 255 octets. */
const MAX_RECORD = 16_320;

/** True when a TXT record says that it is a DMARC record, right or wrong. */
export function isDmarcRecord(text: string): boolean {
  return VERSION.test(text.slice(0, 100));
}

/** Reads a record that `isDmarcRecord`. */
export function parseRecord(text: string): DmarcRecord {
  const tags = new Map<string, string>();
  for (const part of text.slice(0, MAX_RECORD).split(";")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    if (name !== "" && !tags.has(name)) tags.set(name, part.slice(equals + 1).trim()); // of two, the first holds
  }
  const oneOf = <T extends string>(name: string, values: readonly T[]): T | null =>
    values.find((value) => value === tags.get(name)?.toLowerCase()) ?? null;
  const p = oneOf("p", POLICIES), sp = oneOf("sp", POLICIES), np = oneOf("np", POLICIES);
  const rua = destinations(tags.get("rua") ?? "");
  // "does not contain a valid p tag, or contains an sp or np tag that is not valid"                 RFC 9989 4.10.1
  const readable = p !== null && (sp !== null || !tags.has("sp")) && (np !== null || !tags.has("np"));
  const fo = tags.get("fo") ?? "0";
  return {
    p: readable ? p : "none",
    sp: readable ? sp : null,
    np: readable ? np : null,
    adkim: oneOf("adkim", ["r", "s"]) ?? "r",
    aspf: oneOf("aspf", ["r", "s"]) ?? "r",
    fo: FO.test(fo) ? fo.toLowerCase() : "0",
    psd: oneOf("psd", ["y", "n"]) ?? "u",
    testing: oneOf("t", ["y"]) === "y",
    rua: rua.addresses,
    unusable: !readable && !rua.valid,
  };
}
const POLICIES: readonly DmarcPolicy[] = ["none", "quarantine", "reject"];

/**
 * dmarc-urilist. `valid`: there is a URI of some scheme. Sizes like `!10m` are of RFC 7489, and to be ignored
 * (RFC 9989 4.8, obs-dmarc-report-size).
 */
function destinations(list: string): { readonly addresses: readonly Address[]; readonly valid: boolean } {
  const addresses: Address[] = [];
  let valid = false;
  for (const item of list.split(",")) {
    const uri = item.trim().replace(/![0-9]{1,20}[kmgt]?$/i, "");
    if (!/^[a-z][a-z0-9+.-]{0,30}:[^\s!]/i.test(uri)) continue;
    const mail = /^mailto:([^?#]*)/i.exec(uri);
    if (mail === null) {
      valid = true; // of a scheme that we do not send to
      continue;
    }
    const address = parseAddress(decoded(mail[1]!));
    if (address === null || address.domain === "" || address.domain.startsWith("[")) continue;
    valid = true;
    if (addresses.length < MAX_DESTINATIONS) addresses.push(address);
  }
  return { addresses, valid };
}

/** Percent-decoded; an empty string where that cannot be done. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
