/** The octets of a message in the store as a Body, for trying it again: small ones in memory, others read as a stream. */
import { headerEnd } from "../model/headers.ts";
import { octetStream } from "../store/spool_file.ts";
import type { Body, Store, StoredMessage } from "../store/store.ts";

const IN_MEMORY = 256 * 1024;
type Octets = Uint8Array<ArrayBuffer>;
/** As much of a store as is needed. */
type Bodies = Pick<Store, "content">;

/**
 * Null when the store does not have the octets any more.
 *
 * @throws {StoreError} when they cannot be read.
 */
export async function storedBody(store: Bodies, message: StoredMessage): Promise<Body | null> {
  const { id, size } = message;
  const stream = await store.content(id);
  if (stream === null) return null;
  const small = size <= IN_MEMORY;
  const head = await readHead(stream, small);
  if (small) return bodyOf(head);
  return { size, memory: null, head, stream: () => reopened(store, id), discard() {} };
}

/** Octets in memory as a Body. */
export function bodyOf(octets: Octets): Body {
  return { size: octets.length, memory: octets, head: octets, stream: () => octetStream(octets), discard() {} };
}

/** All of a stream, or as much as holds its header section, whose length was bounded when it was received. */
async function readHead(stream: ReadableStream<Octets>, whole: boolean): Promise<Octets> {
  let all: Octets = new Uint8Array(0), length = 0;
  for await (const chunk of stream) {
    if (length === 0 && chunk.length > 0) [all, length] = [chunk, chunk.length];
    else {
      if (length + chunk.length > all.length) {
        const grown = new Uint8Array(Math.max(length + chunk.length, 2 * all.length));
        grown.set(all.subarray(0, length));
        all = grown;
      }
      all.set(chunk, length);
      length += chunk.length;
    }
    const from = Math.max(0, length - chunk.length - 3);
    if (!whole && headerEnd(all.subarray(0, length), from) >= 0) break; // leaving the loop cancels the stream
  }
  return all.subarray(0, length);
}

/** A stream that opens the store's when it is first read. */
function reopened(store: Bodies, id: string): ReadableStream<Octets> {
  let reader: ReadableStreamDefaultReader<Octets> | undefined, over = false;
  return new ReadableStream<Octets>({
    async pull(controller) {
      if (reader === undefined) {
        const stream = await store.content(id);
        if (stream === null) return controller.error(new Error(`message ${id} is gone`));
        reader = stream.getReader();
      }
      const { done, value } = over ? { done: true } : await reader.read();
      if (over) return await reader.cancel(); // while we waited: nobody else would close the file
      if (done) controller.close();
      else controller.enqueue(value!);
    },
    cancel(reason) {
      over = true;
      return reader?.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
