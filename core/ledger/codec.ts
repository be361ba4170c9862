/**
 * How an entry and its story stand in the file: arrays in a fixed order as JSON, because a message's row is written a
 * thousand times for each time it is read. The head is a row of a list, the part is what explain adds.
 * Non-job: gathering (recorder.ts), tables (slice.ts), words for people (telling.ts).
 */
import { queuedAs } from "../model/reply.ts";
import type {
  Attempt,
  AttemptOutcome,
  AuditRow,
  Entry,
  LoginTry,
  Lookup,
  Refusal,
  Step,
  Story,
  Verdict,
} from "./story.ts";

/** The row of a list. Times are whole microseconds. */
export type Head = [
  id: string,
  session: string,
  verdict: Verdict,
  ip: string,
  helo: string,
  listener: string,
  role: string,
  tls: string | null,
  identity: string | null,
  sender: string | null,
  recipients: readonly string[],
  recipientCount: number,
  size: number | null,
  messageId: string | null,
  plugin: string | null,
  phase: string | null,
  reply: string | null,
  reason: string,
  micros: number,
  points: number,
  observed: Entry["observed"],
  /** The plugins that would have done something. */
  observers: readonly string[],
  parent: string | null,
];
export const ID = 0, SESSION = 1, VERDICT = 2, IP = 3, HELO = 4, IDENTITY = 8, SENDER = 9, RECIPIENTS = 10;
export const COUNT = 11, MESSAGE_ID = 13, PLUGIN = 14, REPLY = 16, REASON = 17, OBSERVED = 20, OBSERVERS = 21;
export const PARENT = 22;

/** What few steps have. */
export interface StepMore {
  recipient?: string;
  observed?: true;
  points?: (readonly [points: number, reason: string])[];
  facts?: readonly (readonly [string, string])[];
  dns?: readonly (readonly [question: string, answers: readonly string[], fault: string | null, micros: number])[];
  held?: readonly unknown[];
}
export type PackedStep = [
  phase: string,
  plugin: string,
  verdict: Step["verdict"],
  reason: string,
  offset: number,
  micros: number,
  more?: StepMore,
];
export type PackedRefusal = [
  command: string,
  reply: string,
  recipients: readonly string[],
  plugin: string | null,
  reason: string | null,
  delayedFrom: string | null,
  offset: number,
];
export type PackedLogin = [mechanism: string, user: string, ok: boolean, reason: string, offset: number];
/** What a transaction adds to its head. */
export type MessagePart = [
  steps: PackedStep[],
  cut: boolean,
  refusals: PackedRefusal[],
  rewritten: (readonly [plugin: string, reason: string])[],
  commitMicros: number | null,
  /** Of a session that was over when its only message was written; else it has a row of its own. */
  session?: SessionPart,
];
/** What a session adds to its head; its messages share it. */
export type SessionPart = [
  steps: PackedStep[],
  cut: boolean,
  refusals: PackedRefusal[],
  logins: PackedLogin[],
  seconds: number | null,
  ended: string | null,
  cipher: string | null,
  proxy: string | null,
];
/** What came when the transaction was over. */
export type Late =
  | [
    kind: "attempt",
    at: number,
    recipient: string,
    outcome: AttemptOutcome,
    relay: string | null,
    reply: string,
    status: string,
    tls: string | null,
    attempts: number,
    next: number | null,
    sender: string,
  ]
  | [kind: "step", step: PackedStep];

/** Recipients that a row shows. */
const SHOWN = 50;

export function entryOf(head: Head, late: readonly Late[]): Entry {
  const [id, session, verdict, ip, helo, listener, role, tls, identity, sender, recipients, recipientCount] = head;
  const [size, messageId, plugin, phase, reply, reason, micros, points, observed] = head.slice(12) as [
    number | null,
    string | null,
    string | null,
    string | null,
    string | null,
    string,
    number,
    number,
    Entry["observed"],
  ];
  // The same for all that were taken, so it is not kept; nobody was told it of a letter of this site's own
  const taken = (verdict === "accepted" || verdict === "held") && session !== id;
  return {
    id,
    session,
    at: timeOf(id),
    verdict,
    ip,
    helo,
    listener,
    role,
    tls,
    identity,
    sender,
    recipients: recipients.slice(0, SHOWN),
    recipientCount,
    size,
    messageId,
    plugin,
    phase,
    reply: reply ?? (taken ? queuedAs(id).toString() : null),
    reason,
    ms: micros / 1000,
    points,
    observed,
    deliveries: outcomesOf(late),
  };
}

