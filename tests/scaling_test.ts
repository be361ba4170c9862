/** docs/scaling.md says what its model computes, from the costs that the model has. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { clusterTable, COSTS, hereTable, machineTable, saturation, usesOfMachine } from "../bench/model.ts";

const document = Deno.readTextFileSync(new URL("../docs/scaling.md", import.meta.url));
/** Cells alone: how wide a column is drawn says nothing. */
const cells = (text: string): string => text.replace(/ *\| */g, "|").replace(/-+/g, "-");

Deno.test("docs/scaling.md: the tables are what bench/model.ts prints", () => {
  for (const table of [machineTable(COSTS), clusterTable(COSTS), hereTable(COSTS)]) {
    assertStringIncludes(cells(document), cells(table));
  }
});

Deno.test("docs/scaling.md: each cost of the model is there with its value and what measured it", () => {
  const rows = [...document.matchAll(/^\| `(\w+)` +\| ([\d.]+) +\| (\S.*?) +\| (\S.*?) +\|$/gm)];
  assertEquals(Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)])), COSTS);
});

Deno.test("the model: more of what is full gives more, more of what is not gives nothing", () => {
  const rate = (cores: number, threads: number, costs = COSTS) =>
    saturation((each) => usesOfMachine(each, { cores, threads, relay: false }, costs));
  const one = rate(8, 1);
  assertEquals(one.full, "the one thread");
  assertEquals(Math.round(one.rate), Math.round(1000 / COSTS.alone));
  assertEquals(rate(64, 1).rate, one.rate);
  assert(rate(64, 2).rate > 1.3 * one.rate);
  const slow = rate(64, 16, { ...COSTS, fsync: 100 });
  assertEquals(slow.full, "writer");
  assert(Math.abs(slow.rate - 1000 / (COSTS.writer + (100 + COSTS.batch) / 100)) < 1, `${slow.rate}`);
});
