/**
 * What a transaction is given from outside: the house's services, the peer, and what is noted about refusals. Types only.
 */
import type { Address } from "../../model/address.ts";
import type { Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Event } from "../../observe/events.ts";
import type { BodyWriter, Counters } from "../../store/store.ts";
import type { Deadlines } from "../calls/deadlines.ts";
import type { Phase } from "../plugin.ts";
import type { CallAhead, Client, Host, Role } from "./contexts.ts";
import type { Outside } from "./outside.ts";
import type { TransactionContext } from "./transaction_context.ts";

/** What the pipeline needs from the house; given once per listener. */
export interface Services {
  readonly host: Host;
  readonly dns: Resolver;
  readonly counters: Counters;
  /** Milliseconds since 1970. */
  now(): number;
  emit(event: Event): void;
  /** Told how long a phase took and what came of it; absent: nobody counts. */
  phase?(phase: Phase, verdict: Reply["verdict"], milliseconds: number): void;
  /** Told which plugin is about to be asked, so that others can see who keeps a thread; absent: nobody looks. */
  asking?(plugin: string, phase: Phase): void;
  /**
   * Makes durable what `rows(ctx)` lists, and the deposits. Null: durable. Else the refusal, and nothing was kept.
   * From the moment it is called the body is its business; a body whose transaction never came here is the caller's.
   */
  commit(ctx: TransactionContext): Promise<Reply<"defer"> | null>;
  /** Absent: nobody here asks other hosts. */
  readonly callAhead?: CallAhead;
  /** Stands between `ctx.outside` and what it asks; absent: nobody does. */
  readonly outside?: Outside;
  /** Room for the octets of another body; absent: nobody here can rewrite. */
  receive?(id: string): BodyWriter;
  /** Puts an address on the suppression list; resolves when it is durable. Absent: there is none. */
  suppress?(address: Address, options: { readonly reason: string; readonly seconds: number | null }): Promise<void>;
  /** Hardly a place is left: nobody is made to wait. */
  crowded?(): boolean;
  /** Watches the time of its calls; absent: what all of this thread share. */
  readonly deadlines?: Deadlines;
  /** Waits in the place of the clock: for tests. */
  pause?(milliseconds: number): Promise<boolean>;
}
export interface Peer {
  readonly session: string;
  readonly role: Role;
  readonly listener: string;
  readonly client: Client;
}
/** A policy refusal that waits for RCPT (SEMANTICS 11). */
export interface DelayedRefusal {
  readonly phase: Phase;
  readonly plugin: string;
  readonly reply: Reply;
}
/** Who is behind a refusal, for those who look at it afterwards. */
export interface Blame {
  /** The plugin's name, or "core". */
  readonly plugin: string;
  /** In words for people: also what the reply does not say. */
  readonly reason: string;
  /** Where it was decided, when it is spoken later. */
  readonly delayedFrom: Phase | null;
}
/** An address for the suppression list. */
export interface Suppressing {
  readonly address: Address;
  readonly reason: string;
  readonly seconds: number | null;
}
