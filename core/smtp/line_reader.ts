/**
 * Command lines from octets. Only CRLF ends a line (RFC 5321 2.3.8); a bare CR or LF is an octet of the line, and makes
 * it a bad one. Non-job: what a line means.
 */

/** A line, or why it is none. `none`: more octets are needed. `long`: the limit is passed, no CRLF in sight. */
export type Line =
  | { readonly kind: "line"; readonly text: string; readonly next: number }
  | { readonly kind: "bad"; readonly why: "control" | "utf8"; readonly next: number }
  | { readonly kind: "none" }
  | { readonly kind: "long" };

const NONE: Line = { kind: "none" };
const LONG: Line = { kind: "long" };
const CR = 13, LF = 10;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the line that starts at `start`; `limit` is in octets, CRLF included. */
export function readLine(input: Uint8Array, start: number, limit: number): Line {
  let end = input.indexOf(LF, start);
  while (end > start && input[end - 1] !== CR || end === start) end = input.indexOf(LF, end + 1);
  if (end < 0) return input.length - start > limit ? LONG : NONE;
  if (end + 1 - start > limit) return LONG;
  const next = end + 1, stop = end - 1;
  let wide = false;
  for (let i = start; i < stop; i++) {
    const octet = input[i]!;
    if (octet < 32 && octet !== 9 || octet === 127) return { kind: "bad", why: "control", next };
    if (octet > 127) wide = true;
  }
  const octets = input.subarray(start, stop);
  if (!wide) return { kind: "line", text: ascii(octets), next };
  try {
    return { kind: "line", text: utf8.decode(octets), next };
  } catch {
    return { kind: "bad", why: "utf8", next };
  }
}

function ascii(octets: Uint8Array): string {
  if (octets.length < 512) return String.fromCharCode.apply(null, octets as unknown as number[]);
  return utf8.decode(octets);
}
