/**
 * One attempt at the due recipients of one queued message: the `queue` phase once more, and what each recipient's
 * result means for its row. Nothing is written here. (SEMANTICS 2, 3, 16, 17.) Non-job: leases, time (dispatcher.ts).
 */
import { isOverdue, isParked, type Route } from "../model/envelope.ts";
import { Reply } from "../model/reply.ts";
import { ReceivedMessage } from "../pipeline/contexts/received_message.ts";
import { type Services, TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { OVERDUE } from "../pipeline/endings.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { expired, nextAttempt, notAfter } from "../queue/backoff.ts";
import { storedBody } from "../queue/stored_body.ts";
import type { Lease, RecipientOutcome, Store, StoredRecipient } from "../store/store.ts";

export interface AttemptOptions {
  readonly store: Store;
  readonly services: Omit<Services, "commit">;
  /** The pipeline of the listener that took a message; any when it is not there any more. */
  pipelineOf(listener: string): Pipeline;
  /** Waits between attempts, milliseconds. */
  readonly schedule: readonly number[];
  /** Milliseconds after which a message is given up. */
  readonly expire: number;
  random(): number;
}

/** Mail from nobody is given up after a day: nobody waits for it (SEMANTICS 23). */
const NULL_SENDER_EXPIRE = 24 * 3600_000;

export class Attempt {
  /** What its outcome is written under; a later one of the same message takes its place. */
  lease: Lease;
  readonly #options: AttemptOptions;
  readonly #context: TransactionContext;

  constructor(lease: Lease, options: AttemptOptions) {
    const { session, listener, ip, identity } = lease.message.origin;
    this.lease = lease;
    this.#options = options;
    this.#context = new TransactionContext({ ...options.services, commit: () => Promise.resolve(null) }, {
      session,
      role: "mx", // nobody is owed a reply for each recipient any more, as an LMTP client was
      listener,
      client: { ip, port: 0, tls: null, identity },
    });
  }

  /** Ends it early: what is not stored yet counts as not tried. */
  abort(reason: string): void {
    this.#context.abort(reason);
  }

  /** Never rejects: whatever goes wrong is a reason to try again. */
  async run(): Promise<readonly RecipientOutcome[]> {
    const { message, recipients } = this.lease;
    const now = this.#options.services.now(), { holdUntil } = message.parameters;
    if (isParked(message.parameters, now)) { // somebody was in a hurry for the sender                   RFC 4865 4.2
      return recipients.map(({ index }) => (
        { index, state: "deferred", nextAttempt: holdUntil!, appointed: true, attempt: false }
      ));
    }
    if (isOverdue(message.parameters, now)) { //                                                         RFC 2852 4
      return recipients.map(({ index }) => ({
        index,
        state: "expired",
        lastReply: OVERDUE.toString(),
        attempt: false,
      }));
    }
    try {
      const body = await storedBody(this.#options.store, message);
      if (body === null) {
        return recipients.map(({ index }) => ({ index, state: "failed", lastReply: "its content is gone" }));
      }
      const context = this.#context;
      context.resume({
        id: message.id,
        sender: message.sender,
        parameters: message.parameters,
        recipients,
        message: new ReceivedMessage(body, message.parameters.body),
        edits: message.edits,
        tries: Math.max(1, ...recipients.map((each) => each.attempts)),
      });
      const reply = await this.#options.pipelineOf(message.origin.listener).run("queue", context);
      return recipients.map((each, place) => this.#outcome(each, place, reply));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.services.emit({ type: "trouble", where: "dispatcher", message: `message ${message.id}: ${why}` });
      return recipients.map((each) => this.#later(each, why));
    }
  }

  #outcome(stored: StoredRecipient, place: number, reply: Reply): RecipientOutcome {
    const { index, route } = stored;
    const context = this.#context, { address, original, result } = context.recipients[place]!;
    const deposits = context.deposits
      .filter(({ recipient }) => context.placeOf(recipient) === place)
      .map(({ inbox }) => ({ inbox, address, original }));
    if (deposits.length > 0) return { index, state: "delivered", deposits, lastReply: null };
    if (typeof result === "string" && result !== "queued") return { index, state: "delivered", lastReply: null };
    if (result instanceof Reply && result.verdict === "reject") {
      return { index, state: "failed", lastReply: result.toString() };
    }
    if (result === null && context.gone !== null) return { index, state: "ready", attempt: false };
    const why = result instanceof Reply ? result : reply.verdict === "accept" ? null : reply;
    return this.#later(stored, why?.toString() ?? unstored(route));
  }

  #later({ index, attempts }: StoredRecipient, lastReply: string): RecipientOutcome {
    const { schedule, services, random } = this.#options, { message } = this.lease;
    const now = services.now();
    const expire = message.sender === null ? Math.min(this.#options.expire, NULL_SENDER_EXPIRE) : this.#options.expire;
    const { parameters, receivedAt } = message;
    const lived = { receivedAt: Math.max(receivedAt, parameters.holdUntil ?? 0), attempts: attempts + 1 };
    if (expired(lived, now, { expire, schedule })) return { index, state: "expired", lastReply };
    const planned = nextAttempt(now, attempts + 1, schedule, random());
    return { index, state: "deferred", lastReply, nextAttempt: notAfter(planned, parameters) };
  }
}

/** Nobody answered for it. */
function unstored(route: Route): string {
  return route.to === "local"
    ? `no plugin named "${route.plugin}" stores mail here`
    : "delivery to other hosts is not in this version";
}
