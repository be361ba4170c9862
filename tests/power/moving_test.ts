/**
 * The power goes while a backup is made, and while it is brought back (case 70): a backup that `verify` calls whole is
 * whole, one that was said to be done is there; a data folder has all of the queue or no queue, and the restore can be
 * begun anew. POWER_MOVES says how many cuts of each (8), POWER_SEED repeats a run as far as its cuts go.
 */
import { existsSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { restoreBackup } from "../../cli/backup/restore.ts";
import { isBackup, verifyBackup } from "../../cli/backup/verify.ts";
import { postern } from "../support/cli.ts";
import { testWith } from "../support/debian.ts";
import { Random, seedOf } from "../support/random.ts";
import { TempFolder } from "../support/temp.ts";
import { Account, promisesIn } from "./chain.ts";
import { anyCut, Disk } from "./disk.ts";
import { type Entry, Journal } from "./journal.ts";
import { live } from "./life.ts";

const CUTS = Number(Deno.env.get("POWER_MOVES") ?? 8);

/** Runs `postern ARGS` on that disk, and looks at what is left of it after each of several cuts. `done`: it had ended. */
async function cutWhile(
  folder: TempFolder,
  { disk, args, random }: { disk: string; args: readonly string[]; random: Random },
  look: (found: string, done: boolean) => Promise<void>,
): Promise<readonly Entry[]> {
  const model = new Disk({ root: disk });
  model.load();
  const journal = await Journal.make(folder, disk);
  await Deno.writeFile(journal.path, new Uint8Array());
  const { code, err } = await postern(args, {
    cwd: folder.path,
    env: { ...journal.env, POSTERN_DATA: `${disk}/data` },
    deadline: 60_000,
  });
  assertEquals(code, 0, err);
  const entries = await journal.entries();
  assert(entries.length > 20, "nothing was written");
  // Many of them where things get their names: at its end, and behind a rename
  const renames = entries.flatMap(({ kind }, at) => kind === "rename" ? [at + 1] : []);
  const moments = Array.from(
    { length: CUTS - 1 },
    (_, number) =>
      number % 2 === 0
        ? random.below(entries.length)
        : number % 4 === 1
        ? entries.length - random.below(5)
        : random.pick(renames),
  ).sort((a, b) => a - b);
  let at = 0;
  for (const moment of [...moments, entries.length]) {
    for (; at < moment; at++) model.play(entries[at]!);
    const found = folder.at("found");
    // What was said to be done is there on the most forgetful of disks
    model.leave(found, at === entries.length ? { ...anyCut(random), octets: "none", names: "none" } : anyCut(random));
    await look(found, at === entries.length);
    await Deno.remove(found, { recursive: true });
  }
  return entries;
}

testWith(["gcc"], "case 70: the power goes while a backup is made or brought back", async () => {
  await using folder = await TempFolder.make("postern-moving-");
  const seed = seedOf("POWER_SEED"), random = new Random(seed), account = new Account(), disk = folder.at("disk");
  const again = `run again with POWER_SEED=${seed}`;
  await Deno.mkdir(disk);
  for (const entry of await live(folder, disk, { seed, close: true, operations: 60 })) {
    for (const each of promisesIn(entry)) account.add(each);
  }
  let whole = 0, half = 0, empty = 0;
  await cutWhile(folder, { disk, random, args: ["backup", `${disk}/kept/backup`] }, async (found, done) => {
    const backup = `${found}/kept/backup`;
    assertEquals(await account.judge(`${found}/data`), [], `what was backed up; ${again}`);
    const { faults, manifest } = isBackup(backup) ? await verifyBackup(backup) : { faults: null, manifest: null };
    if (done) assertEquals(faults?.told, [], again);
    if (faults?.count !== 0) return void half++;
    whole++;
    await restoreBackup(backup, manifest!, { data: `${found}/again` });
    assertEquals(await account.judge(`${found}/again`), [], `restored from a backup that is whole; ${again}`);
  });
  const args = ["restore", `${disk}/kept/backup`, "--data", `${disk}/again`];
  const entries = await cutWhile(folder, { disk, random, args }, async (found, done) => {
    const data = `${found}/again`;
    if (!existsSync(`${data}/postern.db`)) {
      assert(!done, `it was said to be done, and there is no queue; ${again}`);
      empty++;
      const { manifest } = await verifyBackup(`${found}/kept/backup`);
      await restoreBackup(`${found}/kept/backup`, manifest!, { data });
    }
    assertEquals(await account.judge(data), [], again);
  });
  // By chance too few cuts meet this one: the name that tells the next restore what is its own comes first for certain
  const made = entries.findIndex((entry) => entry.kind === "mkdir" && entry.path === `${disk}/again/restore.partial`);
  const begun = entries.findIndex((entry, at) =>
    at > made && entry.kind === "syncBegin" && entry.path === `${disk}/again`
  );
  const moved = entries.findIndex((entry) => entry.kind === "rename" && entry.to.startsWith(`${disk}/again/`));
  const kept = entries.findIndex((entry, at) =>
    at > begun && entry.kind === "syncEnd" && entry.path === `${disk}/again`
  );
  assert(made >= 0 && begun > made && kept < moved, `${made} ${begun} ${kept} ${moved}`);
  console.log(
    `POWER_SEED=${seed}: ${account.promises} promises; ${2 * CUTS} cuts: ${whole} backups whole, ${half} not yet; ` +
      `${empty} restores begun anew`,
  );
});
