/**
 * Delayed refusals: what a policy says at connect, helo or mail is recorded and spoken at RCPT, so that the ledger knows
 * whom it hit, a login can lift it, and postmaster can be reached (SEMANTICS 11). Errors, and replies that hang up, are
 * never delayed.
 */
import type { Reply } from "../../model/reply.ts";
import type { TransactionContext } from "../contexts/transaction_context.ts";
import type { Phase } from "../plugin.ts";
import { failure, YES } from "./endings.ts";

/** The reply to give now: yes, when a refusal was put off. */
export function delayed(ctx: TransactionContext, phase: Phase, reply: Reply): Reply {
  if (reply.verdict === "accept" || reply.closes || reply === failure(phase)) return reply;
  if (ctx.client.identity !== null) return reply; // no login can lift what was said of somebody who is logged in
  const refusal = { phase, plugin: ctx.blameOf(reply)?.plugin ?? "core", reply };
  if (phase === "connect") ctx.delayedConnect ??= refusal;
  else if (phase === "helo") ctx.delayedHelo ??= refusal;
  else ctx.delayedMail ??= refusal;
  return YES;
}

/** The refusal that this recipient meets, told to the ledger; null when there is none. */
export function spoken(ctx: TransactionContext): Reply | null {
  const refusal = ctx.delayedConnect ?? ctx.delayedHelo ?? ctx.delayedMail;
  if (refusal === null || ctx.client.identity !== null) return null;
  const local = ctx.recipient!.address.local.toLowerCase();
  if (local === "postmaster" || local === "abuse") return null; // RFC 5321 4.5.1, RFC 2142 4
  const { phase, plugin, reply } = refusal;
  const reason = reply.options.reason ?? reply.text;
  ctx.blame(reply, plugin, reason, phase);
  ctx.services.emit({
    type: "decision",
    session: ctx.session,
    transaction: ctx.transaction,
    phase: "rcpt",
    plugin,
    verdict: reply.verdict,
    reason: `delayed from ${phase}: ${reason}`,
    ms: 0,
  });
  return reply;
}
