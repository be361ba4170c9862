import { MemoryStore } from "../../../core/store/memory.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { StoreError } from "../../../core/store/store.ts";
import { nextId, octets } from "./messages.ts";
import { storeContract } from "./contract.ts";

storeContract("memory", ({ now }) => {
  const store = new MemoryStore({ now });
  return Promise.resolve({ store, end: () => store.close() });
});

Deno.test("memory: what exceeds the budget is refused as full, and the budget is free again", async () => {
  const store = new MemoryStore({ memoryBudget: 100_000 });
  const writer = store.receive(nextId());
  await writer.write(octets(60_000));
  const fault = await assertRejects(async () => await writer.write(octets(60_000)), StoreError);
  assertEquals(fault.fault, "full");
  assertEquals((await assertRejects(async () => await writer.finish(), StoreError)).fault, "full");
  assertEquals(store.health().bodyBytes, 0);
  await store.close();
});
