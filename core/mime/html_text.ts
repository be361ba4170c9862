/**
 * What a person sees of HTML, and what is kept from the eye: text, links with their words, other addresses. A tokenizer
 * after the HTML standard's states, not a tree; one pass, linear in any input. Non-job: CSS beyond an element's own style,
 * scripts, whether a link is bad.
 */

/** A link and the words it hides behind. */
export interface HtmlLink {
  /** As it was written, entities decoded. */
  readonly href: string;
  /** What a person sees of it. */
  readonly text: string;
}
/** What HTML shows. */
export interface HtmlText {
  /** What a person sees; blocks end in a line end. */
  readonly text: string;
  /** What an element's own style or attribute hides. */
  readonly hidden: string;
  /** `a` and `area`, in their order; MAX_LINKS at most. */
  readonly links: readonly HtmlLink[];
  /** Addresses of images, forms, frames and the like; MAX_LINKS at most. */
  readonly sources: readonly string[];
  /** Number of images. */
  readonly images: number;
}

/** Of links, and of other addresses. */
export const MAX_LINKS = 1000;
const MAX_ATTRIBUTES = 64; // of an element

const BLOCK = new Set(
  ("address article aside blockquote body br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr " +
    "li main nav ol p pre section table td th tr ul").split(" "),
);
/** Their content is no HTML, and no text either. */
const RAW = new Set(["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"]);
const VOID = new Set("area base br col embed hr img input link meta param source track wbr".split(" "));
const ADDRESSES: Readonly<Record<string, string>> = {
  img: "src",
  form: "action",
  iframe: "src",
  frame: "src",
  link: "href",
  base: "href",
  embed: "src",
  object: "data",
  source: "src",
  input: "src",
  body: "background",
  td: "background",
  table: "background",
};
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "©",
  reg: "®",
  trade: "™",
  euro: "€",
  pound: "£",
  yen: "¥",
  cent: "¢",
  sect: "§",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  laquo: "«",
  raquo: "»",
  bull: "•",
  middot: "·",
  shy: "\u00ad",
  zwnj: "\u200c",
  zwj: "\u200d",
  auml: "ä",
  ouml: "ö",
  uuml: "ü",
  Auml: "Ä",
  Ouml: "Ö",
  Uuml: "Ü",
  szlig: "ß",
  eacute: "é",
  egrave: "è",
  agrave: "à",
  ccedil: "ç",
  ntilde: "ñ",
  period: ".",
  colon: ":",
  sol: "/",
  commat: "@",
  num: "#",
  lpar: "(",
  rpar: ")",
};

/**
 * Reads HTML.
 *
 * @example
 * ```ts
 * import { htmlText } from "postern";
 * import { assertEquals } from "@std/assert";
 * const seen = htmlText('<p>Your <a href="https://example.net/x">bank&#46;example</a><i style="display:none">lottery</i>');
 * assertEquals(seen.text.trim(), "Your bank.example");
 * assertEquals(seen.hidden, "lottery");
 * assertEquals(seen.links, [{ href: "https://example.net/x", text: "bank.example" }]);
 * ```
 */
export function htmlText(html: string): HtmlText {
  const text: string[] = [], hidden: string[] = [], links: HtmlLink[] = [], sources: string[] = [];
  let images = 0, at = 0;
  /** The element that hides what is in it, and how many of its name are open: none, nothing is hidden. */
  let hider = "", hiders = 0;
  /** The words of the link that is open, and where it leads: null, none is. */
  let words: string[] = [], href: string | null = null;
  const say = (said: string) => {
    if (said === "") return;
    (hiders === 0 ? text : hidden).push(said);
    if (hiders === 0 && href !== null) words.push(said);
  };
  const endLink = () => {
    if (href !== null && links.length < MAX_LINKS) links.push({ href, text: words.join("").trim() });
    href = null;
    words = [];
  };

  while (at < html.length) {
    const open = html.indexOf("<", at);
    const end = open < 0 ? html.length : open;
    if (end > at) say(decodeEntities(html.slice(at, end)).replace(/[ \t\r\n]+/g, " "));
    if (open < 0) break;
    const next = html.charCodeAt(open + 1);
    if (html.startsWith("<!--", open)) {
      at = commentEnd(html, open + 4);
    } else if (next === 33 || next === 63) { // <! and <?: a bogus comment
      const close = html.indexOf(">", open);
      at = close < 0 ? html.length : close + 1;
    } else if (next === 47 && isLetter(html.charCodeAt(open + 2))) {
      const name = nameAt(html, open + 2), close = html.indexOf(">", open);
      at = close < 0 ? html.length : close + 1;
      if (hiders > 0 && hider === name) hiders--;
      if (name === "a") endLink();
      if (BLOCK.has(name)) say("\n");
    } else if (next === 47) { // a bogus comment, or "</>"
      const close = html.indexOf(">", open);
      at = close < 0 ? html.length : close + 1;
    } else if (isLetter(next)) {
      const tag = readTag(html, open + 1);
      at = tag.end;
      if (!tag.whole) break;
      const { name, attributes } = tag;
      if (BLOCK.has(name)) say("\n");
      if (hiders > 0) hiders += Number(hider === name && !VOID.has(name));
      else if (!VOID.has(name) && isHidden(attributes)) {
        hider = name;
        hiders = 1;
      }
      if (name === "a" || name === "area") {
        endLink();
        href = attributes.get("href")?.trim() ?? null;
        if (name === "area") endLink();
      }
      if (name === "img") {
        images++;
        const alt = attributes.get("alt");
        if (alt && href !== null) words.push(alt);
      }
      const source = Object.hasOwn(ADDRESSES, name) ? attributes.get(ADDRESSES[name]!) : undefined;
      if (source !== undefined && source !== "" && sources.length < MAX_LINKS) sources.push(source.trim());
      if (RAW.has(name)) {
        const pattern = new RegExp(`</${name}(?=[\\s/>])`, "gi");
        pattern.lastIndex = at;
        const close = pattern.exec(html);
        at = close === null ? html.length : close.index;
      }
    } else { // a "<" of the text
      say("<");
      at = open + 1;
    }
  }
  endLink();
  return { text: text.join(""), hidden: hidden.join(""), links, sources, images };
}

