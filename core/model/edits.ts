/**
 * Header edits: made as a list beside the received octets, applied once, when the message is written. Everything here is
 * pure; the received octets are never changed (SEMANTICS 6). RFC 5322 2.1.1, 2.2.3 for lines and folding.
 */
import { type Address, formatAddress } from "./address.ts";
import type { HeaderEdits } from "./envelope.ts";
import { fold } from "./fold.ts";
import { HeaderSection } from "./headers.ts";

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
  // deno-lint-ignore no-control-regex
  const clean = value.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
  if (name.length + 2 + clean.length <= LINE) return `${name}: ${clean}\r\n`;
  return fold(`${name}: ${clean}`, { from: name.length + 2, line: LINE });
}

/** The edits with one field more, in front. */
export function prependField(edits: HeaderEdits, name: string, value: string): HeaderEdits {
  return { prepend: formatField(name, value) + edits.prepend, drop: edits.drop };
}

/** The edits without any field of that name, received or prepended so far. `received`: the header section as received. */
export function removeField(edits: HeaderEdits, received: HeaderSection, name: string): HeaderEdits {
  const ranges = received.named(name);
  const drop = ranges.length === 0
    ? edits.drop
    : union(edits.drop, ranges.map(({ start, end }) => [start, end] as const));
  return { prepend: withoutField(edits.prepend, name), drop };
}

function withoutField(prepend: string, name: string): string {
  if (prepend === "" || !prepend.toLowerCase().includes(`${name.toLowerCase()}:`)) return prepend;
  const octets = utf8.encode(prepend);
  const ranges = new HeaderSection(octets).named(name).map(({ start, end }) => [start, end] as const);
  return new TextDecoder().decode(applyEditsToBytes(octets, { prepend: "", drop: ranges }));
}

type Range = readonly [start: number, end: number];

/** Ascending, apart, each octet once. */
function union(a: readonly Range[], b: readonly Range[]): readonly Range[] {
  const sorted = [...a, ...b].sort((left, right) => left[0] - right[0]);
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
  return { prepend: `Return-Path: <${formatAddress(sender)}>\r\n${bare.prepend}`, drop: bare.drop };
}

/** The octets as they are to be written. Returns `received` itself when there is nothing to change. */
export function applyEditsToBytes(received: Uint8Array<ArrayBuffer>, edits: HeaderEdits): Uint8Array<ArrayBuffer> {
  if (edits.prepend === "" && edits.drop.length === 0) return received;
  const front = utf8.encode(edits.prepend);
  let length = front.length + received.length;
  for (const [start, end] of edits.drop) length -= Math.min(end, received.length) - Math.min(start, received.length);
  const out = new Uint8Array(length);
  out.set(front);
  let at = front.length, from = 0;
  for (const [start, end] of edits.drop) {
    const kept = received.subarray(from, start);
    out.set(kept, at);
    at += kept.length;
    from = end;
  }
  out.set(received.subarray(from), at);
  return out;
}

/**
 * The stream as it is to be written. Chunks pass as they are, without a copy; cancelling it cancels `received`.
 *
 * @example
 * ```ts
 * import { applyEdits } from "./edits.ts";
 * import { assertEquals } from "@std/assert";
 * const received = new Blob(["A: 1\r\nB: 2\r\n\r\nbody"]).stream();
 * const written = applyEdits(received, { prepend: "C: 3\r\n", drop: [[0, 6]] });
 * assertEquals(await new Response(written).text(), "C: 3\r\nB: 2\r\n\r\nbody");
 * ```
 */
export function applyEdits(
  received: ReadableStream<Uint8Array<ArrayBuffer>>,
  edits: HeaderEdits,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { prepend, drop } = edits;
  if (prepend === "" && drop.length === 0) return received;
  const reader = received.getReader();
  let position = 0, next = 0; // of the received octets; the drop that ends after it
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      if (prepend !== "") controller.enqueue(utf8.encode(prepend));
    },
    async pull(controller) {
      for (;;) { // until something was given: a chunk may be dropped whole
        const { done, value } = await reader.read();
        if (done) return controller.close();
        const begin = position;
        position += value.length;
        let from = begin, given = false;
        for (; next < drop.length && drop[next]![0] < position; next++) {
          const [start, end] = drop[next]!;
          if (start > from) {
            controller.enqueue(value.subarray(from - begin, start - begin));
            given = true;
          }
          from = Math.min(end, position);
          if (end > position) break; // goes on in the next chunk
        }
        if (from < position) {
          controller.enqueue(value.subarray(from - begin));
          given = true;
        }
        if (given) return;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
