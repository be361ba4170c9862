/**
 * What two threads say to each other: questions with their answers, and notes that want none. All of one turn of the event
 * loop crosses in one message each way, with the octets of all of it in one buffer: a message costs more than what is in it.
 * Non-job: what is asked (wire.ts).
 */
import { setImmediate } from "node:timers";
import { concat } from "../model/octets.ts";
import { StoreError } from "../store/store.ts";

/** The end of a thread that messages go into and come out of: a Worker, or what a Worker calls itself. */
export interface Port {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
}
export interface ExchangeOptions<Theirs, Note> {
  /** Answers what the other side asks. `octets`: what came with it, a view of a buffer that others share. */
  answer(question: Theirs, octets: Uint8Array<ArrayBuffer>): unknown;
  /** Takes what the other side tells. */
  told(note: Note): void;
  /** Adds what goes with every message, when one is about to go; null: nothing. */
  also?(): unknown;
}

interface Parcel {
  /** Number, question, and where its octets are. */
  readonly asks: readonly (readonly [number: number, question: unknown, at: number, size: number])[];
  /** Number and value, or a fault. */
  readonly answers: readonly (readonly [number: number, value: unknown, fault?: Fault])[];
  readonly notes: readonly unknown[];
  readonly octets: ArrayBuffer;
}
/** An error in plain values; `store`: the kind of a StoreError. */
interface Fault {
  readonly name: string;
  readonly message: string;
  readonly store?: StoreError["fault"];
}
interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Milliseconds that what nobody waits for may wait: a message for every step of a session would cost more than the steps. */
const LATER = 25;
const NONE = new Uint8Array(0);

export class Exchange<Ours, Theirs, OurNote, TheirNote> {
  readonly #port: Port;
  readonly #options: ExchangeOptions<Theirs, TheirNote>;
  readonly #waiting = new Map<number, Waiting>();
  #asks: [number, unknown, number, number][] = [];
  #octets: Uint8Array[] = [];
  #size = 0;
  #handed: Transferable[] = [];
  #answers: (readonly [number, unknown, Fault?])[] = [];
  #notes: unknown[] = [];
  #scheduled = false;
  #later = false;
  #number = 0;
  #closed: Error | null = null;

  constructor(port: Port, options: ExchangeOptions<Theirs, TheirNote>) {
    this.#port = port;
    this.#options = options;
    port.onmessage = ({ data }: MessageEvent<Parcel>) => this.#receive(data);
  }

  /** `octets`: copied before this turn ends; pieces that follow each other. */
  ask(question: Ours, ...octets: readonly Uint8Array[]): Promise<unknown> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const number = this.#number++, at = this.#size;
    for (const each of octets) {
      this.#octets.push(each);
      this.#size += each.length;
    }
    this.#asks.push([number, question, at, this.#size - at]);
    this.#schedule();
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
  }

  /** Asks with something that becomes the other side's, named in the question. */
  hand(question: Ours, what: Transferable): Promise<unknown> {
    if (this.#closed === null) this.#handed.push(what);
    return this.ask(question);
  }

  tell(note: OurNote): void {
    this.#notes.push(note);
    this.#schedule();
  }

  /** Something waits to be sent along, by `also`: with the next message, or alone within `LATER`. */
  nudge(): void {
    if (this.#scheduled || this.#later) return;
    this.#later = true;
    setTimeout(() => {
      this.#later = false;
      this.flush();
    }, LATER);
  }

  /** Sends what waits now: this thread is about to end, or to be busy. */
  readonly flush = (): void => {
    this.#scheduled = false;
    if (this.#closed !== null) return;
    const also = this.#options.also?.() ?? null;
    if (also !== null) this.#notes.push(also);
    if (this.#asks.length === 0 && this.#answers.length === 0 && this.#notes.length === 0) return;
    const pieces = this.#octets, octets = concat(pieces).buffer;
    const parcel: Parcel = { asks: this.#asks, answers: this.#answers, notes: this.#notes, octets };
    this.#asks = [];
    this.#answers = [];
    this.#notes = [];
    this.#octets = [];
    this.#size = 0;
    const handed = this.#handed;
    this.#handed = [];
    try {
      this.#port.postMessage(parcel, [octets, ...handed]);
    } catch { // a plugin has put something there that is no value
      const again = concat(pieces).buffer; // the first is gone with the attempt
      this.#port.postMessage(this.#sendable({ ...parcel, octets: again }), [again]);
    }
  };

  /** What can cross; whoever asked with what cannot hears so. */
  #sendable({ asks, answers, notes, octets }: Parcel): Parcel {
    return {
      asks: asks.filter((each) => {
        const fault = faultIn(each);
        if (fault === null) return true;
        this.#waiting.get(each[0])?.reject(fault);
        this.#waiting.delete(each[0]);
        return false;
      }),
      answers: answers.map((each) => {
        const fault = faultIn(each);
        return fault === null ? each : [each[0], null, faultOf(fault)];
      }),
      notes: notes.map((each) => faultIn(each) === null ? each : JSON.parse(JSON.stringify(each, asText))),
      octets,
    };
  }

  /** The other side is no more: who waits hears so. */
  close(why: Error): void {
    if (this.#closed !== null) return;
    this.#closed = why;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.flush);
  }

  #receive({ asks, answers, notes, octets }: Parcel): void {
    for (const note of notes) this.#options.told(note as TheirNote);
    for (const [number, value, fault] of answers) {
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (fault === undefined) waiting?.resolve(value);
      else waiting?.reject(errorOf(fault));
    }
    for (const [number, question, at, size] of asks) {
      this.#answer(number, question as Theirs, size === 0 ? NONE : new Uint8Array(octets, at, size));
    }
  }

  #answer(number: number, question: Theirs, octets: Uint8Array<ArrayBuffer>): void {
    let answer: unknown;
    try {
      answer = this.#options.answer(question, octets);
    } catch (error) {
      return this.#answered(number, undefined, error);
    }
    if (!(answer instanceof Promise)) return this.#answered(number, answer);
    answer.then((value) => this.#answered(number, value), (error) => this.#answered(number, undefined, error));
  }

  #answered(number: number, value: unknown, error?: unknown): void {
    this.#answers.push(error === undefined ? [number, value] : [number, null, faultOf(error)]);
    this.#schedule();
  }
}

/** Why it cannot cross, or null. */
function faultIn(value: unknown): Error | null {
  try {
    structuredClone(value);
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** What JSON has no word for. */
function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" || typeof value === "function" || typeof value === "symbol" ? String(value) : value;
}

function faultOf(error: unknown): Fault {
  if (error instanceof StoreError) return { name: error.name, message: error.message, store: error.fault };
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
}

function errorOf({ name, message, store }: Fault): Error {
  if (store !== undefined) return new StoreError(store, message);
  if (name === "RangeError") return new RangeError(message);
  const error = new Error(message);
  error.name = name;
  return error;
}