/** The last word on each recipient counts. */
function outcomesOf(late: readonly Late[]): Entry["deliveries"] {
  if (late.length === 0) return {};
  const last = new Map<string, AttemptOutcome>();
  for (const each of late) if (each[0] === "attempt") last.set(each[2], each[3]);
  const counts: Partial<Record<AttemptOutcome, number>> = {};
  for (const outcome of last.values()) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

export interface StoryParts {
  readonly head: Head;
  /** Null: it is a session. */
  readonly message: MessagePart | null;
  /** Null: nothing is known of the session. */
  readonly session: SessionPart | null;
  readonly late: readonly Late[];
  readonly audit: readonly AuditRow[];
  /** Heads and late rows of a session's messages. */
  readonly messages: readonly Entry[];
}

export function storyOf({ head, message, session, late, audit, messages }: StoryParts): Story {
  const steps = [...session?.[0] ?? [], ...message?.[0] ?? []].map(stepOf);
  for (const each of late) if (each[0] === "step") steps.push(stepOf(each[1]));
  return {
    ...entryOf(head, late),
    seconds: session?.[4] ?? null,
    ended: session?.[5] ?? null,
    cipher: session?.[6] ?? null,
    proxy: session?.[7] ?? null,
    steps: steps.toSorted((a, b) => a.offset - b.offset),
    cut: (session?.[1] ?? false) || (message?.[1] ?? false),
    refusals: [...session?.[2] ?? [], ...message?.[2] ?? []].map(refusalOf),
    logins: (session?.[3] ?? []).map(loginOf),
    attempts: late.flatMap((each) => each[0] === "attempt" ? [attemptOf(each)] : []),
    rewritten: (message?.[3] ?? []).map(([plugin, reason]) => ({ plugin, reason })),
    commitMs: message?.[4] == null ? null : message[4] / 1000,
    messages,
    parent: head[PARENT] ?? null,
    audit,
  };
}

/** The head of a session, from what its only message has of it. */
export function sessionHead(message: Head): Head {
  const head: Head = [...message];
  head[ID] = message[SESSION];
  head[SENDER] = head[MESSAGE_ID] = null;
  head[RECIPIENTS] = [];
  head[COUNT] = 0;
  return head;
}

export function auditRow(data: string): AuditRow {
  const [at, by, ip, action, subject] = JSON.parse(data);
  return { at, by, ip, action, subject };
}

function stepOf([phase, plugin, verdict, reason, offset, micros, more]: PackedStep): Step {
  return {
    phase,
    plugin,
    recipient: more?.recipient ?? null,
    verdict,
    observed: more?.observed ?? false,
    reason,
    offset: offset / 1000,
    ms: micros / 1000,
    points: (more?.points ?? []).map(([points, reason]) => ({ points, reason })),
    facts: more?.facts ?? [],
    dns: (more?.dns ?? []).map(([question, answers, fault, micros]): Lookup => (
      { question, answers, fault, ms: micros / 1000 }
    )),
    held: more?.held ?? [],
  };
}
function refusalOf([command, reply, recipients, plugin, reason, delayedFrom, offset]: PackedRefusal): Refusal {
  return { command, reply, recipients, plugin, reason, delayedFrom, offset: offset / 1000 };
}
function loginOf([mechanism, user, ok, reason, offset]: PackedLogin): LoginTry {
  return { mechanism, user, ok, reason, offset: offset / 1000 };
}
function attemptOf(late: Extract<Late, { 0: "attempt" }>): Attempt {
  const [, at, recipient, outcome, relay, reply, status, tls, attempts, next] = late;
  return { at, recipient, outcome, relay, reply, status, tls, attempts, next };
}

// ---- Keys ------------------------------------------------------------------------------------------------------------

/** Rows of one millisecond. A key is a place in time, so it needs no index and pages walk along it. */
export const SLOTS = 128;
const DIGITS = new Uint8Array(128);
for (const [value, char] of [..."0123456789ABCDEFGHJKMNPQRSTVWXYZ"].entries()) DIGITS[char.charCodeAt(0)] = value;

/** The bare identifier: a session's without its `s`. */
export function bare(id: string): string {
  return id.charCodeAt(0) === 0x73 ? id.slice(1) : id; // "s"
}

/** The moment in an identifier, milliseconds since 1970. */
export function timeOf(id: string): number {
  const from = id.charCodeAt(0) === 0x73 ? 1 : 0;
  let time = 0;
  for (let i = from; i < from + 10; i++) time = time * 32 + (DIGITS[id.charCodeAt(i)] ?? 0);
  return time <= LAST ? time : 0;
}
const LAST = Math.floor(Number.MAX_SAFE_INTEGER / SLOTS) - 1;

/** Where the row of an identifier stands; another one of the same millisecond may have the place already. */
export function keyOf(id: string): number {
  const text = bare(id), length = text.length;
  const low = (DIGITS[text.charCodeAt(length - 1)] ?? 0) + 32 * (DIGITS[text.charCodeAt(length - 2)] ?? 0);
  return timeOf(id) * SLOTS + low % SLOTS;
}
