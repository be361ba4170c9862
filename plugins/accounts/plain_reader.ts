/**
 * Reads the YAML that tables of names are written in: one entry a line, plain or simply quoted scalars, lists and tables
 * on one line. A million entries take about a second; a whole YAML parser takes 50 times the memory and time.
 * It never guesses: text outside this subset is null, and the caller asks the whole parser. What it does read it reads
 * as YAML 1.2 with the failsafe schema does: every scalar is a text. One pass, linear, no backtracking.
 */
import type { Entry, Node } from "./node.ts";

// Plain scalars without any character that YAML gives a meaning, whatever stands around it.
const PLAIN = /[A-Za-z0-9_\u00a1-\u1fff\u2070-\ud7ff][A-Za-z0-9_.+=/@%~^$!&*'\u00a1-\u1fff\u2070-\ud7ff-]*/y;
const DOUBLE = /"([ !#-[\]-~\u00a1-\u1fff\u2070-\ud7ff]*)"/y;
const SINGLE = /'([ -&(-~\u00a1-\u1fff\u2070-\ud7ff]*)'/y;
const LINE_END = /(?: *| +#[^\r\n]*)(?:\r?\n|$)/y;
const COMMENT = /#[^\r\n]*(?:\r?\n|$)/y;
const DEPTH = 8; // of lists and tables on one line
const KEY_LENGTH = 1000; // YAML 1.2 8.2.2: an implicit key has at most 1,024 characters

type Container =
  | { readonly kind: "list"; readonly at: number; readonly items: Node[] }
  | { readonly kind: "table"; readonly at: number; readonly entries: Entry[] };

/** The tree, or null when the text goes beyond the subset. */
export function readPlain(text: string): Node | null {
  return new PlainReader(text).read();
}

class PlainReader {
  #at = 0;
  constructor(readonly text: string) {}

  read(): Node | null {
    const text = this.text;
    const root: Container = { kind: "table", at: 0, entries: [] };
    const open: { readonly indent: number; readonly container: Container }[] = [{ indent: 0, container: root }];
    /** Where the key of the last line stands while it has no value: deeper lines are its value then. */
    let waiting: { readonly indent: number; readonly entries: Entry[] } | null = null;
    while (this.#at < text.length) {
      const start = this.#at;
      this.#spaces();
      const indent = this.#at - start;
      if (this.#step(COMMENT) || this.#step(LINE_END)) continue;
      const item = text[this.#at] === "-" && text[this.#at + 1] === " ";
      if (waiting !== null && (indent > waiting.indent || item && indent === waiting.indent)) {
        const container: Container = item
          ? { kind: "list", at: this.#at, items: [] }
          : { kind: "table", at: this.#at, entries: [] };
        waiting.entries.push({ ...waiting.entries.pop()!, value: container });
        open.push({ indent, container });
      }
      waiting = null;
      let top = open.at(-1)!;
      // A list may stand as deep as its key, so the next key at that depth ends it.
      while (
        open.length > 1 && (top.indent > indent || top.indent === indent && !item && top.container.kind === "list")
      ) {
        open.pop();
        top = open.at(-1)!;
      }
      if (top.indent !== indent) return null;
      const { container } = top;
      if (item !== (container.kind === "list")) return null;
      if (container.kind === "list") {
        this.#at += 2;
        this.#spaces();
        const value = this.#value(0);
        if (value === null || !this.#step(LINE_END)) return null;
        container.items.push(value);
        continue;
      }
      const at = this.#at, key = this.#scalar();
      if (key === null || key.length > KEY_LENGTH || text[this.#at] !== ":") return null;
      this.#at++;
      if (this.#step(LINE_END)) {
        container.entries.push({ key, at, value: { kind: "text", at, text: "" } });
        waiting = { indent, entries: container.entries };
        continue;
      }
      if (text[this.#at] !== " ") return null;
      this.#spaces();
      const value = this.#value(0);
      if (value === null || !this.#step(LINE_END)) return null;
      container.entries.push({ key, at, value });
    }
    return root;
  }

  #spaces(): void {
    while (this.text.charCodeAt(this.#at) === 32) this.#at++;
  }

  /** Steps over what `form` matches here; false, and stays, when it does not. */
  #step(form: RegExp): boolean {
    form.lastIndex = this.#at;
    if (!form.test(this.text)) return false;
    this.#at = form.lastIndex;
    return true;
  }

  #scalar(): string | null {
    const first = this.text[this.#at];
    const form = first === '"' ? DOUBLE : first === "'" ? SINGLE : PLAIN;
    form.lastIndex = this.#at;
    const found = form.exec(this.text);
    if (found === null) return null;
    this.#at = form.lastIndex;
    return found[1] ?? found[0];
  }

  #value(depth: number): Node | null {
    const at = this.#at, first = this.text[at];
    if (first !== "[" && first !== "{") {
      const text = this.#scalar();
      return text === null ? null : { kind: "text", at, text };
    }
    if (depth === DEPTH) return null;
    const items: Node[] = [], entries: Entry[] = [], close = first === "[" ? "]" : "}";
    this.#at++;
    this.#spaces();
    while (this.text[this.#at] !== close) {
      const keyAt = this.#at;
      if (first === "{") {
        const key = this.#scalar();
        if (key === null || key.length > KEY_LENGTH || this.text[this.#at] !== ":" || this.text[this.#at + 1] !== " ") {
          return null;
        }
        this.#at++;
        this.#spaces();
        const value = this.#value(depth + 1);
        if (value === null) return null;
        entries.push({ key, at: keyAt, value });
      } else {
        const value = this.#value(depth + 1);
        if (value === null) return null;
        items.push(value);
      }
      this.#spaces();
      if (this.text[this.#at] === ",") {
        this.#at++;
        this.#spaces();
        if (this.text[this.#at] === close) return null; // a trailing comma is for the whole parser
      } else if (this.text[this.#at] !== close) return null;
    }
    this.#at++;
    return first === "[" ? { kind: "list", at, items } : { kind: "table", at, entries };
  }
}
