/**
 * One attempt at the recipients of a message that share a target, whatever the target is: storage, mail servers, a web
 * hook, or a rule that asks nobody; with the phase `deliver` around what leaves. Never rejects.
 * Non-job: when and how many (dispatcher.ts), what is written (settlement.ts), the ways themselves (local.ts, remote.ts,
 * http.ts).
 */
import { applyEdits, type EditedField, editedFields, withReturnPath } from "../model/edits.ts";
import { type HeaderEdits, isOverdue, isParked } from "../model/envelope.ts";
import { HeaderSection } from "../model/headers.ts";
import { Reply } from "../model/reply.ts";
import { tlsWish } from "../model/tls_wish.ts";
import { ReceivedMessage } from "../pipeline/contexts/received_message.ts";
import type { Services, TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { OVERDUE } from "../pipeline/endings/endings.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { bodyOf, storedBody } from "../queue/stored_body.ts";
import type { Outcome } from "../smtp/client/mod.ts";
import type { Body, Store, StoredMessage, StoredRecipient } from "../store/store.ts";
import type { Feedback } from "./concurrency.ts";
import { postMessage } from "./http.ts";
import { departedContext, storeLocally } from "./local.ts";
import type { NextHop } from "./next_hop.ts";
import { Outgoing } from "./outgoing.ts";
import type { RemoteDelivery, Shipped } from "./remote.ts";
import { ours, type Result, resultOf, UNTOUCHED } from "./result.ts";
import type { Suppression } from "./suppression.ts";
import { keyOf, type Target, type Targets } from "./target.ts";
import type { HttpFetch } from "./tls/mta_sts_fetch.ts";

export interface DeliveryOptions {
  readonly store: Store;
  readonly services: Omit<Services, "commit">;
  /** The pipeline of the listener that took a message; any when it is not there any more. */
  pipelineOf(listener: string): Pipeline;
  readonly targets: Targets;
  readonly remote: RemoteDelivery;
  readonly suppression: Pick<Suppression, "get">;
  readonly fetch: HttpFetch;
  readonly eightBit: "convert" | "bounce";
}

/** Recipients of one message that go to one target. */
export interface Consignment {
  readonly message: StoredMessage;
  readonly recipients: readonly StoredRecipient[];
  readonly target: Target;
  /** The received octets where they are at hand; else they are read. */
  readonly octets?: Uint8Array<ArrayBuffer> | null;
}

/** What came of an attempt. */
export interface Attempted {
  /** For each recipient, in their order. */
  readonly results: readonly Result[];
  readonly feedback: Feedback;
  /** The destination wants to be left alone for so long, milliseconds. */
  readonly leaveAlone?: number;
  /** A plugin sent it another way: what it met there says nothing of the destination. */
  readonly elsewhere?: true;
}

type Leaving = Extract<Target, { kind: "mx" | "hop" }>;

export class Delivery {
  readonly #options: DeliveryOptions;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  async attempt(consignment: Consignment, signal: AbortSignal): Promise<Attempted> {
    const { message, recipients, target } = consignment;
    const all = (result: Result): Attempted => ({ results: recipients.map(() => result), feedback: "neutral" });
    const now = this.#options.services.now(), { holdUntil } = message.parameters;
    if (target.kind === "report") { // its time is now, whatever was asked for a copy
      return all(
        target.action === "expanded"
          ? { ...ours("delivered", "2.0.0", ""), expanded: true }
          : { ...ours("rejected", statusOf(target.reason), target.reason), decided: true },
      );
    }
    if (isOverdue(message.parameters, now)) { //                                                          RFC 2852 4
      return all({ ...ours("rejected", OVERDUE.status, OVERDUE.toString()), expired: true, overdue: true });
    }
    if (isParked(message.parameters, now)) { // somebody was in a hurry for the sender                   RFC 4865 4.2
      return all({ ...ours("deferred", "4.2.0", "its hour has not come"), postponed: holdUntil!, appointed: true });
    }
    switch (target.kind) {
      case "hold":
        return all(ours("held", "4.2.0", target.reason));
      case "discard":
        return all({ ...ours("delivered", "2.0.0", "discarded by a route"), silent: true });
      case "nowhere":
        return all(ours("deferred", "4.3.5", target.reason));
    }
    try {
      const { octets = null } = consignment;
      const body = octets === null ? await storedBody(this.#options.store, message) : bodyOf(octets);
      if (body === null) return all(ours("rejected", "5.3.0", "its content is gone"));
      if (target.kind !== "local") return await this.#leave({ ...consignment, target, body, signal });
      const { services, pipelineOf } = this.#options, pipeline = pipelineOf(message.origin.listener);
      const results = await storeLocally(
        { message, recipients, body, plugin: target.plugin },
        { services, pipeline, signal },
      );
      return { results, feedback: "neutral" };
    } catch (error) { // a defect, or a store that fails
      const why = error instanceof Error ? error.message : String(error);
      this.#options.services.emit({ type: "trouble", where: "delivery", message: `message ${message.id}: ${why}` });
      return all(ours("deferred", "4.3.0", why));
    }
  }

  /** With the plugins of `deliver` around it, where there are any. */
  async #leave(leaving: LeavingConsignment): Promise<Attempted> {
    const { message, recipients, target, body } = leaving;
    const results: (Result | null)[] = await this.#suppressed(recipients);
    const pipeline = this.#options.pipelineOf(message.origin.listener);
    let shipped: Gone = NOTHING;
    if (!pipeline.handles("deliver")) {
      shipped = await this.#ship(leaving, results, { edits: message.edits, context: null, target });
      return { ...shipped, results: filled(results) };
    }
    const context = departedContext(this.#options.services, message);
    context.depart({
      id: message.id,
      sender: message.sender,
      parameters: message.parameters,
      recipients,
      message: new ReceivedMessage(body, message.parameters.body),
      edits: message.edits,
      tries: triesOf(recipients),
      origin: message.origin,
      destination: { domain: recipients[0]!.address.domain, via: target.kind === "hop" ? target.hop.name : null },
      released: recipients.every((each) => each.released),
      attempt: async () => {
        for (const [place, { result }] of context.recipients.entries()) {
          if (result instanceof Reply) results[place] ??= refusedWith(result);
        }
        const tried = results.flatMap((result, place) => result === null ? [place] : []);
        const rerouted = this.#rerouted(context, leaving);
        shipped = await this.#ship(leaving, results, { edits: context.edits, context, target: rerouted ?? target });
        if (rerouted !== null && keyOf(rerouted) !== keyOf(target)) {
          shipped = { results: shipped.results, feedback: "neutral", elsewhere: true };
        }
        for (const place of tried) context.settleRecipient(place, replyOf(results[place]!) ?? "relayed");
        return worst(tried.map((place) => results[place]!));
      },
    });
    for (const [place, result] of results.entries()) {
      if (result !== null) context.settleRecipient(place, replyOf(result)!);
    }
    const abort = () => context.abort(leaving.signal.reason);
    leaving.signal.addEventListener("abort", abort, { once: true });
    const reply = await pipeline.run("deliver", context);
    leaving.signal.removeEventListener("abort", abort);
    const { held, gone, departure } = context, postponed = departure!.postponedUntil;
    for (const [place, { result }] of context.recipients.entries()) {
      results[place] ??= result instanceof Reply
        ? refusedWith(result)
        : gone !== null
        ? UNTOUCHED
        : held !== null
        ? ours("held", "4.2.0", held)
        : { ...refusedWith(reply), ...postponed !== null && { verdict: "deferred" as const, postponed } };
    }
    return { ...shipped, results: results as readonly Result[] };
  }

  async #suppressed(recipients: readonly StoredRecipient[]): Promise<(Result | null)[]> {
    return await Promise.all(recipients.map(async ({ address }) => {
      const entry = await this.#options.suppression.get(address);
      if (entry === null) return null;
      return ours("rejected", "5.7.1", `550 5.7.1 The address is on our suppression list: ${entry.reason}`);
    }));
  }

  /** Where a plugin wants it to go instead; null: nowhere else. */
  #rerouted({ departure }: TransactionContext, { message, recipients }: LeavingConsignment): Target | null {
    const route = departure!.nextHop;
    if (route === null) return null;
    return this.#options.targets.of({ address: recipients[0]!.address, route, released: true }, message.sender);
  }

  /** Gives each recipient that has no result one. */
  async #ship(
    leaving: LeavingConsignment,
    results: (Result | null)[],
    { edits, context, target }: {
      readonly edits: HeaderEdits;
      readonly context: TransactionContext | null;
      readonly target: Target;
    },
  ): Promise<Gone> {
    const { message, recipients, body, signal } = leaving, departure = context?.departure ?? null;
    const places = results.flatMap((result, place) => result === null ? [place] : []);
    if (places.length === 0) return NOTHING;
    const give = (given: readonly Result[]) => {
      for (const [index, place] of places.entries()) results[place] = given[index]!;
    };
    if (target.kind !== "mx" && target.kind !== "hop") {
      const reason = target.kind === "nowhere" ? target.reason : "a plugin routed it to no other host";
      give(places.map(() => ours("deferred", "4.3.5", reason)));
      return NOTHING;
    }
    if (signal.aborted) {
      give(places.map(() => UNTOUCHED));
      return NOTHING;
    }
    if (target.kind === "hop" && target.hop.http !== null) {
      const posted = await this.#post(target.hop, leaving, { places, edits });
      give(posted.results);
      return posted;
    }
    const shipped = await this.#options.remote.ship(target, {
      parameters: message.parameters,
      wish: tlsWish(message.parameters, context === null ? headersOf(body, edits) : context.message.headers),
      outgoing: new Outgoing({
        body,
        edits,
        parameters: message.parameters,
        signers: departure?.signers ?? [],
        eightBit: this.#options.eightBit,
      }),
      recipients: places.map((place) => {
        const { address, parameters } = recipients[place]!;
        return {
          address: departure?.forwardPathOf(place, address) ?? address,
          parameters,
          sender: departure === null ? message.sender : departure.reversePathOf(place, message.sender),
        };
      }),
    }, signal);
    give(shipped.results);
    return shipped;
  }

  /** To the first of its hosts that takes it; final delivery, so with a Return-Path (RFC 5321 4.4). */
  async #post(
    hop: NextHop,
    { message, recipients, body, signal }: LeavingConsignment,
    { places, edits }: { readonly places: readonly number[]; readonly edits: HeaderEdits },
  ): Promise<Gone> {
    const { fetch, services: { now } } = this.#options, http = hop.http!;
    const final = withReturnPath(edits, new HeaderSection(body.head), message.sender);
    let results: readonly Result[] = [], leaveAlone: number | null = null;
    for (const host of hop.hosts) {
      if (host.kind !== "http") continue;
      const outcomes: Outcome[] = [];
      do { // one request names only so many
        const posted = await postMessage({ ...http, url: host.url }, {
          id: message.id,
          sender: message.sender,
          recipients: places.slice(outcomes.length).map((place) => recipients[place]!),
          origin: message.origin,
          receivedAt: message.receivedAt,
          parameters: message.parameters,
          attempts: triesOf(recipients),
          size: message.size,
          stream: () => applyEdits(body.stream(), final),
        }, { fetch, now, signal });
        const next = posted.outcomes.findIndex(({ verdict }) => verdict === "untried");
        outcomes.push(...next > 0 ? posted.outcomes.slice(0, next) : posted.outcomes);
        leaveAlone = posted.retryAfter;
      } while (outcomes.length < places.length);
      const { origin, protocol } = new URL(host.url);
      results = outcomes.map((outcome) =>
        resultOf(outcome, { remote: null, relay: origin, tls: protocol === "https:" ? "https verified" : null })
      );
      if (
        signal.aborted || outcomes.some(({ verdict, mayHaveArrived }) => verdict !== "defer" || mayHaveArrived)
      ) break;
    }
    if (signal.aborted && results.every(({ verdict }) => verdict === "deferred")) results = places.map(() => UNTOUCHED);
    const reached = results.some(({ verdict }) => verdict !== "deferred");
    return { results, feedback: reached ? "success" : "failure", ...leaveAlone !== null && { leaveAlone } };
  }
}

