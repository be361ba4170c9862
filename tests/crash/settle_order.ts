/**
 * Judges the trace of a server that hands mail on: is it durable what became of a message before its body is removed,
 * before anybody is told in the log, and before the report about it goes out? (SEMANTICS 3) And is the end of a recipient
 * in the transaction of the report about it? Non-job: the way in (order.ts).
 */
import { carries, syncedBetween, TRACED as TRACED_ON_THE_WAY_IN, type Transaction, World } from "./order.ts";
import { type Call, pathOf, unquote } from "./trace.ts";

/** What the checker wants to see: for strace's `-e trace=`. */
export const TRACED = `${TRACED_ON_THE_WAY_IN},recvfrom,recvmsg,readv,unlink,unlinkat`;

/** Words of the next hop. */
export const takenWords = (name: string): string => `250 2.0.0 Taken ${name}`;
export const refusedWords = (address: string): string => `550 5.1.1 Nobody is ${address}`;

export interface Expected {
  /** Queue id -> name that stands in the message. */
  readonly names: ReadonlyMap<string, string>;
  /** Who was refused while others of the message had to wait: their rows are still there. */
  readonly refused: readonly string[];
  readonly roots: readonly string[];
}
export interface Verdict {
  /** Bodies in files that were removed. */
  readonly bodies: number;
  /** Messages that the log has. */
  readonly told: number;
  /** Refused recipients about whom a report went out, and whose end was found. */
  readonly reports: number;
  readonly ends: number;
  /** One line each. */
  readonly violations: readonly string[];
}

export function judgeSettling(calls: readonly Call[], { names, refused, roots }: Expected): Verdict {
  const world = new World(calls, roots), violations: string[] = [];
  const log = world.entities.find(({ path }) => path.endsWith("-wal"));
  const transactions = log === undefined ? [] : world.transactions(log);
  const socket = (call: Call) => pathOf(call.args[0])?.startsWith("TCP") ?? false;
  const reads = calls.filter((call) => /^(recvfrom|recvmsg|readv)$/.test(call.name) && socket(call));
  const writes = calls.filter((call) => /^(write|writev|sendto|sendmsg)$/.test(call.name));
  const saying = (list: readonly Call[], words: string) => list.filter((call) => says(call, words));
  const durable = ({ end }: Transaction, until: number) => syncedBetween(log!, end.call.exit, until);
  /** A transaction that was begun after one moment and is durable before another. */
  const settled = (from: number, until: number) =>
    transactions.some((each) =>
      each.writes[0]!.call.entry > from && each.end.call.exit < until && durable(each, until)
    );
  const after = (name: string, call: Call, what: string) => {
    const answer = saying(reads, takenWords(name)).findLast(({ exit }) => exit < call.entry);
    if (answer === undefined) violations.push(`${name}: ${what} before the next hop said that it has it`);
    else if (!settled(answer.exit, call.entry)) {
      violations.push(`${name}: ${what} before it is durable that it has left`);
    }
  };

  let bodies = 0, told = 0, reports = 0, ends = 0;
  for (const call of calls) {
    if (!call.name.startsWith("unlink") || call.error !== null) continue;
    const name = names.get(
      /\/spool\/([0-9A-Z]{26})\.[0-9a-z]+"$/.exec(call.args.find((each) => each[0] === '"') ?? "")?.[1] ?? "",
    );
    if (name === undefined) continue;
    bodies++;
    after(name, call, "its body is removed");
  }
  for (const [id, name] of names) {
    const lines = saying(writes, `delivered id=${id}`);
    if (lines.length > 0) told++;
    for (const call of lines) after(name, call, "the log has it");
  }
  for (const address of refused) {
    const about = `Final-Recipient: rfc822; ${address}`;
    const wrong = (what: string) => violations.push(`${address}: ${what}`);
    const report = transactions.find((each) => each.writes.some((write) => carries(write, about)));
    for (const call of writes.filter((call) => socket(call) && says(call, about))) {
      reports++;
      if (report === undefined || !durable(report, call.entry)) wrong("the report goes out before it is durable");
    }
    // The reply stands in the row as it was said, in the report behind "smtp; "
    const row = (each: Transaction) =>
      each.writes.some(({ data }) =>
        data.replaceAll(`smtp; ${refusedWords(address)}`, "").includes(refusedWords(address))
      );
    const end = transactions.find(row);
    if (end === undefined) wrong("no row says what was said of it");
    else if (end !== report) wrong("its end and the report about it are not one transaction");
    else ends++;
  }
  return { bodies, told, reports, ends, violations };
}

/** Any text argument of a call has these words, and not as the beginning of a longer one. */
function says(call: Call, words: string): boolean {
  return call.args.some((argument) => {
    const at = argument.indexOf(words);
    return at >= 0 && !/\d/.test(unquote(`"${argument.slice(at + words.length, at + words.length + 1)}"`));
  });
}
