/**
 * From a transaction to rows: what each recipient's result means for the queue, and how the store's refusal is worded.
 * (SEMANTICS 1 to 4, 8, 17.) Non-job: deciding results (the pipeline), writing rows (core/store).
 */
import { type Address, formatAddress } from "../model/address.ts";
import { isParked, type MailParameters, type Origin } from "../model/envelope.ts";
import { decodeWords } from "../model/encoded_word.ts";
import { defer, type Reply } from "../model/reply.ts";
import type { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import { rows } from "../pipeline/endings/settlement.ts";
import {
  type Claim,
  type Lease,
  type NewDeposit,
  type NewMessage,
  type NewRecipient,
  type Store,
  StoreError,
} from "../store/store.ts";
import { nextAttempt, notAfter } from "./backoff.ts";
import type { Quarantine } from "./quarantine.ts";

export interface CommitOptions {
  readonly store: Store;
  /** Waits between attempts, milliseconds. */
  readonly schedule: readonly number[];
  /** What the queue wants to know of a recipient beside its route. */
  place(
    recipient: Pick<NewRecipient, "address" | "parameters" | "route"> & {
      readonly sender: Address | null;
      readonly mail: MailParameters;
      readonly receivedAt: number;
    },
  ): Pick<NewRecipient, "destination" | "deadline">;
  now(): number;
  random(): number;
  /** Whether what is ready may be leased from the start (the dispatcher says). */
  claim?(message: NewMessage): Claim | null;
  /** Who bounds what is held for a person. */
  readonly quarantine?: Pick<Quarantine, "admit" | "until">;
  /** It was committed: what is due at once, or later, and the leases of the claim with the octets that are in memory. */
  committed(message: NewMessage, leases: readonly Lease[], octets: Uint8Array<ArrayBuffer> | null): void;
  trouble(message: string): void;
}

/** Who takes what is in the queue to where it goes. */
export interface Taker {
  claim(message: Pick<NewMessage, "recipients">): Claim | null;
  take(leases: readonly Lease[], octets: Uint8Array<ArrayBuffer> | null): void;
  kick(): void;
}

/** Hands on what was committed: the leases of a claim, and word of what is due, at once or later. */
export function handOn(
  taker: Taker,
  { recipients }: Pick<NewMessage, "recipients">,
  { leases, octets }: { readonly leases: readonly Lease[]; readonly octets: Uint8Array<ArrayBuffer> | null },
): void {
  if (leases.length > 0) taker.take(leases, octets);
  // A claim leases what is ready, but for what is another node's
  const leased = leases.reduce((sum, lease) => sum + lease.recipients.length, 0);
  const left = recipients.filter(({ state }) => state === "ready").length > leased;
  if (left || recipients.some(({ state }) => state === "deferred")) taker.kick();
}

/** Makes durable what has no result yet. Null: durable; else the refusal, and nothing of the message is kept. */
export async function commitTransaction(
  transaction: TransactionContext,
  origin: Origin,
  options: CommitOptions,
): Promise<Reply<"defer"> | null> {
  const message = plan(transaction, origin, options);
  const { rewritten } = transaction, received = transaction.received!.body, body = rewritten ?? received;
  if (message.recipients.length === 0 && message.deposits.length === 0) {
    received.discard(); // everything found its place already
    rewritten?.discard();
    return null;
  }
  // Held by a plugin, or refused behind the 250 for a recipient of a stranger's mail (SEMANTICS 8): strangers fill both
  const held = message.recipients.some(({ state }) => state === "held") ? options.quarantine : undefined;
  if (held !== undefined) {
    const size = rewritten === null ? body.size : body.size + received.size;
    const full = await held.admit(size).catch((error) => storeRefusal(error, options.trouble));
    if (full !== null && !transaction.recipients.some(({ result }) => result === "stored")) { // that cannot be taken back
      received.discard();
      rewritten?.discard();
      return full;
    }
  }
  const expires = held?.until();
  const claim = options.claim?.(message) ?? null, octets = body.memory;
  let leases: readonly Lease[];
  try {
    leases = await options.store.commit(message, body, {
      ...claim !== null && { claim },
      ...rewritten !== null && { received },
      ...expires !== undefined && { expires },
    });
  } catch (error) {
    return storeRefusal(error, options.trouble);
  }
  options.committed(message, leases, octets);
  return null;
}

function plan(transaction: TransactionContext, origin: Origin, options: CommitOptions): NewMessage {
  const now = options.now();
  const release = isParked(transaction.parameters, now) ? transaction.parameters.holdUntil! : null;
  const recipients: NewRecipient[] = [];
  const planned = nextAttempt(now, 1, options.schedule, options.random()); // one for all: they come back together
  for (const { recipient, state, reply, route: instead } of rows(transaction)) {
    const { address, original, parameters } = recipient, route = instead ?? recipient.route;
    if (route === null) continue; // the pipeline lets none in without
    const why = reply?.toString() ?? transaction.held;
    const { sender, parameters: mail } = transaction;
    const place = options.place({ address, parameters, route, sender, mail, receivedAt: now });
    const common = { address, original, parameters, route, ...place, state };
    if (state !== "deferred") recipients.push({ ...common, nextAttempt: now, lastReply: why });
    else if (release !== null) { //                                                                    RFC 4865 4.2
      recipients.push({ ...common, nextAttempt: release, appointed: true, lastReply: why ?? KEPT });
    } else {
      recipients.push({ ...common, nextAttempt: notAfter(planned, transaction.parameters), lastReply: why });
    }
  }
  const deposits: NewDeposit[] = transaction.deposits.map(({ recipient: { address, original }, inbox }) => (
    { inbox, address, original }
  ));
  const header = (name: string) => decodeWords(transaction.received!.header(name) ?? "").slice(0, 1000);
  return {
    id: transaction.id,
    sender: transaction.sender,
    parameters: transaction.parameters,
    origin,
    receivedAt: now,
    edits: transaction.edits,
    summary: {
      from: header("from") || formatAddress(transaction.sender),
      to: header("to"),
      subject: header("subject"),
    },
    recipients,
    deposits,
  };
}

const KEPT = "kept until the sender's hour";

/** A failed commit in SMTP's words. */
export function storeRefusal(error: unknown, trouble: (message: string) => void): Reply<"defer"> {
  if (error instanceof StoreError) {
    if (error.fault !== "closed") trouble(`${error.fault}: ${error.message}`);
    if (error.fault === "full") {
      return defer("4.3.1", "No space for the message now", { code: 452, reason: error.message });
    }
    if (error.fault === "closed") return defer("4.3.2", "Shutting down", { code: 421, reason: error.message });
    if (error.fault === "busy") return defer("4.3.2", "Too busy for the message now", { reason: error.message });
    return defer("4.3.0", "Cannot store the message now", { reason: error.message });
  }
  trouble(`defect: ${error instanceof Error ? error.stack ?? error.message : error}`);
  return defer("4.3.0", "Local error in processing");
}
