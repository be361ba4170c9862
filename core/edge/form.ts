/**
 * multipart/form-data (RFC 7578) as octets: a field that holds a message must come out as it went in, which a reader that
 * makes text of it cannot promise. Linear, so many fields at most. Non-job: which field is what (http_post.ts).
 */

/** A field's octets by its name; of several with one name the first. Null when it is no such form. */
export function readForm(
  octets: Uint8Array<ArrayBuffer>,
  contentType: string,
): Map<string, Uint8Array<ArrayBuffer>> | null {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return null;
  const delimiter = new TextEncoder().encode(`\r\n--${boundary}`), fields = new Map<string, Uint8Array<ArrayBuffer>>();
  // The first delimiter may stand at the very beginning, without a line end before it
  let at = startsWith(octets, delimiter.subarray(2), 0) ? delimiter.length - 2 : indexOf(octets, delimiter, 0);
  if (at !== delimiter.length - 2) at = at < 0 ? -1 : at + delimiter.length;
  for (let count = 0; at >= 0; count++) {
    if (count > MOST_FIELDS) return null;
    if (octets[at] === 45 && octets[at + 1] === 45) return fields; // "--": the end
    while (octets[at] === 32 || octets[at] === 9) at++; // transport padding                             RFC 2046 5.1.1
    if (octets[at] !== 13 || octets[at + 1] !== 10) return null;
    const head = indexOf(octets, HEAD_END, at);
    if (head < 0 || head - at > MOST_HEAD) return null;
    const begin = head + HEAD_END.length;
    const end = indexOf(octets, delimiter, begin - 2); // an empty field: its line end is the delimiter's
    if (end < 0) return null;
    const name = nameOf(new TextDecoder().decode(octets.subarray(at, head)));
    if (name === null) return null;
    if (!fields.has(name)) fields.set(name, octets.subarray(begin, Math.max(begin, end)));
    at = end + delimiter.length;
  }
  return null;
}

const MOST_FIELDS = 100, MOST_HEAD = 8192;
const HEAD_END = new TextEncoder().encode("\r\n\r\n");

function boundaryOf(contentType: string): string | null {
  if (!/^multipart\/form-data\s*;/i.test(contentType) || contentType.length > 1000) return null;
  // bchars of RFC 2046 5.1.1, quoted or not
  const [, quoted, bare] = /;\s*boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  return quoted ?? bare ?? null;
}

/** Of Content-Disposition; `%22` stands for a quote (RFC 7578 4.2, the WHATWG's rule). */
function nameOf(head: string): string | null {
  const line = head.split("\r\n").find((each) => /^content-disposition\s*:/i.test(each));
  const [, quoted, bare] = /;\s*name=(?:"([^"]{0,200})"|([^\s;"]{1,200}))/i.exec(line ?? "") ?? [];
  const name = quoted ?? bare;
  return name === undefined ? null : name.replaceAll("%22", '"');
}

function startsWith(octets: Uint8Array, what: Uint8Array, at: number): boolean {
  for (let i = 0; i < what.length; i++) if (octets[at + i] !== what[i]) return false;
  return true;
}

/** What begins with a line end and has none behind it, or but one: what is looked at again is short. */
function indexOf(octets: Uint8Array, what: Uint8Array, from: number): number {
  for (let at = octets.indexOf(what[0]!, from); at >= 0; at = octets.indexOf(what[0]!, at + 1)) {
    if (startsWith(octets, what, at)) return at;
  }
  return -1;
}
