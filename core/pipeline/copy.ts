/**
 * Copies that plugins asked for (`copyTo`): each is one recipient more of the message, durable with it in one commit and
 * told to nobody: NOTIFY=NEVER (RFC 3461 4.1), no part of any reply. An address of ours asks the rcpt chain where it goes;
 * a foreign one goes out, for an operator wrote it. Non-job: whose mail is copied (a plugin decides).
 */
import { formatAddress, sameAddress } from "../model/address.ts";
import type { RcptParameters } from "../model/envelope.ts";
import type { Reply } from "../model/reply.ts";
import { TransactionRecipient } from "./contexts/recipient.ts";
import type { TransactionContext } from "./contexts/transaction_context.ts";
import { failure, isLocal } from "./endings/endings.ts";
import { expand } from "./expand.ts";
import type { Answer } from "./plugin.ts";

const PARAMETERS: RcptParameters = { notify: ["NEVER"], orcpt: null };

/**
 * Puts the copies among the recipients. A copy that nobody would take defers the message: what is promised with it must
 * not be lost, and whoever sent it learns of a local error and no more. `ask`: the rcpt chain, about `ctx.recipient`.
 */
export async function addCopies(ctx: TransactionContext, ask: () => Answer): Promise<Reply | null> {
  const { phase } = ctx;
  ctx.phase = "rcpt";
  let refusal: Reply | null = null;
  for (const address of ctx.copies) {
    const there = ctx.recipients.some((each) =>
      each.result === null && (sameAddress(each.address, address) || sameAddress(each.original, address))
    );
    if (there) continue;
    ctx.recipient = new TransactionRecipient({
      address,
      original: address,
      origin: null,
      parameters: PARAMETERS,
      copy: true,
      route: isLocal(ctx.host, address.domain) ? null : { to: "remote" },
    });
    ctx.members = null;
    const reply = ctx.recipient.route === null ? await found(ctx, ask) : null;
    if (reply !== null && reply.verdict !== "accept") {
      refusal = missing(ctx, `no copy to ${formatAddress(address)}: ${reply}`);
      break;
    }
    if (ctx.members === null) ctx.admit();
  }
  ctx.recipient = null;
  ctx.members = null;
  ctx.phase = phase;
  return refusal;
}

async function found(ctx: TransactionContext, ask: () => Answer): Promise<Reply> {
  const reply = await ask();
  return reply.verdict === "accept" && ctx.members !== null ? await expand(ctx, ask) : reply;
}

function missing(ctx: TransactionContext, reason: string): Reply {
  const refusal = failure("data"), plugin = ctx.copiedBy;
  ctx.blame(refusal, plugin, reason);
  const { session, transaction } = ctx;
  ctx.services.emit({ type: "decision", session, transaction, phase: "data", plugin, verdict: "error", reason, ms: 0 });
  return refusal;
}
