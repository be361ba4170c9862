/**
 * The author's domain of a message, from its received octets (RFC 9989 5.3.1, 11.5; RFC 5322 3.6.2). Suspicious on
 * purpose: what another reader might take for a second author, or for another one, is no author at all (case 52). Linear
 * in the header section. Non-job: whether From is allowed at all (headers), whether the domain has a record.
 */
import {
  canonicalDomain,
  countMailboxes,
  decodeWords,
  type FieldRange,
  HeaderSection,
  isUtf8,
  mailboxesIn,
} from "../../../core/pipeline/mod.ts";

/** Who the author is, or why that cannot be said. `problem` holds no octets of the message. */
export type Author =
  | { readonly domain: string; readonly shown: readonly string[]; readonly problem: null }
  | { readonly domain: null; readonly shown: readonly string[]; readonly problem: string };

const CR = 13, LF = 10, SPACE = 32, TAB = 9, COLON = 58;
/** More authors than anybody writes on one letter. */
const MAX_MAILBOXES = 100;
/** How much of From is searched for addresses in display names; and how many domains are told. */
const MAX_SEARCHED = 10_000, MAX_SHOWN = 5;

/**
 * `octets`: the header section and what follows it, as much as there is. `whole`: nothing comes behind them; without it
 * they must hold the end of the header section, for every reader.
 */
export function authorOf(octets: Uint8Array, { whole }: { readonly whole: boolean }): Author {
  const section = new HeaderSection(octets), lines = fromLines(octets, section);
  if (!lines.ended && !whole) return none("the header section has no end that could be found");
  const fields = section.named("From");
  if (lines.count > fields.length) return none("a line that is no proper From field may be taken for one");
  const [field, another] = fields;
  if (field === undefined) return none("no From field");
  if (another !== undefined) return none(`${fields.length} From fields`);
  return authorIn(octets, section, field);
}

function none(problem: string, shown: readonly string[] = []): Author {
  return { domain: null, shown, problem };
}

function authorIn(octets: Uint8Array, section: HeaderSection, field: FieldRange): Author {
  const raw = octets.subarray(field.value, field.end);
  if (hasControls(raw)) return none("From has control characters"); // some readers end at a NUL
  const { count, malformed } = countMailboxes(raw);
  if (malformed) return none("From does not fit its grammar");
  if (count === 0) return none("From names nobody"); // an empty group: RFC 6854
  if (count > MAX_MAILBOXES) return none("From names too many");
  // Octets that are no UTF-8 mean something else to each reader: let no domain be made of them.
  const value = isUtf8(raw) ? section.value(field) : section.value(field).replace(/[^\x00-\x7f]/g, "\ufffd");
  const addresses = mailboxesIn(value);
  if (addresses === null) return none("From has an address that is none");
  const domains = [...new Set(addresses.map(({ domain }) => domain))], [domain, second] = domains;
  if (second !== undefined) return none(`From names ${domains.length} domains`);
  if (domain === undefined || domain.startsWith("[")) return none("From names no domain");
  return { domain, shown: shownIn(value, domain), problem: null };
}

/**
 * Lines that a careless reader could take for a From field: any line end counts, and so does a name with controls, spaces
 * or 8-bit octets in it. Behind a line that is no field the header section may go on for such a reader: up to the first
 * empty line. `ended`: it was there.
 */
function fromLines(octets: Uint8Array, section: HeaderSection): { readonly count: number; readonly ended: boolean } {
  const end = section.malformedAt === null ? section.bodyStart : octets.length;
  let count = 0;
  for (let at = 0; at < end;) {
    const next = endOfLine(octets, at, end);
    if (next.text === at) return { count, ended: true }; // empty
    if ((at === 0 || octets[at] !== SPACE && octets[at] !== TAB) && saysFrom(octets, at, next.text)) count++;
    at = next.start;
  }
  return { count, ended: false };
}

/** Where the text of the line at `at` ends, and where the next line starts. */
function endOfLine(octets: Uint8Array, at: number, end: number): { readonly text: number; readonly start: number } {
  let text = at;
  while (text < end && octets[text] !== CR && octets[text] !== LF) text++;
  return { text, start: text + (octets[text] === CR && octets[text + 1] === LF ? 2 : 1) };
}

/** Its printable characters before the first colon are "from". */
function saysFrom(octets: Uint8Array, start: number, end: number): boolean {
  let seen = 0;
  for (let at = start; at < end; at++) {
    const octet = octets[at]!;
    if (octet === COLON) return seen === FROM.length;
    if (octet <= SPACE || octet > 126) continue;
    if (seen === FROM.length || (octet | 32) !== FROM.charCodeAt(seen)) return false;
    seen++;
  }
  return false;
}
const FROM = "from";

/** Other than what folding needs. A CR or LF that is no part of a fold is one. */
function hasControls(octets: Uint8Array): boolean {
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet === CR && octets[at + 1] !== LF) return true;
    if (octet < SPACE && octet !== TAB && octet !== CR && octet !== LF || octet === 127) return true;
  }
  return false;
}

// What a person takes for an address: "@" and a name of two labels or more. No quantifier within another's reach.
const SHOWN = /@([\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,10})/gu;

/**
 * Domains of addresses that stand anywhere in From, in quotes, comments and encoded words too, and are neither the
 * author's, nor above, nor below it: a reader who is shown the display name takes one of them for the author.
 */
function shownIn(value: string, domain: string): readonly string[] {
  const shown = new Set<string>();
  for (const [, name] of decodeWords(value.slice(0, MAX_SEARCHED)).normalize("NFKC").matchAll(SHOWN)) {
    const other = canonicalDomain(name!);
    if (other === null || other === domain || other.endsWith(`.${domain}`) || domain.endsWith(`.${other}`)) continue;
    shown.add(other);
    if (shown.size === MAX_SHOWN) break;
  }
  return [...shown];
}
