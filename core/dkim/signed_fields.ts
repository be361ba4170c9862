/**
 * Which fields a signature covers, and in which words h= says so (RFC 6376 5.4). What a reader is shown or a program acts
 * on is listed once more than it is there, so that a second From, Subject or Content-Type in front, or one where there
 * was none, breaks the signature (case 56; RFC 6376 8.15). Fields that servers on the way add or change are left out.
 */
import type { FieldRange, HeaderSection } from "../model/headers.ts";

/** One more than there are. */
const GUARDED = [
  "From",
  "Sender",
  "Reply-To",
  "To",
  "Cc",
  "Subject",
  "Date",
  "Message-ID",
  "MIME-Version",
  "Content-Type",
  "Content-Transfer-Encoding",
];
/** As many as there are: a list may add its own. */
const PLAIN = [
  "In-Reply-To",
  "References",
  "Content-Disposition",
  "List-Id",
  "List-Help",
  "List-Subscribe",
  "List-Unsubscribe",
  "List-Unsubscribe-Post", // RFC 8058 4 wants both signed
  "List-Post",
  "List-Owner",
  "List-Archive",
];
/** Written or taken out by servers on the way (RFC 6376 5.4): a signature over one would not live long. */
const TRACE =
  /^(?:return-path|received|received-spf|dkim-signature|authentication-results|arc-.*|delivered-to|resent-bcc|bcc)$/i;

/** Names that h= may have. A header with more is nobody's mail, and half a signature would be worse than none. */
const MOST = 300;

/** True for a name that an operator may add: a field that stays what it is on its way. */
export function canBeSigned(name: string): boolean {
  return /^[!-9<-~]{1,76}$/.test(name) && !name.includes(";") && !TRACE.test(name); // RFC 6376 3.5, h=: hdr-name
}

/** A field to hash; null where there is none (any more), which counts as nothing. */
export interface SignedField {
  readonly name: string;
  readonly range: FieldRange | null;
}

/** In the order of h=; null when there are too many. Of several with one name the last is first (RFC 6376 5.4.2). */
export function signedFields(section: HeaderSection, extra: readonly string[] = []): SignedField[] | null {
  const byName = new Map<string, FieldRange[]>();
  for (const field of section.fields) {
    const key = field.name.toLowerCase(), list = byName.get(key);
    if (list === undefined) byName.set(key, [field]);
    else list.push(field);
  }
  const out: SignedField[] = [], seen = new Set<string>();
  for (const [names, more] of [[GUARDED, true], [PLAIN, false], [extra, false]] as const) {
    for (const name of names) {
      const key = name.toLowerCase();
      if (seen.has(key)) continue;
      seen.add(key);
      const ranges = byName.get(key) ?? [];
      if (out.length + ranges.length + 1 > MOST) return null;
      for (let at = ranges.length - 1; at >= 0; at--) out.push({ name, range: ranges[at]! });
      if (more) out.push({ name, range: null });
    }
  }
  return out;
}
