/**
 * The message of a transaction: the received octets, never changed, and beside them the header edits so far, which
 * `header` and `headers` show and `bytes` and `stream` never do. The header is parsed once, on first use.
 * Non-job: making edits (model/edits.ts), keeping octets (core/store).
 */
import { applyEditsToBytes, changesNothing, editedFields } from "../../model/edits.ts";
import { type BodyType, type HeaderEdits, NO_EDITS } from "../../model/envelope.ts";
import { HeaderSection } from "../../model/headers.ts";
import type { Body } from "../../store/store.ts";
import type { HeaderField, Message } from "./contexts.ts";

const MAX_BYTES = 1024 * 1024;

export class ReceivedMessage implements Message {
  readonly body: Body;
  readonly bodyType: BodyType;
  #section: HeaderSection | undefined;
  #headers: readonly HeaderField[] | undefined;
  #edited: EditedMessage | undefined;

  constructor(body: Body, bodyType: BodyType) {
    this.body = body;
    this.bodyType = bodyType;
  }

  get size(): number {
    return this.body.size;
  }
  /** The header section as received. */
  get section(): HeaderSection {
    return this.#section ??= new HeaderSection(this.body.head);
  }
  get bodyStart(): number {
    return this.section.bodyStart;
  }
  get malformed(): boolean {
    return this.section.malformedAt !== null;
  }
  get headerOctets(): Uint8Array<ArrayBuffer> {
    return this.body.head.subarray(0, this.section.fields.at(-1)?.end ?? 0);
  }
  header(name: string): string | undefined {
    const field = this.section.first(name);
    return field && this.section.value(field);
  }
  get headers(): readonly HeaderField[] {
    return this.#headers ??= editedFields(this.section, NO_EDITS);
  }

  async bytes(options: { readonly max?: number } = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { max = MAX_BYTES } = options;
    const { size, memory } = this.body;
    if (size > max) throw new RangeError(`the message has ${size} octets, more than ${max}: use stream()`);
    if (memory) return memory.slice(); // the octets stay as they came, whatever a plugin does to its copy
    const out = new Uint8Array(size);
    let at = 0;
    for await (const chunk of this.body.stream()) {
      out.set(chunk, at);
      at += chunk.length;
    }
    if (at !== size) throw new Error(`the spool gave ${at} of ${size} octets`);
    return out;
  }
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return streamOf(this.body);
  }
  get rewritten(): boolean {
    return false;
  }
  content(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.stream();
  }

  /** This message with `edits` beside it, and with another body; the same object for the same changes. */
  edited(edits: HeaderEdits, body: Body | null = null): Message {
    if (body === null && changesNothing(edits)) return this;
    if (this.#edited?.edits !== edits || this.#edited.body !== body) {
      this.#edited = new EditedMessage(this, edits, body);
    }
    return this.#edited;
  }
}

/** A copy: the octets stay as they came, whatever a plugin does to what it was given. */
function streamOf(body: Body): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { memory } = body;
  if (memory === null) return body.stream(); // read afresh from a file each time
  return new ReadableStream({
    pull(controller) {
      if (memory.length > 0) controller.enqueue(memory.slice());
      controller.close();
    },
  }, { highWaterMark: 0 });
}

class EditedMessage implements Message {
  readonly received: ReceivedMessage;
  readonly edits: HeaderEdits;
  /** What goes on in the place of the received octets, or null. */
  readonly body: Body | null;
  #headers: readonly HeaderField[] | undefined;

  constructor(received: ReceivedMessage, edits: HeaderEdits, body: Body | null) {
    this.received = received;
    this.edits = edits;
    this.body = body;
  }
  get size(): number {
    return this.received.size;
  }
  get bodyType(): BodyType {
    return this.received.bodyType;
  }
  get bodyStart(): number {
    return this.received.bodyStart;
  }
  get malformed(): boolean {
    return this.received.malformed;
  }
  get headerOctets(): Uint8Array<ArrayBuffer> {
    return applyEditsToBytes(this.received.headerOctets, this.edits);
  }
  header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.headers.find((field) => field.name.toLowerCase() === wanted)?.value;
  }
  get headers(): readonly HeaderField[] {
    return this.#headers ??= editedFields(this.received.section, this.edits);
  }
  bytes(options?: { readonly max?: number }): Promise<Uint8Array<ArrayBuffer>> {
    return this.received.bytes(options);
  }
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.received.stream();
  }
  get rewritten(): boolean {
    return this.body !== null;
  }
  content(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.body === null ? this.received.stream() : streamOf(this.body);
  }
}
