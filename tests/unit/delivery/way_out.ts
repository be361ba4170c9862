/**
 * The way to other hosts as deliveries have it, over real sockets of this machine: names are literal data, every mail
 * host of theirs is an address of 127/8. Non-job: queue and pipeline (site.ts).
 */
import type { NextHop } from "../../../core/delivery/next_hop.ts";
import { Outgoing, type OutgoingOptions } from "../../../core/delivery/outgoing.ts";
import { RemoteDelivery, type Shipment, type Shipped } from "../../../core/delivery/remote.ts";
import type { Result } from "../../../core/delivery/result.ts";
import type { Target } from "../../../core/delivery/target.ts";
import { BrokenTls } from "../../../core/delivery/tls/broken.ts";
import { TlsRules } from "../../../core/delivery/tls/rules.ts";
import type { TlsSession } from "../../../core/delivery/tls/tlsrpt.ts";
import { Walks, type WalksOptions } from "../../../core/delivery/walk.ts";
import { GoodFamilies } from "../../../core/dns/good_families.ts";
import { MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import { tlsWish } from "../../../core/model/tls_wish.ts";
import { Deadlines } from "../../../core/net/deadline.ts";
import { OutboundPool, type OutboundPoolOptions } from "../../../core/net/outbound_pool.ts";
import { ClientTls } from "../../../core/net/tls/client_tls.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import { octetStream } from "../../../core/store/spool_file.ts";
import type { Body } from "../../../core/store/store.ts";
import { octets } from "../../support/bytes.ts";
import { within } from "../../support/wait.ts";
import { address } from "../store/messages.ts";

export const TEXT = "Subject: x\r\n\r\nhello\r\n";

/** y.example with mail hosts a, b, c and so on: 127.0.0.1, 127.0.0.2 ... */
export function hosts(count: number, zone: MemoryZone = {}): MemoryZone {
  const letters = Array.from({ length: count }, (_, at) => String.fromCharCode(97 + at));
  return {
    "y.example": { mx: letters.map((letter, at) => [at, `${letter}.y.example`] as const) },
    ...Object.fromEntries(letters.map((letter, at) => [`${letter}.y.example`, { a: [`127.0.0.${at + 1}`] }])),
    ...zone,
  };
}

export interface WayOutOptions {
  readonly zone?: MemoryZone;
  /** Where mail hosts listen. */
  readonly port: number;
  readonly walks?: Partial<WalksOptions>;
  readonly pool?: Partial<OutboundPoolOptions>;
  readonly tls?: ClientTls;
}

/** What differs from a small message of one recipient. */
export interface Shipping extends Partial<Omit<Shipment, "recipients" | "outgoing">> {
  /** Or one for each recipient. */
  readonly sender?: string | null | ((recipient: string) => string);
  readonly outgoing?: Partial<OutgoingOptions>;
}

export class WayOut implements AsyncDisposable {
  readonly dns: MemoryResolver;
  readonly walks: Walks;
  readonly pool: OutboundPool;
  readonly store = new MemoryStore();
  readonly counted: TlsSession[] = [];
  readonly remote: RemoteDelivery;

  constructor({ zone = {}, port, walks = {}, pool = {}, tls = new ClientTls() }: WayOutOptions) {
    const deadlines = new Deadlines(20), families = new GoodFamilies();
    this.dns = new MemoryResolver(zone);
    this.pool = new OutboundPool({ deadlines, ...pool });
    this.walks = new Walks({
      dns: this.dns,
      own: { names: new Set(), addresses: new Set() },
      families,
      preferFamily: 4,
      port,
      rules: new TlsRules(),
      sts: null,
      dane: true,
      random: () => 0.99, // as they stand
      counted: (session) => void this.counted.push(session),
      ...walks,
    });
    const connector = {
      pool: this.pool,
      deadlines,
      tls,
      broken: new BrokenTls(this.store.counters),
      families,
      source: {},
      hostname: "out.example.org",
      now: Date.now,
      counted: (session: TlsSession) => void this.counted.push(session),
    };
    this.remote = new RemoteDelivery({ walks: this.walks, ...connector });
  }

  /** To a domain, or a next hop. */
  async ship(to: string | NextHop, recipients: readonly string[], more: Shipping = {}): Promise<Shipped> {
    const target: Extract<Target, { kind: "mx" | "hop" }> = typeof to === "string"
      ? { kind: "mx", domain: to }
      : { kind: "hop", hop: to };
    const { sender = "alice@example.org", outgoing = {}, parameters = NO_MAIL_PARAMETERS, wish } = more;
    return await within(
      "the end of an attempt",
      this.remote.ship(target, {
        parameters,
        wish: wish ?? tlsWish(parameters, []),
        outgoing: new Outgoing({
          body: memoryBody(octets(TEXT)),
          edits: NO_EDITS,
          parameters,
          signers: [],
          eightBit: "convert",
          ...outgoing,
        }),
        recipients: recipients.map((each) => ({
          address: address(each),
          parameters: NO_RCPT_PARAMETERS,
          sender: sender === null ? null : address(typeof sender === "string" ? sender : sender(each)),
        })),
      }),
      10_000,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.close(0);
    await this.store.close();
  }
}

/** "deferred 4.4.1", for each recipient. */
export function brief({ results }: { readonly results: readonly Result[] }): string[] {
  return results.map(({ verdict, status }) => `${verdict} ${status}`);
}

export function memoryBody(content: Uint8Array<ArrayBuffer>): Body {
  return { size: content.length, memory: content, head: content, stream: () => octetStream(content), discard() {} };
}

/** A body that lies in a file, as far as anybody can see, read in pieces of `block`. */
export function spooledBody(content: Uint8Array<ArrayBuffer>, head = content.length, block = 7): Body {
  return {
    size: content.length,
    memory: null,
    head: content.slice(0, head),
    stream() {
      let at = 0;
      return new ReadableStream({
        pull(controller) {
          if (at >= content.length) return controller.close();
          controller.enqueue(content.slice(at, at += block));
        },
      }, { highWaterMark: 0 });
    },
    discard() {},
  };
}

/** A next hop of one or more hosts. */
export function nextHop(hosts: NextHop["hosts"], more: Partial<NextHop> = {}): NextHop {
  return { name: "smart", hosts, auth: null, mx: false, http: null, concurrency: null, rate: null, ...more };
}
