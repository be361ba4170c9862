/**
 * This host, as an MX record may name it: then mail would come back here (RFC 5321 5.1, case 60). Non-job: what follows
 * (core/dns/mail_hosts.ts).
 */
import { type Own, THIS_HOST } from "../dns/mail_hosts.ts";
import { canonicalIp, isIPv4, Networks } from "../model/ip.ts";

export interface OwnHostOptions {
  /** What this host calls itself, canonical. */
  readonly hostname: string;
  /** Where mail is taken. */
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
  /** Of the hosts that domains name. */
  readonly port: number;
  /** The addresses of this machine, asked when a listener takes mail on all of them. */
  interfaces(): readonly string[];
}

/**
 * On the port of mail every loopback address is ours; on another one, as in a laboratory on one machine, only what we
 * listen on there. A listener on 0.0.0.0 takes mail on every address of its family, one on [::] on all.
 */
export function ownHost({ hostname, listeners, port, interfaces }: OwnHostOptions): Own {
  const here = new Networks(port === 25 ? THIS_HOST : []), addresses = new Set<string>();
  for (const { host, port: own } of listeners) {
    const ip = own === port ? canonicalIp(host) : null;
    if (ip === null) continue;
    addresses.add(ip);
    if (ip !== "0.0.0.0" && ip !== "::") continue;
    for (const text of interfaces()) {
      const each = canonicalIp(text);
      if (each !== null && (ip === "::" || isIPv4(each))) addresses.add(each);
    }
  }
  return {
    names: new Set([hostname.toLowerCase()]),
    addresses: { has: (ip) => addresses.has(ip) || here.has(ip) },
  };
}
