/**
 * Changes of single fields by their place in the header section as it stands: many at once, in one pass. For who knows the
 * section field by field, as filters of other servers do. Pure; the received octets are never changed (SEMANTICS 6).
 * Non-job: changes by name, and making edits (edits.ts).
 */
import { dropped, formatField, within, withoutControls } from "./edits.ts";
import type { HeaderEdits } from "./envelope.ts";
import { type FieldRange, HeaderSection } from "./headers.ts";

/** `at` and `before`: places in the section before any of the changes, from 0. */
export type FieldChange =
  /** The field at that place gets this value, or goes. */
  | { readonly at: number; readonly value: string | null }
  /** One more in front of that place; behind the last where there is no such place. Several: in their order. */
  | { readonly before: number; readonly name: string; readonly value: string };

const utf8 = new TextEncoder();
const LINE = 998; // octets, RFC 5322 2.1.1
const BREAK = /\r?\n(?=[ \t])/; // where a field is folded                                               RFC 5322 2.2.3

/**
 * One field as the wire writes it, with its CRLF. Line breaks in the value stand where a space or a tab follows: somebody
 * has folded it, and may have signed that. Else it is `formatField`: nothing in a value begins a field of its own (case 54).
 *
 * @throws {TypeError} when the name is none.
 * @example
 * ```ts
 * import { formatFoldedField } from "./field_changes.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatFoldedField("X-Note", "a\n\tb\nBcc: c"), "X-Note: a\r\n\tb Bcc: c\r\n");
 * ```
 */
export function formatFoldedField(name: string, value: string): string {
  const [first = "", ...rest] = value.split(BREAK).map((line) => withoutControls(line).trimEnd());
  const folds = rest.filter((line) => line !== ""); // a line of spaces looks like the end of the section
  if (folds.length === 0) return formatField(name, value);
  const front = formatField(name, "").slice(0, -2); // and the name is one
  const lines = [`${front}${first.trimStart()}`.trimEnd(), ...folds];
  if (lines.some((line) => line.length > LINE / 4 && utf8.encode(line).length > LINE)) return formatField(name, value);
  return lines.join("\r\n") + "\r\n";
}

/** A field of the section: ours, as text, or a received one. `at`: the received octet that it stands before. */
type Standing =
  | { readonly text: string; readonly at: number; readonly front: boolean }
  | { readonly field: FieldRange };

/**
 * The edits with these changes. Places that there are not are passed over, but for insertions.
 *
 * @throws {TypeError} when a name is none.
 */
export function changeFields(
  edits: HeaderEdits,
  received: HeaderSection,
  changes: readonly FieldChange[],
): HeaderEdits {
  const section = standing(edits, received);
  const values = new Map<number, string | null>(), inserted = new Map<number, string[]>();
  for (const change of changes) {
    if ("at" in change) {
      values.set(change.at, change.value);
      continue;
    }
    const place = Math.max(0, Math.min(change.before, section.length)),
      field = formatFoldedField(change.name, change.value);
    const there = inserted.get(place);
    if (there === undefined) inserted.set(place, [field]);
    else there.push(field);
  }
  const prepend: string[] = [], insert: [number, string][] = [], drop: FieldRange[] = [];
  let front = true, end = 0; // still in front of all that was received; where what comes last would stand
  const put = (text: string, at: number) => void (front ? prepend.push(text) : insert.push([at, text]));
  for (const [place, each] of section.entries()) {
    const ours = "text" in each, at = ours ? each.at : each.field.start;
    for (const text of inserted.get(place) ?? []) put(text, at);
    front &&= ours && each.front;
    const value = values.get(place);
    if (ours) {
      const text = value === undefined ? each.text : value === null ? "" : formatFoldedField(nameOf(each.text), value);
      if (text !== "") put(text, at);
      end = Math.max(end, at);
      continue;
    }
    end = each.field.end;
    if (value === undefined) continue;
    drop.push(each.field);
    if (value !== null) put(formatFoldedField(each.field.name, value), at);
  }
  const last = Math.max(end, received.fields.at(-1)?.end ?? 0);
  for (const text of inserted.get(section.length) ?? []) put(text, last);
  const made = { prepend: prepend.join(""), drop: dropped(edits.drop, drop) };
  return insert.length === 0 ? made : { ...made, insert };
}

/** Every field in its order, as `editedFields` shows them. */
function standing({ prepend, drop, insert = [] }: HeaderEdits, received: HeaderSection): Standing[] {
  const out: Standing[] = split(prepend).map((text) => ({ text, at: 0, front: true }));
  let next = 0;
  const upTo = (place: number) => {
    for (; next < insert.length && insert[next]![0] <= place; next++) {
      const [at, fields] = insert[next]!;
      for (const text of split(fields)) out.push({ text, at, front: false });
    }
  };
  for (const field of received.fields) {
    upTo(field.start);
    if (!within(drop, field.start)) out.push({ field });
  }
  upTo(Infinity);
  return out;
}

function split(fields: string): string[] {
  if (fields === "") return [];
  const octets = utf8.encode(fields), decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return new HeaderSection(octets).fields.map(({ start, end }) => decoder.decode(octets.subarray(start, end)));
}

function nameOf(field: string): string {
  return field.slice(0, field.indexOf(":")).trimEnd();
}
