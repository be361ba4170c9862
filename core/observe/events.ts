/**
 * What happens, as values that are told and decide nothing: the log, metrics and the ledger are observers of these.
 * Non-job: delivering them (bus.ts), wording them (log.ts).
 */
import type { Reply } from "../model/reply.ts";

/** Phases of a session in their order, and `deliver` for the way out. */
export type PhaseName = "connect" | "helo" | "auth" | "mail" | "rcpt" | "data" | "queue" | "deliver";

/** A plugin (or "core") made up its mind in a phase. */
export interface Decision {
  readonly type: "decision";
  /** Session id. */
  readonly session: string;
  /** Transaction id, when there is one. */
  readonly transaction: string | null;
  readonly phase: PhaseName;
  readonly plugin: string;
  /** `next`: had nothing against it. `error`: threw, was late or broke a rule of the pipeline. */
  readonly verdict: "accept" | "defer" | "reject" | "next" | "error";
  readonly reason: string;
  /** Own time in milliseconds, without what ran behind next(). */
  readonly ms: number;
  /** In mode observe: the changes it would have made, as plain data. Keys are facts and did apply. */
  readonly held?: readonly unknown[];
  /** In mode observe nothing of it counted. */
  readonly observed?: true;
}
export interface SessionOpened {
  readonly type: "session-opened";
  readonly session: string;
  readonly ip: string;
  readonly listener: string;
  readonly role: string;
}
export interface SessionClosed {
  readonly type: "session-closed";
  readonly session: string;
  readonly ip: string;
  /** Why, in a few words: "quit", "peer left in DATA", "timeout", "http on the smtp port". */
  readonly reason: string;
  readonly messages: number;
  readonly seconds: number;
}
/** A refusal that the peer was told, whoever gave it: core, the grammar or a plugin. */
export interface Refused {
  readonly type: "refused";
  readonly session: string;
  readonly transaction: string | null;
  readonly ip: string;
  /** The command or phase that was refused: "RCPT", "message". */
  readonly command: string;
  readonly reply: Reply;
  readonly sender: string | null;
  readonly recipients: readonly string[];
}
/** A message has its 250. */
export interface Accepted {
  readonly type: "accepted";
  readonly session: string;
  readonly transaction: string;
  readonly ip: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly size: number;
  /** From the last octet to the 250. */
  readonly ms: number;
  readonly held: string | null;
}
/** A recipient of a queued message reached an end or a wait: `stored`, `discarded`, `deferred`, `failed`. */
export interface Settled {
  readonly type: "settled";
  readonly transaction: string;
  readonly recipient: string;
  readonly outcome: string;
  readonly reason: string;
}
/** Something is wrong with the server, not with a mail. */
export interface Trouble {
  readonly type: "trouble";
  readonly where: string;
  readonly message: string;
}
export type Event = Decision | SessionOpened | SessionClosed | Refused | Accepted | Settled | Trouble;

/** Told of everything; must not throw and cannot decide. */
export type Observer = (event: Event) => void;
