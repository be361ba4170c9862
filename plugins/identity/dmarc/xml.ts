/**
 * A reader for XML of strangers (XML 1.0), as far as reports need it: elements and their text. Everything else that XML
 * can do is refused: a document type, with it every entity of its own, is an error, not something to skip. One pass,
 * bounded in depth and in elements. Non-job: namespaces (prefixes are left out), attributes, other encodings than UTF-8.
 */

/** An element: its local name, what stands in it. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Its character data, with that of its children left out, trimmed. */
  readonly text: string;
}

/** Why a text is no document that we read: a sentence without a full stop. */
export class XmlError extends Error {
  override readonly name = "XmlError";
}

export interface XmlLimits {
  /** Elements within elements (default 32). */
  readonly depth?: number;
  /** Elements in all (default 500,000). */
  readonly elements?: number;
}

interface Open {
  readonly name: string;
  /** With its prefix: the closing tag must say the same. */
  readonly tag: string;
  readonly children: XmlElement[];
  text: string;
}

const NAME = /[\p{L}_][\p{L}\p{N}._-]*(?::[\p{L}_][\p{L}\p{N}._-]*)?/uy;
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);
const MAX_NAME = 200;

/**
 * Reads a document.
 *
 * @throws {XmlError} when it is none, or more than that.
 */
export function parseXml(document: string, { depth = 32, elements = 500_000 }: XmlLimits = {}): XmlElement {
  const text = document.startsWith("\ufeff") ? document.slice(1) : document;
  const stack: Open[] = [];
  let root: XmlElement | null = null, count = 0, at = 0;
  while (at < text.length) {
    const mark = text.indexOf("<", at);
    const data = text.slice(at, mark < 0 ? text.length : mark), open = stack.at(-1);
    if (open !== undefined) open.text += decoded(data);
    else if (/\S/.test(data)) throw new XmlError("there is text outside of the elements");
    if (mark < 0) break;
    if (text.startsWith("<!--", mark)) at = after(text, "-->", mark + 4, "a comment");
    else if (text.startsWith("<?", mark)) at = after(text, "?>", mark + 2, "an instruction");
    else if (text.startsWith("<![CDATA[", mark)) {
      at = after(text, "]]>", mark + 9, "a CDATA section");
      if (open === undefined) throw new XmlError("there is text outside of the elements");
      open.text += text.slice(mark + 9, at - 3);
    } else if (text.startsWith("<!", mark)) {
      throw new XmlError("it has a document type: entities of one's own are not read");
    } else if (text[mark + 1] === "/") {
      const end = after(text, ">", mark + 2, "a closing tag"), tag = text.slice(mark + 2, end - 1).trimEnd();
      const closed = stack.pop();
      if (closed === undefined || closed.tag !== tag) throw new XmlError("a closing tag closes nothing");
      root = settle(closed, stack) ?? root;
      at = end;
    } else {
      if (root !== null) throw new XmlError("there is more than one root");
      if (++count > elements) throw new XmlError(`there are more than ${elements} elements`);
      if (stack.length >= depth) throw new XmlError(`elements stand more than ${depth} deep`);
      const tag = nameAt(text, mark + 1), end = endOfTag(text, mark + 1 + tag.length);
      const started: Open = { name: tag.slice(tag.indexOf(":") + 1), tag, children: [], text: "" };
      if (text[end - 2] === "/") root = settle(started, stack) ?? root;
      else stack.push(started);
      at = end;
    }
  }
  if (stack.length > 0) throw new XmlError("an element has no end");
  if (root === null) throw new XmlError("there is no element");
  return root;
}

/** Into the element around it; the element itself when there is none. */
function settle({ name, children, text }: Open, stack: readonly Open[]): XmlElement | null {
  const element = { name, children, text: text.trim() }, around = stack.at(-1);
  if (around === undefined) return element;
  around.children.push(element);
  return null;
}

function after(text: string, end: string, from: number, what: string): number {
  const found = text.indexOf(end, from);
  if (found < 0) throw new XmlError(`${what} has no end`);
  return found + end.length;
}

function nameAt(text: string, at: number): string {
  NAME.lastIndex = at;
  const name = NAME.exec(text)?.[0];
  if (name === undefined || name.length > MAX_NAME) throw new XmlError("a tag has no name");
  return name;
}

/** Behind the ">" of a tag, attributes skipped: one may hold a ">" in its quotes. */
function endOfTag(text: string, from: number): number {
  for (let at = from, quote = ""; at < text.length; at++) {
    const char = text[at]!;
    if (quote !== "") {
      if (char === quote) quote = "";
    } else if (char === '"' || char === "'") quote = char;
    else if (char === ">") return at + 1;
    else if (char === "<") break;
  }
  throw new XmlError("a tag has no end");
}

/** Character data with its references (XML 1.0 4.1) resolved: the five names and numbers. */
function decoded(data: string): string {
  if (!data.includes("&")) return data;
  return data.replace(/&([^;&]{0,12})(;?)/g, (_, name: string, end: string) => {
    const number = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name);
    const code = number === null ? -1 : number[1] === undefined ? Number(number[2]) : parseInt(number[1], 16);
    const char = code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ENTITIES.get(name);
    if (end === "" || char === undefined) throw new XmlError("an entity is none that XML itself has");
    return char;
  });
}
