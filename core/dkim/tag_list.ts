/**
 * Tag lists, which signatures and key records are written in (RFC 6376 3.2). One pass, and bounded: what is longer, or
 * has more tags, than any signer writes is no list. Non-job: what a tag means.
 */

/** Characters of a list, and tags in it. */
const MOST = 65_536, MOST_TAGS = 100;

// tag-name = ALPHA *(ALPHA / DIGIT / "_"); VALCHAR = %x21-3A / %x3C-7E, and UTF-8 (RFC 8616 3)
const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
// deno-lint-ignore no-control-regex
const NO_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Why a text is no tag list: our words, nothing of the text in them. */
export class TagListError extends Error {
  override readonly name = "TagListError";
}

/**
 * The tags, in their order, without the white space around names and values. `text`: unfolded.
 *
 * @throws {TagListError} for what does not fit the grammar; a tag that stands twice makes all of it void.
 * @example
 * ```ts
 * import { parseTagList } from "./tag_list.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals([...parseTagList("v=1; h = from : to;")], [["v", "1"], ["h", "from : to"]]);
 * ```
 */
export function parseTagList(text: string): Map<string, string> {
  if (text.length > MOST) throw new TagListError("it is longer than any");
  if (NO_VALUE.test(text)) throw new TagListError("there are controls in it");
  const tags = new Map<string, string>();
  for (let at = 0; at < text.length;) {
    let end = text.indexOf(";", at);
    if (end < 0) end = text.length;
    const tag = text.slice(at, end), equals = tag.indexOf("=");
    if (equals < 0 && end === text.length && tags.size > 0 && isBlank(tag)) break; // behind the last ";"
    const name = trimmed(tag.slice(0, Math.max(0, equals)));
    if (!NAME.test(name)) throw new TagListError("there is something that is no tag");
    if (tags.has(name)) throw new TagListError("a tag stands there twice");
    if (tags.size === MOST_TAGS) throw new TagListError("it has more tags than any");
    tags.set(name, trimmed(tag.slice(equals + 1)));
    at = end + 1;
  }
  return tags;
}

/** Without any space and tab: where FWS may stand everywhere (base64, h=). */
export function withoutSpace(text: string): string {
  return /[ \t]/.test(text) ? text.replace(/[ \t]+/g, "") : text;
}

/** Base64 with white space in it; null when it is none. */
export function base64Of(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(withoutSpace(text));
  } catch {
    return null;
  }
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 32 || code === 9;
}

function isBlank(text: string): boolean {
  return trimmed(text) === "";
}

/** Space and tab only: other white space is no white space here. */
function trimmed(text: string): string {
  let start = 0, end = text.length;
  while (start < end && isSpace(text, start)) start++;
  while (end > start && isSpace(text, end - 1)) end--;
  return text.slice(start, end);
}
