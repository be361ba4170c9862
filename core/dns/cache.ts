/**
 * A bounded cache before any name service: answers for their TTL, negative ones too (RFC 2308), failures for a moment
 * (RFC 9520 3.2). A question that is under way is asked once, whoever waits for it. Least recently used goes first.
 */
import { type Answer, type NameService, type RecordOf, type RecordType, unanswered } from "./answer.ts";
import type { DnsFault } from "./resolver.ts";

export interface CacheOptions {
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
  /** Octets of names and records that are kept, about (default 8 MiB). */
  readonly maxOctets?: number;
  /**
   * A question that is under way is asked once, whoever waits for it (default true). False where what was begun for one
   * event ends with it: an edge platform.
   */
  readonly shared?: boolean;
  /** Told of every question: its fault or null, and how long the service took; null: the answer was kept here. */
  readonly told?: (type: RecordType, fault: DnsFault | null, milliseconds: number | null) => void;
}

const MAX_TTL = 86_400; // seconds: a day, whatever the record says (RFC 8767 4 allows a cap)
const MAX_NEGATIVE_TTL = 900; // a domain that is being set up is not locked out for long
const FAILURE_TTL = 5; // RFC 9520 3.2: at least 1 s, at most 5 min
const ENTRY = 200; // what an entry costs beside its texts, about

interface Entry {
  readonly answer: Answer;
  readonly until: number;
  readonly octets: number;
}

export class Cache implements NameService {
  readonly #source: NameService;
  readonly #now: () => number;
  readonly #maxOctets: number;
  readonly #told: CacheOptions["told"];
  readonly #shared: boolean;
  readonly #entries = new Map<string, Entry>(); // oldest use first
  readonly #underWay = new Map<string, Promise<Answer>>();
  #octets = 0;

  constructor(source: NameService, options: CacheOptions = {}) {
    this.#source = source;
    this.#now = options.now ?? (() => performance.now());
    this.#maxOctets = options.maxOctets ?? 8 * 1024 * 1024;
    this.#told = options.told;
    this.#shared = options.shared ?? true;
  }

  /** Entries kept now. */
  get size(): number {
    return this.#entries.size;
  }

  ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>> {
    const key = `${type} ${name}`;
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.delete(key);
      const left = entry.until - this.#now();
      if (left > 0) {
        this.#entries.set(key, entry);
        this.#told?.(type, entry.answer.fault ?? null, null);
        return Promise.resolve({ ...entry.answer, ttl: Math.floor(left / 1000) } as Answer<T>);
      }
      this.#octets -= entry.octets;
    }
    if (!this.#shared) return this.#ask(key, type, name, signal) as Promise<Answer<T>>;
    let question = this.#underWay.get(key);
    if (question === undefined) {
      // Without the caller's signal: others may wait for the same answer, and the next one will want it.
      question = this.#ask(key, type, name).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, question);
    }
    return (signal === undefined ? question : orAborted(question, signal, name)) as Promise<Answer<T>>;
  }

  async #ask(key: string, type: RecordType, name: string, signal?: AbortSignal): Promise<Answer> {
    const began = performance.now(), answer = await this.#source.ask(type, name, signal);
    if (signal?.aborted) return answer; // it says nothing but that nobody waited
    this.#told?.(type, answer.fault ?? null, performance.now() - began);
    this.#keep(key, answer);
    return answer;
  }

  #keep(key: string, answer: Answer): void {
    this.#forget(key);
    const ttl = lifetime(answer), octets = cost(key, answer);
    if (ttl === 0 || octets > this.#maxOctets) return;
    this.#entries.set(key, { answer, until: this.#now() + ttl * 1000, octets });
    this.#octets += octets;
    for (const oldest of this.#entries.keys()) {
      if (this.#octets <= this.#maxOctets) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#octets -= entry.octets;
  }
}

function lifetime({ fault, ttl }: Answer): number {
  if (fault === undefined) return Math.min(ttl, MAX_TTL);
  return fault === "servfail" || fault === "timeout" ? FAILURE_TTL : Math.min(ttl, MAX_NEGATIVE_TTL);
}

function cost(key: string, answer: Answer): number {
  let octets = ENTRY + key.length + answer.name.length;
  for (const record of answer.records ?? []) octets += 40 + size(record);
  return octets;
}

function size(record: RecordOf[RecordType]): number {
  if (typeof record === "string") return record.length;
  return "data" in record ? 100 + record.data.length : record.exchange.length;
}

/** The answer, or a time-out for this caller alone. */
function orAborted(question: Promise<Answer>, signal: AbortSignal, name: string): Promise<Answer> {
  const late = unanswered("timeout", name);
  if (signal.aborted) return Promise.resolve(late);
  return new Promise((resolve, reject) => {
    const giveUp = () => resolve(late);
    signal.addEventListener("abort", giveUp, { once: true });
    question.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
