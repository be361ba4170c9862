/**
 * A milter session on a connection: one step and its answer at a time, in bounded memory and time; steps that are never
 * answered go together. Whatever goes wrong is an EngineError, and then it is closed. Non-job: what a milter is told when.
 */
import { EngineConnection, type EnginePlace } from "../engine.ts";
import type { Answer, Modification, Verdict } from "./answers.ts";
import type { Offer } from "./negotiation.ts";
import type { Patience } from "./patience.ts";
import { type MacroStage, MilterError } from "./protocol.ts";
import { type Macros, MilterSession, type Step } from "./session.ts";

/** What a step needs beside itself. */
export interface StepOptions {
  readonly patience: Patience;
  /** The macros of a stage; `chosen`: what the milter wants, where it said so. */
  readonly macros: (stage: MacroStage, chosen: readonly string[] | undefined) => Macros;
  /** Takes each change at the end of the message. The milter is made to wait meanwhile. */
  readonly modify?: (modification: Modification) => void | Promise<void>;
}

const CONTINUE: Verdict = { said: "continue" };
/** Octets that wait for company before they are sent. */
const TOGETHER = 32 * 1024;
/** Milliseconds for the last words. */
const FAREWELL = 5000;

export class Channel {
  readonly #connection: EngineConnection;
  readonly session: MilterSession;
  #unsent: Uint8Array[] = [];
  #waiting = 0;
  readonly #answers: Answer[] = [];

  private constructor(connection: EngineConnection, session: MilterSession) {
    this.#connection = connection;
    this.session = session;
  }

  /** Connected, and the first words are exchanged. @throws {EngineError} when that does not work in time. */
  static async open(
    place: EnginePlace,
    { offered, patience, connect }: {
      readonly offered: Offer;
      readonly patience: Patience;
      /** Milliseconds for the connection and the first words. */
      readonly connect: number;
    },
  ): Promise<Channel> {
    patience.await(connect);
    const connection = await EngineConnection.open(place, patience.signal);
    const channel = new Channel(connection, new MilterSession(offered));
    try {
      await connection.during(patience.signal, async () => {
        await connection.write(channel.session.begin());
        while (channel.session.agreement === null) await channel.#hear();
      });
    } catch (error) {
      connection.close();
      throw error;
    }
    patience.came();
    connection.rest();
    return channel;
  }

  /** It is of no more use. */
  get closed(): boolean {
    return this.#connection.closed;
  }

  /** What `work` gives, which asks; ends with the time for it, and is closed when it fails. */
  async during<T>({ signal }: Patience, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#connection.during(signal, work);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#connection.rest();
    }
  }

  /**
   * What the milter thinks of a step; "continue" where it does not say. Within `during`.
   *
   * @throws {EngineError} when it fails.
   */
  async ask(step: Step, options: StepOptions): Promise<Verdict> {
    const told = this.session.tell(step, options.macros);
    if (told === null) return CONTINUE;
    for (const octets of told.octets) {
      this.#unsent.push(octets);
      this.#waiting += octets.length;
    }
    if (!told.answered && this.#waiting < TOGETHER) return CONTINUE;
    const { patience } = options;
    // Who looks at the whole message may take all the time that there is for it
    const time = step.step === "endOfMessage" ? Infinity : undefined;
    patience.await(time);
    await this.#flush();
    const verdict = told.answered ? await this.#answer(options, time) : CONTINUE;
    patience.came();
    return verdict;
  }

  async #answer({ patience, modify }: StepOptions, time: number | undefined): Promise<Verdict> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer === undefined) {
        await this.#hear();
        continue;
      }
      if (answer.type === "verdict") return answer.verdict;
      patience.await(time); // it is alive
      if (answer.type === "modification") await modify?.(answer.modification);
    }
  }

  async #hear(): Promise<void> {
    const octets = await this.#connection.read();
    if (octets === null) throw new MilterError("it closed the connection");
    for (const answer of this.session.receive(octets)) this.#answers.push(answer);
  }

  async #flush(): Promise<void> {
    const unsent = this.#unsent;
    this.#unsent = [];
    this.#waiting = 0;
    if (unsent.length === 0) return;
    const octets = new Uint8Array(unsent.reduce((sum, each) => sum + each.length, 0));
    let at = 0;
    for (const each of unsent) {
      octets.set(each, at);
      at += each.length;
    }
    await this.#connection.write(octets);
  }

  /** The transaction is over before its end: said together with what comes next. */
  abort(): void {
    this.#unsent = [];
    this.#waiting = 0;
    this.#push(this.session.abort());
  }
  /** Another client is there now: said together with what comes next. False: the milter cannot do that. */
  restart(): boolean {
    const octets = this.session.quitAndStay();
    if (octets !== null) this.#push(octets);
    return octets !== null;
  }
  /** Says farewell and hangs up; nobody waits for it, and a milter that does not listen has a few seconds. */
  quit(): void {
    if (this.#connection.closed) return;
    this.#push(this.session.quit());
    const enough = setTimeout(() => this.#connection.close(), FAREWELL);
    this.#flush().then(() => this.#connection.end(), () => {}).finally(() => {
      clearTimeout(enough);
      this.#connection.close();
    });
  }
  /** At once. */
  close(): void {
    this.#connection.close();
  }

  #push(octets: Uint8Array): void {
    this.#unsent.push(octets);
    this.#waiting += octets.length;
  }
}
