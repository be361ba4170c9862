/**
 * A recording as lines that a person reads: what the client did, what it was told, when. No content is in it, whether or
 * not it was recorded. Non-job: how the ledger tells a session that was not recorded (core/ledger/dialogue.ts).
 */
import { join } from "node:path";
import { parseRecording } from "./format.ts";
import type { Deed, Recording } from "./recording.ts";

/** The same shape as the ledger's. */
export interface SpokenLine {
  readonly who: "client" | "server" | "event";
  readonly at: number | null;
  readonly text: string;
  readonly refused: boolean;
}

/** Lines that are told of one session. */
const LINES = 400;
/** Octets of a file that is read for a page; in larger ones there are bodies. */
const LARGEST_SHOWN = 4 * 1024 * 1024;

/** What was said in a session; null where there is no whole recording of it, or it is too large for a page. */
export async function recordedDialogue(folder: string, session: string): Promise<readonly SpokenLine[] | null> {
  if (!/^s[0-9A-Z]{26}$/.test(session)) return null;
  const path = join(folder, `${session}.jsonl`);
  try {
    const { size } = await Deno.stat(path);
    return size > LARGEST_SHOWN ? null : spokenLines(parseRecording(await Deno.readTextFile(path)));
  } catch {
    return null; // there is none, it is not over, or it is none of ours: the ledger tells what it knows
  }
}

export function spokenLines({ ip, port, acts, ended }: Recording): readonly SpokenLine[] {
  const lines: SpokenLine[] = [];
  for (const { deed, at, said, blame } of acts) {
    if (lines.length >= LINES) {
      lines.push({ who: "event", at: null, text: `and ${acts.length} commands in all`, refused: false });
      break;
    }
    const [who, text] = deed.kind === "connect" ? ["event" as const, `connected, ${ip} port ${port}`] : wordsOf(deed);
    lines.push({ who, at, text, refused: false });
    const reply = said.replaceAll("\r\n", "\n").trimEnd();
    if (reply !== "") lines.push({ who: "server", at, text: reply, refused: blame !== null || /^[45]/.test(reply) });
  }
  lines.push({ who: "event", at: null, text: `ended: ${ended}`, refused: false });
  return lines;
}

function wordsOf(deed: Exclude<Deed, { kind: "connect" }>): readonly [who: SpokenLine["who"], text: string] {
  switch (deed.kind) {
    case "line":
      return ["client", deed.text.replace(/\r?\n$/, "")];
    case "long":
      return ["event", `a line of ${deed.octets} octets without an end`];
    case "auth":
      return ["client", `AUTH ${deed.mechanism}${deed.user === null ? "" : ` (as ${deed.user})`}`];
    case "content":
      return ["event", `${deed.size.toLocaleString("en-US")} octets of the message, not shown`];
    case "tls":
      return ["event", `${deed.facts.version}, ${deed.facts.cipher}`];
    case "rest":
      return ["event", `${deed.octets} octets that nobody read`];
  }
}
