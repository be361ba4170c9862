/**
 * Finds the next CR or LF, four octets at a time: most octets of a large message are looked at by nobody else.
 * Non-job: what the octet found means (content_reader.ts).
 */

/** Where looking at words pays for making them, octets. */
const WORTH_IT = 2048;

/** The buffer behind `input` as words, or null where it is not worth it. Give it to `nextBreak`. */
export function wordsOf(input: Uint8Array, length: number): Int32Array | null {
  return length < WORTH_IT ? null : new Int32Array(input.buffer, 0, input.buffer.byteLength >> 2);
}

/** The highest bit of each octet. */
const LOW = 0x80808080 | 0;

/** The place of the first CR or LF in `input` from `at` to `end`, or `end`. */
export function nextBreak(input: Uint8Array, words: Int32Array | null, at: number, end: number): number {
  if (words !== null) {
    const base = input.byteOffset;
    while (at < end && (base + at & 3) !== 0) {
      if (input[at] === 13 || input[at] === 10) return at;
      at++;
    }
    for (const last = end - 4; at <= last;) {
      const word = words[base + at >> 2]!;
      // Not 0 when an octet of it is below 14: only such a one borrows
      if (((word - 0x0e0e0e0e | 0) & ~word & LOW) !== 0) {
        if (input[at] === 13 || input[at] === 10) return at;
        if (input[at + 1] === 13 || input[at + 1] === 10) return at + 1;
        if (input[at + 2] === 13 || input[at + 2] === 10) return at + 2;
        if (input[at + 3] === 13 || input[at + 3] === 10) return at + 3;
      }
      at += 4;
    }
  }
  while (at < end && input[at] !== 13 && input[at] !== 10) at++;
  return at;
}
