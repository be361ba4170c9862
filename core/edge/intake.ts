/**
 * The octets of a message from a stream: so many at most, and as many as were promised. Non-job: what they mean.
 */
import { concat } from "../model/octets.ts";

/** Why there is no message. */
export type IntakeFault = "size" | "short";

/**
 * All of it, or why not. `size`: what was promised; null: nothing was. Rejects with what the stream throws.
 */
export async function takeIn(
  stream: ReadableStream<Uint8Array>,
  limits: { readonly most: number; readonly size?: number | null },
): Promise<Uint8Array<ArrayBuffer> | IntakeFault> {
  const { most, size = null } = limits;
  if (size !== null && size > most) {
    await stream.cancel("too big").catch(() => {});
    return "size";
  }
  const reader = stream.getReader(), pieces: Uint8Array[] = [];
  let taken = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    taken += value.length;
    if (taken > most) {
      await reader.cancel("too big").catch(() => {});
      return "size";
    }
    pieces.push(value);
  }
  if (size !== null && taken !== size) return "short"; // half a message is none
  return concat(pieces);
}

/** A message that was written with Unix line ends throughout, with those of the wire; any other as it is. */
export function withWireLineEnds(octets: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let lines = 0;
  for (let at = octets.indexOf(10); at >= 0; at = octets.indexOf(10, at + 1)) {
    if (octets[at - 1] === 13) return octets;
    lines++;
  }
  if (lines === 0) return octets;
  const out = new Uint8Array(octets.length + lines);
  let to = 0, from = 0;
  for (let at = octets.indexOf(10); at >= 0; at = octets.indexOf(10, from)) {
    out.set(octets.subarray(from, at), to);
    to += at - from;
    out[to++] = 13;
    out[to++] = 10;
    from = at + 1;
  }
  out.set(octets.subarray(from), to);
  return out;
}
