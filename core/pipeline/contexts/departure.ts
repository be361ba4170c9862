/**
 * One attempt on the way out: what the dispatcher brings, and what plugins want of it. It is the transaction's part for
 * the phase `deliver`; `copy` makes one that an observing plugin may change. Non-job: making the attempt (core/delivery).
 */
import type { Address } from "../../model/address.ts";
import type { HeaderEdits, MailParameters, Origin, RcptParameters, Route } from "../../model/envelope.ts";
import type { Reply } from "../../model/reply.ts";
import type { Effect } from "../effect.ts";
import type { DeliverContext, RemoteRoute, Signer } from "./contexts.ts";
import type { ReceivedMessage } from "./received_message.ts";

/** A message of the durable queue that the dispatcher tries again. */
export interface Resumed {
  readonly id: string;
  readonly sender: Address | null;
  readonly parameters: MailParameters;
  readonly recipients: readonly {
    readonly address: Address;
    readonly original: Address;
    readonly parameters: RcptParameters;
    readonly route: Route;
  }[];
  readonly message: ReceivedMessage;
  readonly edits: HeaderEdits;
  /** Attempts before this one, at least 1. */
  readonly tries: number;
}

/** Recipients of one message that go out together. `tries` may be 0 here. */
export interface Departing extends Resumed {
  readonly origin: Origin;
  readonly destination: DeliverContext["destination"];
  /** A person released it: no plugin holds it again. */
  readonly released?: boolean;
  /**
   * Makes the attempt, as the context has it by then, for the recipients without a result, and gives each of them one by
   * `settleRecipient`. Resolves with an acceptance when all of these were taken, else with the worst refusal.
   */
  attempt(): Promise<Reply>;
}

type Change = Extract<Effect, { do: "route" | "reversePath" | "forwardPath" | "postpone" | "sign" }>;

export class Departure {
  readonly origin: Origin;
  readonly destination: DeliverContext["destination"];
  readonly released: boolean;
  readonly attempt: () => Promise<Reply>;
  /** Where to instead; null: to the destination. */
  nextHop: RemoteRoute | null = null;
  /** MAIL FROM of those that have none of their own; null: the sender. */
  reversePathForAll: Address | null = null;
  /** MAIL FROM by a recipient's place. */
  reversePaths: Map<number, Address> = new Map();
  /** RCPT TO by a recipient's place. */
  forwardPaths: Map<number, Address> = new Map();
  /**
   * Not before, milliseconds since 1970. It counts when no attempt was made and the answer was a deferral: recipients
   * without a result are then to be left as they were until that moment.
   */
  postponedUntil: number | null = null;
  /** In the order in which they are asked. */
  signers: readonly Signer[] = [];

  constructor(item: Pick<Departing, "origin" | "destination" | "released" | "attempt">) {
    this.origin = item.origin;
    this.destination = item.destination;
    this.released = item.released ?? false;
    this.attempt = item.attempt;
  }

  copy(): Departure {
    const copy = Object.assign(new Departure(this), this);
    copy.reversePaths = new Map(this.reversePaths);
    copy.forwardPaths = new Map(this.forwardPaths);
    return copy;
  }

  change(change: Change): void {
    switch (change.do) {
      case "route":
        this.nextHop = change.route as RemoteRoute;
        break;
      case "reversePath":
        if (change.recipient === null) {
          this.reversePathForAll = change.address;
          this.reversePaths.clear(); // the last word counts
        } else this.reversePaths.set(change.recipient, change.address);
        break;
      case "forwardPath":
        this.forwardPaths.set(change.recipient, change.address);
        break;
      case "postpone":
        this.postponedUntil = Math.max(this.postponedUntil ?? -Infinity, Math.ceil(change.until)); // rows know whole ones
        break;
      case "sign":
        this.signers = [...this.signers, change.signer];
    }
  }

  /** MAIL FROM for the recipient at `place`, in mail from `sender`. */
  reversePathOf(place: number, sender: Address | null): Address | null {
    return this.reversePaths.get(place) ?? this.reversePathForAll ?? sender;
  }
  /** RCPT TO for the recipient at `place`, whose address is `address`. */
  forwardPathOf(place: number, address: Address): Address {
    return this.forwardPaths.get(place) ?? address;
  }
}
