/**
 * What a backup says of itself: `manifest.jsonl`, a line of JSON each for its head, its files and folders, and its end,
 * which has the sum of all lines before it. Written and read line by line: a backup may have a million files. Its format
 * is in docs/backup.md. Non-job: the files (files.ts), comparing (verify.ts).
 */
import { createHash, type Hash } from "node:crypto";
import { z } from "zod";
import { TextLineStream } from "./lines.ts";

export const MANIFEST = "manifest.jsonl";
/** Where the data folder stands in a backup. */
export const DATA = "data";
/** Of the manifest. */
export const FORMAT = 1;

const Count = z.int().min(0);
const Head = z.strictObject({
  backup: z.literal(FORMAT),
  /** Postern's version. */
  postern: z.string(),
  /** What had a 250 before this moment is in it. */
  began: z.iso.datetime(),
  /** `sqlite`, or `postgres`: then the queue is not in it. */
  store: z.enum(["sqlite", "postgres"]),
  /** Whose the data folder was, by number. */
  owner: Count,
});
const FileLine = z.strictObject({
  /** Below `data`, with slashes. */
  path: z.string().min(1).refine(isBelow),
  /** Octets; null: a folder. */
  size: Count.nullable(),
  mode: z.int().min(0).max(0o7777),
  /** Lower case hexadecimal; null: a folder. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
  /** Where it is not `owner`. */
  uid: Count.optional(),
});
const Tail = z.strictObject({
  ended: z.iso.datetime(),
  files: Count,
  octets: Count,
  /** Of the lines before this one, their ends included. */
  sha256: z.string(),
});
export type ManifestHead = z.output<typeof Head>;
export type ManifestFile = z.output<typeof FileLine>;
export type ManifestTail = z.output<typeof Tail>;

/** A manifest that is none, or not whole. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
}

/** False for what would lead out of the folder. */
function isBelow(path: string): boolean {
  return !path.includes("\0") && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** Writes one; the file is durable after `end`. */
export class ManifestWriter {
  readonly #file: Deno.FsFile;
  readonly #hash: Hash = createHash("sha256");
  files = 0;
  octets = 0;
  #waiting = "";

  constructor(file: Deno.FsFile, head: Omit<ManifestHead, "backup">) {
    this.#file = file;
    this.#line({ backup: FORMAT, ...head });
  }

  add(file: ManifestFile): void {
    if (file.size !== null) this.files++;
    this.octets += file.size ?? 0;
    this.#line(file);
  }

  end(now: number): void {
    this.#flush();
    const sha256 = this.#hash.digest("hex");
    const tail: ManifestTail = { ended: new Date(now).toISOString(), files: this.files, octets: this.octets, sha256 };
    this.#write(`${JSON.stringify(tail)}\n`);
    this.#file.syncSync();
  }

  #line(value: object): void {
    this.#waiting += `${JSON.stringify(value)}\n`;
    if (this.#waiting.length > 65_536) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#waiting);
    this.#write(this.#waiting);
    this.#waiting = "";
  }

  #write(text: string): void {
    const octets = new TextEncoder().encode(text);
    for (let at = 0; at < octets.length;) at += this.#file.writeSync(octets.subarray(at));
  }
}

export interface Manifest {
  readonly head: ManifestHead;
  /** In their order: a folder before what is in it. */
  readonly files: readonly ManifestFile[];
  readonly tail: ManifestTail;
}

/** Reads one whole. @throws {ManifestError} in one line. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = `${folder}/${MANIFEST}`, hash = createHash("sha256"), files: ManifestFile[] = [];
  let head: ManifestHead | null = null, tail: ManifestTail | null = null, number = 0;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new ManifestError(`${folder} is no backup: it has no ${MANIFEST}`);
    throw error;
  }
  try {
    for await (const line of file.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      number++;
      const value = parse(line, `${path}:${number}`);
      if (tail !== null) throw new ManifestError(`${path}:${number}: stands behind the end`);
      if (head === null) head = read(Head, value, `${path}:${number}`);
      else if (value !== null && typeof value === "object" && "ended" in value) {
        tail = read(Tail, value, `${path}:${number}`);
        continue;
      } else files.push(read(FileLine, value, `${path}:${number}`));
      hash.update(`${line}\n`);
    }
  } catch (error) {
    if (error instanceof RangeError) throw new ManifestError(`${path}:${number + 1}: ${error.message}`);
    throw error;
  }
  if (head === null || tail === null) {
    throw new ManifestError(`${path} is not whole: the backup did not come to its end`);
  }
  if (hash.digest("hex") !== tail.sha256) throw new ManifestError(`${path} is damaged: its sum is another one`);
  return { head, files, tail };
}

function parse(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new ManifestError(`${where}: no JSON`);
  }
}

function read<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const backup = (value as { backup?: unknown } | null)?.backup;
  if (typeof backup === "number" && backup > FORMAT) {
    throw new ManifestError(
      `${where}: a newer version of Postern wrote it (format ${backup}, this one knows ${FORMAT})`,
    );
  }
  throw new ManifestError(`${where}: ${found.error.issues[0]?.message ?? "not understood"}`);
}
