/**
 * Finds what is wrong with a header section: one pass over its octets, no regular expression, no copy but of a Date.
 * Pure. Non-job: what a fault costs (rules.ts, mod.ts).
 *
 * It reads the received octets and not the edited header, and as leniently as a mail program: whatever a person might be
 * shown as From must count as one.
 */
import { parseDate } from "./date.ts";
import { countMailboxes } from "../../../core/pipeline/mod.ts";
import { RULE_NAMES, type RuleName } from "./rules.ts";

export interface Fault {
  readonly rule: RuleName;
  /** Line of the received message, from 1; null for what is missing. */
  readonly line: number | null;
  /** The field concerned, in our own spelling, never the peer's. */
  readonly field: string | null;
}
export interface ExamineOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How far a Date may be ahead or behind, milliseconds. */
  readonly future: number;
  readonly past: number;
  /** MAIL had SMTPUTF8: octets above 127 are right then (RFC 6532). */
  readonly smtputf8: boolean;
  /** `head` was cut at the limit. */
  readonly cut?: boolean;
}

const CR = 13, LF = 10, SPACE = 32, TAB = 9, COLON = 58;
const MAX_LINE = 998; // RFC 5322 2.1.1, without CRLF
/** At most one of each (RFC 5322 3.6; RFC 2045 3 for the last three), by their name in lower case. */
const ONCE = new Map(
  [
    ..."From Sender Reply-To To Cc Bcc Message-ID In-Reply-To References Subject Date".split(" "),
    ..."MIME-Version Content-Type Content-Transfer-Encoding".split(" "),
  ].map((name) => [name.toLowerCase(), name]),
);
const LONGEST = Math.max(...[...ONCE.keys()].map((name) => name.length));

/**
 * The faults in the order of the rules, each rule once with its first place. `head` is the beginning of a message; what
 * stands behind its empty line is not looked at.
 */
export function examine(head: Uint8Array, options: ExamineOptions): readonly Fault[] {
  const found = new Map<RuleName, Fault>();
  const add = (rule: RuleName, line: number | null, field: string | null = null) => {
    if (!found.has(rule)) found.set(rule, { rule, line, field });
  };
  /** Where the fields of ONCE begin and end; the first of each name. */
  const seen = new Map<string, { line: number; start: number; end: number }>();
  let open: { line: number; start: number; end: number } | null = null;
  let at = 0, line = 0, fields = 0, ended = false;
  while (at < head.length) {
    line++;
    const feed = head.indexOf(LF, at);
    const next = feed < 0 ? head.length : feed + 1;
    const end = feed < 0 ? next : feed > at && head[feed - 1] === CR ? feed - 1 : feed;
    const first = head[at];
    if (feed >= 0 && end === at) { // the empty line
      if (next - end === 1) add("bareEnding", line);
      ended = true;
      break;
    }
    if (first === SPACE || first === TAB) {
      if (fields === 0) {
        add("notAField", line);
        break;
      }
      if (open) open.end = end;
    } else {
      const colon = head.indexOf(COLON, at); // may look past the line, but then this is the last one
      if (colon < 0 || colon >= end) {
        add("notAField", line);
        break;
      }
      fields++;
      const name = readName(head, at, colon);
      if (name === null || name.spaced) add("fieldName", line, name === null ? null : ONCE.get(name.text) ?? null);
      const canonical = name === null ? undefined : ONCE.get(name.text);
      open = null;
      if (canonical !== undefined) {
        if (!seen.has(canonical)) seen.set(canonical, open = { line, start: colon + 1, end });
        else if (canonical === "From") add("duplicateFrom", line, canonical);
        else if (canonical === "Date") add("duplicateDate", line, canonical);
        else add("duplicate", line, canonical);
      }
    }
    checkLine(head, at, end, feed, (rule) => add(rule, line), options.smtputf8);
    at = next;
  }
  if (!ended && !found.has("notAField")) add(options.cut ? "tooLarge" : "noBlankLine", line);

  const from = seen.get("From"), date = seen.get("Date");
  if (from === undefined) add("missingFrom", null);
  else {
    const { count, malformed } = countMailboxes(head.subarray(from.start, from.end));
    if (count === 0) add("invalidFrom", from.line, "From");
    else if (malformed) add("malformedFrom", from.line, "From");
    if (count > 1 && !seen.has("Sender")) add("severalFrom", from.line, "From"); // RFC 5322 3.6.2: MUST have Sender
  }
  if (date === undefined) add("missingDate", null);
  else {
    const moment = parseDate(latin1(head.subarray(date.start, Math.min(date.end, date.start + 1000))));
    if (moment === null) add("invalidDate", date.line, "Date");
    else if (moment > options.now + options.future) add("futureDate", date.line, "Date");
    else if (moment < options.now - options.past) add("pastDate", date.line, "Date");
  }
  return found.size === 0 ? [] : RULE_NAMES.flatMap((rule) => found.get(rule) ?? []);
}

/** The name in lower case, or null when it is none; `spaced` when white space parts it from the colon. */
function readName(head: Uint8Array, start: number, colon: number): { text: string; spaced: boolean } | null {
  let end = colon;
  while (end > start && (head[end - 1] === SPACE || head[end - 1] === TAB)) end--;
  if (end === start) return null;
  for (let at = start; at < end; at++) if (head[at]! < 33 || head[at]! > 126) return null; // ftext   RFC 5322 3.6.8
  const text = end - start > LONGEST ? "" : latin1(head.subarray(start, end)).toLowerCase();
  return { text, spaced: end < colon };
}

function checkLine(
  head: Uint8Array,
  start: number,
  end: number,
  feed: number,
  add: (rule: RuleName) => void,
  smtputf8: boolean,
): void {
  if (end - start > MAX_LINE) add("longLine");
  if (feed === end) add("bareEnding");
  for (let at = start; at < end; at++) {
    const octet = head[at]!;
    if (octet === 0) add("nul");
    else if (octet === CR) add("bareEnding");
    else if (octet > 127 && !smtputf8) add("rawEightBit");
  }
}

function latin1(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}
