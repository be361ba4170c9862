/**
 * The entities of a message, their octets decoded, from octets in any cut (RFC 2045, RFC 2046). Messages inside are gone
 * into, coded ones too. Linear; memory is bounded by MAX_DEPTH, MAX_PARTS and one line. As in core/model/headers.ts LF
 * alone ends a line as well, and a line that is no field ends a header section. What it finds odd it notes and reads on.
 * Non-job: offsets for recoding (structure.ts), text (content.ts).
 */
import type { MimeVisitor, PartHead } from "./entity.ts";
import { textOf } from "./entity_fields.ts";
import { OpenEntity } from "./open_entity.ts";
import { type FieldBudget, newFieldBudget, PartFields } from "./part_fields.ts";
import { MAX_DEPTH, MAX_PARTS } from "./structure.ts";

const CR = 13, LF = 10, DASH = 45, SPACE = 32, TAB = 9;
const KEPT = 16 * 1024; // of a line of a header section, octets
const MAX_DELIMITER = 4096; // octets of a line that may be one
const MAX_BOUNDARY = 2048; // RFC 2046 5.1.1 has 70; readers take more, and so does Postfix
const CRLF = Uint8Array.of(CR, LF), ONLY_CR = Uint8Array.of(CR), ONLY_LF = Uint8Array.of(LF);

/** What all of one message share, also with messages that are coded inside of it. */
interface Shared {
  readonly visitor: MimeVisitor;
  readonly fields: FieldBudget;
  parts: number;
}
interface Level {
  /** Null: a message inside, which ends where its parent does. */
  readonly boundary: string | null;
  readonly digest: boolean;
  readonly entity: OpenEntity | null;
  children: number;
  closed: boolean;
}
/** Where a walker stands in the whole. */
interface Place {
  readonly path: string;
  readonly depth: number;
  readonly coded: boolean;
}

/**
 * Told of octets, tells of entities.
 *
 * @example
 * ```ts
 * import { MimeReader } from "./reader.ts";
 * import { assertEquals } from "@std/assert";
 * const seen: string[] = [];
 * const reader = new MimeReader({
 *   part: ({ path, type }) => ({
 *     write: (octets) => void seen.push(`${path} ${type} ${new TextDecoder().decode(octets)}`),
 *   }),
 * });
 * reader.write(new TextEncoder().encode("Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n"));
 * reader.end();
 * assertEquals(seen, ["1 text/plain Hello"]);
 * ```
 */
export class MimeReader {
  readonly #shared: Shared;
  readonly #walker: Walker;

  /** `visitor` is told. */
  constructor(visitor: MimeVisitor) {
    this.#shared = { visitor, fields: newFieldBudget(), parts: 0 };
    this.#walker = new Walker(this.#shared, { path: "1", depth: 0, coded: false });
  }

  /** There were more entities than MAX_PARTS; those beyond were not told of. */
  get tooMany(): boolean {
    return this.#shared.parts > MAX_PARTS;
  }
  /** The next octets of the message. */
  write(octets: Uint8Array): void {
    this.#walker.write(octets);
  }
  /** The message is over: every entity that was told of ends. */
  end(): void {
    this.#walker.end();
  }
}

/** Reads a message, or one that is coded inside of another. */
class Walker {
  readonly #shared: Shared;
  readonly #place: Place;
  readonly #levels: Level[] = [];
  readonly #boundaries = new Map<string, number>();
  /** The header section that is being read, or null in a body. */
  #fields: PartFields | null;
  #path: string;
  #digest = false;
  #headStart = 0;
  /** Who takes the octets of the body; null: nobody (a preamble, an epilogue, what is not wanted). */
  #leaf: OpenEntity | null = null;
  /** What is kept of a line: of a header section, or one that may be a delimiter. */
  #line = new Uint8Array(256);
  #kept = 0;
  #lineStart = 0;
  /** The rest of a header line that was too long passes by. */
  #skipping = false;
  #atStart = true;
  #candidate = false;
  /** A line end that was not given yet, as it may belong to a delimiter: 0, 1 (LF), 2 (CRLF), or 3: a CR alone so far. */
  #ending = 0;
  /** Octets before the chunk. */
  #base = 0;

  constructor(shared: Shared, place: Place) {
    this.#shared = shared;
    this.#place = place;
    this.#path = place.path;
    this.#fields = new PartFields(shared.fields);
  }