interface LeavingConsignment extends Consignment {
  readonly target: Leaving;
  readonly body: Body;
  readonly signal: AbortSignal;
}

/** What an attempt on the way out came to. */
type Gone = Shipped & Pick<Attempted, "leaveAlone" | "elsewhere">;
const NOTHING: Gone = { results: [], feedback: "neutral" };

/** Attempts before this one: those of whom most were made for. */
function triesOf(recipients: readonly StoredRecipient[]): number {
  return Math.max(0, ...recipients.map((each) => each.attempts));
}

const NO_ANSWER = ours("deferred", "4.3.0", "nobody said what became of it");

function filled(results: readonly (Result | null)[]): readonly Result[] {
  return results.map((each) => each ?? NO_ANSWER);
}

const TLS_REQUIRED = /tls-required/i;

/** As they go out; empty where none of them speaks of TLS (RFC 8689 5), as with most mail: then nothing is decoded. */
function headersOf(body: Body, edits: HeaderEdits): readonly EditedField[] {
  const { prepend, insert = [] } = edits, section = new HeaderSection(body.head);
  const speaks = section.first("TLS-Required") !== undefined || TLS_REQUIRED.test(prepend) ||
    insert.some(([, field]) => TLS_REQUIRED.test(field));
  return speaks ? editedFields(section, edits) : [];
}

/** What a plugin said of it. */
function refusedWith(reply: Reply): Result {
  return ours(reply.verdict === "reject" ? "rejected" : "deferred", reply.status, reply.toString());
}

/** A result as plugins see it; null: it was taken. */
function replyOf({ verdict, status, words }: Result): Reply<"defer" | "reject"> | null {
  if (verdict === "delivered") return null;
  const rejected = verdict === "rejected";
  const [, given] = /^[245]\.(\d{1,3}\.\d{1,3})$/.exec(status) ?? [];
  return new Reply(rejected ? 550 : 451, `${rejected ? 5 : 4}.${given ?? "0.0"}`, words) as Reply<"defer" | "reject">;
}

/** What `next()` says of the attempt. */
function worst(results: readonly Result[]): Reply {
  const replies = results.map(replyOf);
  return replies.find((each) => each?.verdict === "defer") ?? replies.find((each) => each !== null) ??
    new Reply(250, "2.0.0", "delivered");
}

/** The enhanced status in the words of a refusal: "550 5.1.1 No such user". */
function statusOf(reply: string): string {
  return /^5\d\d (5\.\d{1,3}\.\d{1,3})(?: |$)/.exec(reply)?.[1] ?? "5.0.0";
}
