/** Events as a server tells them, for tests of who observes them: a session, a message in it, one at a time. */
import { parseAddress } from "../../../core/model/address.ts";
import { newId } from "../../../core/model/id.ts";
import { Reply } from "../../../core/model/reply.ts";
import type { Decision, Event, Observer, Phase } from "../../../core/observe/events.ts";

export interface Caller {
  readonly at: number;
  readonly ip?: string;
  readonly helo?: string;
}

/** A session, and whatever happens in it. */
export class Happening {
  readonly session: string;
  readonly #observe: Observer;
  readonly #ip: string;
  at: number;
  accepted = 0;

  constructor(observe: Observer, { at, ip = "192.0.2.7", helo = "mail.example.net" }: Caller) {
    this.#observe = observe;
    this.#ip = ip;
    this.at = at;
    this.session = `s${newId(at)}`;
    this.tell({ type: "session-opened", session: this.session, ip, listener: "mx", role: "mx" });
    if (helo !== "") this.tell({ type: "session-greeted", session: this.session, verb: "EHLO", helo });
  }

  tell(event: Event): void {
    this.#observe(event);
  }

  decide(phase: Phase, plugin: string, verdict: Decision["verdict"], more: Partial<Decision> = {}): void {
    const { session } = this;
    this.tell({ type: "decision", session, transaction: null, phase, plugin, verdict, reason: "", ms: 0.5, ...more });
  }

  refuse(command: string, reply: Reply, more: Partial<Extract<Event, { type: "refused" }>> = {}): void {
    const { session } = this;
    this.tell({
      type: "refused",
      session,
      transaction: null,
      ip: this.#ip,
      command,
      reply,
      sender: null,
      recipients: [],
      plugin: null,
      reason: null,
      delayedFrom: null,
      ...more,
    });
  }

  /** A message that is taken. Returns its id. */
  accept(
    sender: string,
    recipients: readonly string[],
    more: Partial<Extract<Event, { type: "accepted" }>> = {},
  ): string {
    const transaction = newId(this.at++), { session } = this;
    for (const each of recipients) {
      this.decide("rcpt", "inbox", "accept", { transaction, recipient: parseAddress(each)! });
    }
    this.tell({
      type: "accepted",
      session,
      transaction,
      ip: this.#ip,
      sender,
      recipients,
      size: 1000,
      ms: 3,
      held: null,
      messageId: `<${transaction}@example.net>`,
      ...more,
    });
    this.accepted++;
    return transaction;
  }

  /** A message that a plugin refuses when it has come. Returns its id. */
  reject(
    sender: string,
    recipients: readonly string[],
    { plugin = "spam_score", code = 550, reason = "too much of it" } = {},
  ): string {
    const transaction = newId(this.at++), reply = new Reply(code, `${String(code)[0]}.7.1`, "Refused as spam");
    this.decide("data", plugin, code < 500 ? "defer" : "reject", { transaction, reason });
    this.refuse("message", reply, { transaction, sender, recipients, plugin, reason });
    return transaction;
  }

  close(reason = "quit"): void {
    const { session, accepted: messages } = this;
    this.tell({ type: "session-closed", session, ip: this.#ip, reason, messages, seconds: 1.5 });
  }
}
