/**
 * The HTML of a message made fit for its closed frame. What keeps it from running or loading anything is the policy of
 * its answer (messages.ts), which needs no understanding of the markup; this file only helps it along: elements that a
 * policy cannot stop from reaching out are renamed, `cid:` images become data, remote images are counted (RFC 2392).
 * Linear in the length of the source, whatever it holds.
 */

export interface MailHtml {
  /** The source, renamed and with its images in it. */
  readonly body: string;
  /** References to images elsewhere, which the policy does not load. */
  readonly remote: number;
}

/** Octets of data URLs that one message may become longer by: a reference costs the sender nothing, the image us much. */
const MAX_INLINED = 8 * 1024 * 1024;
// `link` can connect without loading (preconnect), `base` and `meta` change what the rest means; the others have no use.
const RENAMED = /<(?=(?:link|base|meta|iframe|frame|frameset|object|embed|portal|fencedframe)\b)/gi;
const CID = /(["'(=]\s{0,4})cid:([^"'()<>\s]{1,300})/gi;
const REMOTE_ATTRIBUTE = /[\s"'/](?:src|srcset|background|poster)\s{0,4}=\s{0,4}["']?\s{0,4}(?:https?:)?\/\//gi;
const REMOTE_STYLE = /(?<!@import\s{1,4})url\(\s{0,4}["']?(?:https?:)?\/\//gi;

/** `dataUrl` gives the data URL of the image with that Content-ID, or null. */
export function mailHtml(source: string, dataUrl: (contentId: string) => string | null): MailHtml {
  let inlined = 0;
  const body = source.replace(RENAMED, "<x-").replace(CID, (all, before: string, id: string) => {
    const url = dataUrl(decode(id));
    if (url === null || inlined + url.length > MAX_INLINED) return all;
    inlined += url.length;
    return before + url;
  });
  return { body, remote: remoteImages(source) };
}

function decode(id: string): string {
  try {
    return decodeURIComponent(id); // RFC 2392 2: a cid URL is the percent-encoded Content-ID
  } catch {
    return id;
  }
}

const NO_IMAGE = /^<(?:script|iframe|frame|embed)\b/i;

/** Counts the images that tags and styles would load from elsewhere. */
function remoteImages(source: string): number {
  let count = 0;
  for (let at = source.indexOf("<"); at >= 0;) {
    const close = source.indexOf(">", at);
    const end = close < 0 ? source.length : close;
    const tag = source.slice(at, end);
    if (!NO_IMAGE.test(tag)) count += tag.match(REMOTE_ATTRIBUTE)?.length ?? 0;
    at = source.indexOf("<", end);
  }
  return count + (source.match(REMOTE_STYLE)?.length ?? 0);
}

/** The whole document of the frame. `remote` says that the reader asked for remote images this once. */
export function frameDocument(mail: MailHtml, options: { readonly remote: boolean }): string {
  return `<!doctype html><meta charset="utf-8"><base target="_blank"><title>Message</title><style>${FRAME_STYLE}${
    options.remote ? "" : NOT_LOADED
  }</style>${mail.body}`;
}

// :where() weighs nothing, so that any style of the message wins.
const FRAME_STYLE = ":where(html){background:#fff;color:#1c1b18;color-scheme:light}" +
  ":where(body){margin:16px;font:15px/1.5 -apple-system,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif;overflow-wrap:anywhere}" +
  ":where(img){max-width:100%}";
const NOT_LOADED = "img[src^='http' i],img[src^='//']{min-width:24px;min-height:24px;outline:1px dashed #999;" +
  "outline-offset:-1px;background:#f4f3ef;color:#68635a;font:12px/1.4 sans-serif}";
