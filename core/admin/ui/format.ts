/**
 * Times, ages and sizes in the words of the pages: UTC, two units, KiB. Values in, text out.
 */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n: number): string => String(n).padStart(2, "0");

/** `09:40` today, `21 Nov` this year, else `21 Nov 2025`. */
export function shortTime(at: number, now: number): string {
  const date = new Date(at), today = new Date(now);
  if (date.toISOString().slice(0, 10) === today.toISOString().slice(0, 10)) {
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  }
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return date.getUTCFullYear() === today.getUTCFullYear() ? day : `${day} ${date.getUTCFullYear()}`;
}

/** `22 Nov 2026 09:40:12` */
export function longTime(at: number): string {
  const date = new Date(at);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${
    date.toISOString().slice(11, 19)
  }`;
}

/** `8 s`, `42 min`, `6 h 20 min`, `12 d 4 h` */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (hours === 0) return `${minutes} min`;
  const rest = days > 0 ? hours % 24 : minutes % 60;
  const first = days > 0 ? `${days} d` : `${hours} h`;
  return rest === 0 ? first : `${first} ${rest} ${days > 0 ? "h" : "min"}`;
}

/** `312 B`, `18.4 KiB`, `2.1 MiB`, `1.0 GiB` */
export function size(octets: number): string {
  if (octets < 1024) return `${octets} B`;
  const kib = octets / 1024;
  if (kib < 1024) return `${kib < 100 ? kib.toFixed(1) : Math.round(kib)} KiB`;
  const mib = kib / 1024;
  return mib < 1024 ? `${mib.toFixed(1)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

/** `1,284` */
export function count(n: number): string {
  return n.toLocaleString("en-US");
}

/** The singular or the plural with its number. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `the newest 100 of 1,284`, or all of them. */
export function shownOf(shown: number, total: number): string {
  return shown < total ? `the newest ${count(shown)} of ${count(total)}` : count(total);
}
