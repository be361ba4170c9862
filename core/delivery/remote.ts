/**
 * One attempt to hand a message to mail servers: walks the hosts of its target, over connections that are open already or
 * new ones, a transaction for each reverse path and each hundred recipients, until every recipient has an answer or
 * nobody is left to ask (RFC 5321 5.1, case 64, 65). Never rejects.
 * Non-job: which hosts (walk.ts), the way there (connect.ts), how it is spoken (core/net, core/smtp/client), what follows
 * (settlement.ts).
 */
import { notifyFor } from "../dsn/notify.ts";
import { type Address, formatAddress } from "../model/address.ts";
import type { MailParameters, RcptParameters } from "../model/envelope.ts";
import type { TlsWish } from "../model/tls_wish.ts";
import type { OutboundConnection } from "../net/outbound.ts";
import { found, type MailTransaction, type Outcome, type PeerExtensions } from "../smtp/client/mod.ts";
import type { Feedback } from "./concurrency.ts";
import { type ConnectOptions, Connector, NOBODY, placeOf } from "./connect.ts";
import type { Form, Outgoing } from "./outgoing.ts";
import { ours, type Place, type Result, resultOf, UNTOUCHED } from "./result.ts";
import type { Target } from "./target.ts";
import { type Barred, isBarred, type Stop, type Walks } from "./walk.ts";

/** What is to be handed over, and for whom. */
export interface Shipment {
  readonly parameters: MailParameters;
  readonly wish: TlsWish;
  readonly outgoing: Outgoing;
  readonly recipients: readonly ShippedRecipient[];
}
export interface ShippedRecipient {
  readonly address: Address;
  readonly parameters: RcptParameters;
  /** What MAIL says for it: null for `<>`. */
  readonly sender: Address | null;
}

/** What came of it. */
export interface Shipped {
  /** For each recipient, in their order. */
  readonly results: readonly Result[];
  /** What it says of the destination. */
  readonly feedback: Feedback;
}

export interface RemoteOptions extends ConnectOptions {
  readonly walks: Walks;
}

/** Recipients of one transaction: what every server must take (RFC 5321 4.5.3.1.8). */
const AT_ONCE = 100;
/** Hosts that are talked to in one attempt; the next attempt begins with another of the same preference. */
const SESSIONS = 3;
/** Connections to one host in one attempt: for peers that take few recipients in a session. */
const CONNECTIONS = 20;

export class RemoteDelivery {
  readonly #walks: Walks;
  readonly #connector: Connector;

  constructor(options: RemoteOptions) {
    this.#walks = options.walks;
    this.#connector = new Connector(options);
  }

