/**
 * What no pattern says: tests of rules by name, each a pure function of what was read. All linear in what was read, which
 * is bounded (reading.ts). Non-job: points (rules.ts).
 */
import { type Reading, urlParts } from "./reading.ts";
import type { WordCount } from "./words.ts";

/** What a message is judged by. */
export interface Facts {
  readonly reading: Reading;
  /** Of its text; of its subject. */
  readonly words: WordCount;
  readonly subject: string;
  /** A plugin before has judged the header's form already. */
  readonly formJudged: boolean;
  /** What a plugin left under a key, as a word; undefined when it left nothing. */
  key(name: string): string | undefined;
}

const IP = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const ADDRESS = /[^\s"'<>(),;:@]@([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8})/i;

export const TESTS = {
  no_message_id: ({ reading }) => !reading.header("message-id"),
  no_date: ({ reading, formJudged }) => !formJudged && !reading.header("date"),
  no_subject: ({ subject }) => subject.trim() === "",
  no_visible_recipient: ({ reading }) => reading.header("to") === undefined && reading.header("cc") === undefined,
  subject_all_caps: ({ subject }) => isShouted(subject),
  subject_gap: ({ subject }) => /\S {6}/.test(subject.trim()),
  address_in_name: ({ reading }) => namesAnotherDomain(reading.header("from") ?? ""),
  from_number: ({ reading }) => (addressIn(reading.header("from"))?.split("@")[0]?.match(/\d/g)?.length ?? 0) >= 4,
  many_recipients: ({ reading }) => (reading.header("to")?.match(/@/g)?.length ?? 0) >= 8,
  html_only: ({ reading }) =>
    reading.html.length > 0 &&
    !reading.parts.some(({ type, disposition }) => type === "text/plain" && disposition !== "attachment"),
  html_hidden: ({ reading }) => reading.hidden > 40,
  html_colours: ({ reading }) =>
    reading.html.some((html) => new Set(html.slice(0, MAX_HTML).match(/\bcolor\s?=\s?["']?#?\w{3,12}/gi)).size >= 4),
  html_form: ({ reading }) => reading.html.some((html) => /<form\s/i.test(html)),
  html_script: ({ reading }) => reading.html.some((html) => /<script\b|\bon(?:load|click|mouseover)\s?=/i.test(html)),
  html_unbalanced: ({ reading }) =>
    reading.html.some((html) => /<(?:body|html)\b/i.test(html) !== /<\/(?:body|html)\b/i.test(html)),
  image_only: ({ reading, words }) => reading.images > 0 && words.words < 40,
  link_lies: ({ reading }) => reading.links.some(({ href, text }) => shownElsewhere(href, text)),
  url_number: ({ reading }) =>
    reading.urls.some((url) => {
      const parts = urlParts(url);
      return parts !== null && (IP.test(parts.host) || /^(?:\d{8,10}|0x[0-9a-f]{8})$/.test(parts.host));
    }),
  url_user: ({ reading }) => reading.urls.some((url) => urlParts(url)?.user),
  url_port: ({ reading }) =>
    reading.urls.some((url) => {
      const port = urlParts(url)?.port;
      return port !== undefined && port !== "" && !["80", "443", "8080", "8443"].includes(port);
    }),
  url_escaped: ({ reading }) => reading.urls.some((url) => /^[a-z]{2,6}:\/\/[^/?#]{0,300}%/i.test(url)),
  mailto_remove: ({ reading }) =>
    reading.urls.some((url) => /^mailto:[^?]{0,200}\?.{0,40}(?:remove|unsub|off)/i.test(url)),
  shouting: ({ words }) => words.letters >= 200 && words.large > 0.25 * words.letters,
  invisible_characters: ({ words }) => words.invisible >= 5,
  mixed_alphabets: ({ words }) => words.mixed >= 2,
  money: ({ reading }) => reading.texts.some((text) => (text.slice(0, MAX_HTML).match(MONEY)?.length ?? 0) >= 3),
  needless_base64: ({ reading }) =>
    reading.parts.some(({ type, encoding, charset, beginning }) =>
      type.startsWith("text/") && encoding === "base64" && (charset === null || charset === "us-ascii") &&
      beginning.every((octet) => octet < 128)
    ),
  broken_mime: ({ reading }) =>
    reading.parts.some(({ defects }) =>
      defects.some((each) =>
        each === "missingEnd" || each === "noParts" || each === "badCoding" || each === "noBoundary"
      )
    ),
} as const satisfies { readonly [name: string]: (facts: Facts) => boolean | undefined };
export type TestName = keyof typeof TESTS;

/** Characters that those tests look at which count something. */
const MAX_HTML = 64 * 1024;
const MONEY = /[$£€]\s?\d{1,3}(?:,\d{3}){1,4}\b|[$£€]\s?\d{4,12}\b/g;

/** At least ten letters in two words, and no small one. */
function isShouted(subject: string): boolean {
  if (subject !== subject.toUpperCase() || !/\S\s+\S/.test(subject.trim())) return false;
  let letters = 0;
  for (const char of subject) if (char !== char.toLowerCase()) letters++;
  return letters >= 10;
}

function addressIn(value: string | undefined): string | null {
  return /[\w.+=-]{1,64}@[\w.-]{1,255}/.exec(value ?? "")?.[0].toLowerCase() ?? null;
}

/** `"service@bank.example" <x@other.example>`. */
function namesAnotherDomain(from: string): boolean {
  const open = from.lastIndexOf("<");
  if (open < 0) return false;
  const shown = ADDRESS.exec(from.slice(0, open))?.[1];
  const real = /@([^\s<>@]+)>/.exec(from.slice(open))?.[1];
  return shown !== undefined && real !== undefined && shown.toLowerCase() !== real.toLowerCase();
}

const SHOWN = /^(?:https?:\/\/)?((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?:[/:?#]\S{0,1000})?$/i;

/** The words of a link are an address, and of another site than it leads to. */
function shownElsewhere(href: string, text: string): boolean {
  const shown = SHOWN.exec(text.slice(0, 1100))?.[1]?.toLowerCase(), real = urlParts(href)?.host;
  if (shown === undefined || real === undefined || real === "") return false;
  const site = (host: string) => host.split(".").slice(-2).join(".");
  return site(shown) !== site(real);
}
