/**
 * What rules and the classifier look at: the header decoded, the text that a person sees, the HTML as it came, where links
 * lead. Read once, and bounded whatever the message holds. Non-job: MIME (core/mime), what any of it means.
 */
import {
  type ContentPart,
  type ContentSource,
  decodeWords,
  type HeaderField,
  type HtmlLink,
  htmlText,
  messageContent,
} from "../../../core/pipeline/mod.ts";
import { type Words, wordsOf } from "./words.ts";

/** Characters of a field that anybody looks at: enough for an honest one, and nothing to pay for the others. */
export const MAX_VALUE = 1000;
/** Fields, addresses of all links, parts that anybody looks at. */
const MAX_WORDS = 64 * 1024, MAX_FIELDS = 500, MAX_URLS = 500, MAX_PARTS = 200;

export interface Reading {
  /** The first 500, names in lower case, values cut at 1,000 characters. */
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  /** The first of that name (lower case), cut, encoded words decoded. */
  header(name: string): string | undefined;
  /** What a person sees: each part of text, HTML without its tags. */
  readonly texts: readonly string[];
  /** The words of the first 64 Ki characters of those. */
  readonly words: readonly Words[];
  /** Decoded; empty where there is none. */
  readonly subject: Words;
  /** Parts of HTML as they came. */
  readonly html: readonly string[];
  /** Characters of HTML that its style hides. */
  readonly hidden: number;
  readonly images: number;
  readonly links: readonly HtmlLink[];
  /** Where links, pictures and forms lead, and addresses that stand in the text; 500 at most. */
  readonly urls: readonly string[];
  /** 200 at most. */
  readonly parts: readonly ContentPart[];
}

/** A message with its header, as a context has it; without octets of its own in the fields. */
export interface Readable extends ContentSource {
  readonly headers: readonly HeaderField[];
}

/** Reads a message. `scan`: octets of text that are decoded in all. */
export async function read(message: Readable, scan: number): Promise<Reading> {
  const content = await messageContent(message, { max: scan });
  const texts: string[] = [], html: string[] = [], links: HtmlLink[] = [], urls: string[] = [];
  let hidden = 0, images = 0, left = scan;
  for (const each of content.texts) {
    if (left <= 0) break;
    const text = each.text.slice(0, left); // others may have asked for more
    left -= text.length;
    if (!each.html) {
      texts.push(text);
      addUrls(text, urls);
      continue;
    }
    html.push(text);
    const seen = htmlText(text);
    texts.push(seen.text);
    hidden += seen.hidden.length;
    images += seen.images;
    for (const link of seen.links) {
      if (links.length < MAX_URLS) links.push(link);
      if (urls.length < MAX_URLS) urls.push(link.href.slice(0, MAX_VALUE));
    }
    for (const source of seen.sources) if (urls.length < MAX_URLS) urls.push(source.slice(0, MAX_VALUE));
    addUrls(seen.text, urls);
  }
  const fields = fieldsOf(message.headers);
  const header = (name: string) => {
    const found = fields.find((field) => field.name === name);
    return found && decodeWords(found.value);
  };
  const words: Words[] = [];
  let room = MAX_WORDS;
  for (const text of texts) {
    words.push(wordsOf(text, room));
    room = Math.max(0, room - text.length);
  }
  return {
    fields,
    header,
    texts,
    words,
    subject: wordsOf(header("subject") ?? "", MAX_VALUE),
    html,
    hidden,
    images,
    links,
    urls,
    parts: content.parts.slice(0, MAX_PARTS),
  };
}

function fieldsOf(headers: readonly HeaderField[]): Reading["fields"] {
  const most = Math.min(headers.length, MAX_FIELDS), fields = [];
  for (let at = 0; at < most; at++) {
    const { name, value } = headers[at]!;
    fields.push({ name: name.toLowerCase(), value: value.slice(0, MAX_VALUE) });
  }
  return fields;
}

/** An address ends at space, a bracket or a quote. One repetition: linear. */
const WRITTEN = /\b(?:https?:\/\/|www\.)[^\s<>"'()[\]{}|\\^`]{3,1000}/gi;

function addUrls(text: string, urls: string[]): void {
  WRITTEN.lastIndex = 0;
  for (let found; urls.length < MAX_URLS && (found = WRITTEN.exec(text)) !== null;) urls.push(found[0]);
}

/** The parts of an address that rules ask for; null where it has no host. Linear. */
export interface UrlParts {
  readonly scheme: string;
  /** Lower case, without port and user. */
  readonly host: string;
  readonly port: string;
  readonly user: boolean;
  readonly path: string;
}
const PARTS = /^([a-z][a-z0-9+.-]{0,20}):\/\/([^/?#]{0,512})([^?#]{0,512})/i;

export function urlParts(url: string): UrlParts | null {
  const found = PARTS.exec(url.startsWith("www.") ? `http://${url}` : url.startsWith("//") ? `http:${url}` : url);
  if (found === null) return null;
  const authority = found[2]!, at = authority.lastIndexOf("@"), place = authority.slice(at + 1);
  const colon = place.startsWith("[") ? place.indexOf("]:") + 1 || -1 : place.indexOf(":");
  return {
    scheme: found[1]!.toLowerCase(),
    host: (colon < 0 ? place : place.slice(0, colon)).toLowerCase().replace(/\.$/, ""),
    port: colon < 0 ? "" : place.slice(colon + 1),
    user: at >= 0,
    path: found[3]!,
  };
}
