/** What is kept of an answer, how long, and how much. */
import { assertEquals } from "@std/assert";
import { Vouchers } from "../../../../plugins/auth/vouchers.ts";

Deno.test("the oldest leave first, an ended one is gone, and nothing kept shows a secret", () => {
  const vouchers = new Vouchers<number>();
  for (let i = 0; i < 10_000; i++) vouchers.keep(`secret ${i}`, i, 100);
  vouchers.keep("secret 0", -1, 200); // anew: it is the youngest now
  assertEquals(vouchers.size, 10_000);
  vouchers.keep("one more", 1, 100);
  assertEquals(vouchers.size, 10_000);
  assertEquals([vouchers.find("secret 1", 0), vouchers.find("secret 2", 0), vouchers.find("secret 0", 0)], [
    undefined,
    2,
    -1,
  ]);
  assertEquals([vouchers.find("secret 2", 99), vouchers.find("secret 2", 100)], [2, undefined]);
  assertEquals(vouchers.size, 9999);
  assertEquals(new Vouchers<number>().find("secret 2", 0), undefined);
});
