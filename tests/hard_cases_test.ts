/** Holds docs/hard-cases.md to the tree: every case that this code can meet has a test, and the test is where it is said to be. */
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const OURS = range(1, 80);

Deno.test("docs/hard-cases.md names a test for each case, and each test is there", async () => {
  const text = await Deno.readTextFile(new URL("docs/hard-cases.md", ROOT));
  const rows = [...text.matchAll(/^\| +(\d+) +\|[^|]*\| +`([^`]+)` +\| +(.+?) +\|$/gm)];
  const seen = new Set<number>();
  for (const [, number, file, name] of rows) {
    const source = await Deno.readTextFile(new URL(file!, ROOT));
    assert(source.includes(name!), `${file} has no "${name}"`);
    assert(new RegExp(`^cases? (?:.*\\b)?${number}\\b`).test(name!), `"${name}" does not cite ${number}`);
    assert(/\.txt$|_test\.ts$/.test(file!), `${file} is no test`);
    seen.add(Number(number));
  }
  assertEquals(OURS.filter((each) => !seen.has(each)), [], "cases without a test");
  assertEquals(text.match(/^\| +\d/gm)?.length, rows.length, "rows that could not be read");
});
