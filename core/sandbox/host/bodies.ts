/**
 * Octets that one call inside reads and writes by their numbers. Non-job: who may.
 */
import type { TransactionContext } from "../../pipeline/contexts/transaction_context.ts";
import type { SignedContent } from "../../pipeline/contexts/contexts.ts";
import type { Body, BodyWriter } from "../../store/store.ts";
import { RECEIVED, REWRITTEN } from "./snapshot.ts";

type Readable = Pick<SignedContent, "memory" | "size" | "stream">;
type Reader = { next(): Promise<Uint8Array<ArrayBuffer> | null>; end(): void };

/** Bodies that one call may write, and read at a time. */
const MOST = 100;
/** What one call may write, octets: so much, and so many times what was received. */
const LEAST_WRITTEN = 64 * 1024 * 1024, TIMES_WRITTEN = 4;

export class Bodies {
  readonly #ctx: TransactionContext | null;
  readonly #given: Readable | null;
  readonly #writers = new Map<number, BodyWriter>();
  readonly #written = new Map<number, Body>();
  readonly #readers = new Map<number, Reader>();
  #octets = 0;
  /** The call has its answer, or is asked again: what is still under way comes to nothing. */
  #over = false;

  /** Those of a transaction, or a content that is to be signed. */
  constructor(source: TransactionContext | SignedContent | null) {
    const content = source !== null && "stream" in source;
    this.#ctx = content ? null : source as TransactionContext | null;
    this.#given = content ? source as SignedContent : null;
  }

  /** The next octets; null: that was all. The caller may give them away. */
  async read(body: number, reader: number): Promise<Uint8Array<ArrayBuffer> | null> {
    let found = this.#readers.get(reader);
    if (this.#over) throw new Error("the call is over");
    if (found === undefined) {
      if (this.#readers.size >= MOST) throw new RangeError("so many streams at a time are not read");
      this.#readers.set(reader, found = readerOf(this.#find(body)));
    }
    const chunk = await found.next();
    if (chunk === null || this.#over) this.#readers.delete(reader);
    return chunk;
  }

  unread(reader: number): void {
    this.#readers.get(reader)?.end();
    this.#readers.delete(reader);
  }

  /** One more piece of another body. The header section before it is the host's. */
  async write(body: number, octets: Uint8Array): Promise<void> {
    const writer = await this.#writer(body), most = LEAST_WRITTEN + TIMES_WRITTEN * (this.#ctx?.received?.size ?? 0);
    this.#octets += octets.length;
    if (this.#octets > most) {
      this.discard(body);
      throw new RangeError(`rewrite(): no more than ${most} octets are written`);
    }
    await writer.write(octets);
  }

  /** How many octets it has. */
  async finish(body: number): Promise<number> {
    const writer = await this.#writer(body);
    this.#writers.delete(body);
    const whole = await writer.finish();
    if (this.#over) {
      whole.discard(); // nobody will
      throw new Error("the call is over");
    }
    this.#written.set(body, whole);
    return whole.size;
  }

  discard(body: number): void {
    this.#writers.get(body)?.abort();
    this.#writers.delete(body);
    this.#written.get(body)?.discard();
    this.#written.delete(body);
  }

  /** Takes a finished one out. */
  take(body: number): Body {
    const found = this.#written.get(body);
    if (found === undefined) throw new TypeError("rewrite() wants a body that was written");
    this.#written.delete(body);
    return found;
  }

  /** What nobody took goes. */
  end(): void {
    this.#over = true;
    for (const body of [...this.#writers.keys(), ...this.#written.keys()]) this.discard(body);
    for (const reader of [...this.#readers.keys()]) this.unread(reader);
  }

  #find(body: number): Readable {
    const found = body === RECEIVED
      ? this.#given ?? this.#ctx?.received?.body
      : body === REWRITTEN
      ? this.#ctx?.rewritten
      : this.#written.get(body);
    if (found === null || found === undefined) throw new Error("there is no such body");
    return found;
  }

  async #writer(body: number): Promise<BodyWriter> {
    const known = this.#writers.get(body), ctx = this.#ctx;
    if (this.#over) throw new Error("the call is over");
    if (known !== undefined) return known;
    const received = ctx?.received ?? null, receive = ctx?.services.receive;
    if (received === null || receive === undefined || ctx?.phase !== "data") throw new TypeError("rewrite(): not here");
    if (body < 1 || this.#writers.size + this.#written.size >= MOST) {
      throw new RangeError("so many bodies are not kept");
    }
    const writer = receive.call(ctx.services, ctx.id);
    this.#writers.set(body, writer);
    await writer.write(received.body.head.subarray(0, received.bodyStart));
    return writer;
  }
}

function readerOf({ memory, stream }: Readable): Reader {
  if (memory !== null) {
    let octets: Uint8Array<ArrayBuffer> | null = memory;
    return {
      next: () => {
        const copy = octets === null ? null : octets.slice();
        octets = null;
        return Promise.resolve(copy);
      },
      end: () => {},
    };
  }
  const reader = stream().getReader();
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? null : value.slice(); // it is given away, and may be a part of something
    },
    end: () => void reader.cancel().catch(() => {}),
  };
}
