/**
 * Gathers events by session and transaction and hands on what is finished, a line each, encoded as codec.ts has it. All
 * that is open stays in memory, bounded: sessions, steps of a story, octets of a string. What explain needs of open
 * sessions is asked here. Non-job: batches and the file (sqlite.ts), counting (tally.ts).
 */
import { newId, shortId } from "../../model/id.ts";
import type {
  Accepted,
  Bounced,
  Decision,
  Deferred,
  Delivered,
  Event,
  Held,
  Login,
  Refused,
  Scored,
} from "../../observe/events.ts";
import {
  type Head,
  type Late,
  type MessagePart,
  type PackedStep,
  PLUGIN,
  type SessionPart,
  timeOf,
  VERDICT,
} from "../codec.ts";
import { type OpenMessage, OpenSession, type OpenStory } from "./open_story.ts";
import { packStep, short } from "./pack.ts";
import type { Verdict } from "../story.ts";
import type { Tally } from "./tally.ts";

/** Takes lines: kind, then JSON, no line end in it. */
export type Sink = (line: string) => void;
export interface RecorderOptions {
  readonly tally: Tally;
  readonly sink: Sink;
  /** Called when something waits for `release`. */
  waits(): void;
  /** Milliseconds since 1970. */
  now(): number;
  /** Sessions in memory at once; of one more nothing is kept (default 10,000). */
  readonly sessions?: number;
}

