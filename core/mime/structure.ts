/**
 * One pass over a message of any cut: its entities (RFC 2046 5.1, 5.2.1), what their octets need of a transport, and the
 * offsets of all that a lesser one cannot take. Linear; memory is bounded by MAX_DEPTH, MAX_PARTS and one line. What it
 * does not understand is `fixed`. As in core/model/headers.ts LF alone ends a line as well, and a line that is no field
 * ends a header section. Non-job: changing anything (convert.ts).
 */
import { EntityFields, textOf } from "./entity_fields.ts";
import { type Form, type Part, RANK } from "./part.ts";

const CR = 13, LF = 10, DASH = 45, SPACE = 32, TAB = 9;
const MAX_LINE = 998; // RFC 5322 2.1.1
const MAX_BOUNDARY = 70; // RFC 2046 5.1.1
const KEPT = 16 * 1024; // of one line, octets

/** Levels of multiparts and messages in each other; as Postfix has it (case 32). */
export const MAX_DEPTH = 100;
/** Entities of one message. */
export const MAX_PARTS = 10_000;

interface Level {
  /** Null: a message inside, which ends where its parent does. */
  readonly boundary: string | null;
  readonly digest: boolean;
  /** Its index in `parts`. */
  readonly part: number;
}

export class StructureReader {
  readonly parts: Part[] = [];
  utf8Header = false;
  longLines = false;
  signature = false;
  /** NUL or a bare CR or LF where no part is: in header fields and around boundaries. */
  rough = false;
  #body: Form = "7BIT";
  readonly #levels: Level[] = [];
  readonly #boundaries = new Map<string, number>();
  #entities = 0;
  /** The header section that is being read, or null in a body. */
  #fields: EntityFields | null = new EntityFields();
  #message = true;
  /** Default type of the entity: that of a part of multipart/digest is a message. */
  #digest = false;
  /** The body that is being read, in `parts`. */
  #leaf: Part | null = null;
  // The line that is being read
  readonly #line = new Uint8Array(KEPT);
  #kept = 0;
  #start = 0;
  #length = 0;
  #wide = false;
  #nul = false;
  #crs = 0;
  #lastCr = false;
  // The end of the line before: part of the body, or of a boundary after it
  #ended = 0;

  /** What all of it needs, its header section aside. */
  get body(): Form {
    return this.rough ? "BINARYMIME" : this.#body;
  }

  write(octets: Uint8Array): void {
    let at = 0;
    while (at < octets.length) {
      const feed = octets.indexOf(LF, at), end = feed < 0 ? octets.length : feed;
      this.#scan(octets, at, end);
      if (feed < 0) return;
      this.#endLine(this.#lastCr ? 2 : 1);
      at = feed + 1;
    }
  }

