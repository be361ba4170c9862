/**
 * Takes out of a message of the corpus what its collectors, its lists and its time left there: a filter that learned those
 * would look better than it is. Pure. Non-job: reading the corpus (corpus.ts), judging.
 */

/** Fields of collectors, of mailing list software and of filters on the way. */
const DROPPED = new RegExp(
  "^(?:" + [
    "return-path|delivered-to|envelope-to|delivery-date|x-delivered-to|x-mail-from|x-received|x-sieve|old-subject",
    "x-spam.*|x-mailscanner.*|x-virus-scanned|x-antiabuse|x-authentication-warning|x-mime-autoconverted|x-pyzor|x-rbl-.*",
    "list-.*|sender|precedence|errors-to|mailing-list|x-mailman.*|x-beenthere|x-loop|x-mailing-list|x-list-.*|x-original-date",
    "x-egroups-.*|x-yahoo-.*|x-apparently-to|x-unsubscription-info|x-acceptable-languages|x-no-archive|x-bulkmail|x-ezmlm.*",
    "x-keywords|x-status|status|x-uid.*|x-imap.*|x-mozilla-.*|x-evolution.*|lines|x-url|x-image-url",
  ].join("|") + ")$",
  "i",
);
/** Hosts and mailboxes of those who collected the corpus, also as they were made unreadable later. */
const COLLECTORS =
  /(?:netnoteinc|taint\.org|jmason|slashnull|webnote\.net|spamassassin\.|fetchmail|\b(?:zzzz|yyyy|qqqqqqqqqq|jalapeno|phobos|dogma|mandark)|\blocalhost\b)/i;
const MAILBOX =
  /[\w.+=-]*(?:zzzz|yyyy|qqqqqqqqqq)[\w.+=-]*@[\w.-]+|[\w.+=-]+@[\w.-]*(?:netnoteinc\.com|taint\.org|jmason\.org|slashnull\.org|webnote\.net|example\.sourceforge\.net|example\.com)\b/gi;
const HOST =
  /\b[\w.-]*(?:netnoteinc\.com|taint\.org|jmason\.org|slashnull\.org|webnote\.net|example\.sourceforge\.net)\b/gi;
const NAME = /\b(?:zzzz|yyyy|qqqqqqqqqq)\w*/gi;
const MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
const DATES = new RegExp(
  [
    `\\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?\\s+\\d{1,2}\\s+${MONTH},?\\s+\\d{4}`,
    `\\b(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?\\s+)?${MONTH}\\s+\\d{1,2}(?:st|nd|rd|th)?,?\\s+(?:19|20)\\d\\d`,
    `\\b\\d{1,2}(?:st|nd|rd|th)?\\s+${MONTH},?\\s+(?:19|20)\\d\\d`,
    `\\b(?:19|20)\\d\\d[-/]\\d{1,2}[-/]\\d{1,2}`,
    `\\b\\d{1,2}[-/]\\d{1,2}[-/](?:19|20)?\\d\\d\\b`,
    `\\b(?:1999|200[0-4])\\b`,
  ].join("|"),
  "gi",
);
/** One for all: a message without a date would be another message. */
const DATE = "Thu, 15 Jan 2026 12:00:00 +0000";

/** A message without the marks, lines ended by LF. One character an octet. */
export function strip(message: string): string {
  const text = message.replace(/\r\n/g, "\n").replace(/^(?:>?From .*\n)+/, "");
  const end = /\n\n|$(?![^])/.exec(text)!.index;
  const fields = text.slice(0, end).split(/\n(?![ \t])/);
  const kept: string[] = [];
  for (const field of fields) {
    const colon = field.indexOf(":"), name = field.slice(0, colon).trim();
    if (colon < 1 || DROPPED.test(name)) continue;
    if (/^received$/i.test(name) && COLLECTORS.test(field)) continue;
    kept.push(/^date$/i.test(name) ? `${name}: ${DATE}` : neutral(field));
  }
  return `${kept.join("\n")}${neutral(text.slice(end))}`;
}

function neutral(text: string): string {
  return text.replace(MAILBOX, "someone@here.test").replace(HOST, "here.test").replace(NAME, "someone").replace(
    DATES,
    "15 Jan 2026",
  );
}

/** When the collectors got it, milliseconds since 1970; NaN where nothing says so. */
export function collectedAt(message: string): number {
  const head = message.slice(0, Math.max(0, message.search(/\r?\n\r?\n/)));
  const from = /^From \S+\s+(.+)$/m.exec(head)?.[1];
  const received = /^Received:(?:[^\n]|\n[ \t])*;\s*((?:[^\n]|\n[ \t])+)/im.exec(head)?.[1];
  const dated = /^Date:\s*(.+)$/im.exec(head)?.[1];
  for (const each of [from, received, dated]) {
    const time = Date.parse((each ?? "").replace(/\([^)]*\)/g, "").replace(/\s+/g, " ").trim());
    if (time > Date.UTC(1998) && time < Date.UTC(2006)) return time;
  }
  return NaN;
}
