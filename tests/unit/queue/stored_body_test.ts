/** A stored message as a body: all of a small one in memory, the header section of a large one, the rest as a stream. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { storedBody } from "../../../core/queue/stored_body.ts";
import { type Store, type StoredMessage, StoreError } from "../../../core/store/store.ts";
import { waitFor } from "../../support/wait.ts";
import { message } from "../store/messages.ts";

const KIB = 1024;
const utf8 = new TextEncoder();

/** A store that has one message, handed out in chunks; counts what was read of each stream. */
function storeOf(content: Uint8Array<ArrayBuffer>, chunk: number): { store: Store; reads: number[] } {
  const reads: number[] = [];
  const received = () => {
    const which = reads.push(0) - 1;
    let at = 0;
    return Promise.resolve(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          if (at >= content.length) return controller.close();
          const part = content.slice(at, at + chunk);
          at += chunk;
          reads[which]! += part.length;
          controller.enqueue(part);
        },
      }, { highWaterMark: 0 }),
    );
  };
  return { store: { content: received } as unknown as Store, reads };
}
const stored = (size: number): StoredMessage => ({ ...message(), size, version: 1 });
const mail = (header: string, size: number): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(size).fill(0x61);
  out.set(utf8.encode(header));
  return out;
};
const all = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) =>
  new Uint8Array(await new Response(stream).arrayBuffer());

Deno.test("a small message is read once, and streamed from memory any number of times", async () => {
  const content = mail("A: 1\r\n\r\n", 200 * KIB);
  const { store, reads } = storeOf(content, 7000);
  const body = (await storedBody(store, stored(content.length)))!;
  assertEquals(body.memory, content);
  assertEquals(body.head, content);
  assertEquals(await all(body.stream()), content);
  assertEquals(await all(body.stream()), content);
  assertEquals(reads.length, 1);
});

Deno.test("of a large message only the head is read at first, wherever chunks cut the empty line", async () => {
  const header = `A: ${"x".repeat(100)}\r\n\r\n`;
  const content = mail(header, 300 * KIB);
  for (let chunk = header.length - 6; chunk < header.length + 3; chunk++) {
    const { store, reads } = storeOf(content, chunk);
    const body = (await storedBody(store, stored(content.length)))!;
    assertEquals(body.memory, null);
    assert(
      body.head.length >= header.length && body.head.length <= 2 * chunk,
      `${body.head.length}, chunks of ${chunk}`,
    );
    assertEquals(body.head, content.subarray(0, body.head.length));
    assertEquals(reads, [body.head.length]);
  }
});

Deno.test("the head holds the whole header section, however long a header the limits allow", async () => {
  const header = `A: 1\r\n${"B: a long field\r\n".repeat(40_000)}\r\n`;
  const content = mail(header, header.length + 300 * KIB);
  const body = (await storedBody(storeOf(content, 64 * KIB).store, stored(content.length)))!;
  assert(body.head.length >= header.length, `${body.head.length} of ${header.length}`);
  assertEquals(body.head, content.subarray(0, body.head.length));
});

Deno.test("a large message streams afresh each time, and a stream nobody reads opens nothing", async () => {
  const content = mail("A: 1\r\n\r\n", 300 * KIB);
  const { store, reads } = storeOf(content, 64 * KIB);
  const body = (await storedBody(store, stored(content.length)))!;
  body.stream();
  assertEquals(reads.length, 1);
  assertEquals(await all(body.stream()), content);
  assertEquals(await all(body.stream()), content);
  assertEquals(reads.length, 3);
});

Deno.test("a message without header, an empty one, one that is gone, one that cannot be read", async () => {
  for (const content of [mail("\r\n", 300 * KIB), new Uint8Array(0)]) {
    const body = (await storedBody(storeOf(content, 64 * KIB).store, stored(content.length)))!;
    assertEquals(await all(body.stream()), content);
    assert(body.head.length <= 64 * KIB);
  }
  const gone = { content: () => Promise.resolve(null) } as unknown as Store;
  assertEquals(await storedBody(gone, stored(10)), null);
  const broken = { content: () => Promise.reject(new StoreError("io", "bad sector")) } as unknown as Store;
  await assertRejects(() => storedBody(broken, stored(10)), StoreError, "bad sector");
});

Deno.test("a stream that is given up while the store still opens it is closed all the same", async () => {
  for (const when of ["opening", "reading"]) {
    let cancelled = 0, release = () => {};
    const gate = new Promise<void>((resolve) => release = resolve);
    let opened = 0;
    const received = async () => {
      if (++opened > 1 && when === "opening") await gate; // the first reads the header section
      return new ReadableStream<Uint8Array<ArrayBuffer>>({
        async pull(controller) {
          if (opened > 1 && when === "reading") await gate;
          controller.enqueue(mail("Subject: x\r\n\r\n", 64 * KIB));
        },
        cancel: () => void cancelled++,
      }, { highWaterMark: 0 });
    };
    const body = (await storedBody({ content: received } as unknown as Store, stored(1024 * KIB)))!;
    const before = cancelled;
    const reader = body.stream().getReader();
    const read = reader.read();
    await waitFor("the store to be asked", () => opened === 2);
    const gone = reader.cancel();
    release();
    await Promise.allSettled([read, gone]);
    await waitFor(`the end of a stream given up while ${when}`, () => cancelled - before === 1);
  }
});
