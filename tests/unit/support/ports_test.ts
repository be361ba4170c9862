/** Ports of the tests: none is given twice, though nobody listens on it yet. */
import { assertEquals } from "@std/assert";
import { freePort } from "../../support/ports.ts";

Deno.test("a port that somebody was given is given to nobody else, before its server listens", () => {
  const given = Array.from({ length: 200 }, () => freePort());
  assertEquals(new Set(given).size, given.length);
});
