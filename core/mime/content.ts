/**
 * What plugins that judge content want of a message: its parts, and its text decoded, read once and kept for all of them.
 * Non-job: reading entities (reader.ts), what HTML shows (html_text.ts).
 */
import { decodeText } from "./charset.ts";
import type { MimeDefect, MimeVisitor, PartConsumer, PartEnd, PartHead } from "./entity.ts";
import { textOf } from "./entity_fields.ts";
import { MimeReader } from "./reader.ts";

/** One entity. */
export interface ContentPart extends PartHead, PartEnd {
  /** Defects of its head and of its octets. */
  readonly defects: readonly MimeDefect[];
  /** Its first decoded octets: 4 KiB at most, and less where a message has many parts. Empty for a composite one. */
  readonly beginning: Uint8Array;
}
/** One text/* entity. */
export interface ContentText {
  /** Where it comes from. */
  readonly part: ContentPart;
  /** It is text/html. */
  readonly html: boolean;
  /** It is there as a file, and not as something to read at once. */
  readonly attached: boolean;
  /** Decoded; line ends as they came. */
  readonly text: string;
  /** Not all of it is there. */
  readonly cut: boolean;
}
/** What a message holds. */
export interface MessageContent {
  /** All entities in their order, the message itself first. 10,000 at most. */
  readonly parts: readonly ContentPart[];
  /** The text/* entities that have text within the bound. */
  readonly texts: readonly ContentText[];
  /** There is more text than was asked for. */
  readonly cut: boolean;
  /** There are more parts than 10,000. */
  readonly tooMany: boolean;
}

/** What is to be read: a message of the pipeline is one. */
export interface ContentSource {
  /** Octets. */
  readonly size: number;
  /** All octets; may refuse above `max`. */
  bytes(options?: { readonly max?: number }): Promise<Uint8Array>;
  /** All octets, afresh each time. */
  stream(): ReadableStream<Uint8Array>;
  /** Views of one message share what was received. */
  readonly received?: unknown;
}
/** How much of it. */
export interface ContentOptions {
  /** Octets of decoded text in all that are wanted at least; default 256 KiB. */
  readonly max?: number;
}

const MAX_TEXT = 256 * 1024;
const SMALL = 64 * 1024; // octets: in memory anyway, read at once
const BEGINNING = 4096;
const MAX_BEGINNINGS = 1024 * 1024; // octets, of all parts

/** What was read of a message, with how much text was asked for. */
const known = new WeakMap<object, { readonly max: number; readonly content: Promise<MessageContent> }>();

/**
 * Reads a message, once: whoever asks next is given the same, as long as the message lives. With a larger `max` than
 * before it is read again.
 *
 * @throws what its stream throws.
 * @example
 * ```ts
 * import { htmlText, messageContent, on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const seen: string[] = [];
 * const reads = on("data", async (ctx, next) => {
 *   const { texts } = await messageContent(ctx.message);
 *   for (const { html, text } of texts) seen.push(html ? htmlText(text).text : text);
 *   return next();
 * });
 * await runPhase(reads, "data", { message: "Content-Type: text/html\n\n<p>Hello <b>you</b>" });
 * assertEquals(seen.map((text) => text.trim()), ["Hello you"]);
 * ```
 */
export function messageContent(
  message: ContentSource,
  { max = MAX_TEXT }: ContentOptions = {},
): Promise<MessageContent> {
  const { received } = message;
  const key = typeof received === "object" && received !== null ? received : message;
  const before = known.get(key);
  if (before !== undefined && before.max >= max) return before.content;
  const content = read(message, max);
  known.set(key, { max, content });
  content.catch(() => { // a spool that could not be read is asked again
    if (known.get(key)?.content === content) known.delete(key);
  });
  return content;
}

async function read(message: ContentSource, max: number): Promise<MessageContent> {
  const gatherer = new Gatherer(max), reader = new MimeReader(gatherer);
  if (message.size <= SMALL) reader.write(await message.bytes({ max: SMALL }));
  else for await (const octets of message.stream()) reader.write(octets);
  reader.end();
  return gatherer.content(reader.tooMany);
}

/** A part that is being read. */
class Gathered implements PartConsumer {
  size = 0;
  ended: PartEnd | null = null;
  /** Octets may come one by one: what is kept of them is one piece. */
  #octets = new Uint8Array(0);
  #kept = 0;

  constructor(readonly head: PartHead, readonly text: boolean, readonly gatherer: Gatherer) {}

  write(octets: Uint8Array): void {
    this.size += octets.length;
    const { gatherer } = this, ofText = this.text && gatherer.text > 0;
    const room = ofText ? gatherer.text : Math.min(BEGINNING - this.#kept, gatherer.beginnings);
    if (room <= 0) return;
    const piece = octets.subarray(0, room), size = this.#kept + piece.length;
    if (size > this.#octets.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#kept));
      larger.set(this.#octets.subarray(0, this.#kept));
      this.#octets = larger;
    }
    this.#octets.set(piece, this.#kept);
    this.#kept = size;
    if (ofText) gatherer.text -= piece.length;
    else gatherer.beginnings -= piece.length;
  }
  end(end: PartEnd): void {
    this.ended = end;
  }
  get kept(): Uint8Array {
    return this.#octets.subarray(0, this.#kept);
  }
}

class Gatherer implements MimeVisitor {
  /** Octets that may still be kept: of texts, and of the beginnings of other parts. */
  text: number;
  beginnings = MAX_BEGINNINGS;
  readonly #parts: Gathered[] = [];

  constructor(max: number) {
    this.text = max;
  }

  part(head: PartHead): PartConsumer {
    const gathered = new Gathered(head, head.type.startsWith("text/"), this);
    this.#parts.push(gathered);
    return gathered;
  }

  content(tooMany: boolean): MessageContent {
    const parts: ContentPart[] = [], texts: ContentText[] = [];
    let cut = false;
    for (const { head, ended, kept, text, size } of this.#parts) {
      const part: ContentPart = {
        ...head,
        ...ended!,
        defects: [...new Set([...head.defects, ...ended!.defects])],
        beginning: kept.subarray(0, BEGINNING),
      };
      parts.push(part);
      if (!text) continue;
      const short = kept.length < size, html = part.type === "text/html";
      cut ||= short;
      if (kept.length === 0) continue;
      const charset = part.charset ?? (html ? metaCharset(kept) : null);
      const attached = part.disposition === "attachment" || part.disposition !== "inline" && part.filename !== null;
      texts.push({ part, html, attached, text: decodeText(kept, charset), cut: short });
    }
    return { parts, texts, cut, tooMany };
  }
}

/** What HTML says of itself in its first octets. */
function metaCharset(octets: Uint8Array): string | null {
  const beginning = textOf(octets, 0, Math.min(octets.length, 1024));
  return /<meta[^>]{0,200}charset\s{0,10}=\s{0,10}["']?([A-Za-z0-9_.:-]{1,40})/i.exec(beginning)?.[1] ?? null;
}
