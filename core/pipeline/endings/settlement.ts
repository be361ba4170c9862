/**
 * The end of a message: what of it becomes rows of the queue, what the one reply says when recipients differ, and which
 * reply each RCPT of an LMTP client is owed. SEMANTICS 2, 3, 8; RFC 2033 4.2. Non-job: storing (core/store).
 *
 * SMTP has one reply for all recipients, LMTP one for each RCPT: a group of recipients that share a reply. A group whose
 * members are all refused is refused, and nothing is kept of it; else it is accepted, and its refused members are kept.
 */
import { isParked, type Route } from "../../model/envelope.ts";
import { Reply } from "../../model/reply.ts";
import type { TransactionContext } from "../contexts/transaction_context.ts";
import type { Recipient } from "../contexts/contexts.ts";
import type { TransactionRecipient } from "../contexts/recipient.ts";
import { failure, YES } from "./endings.ts";
import type { Answer } from "../plugin.ts";

/** A recipient that has to be kept in the queue. */
export interface Row {
  /** Whose copy waits. */
  readonly recipient: Recipient;
  /** `held` waits for a person: quarantine, or a refusal that came too late to be said to a stranger. `deferred` waits for its time. */
  readonly state: "ready" | "deferred" | "held";
  /** The refusal that brought it here. */
  readonly reply: Reply<"defer" | "reject"> | null;
  /** Where to instead of the recipient's own route: a report. */
  readonly route: Route | null;
}

/** A deferral before a rejection: who may come again must not be told never. */
export function worst(replies: readonly Reply[]): Reply | undefined {
  return replies.find((each) => each.verdict === "defer") ?? replies.find((each) => each.verdict === "reject");
}

/** The reply of a group whose members are all refused, else null. */
function refusalOf(group: readonly TransactionRecipient[]): Reply | null {
  const replies: Reply[] = [];
  for (const { result, copy } of group) {
    if (copy) continue; // the peer has not named it: whatever becomes of it changes no reply
    if (!(result instanceof Reply)) return null;
    replies.push(result);
  }
  return worst(replies) ?? null;
}

/** The worst reply when every recipient was refused, else null. */
export function allRefused(ctx: TransactionContext): Reply | null {
  return refusalOf(ctx.recipients);
}

/** The recipients behind an accepted reply: what is refused there was promised all the same. */
function promised(ctx: TransactionContext): Set<number> | null {
  if (ctx.role !== "lmtp") return allRefused(ctx) ? new Set() : null;
  const kept = ctx.commands.filter((places) => !refusalOf(places.map((place) => ctx.recipients[place]!))).flat();
  const copies = kept.length === 0 ? [] : ctx.recipients.filter(({ copy }) => copy).map(({ place }) => place);
  return new Set([...kept, ...copies]);
}

/**
 * What a commit has to keep in the queue. Stored and discarded recipients need nothing, deposits are their own list. Who
 * had logged in is told of what was refused for good behind the 250; a stranger's sender may be anybody (SEMANTICS 8).
 */
export function rows(ctx: TransactionContext): Row[] {
  let kept: Set<number> | null | undefined;
  const list: Row[] = [];
  for (const recipient of ctx.recipients) {
    const { result } = recipient;
    if (result instanceof Reply) {
      if (kept === undefined) kept = promised(ctx);
      if (kept !== null && !kept.has(recipient.place)) continue;
      list.push({ recipient, ...refused(ctx, recipient, result) });
    } else if (!ctx.isSettled(recipient)) {
      const state = ctx.held !== null ? "held" : isParked(ctx.parameters, ctx.now()) ? "deferred" : "ready";
      list.push({ recipient, state, reply: null, route: null });
    }
  }
  if (ctx.held === null) {
    for (const [command, recipient] of ctx.expanded) {
      if (reaches(ctx, command)) list.push({ recipient, state: "ready", reply: null, route: EXPANDED });
    }
  }
  return list;
}

