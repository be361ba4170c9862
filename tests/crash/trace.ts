/**
 * Reads what `strace -f -ttt -yy -s BIG -o FILE` wrote: system calls with where they began and ended in the order of
 * all threads, the path behind a descriptor, their arguments as printed. Non-job: judging (order.ts).
 */

export interface Call {
  /** Thread. */
  readonly pid: number;
  readonly name: string;
  /** Place in the order of all events: where the call was entered, and where it had returned (never: Infinity). */
  readonly entry: number;
  readonly exit: number;
  /** As printed: strings quoted and escaped, descriptors as `5</path>`. */
  readonly args: readonly string[];
  readonly result: number | null;
  /** Name of the error, or null. */
  readonly error: string | null;
  /** strace made up the result. */
  readonly injected: boolean;
}

/** The calls of a trace by entry. Signals, exits and cut last lines are left out. */
export function parseTrace(text: string): Call[] {
  const calls: Call[] = [], open = new Map<number, { line: number; head: string }>();
  let place = 0, start = 0;
  while (start < text.length) {
    const newline = text.indexOf("\n", start), end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    place++;
    const [prefix, pidText] = /^(\d+)\s+(?:[\d.]+\s+)?/.exec(line) ?? [];
    if (prefix === undefined) continue;
    const pid = Number(pidText), rest = line.slice(prefix.length);
    if (rest.endsWith("<unfinished ...>")) {
      open.set(pid, { line: place, head: rest.slice(0, -"<unfinished ...>".length).trimEnd() });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest);
    const begun = resumed ? open.get(pid) : undefined;
    if (resumed) open.delete(pid);
    if (resumed && !begun) continue;
    const whole = begun ? begun.head + rest.slice(resumed![0].length) : rest;
    const call = parseCall(whole, pid, begun?.line ?? place, place);
    if (call) calls.push(call);
  }
  for (const [pid, { line, head }] of open) { // killed inside the call
    const call = parseCall(`${head}) = ?`, pid, line, Infinity);
    if (call) calls.push(call);
  }
  return calls.sort((a, b) => a.entry - b.entry);
}

function parseCall(text: string, pid: number, entry: number, exit: number): Call | null {
  const name = /^(\w+)\(/.exec(text)?.[1];
  if (name === undefined) return null;
  const { args, end } = splitArguments(text, name.length + 1);
  const tail = text.slice(end);
  const result = /^\s*\)?\s*=\s*(-?\d+|\?)(?:<[^>]*>)?\s*([A-Z][A-Z0-9]+)?/.exec(tail);
  if (!result) return null;
  return {
    pid,
    name,
    entry,
    exit,
    args,
    result: result[1] === "?" ? null : Number(result[1]),
    error: result[2] ?? null,
    injected: tail.includes("(INJECTED)"),
  };
}

/** The arguments from `at` on, and the place of the parenthesis that closes the call. */
function splitArguments(text: string, at: number): { args: string[]; end: number } {
  const args: string[] = [];
  let depth = 0, from = at, i = at;
  for (; i < text.length; i++) {
    const char = text[i];
    if (char === '"') { // a string: to the next quote that is not escaped
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
    } else if (char === "<" && /\d|D/.test(text[i - 1] ?? "")) { // 5</path>, AT_FDCWD</path>, 7<TCP:[a->b]>
      for (i++; i < text.length && (text[i] !== ">" || text[i - 1] === "-"); i++);
    } else if (char === "(" || char === "[" || char === "{") depth++;
    else if (char === ")" && depth === 0) break;
    else if (char === ")" || char === "]" || char === "}") depth--;
    else if (char === "," && depth === 0) {
      args.push(text.slice(from, i).trim());
      from = i + 1;
    }
  }
  if (i > from) args.push(text.slice(from, i).trim());
  return { args, end: i };
}

/** The path of a printed descriptor (`5</a/b>` gives `/a/b`), or null. */
export function pathOf(argument: string | undefined): string | null {
  return /^(?:-?\d+|AT_FDCWD)<(.*)>$/s.exec(argument ?? "")?.[1] ?? null;
}

/** A printed string without its quotes, escapes resolved: a character an octet. */
export function unquote(argument: string): string {
  const body = argument.slice(1, argument.lastIndexOf('"'));
  const letters: Record<string, string> = { n: "\n", r: "\r", t: "\t", v: "\v", f: "\f" };
  return body.replaceAll(/\\(?:x([0-9a-f]{2})|([0-7]{1,3})|(.))/gs, (_, hex, octal, char) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8));
    return letters[char] ?? char;
  });
}
