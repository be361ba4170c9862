/** So many logins at a time. */
import { assertEquals, assertRejects } from "@std/assert";
import { Slots } from "../../../../plugins/auth/slots.ts";

const never = new AbortController().signal;

Deno.test("who leaves the line leaves no gap, and a place is handed on after a failure too", async () => {
  const slots = new Slots(1), first = Promise.withResolvers<void>(), order: string[] = [];
  const running = slots.run(() => first.promise, never).catch(() => order.push("failed"));
  const leaving = new AbortController();
  const left = slots.run(() => Promise.resolve(order.push("left")), leaving.signal);
  const last = slots.run(() => Promise.resolve(order.push("last")), never);
  leaving.abort(new Error("gone"));
  await assertRejects(() => left, Error, "gone");
  first.reject(new Error("broken"));
  await Promise.all([running, last]);
  assertEquals(order.toSorted(), ["failed", "last"]);
  await slots.run(() => Promise.resolve(order.push("free again")), never);
  await assertRejects(
    () => {
      const busy = slots.run(() => new Promise(() => {}), never);
      void busy;
      return slots.run(() => Promise.resolve(), leaving.signal);
    },
    Error,
    "gone",
  );
});
