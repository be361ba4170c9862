/**
 * Takes messages from files into a queue. All files are looked at first: what is none of ours, or not what was written, is
 * moved to `bad` and named, and the rest goes on. A message whose id is in the queue is left as it is there. What is taken
 * is moved to `imported`, so that a second import cannot bring what was delivered meanwhile. A file whose name no export
 * gives is not touched: the folder may be the wrong one. Non-job: the format (format.ts).
 */
import { createHash } from "node:crypto";
import { durableFolder, syncFolder } from "../../../core/store/durable_write.ts";
import type { Body, Store } from "../../../core/store/store.ts";
import { there } from "../../backup/files.ts";
import { type ExportedOctets, FormatError, type ParsedItem, parseItem } from "./format.ts";

export interface Checked {
  /** Ids, in the order of their names: the oldest first. */
  readonly good: readonly string[];
  readonly bad: readonly { readonly name: string; readonly why: string }[];
  /** Names that no export gives. */
  readonly other: readonly string[];
}
export type Imported = "taken" | "there" | { readonly bad: string };

/** Octets of ID.json: of ten thousand recipients with all their words. */
const LONGEST = 64 * 1024 * 1024;
const NAME = /^[0-9A-HJKMNP-TV-Z]{26}(?:\.json|(?:\.body)?\.eml)$/;

/** Looks at every file of a folder; nothing is changed. */
export async function checkFolder(folder: string, progress: (done: number) => void = () => {}): Promise<Checked> {
  const good: string[] = [], bad: { name: string; why: string }[] = [];
  const all = [...Deno.readDirSync(folder)].filter(({ name, isFile }) => isFile && !name.startsWith("."))
    .map(({ name }) => name).sort();
  const names = all.filter((name) => NAME.test(name)), other = all.filter((name) => !NAME.test(name));
  const wanted = new Set<string>();
  for (const name of names.filter((each) => each.endsWith(".json"))) {
    const id = name.slice(0, -".json".length);
    for (const each of filesOf(id)) wanted.add(each);
    try {
      const { received, body } = await read(folder, name);
      await check(`${folder}/${id}.eml`, received);
      if (body !== null) await check(`${folder}/${id}.body.eml`, body);
      good.push(id);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      bad.push({ name, why: error.message });
    }
    progress(good.length + bad.length);
  }
  for (const name of names) {
    if (wanted.has(name) || isImported(folder, name)) continue;
    bad.push({ name, why: "belongs to no message: the export that wrote it did not come to its end" });
  }
  return { good, bad, other };
}

/** An import was killed while it moved the files: the message is in the queue. */
function isImported(folder: string, name: string): boolean {
  const id = name.replace(/(?:\.body)?\.eml$/, "");
  return there(() => Deno.statSync(`${folder}/imported/${id}.json`)) !== null;
}

/** One message into the queue, and its files to `imported`. @throws {StoreError}; then nothing of it is in the queue. */
export async function importMessage(store: Store, folder: string, id: string): Promise<Imported> {
  const bodies: Body[] = [];
  let answer: boolean;
  try {
    const { item, received, body } = await read(folder, `${id}.json`);
    bodies.push(
      await bodyOf(store, id, { path: `${folder}/${id}${body === null ? "" : ".body"}.eml`, wanted: body ?? received }),
    );
    if (body !== null) bodies.push(await bodyOf(store, id, { path: `${folder}/${id}.eml`, wanted: received }));
    const [first, second] = bodies.splice(0);
    answer = await store.adopt(item, first!, second);
  } catch (error) {
    for (const each of bodies) each.discard();
    if (error instanceof FormatError) return { bad: error.message };
    throw error;
  }
  await moveTo(`${folder}/imported`, folder, filesOf(id));
  return answer ? "taken" : "there";
}

/** Files out of the way, with those that go with them. */
export async function setAside(folder: string, name: string): Promise<void> {
  const names = name.endsWith(".json") ? filesOf(name.slice(0, -".json".length)) : [name];
  await moveTo(`${folder}/bad`, folder, names);
}

function filesOf(id: string): readonly string[] {
  return [`${id}.json`, `${id}.eml`, `${id}.body.eml`]; // the first is what makes it a message
}

async function moveTo(to: string, from: string, names: readonly string[]): Promise<void> {
  await durableFolder(to);
  for (const name of names) {
    await Deno.rename(`${from}/${name}`, `${to}/${name}`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  await syncFolder(to);
  await syncFolder(from);
}

async function read(folder: string, name: string): Promise<ParsedItem> {
  const path = `${folder}/${name}`;
  if (!(await Deno.lstat(path)).isFile) throw new FormatError("is no file");
  if ((await Deno.stat(path)).size > LONGEST) throw new FormatError("is too long");
  return parseItem(await Deno.readTextFile(path), name);
}

async function check(path: string, wanted: ExportedOctets): Promise<void> {
  await through(path, wanted, () => {});
}

async function bodyOf(
  store: Store,
  id: string,
  { path, wanted }: { readonly path: string; readonly wanted: ExportedOctets },
): Promise<Body> {
  const writer = store.receive(id);
  try {
    await through(path, wanted, (octets) => writer.write(octets));
    return await writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** All octets of a file, which must be those that were written. @throws {FormatError} */
async function through(
  path: string,
  wanted: ExportedOctets,
  each: (octets: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const name = path.slice(path.lastIndexOf("/") + 1), hash = createHash("sha256");
  let file: Deno.FsFile;
  try {
    if (!(await Deno.lstat(path)).isFile) throw new FormatError(`${name} is no file`); // a pipe would hold us up for ever
    file = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new FormatError(`${name} is missing`);
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size !== wanted.size) throw new FormatError(`${name} has ${size} octets instead of ${wanted.size}`);
    const buffer = new Uint8Array(64 * 1024);
    for (let count; (count = await file.read(buffer)) !== null;) {
      hash.update(buffer.subarray(0, count));
      await each(buffer.subarray(0, count));
    }
    if (hash.digest("hex") !== wanted.sha256) {
      throw new FormatError(`${name} is not what was written: its sum is another one`);
    }
  } finally {
    file.close();
  }
}
