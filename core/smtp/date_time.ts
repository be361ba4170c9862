/** Moments as RFC 3339 5.6 writes them (date-time), to and from milliseconds since 1970. */

// date-time = full-date "T" full-time           time-offset = "Z" / ("+" / "-") time-hour ":" time-minute
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/**
 * Null when it is none. A leap second is the second after it.
 */
export function parseDateTime(text: string): number | null {
  const match = DATE_TIME.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    ...[number, number, number, number, number, number],
  ];
  const date = new Date(0); // Date.UTC would take the years before 100 for those of another century
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const fraction = Math.trunc(Number(`0.${match[7] ?? 0}`) * 1000);
  const offset = (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)) * (match[8] === "-" ? -1 : 1);
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction;
}

/** In UTC, whole seconds. */
export function formatDateTime(moment: number): string {
  return `${new Date(moment).toISOString().slice(0, 19)}Z`;
}
