/** The name under which a list keeps an address: its octets or nibbles backwards (RFC 5782 2.1, 2.4). */
import { ipOctets, isIPv4 } from "../../../core/pipeline/mod.ts";

/**
 * @param ip canonical, as `ctx.client.ip`
 * @example
 * ```ts
 * import { queryName } from "./query_name.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(queryName("192.0.2.99", "bl.example"), "99.2.0.192.bl.example");
 * assertEquals(queryName("2001:db8::1", "bl.example").slice(0, 8), "1.0.0.0.");
 * ```
 */
export function queryName(ip: string, zone: string): string {
  const octets = [...ipOctets(ip)].reverse();
  const labels = isIPv4(ip)
    ? octets.map(String)
    : octets.flatMap((octet) => [(octet & 15).toString(16), (octet >> 4).toString(16)]);
  return `${labels.join(".")}.${zone}`;
}
