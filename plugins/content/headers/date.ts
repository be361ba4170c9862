/**
 * The moment that a Date field names (RFC 5322 3.3, obsolete years and zones of 4.3), strict where `Date.parse` guesses.
 * Pure and linear.
 */
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/** Hours west of Greenwich; other letters say nothing of the offset (RFC 5322 4.3). */
const ZONES: { readonly [zone: string]: number } = { EDT: 4, EST: 5, CDT: 5, CST: 6, MDT: 6, MST: 7, PDT: 7, PST: 8 };
const MAX_LENGTH = 512;
// date-time = [day-of-week ","] day month year hour ":" minute [":" second] zone
const DATE =
  /^(?:(?:mon|tue|wed|thu|fri|sat|sun)\s*,\s*)?(\d{1,2})\s+([a-z]{3})\s+(\d{2,4})\s+(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s+(?:([+-])(\d{2})(\d{2})|([a-z]{1,5}))$/i;

/** Milliseconds since 1970, or null when the text is no date. */
export function parseDate(text: string): number | null {
  if (text.length > MAX_LENGTH) return null;
  const [all, day, name, digits, hour, minute, second = "0", sign, zoneHour, zoneMinute, zone] =
    DATE.exec(withoutComments(text).trim()) ?? [];
  if (all === undefined) return null;
  const month = MONTHS.indexOf(name!.toLowerCase());
  const year = Number(digits) +
    (digits!.length === 2 ? Number(digits) < 50 ? 2000 : 1900 : digits!.length === 3 ? 1900 : 0);
  const moment = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second));
  const real = month >= 0 && new Date(Date.UTC(year, month, Number(day))).getUTCDate() === Number(day);
  if (!real || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null;
  const west = zone === undefined
    ? (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === "-" ? 1 : -1)
    : (ZONES[zone.toUpperCase()] ?? 0) * 60;
  return moment + west * 60_000;
}

/** Comments nest and may quote their parentheses (RFC 5322 3.2.2). */
function withoutComments(text: string): string {
  if (!text.includes("(")) return text;
  let out = "", depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (depth > 0 && char === "\\") at++;
    else if (char === "(") depth++;
    else if (char === ")" && depth > 0) depth--;
    else if (depth === 0) out += char;
  }
  return out;
}