  write(octets: Uint8Array): void {
    for (let at = 0; at < octets.length;) at = this.#read(octets, at);
    this.#base += octets.length;
  }

  end(): void {
    if (this.#fields !== null) {
      if (this.#kept > 0) this.#headerLine(this.#base, false);
      if (this.#fields !== null) this.#endFields(this.#base);
    }
    if (this.#candidate && !this.#delimiter(this.#base)) this.#reject(this.#kept);
    this.#flush();
    this.#endLeaf(this.#base);
    this.#pop(0, this.#base);
  }

  // ---- Header sections -------------------------------------------------------------------------------------------------

  #pass(octets: Uint8Array, from: number): number {
    const feed = octets.indexOf(LF, from);
    if (feed < 0) return octets.length;
    this.#skipping = false;
    return feed + 1;
  }

  #header(octets: Uint8Array, from: number): number {
    if (this.#kept === 0) this.#lineStart = this.#base + from;
    const feed = octets.indexOf(LF, from),
      end = Math.min(feed < 0 ? octets.length : feed + 1, from + KEPT - this.#kept);
    this.#keep(octets, from, end);
    if (feed >= 0 && end === feed + 1) this.#headerLine(this.#base + end, true);
    else if (this.#kept === KEPT) this.#headerLine(this.#base + end, false);
    return end;
  }

  /** A line is there, or as much of it as is kept. `whole`: with its end; `next`: the octet after it. */
  #headerLine(next: number, whole: boolean): void {
    const fields = this.#fields!, line = this.#line.subarray(0, this.#kept);
    if (this.#kept < MAX_DELIMITER && this.#delimiter(next)) return;
    this.#kept = 0;
    const empty = whole && (line.length === 1 || line.length === 2 && line[0] === CR);
    if (empty) return this.#endFields(next);
    if (fields.takes(line)) {
      fields.line(line, line.length === KEPT && !whole);
      this.#skipping = line.length === KEPT && !whole;
      return;
    }
    fields.defects.add("malformedHeader");
    this.#endFields(this.#lineStart);
    const copy = line.slice(), base = this.#base; // the line is the body's first
    this.#base = this.#lineStart;
    for (let at = 0; at < copy.length;) at = this.#read(copy, at);
    this.#base = base;
  }

  /** Reads some octets, at least one. Returns where to go on. */
  #read(octets: Uint8Array, at: number): number {
    return this.#skipping ? this.#pass(octets, at) : this.#fields ? this.#header(octets, at) : this.#body(octets, at);
  }

  /** `bodyStart`: where the body begins. */
  #endFields(bodyStart: number): void {
    const fields = this.#fields!, { visitor } = this.#shared;
    this.#fields = null;
    this.#atStart = true;
    this.#ending = 0;
    this.#leaf = null;
    if (++this.#shared.parts > MAX_PARTS) return;
    const { coded } = this.#place, depth = this.#place.depth + this.#levels.length;
    const facts = fields.read(this.#digest), { type, encoding } = facts, path = this.#path;
    const plain = encoding === "7bit" || encoding === "8bit" || encoding === "binary" || encoding === "unknown";
    let into: "multipart" | "message" | null = null, boundary = "";
    if (type.startsWith("multipart/")) {
      boundary = facts.parameters.get("boundary")?.trimEnd() ?? "";
      if (boundary === "" || boundary.length > MAX_BOUNDARY) fields.defects.add("noBoundary");
      else if (this.#boundaries.has(wire(boundary))) fields.defects.add("sharedBoundary");
      else if (depth >= MAX_DEPTH) fields.defects.add("tooDeep");
      else into = "multipart";
      if (!plain) fields.defects.add("codedMultipart");
    } else if (type === "message/rfc822" || type === "message/global") {
      if (depth >= MAX_DEPTH) fields.defects.add("tooDeep");
      else into = "message";
    }
    const head: PartHead = {
      ...facts,
      path,
      depth,
      composite: into !== null,
      defects: [...fields.defects],
      start: coded ? -1 : this.#headStart,
      bodyStart: coded ? -1 : bodyStart,
    };
    const consumer = visitor.part(head) ?? null;
    const codedMessage = into === "message" && !plain;
    const inner = codedMessage ? new Walker(this.#shared, { path: `${path}.1`, depth: depth + 1, coded: true }) : null;
    const entity = consumer === null && inner === null ? null : new OpenEntity(head, consumer, inner);
    if (into === null || codedMessage) {
      this.#leaf = entity;
      return;
    }
    const level = { entity, children: 0, closed: false };
    if (into === "multipart") {
      this.#boundaries.set(wire(boundary), this.#levels.length);
      this.#levels.push({ ...level, boundary: wire(boundary), digest: type === "multipart/digest" });
    } else {
      this.#levels.push({ ...level, boundary: null, digest: false });
      this.#begin(`${path}.1`, { digest: false, start: bodyStart });
    }
  }

  #begin(path: string, { digest, start }: { readonly digest: boolean; readonly start: number }): void {
    this.#fields = new PartFields(this.#shared.fields);
    this.#path = path;
    this.#digest = digest;
    this.#headStart = start;
    this.#kept = 0;
  }

  // ---- Bodies ----------------------------------------------------------------------------------------------------------

  /** Gives what is no delimiter, in pieces as large as they come. Returns where to go on. */
  #body(octets: Uint8Array, from: number): number {
    const length = octets.length;
    if (this.#boundaries.size === 0) {
      this.#give(octets.subarray(from));
      return length;
    }
    let run = from, at = from, ending = 0; // octets not given yet begin at `run`, the last of them are a line end
    if (this.#candidate) {
      at = this.#collect(octets, at);
      if (this.#fields !== null || this.#candidate || at === length) return at;
      run = at;
    } else if (this.#ending === 3) {
      if (octets[at] === LF) {
        this.#ending = 2;
        this.#atStart = true;
        run = ++at;
      } else this.#flush();
    }
    while (at < length) {
      if (this.#atStart) {
        if (octets[at] === DASH && this.#mayDelimit(octets, at)) {
          if (at > run) {
            this.#give(octets.subarray(run, at - ending));
            this.#ending = ending;
          }
          ending = 0;
          this.#candidate = true;
          this.#lineStart = this.#base + at;
          at = this.#collect(octets, at);
          if (this.#fields !== null || this.#candidate || at === length) return at;
          run = at;
          continue;
        }
        this.#flush();
        this.#atStart = false;
      }
      const feed = octets.indexOf(LF, at);
      if (feed < 0) {
        at = length;
        ending = octets[length - 1] === CR ? 3 : 0;
      } else {
        ending = feed > at && octets[feed - 1] === CR ? 2 : 1;
        at = feed + 1;
        this.#atStart = true;
      }
    }
    const kept = ending === 3 ? 1 : ending;
    if (at > run) {
      this.#give(octets.subarray(run, at - kept));
      this.#ending = ending;
    }
    return length;
  }

  /** Keeps a line that may be a delimiter until it is known. Returns where to go on; `#candidate` when more must come. */
  #collect(octets: Uint8Array, from: number): number {
    const feed = octets.indexOf(LF, from);
    let end = feed < 0 ? octets.length : feed + 1;
    end = Math.min(end, from + MAX_DELIMITER - this.#kept);
    this.#keep(octets, from, end);
    if (this.#kept > 1 && this.#line[1] !== DASH || this.#kept === MAX_DELIMITER) {
      this.#reject(this.#endingOf(this.#kept));
      return end;
    }
    if (end !== feed + 1) return end; // also at the end of the octets
    if (this.#delimiter(this.#base + end)) return end;
    this.#reject(this.#endingOf(this.#kept));
    return end;
  }

  /** Where the kept line ends, without its line end. */
  #endingOf(kept: number): number {
    if (this.#line[kept - 1] === CR) return kept - 1;
    if (this.#line[kept - 1] !== LF) return kept;
    return this.#line[kept - 2] === CR ? kept - 2 : kept - 1;
  }

  /** The kept line is content; `text`: its octets before its end. */
  #reject(text: number): void {
    const kept = this.#kept;
    this.#candidate = false;
    this.#kept = 0;
    this.#flush();
    this.#give(this.#line.subarray(0, text));
    this.#atStart = kept > text && this.#line[kept - 1] === LF;
    this.#ending = kept === text ? 0 : this.#atStart ? kept - text : 3;
  }

  /** False for a line that is all there and no delimiter: it costs no more than others. */
  #mayDelimit(octets: Uint8Array, at: number): boolean {
    if (at + 1 < octets.length && octets[at + 1] !== DASH) return false;
    const feed = octets.indexOf(LF, at);
    if (feed < 0) return true;
    if (feed + 1 - at >= MAX_DELIMITER || feed < at + 2) return false;
    return this.#find(octets, at, octets[feed - 1] === CR ? feed - 1 : feed) !== null;
  }

  /** Which delimiter stands from `start` to `end`: dash-boundary, with "--" at the last, then space (RFC 2046 5.1.1). */
  #find(line: Uint8Array, start: number, end: number): { readonly index: number; readonly close: boolean } | null {
    let to = end;
    while (to > start + 2 && (line[to - 1] === SPACE || line[to - 1] === TAB)) to--;
    const text = textOf(line, start + 2, to), open = this.#boundaries.get(text);
    if (open !== undefined) return { index: open, close: false };
    const closed = text.endsWith("--") ? this.#boundaries.get(text.slice(0, -2)) : undefined;
    if (closed !== undefined) return { index: closed, close: true };
    const inmost = this.#levels.findLast(({ boundary, closed }) => boundary !== null && !closed);
    if (inmost?.entity && text.startsWith(inmost.boundary!)) inmost.entity.defects.add("nearBoundary");
    return null;
  }

  /** The kept line, if it is a delimiter. `next`: the octet after the line. */
  #delimiter(next: number): boolean {
    const line = this.#line;
    if (this.#kept < 3 || line[0] !== DASH || line[1] !== DASH || this.#boundaries.size === 0) return false;
    const found = this.#find(line, 0, this.#endingOf(this.#kept));
    if (found === null) return false;
    const { index, close } = found;
    const kept = this.#kept;
    this.#kept = 0;
    this.#candidate = false;
    if (this.#fields !== null) this.#endFields(this.#lineStart);
    this.#fields = null; // of a message that had just begun
    const bodyEnd = this.#lineStart - this.#ending;
    this.#ending = 0;
    this.#endLeaf(bodyEnd);
    this.#pop(index + 1, bodyEnd);
    const level = this.#levels[index]!;
    this.#atStart = this.#line[kept - 1] === LF;
    if (close) level.closed = true;
    else {
      if (level.closed) level.entity?.defects.add("behindEnd"); // some readers go on, and so does a careful one
      level.children++;
      const path = this.#pathOf(index);
      this.#begin(`${path}.${level.children}`, { digest: level.digest, start: next });
    }
    return true;
  }

  /** Paths are those of the levels, one number for each. */
  #pathOf(index: number): string {
    let path = this.#place.path;
    for (let at = 0; at < index; at++) {
      path += this.#levels[at]!.boundary === null ? ".1" : `.${this.#levels[at]!.children}`;
    }
    return path;
  }

  #keep(octets: Uint8Array, from: number, to: number): void {
    const size = this.#kept + to - from;
    if (size > this.#line.length) {
      const larger = new Uint8Array(Math.min(KEPT, Math.max(size, this.#line.length * 2)));
      larger.set(this.#line.subarray(0, this.#kept));
      this.#line = larger;
    }
    this.#line.set(octets.subarray(from, to), this.#kept);
    this.#kept = size;
  }

  #flush(): void {
    const ending = this.#ending;
    if (ending === 0) return;
    this.#ending = 0;
    this.#give(ending === 1 ? ONLY_LF : ending === 2 ? CRLF : ONLY_CR);
  }

  #give(octets: Uint8Array): void {
    if (octets.length > 0) this.#leaf?.write(octets);
  }

  // ---- Ends ------------------------------------------------------------------------------------------------------------

  #endLeaf(bodyEnd: number): void {
    this.#leaf?.end(this.#place.coded ? -1 : bodyEnd);
    this.#leaf = null;
  }

  /** Ends what is inside of the first `depth` levels. */
  #pop(depth: number, bodyEnd: number): void {
    while (this.#levels.length > depth) {
      const { boundary, entity, children, closed } = this.#levels.pop()!;
      if (boundary !== null) {
        this.#boundaries.delete(boundary);
        if (!closed) entity?.defects.add(children === 0 ? "noParts" : "missingEnd");
      }
      entity?.end(this.#place.coded ? -1 : bodyEnd);
    }
  }
}

/** As the wire has it: each octet one character. */
function wire(boundary: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\u0000-\u007f]*$/.test(boundary)) return boundary;
  const octets = new TextEncoder().encode(boundary);
  return textOf(octets, 0, octets.length);
}
