/**
 * Tells networks that no organisation owns from those that one may trust: the difference between a relay and an open
 * relay. Pure text work; which networks are well-formed is not decided here.
 */

/** 10.0.0.0/8 is the widest IPv4 network that can be one site's. */
const WIDEST_IPV4 = 8;
/** Registries give out nothing wider than a /16 of IPv6 to one holder; unique local addresses are fc00::/7. */
const WIDEST_IPV6 = 16;
const NOT_ROUTED = /^f[c-f]/i; // unique local, link local, multicast: RFC 4193, RFC 4291

/**
 * The networks of a list that let strangers in, `0.0.0.0/0` and its halves among them.
 *
 * @example
 * ```ts
 * import { openNetworks } from "./world.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(openNetworks(["10.0.0.0/8", "0.0.0.0/0", "::1"]), ["0.0.0.0/0"]);
 * ```
 */
export function openNetworks(networks: readonly string[]): string[] {
  return networks.filter((text) => {
    const [host = "", bits] = text.trim().split("/");
    if (bits === undefined) return false;
    if (!host.includes(":")) return Number(bits) < WIDEST_IPV4;
    return Number(bits) < WIDEST_IPV6 && (!NOT_ROUTED.test(host.replace("[", "")) || Number(bits) < 7);
  });
}
