/**
 * Header edits: made as a list beside the received octets, applied once, when the message is written. Everything here is
 * pure; the received octets are never changed (SEMANTICS 6). RFC 5322 2.1.1, 2.2.3 for lines and folding.
 */
import { type Address, formatAddress } from "./address.ts";
import type { HeaderEdits } from "./envelope.ts";
import { fold } from "./fold.ts";
import { type FieldRange, HeaderSection } from "./headers.ts";
import { concat } from "./octets.ts";

const utf8 = new TextEncoder();
const NAME = /^[!-9;-~]{1,76}$/; // ftext, and a name that leaves room on its line                      RFC 5322 3.6.8
const LINE = 78; //                                                                                     RFC 5322 2.1.1

/**
 * One field as the wire writes it, with its CRLF. Nothing in a value can begin a line of its own (case 54, 67): controls
 * become spaces, and a long value is folded where it has a space.
 *
 * @throws {TypeError} when the name is none.
 * @example
 * ```ts
 * import { formatField } from "./edits.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatField("X-Note", "a\r\nBcc: b"), "X-Note: a Bcc: b\r\n");
 * ```
 */
export function formatField(name: string, value: string): string {
  if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name.slice(0, 100))} is no header field name`);
  const clean = withoutControls(value).trim();
  if (name.length + 2 + clean.length <= LINE) return `${name}: ${clean}\r\n`;
  return fold(`${name}: ${clean}`, { from: name.length + 2, line: LINE });
}

/** Nothing in it can end a line: controls are spaces, the tab stays. */
export function withoutControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}

/** True when what is written is what was received. */
export function changesNothing({ prepend, drop, insert }: HeaderEdits): boolean {
  return prepend === "" && drop.length === 0 && insert === undefined;
}

/** The edits with one field more, in front. */
export function prependField(edits: HeaderEdits, name: string, value: string): HeaderEdits {
  return { ...edits, prepend: formatField(name, value) + edits.prepend };
}

/** The edits without any field of that name, received or added so far. `received`: the header section as received. */
export function removeField(edits: HeaderEdits, received: HeaderSection, name: string): HeaderEdits {
  const { prepend, drop, insert } = edits;
  return made(
    rewritten(prepend, name, null),
    dropped(drop, received.named(name)),
    insert?.filter(([, field]) => !isNamed(field, name)),
  );
}

/**
 * The edits with one field of that name: the first there is gets the value where it stands, the others go; in front where
 * there was none.
 */
export function replaceField(
  edits: HeaderEdits,
  received: HeaderSection,
  { name, value }: { readonly name: string; readonly value: string },
): HeaderEdits {
  const field = formatField(name, value);
  const { prepend, drop, insert = [] } = removeField(edits, received, name);
  const inFront = rewritten(edits.prepend, name, field);
  if (inFront !== prepend) return made(inFront, drop, insert);
  const places = [
    ...received.named(name).map(({ start }) => start).filter((start) => !within(edits.drop, start)),
    ...edits.insert?.filter(([, each]) => isNamed(each, name)).map(([at]) => at) ?? [],
  ];
  if (places.length === 0) return made(field + prepend, drop, insert);
  const at = Math.min(...places), after = insert.findIndex(([place]) => place > at);
  return made(prepend, drop, insert.toSpliced(after < 0 ? insert.length : after, 0, [at, field]));
}

function made(prepend: string, drop: readonly Range[], insert: HeaderEdits["insert"] = []): HeaderEdits {
  return insert.length === 0 ? { prepend, drop } : { prepend, drop, insert };
}

function isNamed(field: string, name: string): boolean {
  return field.slice(0, name.length + 1).toLowerCase() === `${name.toLowerCase()}:`;
}

/** Fields of ours without those of that name; `by` takes the place of the first of them. */
function rewritten(fields: string, name: string, by: string | null): string {
  if (!fields.toLowerCase().includes(`${name.toLowerCase()}:`)) return fields;
  const octets = utf8.encode(fields), named = new HeaderSection(octets).named(name);
  if (named.length === 0) return fields;
  const insert: HeaderEdits["insert"] = by === null ? [] : [[named[0]!.start, by]];
  return new TextDecoder().decode(applyEditsToBytes(octets, made("", dropped([], named), insert)));
}

/** True when `at` lies in one of the ranges, which ascend. */
export function within(ranges: readonly Range[], at: number): boolean {
  let low = 0, high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]![1] <= at) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length && ranges[low]![0] <= at;
}

/** One field of a header section with its edits. */
export interface EditedField {
  readonly name: string;
  /** As `HeaderSection.value` gives it. */
  readonly value: string;
}

/** The fields that stand there once the edits are made, in their order. */
export function editedFields(received: HeaderSection, edits: HeaderEdits): EditedField[] {
  const { prepend, drop, insert = [] } = edits, out = [...ours(prepend)];
  let next = 0;
  for (const field of received.fields) {
    for (; next < insert.length && insert[next]![0] <= field.start; next++) out.push(...ours(insert[next]![1]));
    if (!within(drop, field.start)) out.push({ name: field.name, value: received.value(field) });
  }
  for (const [, field] of insert.slice(next)) out.push(...ours(field));
  return out;
}

function ours(fields: string): EditedField[] {
  if (fields === "") return [];
  const section = new HeaderSection(utf8.encode(fields));
  return section.fields.map((field) => ({ name: field.name, value: section.value(field) }));
}

type Range = readonly [start: number, end: number];

/** Also the fields: ascending, apart, each octet once. */
export function dropped(ranges: readonly Range[], fields: readonly FieldRange[]): readonly Range[] {
  if (fields.length === 0) return ranges;
  const more = fields.map(({ start, end }) => [start, end] as const);
  const sorted = [...ranges, ...more].sort((left, right) => left[0] - right[0]);
  const out: Range[] = [];
  for (const [start, end] of sorted) {
    const last = out.at(-1);
    if (last && start <= last[1]) out[out.length - 1] = [last[0], Math.max(last[1], end)];
    else out.push([start, end]);
  }
  return out;
}

/** The edits of final delivery: one Return-Path, in front, and none besides (RFC 5321 4.4). */
export function withReturnPath(edits: HeaderEdits, received: HeaderSection, sender: Address | null): HeaderEdits {
  const bare = removeField(edits, received, "Return-Path");
  return { ...bare, prepend: `Return-Path: <${formatAddress(sender)}>\r\n${bare.prepend}` };
}

/** What is written, in order: octets of ours, and ranges of the received ones, the last without an end. */
type Piece = Uint8Array<ArrayBuffer> | Range;

function piecesOf({ prepend, drop, insert = [] }: HeaderEdits): Piece[] {
  const pieces: Piece[] = prepend === "" ? [] : [utf8.encode(prepend)];
  let from = 0, next = 0;
  const keep = (end: number) => {
    for (; next < insert.length && insert[next]![0] < end; next++) {
      const at = Math.max(insert[next]![0], from); // what was inserted into a dropped range stands behind it
      if (at > from) pieces.push([from, at]);
      pieces.push(utf8.encode(insert[next]![1]));
      from = at;
    }
    if (end > from) pieces.push([from, end]);
  };
  for (const [start, end] of drop) {
    keep(start);
    from = end;
  }
  keep(Infinity);
  return pieces;
}

/** The octets as they are to be written. Returns `received` itself when there is nothing to change. */
export function applyEditsToBytes(received: Uint8Array<ArrayBuffer>, edits: HeaderEdits): Uint8Array<ArrayBuffer> {
  if (changesNothing(edits)) return received;
  return concat(piecesOf(edits).map((piece) => piece instanceof Uint8Array ? piece : received.subarray(...piece)));
}

/**
 * The stream as it is to be written. Chunks pass as they are, without a copy; cancelling it cancels `received`.
 *
 * @example
 * ```ts
 * import { applyEdits } from "./edits.ts";
 * import { assertEquals } from "@std/assert";
 * const received = new Blob(["A: 1\r\nB: 2\r\n\r\nbody"]).stream();
 * const written = applyEdits(received, { prepend: "C: 3\r\n", drop: [[0, 6]], insert: [[12, "D: 4\r\n"]] });
 * assertEquals(await new Response(written).text(), "C: 3\r\nB: 2\r\nD: 4\r\n\r\nbody");
 * ```
 */
export function applyEdits(
  received: ReadableStream<Uint8Array<ArrayBuffer>>,
  edits: HeaderEdits,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  if (changesNothing(edits)) return received;
  const reader = received.getReader(), pieces = piecesOf(edits);
  let position = 0, next = 0; // of the received octets; the piece that is not whole yet
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let piece = pieces[0]; piece instanceof Uint8Array; piece = pieces[++next]) controller.enqueue(piece);
    },
    async pull(controller) {
      for (;;) { // until something was given: a chunk may be dropped whole
        const { done, value } = await reader.read();
        if (done) {
          for (const piece of pieces.slice(next)) if (piece instanceof Uint8Array) controller.enqueue(piece);
          return controller.close();
        }
        const begin = position, end = position += value.length;
        let given = false;
        const give = (octets: Uint8Array<ArrayBuffer>) => {
          if (octets.length === 0) return;
          controller.enqueue(octets);
          given = true;
        };
        for (; next < pieces.length; next++) {
          const piece = pieces[next]!;
          if (piece instanceof Uint8Array) {
            give(piece);
            continue;
          }
          if (piece[0] < end) give(value.subarray(Math.max(piece[0] - begin, 0), Math.min(piece[1], end) - begin));
          if (piece[1] > end) break; // goes on in the next chunk
        }
        if (given) return;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
