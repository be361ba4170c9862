/** Whom a doctor looks at, and by what. Types. Non-job: where it comes from (command.ts). */
import type { HttpFetch } from "../../core/delivery/tls/mta_sts_fetch.ts";
import type { SigningKey } from "../../core/dkim/mod.ts";
import type { HostAddresses, NoAddresses } from "../../core/dns/host_addresses.ts";
import type { Resolver } from "../../core/dns/resolver.ts";

/** What a mail host shows on port 25. */
export type Shown =
  | { readonly kind: "silent"; readonly why: string }
  | { readonly kind: "clear"; readonly why: string }
  | { readonly kind: "tls"; readonly chain: readonly Uint8Array<ArrayBuffer>[]; readonly version: string };

/** A certificate of ours, chain and all, the own one first. */
export interface OwnCertificate {
  readonly file: string;
  readonly chain: readonly Uint8Array<ArrayBuffer>[];
}
/** What the configuration says of this host. */
export interface Own {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly certificates: readonly OwnCertificate[];
}

export interface Patient {
  /** Canonical. */
  readonly domain: string;
  readonly dns: Resolver;
  /** Ends every question. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Null without a configuration. */
  readonly own: Own | null;
  /** Addresses that mail of the domain comes from, canonical. */
  readonly addresses: readonly string[];
  /** Of DKIM, with the private key where it is known. */
  readonly selectors: readonly { readonly selector: string; readonly key: SigningKey["key"] | null }[];
  /** DNS lists that are asked about the addresses. */
  readonly lists: readonly string[];
  readonly fetch: HttpFetch;
  /** Says how a host answers; null: no host is asked. */
  readonly connect: ((address: string) => Promise<Shown>) | null;
}

/** A mail host of the domain. */
export interface Exchange {
  readonly name: string;
  readonly found: HostAddresses | NoAddresses;
}
/** Where the mail of the domain goes. */
export interface MailWay {
  /** Best first. */
  readonly exchanges: readonly Exchange[];
  /** DNSSEC vouches for their names. */
  readonly authentic: boolean;
  /** The domain takes no mail, and says so (RFC 7505). */
  readonly none: boolean;
}
