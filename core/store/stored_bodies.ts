/**
 * Bodies that lie in the store, as streams: from their row or their spool file, and only whole. Non-job: where the row is
 * read (sqlite_reader.ts).
 */
import { applyEdits, applyEditsToBytes } from "../model/edits.ts";
import { diskError } from "./durable_write.ts";
import type { StoredBody } from "./protocol.ts";
import { fileStream, octetStream } from "./spool_file.ts";
import { StoreError } from "./store.ts";

type Octets = ReadableStream<Uint8Array<ArrayBuffer>>;

export interface StoredBodiesOptions {
  /** Of a spool file. */
  path(file: string): string;
  /** The body that goes on, or what was received in its place where there is such. */
  ask(id: string, original: boolean): Promise<StoredBody | null>;
}

export class StoredBodies {
  constructor(readonly options: StoredBodiesOptions) {}

  /** With the edits made. */
  async written(id: string): Promise<Octets | null> {
    const body = await this.#body(id, false);
    if (body === null) return null;
    if (body.edits === null) throw new StoreError("io", `message ${id} is corrupt: ${body.why}`);
    if (body.octets !== null) return octetStream(applyEditsToBytes(body.octets, body.edits));
    return applyEdits(this.#file(body), body.edits);
  }

  /** Without. */
  async octets(id: string, original = false): Promise<Octets | null> {
    const body = await this.#body(id, original);
    if (body === null) return null;
    return body.octets !== null ? octetStream(body.octets) : this.#file(body);
  }

  #file({ file, size }: StoredBody): Octets {
    return fileStream(this.options.path(file!), size);
  }

  /** A body that is there with all its octets. */
  async #body(id: string, original: boolean): Promise<StoredBody | null> {
    const body = await this.options.ask(id, original);
    if (body === null) return null;
    let size = body.octets?.length ?? 0;
    if (body.file !== null) {
      try {
        size = (await Deno.stat(this.options.path(body.file))).size;
      } catch (error) {
        throw diskError(error, `message ${id} is corrupt`);
      }
    }
    if (size !== body.size) {
      throw new StoreError("io", `message ${id} is corrupt: its body has ${size} octets instead of ${body.size}`);
    }
    return body;
  }
}
