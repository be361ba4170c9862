/**
 * Tries what could not be stored at once: takes due recipients of local routes from the store by lease, runs the
 * `queue` phase for them and writes down what came of it. Recipients with a remote route are not its business: they
 * wait in the queue until delivery to other hosts is there. (SEMANTICS 2, 3, 16, 23.)
 */
import { formatAddress } from "../model/address.ts";
import { Reply } from "../model/reply.ts";
import { ReceivedMessage } from "../pipeline/contexts/received_message.ts";
import { type Services, TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { expired, nextAttempt } from "../queue/backoff.ts";
import { storedBody } from "../queue/stored_body.ts";
import type { Lease, RecipientOutcome, Store, StoredRecipient } from "../store/store.ts";

export interface DispatcherOptions {
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

const LEASE_SECONDS = 900; // longer than any plugin may take
const AT_ONCE = 8;
const LONGEST_SLEEP = 60_000;
/** Mail from nobody is given up after a day: nobody waits for it (SEMANTICS 23). */
const NULL_SENDER_EXPIRE = 24 * 3600_000;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #owner: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#owner = crypto.randomUUID();
  }

  /** Something may be due. Cheap, any number of times. */
  kick(): void {
    if (this.#stopped) return;
    this.#again = true;
    if (this.#round !== null) return;
    clearTimeout(this.#timer);
    this.#round = this.#run().finally(() => this.#round = null);
  }

  /** Waits for attempts under way; no new ones begin. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #run(): Promise<void> {
    const { store, services } = this.#options;
    let wait = LONGEST_SLEEP;
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        const request = {
          owner: this.#owner,
          now: services.now(),
          seconds: LEASE_SECONDS,
          limit: AT_ONCE,
          local: true,
        };
        const leases = await store.lease(request);
        await Promise.all(leases.map((lease) => this.#attempt(lease)));
        if (leases.length > 0) this.#again = true;
      }
      const due = await store.nextDue({ local: true });
      if (due !== null) wait = Math.min(LONGEST_SLEEP, Math.max(50, due - services.now()));
    } catch (error) {
      this.#trouble(error);
      wait = 5000;
    }
    if (!this.#stopped) this.#timer = setTimeout(() => this.kick(), wait);
  }

  async #attempt(lease: Lease): Promise<void> {
    try {
      const outcomes = await this.#outcomes(lease);
      if (!await this.#options.store.settle(lease, outcomes)) {
        return this.#trouble(`the lease of ${lease.message.id} had ended before its result was written`);
      }
      for (const { index, state, lastReply } of outcomes) this.#tell(lease, index, state, lastReply ?? "");
    } catch (error) {
      this.#trouble(error); // the lease ends by itself, and the recipients are due again
    }
  }

  async #outcomes(lease: Lease): Promise<RecipientOutcome[]> {
    const { services, store, pipelineOf } = this.#options;
    const { message, recipients } = lease;
    const body = await storedBody(store, message);
    if (body === null) {
      return recipients.map((each) => ({ index: each.index, state: "failed", lastReply: "its content is gone" }));
    }
    const context = new TransactionContext({ ...services, commit: () => Promise.resolve(null) }, {
      session: message.origin.session,
      role: "mx",
      listener: message.origin.listener,
      client: { ip: message.origin.ip, port: 0, tls: null, identity: message.origin.identity },
    });
    context.resume({
      id: message.id,
      sender: message.sender,
      parameters: message.parameters,
      recipients,
      message: new ReceivedMessage(body, message.parameters.body),
      edits: message.edits,
      tries: Math.max(1, ...recipients.map((each) => each.attempts)),
    });
    const reply = await pipelineOf(message.origin.listener).run("queue", context);
    return recipients.map((each, place) => this.#outcome(lease, each, context, place, reply));
  }

  #outcome(
    lease: Lease,
    stored: StoredRecipient,
    context: TransactionContext,
    place: number,
    reply: Reply,
  ): RecipientOutcome {
    const { index } = stored;
    const recipient = context.recipients[place]!;
    const deposits = context.deposits
      .filter((each) => each.recipient.address === recipient.address && each.recipient.original === recipient.original)
      .map(({ inbox }) => ({ inbox, address: recipient.address, original: recipient.original }));
    if (deposits.length > 0) return { index, state: "delivered", deposits, lastReply: null };
    const { result } = recipient;
    if (result === "stored" || result === "discarded") return { index, state: "delivered", lastReply: null };
    if (result instanceof Reply && result.verdict === "reject") {
      return { index, state: "failed", lastReply: result.toString() };
    }
    const why = result instanceof Reply ? result : reply.verdict === "accept" ? null : reply;
    const lastReply = why?.toString() ?? `no plugin stored it (route ${JSON.stringify(stored.route)})`;
    return this.#later(lease, stored, lastReply);
  }

  #later(lease: Lease, { index, attempts }: StoredRecipient, lastReply: string): RecipientOutcome {
    const { schedule, services, random } = this.#options;
    const now = services.now();
    const expire = lease.message.sender === null
      ? Math.min(this.#options.expire, NULL_SENDER_EXPIRE)
      : this.#options.expire;
    const lived = { receivedAt: lease.message.receivedAt, attempts: attempts + 1 };
    if (expired(lived, now, { expire, schedule })) return { index, state: "expired", lastReply };
    return { index, state: "deferred", lastReply, nextAttempt: nextAttempt(now, attempts + 1, schedule, random()) };
  }

  #tell(lease: Lease, index: number, outcome: string, reason: string): void {
    const recipient = lease.recipients.find((each) => each.index === index)!;
    this.#options.services.emit({
      type: "settled",
      transaction: lease.message.id,
      recipient: formatAddress(recipient.address),
      outcome: outcome === "delivered" ? "stored" : outcome,
      reason,
    });
  }
  #trouble(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.services.emit({ type: "trouble", where: "dispatcher", message });
  }
}
