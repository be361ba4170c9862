/**
 * The places that may take the mail of a target, in the order to try them, each with what its TLS must be: the hosts that a
 * domain names (RFC 5321 5.1), or those of a next hop. What was found is kept for half a minute, as mail comes in bursts.
 * Non-job: connecting (remote.ts), what is published and how (core/dns, tls/).
 */
import { lookup } from "node:dns/promises";
import type { GoodFamilies } from "../dns/good_families.ts";
import { type Family, type HostAddresses, hostAddresses, orderAddresses } from "../dns/host_addresses.ts";
import { mailHosts, type Own } from "../dns/mail_hosts.ts";
import type { Resolver } from "../dns/resolver.ts";
import { canonicalIp, isLoopback } from "../model/ip.ts";
import { defer, type Reply } from "../model/reply.ts";
import type { TlsWish } from "../model/tls_wish.ts";
import type { OutboundPlace } from "../net/outbound_open.ts";
import type { HopAuth, HopHost, NextHop } from "./next_hop.ts";
import type { Target } from "./target.ts";
import { tlsaOf } from "./tls/dane.ts";
import type { TlsFailure } from "./tls/failure.ts";
import type { StsPolicies } from "./tls/mta_sts_policies.ts";
import { demandOf, type NextHop as TlsHop, type ReportedPolicy, type TlsDemand, wantsTlsa } from "./tls/policy.ts";
import type { TlsRule, TlsRules } from "./tls/rules.ts";
import type { TlsSession } from "./tls/tlsrpt.ts";

/** One place to try. */
export interface Stop {
  /** What the log and reports call it. */
  readonly name: string;
  readonly port: number;
  /** Its preference: what is lower is asked first, equals in any order (RFC 5321 5.1). */
  readonly preference: number;
  /** The addresses in today's order, or a socket file. */
  place(): OutboundPlace;
  readonly lmtp: boolean;
  readonly implicitTls: boolean;
  /** Null: there is no TLS on this way. */
  readonly demand: TlsDemand | null;
  readonly auth: HopAuth | null;
  /** The next hop whose login it is; empty without. */
  readonly owner: string;
  /** Nobody but this machine hears what is said there. */
  readonly near: boolean;
}
/** Not to this host: by what TLS must be, before a connection is made. */
export interface Barred {
  readonly name: string;
  readonly reply: Reply;
  readonly failure: TlsFailure;
  readonly reported: ReportedPolicy;
}
/** The stops in their order; or why there are none. */
export type Walk =
  | { readonly stops: readonly (Stop | Barred)[]; readonly fault?: undefined }
  | { readonly fault: Reply<"defer" | "reject"> };

export function isBarred(stop: Stop | Barred): stop is Barred {
  return "reply" in stop;
}

export interface WalksOptions {
  readonly dns: Resolver;
  readonly own: Own;
  readonly families: GoodFamilies;
  readonly preferFamily: Family | null;
  /** Of the hosts that a domain names. */
  readonly port: number;
  readonly rules: TlsRules;
  /** Null: MTA-STS does not count. */
  readonly sts: Pick<StsPolicies, "of"> | null;
  readonly dane: boolean;
  random(): number;
  /** A policy that a domain has and nobody gets at (RFC 8460 4.3.2.2), once for each time that it mattered. */
  counted(session: TlsSession): void;
}

interface Kept {
  readonly walk: Promise<Walk>;
  readonly until: number;
}

/** Milliseconds that a walk is kept at most; a failure of name service not at all. */
const KEPT = 30_000;
const MOST = 5000;

