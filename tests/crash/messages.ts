/**
 * Messages that can be made again from their name alone: what the tests in this folder send, and what they compare
 * against after a crash. The name is the Subject, so it is found wherever the message's octets are.
 */
import { join, octets } from "../support/bytes.ts";
import { Random } from "../support/random.ts";

/** As small as a note, as large as fits in a row, as large as goes into a file. */
export const SIZES = [1_000, 20_000, 300_000] as const;

/** A line's worth of text that begins with a dot now and then, and fills up with 8-bit octets and runs. */
const LINES = (() => {
  const random = new Random(77), lines: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i < 64; i++) {
    const line = new Uint8Array(30 + random.below(47));
    for (let at = 0; at < line.length; at++) line[at] = 33 + random.below(94);
    if (i % 5 === 0) line[0] = 46; // "."
    lines.push(join(line, octets("\r\n")));
  }
  lines.push(octets(".\r\n"), octets("..\r\n"), octets("\r\n"));
  return lines;
})();

/** Name of message `index` of a run: `crash-SEED-INDEX-SIZE`. */
export function nameOf(seed: number, index: number, size: number): string {
  return `crash-${seed}-${index}-${size}`;
}

export function isName(subject: string): boolean {
  return /^crash-\d+-\d+-\d+$/.test(subject);
}

export function partsOf(name: string): { readonly seed: number; readonly index: number; readonly size: number } {
  const [, seed = 0, index = 0, size = 0] = name.split("-").map(Number);
  return { seed, index, size };
}

/** The octets of the message of that name, the same each time. */
export function messageOf(name: string): Uint8Array<ArrayBuffer> {
  const { seed, index, size } = partsOf(name);
  const random = new Random(seed * 31 + index);
  const parts: Uint8Array[] = [
    octets(
      `From: crash@client.example\r\nTo: box@local.example\r\nSubject: ${name}\r\n` +
        `Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <${name}@client.example>\r\n\r\n`,
    ),
  ];
  for (let length = 0; length < size;) {
    const line = random.pick(LINES);
    parts.push(line);
    length += line.length;
  }
  parts.push(octets(`end of ${name}\r\n`));
  return join(...parts);
}
