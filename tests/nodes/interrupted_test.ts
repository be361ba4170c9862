/** The account of second copies itself: that it takes two nodes that live for a fault, and what a kill excuses for none. */
import { assertEquals } from "@std/assert";
import { TempFolder } from "../support/temp.ts";
import { secondCopies } from "./interrupted.ts";

const CASES:
  readonly (readonly [name: string, copies: readonly string[], second: number, interrupted: number, faults: number])[] =
    [
      ["once each", ["dead a b", "other c"], 0, 0, 0],
      ["by a dead one, and again", ["dead a b", "other a", "other b"], 2, 1, 0],
      ["one kill of several in a row", ["dead a", "dead b", "other a", "other b"], 2, 2, 0],
      ["by two that live", ["other a", "third a"], 1, 1, 1],
      ["by one twice", ["other a", "other a"], 1, 1, 1],
      ["by a dead one, and by two", ["dead a", "other a", "third a"], 2, 2, 1],
      ["by a dead one after another", ["other a", "dead a"], 1, 1, 1],
    ];

Deno.test("nodes: a second copy has a kill for a reason, or is a fault", async () => {
  for (const [name, copies, second, interrupted, faults] of CASES) {
    await using folder = await TempFolder.make("postern-seconds-");
    const lines = copies.map((copy, n) => {
      const [helo, ...to] = copy.split(" ");
      return JSON.stringify({ took: `m${n}`, helo, from: "x@client.example", to });
    });
    await folder.file("record", `${lines.join("\n")}\n`);
    const found = secondCopies(folder.path, ({ helo }) => helo === "dead");
    assertEquals([found.second, found.interrupted, found.faults.length], [second, interrupted, faults], name);
  }
});
