/** Call-ahead as a server has it, over real sockets and a zone in memory: for its own tests and those of plugins. */
import { CallAhead, type CallAheadOptions } from "../../../core/delivery/call_ahead.ts";
import { type NextHop, parseHopHost } from "../../../core/delivery/next_hop.ts";
import type { RouteRule } from "../../../core/delivery/route_rules.ts";
import { Targets } from "../../../core/delivery/target.ts";
import { BrokenTls } from "../../../core/delivery/tls/broken.ts";
import { TlsRules } from "../../../core/delivery/tls/rules.ts";
import type { TlsSession } from "../../../core/delivery/tls/tlsrpt.ts";
import { Walks } from "../../../core/delivery/walk.ts";
import { GoodFamilies } from "../../../core/dns/good_families.ts";
import { MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { parseAddress } from "../../../core/model/address.ts";
import { type MailParameters, NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { Deadlines } from "../../../core/net/deadline.ts";
import { OutboundPool } from "../../../core/net/outbound_pool.ts";
import { ClientTls } from "../../../core/net/tls/client_tls.ts";
import { type RemoteRoute, SimulatedCounters } from "../../../core/pipeline/mod.ts";

export interface SiteOptions {
  readonly zone?: MemoryZone;
  /** The port of the hosts in the zone. */
  readonly port?: number;
  readonly hops?: Readonly<Record<string, readonly string[]>>;
  readonly rules?: readonly RouteRule[];
  readonly leaves?: boolean;
  readonly limits?: Pick<CallAheadOptions, "timeout" | "atOnce">;
}

export class AskingSite implements AsyncDisposable {
  readonly pool: OutboundPool;
  readonly callAhead: CallAhead;
  readonly counted: TlsSession[] = [];

  constructor({ zone = {}, port = 25, hops = {}, rules = [], leaves = true, limits = {} }: SiteOptions) {
    const deadlines = new Deadlines(20), families = new GoodFamilies(), { counted } = this;
    const nextHops = new Map(Object.entries(hops).map(([name, urls]) => [name, nextHop(name, urls)]));
    this.pool = new OutboundPool({ deadlines });
    this.callAhead = new CallAhead({
      targets: new Targets({ rules, nextHops, leaves }),
      walks: new Walks({
        dns: new MemoryResolver(zone),
        own: { names: new Set(["mx.example.org"]), addresses: new Set() },
        families,
        preferFamily: null,
        port,
        rules: new TlsRules(),
        sts: null,
        dane: false,
        random: () => 0.5,
        counted: () => {},
      }),
      pool: this.pool,
      deadlines,
      tls: new ClientTls(),
      broken: new BrokenTls(new SimulatedCounters()),
      families,
      source: {},
      hostname: "mx.example.org",
      now: Date.now,
      counted: (session) => void counted.push(session),
      ...limits,
    });
  }

  /** What is said about an address; `""` as the sender is `<>`. */
  async ask(
    to: string,
    { via, from = "", parameters = {}, signal = new AbortController().signal }: {
      readonly via?: string;
      readonly from?: string;
      readonly parameters?: Partial<MailParameters>;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<string> {
    const route: RemoteRoute = via === undefined ? { to: "remote" } : { to: "remote", via };
    const reply = await this.callAhead.ask({
      sender: from === "" ? null : parseAddress(from),
      recipient: parseAddress(to)!,
      route,
      parameters: { ...NO_MAIL_PARAMETERS, ...parameters },
    }, signal);
    return reply.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.close(0);
  }
}

function nextHop(name: string, urls: readonly string[]): NextHop {
  const hosts = urls.map((url) => {
    const host = parseHopHost(url);
    if (typeof host === "string") throw new TypeError(host);
    return host;
  });
  const http = hosts[0]?.kind === "http" ? { format: "raw", secret: null, headers: {}, timeout: 1000 } as const : null;
  return { name, hosts, auth: null, mx: false, http, concurrency: null, rate: null };
}
