/** A file of configuration with as many keys as fit into it is read in linear time, and a doubled key among them is found. */
import { assert, assertEquals } from "@std/assert";
import { YamlFile } from "../../../core/config/document.ts";

Deno.test("a table of 60,000 keys is read in one go", () => {
  const keys = Array.from({ length: 60_000 }, (_, index) => `  k${index}: 1`);
  const text = `rules:\n${keys.join("\n")}\n  k7: 2\n`, began = performance.now();
  const { value, issues, broken } = new YamlFile("postern.yaml", text, {});
  const seconds = (performance.now() - began) / 1000;
  assert(seconds < 15, `${seconds} s`); // key by key against all others it is a minute
  assertEquals([Object.keys((value as { rules: object }).rules).length, broken], [60_000, false]);
  assertEquals(issues.map(({ line, column, message }) => [line, column, message]), [
    [60_002, 3, "the same key stands here twice"],
  ]);
});
