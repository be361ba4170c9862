/**
 * What a phase knows, as data that can cross: what it has and no more. Non-job: reading it inside (inside/context.ts).
 */
import type { TransactionContext } from "../../pipeline/contexts/transaction_context.ts";
import type { Recipient } from "../../pipeline/contexts/contexts.ts";
import type { TransactionRecipient } from "../../pipeline/contexts/recipient.ts";
import type { Body } from "../../store/store.ts";
import { toWireReply } from "../values.ts";
import type { Snapshot, WireBody, WireKeys, WireRecipient } from "../wire.ts";

/** What a snapshot depends on beside the transaction. */
export interface SnapshotOptions {
  /** The number of this site. */
  readonly house: number;
  /** The call knows the received message already. */
  readonly again: boolean;
  /** The octets will be read: they come with it, where they lie in memory and are few. */
  readonly reads: boolean;
  /** Keys whose values cannot be cloned are left out; that takes time. */
  readonly careful: boolean;
}

/** The numbers of bodies that a call knows from the start; those it writes count from 1. */
export const RECEIVED = 0, REWRITTEN = -1;
/** Octets that come with a snapshot at most. */
const WITH_IT = 256 * 1024;
/** A clock that is further from the system's than this is another one. Milliseconds. */
const SAME_CLOCK = 1000;

/** The clock where it is not the system's, else null: inside there is the system's too. */
export function clockOf(now: number): number | null {
  return Math.abs(now - Date.now()) > SAME_CLOCK ? now : null;
}

export function snapshotOf(ctx: TransactionContext, options: SnapshotOptions): Snapshot {
  const { phase, session, role, listener, client, helo, credentials, services, departure } = ctx;
  const keys = options.careful ? cloneable : asTheyAre;
  const base = {
    session,
    role,
    listener,
    house: options.house,
    now: clockOf(ctx.now()),
    outside: services.outside !== undefined,
    client,
    helo,
    connectionKeys: keys(ctx.connectionKeys),
  };
  if (phase === "connect" || phase === "helo") return base;
  if (phase === "auth") {
    if (credentials === null) return base;
    const { mechanism, user } = credentials;
    return { ...base, credentials: { mechanism, user, revealed: credentials.reveal() } };
  }
  const { sender, parameters, count, transactionKeys, recipient, received } = ctx;
  const mail = { id: ctx.id, sender, parameters, count, keys: keys(transactionKeys) };
  if (phase === "mail") return { ...base, mail };
  if (phase === "rcpt") {
    return { ...base, mail, expanded: ctx.members, ...(recipient && { recipient: wireRecipient(recipient, keys) }) };
  }
  const { edits, rewritten, authResults, scores, held, tries, copies, suppressed, deposits, attempted } = ctx;
  const message: Snapshot["message"] = {
    ...(options.again ? {} : { received: wireBody(RECEIVED, received!.body, received!.bodyStart, options.reads) }),
    bodyType: received!.bodyType,
    edits,
    rewritten: rewritten && wireBody(REWRITTEN, rewritten, received!.bodyStart, false),
    authResults,
    scores,
    held,
    tries,
    copies,
    suppressed: suppressed.length,
    deposits: deposits.map((each) => (each.recipient as TransactionRecipient).place),
    attempted,
  };
  const whole = { ...base, mail, recipients: ctx.recipients.map((each) => wireRecipient(each, keys)), message };
  if (departure === null) return whole;
  const { signers, attempt: _, ...rest } = departure;
  return { ...whole, departure: { ...rest, signers: signers.length } };
}

function wireBody(body: number, octets: Body, bodyStart: number, reads: boolean): WireBody {
  const { size, memory, head } = octets;
  const whole = memory !== null && (reads && size <= WITH_IT || size === bodyStart);
  // Two octets behind the section are enough to see whether it ended as it should. A copy: a view would bring all of it
  return { body, size, head: whole ? memory.slice() : head.slice(0, Math.min(head.length, bodyStart + 2)), whole };
}

function wireRecipient(recipient: Recipient, keys: (map: WireKeys) => WireKeys): WireRecipient {
  const { address, original, origin, parameters, copy, route, result } = recipient;
  return {
    address,
    original,
    origin: origin && wireRecipient(origin, keys),
    parameters,
    copy,
    route,
    result: result === null || typeof result === "string" ? result : toWireReply(result),
    keys: keys((recipient as TransactionRecipient).keys),
  };
}

function asTheyAre(keys: WireKeys): WireKeys {
  return keys;
}
function cloneable(keys: WireKeys): WireKeys {
  return new Map([...keys].filter(([, value]) => {
    try {
      structuredClone(value);
      return true;
    } catch {
      return false;
    }
  }));
}
