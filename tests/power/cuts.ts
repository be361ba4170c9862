/**
 * Where the power is cut: after each reply that takes a message over, around syncs, anywhere. Plays a journal once, and
 * leaves a disk for each cut. Non-job: what is found on it (found.ts).
 */
import type { Random } from "../support/random.ts";
import { anyCut, type Cut, Disk } from "./disk.ts";
import type { Entry } from "./journal.ts";
import type { Run } from "./site.ts";

export interface Plug {
  /** So many entries of the journal had happened. */
  readonly at: number;
  readonly cut: Cut;
  /** Ids of the messages that had their 250. */
  readonly owed: readonly string[];
  /** When it was, milliseconds since 1970. */
  readonly time: number;
}

export interface CutOptions {
  readonly random: Random;
  readonly rounds: number;
  /** Syncs that are left out (see disk.ts). */
  readonly without?: (path: string) => boolean;
  /** Entries behind which the power is cut. Default: replies, syncs, names, anywhere. */
  readonly behind?: ReadonlySet<Entry>;
  /** Default: any. */
  readonly how?: (random: Random) => Cut;
}

/** The moments, in order: half of them right behind a reply. */
function momentsOf({ entries }: Run, { random, rounds, behind: only }: CutOptions): number[] {
  if (only !== undefined) {
    const all = entries.flatMap((entry, at) => only.has(entry) ? [at + 1] : []);
    return Array.from({ length: rounds }, () => random.pick(all)).sort((a, b) => a - b);
  }
  const behind = (kinds: readonly string[]) => entries.flatMap(({ kind }, at) => kinds.includes(kind) ? [at + 1] : []);
  const replies = behind(["reply"]),
    syncs = behind(["syncBegin", "syncEnd"]),
    names = behind(["create", "rename", "unlink", "mkdir"]);
  return Array.from({ length: rounds }, (_, round) => {
    if (round % 2 === 0) return random.pick(replies);
    return round % 8 === 1
      ? random.pick(names)
      : round % 4 === 1
      ? random.below(entries.length + 1)
      : random.pick(syncs);
  }).sort((a, b) => a - b);
}

/** Leaves a disk at `folder` for each cut and waits for `look`, which may do with it what it likes. */
export async function cutEach(
  run: Run,
  options: CutOptions & { readonly folder: string },
  look: (plug: Plug) => Promise<void>,
): Promise<void> {
  const { random, how = anyCut, without, folder } = options;
  const disk = new Disk({ root: run.disk, ...without && { without } });
  const owed: string[] = [];
  let at = 0, time = 0;
  for (const moment of momentsOf(run, options)) {
    for (; at < moment; at++) {
      const entry = run.entries[at]!;
      disk.play(entry);
      time = entry.time;
      const id = idIn(entry);
      if (id !== null && run.names.has(id)) owed.push(id);
    }
    const cut = how(random);
    disk.leave(folder, cut);
    try {
      await look({ at, cut, owed: [...owed], time });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}

/** The message that a reply takes over. */
export function idIn(entry: Entry): string | null {
  if (entry.kind !== "reply") return null;
  return /queued as ([0-9A-HJKMNP-TV-Z]{26})/.exec(entry.text)?.[1] ?? null;
}

/** For a sentence about a fault. */
export function named({ at, cut: { octets, names, sector, junk } }: Plug): string {
  return `cut behind entry ${at} (octets ${octets}, names ${names}, sectors of ${sector}${junk ? ", junk" : ""})`;
}
