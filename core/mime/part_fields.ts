/**
 * The header fields that say what an entity is (RFC 2045 5, 6, 7; RFC 2183), gathered line by line and read once the
 * section is over. Of a field that is too long its beginning counts. Linear. Non-job: where the section ends (reader.ts),
 * offsets at which fields can be changed (entity_fields.ts).
 */
import { decodeText } from "./charset.ts";
import type { MimeDefect, MimeEncoding, PartHead } from "./entity.ts";
import { textOf } from "./entity_fields.ts";
import { type Parameters, parseParameters, skip } from "./parameters.ts";

const SPACE = 32, TAB = 9, COLON = 58;
const MAX_FIELD = 16 * 1024; // octets of one field, and
const MAX_FIELDS = 1024 * 1024; // of all of a message that are read at all: what one costs does not multiply
const MAX_NAMES = 32; // of a part
const MAX_WORD = 256; // characters of the first word of a field
const WANTED = new Set(["content-type", "content-transfer-encoding", "content-disposition", "content-id"]);
const LONGEST = Math.max(...[...WANTED].map((name) => name.length));

/** What may be spent on fields of one message. */
export interface FieldBudget {
  octets: number;
}
export const newFieldBudget = (): FieldBudget => ({ octets: MAX_FIELDS });

/** What the fields say; the place is the reader's to add. */
export type PartFacts = Pick<
  PartHead,
  "type" | "parameters" | "charset" | "disposition" | "filename" | "filenames" | "encoding" | "contentId"
>;

const ENCODINGS: Readonly<Record<string, MimeEncoding>> = {
  "": "7bit",
  "7bit": "7bit",
  "8bit": "8bit",
  "binary": "binary",
  "base64": "base64",
  "quoted-printable": "quoted-printable",
  "uuencode": "uuencode",
  "uue": "uuencode",
  "x-uuencode": "uuencode",
  "x-uue": "uuencode",
};
const NONE: Parameters = { values: new Map(), others: new Map(), sound: true, gap: false };

export class PartFields {
  readonly defects = new Set<MimeDefect>();
  readonly #values = new Map<string, string>();
  readonly #budget: FieldBudget;
  #name = "";
  #text: string[] | null = null;
  #size = 0;
  #any = false;

  constructor(budget: FieldBudget) {
    this.#budget = budget;
  }

  /** Whether the line can stand here: a field, or the continuation of one (as core/model/headers.ts has it). */
  takes(line: Uint8Array): boolean {
    if (line[0] === SPACE || line[0] === TAB) return this.#any;
    let at = 0;
    while (at < line.length && line[at]! > 32 && line[at]! < 127 && line[at] !== COLON) at++;
    if (at === 0) return false;
    while (at < line.length && (line[at] === SPACE || line[at] === TAB)) at++; //                     RFC 5322 4.5.8
    return line[at] === COLON;
  }

  /** A line that `takes` took, with its end. `cut`: it goes on, and nothing more of it will come. */
  line(line: Uint8Array, cut: boolean): void {
    if (!(line[0] === SPACE || line[0] === TAB)) {
      this.#close();
      this.#any = true;
      let to = 0;
      while (to <= LONGEST && line[to]! > 32 && line[to] !== COLON) to++;
      this.#name = to > LONGEST ? "" : textOf(line, 0, to).toLowerCase();
      this.#text = WANTED.has(this.#name) ? [] : null;
      this.#size = 0;
    }
    if (this.#text === null) return;
    const room = Math.max(0, Math.min(MAX_FIELD - this.#size, this.#budget.octets));
    if (cut || line.length > room) this.defects.add("longField");
    const part = line.subarray(0, room);
    this.#text.push(textOf(part, 0, part.length));
    this.#size += part.length;
    this.#budget.octets -= part.length;
  }

  #close(): void {
    if (this.#text === null) return;
    const raw = this.#text.join("");
    const value = raw.slice(raw.indexOf(":") + 1);
    // deno-lint-ignore no-control-regex
    const text = /^[\u0000-\u007f]*$/.test(value)
      ? value
      : decodeText(Uint8Array.from(value, (char) => char.charCodeAt(0)), null);
    if (!this.#values.has(this.#name)) this.#values.set(this.#name, text);
    else this.defects.add("duplicateField");
    this.#text = null;
  }

  /** `digest`: the entity is a part of multipart/digest, a message unless it says otherwise (RFC 2046 5.1.5). */
  read(digest: boolean): PartFacts {
    this.#close();
    const typeField = this.#values.get("content-type"), dispositionField = this.#values.get("content-disposition");
    const { first: written, parameters: ofType } = this.#parse(typeField, true);
    const readable = /^[^\s/;]+\/[^\s/;]+$/.test(written);
    if (typeField !== undefined && !readable) this.defects.add("badType");
    const type = readable ? written : typeField === undefined && digest ? "message/rfc822" : "text/plain";
    const { first: disposition, parameters: ofDisposition } = this.#parse(dispositionField, false);
    const names = new Set<string>();
    for (const [parameters, name] of [[ofDisposition, "filename"], [ofType, "name"]] as const) {
      for (const each of [parameters.values.get(name), ...parameters.others.get(name) ?? []]) {
        if (each !== undefined && each !== "" && names.size < MAX_NAMES) names.add(each);
      }
    }
    const filenames = [...names];
    return {
      type,
      parameters: ofType.values,
      charset: ofType.values.get("charset")?.toLowerCase() ?? null,
      disposition: dispositionField === undefined ? null : disposition,
      filename: filenames[0] ?? null,
      filenames,
      encoding: this.#encoding(),
      contentId: /<([^<>]*)>/.exec(this.#values.get("content-id")?.slice(0, 1000) ?? "")?.[1] ?? null,
    };
  }

  /** The first word of a field, in lower case, and what follows it. */
  #parse(text: string | undefined, slash: boolean): { first: string; parameters: Parameters } {
    if (text === undefined) return { first: "", parameters: NONE };
    const start = Math.max(0, skip(text, 0));
    let end = start;
    while (end < text.length && text[end] !== ";" && text[end] !== "(") {
      if (!slash && /[\s]/.test(text[end]!)) break;
      end++;
    }
    const first = text.slice(start, Math.min(end, start + MAX_WORD)).trim().toLowerCase();
    const parameters = parseParameters(text, end);
    if (!parameters.sound) this.defects.add("badParameters");
    if (parameters.gap) this.defects.add("parameterGap");
    // "text/plain charset=x": a reader may see the type all the same
    const space = first.search(/\s/);
    return { first: space < 0 || !slash ? first : first.replace(/\s*\/\s*/, "/").split(/\s/)[0]!, parameters };
  }

  #encoding(): MimeEncoding {
    const text = this.#values.get("content-transfer-encoding") ?? "";
    const start = Math.max(0, skip(text, 0));
    const name = /^[^\s;(]*/.exec(text.slice(start))![0].toLowerCase();
    const known = Object.hasOwn(ENCODINGS, name) ? ENCODINGS[name]! : "unknown";
    if (known === "unknown") this.defects.add("unknownEncoding");
    return known;
  }
}
