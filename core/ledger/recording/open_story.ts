/**
 * A session and a transaction that are under way: the events as they came, and their rows as far as they are known.
 * Encoding waits until the end, so an event costs a push. Non-job: when something ends (recorder.ts).
 */
import type { Abandoned, Accepted, Decision, Refused, Scored } from "../../observe/events.ts";
import type { Head, MessagePart, PackedLogin, PackedRefusal, PackedStep, SessionPart } from "../codec.ts";
import { packRefusal, packStep, short } from "./pack.ts";
import type { Entry, Verdict } from "../story.ts";

/** Steps, refusals and points of one story. */
const MOST = 500;
/** Recipients that can be searched. */
const RECIPIENTS = 5_000;
const NONE: readonly string[] = [];

/** What both have. */
export abstract class OpenStory {
  readonly steps: Decision[] = [];
  /** When a decision came that does not say when it began. */
  readonly moments = new Map<Decision, number>();
  readonly refusals: PackedRefusal[] = [];
  cut = false;
  /** The refusal that tells the verdict: the last one that a plugin gave, else the last one. */
  deciding: Refused | null = null;

  get full(): boolean {
    return this.steps.length >= MOST;
  }

  protected note(event: Refused, offset: number): void {
    if (this.deciding === null || event.plugin !== null || this.deciding.plugin === null) this.deciding = event;
    if (this.refusals.length < MOST) this.refusals.push(packRefusal(event, offset));
    else this.cut = true;
  }

  protected packed(base: number): PackedStep[] {
    return this.steps.map((each) => {
      const moment = each.began ?? this.moments.get(each) ?? base;
      return packStep(each, Math.round((moment - base) * 1000));
    });
  }
}

export class OpenMessage extends OpenStory {
  readonly id: string;
  readonly #base: number;
  readonly #scores: Scored[] = [];
  readonly #rewritten: (readonly [plugin: string, reason: string])[] = [];
  accepted: Accepted | null = null;
  abandoned: Abandoned | null = null;
  points = 0;
  /** Of refused ones: nobody else names them at the end. */
  readonly refused: string[] = [];

  /** `base`: when the session began, monotonic milliseconds. */
  constructor(id: string, base: number) {
    super();
    this.id = id;
    this.#base = base;
  }