const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;
const isSpace = (code: number): boolean => code === 32 || code === 9 || code === 10 || code === 12 || code === 13;

/** Behind the comment. `-->`, `--!>`, and at its beginning `>` and `->`. */
function commentEnd(html: string, from: number): number {
  if (html[from] === ">") return from + 1;
  if (html.startsWith("->", from)) return from + 2;
  const pattern = /--!?>/g;
  pattern.lastIndex = from;
  const match = pattern.exec(html);
  return match === null ? html.length : match.index + match[0].length;
}

function nameAt(html: string, from: number): string {
  let end = from;
  while (end < html.length && end - from < 40 && !endsName(html.charCodeAt(end))) end++;
  return html.slice(from, end).toLowerCase();
}

/** Space, "/" or ">". */
const endsName = (code: number): boolean => code === 62 || code === 47 || isSpace(code);

interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly end: number;
  /** It has its ">": else it and all behind it is nothing. */
  readonly whole: boolean;
}

const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map();

function readTag(html: string, from: number): Tag {
  const name = nameAt(html, from);
  let at = from + name.length;
  if (html.charCodeAt(at) === 62) return { name, attributes: NO_ATTRIBUTES, end: at + 1, whole: true };
  const attributes = new Map<string, string>();
  while (at < html.length && !endsName(html.charCodeAt(at))) at++;
  while (at < html.length) {
    while (at < html.length && (isSpace(html.charCodeAt(at)) || html.charCodeAt(at) === 47)) at++;
    if (html.charCodeAt(at) === 62) return { name, attributes, end: at + 1, whole: true };
    const start = at++; // a "=" here is part of the name
    while (at < html.length && html.charCodeAt(at) !== 61 && !endsName(html.charCodeAt(at))) at++;
    const attribute = html.slice(start, Math.min(at, start + 40)).toLowerCase();
    while (at < html.length && isSpace(html.charCodeAt(at))) at++;
    let value = "";
    if (html.charCodeAt(at) === 61) {
      at++;
      while (at < html.length && isSpace(html.charCodeAt(at))) at++;
      const quote = html[at];
      if (quote === '"' || quote === "'") {
        const close = html.indexOf(quote, at + 1);
        if (close < 0) break;
        value = html.slice(at + 1, close);
        at = close + 1;
      } else {
        const begin = at;
        while (at < html.length && html.charCodeAt(at) !== 62 && !isSpace(html.charCodeAt(at))) at++;
        value = html.slice(begin, at);
      }
    }
    if (attributes.size < MAX_ATTRIBUTES && !attributes.has(attribute)) {
      attributes.set(attribute, decodeEntities(value));
    }
  }
  return { name, attributes, end: html.length, whole: false };
}

const HIDING: readonly RegExp[] = [
  /(?:^|;)display:none/,
  /(?:^|;)visibility:(?:hidden|collapse)/,
  /(?:^|;)font-size:(?:0|1px|0?\.\d)/,
  /(?:^|;)opacity:(?:0(?:\.0\d*)?)(?:;|!|$)/,
  /(?:^|;)max-(?:height|width):0/,
  /(?:^|;)text-indent:-\d{3}/,
  /(?:^|;)mso-hide:all/,
];

function isHidden(attributes: ReadonlyMap<string, string>): boolean {
  if (attributes.has("hidden")) return true;
  const style = attributes.get("style");
  if (style === undefined) return false;
  const plain = style.slice(0, 2000).replace(/\s/g, "").toLowerCase();
  if (HIDING.some((pattern) => pattern.test(plain))) return true;
  const color = /(?:^|;)color:([^;!]+)/.exec(plain)?.[1];
  const ground = /(?:^|;)background(?:-color)?:([^;!]+)/.exec(plain)?.[1];
  return color !== undefined && color === ground;
}

/** Character references, with or without their ";". */
function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#(\d{1,8})|#[xX]([0-9A-Fa-f]{1,8})|([A-Za-z][A-Za-z0-9]{1,9}));?/g,
    (all, ten, sixteen, name) => {
      if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name]! : all;
      const code = ten === undefined ? parseInt(sixteen, 16) : Number(ten);
      const valid = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
      return valid ? String.fromCodePoint(code) : "\ufffd";
    },
  );
}
