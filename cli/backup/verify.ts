/**
 * Whether a backup is whole: every sum, no file missing, its databases sound, every row of the queue readable and its body
 * there. Or whether a data folder is, which has no sums. Non-job: what is printed (command.ts).
 */
import { isDatabase } from "./database.ts";
import { examine, type Examined, Faults, integrityOf } from "./examine.ts";
import { filesBelow, summed, there } from "./files.ts";
import { DATA, MANIFEST, type Manifest, ManifestError, readManifest } from "./manifest.ts";

export interface Verified {
  /** Null: it is a data folder, or its manifest cannot be read. */
  readonly manifest: Manifest | null;
  /** Null: there is no queue in it, or it cannot be read. */
  readonly queue: Examined | null;
  readonly faults: Faults;
}
type Tell = (done: number, what: "files" | "messages") => void;

/** True where `verify` is to look at it as a backup. */
export function isBackup(folder: string): boolean {
  return there(() => Deno.statSync(`${folder}/${MANIFEST}`)) !== null;
}

export async function verifyBackup(folder: string, tell: Tell = () => {}): Promise<Verified> {
  const faults = new Faults(), data = `${folder}/${DATA}`;
  let manifest: Manifest;
  try {
    manifest = await readManifest(folder);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    faults.add(error.message);
    return { manifest: null, queue: null, faults };
  }
  const known = new Set<string>();
  let done = 0;
  for (const { path, size, sha256 } of manifest.files) {
    known.add(path);
    const info = there(() => Deno.lstatSync(`${data}/${path}`));
    if (info === null) faults.add(`${path} is missing`);
    else if (sha256 === null) {
      if (!info.isDirectory) faults.add(`${path} is no folder`);
    } else if (!info.isFile) faults.add(`${path} is no file`);
    else if (info.size !== size) faults.add(`${path} has ${info.size} octets instead of ${size}`);
    else if ((await summed(`${data}/${path}`)).sha256 !== sha256) {
      faults.add(`${path} is not what was backed up: its sum is another one`);
    }
    tell(++done, "files");
  }
  for (const { path, info } of filesBelow(data)) {
    if (!info.isDirectory && !known.has(path)) faults.add(`${path} is in no list: somebody put it there`);
  }
  const queue = faults.count === 0 ? soundness(data, { faults, tell, wanted: manifest.head.store === "sqlite" }) : null;
  return { manifest, queue, faults };
}

/** Of a server that runs, or does not. */
export function verifyFolder(data: string, { wanted, tell = () => {} }: { wanted: boolean; tell?: Tell }): Verified {
  const faults = new Faults();
  return { manifest: null, queue: soundness(data, { faults, tell, wanted }), faults };
}

/** `wanted`: there must be a queue. */
function soundness(
  data: string,
  { faults, tell, wanted }: { readonly faults: Faults; readonly tell: Tell; readonly wanted: boolean },
): Examined | null {
  for (const { path, info } of filesBelow(data, { skip: (path) => path === "postern.db" || path === "spool" })) {
    if (!info.isFile || !path.endsWith(".db") || there(() => isDatabase(`${data}/${path}`)) !== true) continue;
    const damage = there(() => Deno.statSync(`${data}/${path}`)) === null ? [] : integrityOf(`${data}/${path}`);
    for (const each of damage) faults.add(`${path}: ${each}`);
  }
  if (there(() => Deno.statSync(`${data}/postern.db`)) === null) {
    if (wanted) faults.add(`${data} has no postern.db`);
    return null;
  }
  return examine(data, faults, (done) => tell(done, "messages"));
}