  scored(event: Scored): void {
    this.points += event.points;
    if (this.#scores.length < MOST) this.#scores.push(event);
    else this.cut = true;
  }
  rewrote(plugin: string, reason: string): void {
    if (this.#rewritten.length < MOST) this.#rewritten.push([plugin, reason]);
  }
  refuse(event: Refused, offset: number): void {
    this.note(event, offset);
    if (event.command !== "RCPT") return;
    for (const each of event.recipients) if (this.refused.length < RECIPIENTS) this.refused.push(short(each));
  }

  part(): MessagePart {
    const steps = this.packed(this.#base);
    if (this.#scores.length > 0) this.#attach(steps);
    const { accepted } = this;
    return [steps, this.cut, this.refusals, this.#rewritten, accepted === null ? null : Math.round(accepted.ms * 1000)];
  }

  /** Points to the step of who gave them: its decision comes when its call is over. */
  #attach(steps: PackedStep[]): void {
    for (const { plugin, points, reason } of this.#scores) {
      let step = steps.findLast((each) => each[1] === plugin && each[0] !== "rcpt");
      if (step === undefined) steps.push(step = ["data", short(plugin), "next", "", 0, 0]);
      const more = step[6] ??= {};
      (more.points ??= []).push([points, short(reason)]);
    }
  }
}

export class OpenSession extends OpenStory {
  readonly id: string;
  readonly listener: string;
  readonly role: string;
  readonly logins: PackedLogin[] = [];
  readonly #base = performance.now();
  ip: string;
  helo = "";
  tls: string | null = null;
  cipher: string | null = null;
  proxy: string | null = null;
  identity: string | null = null;
  ended: string | null = null;
  seconds: number | null = null;
  /** The transaction under way. */
  current: OpenMessage | null = null;
  /** The one before it. */
  last: string | null = null;
  /** Those that are over. */
  messages = 0;
  /** The first of them, while it is not written. */
  first: { readonly head: Head; readonly part: MessagePart } | null = null;

  constructor(id: string, ip: string, listener: string, role: string) {
    super();
    this.id = id;
    this.ip = ip;
    this.listener = listener;
    this.role = role;
  }

  /** Microseconds since it began. */
  offset(): number {
    return Math.round((performance.now() - this.#base) * 1000);
  }

  /** The transaction of this id, begun when it is not the one under way. */
  message(id: string): OpenMessage {
    if (this.current?.id === id) return this.current;
    return this.current = new OpenMessage(id, this.#base);
  }

  refuse(event: Refused): void {
    this.note(event, this.offset());
  }

  part(): SessionPart {
    const { cut, refusals, logins, seconds, ended, cipher, proxy } = this;
    return [
      this.packed(this.#base),
      cut,
      refusals,
      logins,
      seconds,
      ended === null ? null : short(ended),
      cipher,
      proxy,
    ];
  }

  /** Of a message, or of the session itself. */
  head(message: OpenMessage | null, verdict: Verdict): Head {
    const { id, ip, helo, listener, role, tls, identity } = this;
    const story = message ?? this, { accepted = null } = message ?? {};
    const told = verdict === "refused" || verdict === "deferred" ? story.deciding : null;
    const { observed, observers, micros } = summary(message === null ? this.steps : [...this.steps, ...message.steps]);
    const recipients = message === null ? NONE : recipientsOf(message);
    let plugin: string | null = null, phase: string | null = null, reason = "";
    if (told !== null) {
      plugin = told.plugin ?? "core";
      phase = told.delayedFrom ?? phaseOf(told.command);
      reason = short(told.reason ?? told.reply.text);
    } else if (accepted?.held != null) {
      reason = short(accepted.held);
      plugin = accepted.heldBy ?? null;
      phase = story.steps.findLast((each) => each.plugin === plugin && each.phase !== "rcpt")?.phase ?? "data";
    } else if (message?.abandoned) reason = short(message.abandoned.reason);
    return [
      message?.id ?? id,
      id,
      verdict,
      ip,
      helo,
      listener,
      role,
      tls,
      identity,
      message === null ? null : senderOf(message),
      recipients.length > RECIPIENTS ? recipients.slice(0, RECIPIENTS) : recipients,
      recipients.length,
      accepted?.size ?? null,
      accepted?.messageId == null ? null : short(accepted.messageId),
      plugin,
      phase,
      told === null ? null : short(told.reply.toString()),
      reason,
      micros,
      message?.points ?? 0,
      observed,
      observers,
      null,
    ];
  }
}

function senderOf({ accepted, abandoned, deciding }: OpenMessage): string | null {
  return short(accepted?.sender ?? abandoned?.sender ?? deciding?.sender ?? "");
}

function recipientsOf({ accepted, abandoned, deciding, refused }: OpenMessage): readonly string[] {
  const taken = accepted?.recipients ?? abandoned?.recipients ??
    (deciding !== null && deciding.command !== "RCPT" ? deciding.recipients : NONE);
  return refused.length === 0 ? taken : [...taken, ...refused];
}

/** The phase in which a command is answered. */
function phaseOf(command: string): string | null {
  return PHASES[command] ?? null;
}
const PHASES: Readonly<Record<string, string>> = {
  connect: "connect",
  HELO: "helo",
  EHLO: "helo",
  LHLO: "helo",
  AUTH: "auth",
  MAIL: "mail",
  RCPT: "rcpt",
  DATA: "data",
  BDAT: "data",
  message: "data",
};

const NOT_OBSERVED = { observed: null, observers: NONE } as const;
const WORSE = { held: 1, deferred: 2, refused: 3 } as const;

function summary(
  steps: readonly Decision[],
): { observed: Entry["observed"]; observers: readonly string[]; micros: number } {
  let ms = 0, observed: Entry["observed"] = null, observers: string[] | null = null;
  for (const step of steps) {
    ms += step.ms;
    if (!step.observed) continue;
    const would = wouldHave(step);
    if (would === null) continue;
    if (observed === null || WORSE[would] > WORSE[observed]) observed = would;
    observers ??= [];
    if (!observers.includes(step.plugin)) observers.push(step.plugin);
  }
  const micros = Math.round(ms * 1000);
  return observers === null ? { ...NOT_OBSERVED, micros } : { observed, observers, micros };
}

/** What a plugin in mode observe would have brought about, or null. */
export function wouldHave({ verdict, held }: Decision): "refused" | "deferred" | "held" | null {
  if (verdict === "reject") return "refused";
  if (verdict === "defer") return "deferred";
  return held?.some((effect) => (effect as { do?: unknown } | null)?.do === "hold") ? "held" : null;
}
