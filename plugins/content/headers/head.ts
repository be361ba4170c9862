/**
 * The beginning of a message up to its empty line, in one piece and of bounded size. Non-job: what it means.
 */
import type { Message } from "../../../core/pipeline/mod.ts";

const CR = 13, LF = 10;
/** Messages up to this size are read at once: they are in memory anyway. */
const SMALL = 64 * 1024;

/** `cut`: there was no empty line within `max` octets. The octets may go on behind the empty line. */
export async function readHead(message: Message, max: number): Promise<{ octets: Uint8Array; cut: boolean }> {
  if (message.size <= Math.min(SMALL, max)) return { octets: await message.bytes(), cut: false };
  let octets = new Uint8Array(SMALL), size = 0;
  for await (const chunk of message.stream()) { // leaving the loop cancels the stream
    const part = chunk.subarray(0, max - size);
    if (size + part.length > octets.length) {
      const larger = new Uint8Array(Math.min(max, Math.max(octets.length * 2, size + part.length)));
      larger.set(octets.subarray(0, size));
      octets = larger;
    }
    octets.set(part, size);
    const from = Math.max(0, size - 3);
    size += part.length;
    if (hasEmptyLine(octets.subarray(from, size), from === 0)) return { octets: octets.subarray(0, size), cut: false };
    if (size === max) return { octets: octets.subarray(0, size), cut: message.size > max };
  }
  return { octets: octets.subarray(0, size), cut: false };
}

/** LF, CR or not, LF: as leniently as the examination reads. At the very start one line end is enough. */
function hasEmptyLine(octets: Uint8Array, start: boolean): boolean {
  if (start && (octets[0] === LF || octets[0] === CR && octets[1] === LF)) return true;
  for (let at = octets.indexOf(LF); at >= 0; at = octets.indexOf(LF, at + 1)) {
    if (octets[at + 1] === LF || octets[at + 1] === CR && octets[at + 2] === LF) return true;
  }
  return false;
}
