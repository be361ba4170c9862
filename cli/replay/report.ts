/** What `postern replay` says of a session: a headline, and what is answered differently. Non-job: comparing. */
import type { Change, Word } from "../../core/replay/compare.ts";
import type { Recording } from "../../core/replay/recording.ts";
import type { Replayed } from "../../core/replay/stage.ts";

/** For a machine. */
export interface ReplayJson {
  readonly file: string;
  readonly session: string;
  readonly at: string;
  readonly ip: string;
  readonly listener: string;
  readonly compared: number;
  readonly changes: readonly Change[];
  readonly unsure: readonly Change[];
  readonly missing: readonly string[];
  readonly unasked: readonly string[];
  readonly left: string | null;
}

export function jsonOf(file: string, { session, at, ip }: Recording, replayed: Replayed): ReplayJson {
  const { listener, compared, changes, unsure, missing, unasked, left } = replayed;
  return {
    file,
    session,
    at: new Date(at).toISOString(),
    ip,
    listener,
    compared,
    changes,
    unsure,
    missing,
    unasked,
    left,
  };
}

/** Nothing for a session that is answered as it was, unless something is to be said of it. */
export function linesOf({ file, at, ip, listener, changes, unsure, missing, unasked, left }: ReplayJson): string[] {
  if (changes.length + unsure.length + missing.length === 0) return [];
  const lines = [`${file}: ${ip} at ${at.slice(0, 19).replace("T", " ")}, now by ${listener}`];
  for (const change of changes) lines.push(...changeLines(change, ""));
  for (const change of unsure) {
    lines.push(...changeLines(change, `, not comparable: ${unasked.join(", ")} was not asked`));
  }
  if (missing.length > 0) lines.push(`  the recording does not know: ${cut(missing)}`);
  if (left !== null) lines.push(`  ${left}`);
  return lines.map(plain);
}

function changeLines({ command, then, now }: Change, remark: string): string[] {
  return [
    `  ${command}${remark}`,
    `    then  ${worded(then)}`,
    `    now   ${now === null ? "it does not come to that" : worded(now)}`,
  ];
}

function worded({ reply, plugin, reason }: Word): string {
  const by = plugin === null ? "" : `  by ${plugin}`;
  return `${reply}${by}${reason === null || reply.endsWith(reason) ? "" : `: ${reason}`}`;
}

function cut(list: readonly string[]): string {
  return list.length > 5 ? `${list.slice(0, 5).join(", ")} and ${list.length - 5} more` : list.join(", ");
}

/** Strangers wrote some of this. */
export function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
