/**
 * Runs one life of a store (store_life.ts) with a journal. Non-job: what is made of the journal.
 */
import type { TempFolder } from "../support/temp.ts";
import { type Entry, Journal } from "./journal.ts";

/** A life on the folder `disk/data`, to its end, and all that it did. `close`: it ends as a server does. */
export async function live(
  folder: TempFolder,
  disk: string,
  { seed, close, operations }: { seed: number; close: boolean; operations: number },
): Promise<readonly Entry[]> {
  const journal = await Journal.make(folder, disk);
  await Deno.writeFile(journal.path, new Uint8Array());
  const script = new URL("store_life.ts", import.meta.url).pathname;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      script,
      `${disk}/data`,
      String(seed),
      String(operations),
      close ? "close" : "exit",
    ],
    env: journal.env,
    stdout: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return await journal.entries();
}
