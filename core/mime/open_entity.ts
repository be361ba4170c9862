/**
 * An entity that has begun and is not over: takes its coding off and hands its octets to whoever wants them, or to the
 * reader of the message that is coded in it. Non-job: where its octets begin and end (reader.ts).
 */
import { type Decoder, decoderFor } from "./decoder.ts";
import type { MimeDefect, PartConsumer, PartHead } from "./entity.ts";

/** Reads a message that was coded inside of another. */
export interface InnerReader {
  write(octets: Uint8Array): void;
  end(): void;
}

export class OpenEntity {
  /** Those that its octets showed. */
  readonly defects = new Set<MimeDefect>();
  readonly #head: PartHead;
  readonly #consumer: PartConsumer | null;
  readonly #inner: InnerReader | null;
  readonly #decoder: Decoder | null;
  #size = 0;

  /** `inner`: who reads its octets in place of the consumer. */
  constructor(head: PartHead, consumer: PartConsumer | null, inner: InnerReader | null = null) {
    this.#head = head;
    this.#consumer = consumer;
    this.#inner = inner;
    this.#decoder = head.composite && inner === null ? null : decoderFor(head.encoding);
  }

  /** Octets as they came. */
  write(octets: Uint8Array): void {
    this.#take(this.#decoder === null ? octets : this.#decoder.write(octets));
  }

  /** `bodyEnd`: where its body ended, -1 when it has no place in the message's octets. */
  end(bodyEnd: number): void {
    if (this.#decoder !== null) {
      this.#take(this.#decoder.end());
      if (this.#decoder.bad) this.defects.add("badCoding");
    }
    this.#inner?.end();
    this.#consumer?.end?.({
      size: this.#size,
      defects: [...this.defects],
      bodyEnd: bodyEnd < 0 ? -1 : Math.max(this.#head.bodyStart, bodyEnd),
    });
  }

  #take(octets: Uint8Array): void {
    if (octets.length === 0) return;
    this.#size += octets.length;
    if (this.#inner !== null) this.#inner.write(octets);
    else this.#consumer?.write?.(octets);
  }
}
