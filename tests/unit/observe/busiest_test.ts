/** A bounded number of names keeps counts of its own: the busiest ones, and who becomes one of them. */
import { assert, assertEquals } from "@std/assert";
import { Busiest } from "../../../core/observe/metrics/busiest.ts";

function counts(of: Busiest): Record<string, readonly number[]> {
  return Object.fromEntries([...of.entries()].map(([name, all]) => [name, [...all]]));
}

Deno.test("as long as there are places, everybody has one", () => {
  const busiest = new Busiest(2, 2);
  for (const [name, kind] of [["a", 0], ["b", 1], ["a", 0], ["c", 1]] as const) busiest.add(name, kind);
  assertEquals(counts(busiest), { a: [2, 0], b: [0, 1], other: [0, 1] });
});

Deno.test("without places all of it is other", () => {
  const busiest = new Busiest(0, 1);
  for (let i = 0; i < 10; i++) busiest.add(`${i}`, 0);
  assertEquals(counts(busiest), { other: [10] });
});

Deno.test("whoever is far busier takes the place of whoever is not, and strangers do not push the busy ones out", () => {
  const busiest = new Busiest(3, 1);
  for (const name of ["first", "second", "third"]) busiest.add(name, 0);
  for (let i = 0; i < 20_000; i++) {
    busiest.add("big.example", 0);
    busiest.add(`once${i}.example`, 0);
    busiest.add("second", 0);
  }
  const found = counts(busiest);
  assertEquals(Object.keys(found).length, 4);
  assert(found["big.example"]![0]! > 15_000, JSON.stringify(found));
  assert(found["second"]![0]! > 15_000);
  const total = Object.values(found).reduce((sum, [n]) => sum + n!, 0);
  assert(total <= 60_003, "nothing is counted twice");
});

Deno.test("what is shown only grows while it is shown", () => {
  const busiest = new Busiest(4, 1);
  let before = counts(busiest);
  for (let i = 0; i < 20_000; i++) {
    busiest.add(`d${(i * i) % 37}.example`, 0);
    if (i % 50 !== 0) continue;
    const now = counts(busiest);
    for (const [name, [value]] of Object.entries(now)) {
      const known = before[name]?.[0] ?? 0;
      assert(value! >= known || value! < 50, `${name} fell from ${known} to ${value}`);
    }
    assert(now["other"]![0]! >= (before["other"]?.[0] ?? 0));
    before = now;
  }
});
