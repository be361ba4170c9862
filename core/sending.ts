/**
 * The way out of the house: from a configuration to a dispatcher with everything that it sends by, and back. Also where a
 * new recipient belongs in the queue, since that follows from the same rules. Non-job: the way in (doors.ts), starting and
 * stopping (server.ts).
 */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { getCACertificates } from "node:tls";
import type { Config } from "./config/config.ts";
import { openFileLimit } from "./config/open_files.ts";
import { CallAhead } from "./delivery/call_ahead.ts";
import { Delivery } from "./delivery/delivery.ts";
import { Dispatcher } from "./delivery/dispatcher.ts";
import { Jobs } from "./delivery/jobs.ts";
import { ownHost } from "./delivery/own_host.ts";
import { RemoteDelivery, type RemoteOptions } from "./delivery/remote.ts";
import { type Place, Reports } from "./delivery/reports.ts";
import { Settlement } from "./delivery/settlement.ts";
import { Suppression } from "./delivery/suppression.ts";
import { SuspensionRules } from "./delivery/suspension.ts";
import { keyOf, Targets } from "./delivery/target.ts";
import { deadlineOf, type Terms } from "./delivery/terms.ts";
import { BrokenTls } from "./delivery/tls/broken.ts";
import type { HttpFetch } from "./delivery/tls/mta_sts_fetch.ts";
import { StsPolicies } from "./delivery/tls/mta_sts_policies.ts";
import { TlsRules } from "./delivery/tls/rules.ts";
import type { TlsSession } from "./delivery/tls/tlsrpt.ts";
import { TlsrptCounts } from "./delivery/tls/tlsrpt_counts.ts";
import { TlsrptSender } from "./delivery/tls/tlsrpt_sender.ts";
import { Walks } from "./delivery/walk.ts";
import { GoodFamilies } from "./dns/good_families.ts";
import type { Address } from "./model/address.ts";
import { DomainMap } from "./model/domain_map.ts";
import { Deadlines } from "./net/deadline.ts";
import { httpsFetch } from "./net/https_fetch.ts";
import { OutboundPool } from "./net/outbound_pool.ts";
import { ClientTls } from "./net/tls/client_tls.ts";
import type { Services } from "./pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "./pipeline/pipeline.ts";
import type { Letter } from "./pipeline/plugin.ts";
import { letterOf } from "./queue/letter.ts";
import { resent } from "./queue/resent.ts";
import type { NewMessage, NewRecipient, Store, StoredMessage } from "./store/store.ts";

export interface SendingOptions {
  readonly config: Config;
  readonly store: Store;
  readonly services: Omit<Services, "commit">;
  /** The pipeline of the listener that took a message; any when it is not there any more. */
  pipelineOf(listener: string): Pipeline;
  /** Told of each session with a mail host: the kind of its policy, and what was wrong with its TLS or null. */
  readonly tls?: (policy: string, failure: string | null) => void;
  /** What the sending that this one stands in for has in hand. */
  readonly jobs?: Jobs;
  /** From 0 up to and without 1 (default `Math.random`). */
  readonly random?: () => number;
  /** Milliseconds on a clock that never jumps (default `performance.now`). */
  readonly monotonic?: () => number;
}

/** Jobs in memory, all together and of one destination. */
const JOBS = 2000, JOBS_PER_DESTINATION = 1000;
/** Destinations that are remembered for what they bear. */
const REMEMBERED = 10_000;
/** Where a destination begins, attempts at once. */
const INITIAL = 5;
/** Descriptors that are not for connections to others. */
const OTHER_FILES = 200;

