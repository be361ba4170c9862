/**
 * Power cuts one after the other on one disk (case 70), at the store alone and so more often: lives that end in a cut
 * anywhere, the first start and what a start repairs included, each beginning on what the last cut left. POWER_LIVES says
 * how many (6), POWER_CUTS how many are looked at in each (4), POWER_SEED repeats a run as far as its cuts go.
 */
import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/debian.ts";
import { Random, seedOf } from "../support/random.ts";
import { TempFolder } from "../support/temp.ts";
import { Account, type Promised, promisesIn } from "./chain.ts";
import { anyCut, Disk } from "./disk.ts";
import type { Entry } from "./journal.ts";
import { live } from "./life.ts";

const LIVES = Number(Deno.env.get("POWER_LIVES") ?? 6);
const CUTS = Number(Deno.env.get("POWER_CUTS") ?? 4);

/** Half of the moments right behind a promise, a quarter before the first one: while it starts. */
function momentIn(entries: readonly Entry[], random: Random): number {
  const promises = entries.flatMap((entry, at) => promisesIn(entry).length > 0 ? [at + 1] : []);
  const kind = random.below(4);
  if (kind < 2) return random.pick(promises);
  return random.below(kind === 2 ? promises[0]! : entries.length + 1);
}

/** Whether the account finds something wrong where the log was never synced: it must be able to. */
async function fails(
  disk: Disk,
  { entries, random, found }: { entries: readonly Entry[]; random: Random; found: string },
): Promise<boolean> {
  const account = new Account(), last = entries.findLastIndex((entry) => promisesIn(entry).length > 0);
  for (const entry of entries.slice(0, last + 1)) {
    disk.play(entry);
    for (const each of promisesIn(entry)) account.add(each);
  }
  disk.leave(found, { random, octets: "none", names: "none", sector: 512, junk: false });
  return (await account.judge(`${found}/data`)).length > 0;
}

testWith(["gcc"], "case 70: the power goes again and again, also while a start repairs", async () => {
  await using folder = await TempFolder.make("postern-chain-");
  const seed = seedOf("POWER_SEED"), random = new Random(seed), kept: Promised[] = [];
  let disk = folder.at("disk-0"), cuts = 0, promises = 0;
  await Deno.mkdir(disk);
  for (let life = 1; life <= LIVES; life++) {
    const base = new Disk({ root: disk });
    const blind = new Disk({ root: disk, without: (path) => path.endsWith("-wal") });
    base.load();
    blind.load();
    const entries = await live(folder, disk, { seed: random.word(), close: random.below(2) === 0, operations: 60 });
    const moments = Array.from({ length: CUTS }, () => momentIn(entries, random)).sort((a, b) => a - b);
    const next = random.below(CUTS); // the cut after which it goes on
    let at = 0, left: { readonly disk: string; readonly promised: readonly Promised[] } | null = null;
    const promised: Promised[] = [...kept];
    for (const [number, moment] of moments.entries()) {
      for (; at < moment; at++) {
        base.play(entries[at]!);
        promised.push(...promisesIn(entries[at]!));
      }
      const found = folder.at(`found-${life}-${number}`), cut = anyCut(random);
      base.leave(found, cut);
      if (number === next) {
        const to = folder.at(`disk-${life}`);
        base.leave(to, { ...cut, random: new Random(random.word()) });
        left = { disk: to, promised: [...promised] };
      }
      const account = new Account();
      for (const each of promised) account.add(each);
      const faults = await account.judge(`${found}/data`);
      const { octets, names } = cut;
      assertEquals(
        faults,
        [],
        `life ${life}, cut behind entry ${moment} (octets ${octets}, names ${names}); POWER_SEED=${seed}`,
      );
      promises += account.promises;
      cuts++;
      await Deno.remove(found, { recursive: true });
    }
    if (life === 1) assert(await fails(blind, { entries, random, found: folder.at("blind") }), "nobody misses a sync");
    await Deno.remove(disk, { recursive: true });
    disk = left!.disk;
    kept.splice(0, kept.length, ...left!.promised);
  }
  console.log(
    `POWER_SEED=${seed}: ${LIVES} lives, ${cuts} cuts, ${promises} promises looked at, ${kept.length} kept to the end`,
  );
  assert(promises > LIVES * CUTS, "too little was promised");
});
