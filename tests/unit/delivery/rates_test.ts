/** How often attempts may start: never more than the rate in any period, and no standstill. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { StartRate } from "../../../core/delivery/rates.ts";

const MINUTE = 60_000;

Deno.test("what may start at once after a pause, and when the next one may", () => {
  const rows: [count: number, together: number, interval: number][] = [
    [1, 1, MINUTE],
    [6, 1, 10_000],
    [100, 10, MINUTE / 91],
  ];
  for (const [count, together, interval] of rows) {
    const rate = new StartRate({ count, milliseconds: MINUTE });
    for (let i = 0; i < together; i++) {
      assertEquals(rate.next(1000), 1000, `${count}: ${i}`);
      rate.take(1000);
    }
    assert(Math.abs(rate.next(1000) - 1000 - interval) < 1e-2, `${count}: ${rate.next(1000)}`);
  }
});

Deno.test("no period of a rate holds more starts than its count, whoever starts as soon as he may", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 60 }),
    fc.array(fc.integer({ min: 0, max: MINUTE / 10 }), { minLength: 50, maxLength: 200 }),
    (count, pauses) => {
      const rate = new StartRate({ count, milliseconds: MINUTE });
      const starts: number[] = [];
      let now = 0;
      for (const pause of pauses) {
        now = rate.next(now + (pause % 3 === 0 ? pause : 0));
        rate.take(now);
        starts.push(now);
      }
      for (let i = count; i < starts.length; i++) {
        assert(starts[i]! - starts[i - count]! >= MINUTE - 1e-2, `${count} starts before ${starts[i]}`);
      }
    },
  ));
});

Deno.test("at least nine tenths of a rate are used by who always has work", () => {
  const rate = new StartRate({ count: 100, milliseconds: MINUTE });
  let now = 0, starts = 0;
  for (; now < 60 * MINUTE; starts++) {
    now = rate.next(now);
    rate.take(now);
  }
  assert(starts > 60 * 90, `${starts}`);
});

Deno.test("after a pause there is nothing to remember", () => {
  const rate = new StartRate({ count: 2, milliseconds: MINUTE });
  assert(rate.fresh(0));
  rate.take(0);
  assertEquals([rate.fresh(0), rate.fresh(MINUTE)], [false, true]);
});

Deno.test("what is no rate is refused", () => {
  for (const [count, milliseconds] of [[0, 1000], [1, 0], [NaN, 1]]) {
    assertThrows(() => new StartRate({ count: count!, milliseconds: milliseconds! }), RangeError);
  }
});
