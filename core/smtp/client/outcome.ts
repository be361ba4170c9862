/**
 * What became of a recipient in a transaction, or of a session that came to none. Values. Non-job: what is done about it
 * (delivery), how it is worded for people (reports).
 */
import type { Verdict } from "../../model/reply.ts";
import type { PeerReply } from "./peer_reply.ts";
import type { Step } from "./steps.ts";

/** The step that it was decided at; `envelope`: before a word of the transaction was said. */
export type Phase = Step | "envelope";

export interface Outcome {
  /** `untried`: this peer takes so many at a time, and the rest in the next transaction (RFC 9422, RFC 5321 4.5.3.1.10). */
  readonly verdict: Verdict | "untried";
  /** RFC 3463; its class fits the verdict, 4 for `untried`. */
  readonly status: string;
  /** One line. */
  readonly text: string;
  readonly phase: Phase;
  /** The words of the peer that it is made of; null where we found out ourselves. */
  readonly reply: PeerReply | null;
  /** The whole message was sent and no answer came: the next attempt may make it a second copy (RFC 1047). */
  readonly mayHaveArrived: boolean;
}

/** What the peer said of it. */
export function said(reply: PeerReply, phase: Phase): Outcome {
  const { verdict, status, text } = reply;
  return { verdict, status, text, phase, reply, mayHaveArrived: false };
}

/** What the peer said of it, but not for ever, whatever its code. */
export function saidForNow(reply: PeerReply, phase: Phase, verdict: "defer" | "untried" = "defer"): Outcome {
  return { ...said(reply, phase), verdict, status: `4${reply.status.slice(1)}` };
}

/** What we found out ourselves. */
export function found(verdict: Outcome["verdict"], status: string, text: string, phase: Phase): Outcome {
  return { verdict, status, text, phase, reply: null, mayHaveArrived: false };
}
