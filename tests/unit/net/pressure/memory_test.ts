/** What memory there is, by files as control groups of both versions write them, and what of it is taken. */
import { assert, assertEquals } from "@std/assert";
import { memoryGiven, memoryTaken } from "../../../../core/net/pressure/memory.ts";
import { TempFolder } from "../../../support/temp.ts";

Deno.test("the least limit of the control groups above the process counts, else the machine's memory", async () => {
  await using folder = await TempFolder.make();
  const total = memoryGiven(folder.path); // no group has a limit there
  assert(total > 2 ** 26 && total < 2 ** 45, `${total}`);
  await Deno.mkdir(folder.at("memory"));
  await folder.file("memory.max", "max\n");
  await folder.file("memory/memory.limit_in_bytes", "9223372036854771712\n");
  assertEquals(memoryGiven(folder.path), total);
  await folder.file("memory.max", "67108864\n"); // of the root: above every group
  await folder.file("memory/memory.limit_in_bytes", "67108864\n");
  assertEquals(memoryGiven(folder.path), 67_108_864);
});

Deno.test("memory that is taken is a part of what is given", () => {
  const part = memoryTaken(2 ** 50);
  assert(part > 0 && part < 1, `${part}`);
  assert(memoryTaken(2 ** 20) > 1);
});