const SESSIONS = 10_000;
/** Events that wait in memory in all open stories together. */
const HELD = 200_000;

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #sessions = new Map<string, OpenSession>();
  /** Whose first message waits for their end, so that both are one row. */
  readonly #waiting = new Set<OpenSession>();
  #steps = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  readonly observe = (event: Event): void => {
    switch (event.type) {
      case "decision":
        return this.#decided(event);
      case "session-opened":
        return this.#opened(event);
      case "session-greeted":
        return this.#on(event.session, (session) => session.helo = short(event.helo));
      case "session-secured":
        return this.#on(event.session, (session) => {
          session.tls = event.version;
          session.cipher = event.cipher;
          session.helo = "";
        });
      case "session-proxied":
        return this.#on(event.session, (session) => {
          session.proxy = event.by;
          session.ip = event.ip;
        });
      case "login":
        return this.#login(event);
      case "scored":
        return this.#scored(event);
      case "rewritten":
        return this.#on(event.session, ({ current }) => {
          if (current?.id === event.transaction) current.rewrote(short(event.plugin), short(event.reason));
        });
      case "refused":
        return this.#refused(event);
      case "accepted":
        return this.#on(event.session, (session) => {
          const message = session.message(event.transaction);
          message.accepted = event;
          this.#finish(session, event.held === null ? "accepted" : "held");
        });
      case "abandoned":
        return this.#on(event.session, (session) => {
          session.message(event.transaction).abandoned = event;
          this.#finish(session, null);
        });
      case "session-closed":
        return this.#closed(event);
      case "delivered":
      case "deferred":
      case "bounced":
      case "held":
        return this.#attempt(event);
      case "audit":
        return this.#options.sink(
          `u${
            JSON.stringify([
              this.#options.now(),
              short(event.by),
              short(event.ip),
              short(event.action),
              short(event.subject),
            ])
          }`,
        );
      case "alert":
      case "notice":
      case "trouble":
        return;
    }
  };

  /** What is under way, as far as it has come: by its id, or the last eight characters of it. */
  find(id: string): OpenView | null {
    for (const session of this.#sessions.values()) {
      const message = session.current;
      if (message !== null && names(message.id, id)) {
        return {
          head: session.head(message, this.#verdictOf(message)),
          message: message.part(),
          session: session.part(),
        };
      }
      if (names(session.id, id)) return { head: session.head(null, "none"), message: null, session: session.part() };
    }
    return null;
  }
  /** The session's part of the stories of its messages. */
  session(id: string): SessionPart | null {
    return this.#sessions.get(id)?.part() ?? null;
  }

  /** Hands on what waits for the end of its session. */
  release(): void {
    for (const session of this.#waiting) this.#release(session);
  }
  #release(session: OpenSession): void {
    if (session.first === null) return;
    const { head, part } = session.first;
    session.first = null;
    this.#waiting.delete(session);
    this.#write("e", head, part);
  }

  /** Writes what is open as it stands: the server stops. */
  close(): void {
    for (const session of this.#sessions.values()) this.#end(session, null, null);
    this.#sessions.clear();
  }

  #on(id: string, change: (session: OpenSession) => void): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) change(session);
  }

  #opened({ session, ip, listener, role }: Extract<Event, { type: "session-opened" }>): void {
    this.#options.tally.sessions++;
    if (this.#sessions.size >= (this.#options.sessions ?? SESSIONS)) return;
    this.#sessions.set(session, new OpenSession(session, ip, listener, role));
  }

  #decided(event: Decision): void {
    const { tally } = this.#options;
    if (event.verdict !== "next" && event.verdict !== "accept" || event.observed) tally.decided(event);
    const { transaction, phase } = event, session = this.#sessions.get(event.session);
    if (transaction !== null) {
      // The queue asks plugins again, under the name of a session that may still be there
      const isLate = phase === "deliver" || session === undefined || session.last === transaction ||
        phase === "queue" && session.current?.id !== transaction;
      if (isLate) return this.#late(event);
    } else if (session === undefined) return;
    const story: OpenStory = transaction === null ? session! : session!.message(transaction);
    if (story.full || this.#steps >= HELD) story.cut = true;
    else {
      this.#steps++;
      story.steps.push(event);
      if (event.began === undefined) story.moments.set(event, performance.now());
    }
  }

  /** The queue asks plugins again when the session is long over. */
  #late(event: Decision): void {
    if (event.phase === "rcpt") return; // a report asks for its own way, under no name that anybody knows
    const step = packStep(event, this.#after(event.transaction!));
    this.#options.sink(`l${event.transaction}\t${JSON.stringify(["step", step] satisfies Late)}`);
  }

  #login(event: Login): void {
    this.#on(event.session, (session) => {
      if (event.ok) session.identity = short(event.user);
      if (session.logins.length < 100) {
        session.logins.push([
          event.mechanism,
          short(event.user),
          event.ok,
          short(event.reason),
          session.offset(),
        ]);
      }
    });
  }

  /** Microseconds from the beginning of a transaction to now. */
  #after(transaction: string): number {
    return Math.max(0, this.#options.now() - timeOf(transaction)) * 1000;
  }

  #scored(event: Scored): void {
    const session = this.#sessions.get(event.session);
    if (session?.current?.id === event.transaction) return session.current.scored(event);
    const points: [number, string][] = [[event.points, short(event.reason)]], plugin = short(event.plugin);
    const step: PackedStep = ["deliver", plugin, "next", "", this.#after(event.transaction), 0, { points }];
    this.#options.sink(`l${event.transaction}\t${JSON.stringify(["step", step] satisfies Late)}`);
  }

  #refused(event: Refused): void {
    const session = this.#sessions.get(event.session);
    if (session === undefined) {
      if (event.session === "") this.#turnedAway(event);
      return;
    }
    if (event.transaction === null || event.transaction === session.last) return session.refuse(event);
    const message = session.message(event.transaction);
    message.refuse(event, session.offset());
    if (event.command === "message" || event.command === "MAIL") {
      this.#finish(session, event.reply.code < 500 ? "deferred" : "refused");
    }
  }

  /** Nobody had a session for it: no room. */
  #turnedAway(event: Refused): void {
    const session = new OpenSession(`s${newId(this.#options.now())}`, event.ip, "", "");
    session.refuse(event);
    this.#end(session, event.reason ?? event.reply.text, 0);
  }

  /** Null: by what the peer was told. */
  #finish(session: OpenSession, verdict: Verdict | null): void {
    const message = session.current!;
    session.current = null;
    session.last = message.id;
    session.messages++;
    this.#steps -= message.steps.length;
    const head = session.head(message, verdict ?? this.#verdictOf(message));
    this.#count(head, message.accepted);
    this.#release(session);
    if (session.messages > 1) return this.#write("e", head, message.part());
    session.first = { head, part: message.part() };
    this.#waiting.add(session);
    this.#options.waits();
  }

  #verdictOf(message: OpenMessage): Verdict {
    const { abandoned, deciding } = message;
    if (abandoned !== null && abandoned.recipients.length > 0 || deciding === null) return "abandoned";
    return deciding.reply.code < 500 ? "deferred" : "refused";
  }

  #closed(event: Extract<Event, { type: "session-closed" }>): void {
    const session = this.#sessions.get(event.session);
    if (session === undefined) return;
    this.#sessions.delete(event.session);
    this.#end(session, event.reason, event.seconds);
  }

  #end(session: OpenSession, reason: string | null, seconds: number | null): void {
    if (session.current !== null) this.#finish(session, null);
    this.#steps -= session.steps.length;
    session.ended = reason;
    session.seconds = seconds;
    if (session.first !== null && session.messages === 1) {
      session.first.part[5] = session.part();
      return this.#release(session);
    }
    this.#release(session);
    const { deciding } = session, alone = session.messages === 0;
    const verdict = deciding === null ? "none" : deciding.reply.code < 500 ? "deferred" : "refused";
    const head = session.head(null, verdict);
    this.#write(alone ? "e" : "s", head, session.part());
    if (alone) this.#count(head, null);
  }

  #count(head: Head, accepted: Accepted | null): void {
    const { tally } = this.#options, verdict = head[VERDICT], plugin = head[PLUGIN];
    tally.ended(verdict, accepted);
    if (plugin === null || plugin === "core") return;
    if (verdict === "refused" || verdict === "deferred" || verdict === "held") tally.plugin(plugin, verdict);
  }

  #attempt(event: Delivered | Deferred | Bounced | Held): void {
    this.#options.tally.attempted(event);
    const outcome = event.type === "bounced" && event.expired ? "expired" : event.type;
    const now = this.#options.now(), recipient = short(event.recipient);
    const late: Late = event.type === "held"
      ? ["attempt", now, recipient, "held", null, short(event.reason), "", null, 0, null, ""]
      : [
        "attempt",
        now,
        recipient,
        outcome,
        event.relay === null ? null : short(event.relay),
        short(event.reply),
        event.status,
        event.tls,
        event.attempts,
        event.type === "deferred" ? event.next : null,
        short(event.sender),
      ];
    const own = event.type === "held" ? undefined : event.session;
    // Nobody received a letter of this site's own: its first attempt is the first that is heard of it
    const kind = own === undefined || own.startsWith("s") ? "l" : `m${own}\t`;
    this.#options.sink(`${kind}${event.transaction}\t${JSON.stringify(late)}`);
  }

  #write(kind: "e" | "s", head: Head, part: MessagePart | SessionPart): void {
    this.#options.sink(`${kind}${JSON.stringify(head)}\t${JSON.stringify(part)}`);
  }
}

/** A story that is not over. */
export interface OpenView {
  readonly head: Head;
  readonly message: MessagePart | null;
  readonly session: SessionPart;
}

function names(full: string, asked: string): boolean {
  return full === asked || asked.length === 8 && shortId(full) === asked;
}
