/**
 * Addresses as people and programs write them in a header, local names without a domain among them: `root`,
 * `root (Cron Daemon)`, `Staff: bob, "Ann B." <ann>;`. Linear. Non-job: what an address may be (core/model/address.ts).
 */

interface Place {
  readonly start: number;
  readonly end: number;
}

/** Octets of a name that could be somebody's. */
const MOST_LOCAL = 320;

/** The addresses of a list, those without a domain at `origin`. */
export function addressesOf(value: string, origin: string): string[] {
  return placesIn(value).map(({ start, end }) => withDomain(value.slice(start, end), origin));
}

/** The list with a domain where one is missing; everything else stays. */
export function qualified(value: string, origin: string): string {
  const parts: string[] = [];
  let from = 0;
  for (const { start, end } of placesIn(value)) {
    if (!isLocal(value.slice(start, end))) continue;
    parts.push(value.slice(from, end), "@", origin);
    from = end;
  }
  return parts.join("") + value.slice(from);
}

/** `root` is `root@origin`; what has a domain, or is no address, stays. */
export function withDomain(text: string, origin: string): string {
  return isLocal(text) ? `${text}@${origin}` : text;
}

// A dot-string or a quoted one (RFC 5321 4.1.2)
function isLocal(text: string): boolean {
  if (text.length > MOST_LOCAL) return false;
  return /^[^\s@<>()[\]\\,;:"]+$/.test(text) || /^"(?:[^"\\]|\\.)*"$/s.test(text);
}

/** Where the addresses stand: in angle brackets, else what is left of an item without its comments. */
function placesIn(value: string): Place[] {
  const places: Place[] = [];
  let start = -1, end = -1, angle: Place | null = null;
  const take = () => {
    if (angle !== null) places.push(angle);
    else if (start >= 0) places.push({ start, end });
    start = end = -1;
    angle = null;
  };
  for (let at = 0; at < value.length;) {
    const char = value[at]!;
    if (char === "," || char === ";") take();
    else if (char === ":") start = end = -1; // the name of a group
    else if (char === "(") {
      at = closing(value, at);
      continue;
    } else if (char === "<") {
      const close = value.indexOf(">", at);
      if (close < 0) return places;
      const inside = value.slice(at + 1, close), blank = inside.length - inside.trimStart().length;
      if (inside.trim() !== "") angle = { start: at + 1 + blank, end: at + 1 + blank + inside.trim().length };
      at = close + 1;
      continue;
    } else if (char === '"') {
      const stop = quoteEnd(value, at);
      if (start < 0) start = at;
      end = at = stop;
      continue;
    } else if (char === "[" && start >= 0) { // a domain that is an address: colons inside are no group
      const close = value.indexOf("]", at);
      at = end = close < 0 ? value.length : close + 1;
      continue;
    } else if (!/\s/.test(char)) {
      if (start < 0) start = at;
      end = at + 1;
    }
    at++;
  }
  take();
  return places;
}

/** Behind the comment that opens at `at`. */
function closing(value: string, at: number): number {
  let depth = 0;
  for (; at < value.length; at++) {
    if (value[at] === "\\") at++;
    else if (value[at] === "(") depth++;
    else if (value[at] === ")" && --depth === 0) return at + 1;
  }
  return value.length;
}

function quoteEnd(value: string, at: number): number {
  for (at++; at < value.length; at++) {
    if (value[at] === "\\") at++;
    else if (value[at] === '"') return at + 1;
  }
  return value.length;
}
