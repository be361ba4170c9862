/**
 * A message for a peer with less transport than it needs: leaf parts coded anew, their octets the same once decoded
 * (RFC 6152 3, RFC 3030 3, RFC 2045 6). Two passes over the content, each in bounded memory: `examine` finds what it holds,
 * `convert` writes. Fields in raw 8-bit stay as they are (SEMANTICS 19). Non-job: what the peer offers
 * (core/smtp/client/needs.ts), signing the outcome.
 */
import { Base64, Base64Lines, type Coder, Lines, type Octets, QuotedPrintable } from "./coder.ts";
import { type Form, type Part, RANK } from "./part.ts";
import { StructureReader } from "./structure.ts";

type Content = ReadableStream<Uint8Array<ArrayBuffer>>;

/** What a message needs of those who carry it. */
export interface Examined {
  /** What its octets need, those of the top header section aside; long lines are `longLines`. */
  readonly body: Form;
  /** A header field, of the message or of a part, has octets above 127. */
  readonly utf8Header: boolean;
  /** A line of a body is longer than 998 octets (RFC 5321 4.5.3.1.6). */
  readonly longLines: boolean;
  /** It has a DKIM or ARC signature, which conversion breaks. */
  readonly signed: boolean;
  /** Octets of all of it. */
  readonly size: number;
  /** Line ends outside of parts are not all CRLF, or NUL is there. */
  readonly rough: boolean;
  /** What must be changed for lesser transport, in the message's order. */
  readonly parts: readonly Part[];
}

const SLICE = 64 * 1024; // coded at a time, octets
const NAME = { "7BIT": "7bit", "8BITMIME": "8bit", "BINARYMIME": "binary" } as const;
const utf8 = new TextEncoder();

/**
 * Reads all of the content. @throws what the content throws.
 *
 * @example
 * ```ts
 * import { convert, examine } from "./convert.ts";
 * import { assert, assertEquals } from "@std/assert";
 * const content = () => new Blob(["Subject: hello\r\n\r\nGrüße\r\n"]).stream();
 * const examined = await examine(content());
 * assertEquals(examined.body, "8BITMIME");
 * const converted = convert(content(), examined, "7BIT");
 * assert(converted !== "impossible");
 * assertEquals((await new Response(converted).text()).split("\r\n").slice(-2), ["Gr=C3=BC=C3=9Fe", ""]);
 * ```
 */
export async function examine(content: Content): Promise<Examined> {
  const reader = new StructureReader();
  let size = 0;
  for await (const octets of content) {
    reader.write(octets);
    size += octets.length;
  }
  reader.end();
  const { body, utf8Header, longLines, signature, rough, parts } = reader;
  return { body, utf8Header, longLines, signed: signature, size, rough, parts };
}

/** Whether a peer that takes `to` can have it only converted. */
export function needsConversion({ body, longLines }: Examined, to: Form): boolean {
  return RANK[body] > RANK[to] || longLines && to !== "BINARYMIME";
}

/**
 * The same content for a peer that takes `to`, or `impossible` (5.6.3): what is signed or encrypted, or cannot be
 * understood, would have to change (RFC 1847 2.1). The content is read as the outcome is; cancelling that cancels it.
 */
