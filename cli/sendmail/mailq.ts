/** `mailq`: the queue in the form that people and scripts know from other servers. Non-job: reading it (cli/queue). */
import { shortId } from "../../core/model/id.ts";
import { plain } from "../screen/text.ts";
import type { QueueList, QueueRow } from "../queue/door.ts";

const HEAD = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------";
/** Recipients stand under their sender. */
const INDENT = " ".repeat(41);

/** The lines, and how many wait in the maildrop; null: nobody may know. */
export function mailqLines({ items, total }: QueueList, dropped: number | null): string[] {
  const waiting = items.filter(({ recipients }) => recipients.some(isWaiting));
  const lines = dropped ? [`${dropped} ${dropped === 1 ? "message waits" : "messages wait"} in the maildrop`] : [];
  if (waiting.length === 0) return [...lines, ...dropped ? [] : ["Mail queue is empty"]];
  lines.push(HEAD);
  for (const row of waiting) lines.push(...rowLines(row), "");
  const size = Math.ceil(waiting.reduce((sum, row) => sum + row.size, 0) / 1024);
  const more = total > items.length ? ` of ${total}` : "";
  lines.push(`-- ${size} Kbytes in ${waiting.length}${more} ${waiting.length === 1 ? "Request" : "Requests"}.`);
  return lines;
}

function isWaiting({ state }: QueueRow["recipients"][number]): boolean {
  return state !== "delivered" && state !== "failed" && state !== "expired";
}

/** `*`: under way, `!`: held, as Postfix marks them. */
function rowLines({ id, size, queuedAt, from, recipients }: QueueRow): string[] {
  const left = recipients.filter(isWaiting);
  const mark = left.some(({ state }) => state === "active")
    ? "*"
    : left.every(({ state }) => state === "held")
    ? "!"
    : " ";
  const moment = new Date(queuedAt), time = Number.isNaN(moment.getTime()) ? queuedAt : whenOf(moment);
  const lines = [
    `${`${shortId(id)}${mark}`.padEnd(11)} ${String(size).padStart(8)} ${time.padEnd(20)} ${
      plain(from) || "MAILER-DAEMON"
    }`,
  ];
  const reasons = new Map<string, string[]>();
  for (const { address, lastReply } of left) {
    const why = lastReply ?? "";
    reasons.set(why, [...reasons.get(why) ?? [], address]);
  }
  for (const [why, addresses] of reasons) {
    if (why !== "") lines.push(`${`(${plain(why)})`.padStart(INDENT.length + 8)}`);
    for (const address of addresses) lines.push(`${INDENT} ${plain(address)}`);
  }
  return lines;
}

/** `Mon Nov 30 16:27:08`, the machine's time. */
function whenOf(moment: Date): string {
  const [day, month, date, , time] = [
    ...moment.toDateString().split(" ").slice(0, 3),
    "",
    moment.toTimeString().slice(0, 8),
  ];
  return `${day} ${month} ${date} ${time}`;
}