  /** `signal`: an end while it is looked up where to; connections are the pool's to end. */
  async ship(
    target: Extract<Target, { kind: "mx" | "hop" }>,
    shipment: Shipment,
    signal?: AbortSignal,
  ): Promise<Shipped> {
    const walk = await unlessAborted(this.#walks.of(target, shipment.wish), signal);
    if (walk === null) return { results: shipment.recipients.map(() => UNTOUCHED), feedback: "neutral" };
    const attempt = new Attempt(shipment, this.#connector);
    if (walk.fault !== undefined) {
      const { verdict, status, text } = walk.fault;
      attempt.failAll(resultOf(found(verdict, status, text, "greeting"), NOBODY));
      // That a domain has no hosts is about the domain, and there is nobody to spare
      return { results: attempt.results(), feedback: verdict === "defer" ? "failure" : "success" };
    }
    await attempt.walk(walk.stops);
    return { results: attempt.results(), feedback: attempt.feedback() };
  }
}

class Attempt {
  readonly #shipment: Shipment;
  readonly #connector: Connector;
  /** What is known of each recipient so far. */
  readonly #known: (Result | null)[];
  /** Places whose answer is not final: the next host is asked for them. */
  #open: Set<number>;
  #atOnce = AT_ONCE;
  /** Our login was refused: a password that one host does not take is not tried at all the others. */
  #denied = false;
  /** Some host talked, or would not. */
  #met = false;
  #feedback: Feedback = "failure";

  constructor(shipment: Shipment, connector: Connector) {
    this.#shipment = shipment;
    this.#connector = connector;
    this.#known = shipment.recipients.map(() => null);
    this.#open = new Set(this.#known.keys());
  }

  results(): readonly Result[] {
    const unknown = this.#connector.closing ? UNTOUCHED : NOT_ASKED;
    return this.#known.map((each) => each ?? unknown);
  }

  /** Who refuses for good, or is refused for what one message asks, need not be spared. */
  feedback(): Feedback {
    if (this.#feedback === "success") return "success";
    if (this.#connector.closing) return "neutral"; // it was us
    if (this.#known.some((each) => each?.verdict !== "rejected")) return this.#feedback;
    return this.#met ? "success" : "neutral";
  }

  failAll(result: Result, places: Iterable<number> = this.#open): void {
    for (const place of places) this.#known[place] = preferred(this.#known[place]!, result);
  }

  async walk(stops: readonly (Stop | Barred)[]): Promise<void> {
    let sessions = 0;
    for (const stop of this.#openFirst(stops)) {
      if (this.#open.size === 0 || sessions === SESSIONS || this.#denied) return;
      if (!isBarred(stop)) {
        if (await this.#visit(stop)) sessions++;
        continue;
      }
      const { outcome, place } = this.#connector.turnAway(stop);
      this.failAll(resultOf(outcome, place));
    }
  }

  /** Where a connection is open already nothing has to be tried out, unless a better host may be there (RFC 5321 5.1). */
  #openFirst(stops: readonly (Stop | Barred)[]): readonly (Stop | Barred)[] {
    const connector = this.#connector;
    const best = Math.min(
      ...stops.map((stop) => isBarred(stop) || connector.isDown(stop) ? Infinity : stop.preference),
    );
    const open = stops.findIndex((stop) => !isBarred(stop) && stop.preference <= best && connector.isOpen(stop));
    return open <= 0 ? stops : [stops[open]!, ...stops.slice(0, open), ...stops.slice(open + 1)];
  }

  /** True when the host talked with us. */
  async #visit(stop: Stop): Promise<boolean> {
    const connector = this.#connector, here = new Set(this.#open);
    let talked = false, fresh = false;
    for (let connections = 0; connections < CONNECTIONS && here.size > 0; connections++) {
      const connection = (fresh ? null : connector.take(stop)) ?? await this.#connect(stop, here);
      if (connection === null) break;
      const before = here.size;
      let tired: boolean;
      try {
        tired = await this.#deliver(connection, stop, here);
      } finally {
        connector.release(connection);
      }
      if (tired) fresh = true; // those beside it will be as tired of waiting
      else {
        talked = true;
        if (here.size === before) break; // it takes nobody, or we cannot say it
      }
    }
    return talked;
  }

  async #connect(stop: Stop, here: ReadonlySet<number>): Promise<OutboundConnection | null> {
    const { connection, failures } = await this.#connector.open(stop);
    if (connection !== null || this.#connector.closing) return connection; // one address is as good as another
    for (const { outcome, place } of failures) {
      if (outcome.reply !== null) this.#met = true;
      if (outcome.phase === "auth" && outcome.reply !== null && outcome.reply.code >= 500) this.#denied = true;
      this.failAll(resultOf(outcome, place), here);
    }
    return null;
  }

  /**
   * Transactions while there is somebody to ask for. True when the connection ended before it was of use: what it was for
   * should have another one.
   */
  async #deliver(connection: OutboundConnection, stop: Stop, here: Set<number>): Promise<boolean> {
    const place = placeOf(stop, connection);
    this.#met = true;
    while (here.size > 0 && connection.usable) {
      const form = await this.#form(connection.peer, place);
      if (form === null) {
        here.clear();
        return false;
      }
      if (!connection.usable) return true; // the peer did not wait for us to convert and sign
      const group = this.#group(here), before = here.size;
      const transaction = this.#transaction(group, form, connection.peer);
      let outcomes: readonly Outcome[];
      try {
        outcomes = await connection.deliver(transaction, form.content);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        this.#unsayable(group, here, error);
        continue;
      }
      if (connection.stale) return true;
      for (const [index, outcome] of outcomes.entries()) {
        this.#take(group[index]!, outcome, { stop, place, here, connection });
      }
      if (here.size === before) return false;
    }
    return false;
  }

  /** A command cannot be said, and nothing was (case 67): whose it is shows when each goes alone. */
  #unsayable(group: readonly number[], here: Set<number>, { message }: TypeError): void {
    const [first] = group;
    if (group.length > 1) this.#atOnce = 1;
    else {
      here.delete(first!);
      this.#open.delete(first!);
      this.#known[first!] = ours("rejected", "5.5.4", `It cannot be said in SMTP: ${message}`);
    }
  }

  /** Those who are still to be asked for here, of one reverse path. */
  #group(here: ReadonlySet<number>): readonly number[] {
    const { recipients } = this.#shipment, group: number[] = [];
    let path: string | null = null;
    for (const place of here) {
      const own = formatAddress(recipients[place]!.sender);
      path ??= own;
      if (own === path && group.push(place) === this.#atOnce) break;
    }
    return group;
  }

  /** Null: the message cannot be said to this peer, and every recipient knows it. */
  async #form(peer: PeerExtensions, place: Place): Promise<Form | null> {
    const capacity = !peer.has("8BITMIME") ? "7BIT" : peer.has("BINARYMIME") ? "BINARYMIME" : "8BITMIME";
    try {
      const form = await this.#shipment.outgoing.form(capacity);
      if (form !== "impossible") return form;
      const text = "The message is not 7-bit, and this server takes no other";
      this.failAll(resultOf(found("reject", "5.6.3", text, "envelope"), place));
    } catch (error) { // a signer that fails, content that cannot be read: it does not go out without, to nobody
      const why = error instanceof Error ? error.message : String(error);
      this.failAll(ours("deferred", "4.3.0", `The message cannot be prepared: ${why}`));
      this.#open.clear();
    }
    this.#feedback = "success"; // it is not the host's fault
    return null;
  }

  #transaction(group: readonly number[], { facts }: Form, peer: PeerExtensions): MailTransaction {
    const { recipients, parameters } = this.#shipment;
    const { ret, envid, auth, requireTls, deliverBy, priority } = parameters;
    return {
      sender: recipients[group[0]!]!.sender,
      recipients: group.map((place) => {
        const { address, parameters: own } = recipients[place]!;
        const notify = notifyFor(own, parameters, { deliverBy: peer.has("DELIVERBY") });
        return { address, parameters: notify === own.notify ? own : { ...own, notify } };
      }),
      parameters: {
        ret,
        envid,
        auth,
        ...requireTls && { requireTls },
        ...deliverBy && { deliverBy },
        ...priority !== undefined && { priority },
      },
      content: facts,
    };
  }

  /** What one answer means: the end, another transaction here, or another host. */
  #take(
    which: number,
    outcome: Outcome,
    { stop, place, here, connection: { peer } }: {
      readonly stop: Stop;
      readonly place: Place;
      readonly here: Set<number>;
      readonly connection: OutboundConnection;
    },
  ): void {
    const { verdict, status, phase, reply, mayHaveArrived } = outcome, result = resultOf(outcome, place);
    if (verdict === "untried") {
      this.#known[which] = preferred(this.#known[which]!, result);
      return;
    }
    here.delete(which);
    if (reply === null && status === "4.3.2" && !mayHaveArrived) { // we ended it ourselves: no attempt
      this.#known[which] ??= UNTOUCHED;
      return;
    }
    if (reply?.code === 421) this.#feedback = "failure";
    else if (reply !== null || phase !== "mail" && phase !== "reset") this.#feedback = "success";
    // What this host lacks another one may have, and what it takes later another one may take now
    const open = !mayHaveArrived && (verdict === "defer" || verdict === "reject" && phase === "envelope");
    if (open) this.#known[which] = preferred(this.#known[which]!, result);
    else {
      this.#open.delete(which);
      this.#known[which] = verdict !== "accept" || stop.lmtp
        ? result
        : { ...result, relayed: { dsn: peer.has("DSN"), deliverBy: peer.has("DELIVERBY") } };
    }
  }
}

/** Null when the signal came first: whoever stops waits neither for name service nor for somebody's policy host. */
function unlessAborted<T>(found: Promise<T>, signal: AbortSignal | undefined): Promise<T | null> {
  if (signal === undefined) return found;
  return new Promise((resolve, reject) => {
    const give = () => resolve(null);
    signal.addEventListener("abort", give, { once: true });
    if (signal.aborted) give();
    found.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}

const NOT_ASKED: Result = { ...NOBODY, verdict: "deferred", status: "4.4.1", words: "No server could be asked" };

/** Of two answers: who may take it later counts more than who never will, and the last word more than the first. */
function preferred(before: Result | null, now: Result): Result {
  return before?.verdict === "deferred" && now.verdict === "rejected" ? before : now;
}
