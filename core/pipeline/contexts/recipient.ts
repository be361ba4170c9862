/**
 * One recipient of a transaction as a value: a change makes a new one (copy on write), so that an observing plugin can be
 * shown its own changes. Only the keys are shared by all copies: they are facts. Non-job: deciding anything.
 */
import type { Address } from "../../model/address.ts";
import type { RcptParameters, Result, Route } from "../../model/envelope.ts";
import type { Recipient } from "./contexts.ts";

export interface RecipientParts {
  readonly address: Address;
  readonly original: Address;
  readonly origin: Recipient | null;
  readonly parameters: RcptParameters;
  /** Members of a copy's address are copies too. */
  readonly copy?: boolean;
  readonly route?: Route | null;
  readonly result?: Result | null;
}

export class TransactionRecipient implements Recipient {
  readonly address: Address;
  readonly original: Address;
  readonly origin: Recipient | null;
  readonly parameters: RcptParameters;
  readonly copy: boolean;
  readonly route: Route | null;
  readonly result: Result | null;
  /** Its index in `ctx.recipients`, -1 while it is only proposed. */
  readonly place: number;
  readonly keys: Map<string, unknown>;

  constructor(parts: RecipientParts, place = -1, keys: Map<string, unknown> = new Map()) {
    this.address = parts.address;
    this.original = parts.original;
    this.origin = parts.origin;
    this.parameters = parts.parameters;
    this.copy = parts.copy ?? parts.origin?.copy ?? false;
    this.route = parts.route ?? null;
    this.result = parts.result ?? null;
    this.place = place;
    this.keys = keys;
  }

  at(place: number): TransactionRecipient {
    return new TransactionRecipient(this, place, this.keys);
  }
  withRoute(route: Route): TransactionRecipient {
    return new TransactionRecipient({ ...this.#parts(), route }, this.place, this.keys);
  }
  withResult(result: Result): TransactionRecipient {
    return new TransactionRecipient({ ...this.#parts(), result }, this.place, this.keys);
  }
  #parts(): RecipientParts {
    const { address, original, origin, parameters, copy, route, result } = this;
    return { address, original, origin, parameters, copy, route, result };
  }

  get(key: { readonly name: string }): never {
    return this.keys.get(key.name) as never;
  }
}
