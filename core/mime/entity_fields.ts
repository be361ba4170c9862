/**
 * The header fields that say what an entity is: Content-Type and Content-Transfer-Encoding (RFC 2045 5, 6; RFC 2231),
 * gathered octet by octet with the offsets at which they can be changed. Linear, and of a field that is too long only its
 * name is kept. Non-job: where an entity begins and ends (structure.ts), other fields.
 */
const CR = 13, LF = 10, SPACE = 32, TAB = 9, COLON = 58;
const MAX_FIELD = 16 * 1024; // of a Content-* field, octets
const MAX_NAME = 32; // of those of interest

/** Offsets are of the whole message. */
export interface Coding {
  /** In lower case. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export interface ContentType {
  /** `type/subtype` in lower case; empty when the field says nothing that can be read. */
  readonly type: string;
  readonly boundary: string | null;
  readonly charset: boolean;
  /** Where a parameter can be inserted; -1 when the field is not to be touched. */
  readonly parametersAt: number;
  /** The parameters could be read to their end. */
  readonly sound: boolean;
}

export class EntityFields {
  contentType: ContentType | null = null;
  coding: Coding | null = null;
  mimeVersion = false;
  /** DKIM-Signature or a field of an ARC set is there. */
  signature = false;
  /** Two fields where there may be one, or one that is too long: two readers see two things in it. */
  doubtful = false;
  #name = "";
  #start = 0;
  #named = false;
  #wanted = false;
  #text = "";

  /** Whether `line` (its first octets) can be a line of a header section after what has come so far. */
  takes(line: Uint8Array, length: number): boolean {
    if (line[0] === SPACE || line[0] === TAB) return this.#named;
    let at = 0;
    while (at < length && line[at]! > 32 && line[at]! < 127 && line[at] !== COLON) at++;
    if (at === 0) return false;
    while (at < length && (line[at] === SPACE || line[at] === TAB)) at++; //                        RFC 5322 4.5.8
    return line[at] === COLON && at < length;
  }

  /** One line of the section without its end, or as much of it as was kept. `at`, `end`: offsets of all of it. */
  line(line: Uint8Array, length: number, at: number, end: number): void {
    if (!(line[0] === SPACE || line[0] === TAB)) {
      this.close(at);
      let to = 0;
      while (to < MAX_NAME && line[to]! > 32 && line[to] !== COLON) to++;
      this.#name = textOf(line, 0, to).toLowerCase();
      this.#named = true;
      this.#start = at;
      this.#wanted = this.#name === "content-type" || this.#name === "content-transfer-encoding";
      this.mimeVersion ||= this.#name === "mime-version";
      this.signature ||= this.#name === "dkim-signature" || this.#name.startsWith("arc-");
    }
    if (!this.#wanted) return;
    if (end - this.#start > MAX_FIELD || end - at > length) {
      this.#wanted = false;
      this.doubtful = true;
    } else this.#text = this.#text.padEnd(at - this.#start, "\r\n") + textOf(line, 0, length); // offsets stay right
  }

  /** The field that was open is whole. */
  close(end: number): void {
    const text = this.#text;
    if (this.#wanted && text !== "") {
      const value = text.indexOf(":") + 1;
      if (this.#name === "content-type") {
        if (this.contentType !== null) this.doubtful = true;
        else this.contentType = parseContentType(text, value, this.#start);
      } else if (this.coding !== null) this.doubtful = true;
      else {
        const from = skip(text, value);
        let to = from;
        while (to < text.length && !" \t\r\n;(".includes(text[to]!)) to++;
        this.coding = { name: text.slice(from, to).toLowerCase(), start: this.#start, end };
      }
    }
    this.#text = "";
    this.#wanted = false;
  }
}

/** Over spaces, line ends and comments, which may nest (RFC 5322 3.2.2). */
function skip(text: string, from: number): number {
  let at = from, depth = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 40) depth++;
    else if (depth > 0) {
      if (code === 41) depth--;
      else if (code === 92) at++;
    } else if (code !== SPACE && code !== TAB && code !== CR && code !== LF) break;
  }
  return Math.min(at, text.length);
}

const TSPECIAL = '()<>@,;:\\"/[]?='; // RFC 2045 5.1

function tokenEnd(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= 32 || code >= 127 || TSPECIAL.includes(text[at]!)) break;
  }
  return at;
}

function parseContentType(text: string, from: number, offset: number): ContentType {
  const start = skip(text, from), slash = tokenEnd(text, start);
  const end = text[slash] === "/" ? tokenEnd(text, slash + 1) : slash;
  if (slash === start || end <= slash + 1) { //                                  text/plain to readers: RFC 2045 5.2
    return { type: "", boundary: null, charset: true, parametersAt: -1, sound: false };
  }
  const type = text.slice(start, end).toLowerCase();
  let boundary: string | null = null, charset = false, sound = true, at = skip(text, end);
  while (at < text.length) {
    if (text[at] !== ";") {
      sound = false;
      break;
    }
    at = skip(text, at + 1);
    if (at === text.length) break; // a last ";" is common
    if (text[at] === ";") continue;
    const nameEnd = tokenEnd(text, at), equals = skip(text, nameEnd);
    if (nameEnd === at || text[equals] !== "=") {
      sound = false;
      break;
    }
    const name = text.slice(at, nameEnd).toLowerCase();
    at = skip(text, equals + 1);
    let value = "";
    if (text[at] === '"') {
      const from = ++at;
      while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      if (at >= text.length) {
        sound = false;
        break;
      }
      value = text.slice(from, at).replace(/\\([^])|[\r\n]/g, "$1");
      at = skip(text, at + 1);
    } else { // "=" and "?" are seen in boundaries without quotes
      const from = at;
      while (at < text.length && text.charCodeAt(at) > 32 && text[at] !== ";") at++;
      value = text.slice(from, at);
      at = skip(text, at);
    }
    if (name.startsWith("charset")) charset = true;
    if (name === "boundary") {
      if (boundary !== null && boundary !== value) sound = false;
      boundary = value;
    } else if (name.startsWith("boundary*")) sound = false; // who reads RFC 2231 here, and who does not
  }
  return { type, boundary: boundary?.trimEnd() ?? null, charset, parametersAt: sound ? offset + end : -1, sound };
}

/** Each octet one character. */
export function textOf(octets: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += 4096) {
    text += String.fromCharCode.apply(null, octets.subarray(at, Math.min(end, at + 4096)) as unknown as number[]);
  }
  return text;
}
