/** A message as it goes over the wire: line ends, dots (RFC 5321 4.5.2). Non-job: what is in it. */

const DOT = 46, CR = 13, LF = 10;

/** Line ends as CRLF, whatever they were, the last line's too: it is part of the size (RFC 1870 3). */
export function canonical(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length * 2 + 2);
  let at = 0;
  for (let i = 0; i < content.length; i++) {
    const octet = content[i]!;
    if (octet === LF && content[i - 1] !== CR) out[at++] = CR;
    out[at++] = octet;
    if (octet === CR && content[i + 1] !== LF) out[at++] = LF;
  }
  if (at > 0 && out[at - 1] !== LF) {
    out[at++] = CR;
    out[at++] = LF;
  }
  return out.slice(0, at);
}

/** Dots at line starts doubled, the end written (RFC 5321 4.5.2). `content` is canonical. */
export function stuffed(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length * 2 + 3);
  let at = 0;
  for (let i = 0; i < content.length; i++) {
    if (content[i] === DOT && (i === 0 || content[i - 1] === LF)) out[at++] = DOT;
    out[at++] = content[i]!;
  }
  out.set([DOT, CR, LF], at);
  return out.slice(0, at + 3);
}
