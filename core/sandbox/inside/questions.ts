/**
 * What one call inside asks its host for: numbered questions and their answers, and the parts of a context that are made
 * of them: name service, counters, octets. Non-job: the answers (host/answers.ts).
 */
import type { Answer, RecordType } from "../../dns/answer.ts";
import { DnsError, type LookupOptions, type Mx, type Resolver } from "../../dns/resolver.ts";
import type { Body, BodyWriter, CounterEntry, CounterOptions, CounterQuery, Counters } from "../../store/store.ts";
import { fromWireError } from "../values.ts";
import type { Inward, Outward, Question, WireBody } from "../wire.ts";

/** Gives a message to the host. */
export type Post = (message: Outward, transfer?: ArrayBuffer[]) => void;
type Response = Extract<Inward, { do: "response" }>;
interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The questions of one call. */
export class Questions {
  readonly #post: Post;
  readonly #call: number;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  /** The clock as of the last word from the host; null: the system's. */
  clock: number | null = null;
  /** How many were asked. */
  asked = 0;

  constructor(post: Post, call: number) {
    this.#post = post;
    this.#call = call;
  }

  ask(about: Question, options: { readonly signal?: AbortSignal | undefined; readonly transfer?: ArrayBuffer[] } = {}) {
    const question = ++this.#last;
    this.asked++;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(question, { resolve, reject });
      try {
        this.#post({ do: "question", call: this.#call, question, about }, options.transfer);
      } catch (error) { // something in it cannot be cloned
        this.#waiting.delete(question);
        reject(error);
        return;
      }
      const cancel = () => this.#post({ do: "cancel", call: this.#call, question });
      if (options.signal?.aborted) cancel();
      else options.signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  answered({ question, value, error, now }: Response): void {
    this.clock = now;
    const waiting = this.#waiting.get(question);
    this.#waiting.delete(question);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(fromWireError(error));
  }

  now(): number {
    return this.clock ?? Date.now();
  }
}

/** Name service by questions. */
export class AskedResolver implements Resolver {
  constructor(readonly questions: Questions) {}

  a(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("a", name, options) as Promise<readonly string[]>;
  }
  aaaa(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("aaaa", name, options) as Promise<readonly string[]>;
  }
  mx(name: string, options?: LookupOptions): Promise<readonly Mx[]> {
    return this.#ask("mx", name, options) as Promise<readonly Mx[]>;
  }
  txt(name: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("txt", name, options) as Promise<readonly string[]>;
  }
  ptr(ip: string, options?: LookupOptions): Promise<readonly string[]> {
    return this.#ask("ptr", ip, options) as Promise<readonly string[]>;
  }
  async lookup<T extends RecordType>(name: string, type: T, options?: LookupOptions): Promise<Answer<T>> {
    const { signal } = options ?? {};
    try {
      return await this.questions.ask({ ask: "lookup", type, name }, { signal }) as Answer<T>;
    } catch (error) { // it never rejects
      return { fault: error instanceof DnsError ? error.fault : "servfail", ttl: 0, name, authentic: false };
    }
  }

  async #ask(type: "a" | "aaaa" | "mx" | "txt" | "ptr", name: string, options?: LookupOptions): Promise<unknown> {
    return await this.questions.ask({ ask: "dns", type, name }, { signal: options?.signal });
  }
}

/** The plugin's own part of the counters. */
export class AskedCounters implements Counters {
  constructor(readonly questions: Questions) {}

  async get(name: string): Promise<string | undefined> {
    return await this.questions.ask({ ask: "get", name }) as string | undefined;
  }
  async put(name: string, value: string, options: CounterOptions): Promise<void> {
    await this.questions.ask({ ask: "put", name, value, options });
  }
  async add(name: string, amount: number, options: CounterOptions): Promise<number> {
    return await this.questions.ask({ ask: "add", name, amount, options }) as number;
  }
  async list(query: CounterQuery): Promise<readonly CounterEntry[]> {
    return await this.questions.ask({ ask: "list", query }) as readonly CounterEntry[];
  }
}

let readers = 0;
/** Octets that are written at a time. */
const PIECE = 256 * 1024;

/** Octets that the host holds: the head is here, the rest comes when it is read. What came whole is kept. */
export class HeldBody implements Body {
  readonly body: number;
  readonly size: number;
  readonly head: Uint8Array<ArrayBuffer>;
  memory: Uint8Array<ArrayBuffer> | null;
  readonly #questions: Questions;

  constructor({ body, size, head, whole }: WireBody, questions: Questions) {
    this.body = body;
    this.size = size;
    this.head = head;
    this.memory = whole ? head : null;
    this.#questions = questions;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { body } = this, reader = ++readers, questions = this.#questions;
    const read = async () => await questions.ask({ ask: "read", body, reader }) as Uint8Array<ArrayBuffer> | null;
    let { memory } = this;
    return new ReadableStream({
      pull: async (controller) => {
        const chunk = memory ?? await read();
        if (chunk !== null && chunk.length === this.size && memory === null) this.memory = chunk.slice();
        const last = chunk === null || chunk.length === this.size;
        if (chunk !== null && chunk.length > 0) controller.enqueue(chunk === memory ? chunk.slice() : chunk);
        memory = null;
        if (last) controller.close();
      },
      cancel: () => void questions.ask({ ask: "unread", reader }).catch(() => {}),
    }, { highWaterMark: 0 });
  }
  discard(): void {
    void this.#questions.ask({ ask: "discard", body: this.body }).catch(() => {});
  }
}

/** Another body for the message. The header section, which comes first, is the host's to write. */
export class HeldWriter implements BodyWriter {
  readonly #questions: Questions;
  readonly #body: number;
  #skip: number;
  readonly #head: Uint8Array<ArrayBuffer>;

  /** `head`: the header section, which is written first. */
  constructor(questions: Questions, options: { readonly body: number; readonly head: Uint8Array<ArrayBuffer> }) {
    this.#questions = questions;
    this.#body = options.body;
    this.#head = options.head;
    this.#skip = options.head.length;
  }
  async write(chunk: Uint8Array): Promise<void> {
    const own = chunk.subarray(Math.min(this.#skip, chunk.length));
    this.#skip -= chunk.length - own.length;
    if (own.length === 0) return;
    for (let at = 0; at < own.length; at += PIECE) { // the host takes so much at a time, of all calls together
      const octets = new Uint8Array(own.subarray(at, at + PIECE)); // a copy, to give away
      await this.#questions.ask({ ask: "write", body: this.#body, octets }, { transfer: [octets.buffer] });
    }
  }
  async finish(): Promise<Body> {
    const size = await this.#questions.ask({ ask: "finish", body: this.#body }) as number;
    return new HeldBody(
      { body: this.#body, size, head: this.#head, whole: size === this.#head.length },
      this.#questions,
    );
  }
  abort(): void {
    void this.#questions.ask({ ask: "discard", body: this.#body }).catch(() => {});
  }
}
