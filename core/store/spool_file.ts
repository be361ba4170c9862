/**
 * A body whose octets lie in a file of the spool folder, whoever wrote it: this thread (spool.ts), or another one of this
 * process, which has made its octets durable already. And streams of octets. Non-job: writing such files.
 */
import { diskError } from "./durable_write.ts";
import { type Body, StoreError } from "./store.ts";

export abstract class SpoolFile implements Body {
  readonly memory = null;
  /** In the spool folder. */
  abstract readonly name: string;
  abstract readonly size: number;
  abstract readonly head: Uint8Array<ArrayBuffer>;
  abstract stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Makes the octets durable, not yet the name: the folder's fsync is the writer thread's. */
  abstract sync(): Promise<void>;
  /** A row names the file now, or may: leave it where it is. */
  abstract keep(): void;
  abstract discard(): void;
}

/** A file that another thread has written and synced: only its name came here. */
export class SyncedFile extends SpoolFile {
  readonly head = new Uint8Array(0);
  readonly #path: string;
  #over = false;

  constructor(folder: string, readonly name: string, readonly size: number) {
    super();
    this.#path = `${folder}/${name}`;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return fileStream(this.#path, this.size);
  }
  sync(): Promise<void> {
    return Promise.resolve();
  }
  keep(): void {
    this.#over = true;
  }
  discard(): void {
    if (this.#over) return;
    this.#over = true;
    void Deno.remove(this.#path).catch(() => {}); // an orphan is found at a later start
  }
}

/** One chunk, not copied. */
export function octetStream(octets: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull(controller) {
      if (octets.length > 0) controller.enqueue(octets);
      controller.close();
    },
  }, { highWaterMark: 0 });
}

/** The octets of a file, opened when the first is asked for. Errors when the file does not have `size` octets. */
export function fileStream(path: string, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let file: Deno.FsFile | null = null, left = size;
  return new ReadableStream({
    async pull(controller) {
      try {
        file ??= await Deno.open(path, { read: true });
        const chunk = new Uint8Array(64 * 1024);
        const count = await file.read(chunk) ?? 0;
        left -= count;
        if (left < 0 || (count === 0 && left > 0)) throw new StoreError("io", `${path} does not have ${size} octets`);
        if (count > 0) return controller.enqueue(chunk.subarray(0, count));
        file.close();
        controller.close();
      } catch (error) {
        file?.close();
        controller.error(diskError(error, `cannot read ${path}`));
      }
    },
    cancel: () => file?.close(),
  }, { highWaterMark: 0 });
}
