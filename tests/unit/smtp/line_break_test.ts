/** The fast search for CR and LF finds what the slow one finds, wherever the octets lie. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { nextBreak, wordsOf } from "../../../core/smtp/line_break.ts";

Deno.test("property: the next CR or LF, at any offset of any view, among octets of all kinds", () => {
  const octet = fc.oneof(
    { weight: 40, arbitrary: fc.integer({ min: 0, max: 255 }) },
    { weight: 40, arbitrary: fc.constantFrom(0x20, 0x41, 0x7f, 0x80, 0xff, 0x0e) },
    { weight: 1, arbitrary: fc.constantFrom(9, 10, 11, 12, 13) },
  );
  const views = fc.record({
    octets: fc.array(octet, { minLength: 0, maxLength: 300 }),
    offset: fc.nat(7),
    behind: fc.nat(7),
    start: fc.nat(40),
    cut: fc.nat(40),
  });
  fc.assert(
    fc.property(views, ({ octets, offset, behind, start, cut }) => {
      const whole = new Uint8Array(offset + octets.length + behind).fill(10); // what is around the view must not be seen
      const view = whole.subarray(offset, offset + octets.length);
      view.set(octets);
      const at = Math.min(start, octets.length), end = Math.max(at, octets.length - cut);
      let expected = at;
      while (expected < end && view[expected] !== 13 && view[expected] !== 10) expected++;
      assertEquals(nextBreak(view, wordsOf(view, Infinity), at, end), expected);
      assertEquals(nextBreak(view, null, at, end), expected);
    }),
    { numRuns: 2000 },
  );
});
