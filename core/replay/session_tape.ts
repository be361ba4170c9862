/**
 * Records one session: puts what the engine took, what it said, what plugins asked and what was decided into the order in
 * which it happened. The octets that nobody has understood yet never come here. Non-job: the file (recorder.ts).
 */
import type { Answer } from "../dns/answer.ts";
import type { Event } from "../observe/events.ts";
import type { Reply } from "../model/reply.ts";
import type { TlsFacts } from "../pipeline/contexts/contexts.ts";
import type { Taken, Tape } from "../smtp/tape.ts";
import { type Line, lineOf } from "./format.ts";
import type { Told } from "./recording.ts";

export interface TapeOptions {
  /** Contents are kept. */
  readonly bodies: boolean;
  /** Takes lines, each with its end. */
  write(lines: string): void;
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
}

type Deed = Extract<Line, { deed: unknown }>["deed"];
/** An act whose answer is not whole yet. */
interface Open {
  readonly deed: Deed;
  readonly head: Line;
  /** Characters of the output under way that belong to the acts before it. */
  readonly mark: number;
  /** Its head is written. */
  begun: boolean;
  readonly notes: Line[];
  said: string;
}

/** Ends of a session that have to do with time and the house. */
const OURS = new Set(["shutting down", "timeout", "timeout in the content", "content too slow"]);

export class SessionTape implements Tape {
  readonly #options: TapeOptions;
  readonly #begin: number;
  /** Octets of the peer that came, and that were taken. */
  #came = 0;
  #taken = 0;
  /** Those that had come when the last act was answered. */
  #cameByAnswer = 0;
  /** In their order; the last one goes on. */
  readonly #open: Open[] = [];
  #count = 0;
  #over = false;

  constructor(options: TapeOptions) {
    this.#options = options;
    this.#begin = options.monotonic();
    this.#act({ kind: "connect" }, 0, false);
  }

  /** How many acts there are so far. */
  get count(): number {
    return this.#count;
  }

  // ---- the engine ---------------------------------------------------------------------------------------------------

  arrived(octets: number): void {
    this.#came += octets;
  }

  took(taken: Taken, { octets, said }: { readonly octets: number; readonly said: number }): void {
    const early = this.#early();
    this.#taken += octets;
    this.answered();
    if (this.#over) return;
    const inLogin = this.#last.deed.kind === "auth";
    if (taken.kind === "response" || taken.kind === "long" && inLogin && this.#last.said === "") return; // one act
    this.#act(taken, said, early);
  }

  content(octets: Uint8Array, said: number): void {
    if (octets.length === 0 || this.#over) return;
    // A chunk of BDAT has its own act, behind its command's
    if (this.#last.deed.kind !== "content") this.#act({ kind: "content" }, said, this.#early());
    this.#taken += octets.length;
    this.answered();
    this.#note(this.#options.bodies ? { octets: octets.toBase64() } : { size: octets.length });
  }

  said(output: string): void {
    if (this.#over) return;
    let at = 0;
    for (const [index, act] of this.#open.entries()) {
      const end = this.#open[index + 1]?.mark ?? output.length;
      const part = output.slice(at, Math.max(at, end));
      // A challenge may hold what the client said
      act.said += act.deed.kind === "auth" ? part.replace(/^334[^\r]*\r\n/gm, "") : part;
      at = Math.max(at, end);
    }
    const last = this.#open.pop()!;
    for (const act of this.#open.splice(0)) this.#write(act);
    this.#open.push({ ...last, mark: 0 });
  }

  // ---- the house ----------------------------------------------------------------------------------------------------

  /** The last act has its answer. */
  answered(): void {
    this.#cameByAnswer = this.#came;
  }

  secured(facts: TlsFacts): void {
    this.#act({ kind: "tls", facts }, 0, false);
  }

  /** What observers are told of this session. */
  observe(event: Event): void {
    if (event.type === "login") {
      if (event.ok && this.#last.deed.kind === "auth") this.#note({ user: event.user });
    } else if (event.type === "refused" && event.command !== "AUTH") {
      this.#note({ plugin: event.plugin, reason: event.reason });
    }
  }

  known(question: string, answer: Answer): void {
    const { ttl, name, authentic } = answer, origin = { ttl, name, authentic };
    if (answer.fault !== undefined) return this.#note({ question, answer: { ...origin, fault: answer.fault } });
    const records = answer.records.filter((each) => typeof each === "string" || "exchange" in each);
    if (records.length > 0) this.#note({ question, answer: { ...origin, records } });
  }
  heard(asked: string, reply: Reply): void {
    this.#note({ asked, reply: String(reply) });
  }
  told({ question: outside, ...rest }: Told): void {
    this.#note({ outside, ...rest });
  }
  counted(counter: string, value: string | null): void {
    this.#note({ counter, value });
  }

  /** The connection is over. */
  end(reason: string): void {
    if (this.#over) return;
    // What the house said on its own is no answer to the peer
    if (OURS.has(reason)) this.#last.said = this.#last.said.replace(/421 [^\r\n]*\r\n$/, "");
    for (const act of this.#open.splice(0)) this.#write(act);
    if (this.#came > this.#taken) this.#rest(this.#came - this.#taken);
    this.#over = true;
    this.#options.write(lineOf({ ended: reason }));
  }

  // ---- pieces -------------------------------------------------------------------------------------------------------

  get #last(): Open {
    return this.#open.at(-1)!;
  }
  /** Whether what comes next in the input was there before the last act was answered. */
  #early(): boolean {
    return this.#cameByAnswer > this.#taken;
  }
  #headOf(deed: Deed, early: boolean): Line {
    const at = Math.max(0, Math.round(this.#options.monotonic() - this.#begin));
    return { at, ...early && { early }, deed };
  }
  #act(deed: Deed, mark: number, early: boolean): void {
    if (this.#over) return;
    this.#count++;
    this.#open.push({ deed, head: this.#headOf(deed, early), mark, begun: false, notes: [], said: "" });
  }
  #rest(octets: number): void {
    this.#options.write(lineOf(this.#headOf({ kind: "rest", octets }, this.#early())));
  }

  /** What is known about the last act. A content is not held back till its end. */
  #note(line: Line): void {
    if (this.#over) return;
    const last = this.#last;
    last.notes.push(line);
    if (this.#open.length === 1) this.#begins(last);
  }
  #begins(act: Open): void {
    let lines = act.begun ? "" : lineOf(act.head);
    act.begun = true;
    for (const note of act.notes.splice(0)) lines += lineOf(note);
    if (lines !== "") this.#options.write(lines);
  }
  #write(act: Open): void {
    this.#begins(act);
    if (act.said !== "") this.#options.write(lineOf({ said: act.said }));
  }
}