const EXPANDED: Route = { to: "report", action: "expanded", reason: "" };

function refused(
  ctx: TransactionContext,
  { copy }: Recipient,
  reply: Reply<"defer" | "reject">,
): Omit<Row, "recipient"> {
  if (ctx.held !== null) return { state: "held", reply, route: null };
  if (reply.verdict === "defer") return { state: "deferred", reply, route: null };
  return copy || ctx.client.identity === null // of a copy no sender knows
    ? { state: "held", reply, route: null }
    : { state: "ready", reply, route: { to: "report", action: "failed", reason: reply.toString() } };
}

/** Somebody behind an expanded RCPT gets the message, now or later. */
function reaches(ctx: TransactionContext, command: number): boolean {
  const group = (ctx.commands[command] ?? []).map((place) => ctx.recipients[place]!);
  if (ctx.role === "lmtp" && refusalOf(group) !== null) return false; // the client is told otherwise
  return group.some(({ result }) => !(result instanceof Reply && result.verdict === "reject"));
}

/**
 * The reply for each accepted RCPT of an LMTP client, in their order, after the message was answered with `reply`.
 */
export function repliesPerRecipient(ctx: TransactionContext, reply: Reply): Reply[] {
  // A recipient that another RCPT brought along is in the queue: a client that is told to repeat it would double it.
  const kept = reply.verdict === "accept" ? promised(ctx) : null;
  return ctx.commands.map((places) => {
    if (places.every((place) => kept?.has(place))) return reply;
    return refusalOf(places.map((place) => ctx.recipients[place]!)) ?? reply;
  });
}

/** The ending of `queue`: makes durable what nobody settled. */
export function commitRest(ctx: TransactionContext): Answer {
  if (ctx.gone !== null) return failure("queue"); // nothing has begun: nothing is kept                   SEMANTICS 9
  const refusal = allRefused(ctx);
  if (refusal) return refusal;
  if (ctx.deposits.length === 0 && rows(ctx).length === 0) return YES;
  return committed(ctx);
}

async function committed(ctx: TransactionContext): Promise<Reply> {
  let refusal: Reply<"defer"> | null;
  try {
    refusal = await ctx.services.commit(ctx);
  } catch (error) {
    refusal = failure("queue");
    ctx.services.emit({ type: "trouble", where: "commit", message: `${ctx.id}: ${error}` });
  }
  ctx.committed = refusal;
  if (refusal) return refusal;
  const deposited = new Set(ctx.deposits.map((each) => (each.recipient as TransactionRecipient).place));
  for (const { place, result } of ctx.recipients) {
    if (result === null) {
      ctx.recipients[place] = ctx.recipients[place]!.withResult(deposited.has(place) ? "stored" : "queued");
    }
  }
  return YES;
}

/**
 * What the message is answered, after the plugins of `queue` gave `reply`. Settled is settled: after a failure the rest
 * goes to the queue, so that the client's retry cannot deliver twice.
 */
export function settled(ctx: TransactionContext, reply: Reply): Answer {
  if (ctx.committed === null) return reply.verdict === "accept" ? reply : YES; // durable, whatever was said after it
  if (ctx.committed !== undefined) return ctx.committed;
  if (ctx.gone !== null) return failure("queue");
  const done = reply.verdict === "accept" && ctx.recipients.every((each) => ctx.isSettled(each));
  if (done) return commitRest(ctx);
  if (reply.verdict === "accept") {
    const reason = "accepted without a result for every recipient";
    ctx.blame(failure("queue"), "core", reason);
    ctx.services.emit({
      type: "decision",
      session: ctx.session,
      transaction: ctx.transaction,
      phase: "queue",
      plugin: "core",
      verdict: "error",
      reason,
      ms: 0,
    });
  }
  const begun = ctx.deposits.length > 0 || ctx.recipients.some((each) => each.result === "stored");
  return begun ? commitRest(ctx) : reply.verdict === "accept" ? failure("queue") : reply;
}
