/**
 * Macro strings: their grammar and their expansion (RFC 7208 7). Pure; parsing is linear, and expansion stops at the
 * length that can be used, however often a record repeats a macro.
 */

/** What the letters stand for (RFC 7208 7.2, 7.3). `c`, `r` and `t` are for explanations only. */
export type MacroLetter = "s" | "l" | "o" | "d" | "i" | "p" | "h" | "c" | "r" | "t" | "v";
export type MacroValues = Readonly<Record<MacroLetter, string>>;

interface Macro {
  readonly letter: MacroLetter;
  /** An upper-case letter: the value is written for a URL. */
  readonly escape: boolean;
  /** Right-hand parts that are kept. */
  readonly keep: number;
  readonly reverse: boolean;
  readonly delimiters: string;
}
export type MacroString = readonly (string | Macro)[];

export interface MacroOptions {
  /** The text of an explanation: spaces, and the letters c, r and t. */
  readonly explanation?: boolean;
}

// macro-expand = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
// transformers = *DIGIT [ "r" ]
// delimiter    = "." / "-" / "+" / "," / "/" / "_" / "="
const MACRO = /%\{([slodiphcrtv])(\d*)(r?)([.\-+,/_=]*)\}/iy;
// macro-literal = %x21-24 / %x26-7E ; an explanation has SP too
const LITERAL = /[\x20-\x24\x26-\x7e]+/y;
// toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
const TOP_LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i;
const WORDS: Readonly<Record<string, string>> = { "%%": "%", "%_": " ", "%-": "%20" };
const UNRESERVED = /[A-Za-z0-9\-._~]/; // RFC 3986 2.3

/** Reads a macro-string; null when it is none. */
export function parseMacroString(text: string, options: MacroOptions = {}): MacroString | null {
  const tokens: (string | Macro)[] = [];
  if (!options.explanation && text.includes(" ")) return null;
  for (let at = 0; at < text.length;) {
    if (text[at] !== "%") {
      LITERAL.lastIndex = at;
      const literal = LITERAL.exec(text);
      if (literal === null) return null; // a control character, or beyond ASCII
      tokens.push(literal[0]);
      at = LITERAL.lastIndex;
      continue;
    }
    const word = WORDS[text.slice(at, at + 2)];
    if (word !== undefined) {
      tokens.push(word);
      at += 2;
      continue;
    }
    MACRO.lastIndex = at;
    const found = MACRO.exec(text);
    if (found === null) return null;
    at = MACRO.lastIndex;
    const [, name = "", digits = "", reverse, delimiters = ""] = found;
    const letter = name.toLowerCase() as MacroLetter;
    if (!options.explanation && "crt".includes(letter)) return null; // RFC 7208 7.2
    const keep = digits === "" ? Infinity : Number(digits);
    if (keep === 0) return null; // RFC 7208 7.1: nonzero
    tokens.push({ letter, escape: name !== letter, keep, reverse: reverse !== "", delimiters: delimiters || "." });
  }
  return tokens;
}

/** Reads a domain-spec = macro-string domain-end; null when it is none. */
export function parseDomainSpec(text: string): MacroString | null {
  const tokens = parseMacroString(text);
  if (tokens === null || tokens.length === 0) return null;
  // domain-end = ( "." toplabel [ "." ] ) / macro-expand
  if (typeof tokens.at(-1) === "object" || WORDS[text.slice(-2)] !== undefined) return tokens;
  const end = text.endsWith(".") ? text.length - 1 : text.length;
  const dot = text.lastIndexOf(".", end - 1), label = text.slice(dot + 1, end);
  return dot >= 0 && TOP_LABEL.test(label) && !/^\d+$/.test(label) ? tokens : null;
}

/** True when the value of that letter is needed: `p` costs questions. */
export function usesMacro(string: MacroString, letter: MacroLetter): boolean {
  return string.some((each) => typeof each === "object" && each.letter === letter);
}

/** The text that a macro string stands for, cut behind `limit` characters. */
export function expandText(string: MacroString, values: MacroValues, limit: number): string {
  let text = "";
  for (const token of string) {
    if (text.length >= limit) break;
    text += expand(token, values);
  }
  return text.slice(0, limit);
}

const MAX_NAME = 253;

/** The name that a domain-spec stands for: without its last dot, labels at the left dropped beyond 253 characters. */
export function expandName(string: MacroString, values: MacroValues): string {
  let name = "";
  for (let i = string.length - 1; i >= 0 && name.length <= MAX_NAME + 1; i--) name = expand(string[i]!, values) + name;
  if (name.endsWith(".")) name = name.slice(0, -1);
  if (name.length <= MAX_NAME) return name;
  const dot = name.indexOf(".", name.length - MAX_NAME - 1);
  return dot < 0 ? "" : name.slice(dot + 1); // RFC 7208 7.3
}

function expand(token: string | Macro, values: MacroValues): string {
  if (typeof token === "string") return token;
  let value = values[token.letter];
  if (token.reverse || token.keep !== Infinity || token.delimiters !== ".") {
    const parts = split(value, token.delimiters);
    if (token.reverse) parts.reverse();
    value = parts.slice(-token.keep).join(".");
  }
  return token.escape ? escapeUrl(value) : value;
}

function split(value: string, delimiters: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < value.length; at++) {
    if (!delimiters.includes(value[at]!)) continue;
    parts.push(value.slice(start, at));
    start = at + 1;
  }
  parts.push(value.slice(start));
  return parts;
}

const utf8 = new TextEncoder();

/** RFC 7208 7.3: everything but the unreserved characters of a URI, octet by octet. */
function escapeUrl(value: string): string {
  let out = "";
  for (const char of value) {
    if (UNRESERVED.test(char)) out += char;
    else for (const octet of utf8.encode(char)) out += `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
