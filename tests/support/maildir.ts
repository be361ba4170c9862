/** Reads Maildirs that other programs write. Non-job: ours (plugins/storage/maildir has its own tests). */
import { latin1, octets } from "./bytes.ts";
import { waitFor } from "./wait.ts";

/** The messages, oldest first, with the line ends of the wire; empty while there is no such Maildir. */
export async function readMaildir(folder: string): Promise<Uint8Array<ArrayBuffer>[]> {
  const found: { readonly path: string; readonly time: number }[] = [];
  for (const part of ["new", "cur"]) {
    try {
      for await (const { name } of Deno.readDir(`${folder}/${part}`)) {
        const path = `${folder}/${part}/${name}`;
        found.push({ path, time: (await Deno.stat(path)).mtime!.getTime() });
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  found.sort((a, b) => a.time - b.time);
  return await Promise.all(
    found.map(async ({ path }) => octets(latin1(await Deno.readFile(path)).replaceAll(/\r?\n/g, "\r\n"))),
  );
}

/** Waits until there are `count` at least. @throws with `log` when they do not come. */
export async function waitForMail(
  folder: string,
  options: { readonly count?: number; readonly log?: () => Promise<string> } = {},
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { count = 1, log } = options;
  try {
    return await waitFor(`${count} messages in ${folder}`, async () => {
      const all = await readMaildir(folder);
      return all.length >= count && all;
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await log?.() ?? ""}`);
  }
}
