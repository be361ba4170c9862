/** What an event says of the client that it is about: how good or bad it was. Values only. */
import type { Event } from "../../../core/pipeline/mod.ts";
import type { Session } from "../sessions.ts";

/** What each is worth. */
export interface Worth {
  readonly clean: number;
  readonly spam: number;
  readonly refused: number;
  readonly unknownRecipient: number;
  readonly trap: number;
}
export interface OutcomeOptions {
  readonly worth: Worth;
  /** Points up to which an accepted message is clean, and from which it is spam. */
  readonly clean: number;
  readonly spam: number;
  /** Names of spam_trap plugins. */
  readonly traps: ReadonlySet<string>;
  /** Plugins whose refusals say nothing of the mail: this one, and what counts connections. */
  readonly ignore: ReadonlySet<string>;
}
export interface Outcome {
  readonly kind: "good" | "bad";
  readonly amount: number;
}

/** What happened before the message came, or at its refusal; null for what says nothing. */
export function outcomeOf(event: Event, session: Session, options: OutcomeOptions): Outcome | null {
  const { worth, traps, ignore } = options;
  const bad = (amount: number): Outcome | null => amount === 0 ? null : { kind: "bad", amount };
  if (event.type === "decision") {
    const caught = traps.has(event.plugin) && event.phase === "rcpt" && !event.observed &&
      (event.verdict === "accept" || event.verdict === "reject"); // for all other recipients it says `next`
    return caught ? bad(worth.trap) : null;
  }
  if (event.type !== "refused" || event.reply.verdict !== "reject") return null;
  const { plugin, command, reply, transaction } = event;
  if (plugin !== null && (ignore.has(plugin) || traps.has(plugin))) return null;
  if (command === "RCPT" && reply.status === "5.1.1") { // bounces of what somebody sends in our name are no guesses
    return event.sender === "" ? null : bad(worth.unknownRecipient);
  }
  // Of what is not about the address, the policies of this site: X.7.X (RFC 3463 3.8)
  if (plugin === null || !reply.status.startsWith("5.7.")) return null;
  if (command === "message") return bad(worth.refused);
  if (command !== "RCPT") return null;
  const once = `refused ${transaction}`; // what was put off is spoken to every recipient
  if (session.counted.has(once)) return null;
  session.counted.clear(); // of a session only what is under way has to be known
  session.counted.add(once);
  return bad(worth.refused);
}

/** Of a message that was accepted: `points` is what it had without those of its reputation. */
export function outcomeOfMessage(
  { held, points }: { readonly held: boolean; readonly points: number },
  { worth, clean, spam }: OutcomeOptions,
): Outcome | null {
  if (held || points >= spam) return worth.spam === 0 ? null : { kind: "bad", amount: worth.spam };
  return points <= clean && worth.clean > 0 ? { kind: "good", amount: worth.clean } : null;
}
