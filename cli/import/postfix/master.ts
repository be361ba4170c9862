/**
 * Services of master.cf (master(5)): their kind, command and the parameters that `-o` sets for them.
 * Non-job: what Postern makes of them (listeners.ts).
 */
import type { Origin } from "../draft.ts";
import { logicalLines, withoutBraces, wordsOf } from "./lines.ts";

export interface Service {
  /** `smtp`, `submission`, `127.0.0.1:10025`, `dovecot`. */
  readonly name: string;
  /** inet, unix, fifo, unix-dgram, pass. */
  readonly type: string;
  /** smtpd, smtp, pipe, postscreen, ... */
  readonly command: string;
  /** How many at a time; null: the default. */
  readonly limit: number | null;
  readonly overrides: ReadonlyMap<string, { readonly value: string; readonly from: Origin }>;
  readonly from: Origin;
}

/** Lines that are no service are told in `odd`. */
export function readMaster(text: string, file: string): { services: Service[]; odd: { line: number; text: string }[] } {
  const services: Service[] = [], odd: { line: number; text: string }[] = [];
  for (const { number, text: line } of logicalLines(text)) {
    const words = wordsBySpace(line);
    const [name, type, , , , , limit, command] = words;
    if (name === undefined || type === undefined || command === undefined) {
      odd.push({ line: number, text: line.slice(0, 60) });
      continue;
    }
    const from = { file, line: number };
    services.push({
      name,
      type,
      command,
      limit: /^\d+$/.test(limit!) ? Number(limit) : null,
      overrides: overridesOf(words.slice(8), from),
      from,
    });
  }
  return { services, odd };
}

function overridesOf(args: readonly string[], from: Origin): Map<string, { value: string; from: Origin }> {
  const found = new Map<string, { value: string; from: Origin }>();
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (!word.startsWith("-o")) continue;
    const text = withoutBraces(word === "-o" ? args[++at] ?? "" : word.slice(2));
    const equals = text.indexOf("=");
    if (equals > 0) found.set(text.slice(0, equals).trim(), { value: text.slice(equals + 1).trim(), from });
  }
  return found;
}

/** Words parted by white space alone: a value of -o has commas. */
function wordsBySpace(line: string): string[] {
  const comma = "\u0000";
  return wordsOf(line.replaceAll(",", comma)).map((word) => word.replaceAll(comma, ","));
}
