/** Frames out of pieces: any cut gives the same frames; what is none, or too long, is told before anything is kept for it. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Frame, FrameError, frameOf, FrameReader } from "../../../../core/sandbox/process/frames.ts";

const BOUNDS = { text: 1_000, parts: 4, octets: 10_000 };

function octetsOf(frames: readonly Frame[]): Uint8Array {
  return new Uint8Array(frames.flatMap((each) => frameOf(each).flatMap((piece) => [...piece])));
}

Deno.test("frames come back, however the pipe cuts them", () => {
  const frame = fc.record({
    kind: fc.constantFrom("message" as const, "control" as const),
    text: fc.string({ unit: "binary", maxLength: 80 }),
    parts: fc.array(fc.uint8Array({ maxLength: 50 }).map((each) => new Uint8Array(each)), { maxLength: 4 }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.array(frame, { maxLength: 4 }), fc.integer({ min: 1, max: 40 }), (frames, cut) => {
    const all = octetsOf(frames), reader = new FrameReader(BOUNDS), found: Frame[] = [];
    for (let at = 0; at < all.length; at += cut) found.push(...reader.read(all.subarray(at, at + cut)));
    assertEquals(found, frames);
    assertEquals(reader.within, false);
  }));
});

Deno.test("a text that is almost all beyond ASCII fits its frame", () => {
  const text = "ü€𝄞".repeat(50);
  const [frame] = [...new FrameReader(BOUNDS).read(octetsOf([{ kind: "message", text, parts: [] }]))];
  assertEquals(frame!.text, text);
});

const bad: Readonly<Record<string, readonly [octets: readonly number[], words: string]>> = {
  "what a program prints": [[...new TextEncoder().encode("hello")], "begin no frame"],
  "one octet of it": [[10], "begin no frame"],
  "a kind that there is not": [[0xf5, 9, 0, 0, 0, 0, 0, 0], "kind"],
  "a text of 4 GB": [[0xf5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "4294967295 octets"],
  "many parts": [[0xf5, 0, 0xff, 0xff, 0, 0, 0, 0], "65535 parts"],
  "a part of 4 GB": [[0xf5, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "4294967295 octets"],
  "parts that are too long together": [
    [0xf5, 0, 4, 0, 0, 0, 0, 0, ...[1, 2, 3, 4].flatMap(() => [0xff, 0x1f, 0, 0])],
    "32764 octets",
  ],
};
for (const [name, [octets, words]] of Object.entries(bad)) {
  Deno.test(`no frame: ${name}`, () => {
    for (const cut of [1, octets.length]) {
      const reader = new FrameReader(BOUNDS);
      const error = assertThrows(() => {
        for (let at = 0; at < octets.length; at += cut) {
          assertEquals([...reader.read(new Uint8Array(octets.slice(at, at + cut)))], []);
        }
      }, FrameError);
      assertStringIncludes(error.message, words);
    }
  });
}

Deno.test("half a frame is none, and is known to be half", () => {
  const reader = new FrameReader(BOUNDS), all = octetsOf([{ kind: "message", text: "abc", parts: [] }]);
  assertEquals([...reader.read(all.subarray(0, -1))], []);
  assert(reader.within);
});
