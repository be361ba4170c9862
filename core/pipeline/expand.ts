/**
 * What a recipient was expanded to: every member runs the whole rcpt chain, in the order named, each address once, with
 * bounds on depth and number (SEMANTICS 15). One deferred member defers the command, and then none of it is kept; else one
 * accepted member accepts it. RFC 3461 5.2.7 for the DSN parameters. Non-job: knowing aliases (a plugin does).
 */
import { type Address, formatAddress, sameAddress } from "../model/address.ts";
import type { RcptParameters } from "../model/envelope.ts";
import { defer, reject, type Reply } from "../model/reply.ts";
import type { Recipient } from "./contexts/contexts.ts";
import { TransactionRecipient } from "./contexts/recipient.ts";
import type { TransactionContext } from "./contexts/transaction_context.ts";
import type { Answer } from "./plugin.ts";

const MAX_DEPTH = 10;
const MAX_RESULTS = 1000;
const MAX_RUNS = MAX_DEPTH * MAX_RESULTS;

const LOOP = reject("5.4.6", "Alias loop"); // RFC 5321 3.9: it MUST end somewhere
const NOBODY = reject("5.1.1", "No such user here", { reason: "expanded to nobody" });
const TOO_MANY = defer("4.3.5", "Too many recipients behind this address", { reason: "alias limit" });

/** Asks the rcpt chain about every member of `ctx.recipient`, and theirs. `ask`: the chain, about `ctx.recipient`. */
export async function expand(ctx: TransactionContext, ask: () => Answer): Promise<Reply> {
  const root = ctx.recipient!, members = ctx.members!, before = ctx.count;
  const expansion = new Expansion(ctx, ask, before);
  const reply = await expansion.members(root, members, 1);
  if (reply.verdict !== "accept") ctx.dismiss(before);
  else if (expansion.reported !== null) ctx.expanded.set(ctx.commands.length, expansion.reported);
  ctx.recipient = root;
  ctx.members = members;
  return reply;
}

class Expansion {
  #runs = 0;
  readonly #seen = new Map<string, Reply>();
  /** Of whom the sender is to hear that it was several: once, for what is below it has no SUCCESS left. */
  reported: TransactionRecipient | null = null;

  constructor(readonly ctx: TransactionContext, readonly ask: () => Answer, readonly before: number) {}

  async members(origin: TransactionRecipient, members: readonly Address[], depth: number): Promise<Reply> {
    const by = this.ctx.expandedBy; // before others are asked, who may expand too
    const distinct = [...new Map(members.map((each) => [nameOf(each), each])).values()];
    const parameters = distinct.length === 1 ? origin.parameters : severalOf(origin.parameters);
    if (parameters !== origin.parameters) this.reported = origin; //                                 RFC 3461 5.2.7.3 (c)
    const replies: Reply[] = [];
    for (const each of distinct) {
      const reply = await this.#member(each, origin, parameters, { depth, by });
      if (reply.verdict === "defer") return reply; // nothing of the command is kept: nobody else need be asked
      replies.push(reply);
    }
    return replies.find((each) => each.verdict === "accept") ?? replies[0] ?? NOBODY;
  }

  async #member(
    address: Address,
    origin: Recipient,
    parameters: RcptParameters,
    { depth, by }: { readonly depth: number; readonly by: string },
  ): Promise<Reply> {
    const { ctx } = this;
    if (depth > MAX_DEPTH || isLoop(address, origin)) return this.#loop(address, origin, by);
    const name = nameOf(address), known = this.#seen.get(name);
    if (known) return known;
    if (++this.#runs > MAX_RUNS || ctx.count - this.before >= MAX_RESULTS) return TOO_MANY;
    ctx.recipient = new TransactionRecipient({ address, original: origin.original, origin, parameters });
    ctx.members = null;
    let reply = await this.ask();
    if (reply.verdict === "accept") {
      if (ctx.members !== null) reply = await this.members(ctx.recipient, ctx.members, depth + 1);
      else ctx.admit();
    }
    this.#seen.set(name, reply);
    return reply;
  }

  /** `by`: whose aliases they are. */
  #loop(address: Address, origin: Recipient, by: string): Reply {
    const path = [formatAddress(address)];
    for (let at: Recipient | null = origin; at !== null; at = at.origin) path.unshift(formatAddress(at.address));
    const reason = `alias loop: ${path.join(" -> ")}`;
    this.ctx.blame(LOOP, by, reason);
    this.ctx.services.emit({
      type: "decision",
      session: this.ctx.session,
      transaction: this.ctx.transaction,
      phase: "rcpt",
      plugin: by,
      verdict: "reject",
      reason,
      ms: 0,
    });
    return LOOP;
  }
}

/** An address is among those it came from. Naming it again keeps it, once: `a` to `a` and `b` is no loop. */
function isLoop(address: Address, origin: Recipient): boolean {
  const kept = sameAddress(address, origin.address);
  for (let at = kept ? origin.origin : origin; at !== null; at = at.origin) {
    if (sameAddress(address, at.address)) return true;
  }
  return false;
}

function nameOf({ local, domain }: Address): string {
  return `${local.toLowerCase()}@${domain}`;
}

/** One target: all parameters pass on. Several: a success of each is nobody's success (RFC 3461 5.2.7.3). */
function severalOf(parameters: RcptParameters): RcptParameters {
  if (!parameters.notify?.includes("SUCCESS")) return parameters;
  const notify = parameters.notify.filter((each) => each !== "SUCCESS");
  return { ...parameters, notify: notify.length > 0 ? notify : ["NEVER"] };
}