  /** The content is over. */
  end(): void {
    if (this.#length > 0) this.#endLine(0);
    if (this.#fields !== null) this.#endFields(this.#start, this.#start, true);
    this.#pending();
    this.#endLeaf(this.#start);
    this.#pop(0);
  }

  #scan(octets: Uint8Array, from: number, to: number): void {
    if (from === to) return;
    if (this.#kept < KEPT && (this.#fields !== null || this.#boundaries.size > 0 && this.#dashed(octets[from]!))) {
      const part = octets.subarray(from, Math.min(to, from + KEPT - this.#kept));
      this.#line.set(part, this.#kept);
      this.#kept += part.length;
    }
    let wide = this.#wide, nul = this.#nul, crs = this.#crs;
    for (let at = from; at < to; at++) {
      const octet = octets[at]!;
      if (octet > 127) wide = true;
      else if (octet === CR) crs++;
      else if (octet === 0) nul = true;
    }
    this.#wide = wide;
    this.#nul = nul;
    this.#crs = crs;
    this.#lastCr = octets[to - 1] === CR;
    this.#length += to - from;
  }

  /** The line, which goes on with `next`, may become a delimiter. */
  #dashed(next: number): boolean {
    if (this.#length === 0) return next === DASH;
    return this.#kept === this.#length && this.#line[0] === DASH && (this.#length < 2 || this.#line[1] === DASH);
  }

  /** `ended`: octets of its end, 0 at the end of the content. */
  #endLine(ended: number): void {
    const length = this.#length - (ended === 2 ? 1 : 0); // without its end
    const next = this.#start + length + ended;
    if (!this.#delimiter(length, ended, next)) {
      if (this.#fields === null) this.#bodyLine(length, ended);
      else this.#headerLine(length, ended, next);
    }
    this.#start = next;
    this.#kept = this.#length = this.#crs = 0;
    this.#wide = this.#nul = this.#lastCr = false;
  }

  /** dash-boundary, with "--" at the last, then space: RFC 2046 5.1.1 */
  #delimiter(length: number, ended: number, next: number): boolean {
    if (length < 3 || length > MAX_LINE || this.#kept < length || this.#boundaries.size === 0) return false;
    if (this.#line[0] !== DASH || this.#line[1] !== DASH) return false;
    let end = length;
    while (this.#line[end - 1] === SPACE || this.#line[end - 1] === TAB) end--;
    if (end > MAX_BOUNDARY + 4) return false;
    const text = textOf(this.#line, 2, end);
    let index = this.#boundaries.get(text), close = false;
    if (index === undefined && text.endsWith("--")) {
      index = this.#boundaries.get(text.slice(0, -2));
      close = index !== undefined;
    }
    if (index === undefined) return false;
    if (this.#fields !== null) this.#endFields(this.#start, this.#start, true);
    if (this.#ended === 1 || ended === 1) this.rough = true;
    this.#endLeaf(this.#start - this.#ended);
    this.#ended = 0;
    this.#pop(index + 1);
    const level = this.#levels[index]!;
    if (close) {
      this.#fields = null;
      this.#boundaries.delete(level.boundary!);
      this.#leaf = this.#open("filler", next);
    } else {
      this.#fields = new EntityFields();
      this.#message = false;
      this.#digest = level.digest;
    }
    return true;
  }

  #headerLine(length: number, ended: number, next: number): void {
    const fields = this.#fields!;
    if (length === 0 && ended > 0) {
      this.rough ||= ended === 1;
      return this.#endFields(this.#start, next, false);
    }
    const kept = Math.min(this.#kept, length);
    if (!fields.takes(this.#line, kept)) {
      this.#endFields(this.#start, this.#start, true);
      return this.#bodyLine(length, ended);
    }
    if (this.#wide) this.utf8Header = true;
    if (this.#nul || ended === 1 || this.#crs > (ended === 2 ? 1 : 0)) this.rough = true;
    fields.line(this.#line, kept, this.#start, this.#start + length);
  }

  #bodyLine(length: number, ended: number): void {
    this.#pending();
    this.#ended = ended;
    const leaf = this.#leaf;
    if (leaf === null) return;
    if (this.#nul || this.#crs > (ended === 2 ? 1 : 0)) {
      leaf.form = "BINARYMIME";
      leaf.nul ||= this.#nul;
    } else if (this.#wide && leaf.form === "7BIT") leaf.form = "8BITMIME";
    if (length > MAX_LINE) leaf.longLines = true;
  }

  /** The end of the line before is the body's own. */
  #pending(): void {
    if (this.#ended === 1 && this.#leaf !== null) this.#leaf.form = "BINARYMIME";
    this.#ended = 0;
  }

  /** `end`: of the fields; `start`: of the body. */
  #endFields(end: number, start: number, open: boolean): void {
    const fields = this.#fields!;
    fields.close(end);
    this.#fields = null;
    this.#ended = 0;
    const message = this.#message;
    if (message && this.#levels.length === 0) this.signature = fields.signature;
    const { contentType, coding } = fields;
    const type = contentType === null || contentType.type === ""
      ? contentType === null && this.#digest ? "message/rfc822" : "text/plain"
      : contentType.type;
    const label: Form = coding?.name === "8bit" ? "8BITMIME" : coding?.name === "binary" ? "BINARYMIME" : "7BIT";
    const plain = coding === null || /^(?:7bit|8bit|binary|)$/.test(coding.name);

    const part = this.#open("fixed", start);
    const known = ++this.#entities <= MAX_PARTS && !fields.doubtful;
    part.label = known ? label : "7BIT"; // to be left as it is
    if (coding !== null) {
      part.labelStart = coding.start;
      part.labelEnd = coding.end;
    }
    part.fieldsEnd = end;
    part.open = open;
    part.unversioned = message && !fields.mimeVersion;
    part.untyped = contentType === null && type === "text/plain";
    part.charsetAt = type === "text/plain" && contentType !== null && !contentType.charset
      ? contentType.parametersAt
      : -1;
    this.#leaf = part;
    if (!known) return;
    if (type.startsWith("multipart/")) {
      const boundary = contentType?.boundary ?? "";
      const signed = type === "multipart/signed" || type === "multipart/encrypted"; //         RFC 1847 2.1, RFC 6152 3
      const readable = contentType!.sound && boundary !== "" && boundary.length <= MAX_BOUNDARY &&
        !this.#boundaries.has(boundary);
      if (signed || !readable || this.#levels.length >= MAX_DEPTH) return;
      part.treatment = "composite";
      this.#boundaries.set(boundary, this.#levels.length);
      this.#levels.push({ boundary, digest: type === "multipart/digest", part: this.parts.length - 1 });
      this.#leaf = this.#open("filler", start);
    } else if (type === "message/rfc822" && plain) {
      if (this.#levels.length >= MAX_DEPTH) return;
      part.treatment = "composite";
      this.#levels.push({ boundary: null, digest: false, part: this.parts.length - 1 });
      this.#leaf = null;
      this.#fields = new EntityFields();
      this.#message = true;
      this.#digest = false;
    } else if (type === "message/partial" || type === "message/external-body") { // 7bit by law: RFC 2046 5.2.2, 5.2.3
      return;
    } else if (plain) {
      part.treatment = type.startsWith("text/") || type.startsWith("message/") && !type.startsWith("message/global")
        ? "text"
        : "octets"; //                                            message/global may be coded whole: RFC 6532 3.7
    } else if (coding?.name === "base64") part.treatment = "base64";
  }

  #open(treatment: Part["treatment"], start: number): Part {
    const part: Part = {
      treatment,
      form: "7BIT",
      longLines: false,
      nul: false,
      label: "7BIT",
      labelStart: -1,
      labelEnd: -1,
      fieldsEnd: start,
      open: false,
      unversioned: false,
      untyped: false,
      charsetAt: -1,
      start,
      end: start,
    };
    this.parts.push(part);
    return part;
  }

  #endLeaf(end: number): void {
    const leaf = this.#leaf;
    this.#leaf = null;
    if (leaf === null) return;
    leaf.end = Math.max(leaf.start, end);
    if (RANK[leaf.form] > RANK[this.#body]) this.#body = leaf.form;
    this.longLines ||= leaf.longLines;
    if (leaf.label !== "7BIT") return;
    const before = this.parts.at(-2);
    if (leaf.form === "7BIT" && !leaf.longLines) this.parts.pop(); // the last of them
    else if (leaf.treatment === "fixed" && before?.treatment === "fixed") { // of any number one is enough
      if (RANK[leaf.form] > RANK[before.form]) before.form = leaf.form;
      before.longLines ||= leaf.longLines;
      this.parts.pop();
    }
  }

  /** Ends what is inside of the first `depth` levels. */
  #pop(depth: number): void {
    while (this.#levels.length > depth) {
      const { boundary, part } = this.#levels.pop()!;
      // Another with the same name cannot have been opened inside of it, but after its end
      if (boundary !== null && this.#boundaries.get(boundary) === this.#levels.length) {
        this.#boundaries.delete(boundary);
      }
      if (this.parts.length - 1 === part && this.parts[part]!.label === "7BIT") this.parts.pop();
    }
  }
}
