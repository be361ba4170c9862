/**
 * A message on its way out: the received octets under the edits of this attempt, in the form that a peer takes, signed
 * last (SEMANTICS 18, 19, 20). Each form is made and signed once, whoever asks for it how often.
 * Non-job: which signers there are (plugins), what a peer offers (core/smtp/client).
 */
import { isAscii } from "node:buffer";
import { convert, examine, type Examined } from "../mime/convert.ts";
import { applyEdits, applyEditsToBytes } from "../model/edits.ts";
import type { BodyType, HeaderEdits, MailParameters } from "../model/envelope.ts";
import { headerEnd } from "../model/headers.ts";
import { concat } from "../model/octets.ts";
import type { OutboundContent } from "../net/outbound_content.ts";
import type { SignedContent, Signer } from "../pipeline/contexts/contexts.ts";
import { signatures } from "../pipeline/signatures.ts";
import type { ContentFacts } from "../smtp/client/mod.ts";
import { octetStream } from "../store/spool_file.ts";
import type { Body } from "../store/store.ts";

type Octets = Uint8Array<ArrayBuffer>;

/** What a peer takes: any form that holds no more than this. */
export type Capacity = BodyType;

/** Content for one kind of peer. */
export interface Form {
  readonly facts: ContentFacts;
  /** A fresh one each time. */
  content(): OutboundContent;
}

export interface OutgoingOptions {
  readonly body: Body;
  readonly edits: HeaderEdits;
  readonly parameters: Pick<MailParameters, "body" | "smtputf8">;
  readonly signers: readonly Signer[];
  /** What happens to content that a peer does not take as it is. */
  readonly eightBit: "convert" | "bounce";
}

const utf8 = new TextEncoder();

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #forms = new Map<Capacity, Promise<Form | "impossible">>();
  #examined: Promise<Examined> | null = null;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /**
   * The content for a peer of that capacity; `impossible` where it cannot be had without a part of it being another
   * (5.6.3). Rejects when the content cannot be read, or a signer fails: then nothing goes out.
   */
  form(capacity: Capacity): Promise<Form | "impossible"> {
    let form = this.#forms.get(capacity);
    if (form === undefined) {
      this.#forms.set(capacity, form = this.#make(capacity));
      form.catch(() => this.#forms.delete(capacity));
    }
    return form;
  }

  async #make(capacity: Capacity): Promise<Form | "impossible"> {
    const { parameters, eightBit } = this.#options, edited = this.#edited();
    // What came as 7BIT or 8BITMIME goes to whom takes 8BITMIME as it is: nobody has to look for parts
    if (parameters.body !== "BINARYMIME" && capacity !== "7BIT" || capacity === "BINARYMIME") {
      return await this.#signed(edited, parameters.body);
    }
    if (parameters.body !== "BINARYMIME" && isPlain(edited)) return await this.#signed(edited, "7BIT");
    const examined = await (this.#examined ??= examine(edited.stream()));
    if (fits(examined.body, capacity)) return await this.#signed(edited, examined.body, { examined: true });
    if (eightBit === "bounce") return "impossible";
    const to = capacity === "7BIT" ? "7BIT" : "8BITMIME";
    const converted = convert(edited.stream(), examined, to);
    if (converted === "impossible") return "impossible";
    // Its length has to be known before MAIL (RFC 1870): a small one stays in memory, a large one is made twice
    const size = this.#options.body.memory === null ? await sizeOf(converted) : null;
    const stream = () => convert(edited.stream(), examined, to) as ReadableStream<Octets>;
    const memory = size === null ? await collect(converted) : null;
    return await this.#signed(
      memory === null ? await streamed(stream, size!, edited.head.length) : inMemory(memory),
      to,
      { examined: true },
    );
  }

  #edited(): SignedContent {
    const { body, edits } = this.#options, { memory, size } = body;
    if (memory !== null) return inMemory(applyEditsToBytes(memory, edits));
    let length = size + utf8.encode(edits.prepend).length;
    for (const [start, end] of edits.drop) length -= Math.min(end, size) - Math.min(start, size);
    for (const [, text] of edits.insert ?? []) length += utf8.encode(text).length;
    return {
      size: length,
      memory: null,
      head: applyEditsToBytes(body.head, edits), // the whole header section is in there
      stream: () => applyEdits(body.stream(), edits),
    };
  }

  /** `examined`: `body` is what it is, not what somebody said. */
  async #signed(content: SignedContent, body: BodyType, { examined = false } = {}): Promise<Form> {
    const { signers, parameters } = this.#options;
    const front = signers.length === 0 ? "" : await signatures(signers, content);
    const facts: ContentFacts = {
      size: content.size + utf8.encode(front).length,
      // Programs say 7BIT, or nothing, of whatever they send; where nobody looked it may be more         RFC 6152 3
      body: body !== "7BIT" || examined || isPlain(content) ? body : "8BITMIME",
      utf8Header: parameters.smtputf8 && hasUtf8Header(content.head), //                                RFC 6531 3.4
    };
    if (content.memory !== null) {
      const octets = front === "" ? content.memory : concat([utf8.encode(front), content.memory]);
      return { facts, content: () => octets };
    }
    return {
      facts,
      content: () => front === "" ? content.stream() : applyEdits(content.stream(), { prepend: front, drop: [] }),
    };
  }
}

const RANK: Readonly<Record<BodyType, number>> = { "7BIT": 0, "8BITMIME": 1, "BINARYMIME": 2 };
function fits(body: BodyType, capacity: Capacity): boolean {
  return RANK[body] <= RANK[capacity];
}

/** Seven bits and in memory, as most are: no structure has to be looked at. */
function isPlain({ memory }: SignedContent): boolean {
  return memory !== null && isAscii(memory);
}

function hasUtf8Header(head: Uint8Array): boolean {
  const end = headerEnd(head, 0);
  return !isAscii(end < 0 ? head : head.subarray(0, end));
}

function inMemory(octets: Octets): SignedContent {
  return { size: octets.length, memory: octets, head: octets, stream: () => octetStream(octets) };
}

/** A converted header has a field or two more than it had. */
const MORE_HEAD = 4096;

async function streamed(stream: () => ReadableStream<Octets>, size: number, head: number): Promise<SignedContent> {
  const pieces: Octets[] = [];
  let length = 0;
  for await (const chunk of stream()) { // leaving the loop cancels it
    pieces.push(chunk);
    length += chunk.length;
    if (length >= head + MORE_HEAD) break;
  }
  return { size, memory: null, head: concat(pieces), stream };
}

async function sizeOf(content: ReadableStream<Octets>): Promise<number> {
  let size = 0;
  for await (const chunk of content) size += chunk.length;
  return size;
}

async function collect(content: ReadableStream<Octets>): Promise<Octets> {
  const pieces: Octets[] = [];
  for await (const chunk of content) pieces.push(chunk);
  return concat(pieces);
}
