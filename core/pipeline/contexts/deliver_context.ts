/**
 * What a handler sees on the way out, around an attempt to send, and those who sign there. Types only.
 * Non-job: the attempt (core/delivery), what comes in (contexts.ts).
 */
import type { Address } from "../../model/address.ts";
import type { MailParameters, Origin } from "../../model/envelope.ts";
import type { MessageContext, Recipient, RemoteRoute } from "./contexts.ts";

/** What goes out, at last: edits made, coded as this peer can read it, in front of it nothing but other signatures. */
export interface SignedContent {
  /** Octets. */
  readonly size: number;
  /** The first octets, at least the whole header section. */
  readonly head: Uint8Array<ArrayBuffer>;
  /** All octets when they are in memory, else null. Never write to them. */
  readonly memory: Uint8Array<ArrayBuffer> | null;
  /** A fresh stream each time. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
}
/**
 * Makes the fields that are to stand in front of a content: whole header fields with CRLF at the end of each, or an empty
 * string. When it fails the attempt is put off: what was to be signed never goes out without it.
 *
 * @example
 * ```ts
 * import { on, runPhase, type Signer } from "postern";
 * import { assertEquals } from "@std/assert";
 * const sized: Signer = ({ size }) => Promise.resolve(`X-Size: ${size}\r\n`);
 * const signs = on("deliver", (ctx, next) => (ctx.sign(sized), next()));
 * const { departure } = await runPhase(signs, "deliver", { message: "Subject: x\n\nhi\n", to: "bob@example.net" });
 * assertEquals(departure?.signatures, "X-Size: 18\r\n");
 * ```
 */
export type Signer = (content: SignedContent) => Promise<string>;

/**
 * On the way out: middleware around one attempt at the recipients of a message that share a destination. `next()` makes
 * the attempt and gives what became of it: an acceptance when every recipient was taken, else the worst refusal. Changes
 * hold for this attempt and come before it: what is said behind `next()` counts for nothing. There is no `client` here,
 * and no keys of the transaction.
 *
 * @example
 * ```ts
 * import { defer, on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const by_day = on("deliver", (ctx, next) => {
 *   if (ctx.destination.domain !== "slow.example" || ctx.tries > 0) return next(); // the attempt
 *   ctx.postpone(ctx.now() + 3_600_000);
 *   return defer("4.4.5", "In an hour");
 * });
 * const { departure } = await runPhase(by_day, "deliver", { to: "bob@slow.example", now: () => 0 });
 * assertEquals([departure?.attempted, departure?.postponedUntil], [false, 3_600_000]);
 * ```
 */
export interface DeliverContext extends MessageContext {
  /** Attempts before this one. */
  readonly tries: number;
  /** The recipients of this attempt share this destination. `via`: the name of a next hop; null: the domain's own hosts. */
  readonly destination: { readonly domain: string; readonly via: string | null };
  /** Who brought the message, as the queue remembers it; `ip` is empty for what this server wrote itself (reports). */
  readonly origin: Origin;
  /** What MAIL said besides the address when the message came. */
  readonly parameters: MailParameters;
  /** Another next hop. The last word counts. */
  route(route: RemoteRoute): void;
  /**
   * MAIL FROM of this attempt, for one recipient or for all; the last word counts. Recipients with different ones go in
   * transactions of their own. `ctx.sender` stays who the sender is, and is told of failures.
   *
   * @throws {TypeError} for mail from `<>`.
   */
  reversePath(address: Address, recipient?: Recipient): void;
  /** MAIL FROM of this attempt for a recipient, as it is by now: for whoever signs what another plugin made. Null: `<>`. */
  returnPathOf(recipient: Recipient): Address | null;
  /** RCPT TO of this attempt for a recipient. The last word counts. */
  forwardPath(recipient: Recipient, address: Address): void;
  /**
   * Not before that moment (milliseconds since 1970), and this was no attempt: nobody's patience is used up. Then answer
   * `defer(...)`; after `next()` it counts for nothing. Several: the latest counts.
   */
  postpone(until: number): void;
  /**
   * Asks `signer` once for each form in which the content goes out, after every other change, the coding for a peer
   * without 8BITMIME included. Several: each sees the fields of those before it, and its own stand in front of theirs.
   */
  sign(signer: Signer): void;
}
