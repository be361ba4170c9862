/** What a listener gives to each of its receptions. Types only. */
import type { LoginServices } from "../auth/authentication.ts";
import type { Origin } from "../model/envelope.ts";
import type { Reply } from "../model/reply.ts";
import type { Client, Role } from "../pipeline/contexts/contexts.ts";
import type { Services, TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Mechanism, Passwords } from "../smtp/sasl/mechanism.ts";
import type { BodyWriter } from "../store/store.ts";
import type { Passage } from "./pressure/gate.ts";

export interface ReceptionOptions {
  readonly pipeline: Pipeline;
  readonly services: Omit<Services, "commit">;
  readonly role: Role;
  readonly listener: string;
  /** Received fields of a message that has gone in circles (RFC 5321 6.3). */
  readonly hops: number;
  /** Recipients of one transaction, aliases expanded; one address alone may stand for more. */
  readonly recipients: number;
  /** Received does not say where the client is. */
  readonly hideClient: boolean;
  /** SASL mechanisms by name. */
  readonly mechanisms: ReadonlyMap<string, Mechanism>;
  /** -PLUS mechanisms are announced inside TLS. */
  readonly bindingOffered: boolean;
  readonly passwords: Passwords;
  readonly logins: LoginServices;
  /** Room for the octets of a message. */
  receive(id: string): BodyWriter;
  /** Makes durable what has no result yet. Null, or the refusal. */
  commit(transaction: TransactionContext, origin: Origin): Promise<Reply<"defer"> | null>;
  /** Words a failure of the writer. */
  storeRefusal(error: unknown): Reply<"defer">;
  /**
   * A reason to take no message now: no disk for its octets, a server that is behind. Null when all is well; then it is
   * under way until `over`. `quiet`: observers need not be told of this one.
   */
  overload(asked: Beginning): { readonly reply: Reply<"defer">; readonly quiet: boolean } | null;
  /** The message of `passage` has its answer, or its transaction is over without one. */
  over?(passage: Passage, answered: boolean): void;
}

/** A message that is to begin. */
export interface Beginning {
  readonly passage: Passage;
  readonly client: Client;
  /** Octets, as declared (RFC 1870); 0: nobody said. */
  readonly size: number;
  /** The session was sent away with one already. */
  readonly again: boolean;
}
