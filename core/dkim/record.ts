/** The TXT record that lets others check signatures (RFC 6376 3.6.1, RFC 8463 4). Non-job: asking for one. */
import type { PrivateKey } from "./private_key.ts";

/** Octets of one string of a TXT record (RFC 1035 3.3). */
const STRING = 255;

/** Where it is. Both in A-labels. */
export function recordName(domain: string, selector: string): string {
  return `${selector}._domainkey.${domain}`;
}

/** What it says. */
export async function recordText(key: PrivateKey): Promise<string> {
  const type = key.algorithm === "rsa-sha256" ? "rsa" : "ed25519";
  return `v=DKIM1; k=${type}; p=${(await key.publicKey()).toBase64()}`;
}

/**
 * As a zone file has it (RFC 1035 5.1): strings that a reader joins, of 255 octets at most.
 *
 * @example
 * ```ts
 * import { zoneRecord } from "./record.ts";
 * import { assertEquals } from "@std/assert";
 * const line = zoneRecord("s._domainkey.example.org", "v=DKIM1; k=ed25519; p=AA==");
 * assertEquals(line, 's._domainkey.example.org. IN TXT "v=DKIM1; k=ed25519; p=AA=="');
 * ```
 */
export function zoneRecord(name: string, text: string): string {
  const strings: string[] = [];
  for (let at = 0; at < text.length; at += STRING) strings.push(`"${text.slice(at, at + STRING)}"`);
  const data = strings.length === 1 ? strings[0] : `( ${strings.join("\n  ")} )`;
  return `${name}. IN TXT ${data}`;
}
