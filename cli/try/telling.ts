/**
 * What `postern try` says: the story that `postern explain` would tell of the message, and what would become of it. The
 * ledger that tells it lies in memory and ends with it. Non-job: making the trial (core/replay).
 */
import { openSqliteLedger } from "../../core/ledger/sqlite.ts";
import type { Story } from "../../core/ledger/story.ts";
import { tellStory } from "../../core/ledger/telling.ts";
import type { Attempted, WouldKeep } from "../../core/replay/attempt.ts";

/** Null where nothing came of it that a ledger knows. */
export async function storyOf({ turns }: Attempted, now: () => number): Promise<Story | null> {
  const ledger = openSqliteLedger({ folder: null, now });
  try {
    let id = "";
    for (const event of turns.flatMap((turn) => turn.events)) {
      ledger.observe(event);
      if (event.type === "session-opened") id = event.session;
      else if ("transaction" in event && event.transaction !== null) id = event.transaction;
    }
    await ledger.flush();
    return await ledger.explain(id);
  } finally {
    await ledger.close();
  }
}

/** For people. */
export function linesOf({ turns, kept }: Attempted, story: Story | null): string[] {
  const told = turns.flatMap(({ command, reply }) =>
    reply === null || command === "the connection"
      ? []
      : [`C: ${command}`, `S: ${reply.trimEnd().split("\r\n").at(-1)}`]
  );
  return [
    ...told.map(plain),
    "",
    ...(story === null ? [] : tellStory(story).trimEnd().split("\n")),
    "",
    ...(kept === null ? ["It was a trial: the message would be refused."] : keptLines(kept).map(plain)),
  ];
}

function keptLines({ held, recipients, scores, added }: WouldKeep): string[] {
  const lines = [
    held === null ? "It was a trial: the message would be taken." : `It was a trial: it would be held: ${held}`,
  ];
  for (const { recipient, state, way } of recipients) lines.push(`  ${recipient}  ${way}  ${state}`);
  if (scores.length > 0) {
    lines.push(`  points: ${scores.map((each) => `${each.reason} ${round(each.points)}`).join(", ")}`);
  }
  for (const field of added.split(/\r\n(?![ \t])/)) {
    if (field !== "") lines.push(`  + ${field.replace(/\r\n[ \t]+/g, " ")}`);
  }
  return lines;
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}
/** Strangers wrote some of this. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
