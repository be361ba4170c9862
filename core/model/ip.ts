/**
 * IP addresses and networks as values: one canonical text per address, membership in a list of networks.
 * Non-job: name service (core/dns).
 */
import ipaddr from "ipaddr.js";

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/; // dotted quad, no leading zeros (RFC 5321 4.1.3)

/**
 * True for a dotted quad without leading zeros (RFC 5321 4.1.3).
 *
 * @example
 * ```ts
 * import { isIPv4 } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(["192.0.2.1", "192.0.2.01", "192.0.2", "::1"].map(isIPv4), [true, false, false, false]);
 * ```
 */
export function isIPv4(text: string): boolean {
  return text.length <= 15 && IPV4.test(text);
}

/**
 * True for the text form of an IPv6 address (RFC 4291 2.2) without a zone.
 *
 * @example
 * ```ts
 * import { isIPv6 } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(["2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "1::2::3"].map(isIPv6), [true, true, false, false]);
 * ```
 */
export function isIPv6(text: string): boolean {
  if (text.length < 2 || text.length > 45) return false;
  const halves = text.split("::"), groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  let count = groups.length;
  const last = groups.at(-1);
  if (last !== undefined && text.endsWith(last) && isIPv4(last)) {
    groups.pop();
    count++; // a dotted quad takes the place of two groups
  }
  if (!groups.every((group) => GROUP.test(group))) return false;
  return halves.length === 1 ? count === 8 : halves.length === 2 && count < 8;
}
const GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * The one text of an IPv6 address in an address literal, or null. RFC 5321 4.1.3 is narrower than RFC 4291: `::` stands
 * for two groups at least, since one that stands for one is as long as what it leaves out.
 */
export function compactIPv6(text: string): string | null {
  if (!isIPv6(text)) return null;
  const groups = text.split(":").filter((group) => group !== "").length + (text.includes(".") ? 1 : 0);
  return text.includes("::") && groups > 6 ? null : parseIPv6(text).toRFC5952String();
}

/** `text` is one. The dotted quad is rewritten first: ipaddr.js would read `::192.0.2.1` as `::ffff:192.0.2.1`. */
function parseIPv6(text: string): ipaddr.IPv6 {
  const [a = 0, b = 0, c = 0, d] = text.slice(text.lastIndexOf(":") + 1).split(".").map(Number);
  if (d === undefined) return ipaddr.IPv6.parse(text);
  const groups = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  return ipaddr.IPv6.parse(text.slice(0, text.lastIndexOf(":") + 1) + groups);
}

/**
 * The canonical text of an address: an IPv4-mapped IPv6 address as IPv4, others in RFC 5952 form, without a zone.
 * Null when the text is no address.
 *
 * @example
 * ```ts
 * import { canonicalIp } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(canonicalIp("::ffff:192.0.2.1"), "192.0.2.1");
 * ```
 */
export function canonicalIp(text: string): string | null {
  if (isIPv4(text)) return text;
  const bare = text.split("%", 1)[0]!;
  if (!isIPv6(bare)) return null;
  const address = parseIPv6(bare);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toString();
}

/**
 * The 4 or 16 octets, in network order, of what `isIPv4` or `isIPv6` said yes to.
 *
 * @example
 * ```ts
 * import { ipOctets } from "postern";
 * import { assertEquals } from "@std/assert";
 * const reversed = [...ipOctets("192.0.2.1")].reverse().join(".");
 * assertEquals(`${reversed}.list.example`, "1.2.0.192.list.example"); // how a list in DNS is asked (RFC 5782 2.1)
 * assertEquals(ipOctets("::1").length, 16);
 * ```
 */
export function ipOctets(text: string): Uint8Array {
  return Uint8Array.from(isIPv4(text) ? text.split(".").map(Number) : parseIPv6(text).toByteArray());
}

type Range = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/**
 * True for what `Networks` takes: an address, or a network such as 192.0.2.0/24. For a schema of options.
 *
 * @example
 * ```ts
 * import { isNetwork } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(["192.0.2.1", "2001:db8::/32", "192.0.2.0/33", "here"].map(isNetwork), [true, true, false, false]);
 * ```
 */
export function isNetwork(text: string): boolean {
  try {
    parseNetwork(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * A list of networks in CIDR notation or single addresses.
 *
 * @throws {TypeError} naming the text that is no network.
 * @example
 * ```ts
 * import { Networks } from "postern";
 * import { assert } from "@std/assert";
 * assert(new Networks(["10.0.0.0/8", "::1"]).has("10.1.2.3"));
 * ```
 */
export class Networks {
  readonly #ranges: readonly Range[];
  readonly #known = new Map<string, boolean>(); // a handful of peers makes most connections

  /** An IPv6 network may stand in brackets. */
  constructor(texts: readonly string[]) {
    this.#ranges = texts.map((text) => parseNetwork(text));
  }

  /** Whether the address is in one of them; a text that is no address is in none. */
  has(ip: string): boolean {
    if (this.#ranges.length === 0) return false;
    let found = this.#known.get(ip);
    if (found === undefined) {
      found = this.#test(ip);
      if (this.#known.size >= 1000) this.#known.clear();
      this.#known.set(ip, found);
    }
    return found;
  }

  #test(ip: string): boolean {
    const text = canonicalIp(ip);
    if (text === null) return false;
    const address = ipaddr.parse(text);
    return this.#ranges.some(([base, bits]) =>
      base.kind() === address.kind() && address.match([base, bits] as [ipaddr.IPv4, number])
    );
  }
}

function parseNetwork(text: string): Range {
  const [host = "", bits, more] = text.trim().split("/");
  const ip = canonicalIp(host.replace(/^\[(.*)\]$/, "$1"));
  const wide = ip !== null && isIPv4(ip) ? 32 : 128;
  const count = bits === undefined ? wide : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (ip === null || more !== undefined || count < 0 || count > wide) {
    throw new TypeError(`"${text}" is no IP address or network like 192.0.2.0/24`);
  }
  return [ipaddr.parse(ip), count];
}

/**
 * The network of a peer for limits and delays: an IPv4 address by `v4` bits (default 32: itself), an IPv6 address by `v6` bits
 * (default 64: what one customer has). Other text comes back as it is.
 *
 * @example
 * ```ts
 * import { networkOf } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals([networkOf("192.0.2.77"), networkOf("192.0.2.77", { v4: 24 })], ["192.0.2.77", "192.0.2.0/24"]);
 * assertEquals(networkOf("2001:db8:1:2::3"), "2001:db8:1:2::/64");
 * ```
 */
export function networkOf(ip: string, options: { readonly v4?: number; readonly v6?: number } = {}): string {
  const { v4 = 32, v6 = 64 } = options;
  if (isIPv4(ip)) return v4 === 32 ? ip : `${ipaddr.IPv4.networkAddressFromCIDR(`${ip}/${v4}`)}/${v4}`;
  return isIPv6(ip) ? `${ipaddr.IPv6.networkAddressFromCIDR(`${parseIPv6(ip)}/${v6}`)}/${v6}` : ip;
}

/**
 * True for 127.0.0.0/8 and ::1.
 *
 * @example
 * ```ts
 * import { isLoopback } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(["127.1.2.3", "::1", "192.0.2.1"].map(isLoopback), [true, true, false]);
 * ```
 */
export function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") && isIPv4(ip) || ip === "::1";
}
