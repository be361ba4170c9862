/** Content in the place of one whose octets were not kept: of the same size, and with nothing wrong in its shape. */

/** Text that ends with the dot on a line of its own (RFC 5321 4.1.1.4), as DATA has it. */
export function placeholderText(size: number): Uint8Array {
  const octets = shaped(Math.max(5, size), true), { length } = octets;
  octets.set([13, 10, 46, 13, 10], length - 5);
  return octets;
}
/** A chunk of BDAT. `first`: the message begins with it. */
export function placeholderChunk(size: number, first: boolean): Uint8Array {
  return shaped(size, first);
}

const LINE = 76;

/** An empty header section, then lines that nothing is known of. The last one is left open. */
function shaped(size: number, first: boolean): Uint8Array {
  const octets = new Uint8Array(size).fill(0x78);
  if (first && size >= 2) octets.set([13, 10], 0);
  for (let at = (first ? 2 : 0) + LINE; at + 3 <= size; at += LINE + 2) octets.set([13, 10], at);
  return octets;
}
