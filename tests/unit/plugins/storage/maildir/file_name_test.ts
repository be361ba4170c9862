import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { newId } from "../../../../../core/model/id.ts";
import { copyPrefix, fileName } from "../../../../../plugins/storage/maildir/file_name.ts";

const joe = { local: "joe", domain: "example.org" };

Deno.test("the name says when, which message, which recipient, where and how large", () => {
  const id = newId(1_700_000_000_999);
  const name = fileName(copyPrefix(id, joe), { host: "mx.example.org", size: 10, virtualSize: 12 });
  const [unique, ...sizes] = name.split(",");
  assertEquals(sizes, ["S=10", "W=12"]);
  const [seconds, middle, ...host] = unique!.split(".");
  assertEquals([seconds, host.join(".")], ["1700000000", "mx.example.org"]);
  assert(middle!.startsWith(`${id}_`));
});

Deno.test("a second attempt has the same name, another recipient or message another", () => {
  const id = newId(1_700_000_000_000);
  assertEquals(copyPrefix(id, joe), copyPrefix(id, { ...joe, local: "JOE" }));
  assertNotEquals(copyPrefix(id, joe), copyPrefix(id, { ...joe, local: "jane" }));
  assertNotEquals(copyPrefix(id, joe), copyPrefix(newId(1_700_000_000_000), joe));
});

Deno.test("a host cannot put a slash, colon or comma into the name", () => {
  assertEquals(
    fileName("1.x_1.", { host: "a/b:c,d", size: 1, virtualSize: 1 }),
    "1.x_1.a\\057b\\072c\\054d,S=1,W=1",
  );
});