export function convert(content: Content, examined: Examined, to: "7BIT" | "8BITMIME"): Content | "impossible" {
  if (!needsConversion(examined, to)) return content;
  const edits = editsFor(examined, to);
  if (edits === null) return "impossible";
  const writer = new Writer(edits, examined);
  const reader = content.getReader();
  let rest: Octets = new Uint8Array(0);
  return new ReadableStream<Octets>({
    async pull(controller) {
      for (const before = writer.given; writer.given === before;) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) {
            writer.end(controller);
            return controller.close();
          }
          rest = value;
        }
        writer.write(rest.subarray(0, SLICE), controller);
        rest = rest.subarray(SLICE);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Octets from `start` to `end` give way to the text, or go through the coder. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string | (() => Coder);
}

/** In their order; null when something must change that must not. */
function editsFor({ parts }: Examined, to: "7BIT" | "8BITMIME"): Edit[] | null {
  const edits: Edit[] = [];
  const add = (start: number, end: number, by: Edit["by"]) => edits.push({ start, end, by });
  for (const part of parts) {
    const { treatment, start, end } = part;
    const unfit = RANK[part.form] > RANK[to] || part.longLines;
    if (unfit && treatment === "fixed") return null;
    if (unfit && treatment === "filler") add(start, end, () => new Lines(true));
    else if (unfit && treatment === "base64") add(start, end, () => new Base64Lines());
    else if (unfit && treatment !== "composite") recode(part, add);
    else {
      if (RANK[part.label] > RANK[to]) { //                                              RFC 2045 6.4: no lie about parts
        add(part.labelStart, part.labelEnd, `Content-Transfer-Encoding: ${NAME[to]}\r\n`);
      }
      if (part.unversioned && treatment === "composite") {
        add(part.fieldsEnd, part.fieldsEnd, part.open ? "MIME-Version: 1.0\r\n\r\n" : "MIME-Version: 1.0\r\n");
      }
    }
  }
  return edits.sort((a, b) => a.start - b.start || a.end - b.end);
}

function recode(part: Part, add: (start: number, end: number, by: Edit["by"]) => void): void {
  const quoted = part.treatment === "text" && !part.nul;
  const coding = `Content-Transfer-Encoding: ${quoted ? "quoted-printable" : "base64"}\r\n`;
  const wide = part.form !== "7BIT";
  let fields = part.unversioned ? "MIME-Version: 1.0\r\n" : "";
  // The writer did not say what it is, and we do not guess                                              RFC 1428 3
  if (part.untyped) fields += `Content-Type: text/plain${wide ? "; charset=unknown-8bit" : ""}\r\n`;
  else if (part.charsetAt >= 0 && wide) add(part.charsetAt, part.charsetAt, "; charset=unknown-8bit");
  if (part.labelStart >= 0) add(part.labelStart, part.labelEnd, coding);
  else fields += coding;
  if (part.open) fields += "\r\n"; // a line of the body was the end of the fields, and may now look like one
  if (fields !== "") add(part.fieldsEnd, part.fieldsEnd, fields);
  add(part.start, part.end, quoted ? () => new QuotedPrintable() : () => new Base64());
}

type Sink = ReadableStreamDefaultController<Octets>;

/** The edits, applied to octets in any cut. */
class Writer {
  /** Chunks that were given. */
  given = 0;
  readonly #edits: readonly Edit[];
  readonly #size: number;
  #next = 0;
  #at = 0;
  #coder: Coder | null = null;
  /** For octets between the edits, or null when they are right as they are. */
  readonly #between: Lines | null;

  constructor(edits: readonly Edit[], { size, rough }: Examined) {
    this.#edits = edits;
    this.#size = size;
    this.#between = rough ? new Lines(false) : null;
  }

  write(octets: Octets, sink: Sink): void {
    const begin = this.#at, end = begin + octets.length;
    let from = begin;
    for (; this.#next < this.#edits.length; this.#next++) {
      const edit = this.#edits[this.#next]!;
      if (edit.start > end || edit.start === end && edit.end > end) break;
      if (edit.start > from) {
        this.#copy(octets.subarray(from - begin, edit.start - begin), sink);
        from = edit.start;
      }
      const to = Math.min(edit.end, end);
      if (typeof edit.by === "string") {
        if (edit.start >= begin) this.#give(utf8.encode(edit.by), sink);
      } else {
        this.#coder ??= edit.by();
        if (to > from) this.#give(this.#coder.write(octets.subarray(from - begin, to - begin)), sink);
      }
      from = Math.max(from, to);
      if (edit.end > end) break; // goes on in the next octets
      if (this.#coder !== null) this.#give(this.#coder.end(edit.end === this.#size), sink);
      this.#coder = null;
    }
    if (from < end) this.#copy(octets.subarray(from - begin), sink);
    this.#at = end;
  }

  end(sink: Sink): void {
    if (this.#between !== null) this.#give(this.#between.end(true), sink);
  }

  #copy(octets: Octets, sink: Sink): void {
    this.#give(this.#between === null ? octets : this.#between.write(octets), sink);
  }

  #give(octets: Octets, sink: Sink): void {
    if (octets.length === 0) return;
    this.given++;
    sink.enqueue(octets);
  }
}
