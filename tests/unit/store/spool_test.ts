/** Bodies on their way: where they are, what they cost, and what a disk that fails does to them. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FileBody, Spool } from "../../../core/store/spool.ts";
import { StoreError } from "../../../core/store/store.ts";
import { octets, read } from "./messages.ts";

async function withSpool(
  options: { budget?: number; memoryLimit?: number; headLimit?: number },
  run: (spool: Spool, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const spool = new Spool({ folder, ...options });
  try {
    await run(spool, folder);
    await spool.settled();
    assertEquals([spool.used, spool.heads], [0, 0], "memory is given back");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
const files = (folder: string) => [...Deno.readDirSync(folder)].length;
const text = (value: string) => new TextEncoder().encode(value);

for (const chunk of [1, 7, 1000, 8192, 8193, 40_000, 100_000]) {
  Deno.test(`chunks of ${chunk} octets come out as they went in, in memory and in a file`, () =>
    withSpool({ memoryLimit: 30_000 }, async (spool, folder) => {
      for (const size of [29_999, 30_000, 30_001, 100_001]) {
        const content = octets(size), writer = spool.receive("ID");
        for (let at = 0; at < size; at += chunk) await writer.write(content.subarray(at, at + chunk));
        const body = await writer.finish();
        assertEquals(body.memory === null, size > 30_000, `${size} octets`);
        assertEquals(files(folder), size > 30_000 ? 1 : 0);
        assertEquals(body.size, size);
        assertEquals(await read(body.stream()), content);
        body.discard();
        await spool.settled();
        assertEquals(files(folder), 0);
      }
    }));
}

Deno.test("the caller may write over its buffer at once, even when it does not wait", () =>
  withSpool({ memoryLimit: 10 }, async (spool) => {
    const writer = spool.receive("ID"), buffer = new Uint8Array(5000), expected: number[] = [];
    for (let i = 0; i < 20; i++) {
      buffer.fill(i);
      expected.push(...buffer);
      void writer.write(buffer);
    }
    buffer.fill(255);
    const body = await writer.finish();
    assertEquals(await read(body.stream()), new Uint8Array(expected));
    body.discard();
  }));

Deno.test("the head of a spilled body ends with the header section, wherever the chunks are cut", () =>
  withSpool({ memoryLimit: 100, headLimit: 1000 }, async (spool) => {
    const cases: readonly (readonly [string, number])[] = [
      ["\r\nno header\r\n\r\n", 2],
      ["A: 1\r\n\r\nbody\r\n\r\n", 8],
      ["A: 1\r\n" + "x".repeat(300) + "\r\r\n\r\nrest", 311],
      ["A: 1\n\nnot the end\r\n\r\n", 21],
      ["A: " + "y".repeat(5000), 1000],
      ["A\r\n\r", 500],
    ];
    for (const [start, length] of cases) {
      const content = text(start + "z".repeat(496 - Math.min(start.length, 4)));
      for (const chunk of [1, 3, 50, 10_000]) {
        const writer = spool.receive("ID");
        for (let at = 0; at < content.length; at += chunk) await writer.write(content.subarray(at, at + chunk));
        const body = await writer.finish();
        assert(body instanceof FileBody);
        const expected = content.subarray(0, Math.min(length, content.length));
        assertEquals(new TextDecoder().decode(body.head), new TextDecoder().decode(expected));
        body.discard();
      }
    }
  }));

Deno.test("heads that never end are bounded together: past the budget a body is refused as busy", () =>
  withSpool({ budget: 10_000, memoryLimit: 100, headLimit: 4000 }, async (spool) => {
    const writers = Array.from({ length: 3 }, () => spool.receive("ID"));
    const faults: string[] = [];
    for (const writer of writers) {
      try {
        await writer.write(new Uint8Array(5000).fill(65));
      } catch (error) {
        faults.push((error as StoreError).fault);
      }
    }
    assertEquals(faults, ["busy"]);
    assert(spool.heads <= 10_000);
    for (const writer of writers) writer.abort();
  }));

Deno.test("when the spool cannot be written the writer says so, swallows the rest, and finish rejects", () =>
  withSpool({ memoryLimit: 100 }, async (spool, folder) => {
    await Deno.remove(folder);
    const writer = spool.receive("ID");
    const fault = await assertRejects(async () => await writer.write(new Uint8Array(1000)), StoreError);
    assertEquals(fault.fault, "io");
    assertEquals(writer.write(new Uint8Array(1000)), undefined);
    assertEquals(await assertRejects(async () => await writer.finish(), StoreError), fault);
    writer.abort();
    await Deno.mkdir(folder);
  }));

Deno.test("a body whose file was cut before its fsync is refused", () =>
  withSpool({ memoryLimit: 100 }, async (spool, folder) => {
    const writer = spool.receive("ID");
    await writer.write(octets(5000));
    const body = await writer.finish() as FileBody;
    await body.sync();
    await Deno.truncate(`${folder}/${body.name}`, 4999);
    await assertRejects(() => body.sync(), StoreError, "4999 octets instead of 5000");
    await assertRejects(async () => await read(body.stream()), StoreError, "does not have 5000 octets");
    body.discard();
    await assertRejects(() => body.sync(), StoreError);
  }));

Deno.test("two bodies of one id do not share a file, and an id that is no file name is refused", () =>
  withSpool({ memoryLimit: 10 }, async (spool, folder) => {
    const writers = [spool.receive("ID"), spool.receive("ID")];
    for (const [i, writer] of writers.entries()) await writer.write(octets(5000, i));
    const bodies = await Promise.all(writers.map((writer) => writer.finish()));
    assertEquals(files(folder), 2);
    for (const [i, body] of bodies.entries()) {
      assertEquals(await read(body.stream()), octets(5000, i));
      body.discard();
    }
    for (const id of ["", "../x", "a/b", "a.b", "x".repeat(65)]) assertThrows(() => spool.receive(id), TypeError);
  }));
