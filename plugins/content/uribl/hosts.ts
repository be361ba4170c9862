/**
 * The hosts that the links of a message lead to, as a browser would read them: out of HTML, out of text, and out of the
 * links that are handed to redirectors. Pure, linear. Non-job: which of them are bad (mod.ts), following anything.
 */
import { canonicalIp, htmlText, isIPv4, type MessageContent, registrableDomain } from "../../../core/pipeline/mod.ts";

/** Who a link leads to: a registered domain, or an IPv4 address. */
export interface LinkTarget {
  /** What a list is asked about: `example.net`, or `192.0.2.1`. */
  readonly subject: string;
  readonly ip: boolean;
}

const MAX_URL = 2048; // characters of one
const MAX_FOUND = 10_000; // addresses of a message that are read
const MAX_INNER = 4; // addresses inside of one
/** Ways to write a dot that a person reads as one. */
const DOTS = /\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)/gi;
const SCHEME = /(?:^|[^a-z])(?:h(?:tt|xx|\*\*)ps?|ftp)$/i;

/** Gathers targets, each once, those of links before those of text. */
class Targets {
  readonly #seen = new Map<string, LinkTarget>();
  readonly #links = new Set<string>();
  readonly #hosts = new Set<string>();
  #read = 0;

  get all(): LinkTarget[] {
    return [...this.#seen.values()];
  }

  /** An address as HTML has it. */
  link(href: string): void {
    if (++this.#read > MAX_FOUND || this.#links.has(href)) return;
    this.#links.add(href);
    // A browser takes tabs and line ends out, and any scheme's name in any case             (URL Standard 4.4)
    const plain = href.slice(0, MAX_URL).replace(/[\t\r\n]/g, "").trim();
    const written = /^(?:h(?:tt|xx)ps?|ftp):/i.test(plain) ? plain.replace(/^hxxp/i, "http") : plain;
    if (!/^(?:https?|ftp):|^[\\/]{2}/i.test(written)) return;
    const url = parse(written);
    if (url === null) return;
    this.#host(url.hostname);
    const rest = url.pathname + url.search + url.hash;
    if (/https?(?::|%)/i.test(rest)) this.#inner(rest);
  }

  text(text: string): void {
    const plain = text.replace(DOTS, ".");
    for (let at = plain.indexOf("://"); at >= 0 && this.#read < MAX_FOUND;) {
      let next = at + 3;
      if (SCHEME.test(plain.slice(Math.max(0, at - 7), at))) {
        const token = tokenAt(plain, next);
        this.link(`http://${token}`);
        next += token.length; // addresses inside of it were looked at with it
      }
      at = plain.indexOf("://", next);
    }
    for (const { index } of plain.matchAll(/(?<![\w/@.-])www\d{0,2}\./gi)) {
      if (this.#read >= MAX_FOUND) break;
      this.link(`http://${tokenAt(plain, index)}`);
    }
  }

  /** Addresses that are handed on to a redirector. */
  #inner(rest: string): void {
    let decoded = rest;
    for (let times = 0; times < 2 && /%[0-9a-f]{2}/i.test(decoded); times++) {
      try {
        decoded = decodeURIComponent(decoded);
      } catch {
        break;
      }
    }
    let left = MAX_INNER;
    for (const { index } of decoded.matchAll(/https?:\/\//gi)) {
      if (left-- === 0) return;
      const url = parse(tokenAt(decoded, index).split("&")[0]!);
      if (url !== null) this.#host(url.hostname);
    }
  }

  #host(host: string): void {
    if (this.#hosts.has(host)) return;
    this.#hosts.add(host);
    const plain = host.endsWith(".") ? host.slice(0, -1) : host, ip = isIPv4(plain);
    const subject = ip ? canonicalIp(plain) : registrableDomain(plain);
    if (subject !== null && !this.#seen.has(subject)) this.#seen.set(subject, { subject, ip });
  }
}

/** Up to what ends an address in a text. */
function tokenAt(text: string, from: number): string {
  const token =
    /^[^\s"'<>()[\]{}|^`\u00a0-\u00bf\u2000-\u206f\u3000-\u303f]*/.exec(text.slice(from, from + MAX_URL))![0];
  return token.replace(/[.,;:!?*_~]{1,20}$/, "");
}

function parse(text: string): URL | null {
  try {
    return new URL(text, "http://relative.invalid/");
  } catch {
    return null;
  }
}

/**
 * The targets of a message's links, in the order in which a person meets them, links before plain text.
 *
 * @example
 * ```ts
 * import { targetsIn } from "./hosts.ts";
 * import { messageContent } from "postern";
 * import { assertEquals } from "@std/assert";
 * const octets = new TextEncoder().encode("\r\nhttps://bank.example@www.shop.example.net/ hxxp://192[.]0[.]2[.]1");
 * const content = await messageContent({
 *   size: octets.length,
 *   bytes: () => Promise.resolve(octets),
 *   stream: () => ReadableStream.from([octets]),
 * });
 * assertEquals(targetsIn(content).map(({ subject }) => subject), ["example.net", "192.0.2.1"]);
 * ```
 */
export function targetsIn({ texts }: MessageContent): LinkTarget[] {
  const targets = new Targets();
  const pages = texts.filter(({ html }) => html).map(({ text }) => htmlText(text));
  for (const { links } of pages) for (const { href } of links) targets.link(href);
  for (const { html, text } of texts) if (!html) targets.text(text);
  for (const { text, hidden } of pages) {
    targets.text(text);
    targets.text(hidden);
  }
  for (const { sources } of pages) for (const source of sources) targets.link(source);
  return targets.all;
}

/** At most so many: of the first and of the last half each, as what matters may be buried among many. */
export function someOf<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  const first = Math.ceil(most / 2);
  return [...all.slice(0, first), ...all.slice(all.length - (most - first))];
}