export class Sending {
  readonly dispatcher: Dispatcher;
  readonly suppression: Suppression;
  /** Asks the next hops of recipients about them. */
  readonly callAhead: CallAhead;
  /** What is in hand. */
  readonly jobs: Jobs;
  readonly #options: SendingOptions;
  readonly #broken: BrokenTls;
  readonly #terms: Terms;
  readonly #targets: Targets;
  readonly #reports: Reports;
  readonly #pool: OutboundPool;
  readonly #counts: TlsrptCounts | null;
  readonly #reporter: TlsrptSender | null;
  readonly #sts: StsPolicies | null;
  #daily: ReturnType<typeof setInterval> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: SendingOptions) {
    this.#options = options;
    this.jobs = options.jobs ?? new Jobs();
    const { config, store, services, pipelineOf, random = Math.random, monotonic } = options,
      { delivery, hostname } = config;
    const { counters } = store, { dns, now } = services, deadlines = new Deadlines(), families = new GoodFamilies();
    const ca = delivery.tls.ca === null ? {} : { authorities: authorities(delivery.tls.ca) };
    const fetch: HttpFetch = (url, init) => globalThis.fetch(url, init);
    const published = isProxied() ? fetch : httpsFetch({ dns, ...ca });
    this.#terms = delivery;
    this.#targets = new Targets({ rules: delivery.routes, nextHops: config.nextHops, leaves: delivery.leaves });
    this.#pool = new OutboundPool({ deadlines, maxIdlePerKey: delivery.concurrencyPerDomain });
    this.suppression = new Suppression({ counters, now });
    this.#broken = new BrokenTls(counters);
    const counts = this.#counts = delivery.tls.reports === null ? null : new TlsrptCounts({ dns, counters, now });
    this.#reporter = counts === null ? null : this.#reporterOf(counts, published);
    this.#sts = delivery.tls.mtaSts && delivery.leaves
      ? new StsPolicies({ dns, fetch: published, counters, now })
      : null;
    const counted = (session: TlsSession) => {
      options.tls?.(session.reported.type, session.failure?.type ?? null);
      void counts?.count(session);
    };
    const walks = new Walks({
      dns,
      own: ownHost({
        hostname,
        listeners: config.listeners.flatMap(({ address }) => "path" in address ? [] : [address]),
        port: delivery.port,
        interfaces: () =>
          Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []),
      }),
      families,
      preferFamily: delivery.preferFamily,
      port: delivery.port,
      rules: new TlsRules(delivery.tls.rules),
      sts: this.#sts,
      dane: delivery.tls.dane,
      random,
      counted,
    });
    const ways: RemoteOptions = {
      walks,
      pool: this.#pool,
      deadlines,
      tls: new ClientTls(ca),
      broken: this.#broken,
      families,
      source: delivery.source,
      hostname,
      now,
      counted,
    };
    const remote = new RemoteDelivery(ways);
    this.callAhead = new CallAhead({ ...ways, targets: this.#targets });
    this.#reports = new Reports({
      store,
      services,
      pipelineOf,
      notify: {
        doubleBounce: delivery.doubleBounce,
        postmaster: config.postmaster,
        success: delivery.successReports,
      },
      returnSize: delivery.returnSize,
      place: (recipient) => this.place(recipient),
    });
    const { hardBounces } = delivery.suppress, rates = new DomainMap(Object.entries(delivery.rates));
    this.dispatcher = new Dispatcher({
      store,
      jobs: this.jobs,
      forget: () => walks.forget(),
      services,
      targets: this.#targets,
      terms: this.#terms,
      delivery: new Delivery({
        store,
        services,
        pipelineOf,
        targets: this.#targets,
        remote,
        suppression: this.suppression,
        fetch,
        eightBit: delivery.eightBit,
      }),
      settlement: new Settlement({ terms: this.#terms, softBounce: delivery.softBounce, now, random }),
      reports: this.#reports,
      suspension: new SuspensionRules(delivery.suspend),
      ...monotonic && { monotonic },
      ...hardBounces !== null && !delivery.softBounce && {
        hardBounce: async ({ address }, { status, words }) => {
          if (!/^5\.1\.[1-36]$|^5\.2\.1$/.test(status)) return; // about the address, not about the message
          await this.suppression.add(address, { reason: words, seconds: Math.ceil(hardBounces / 1000) });
        },
      },
      window: {
        jobs: JOBS,
        jobsPerDestination: JOBS_PER_DESTINATION,
        attempts: Math.max(1, Math.min(delivery.connections, openFileLimit() - OTHER_FILES)),
        remembered: REMEMBERED,
        initial: INITIAL,
        cap: delivery.concurrencyPerDomain,
        capOf: (key) => this.#hopOf(key)?.concurrency ?? delivery.concurrencyPerDomain,
        rate: (key) => key.startsWith("mx:") ? rates.of(key.slice(3)) ?? null : this.#hopOf(key)?.rate ?? null,
        cohorts: 1,
        schedule: delivery.retry,
        random,
      },
    });
  }

  /** Where a new recipient stands in the queue: with whom it shares a way, and when its sender is owed a word. */
  place(
    { address, parameters, route, sender, mail, receivedAt }: Place,
  ): Pick<NewRecipient, "destination" | "deadline"> {
    return {
      destination: keyOf(this.#targets.of({ address, route }, sender)),
      deadline: deadlineOf(
        { sender, parameters: mail, receivedAt },
        { parameters, told: null, attempts: 0 },
        { now: receivedAt, terms: this.#terms },
      ),
    };
  }

  /** Handshakes with other hosts that broke, since the start. */
  get brokenTls(): number {
    return this.#broken.count;
  }

  start(): void {
    this.#reporter?.start();
    const day = 86_400_000;
    if (this.#sts !== null) this.#daily = setInterval(() => void this.#sts!.refresh(), day);
    this.#unwatch = this.#options.store.watchQueue?.(() => this.dispatcher.kick());
    this.dispatcher.kick();
  }

  /** Attempts under way may finish for so long; then connections are cut. `patient`: the process goes on. */
  async stop(milliseconds: number, options: { readonly patient?: boolean } = {}): Promise<void> {
    clearInterval(this.#daily);
    this.#unwatch?.();
    await Promise.all([
      this.dispatcher.stop(milliseconds, options),
      this.#pool.close(milliseconds),
      this.#reporter?.stop(),
    ]);
    await this.#counts?.save();
  }

  #hopOf(key: string) {
    return key.startsWith("via:") ? this.#options.config.nextHops.get(key.slice(4)) : undefined;
  }

  #reporterOf(counts: TlsrptCounts, fetch: HttpFetch): TlsrptSender {
    const { config, services: { now, emit } } = this.#options,
      { from, contact, organization } = config.delivery.tls.reports!;
    return new TlsrptSender({
      counts,
      reporter: { domain: from.domain, organization, contact },
      from,
      fetch,
      listener: config.listeners[0]!.name,
      commit: (message, content) => this.#commit(message, content),
      now,
      trouble: (message) => emit({ type: "trouble", where: "tls reports", message }),
    });
  }

  /**
   * A letter of this site: it stands in the queue like any other. Who is local is reached as by anybody's mail.
   *
   * @throws {Error} when nobody is there, or when nobody can say that now.
   */
  async send({ from, to, content }: Letter): Promise<void> {
    const at = this.#options.services.now(), listener = this.#options.config.listeners[0]!.name;
    const message = letterOf({ from, to, content }, { at, listener });
    const ways = await Promise.all(message.recipients.map(async (each) => {
      const found = await this.#reports.ways(each.address, each.parameters, message.parameters, listener);
      return found.map((way) => ({ ...each, ...way }));
    }));
    const recipients = ways.flat();
    if (recipients.length === 0) throw new Error("there is no such recipient here");
    await this.#commit({ ...message, recipients }, content);
  }

  /** Sends a message of the store on to somebody. The new id; null when its octets are gone. */
  async release(message: StoredMessage, to: Address): Promise<string | null> {
    const { config: { admin, hostname, listeners }, store, services } = this.#options, release = admin?.release;
    const stream = release ? await store.received(message.id) : null;
    if (!release || stream === null) return null;
    const listener = listeners[0]!.name, at = services.now(), content = await new Response(stream).bytes();
    const row = resent(message, content, { ...release, to, at, listener, hostname });
    await this.#commit(row.message, row.content);
    return row.message.id;
  }

  async #commit(message: NewMessage, content: Uint8Array): Promise<void> {
    const { store } = this.#options, { sender, parameters: mail, receivedAt } = message;
    const recipients = message.recipients.map((each) => ({
      ...each,
      ...this.place({ ...each, sender, mail, receivedAt }),
    }));
    const writer = store.receive(message.id);
    await writer.write(content);
    await store.commit({ ...message, recipients }, await writer.finish());
    this.dispatcher.kick();
  }
}

/** Where the way to the web leads through a proxy, the proxy looks names up. */
function isProxied(): boolean {
  return ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].some((name) =>
    // A program that may not see it, and has a server inside, is not asked for the right
    Deno.permissions.querySync({ name: "env", variable: name }).state === "granted" && Boolean(Deno.env.get(name))
  );
}

/** Those of the file beside those of the runtime. */
function authorities(file: string): readonly string[] {
  return [...getCACertificates("default"), readFileSync(file, "utf8")];
}
