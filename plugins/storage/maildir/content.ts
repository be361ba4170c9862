/**
 * The octets of a recipient's file: the message as it is to be written with LF for CRLF, and one Delivered-To below its
 * Return-Path, which stays the first line (RFC 5321 4.4). Streaming, in constant memory. Non-job: files.
 */
import type { LineFeeds } from "./line_feed.ts";

const LF = 10;
/** Longer than any Return-Path can be (RFC 5321 4.5.3.1.3: a path has at most 256 octets). */
const MAX_FIRST_LINE = 1024;
const RETURN_PATH = "return-path:";

/**
 * The copy's octets; `message` is opened when they are first asked for. Read `lines.size` and `lines.virtualSize` once
 * it has ended; both count the Delivered-To too.
 */
export async function* copyOf(
  message: () => AsyncIterable<Uint8Array>,
  deliveredTo: string,
  lines: LineFeeds,
): AsyncGenerator<Uint8Array> {
  const trace = lines.push(new TextEncoder().encode(`Delivered-To: ${deliveredTo}\r\n`));
  let head: Uint8Array | null = new Uint8Array(0); // the first line, until it is complete
  for await (const chunk of message()) {
    const out = lines.push(chunk);
    if (head === null) {
      yield out;
      continue;
    }
    head = concat(head, out);
    const end = firstLine(head);
    if (end < 0) continue;
    yield concat(head.subarray(0, end), trace, head.subarray(end));
    head = null;
  }
  if (head !== null) yield concat(trace, head);
  const last = lines.end();
  if (last.length > 0) yield last;
}

/** Where the trace goes: behind the Return-Path, or at 0 where there is none. -1: cannot be told yet. */
function firstLine(head: Uint8Array): number {
  const name = new TextDecoder("latin1").decode(head.subarray(0, RETURN_PATH.length)).toLowerCase();
  if (!RETURN_PATH.startsWith(name)) return 0;
  const end = head.subarray(0, MAX_FIRST_LINE).indexOf(LF);
  if (end >= 0) return name === RETURN_PATH ? end + 1 : 0;
  return head.length >= MAX_FIRST_LINE ? 0 : -1;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
