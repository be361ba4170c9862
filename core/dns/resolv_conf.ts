/**
 * Which servers to ask: /etc/resolv.conf (resolv.conf(5)) with its `nameserver` lines and the options that a stub
 * resolver has, and the same in a configuration file of ours.
 */
import { isIPv4, isIPv6 } from "../model/ip.ts";
import type { Server } from "./exchange.ts";
import type { StubOptions } from "./stub.ts";

const MAX_SERVERS = 3; // resolv.conf(5)

/**
 * Reads the text of such a file. Without a server in it, one on this host is asked (resolv.conf(5)). Search lists do not
 * apply: names in mail are whole.
 */
export function parseResolvConf(text: string): Omit<StubOptions, "servers"> & { readonly servers: readonly Server[] } {
  const addresses: string[] = [];
  let timeout: number | undefined, attempts: number | undefined, trusted = false;
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.trim().split(/[ \t]+/);
    if (word === "nameserver" && rest[0] !== undefined && addresses.length < MAX_SERVERS) {
      const [bare = "", zone] = rest[0].split("%");
      if (zone === undefined ? isIPv4(bare) || isIPv6(bare) : isIPv6(bare)) addresses.push(rest[0]);
    } else if (word === "options") {
      for (const option of rest) {
        if (option === "trust-ad") trusted = true;
        const [, name, digits] = /^(timeout|attempts):(\d{1,3})$/.exec(option) ?? [];
        if (name === "timeout") timeout = Math.min(Math.max(Number(digits), 1), 30) * 1000;
        if (name === "attempts") attempts = Math.min(Math.max(Number(digits), 1), 5);
      }
    }
  }
  if (addresses.length === 0) addresses.push("127.0.0.1");
  return {
    servers: addresses.map((address) => ({ address, port: 53 })),
    ...(trusted ? { validating: true } : {}),
    ...(timeout !== undefined ? { timeout } : {}),
    ...(attempts !== undefined ? { attempts } : {}),
  };
}

/** A server as a person writes it: `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[::1]:5353`. Null when it is none. */
export function parseServer(text: string): Server | null {
  const [, six, four, digits = "53"] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [, text];
  const port = Number(digits);
  const good = four === undefined ? isIPv6(six!.split("%", 1)[0]!) : isIPv4(four);
  return good && port > 0 && port < 65_536 ? { address: four ?? six!, port } : null;
}
