/**
 * From what happened to recipients of a message to the messages that tell its sender, ready to commit: who is owed one,
 * its text, and where it goes, which the rcpt chain of the listener is asked like for any other recipient.
 * Non-job: the rules (core/dsn/notify.ts), the wording (core/dsn/wording.ts), writing it down (dispatcher.ts).
 */
import { type DeliveryEvent, type Notification, notifications, type NotifyOptions, report } from "../dsn/mod.ts";
import { type Address, sameAddress } from "../model/address.ts";
import { type MailParameters, NO_EDITS, type RcptParameters, type Route } from "../model/envelope.ts";
import { newId } from "../model/id.ts";
import { type Services, TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { isLocal } from "../pipeline/endings/endings.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { storedBody } from "../queue/stored_body.ts";
import type { NewRecipient, NewReport, Store, StoredMessage } from "../store/store.ts";

export interface ReportsOptions {
  readonly store: Pick<Store, "content">;
  readonly services: Omit<Services, "commit">;
  pipelineOf(listener: string): Pipeline;
  readonly notify: NotifyOptions;
  /** A message is returned whole up to this size, octets. */
  readonly returnSize: number;
  /** What the queue wants to know of a new recipient beside its route. */
  place(recipient: Place): Pick<NewRecipient, "destination" | "deadline">;
}
/** A new recipient, and the message it is of. */
export interface Place extends Pick<NewRecipient, "address" | "parameters" | "route"> {
  readonly sender: Address | null;
  readonly mail: MailParameters;
  readonly receivedAt: number;
}

/** Nobody can say now where a report goes: what it is about has to wait. The message is one sentence. */
export class ReportWaits extends Error {
  override readonly name = "ReportWaits";
}

type Way = Pick<NewRecipient, "address" | "original" | "parameters" | "route">;

export class Reports {
  readonly #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Those that are owed.
   *
   * @throws {ReportWaits}
   * @throws {StoreError} when the message cannot be read.
   */
  async of(message: StoredMessage, events: readonly DeliveryEvent[]): Promise<readonly NewReport[]> {
    const owed = notifications(message, events, this.#options.notify);
    if (owed.length === 0) return [];
    const original = await storedBody(this.#options.store, message);
    const reports: NewReport[] = [];
    for (const each of owed) {
      const made = await this.#make(each, message, original);
      if (made !== null) reports.push(made);
    }
    return reports;
  }

  async #make(
    notification: Notification,
    message: StoredMessage,
    original: Awaited<ReturnType<typeof storedBody>>,
  ): Promise<NewReport | null> {
    const { services, notify, returnSize } = this.#options, now = services.now(), id = newId(now);
    const written = await report(notification, message, original, {
      id,
      host: services.host.name,
      contact: services.host.postmaster,
      now,
      returnSize,
    });
    const ways = await this.ways(written.to, written.recipient, written.parameters, message.origin.listener);
    if (ways.length === 0) {
      // Nobody of that name is here: as with mail from nobody, the postmaster is who is left             SEMANTICS 16
      const { postmaster, doubleBounce } = notify;
      if (postmaster === null || doubleBounce === "drop" || sameAddress(notification.to, postmaster)) return null;
      if (notification.kind !== "failure") return null;
      return await this.#make({ ...notification, to: postmaster, double: true }, message, original);
    }
    const { content, parameters, summary } = written;
    return {
      content,
      message: {
        id,
        sender: null, //                                                                               RFC 3461 6.1
        parameters,
        origin: { ...OURS, session: message.id, helo: services.host.name, listener: message.origin.listener },
        receivedAt: now,
        edits: NO_EDITS,
        summary,
        deposits: [],
        recipients: ways.map((way): NewRecipient => ({
          ...way,
          ...this.#options.place({ ...way, sender: null, mail: parameters, receivedAt: now }),
          state: "ready",
          nextAttempt: now,
          lastReply: null,
        })),
      },
    };
  }

  /**
   * Where mail of our own for an address goes. Empty: there is no such recipient here.
   *
   * @throws {ReportWaits}
   */
  async ways(
    address: Address,
    parameters: RcptParameters,
    mail: MailParameters,
    listener: string,
  ): Promise<readonly Way[]> {
    const { services, pipelineOf } = this.#options;
    const context = new TransactionContext({ ...services, commit: () => Promise.resolve(null) }, {
      session: "report",
      role: "mx",
      listener,
      client: { ip: "127.0.0.1", port: 0, tls: null, identity: null },
    });
    context.begin({ id: newId(services.now()), sender: null, parameters: mail });
    context.propose({ address, parameters });
    const reply = await pipelineOf(listener).run("rcpt", context);
    if (reply.verdict === "accept") {
      return context.recipients.map(({ address, original, parameters, route }) => (
        { address, original, parameters, route: route! }
      ));
    }
    // Plugins let strangers relay nothing; what we write ourselves goes to whoever sent the message
    const remote: Route = { to: "remote" };
    if (!isLocal(services.host, address.domain)) return [{ address, original: address, parameters, route: remote }];
    if (reply.verdict === "defer") throw new ReportWaits(`nobody can say now where its sender is: ${reply}`);
    return [];
  }
}

/** Where a message of our own comes from. */
const OURS = { ip: "", identity: null, protocol: "" } as const;
