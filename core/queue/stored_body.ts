/** The octets of a message in the store as a Body, for trying it again: small ones in memory, others read as a stream. */
import type { Body, Store, StoredMessage } from "../store/store.ts";

const IN_MEMORY = 256 * 1024;
type Octets = Uint8Array<ArrayBuffer>;

/** Null when the store does not have the octets any more. */
export async function storedBody(store: Store, message: StoredMessage): Promise<Body | null> {
  const { id, size } = message;
  const stream = await store.received(id);
  if (stream === null) return null;
  const head = await readHead(stream, size <= IN_MEMORY);
  const memory = size <= IN_MEMORY ? head : null;
  return { size, memory, head, stream: () => memory === null ? reopened(store, id) : once(memory), discard: () => {} };
}

/** All of a stream, or as much as holds its header section. */
async function readHead(stream: ReadableStream<Octets>, whole: boolean): Promise<Octets> {
  let all = new Uint8Array(0);
  for await (const chunk of stream) {
    const joined = new Uint8Array(all.length + chunk.length);
    joined.set(all);
    joined.set(chunk, all.length);
    const from = Math.max(0, all.length - 3);
    all = joined;
    if (!whole && (endsHeader(all, from) || all.length > IN_MEMORY)) break; // leaving the loop cancels the stream
  }
  return all;
}

function endsHeader(octets: Uint8Array, from: number): boolean {
  for (let at = octets.indexOf(10, from); at >= 0; at = octets.indexOf(10, at + 1)) {
    if (octets[at - 1] === 13 && octets[at + 1] === 13 && octets[at + 2] === 10) return true;
  }
  return false;
}

function once(octets: Octets): ReadableStream<Octets> {
  return new ReadableStream({
    start(controller) {
      if (octets.length > 0) controller.enqueue(octets);
      controller.close();
    },
  });
}

/** A stream that opens the store's when it is first read. */
function reopened(store: Store, id: string): ReadableStream<Octets> {
  let reader: ReadableStreamDefaultReader<Octets> | undefined;
  return new ReadableStream<Octets>({
    async pull(controller) {
      if (reader === undefined) {
        const stream = await store.received(id);
        if (stream === null) return controller.error(new Error(`message ${id} is gone`));
        reader = stream.getReader();
      }
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader?.cancel(reason),
  }, { highWaterMark: 0 });
}
