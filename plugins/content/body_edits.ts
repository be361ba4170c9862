/**
 * Changes of a message's body by its parts: everything that is not changed stays octet by octet, read twice and never
 * kept. Offsets are those of the body that goes on, with what other plugins have made of it. Non-job: which parts
 * (attachments, rewrite), the header section (the verbs of the context).
 */
import {
  type Coder,
  coderFor,
  type Message,
  MimeReader,
  type PartConsumer,
  type PartEnd,
  type PartHead,
} from "../../core/pipeline/mod.ts";

type Octets = Uint8Array<ArrayBuffer>;
type Content = ReadableStream<Octets>;

/** An entity of the body; the message itself is the first, its `start` is -1. */
export interface BodyPart extends PartHead, PartEnd {
  /** Why it cannot be changed: a signature or a cipher covers it, or it is coded into something. */
  readonly locked: "signed" | "encrypted" | "coded" | null;
}
/** Octets from `start` to `end` give way to others, or go through a coder. Edits do not overlap. */
export interface BodyEdit {
  readonly start: number;
  readonly end: number;
  readonly by: Octets | (() => Coder);
}
export interface ReadOptions {
  /** As of MimeVisitor: who takes the octets. */
  readonly part?: (head: PartHead) => PartConsumer | void;
  /** Comes after each piece of the message: what the consumers could not do at once. */
  readonly pause?: () => Promise<void> | void;
}

const SLICE = 64 * 1024;
const utf8 = new TextEncoder();

/** The parts of the body that goes on, under the header with its edits. */
export async function readParts(message: Message, { part, pause }: ReadOptions = {}): Promise<BodyPart[]> {
  const parts: { head: PartHead; end: PartEnd | null }[] = [];
  const head = contentFields(message);
  const reader = new MimeReader({
    part(head) {
      const consumer = part?.(head), one: { head: PartHead; end: PartEnd | null } = { head, end: null };
      parts.push(one);
      return {
        ...(consumer?.write ? { write: (octets) => consumer.write!(octets) } : {}),
        end(end) {
          one.end = end;
          consumer?.end?.(end);
        },
      };
    },
  });
  reader.write(head);
  let skip = message.bodyStart;
  for await (const octets of message.content()) {
    const from = Math.min(skip, octets.length);
    skip -= from;
    for (let at = from; at < octets.length; at += SLICE) {
      reader.write(octets.subarray(at, at + SLICE));
      await pause?.();
    }
  }
  reader.end();
  await pause?.();
  const types = new Map<string, BodyPart>();
  return parts.map(({ head: { start, bodyStart, ...rest }, end }) => {
    const around = types.get(rest.path.slice(0, Math.max(0, rest.path.lastIndexOf("."))));
    const coded = bodyStart < 0;
    const whole: BodyPart = {
      ...rest,
      ...end!,
      defects: [...new Set([...rest.defects, ...end!.defects])],
      start: coded || start < head.length ? -1 : start - head.length,
      bodyStart: coded ? -1 : bodyStart - head.length,
      bodyEnd: coded ? -1 : end!.bodyEnd - head.length,
      locked: around?.locked ?? lockOf(around?.type) ?? (coded ? "coded" : null),
    };
    types.set(rest.path, whole);
    return whole;
  });
}

/** RFC 1847 2.1, 2.2; of S/MIME there is nothing in it to change. */
function lockOf(type: string | undefined): BodyPart["locked"] {
  return type === "multipart/signed" ? "signed" : type === "multipart/encrypted" ? "encrypted" : null;
}

/** What the header section, edits included, says of the content, as a header section of its own. */
function contentFields(message: Message): Octets {
  const fields = message.headers.filter(({ name }) => /^content-/i.test(name));
  return utf8.encode(
    `${fields.map(({ name, value }) => `${name}: ${value.replace(/[\r\n]+/g, " ")}\r\n`).join("")}\r\n`,
  );
}

/** The body that goes on, without the header section. */
function bodyOf(message: Message): Content {
  let skip = message.bodyStart;
  const drop = new TransformStream<Octets, Octets>({
    transform(octets, controller) {
      const rest = octets.subarray(Math.min(skip, octets.length));
      skip -= octets.length - rest.length;
      if (rest.length > 0) controller.enqueue(rest);
    },
  });
  return message.content().pipeThrough(drop);
}

/** The body with its edits, which ascend. Chunks in between pass as they are. */
export function editedBody(message: Message, edits: readonly BodyEdit[]): Content {
  const sorted = edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
  let at = 0, next = 0, coder: Coder | null = null;
  return bodyOf(message).pipeThrough(
    new TransformStream<Octets, Octets>({
      transform(octets, controller) {
        const give = (piece: Octets) => {
          if (piece.length > 0) controller.enqueue(piece);
        };
        const begin = at, end = at += octets.length;
        let from = begin;
        for (; next < sorted.length && sorted[next]!.start < end; next++) {
          const edit = sorted[next]!, to = Math.min(edit.end, end);
          give(octets.subarray(from - begin, Math.max(from, edit.start) - begin));
          from = Math.max(from, edit.start);
          if (typeof edit.by === "function") {
            coder ??= edit.by();
            give(coder.write(octets.subarray(from - begin, to - begin)));
          } else if (edit.start >= begin) give(edit.by);
          from = Math.max(from, to);
          if (edit.end > end) return;
          if (coder !== null) give(coder.end(false));
          coder = null;
        }
        give(octets.subarray(from - begin));
      },
      flush(controller) { // what ends or stands where the body does
        if (coder !== null) controller.enqueue(coder.end(true));
        for (const { by } of sorted.slice(coder === null ? next : next + 1)) {
          if (typeof by !== "function") controller.enqueue(by);
          else {
            const last = by(), pieces = [last.write(new Uint8Array(0)), last.end(true)];
            for (const piece of pieces) if (piece.length > 0) controller.enqueue(piece);
          }
        }
      },
    }),
  );
}

/** In the place of a part: a text that says what was there. */
export function noteInPlaceOf({ start, bodyEnd }: BodyPart, text: string): BodyEdit {
  const entity = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n` +
    `Content-Disposition: inline\r\n\r\n`;
  return { start, end: bodyEnd, by: utf8.encode(entity + quotedPrintable(text)) };
}

/** Text as quoted-printable of its UTF-8. */
export function quotedPrintable(text: string): string {
  const coder = coderFor("quoted-printable"), pieces = [coder.write(utf8.encode(text)).slice(), coder.end(false)];
  return pieces.map((piece) => new TextDecoder().decode(piece)).join("");
}

/** Parts that stand in none of the others: who drops a part drops what is in it. */
export function outermost<T extends { readonly path: string }>(parts: readonly T[]): T[] {
  const paths = new Set(parts.map(({ path }) => path));
  return parts.filter(({ path }) => {
    for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
      if (paths.has(path.slice(0, dot))) return false;
    }
    return true;
  });
}
