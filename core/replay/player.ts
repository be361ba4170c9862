/**
 * Plays a recorded session again: the engine, the reception and the pipelines are the real ones, the peer does what it did
 * then, the clock and what plugins hear from outside are those of then. A peer that is answered differently would do
 * something else: what it cannot have done is left out, and said to be. Non-job: what differs (compare.ts).
 */
import { concat } from "../model/octets.ts";
import { defer, type Reply } from "../model/reply.ts";
import { Reception } from "../net/reception.ts";
import type { Event } from "../observe/events.ts";
import type { Outside } from "../pipeline/contexts/outside.ts";
import type { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import type { Asking, Challenge } from "../smtp/events.ts";
import { ServerSession } from "../smtp/server.ts";
import { parseReply } from "./asking.ts";
import { headOf, parseRecording } from "./format.ts";
import type { DryHouse, SessionServices } from "./house.ts";
import { placeholderChunk, placeholderText } from "./placeholder.ts";
import { type Act, plainReply, type Recording } from "./recording.ts";
import { SessionTape } from "./session_tape.ts";

/** What the recording cannot give, and the house must. */
export type PlayServices = Pick<SessionServices, "dns" | "counters" | "callAhead"> & {
  /** Answers in the place of those outside, given the place of the act that is played; null: they are asked. */
  outside: ((act: () => number) => Outside) | null;
  /** Told what observers would be told; `at`: the place of the act that it belongs to. */
  emit?(event: Event, at: number): void;
  taken?(transaction: TransactionContext): void;
};
/** What became of an act: the same act as it went now; null: it was not played, and why not is `left`. */
export interface Played {
  readonly acts: readonly (Act | null)[];
  /** Why the rest was left out; null: it was played to its end. */
  readonly left: string | null;
}

/** Verbs that mean nothing outside of a transaction. */
const INSIDE = new Set(["RCPT", "DATA", "BDAT"]);
const LOST = "the recording has no more to say: the peer would have done something else";

/** The verb of a command, upper case; empty for what is none. */
export function verbOf({ deed }: Act): string {
  return deed.kind === "line"
    ? /^[A-Za-z]+/.exec(deed.text)?.[0].toUpperCase() ?? ""
    : deed.kind === "auth"
    ? "AUTH"
    : "";
}

/** @param house one session at a time */
export async function play(recording: Recording, house: DryHouse, services: PlayServices): Promise<Played> {
  return await new Player(recording, house, services).play();
}

class Player {
  readonly #recording: Recording;
  readonly #session: ServerSession;
  readonly #reception: Reception;
  readonly #tape: SessionTape;
  readonly #lines: string[] = [];
  /** Places of the acts that the engine was given, in their order. */
  readonly #fed: number[] = [];
  #closed = false;
  #left: string | null = null;

  constructor(recording: Recording, house: DryHouse, { emit, taken, outside, ...services }: PlayServices) {
    this.#recording = recording;
    const tape = this.#tape = new SessionTape({
      bodies: false,
      write: (lines) => void this.#lines.push(lines),
      monotonic: () => this.#current.at,
    });
    const now = () => recording.at + this.#current.at, { ip, port } = recording;
    const at = () => this.#place;
    this.#reception = new Reception(
      { ip, port, tls: null, identity: null },
      house.reception({
        ...services,
        ...outside && { outside: outside(at) },
        now,
        login: () => this.#login(),
        emit(event) {
          tape.observe(event);
          emit?.(event, at());
        },
        // A peer that is made to wait has waited already; before the greeting it may have talked
        pause: () => Promise.resolve(this.#current.deed.kind === "connect" && (recording.acts[1]?.early ?? false)),
        taken: taken ?? (() => {}),
      }),
    );
    this.#session = new ServerSession(house.engine(ip, now), (reply) => this.#reception.sign(reply));
    this.#session.tape = tape;
  }

  async play(): Promise<Played> {
    const { acts } = this.#recording;
    this.#fed.push(0);
    let at = 1;
    const implicit = acts[1]?.deed.kind === "tls" && acts[0]?.said === "";
    if (implicit) this.#secure(at++);
    if (!acts[at]?.early) await this.#pump();
    while (at < acts.length && this.#left === null && !this.#closed) at = await this.#next(at);
    this.#reception.gone(this.#recording.ended);
    this.#tape.end(this.#recording.ended);
    const { ip, port, at: began, session, listener, role, hostname } = this.#recording;
    const head = headOf({ ip, port, at: began, session, listener, role, hostname, bodies: false });
    return { acts: this.#aligned(parseRecording(head + this.#lines.join("")).acts), left: this.#left };
  }

  /** The next act, and those that were pipelined behind it; where the one after them stands. */
  async #next(at: number): Promise<number> {
    const { acts } = this.#recording, act = acts[at]!;
    if (act.deed.kind === "tls") {
      if (this.#session.state === "handshake") {
        this.#secure(at);
        await this.#pump();
      }
      return at + 1; // without a handshake it goes on in clear
    }
    if (this.#session.state === "handshake") return this.#leave(at, LOST);
    if (!this.#canBe(act)) return at + 1;
    if (this.#session.inContent && act.deed.kind !== "content" && act.deed.kind !== "rest") {
      return this.#leave(at, LOST);
    }
    if (this.#isStuck(act)) await this.#reset(at);
    const octets: Uint8Array[] = [];
    let end = at;
    do {
      const each = acts[end]!, fed = this.#octetsOf(end);
      if (end > at && (fed === null || !this.#canBeEarly(end))) break;
      if (fed === null) return this.#leave(at, "the login did not come to an end");
      octets.push(fed);
      if (each.deed.kind !== "rest") this.#fed.push(end);
      end++;
    } while (acts[end]?.early);
    const greeting = this.#session.state === "greeting";
    if (greeting) this.#reception.talks();
    this.#session.receive(concat(octets));
    await this.#pump();
    return end;
  }

  #leave(at: number, why: string): number {
    this.#left = why;
    return at;
  }

  /** A new transaction begins, and the one before it has come to no end as it did then: all recipients are refused now. */
  #isStuck(act: Act): boolean {
    if (verbOf(act) !== "MAIL" || !/^2/.test(act.said)) return false;
    return this.#session.inTransaction || this.#session.state === "spoiled";
  }
  /** What any client does before the next message. Stands in the place of the act that follows. */
  async #reset(at: number): Promise<void> {
    this.#fed.push(at);
    this.#session.receive(UTF8.encode("RSET\r\n"));
    await this.#pump();
  }

  /** Whether the peer can have said that, as things stand now. */
  #canBe(act: Act): boolean {
    const session = this.#session, verb = verbOf(act), taken = /^[23]/.test(act.said);
    if (act.deed.kind === "content") return session.inContent;
    if (act.deed.kind !== "line" || !taken) return true;
    if (INSIDE.has(verb) && !session.inTransaction && session.state !== "spoiled") return false;
    return !(verb === "DATA" && session.recipients === 0);
  }
  /** A content that came with its DATA is put there only where that is told from one that waited. */
  #canBeEarly(at: number): boolean {
    const { acts } = this.#recording;
    if (acts[at]!.deed.kind === "tls") return false;
    if (acts[at]!.deed.kind !== "content" || verbOf(acts[at - 1]!) !== "DATA") return true;
    return this.#session.options.forbidEarlyTalk;
  }

  /** Null where nothing can be said. */
  #octetsOf(at: number): Uint8Array | null {
    const { acts } = this.#recording, { deed, said } = acts[at]!;
    switch (deed.kind) {
      case "line":
        return Uint8Array.from(deed.text, (char) => char.charCodeAt(0));
      case "long":
      case "rest":
        return new Uint8Array(Math.min(deed.octets, MOST)).fill(0x78);
      case "auth":
        if (said === "") return null; // the peer left, or was cut
        return UTF8.encode(`AUTH ${deed.mechanism || "UNKNOWN"}\r\n`);
      case "content": {
        if (deed.octets !== null) return deed.octets;
        const dots = !verbOf(acts[at - 1]!).startsWith("BDAT");
        return dots ? placeholderText(deed.size) : placeholderChunk(deed.size, this.#isFirstChunk(at));
      }
      default:
        return new Uint8Array(0);
    }
  }
  #isFirstChunk(at: number): boolean {
    const { acts } = this.#recording;
    for (let before = at - 2; before >= 0; before--) {
      if (acts[before]!.deed.kind === "content") return false;
      if (verbOf(acts[before]!) !== "BDAT") return true;
    }
    return true;
  }

  #secure(at: number): void {
    const { deed } = this.#recording.acts[at]!;
    if (deed.kind !== "tls") return;
    this.#fed.push(at);
    this.#tape.secured(deed.facts);
    this.#session.secured({ certificate: deed.facts.certificate !== null });
    this.#reception.secured(deed.facts, () => new Map());
  }

  /** The act of then that the engine is at. */
  get #current(): Act {
    return this.#recording.acts[this.#place] ?? NOTHING;
  }
  get #place(): number {
    return this.#fed[Math.min(this.#tape?.count ?? 1, this.#fed.length) - 1] ?? 0;
  }

  #login(): { readonly user: string | null; readonly reply: Reply | null } {
    const { deed, said } = this.#current;
    return { user: deed.kind === "auth" ? deed.user : null, reply: parseReply(plainReply(said)) };
  }

  async #pump(): Promise<void> {
    const session = this.#session, host = this.#reception;
    for (let event = session.next(); event !== null; event = session.next()) {
      if (event.asks) {
        const answer = await this.#ask(event);
        this.#tape.answered();
        session.answer(answer);
      } else if (event.type === "body") await host.body(event.chunk);
      else if (event.type === "spoiled") host.spoiled();
      else if (event.type === "reset") host.reset();
      else if (event.type === "refused") host.refused(event.command, event.reply);
      else this.#closed = true;
    }
    session.takeOutput();
  }

  async #ask(event: Asking): Promise<Reply | readonly Reply[] | Challenge> {
    if (event.type !== "message" || !this.#isPlaceholder()) return await this.#reception.ask(event);
    this.#reception.reset(); // nobody can judge what is not there: what was said then is said now
    const replies = repliesIn(this.#current.said);
    if (this.#session.options.lmtp) {
      return Array.from(
        { length: this.#session.recipients },
        (_, index) => replies[index] ?? replies.at(-1) ?? UNKNOWN,
      );
    }
    return replies.at(-1) ?? UNKNOWN;
  }

  /** Of the chunks of this message, one at least is only known by its size. */
  #isPlaceholder(): boolean {
    const { acts } = this.#recording;
    for (let at = this.#place; at >= 0; at--) {
      const { deed } = acts[at]!;
      if (deed.kind === "content" && deed.octets === null) return true;
      if (deed.kind !== "content" && verbOf(acts[at]!) !== "BDAT") return false;
    }
    return false;
  }

  /** What was played, at the places of what it was made from. */
  #aligned(played: readonly Act[]): (Act | null)[] {
    const { acts } = this.#recording, found: (Act | null)[] = acts.map(() => null);
    for (const [index, act] of played.entries()) {
      const place = this.#fed[index], then = place === undefined ? undefined : acts[place];
      if (then === undefined || then.deed.kind !== act.deed.kind) break; // content that was read as commands
      found[place!] = act;
    }
    return found;
  }
}

/** Longer lines than any engine takes. */
const MOST = 1_000_000;
const NOTHING: Act = { deed: { kind: "connect" }, at: 0, early: false, said: "", blame: null };
const UNKNOWN = defer("4.4.2", "The recording has no answer");
const UTF8 = new TextEncoder();

/** The replies of what was said, in their order. */
function repliesIn(said: string): Reply[] {
  const replies: Reply[] = [];
  let text = "";
  for (const line of plainReply(said).split("\r\n")) {
    text += `${line}\r\n`;
    if (line[3] === "-") continue;
    const reply = parseReply(text);
    if (reply !== null) replies.push(reply);
    text = "";
  }
  return replies;
}