export class Walks {
  readonly #options: WalksOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: WalksOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async of(target: Extract<Target, { kind: "mx" | "hop" }>, wish: TlsWish): Promise<Walk> {
    const key = target.kind === "mx" ? `${wish} mx ${target.domain}` : `${wish} via ${target.hop.name}`;
    const now = performance.now(), kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > now) return await kept.walk;
    const walk = this.#find(target, wish).catch((error: Error): Walk => (
      { fault: defer("4.3.0", "Local error in delivery", { reason: String(error.stack ?? error) }) }
    ));
    this.#kept.delete(key);
    this.#kept.set(key, { walk, until: now + KEPT });
    if (this.#kept.size > MOST) this.#kept.delete(this.#kept.keys().next().value!);
    const found = await walk;
    if (found.fault !== undefined) this.#kept.delete(key);
    return found;
  }

  /** What was found may not be so any more: a person asks for another try, or a host does not answer. */
  forget(): void {
    this.#kept.clear();
  }

  #find(target: Extract<Target, { kind: "mx" | "hop" }>, wish: TlsWish): Promise<Walk> {
    return target.kind === "mx" ? this.#domain(target.domain, wish, null) : this.#nextHop(target.hop, wish);
  }

  /** `named`: a next hop that stands for its mail hosts. */
  async #domain(
    domain: string,
    wish: TlsWish,
    named: (Pick<Stop, "port" | "auth" | "owner" | "implicitTls"> & { readonly place: number }) | null,
  ) {
    const { dns, own, random, rules, sts, port: usual } = this.#options;
    const [found, policy] = await Promise.all([
      mailHosts(domain, { dns, own, random }),
      sts !== null && !domain.startsWith("[") ? sts.of(domain) : null,
    ]);
    if (policy?.failure) {
      const reported: ReportedPolicy = { type: "sts", domain, text: [], mx: [] };
      this.#options.counted({ reported, failure: policy.failure, host: "", receivingIp: null, sendingIp: null });
    }
    if (found.fault !== undefined) return { fault: found.reply };
    const port = named?.port ?? usual, rule = rules.of(domain);
    const hop: TlsHop = { domain, byMx: true, authentic: found.authentic, sts: policy };
    const stops = await Promise.all(found.hosts.map((host) =>
      this.#stop(host, {
        port,
        preference: host.preference + (named?.place ?? 0) * PLACES,
        wish,
        rule,
        hop,
        auth: named?.auth ?? null,
        owner: named?.owner ?? "",
        implicitTls: named?.implicitTls ?? false,
        lmtp: false,
      })
    ));
    return { stops };
  }

  async #nextHop(hop: NextHop, wish: TlsWish): Promise<Walk> {
    const walks = await Promise.all(hop.hosts.map(async (host, place): Promise<Walk> => {
      if (host.kind === "http") throw new TypeError(`${host.url} is no mail host`);
      if (host.kind === "unix") return { stops: [socketStop(host, place, hop)] };
      if (hop.mx && canonicalIp(host.host) === null) {
        const { port, implicitTls } = host;
        return await this.#domain(host.host, wish, { port, implicitTls, place, auth: hop.auth, owner: hop.name });
      }
      return await this.#named(host, place, { hop, wish });
    }));
    const stops = walks.flatMap((walk) => walk.fault === undefined ? walk.stops : []);
    if (stops.length > 0) return { stops };
    // The operator named them: that one cannot be found is for him to mend, and the mail waits
    const fault = walks[0]?.fault ?? NO_HOSTS;
    return { fault: fault.verdict === "defer" ? fault : defer("4.4.4", fault.text) };
  }

  async #named(
    { host, port, implicitTls, lmtp }: Extract<HopHost, { kind: "smtp" }>,
    place: number,
    { hop: { name: owner, auth }, wish }: { readonly hop: NextHop; readonly wish: TlsWish },
  ): Promise<Walk> {
    const found = await this.#addresses(host);
    if (found === null) return { fault: defer("4.4.4", `No address is known for ${host}`) };
    const near = found.addresses.every(isLoopback);
    let rule = this.#options.rules.of(host);
    // A login is told to who proves to be the host that was named; another rule for it is the operator's word
    if (rule === null && auth !== null && !auth.inClear && !near) rule = { level: "secure", names: [host] };
    const hop: TlsHop = { domain: host, byMx: false, authentic: false, sts: null };
    return {
      stops: [
        await this.#stop(found, { port, preference: place * PLACES, wish, rule, hop, auth, owner, implicitTls, lmtp }),
      ],
    };
  }

  /** By name service; then by whatever else this host knows, as its `hosts` file. */
  async #addresses(host: string): Promise<HostAddresses | null> {
    const ip = canonicalIp(host);
    if (ip !== null) {
      const literal = ip.includes(":") ? `[IPv6:${ip}]` : `[${ip}]`;
      return { host: literal, name: literal, addresses: [ip], authentic: false, ttl: 0 };
    }
    const found = await hostAddresses(host, this.#options.dns);
    if (found.fault === undefined) return found;
    const known = await lookup(host, { all: true }).catch(() => []);
    const addresses = [...new Set(known.map(({ address }) => canonicalIp(address)).filter((each) => each !== null))];
    return addresses.length === 0 ? null : { host, name: host, addresses, authentic: false, ttl: 0 };
  }

  async #stop(
    host: HostAddresses,
    { port, wish, rule, hop, ...rest }: {
      readonly port: number;
      readonly preference: number;
      readonly wish: TlsWish;
      readonly rule: TlsRule | null;
      readonly hop: TlsHop;
      readonly auth: HopAuth | null;
      readonly owner: string;
      readonly implicitTls: boolean;
      readonly lmtp: boolean;
    },
  ): Promise<Stop | Barred> {
    const { dns, dane, families, preferFamily, random } = this.#options;
    const delivery = { wish, rule, hop };
    // Its own name may stand in a signed zone and lead out of it: whether that counts the lookup knows  RFC 7672 2.2.2
    const asked = dane && wantsTlsa(delivery, host.authentic || host.name !== host.host);
    const demand = demandOf(delivery, { host: host.host, tlsa: asked ? await tlsaOf(host, port, { dns }) : null });
    if ("refused" in demand) return { name: host.host, ...demand };
    const { addresses } = host, name = host.host;
    return {
      ...rest,
      name,
      port,
      demand: rest.implicitTls ? inTls(demand) : demand,
      near: addresses.every(isLoopback),
      place: () => {
        const prefer = families.of(name) ?? preferFamily;
        return { port, addresses: orderAddresses(addresses, { random, ...prefer !== null && { prefer } }) };
      },
    };
  }
}

/** Where TLS comes first there is nothing without it. */
function inTls(demand: TlsDemand): TlsDemand {
  return demand.tls === "must" ? demand : { ...demand, tls: "must", key: `must ${demand.key}` };
}

const NO_HOSTS = defer("4.4.4", "The next hop has no hosts");

/** Preferences of MX records, RFC 1035 3.3.9: the hosts of one place of a next hop come before those of the next place. */
const PLACES = 65_536;

function socketStop(
  { path, lmtp }: Extract<HopHost, { kind: "unix" }>,
  place: number,
  { name: owner, auth }: NextHop,
): Stop {
  return {
    name: path,
    port: 0,
    preference: place * PLACES,
    place: () => ({ path }),
    lmtp,
    implicitTls: false,
    demand: null,
    auth,
    owner,
    near: true,
  };
}
