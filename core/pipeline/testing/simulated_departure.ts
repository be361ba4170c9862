/**
 * An attempt without another host: what plugins of `deliver` under test made of it, and what the next hop answers as the
 * test says. Non-job: running the phase (simulation.ts).
 */
import { formatAddress } from "../../model/address.ts";
import { applyEditsToBytes } from "../../model/edits.ts";
import { accept, type Reply } from "../../model/reply.ts";
import type { Recipient, RemoteRoute } from "../contexts/contexts.ts";
import type { TransactionContext } from "../contexts/transaction_context.ts";
import { worst } from "../endings/settlement.ts";
import { signatures } from "../signatures.ts";

/**
 * What the next hop says of a recipient.
 *
 * @example
 * ```ts
 * import { accept, type NextHopAnswer, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const attempt: NextHopAnswer = ({ address }) => address.local === "bob" ? accept() : reject("5.1.1", "No such user");
 * const { recipients, departure } = await runPhase([], "deliver", { to: ["bob@b.example", "eve@b.example"], attempt });
 * assertEquals(recipients.map(({ result }) => String(result)), ["relayed", "550 5.1.1 No such user"]);
 * assertEquals(departure?.envelopes.length, 2);
 * ```
 */
export type NextHopAnswer = (recipient: Recipient) => Reply | Promise<Reply>;

/** What the attempt was asked to do, and whether it was made. */
export interface SimulatedDeparture {
  /** It was made. */
  readonly attempted: boolean;
  /** The next hop that a plugin chose, or null. */
  readonly route: RemoteRoute | null;
  /** MAIL FROM and RCPT TO for each recipient that was tried; `from` is empty for `<>`. */
  readonly envelopes: readonly { readonly from: string; readonly to: string }[];
  /** The fields that signers made. */
  readonly signatures: string;
  /** The message as it went out: signatures, edits, content. Empty when no attempt was made. */
  readonly sent: string;
  /** Not before, milliseconds since 1970; null: nobody put it off. */
  readonly postponedUntil: number | null;
}

export class SimulatedAttempt {
  readonly #ctx: TransactionContext;
  readonly #answer: NextHopAnswer;
  #envelopes: { readonly from: string; readonly to: string }[] = [];
  #signatures = "";
  #sent = "";

  constructor(ctx: TransactionContext, answer: NextHopAnswer = () => accept()) {
    this.#ctx = ctx;
    this.#answer = answer;
  }

  readonly make = async (): Promise<Reply> => {
    const ctx = this.#ctx, departure = ctx.departure!;
    const octets = applyEditsToBytes(ctx.received!.body.memory!, ctx.edits);
    const content = { size: octets.length, head: octets, memory: octets, stream: () => new Blob([octets]).stream() };
    this.#signatures = await signatures(departure.signers, content);
    this.#sent = this.#signatures + new TextDecoder().decode(octets);
    const tried = ctx.recipients.filter(({ result }) => result === null), replies: Reply[] = [];
    this.#envelopes = tried.map(({ place, address }) => ({
      from: formatAddress(departure.reversePathOf(place, ctx.sender)),
      to: formatAddress(departure.forwardPathOf(place, address)),
    }));
    for (const recipient of tried) {
      const reply = await this.#answer(recipient);
      replies.push(reply);
      const taken = reply.verdict === "accept";
      ctx.settleRecipient(recipient.place, taken ? "relayed" : reply as Reply<"defer" | "reject">);
    }
    return worst(replies) ?? accept();
  };

  get departure(): SimulatedDeparture {
    const { attempted, departure } = this.#ctx;
    return {
      attempted,
      route: departure!.nextHop,
      envelopes: this.#envelopes,
      signatures: this.#signatures,
      sent: this.#sent,
      postponedUntil: departure!.postponedUntil,
    };
  }
}
