/**
 * Content that is lines, as it goes out: whatever it holds, the wire sees CRLF and no bare CR or LF, which become spaces:
 * a line of it never becomes two that no filter has seen (RFC 5321 2.3.8). For DATA leading dots are doubled and the end
 * is a line of its own (RFC 5321 4.5.2). Works on any cut. Non-job: content that is no lines (BINARYMIME).
 */
import type { Output } from "./output.ts";

const CR = 13, LF = 10, SPACE = 32, DOT = 46;

export class LineWriter {
  readonly #dots: boolean;
  /** At the start of a line. */
  #fresh = true;
  /** A CR came last: what it is the next octet tells. */
  #cr = false;

  /** `dots`: for DATA. */
  constructor(dots: boolean) {
    this.#dots = dots;
  }

  write(octets: Uint8Array, output: Output): void {
    const end = octets.length;
    if (end === 0) return;
    output.expect(end + 8);
    let at = 0, from = 0;
    if (this.#cr) {
      this.#cr = false;
      if (octets[0] === LF) {
        output.octet(CR);
        this.#fresh = true;
        at = 1;
      } else output.octet(SPACE);
    }
    let fresh = this.#fresh;
    while (at < end) {
      if (fresh && this.#dots && octets[at] === DOT) {
        output.octets(octets, from, at);
        output.octet(DOT);
        from = at;
      }
      fresh = false;
      let octet = octets[at]!;
      while (octet !== CR && octet !== LF && ++at < end) octet = octets[at]!;
      if (at === end) break;
      if (octet === CR && octets[at + 1] === LF) {
        at += 2;
        fresh = true;
        continue;
      }
      output.octets(octets, from, at);
      from = ++at;
      if (octet === CR && at === end) this.#cr = true;
      else output.octet(SPACE);
    }
    output.octets(octets, from, end);
    this.#fresh = fresh;
  }

  /** The end of the content: for DATA the line that says so. */
  end(output: Output): void {
    if (this.#cr) output.octet(SPACE);
    if (!this.#dots) return;
    if (!this.#fresh) output.text("\r\n"); // whatever the last line lacked                           RFC 5321 4.1.1.4
    output.text(".\r\n");
  }
}
