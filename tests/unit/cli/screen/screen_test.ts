/** What commands print for people: tables, widths, colours, progress. */
import { assert, assertEquals } from "@std/assert";
import { isColoured, paint } from "../../../../cli/screen/colour.ts";
import { Progress } from "../../../../cli/screen/progress.ts";
import { type Column, table } from "../../../../cli/screen/table.ts";
import { ageOf, cutTo, plain, widthOf } from "../../../../cli/screen/text.ts";
import { waitFor } from "../../../support/wait.ts";
import { FakeTerminal } from "../fake_terminal.ts";

interface Row {
  readonly name: string;
  readonly count: number;
  readonly why: string;
}
const COLUMNS: readonly Column<Row>[] = [
  { title: "name", text: ({ name }) => name },
  { title: "count", text: ({ count }) => String(count), right: true },
  { title: "why", text: ({ why }) => why, cut: true },
];

Deno.test("a table is aligned, with numbers to the right, and cut only where a terminal says how wide it is", () => {
  const rows = [{ name: "a", count: 7, why: "x".repeat(60) }, { name: "long name", count: 12345, why: "short" }];
  assertEquals(table(rows, COLUMNS, { width: null }), [
    "NAME       COUNT  WHY",
    `a              7  ${"x".repeat(60)}`,
    "long name  12345  short",
  ]);
  const cut = table(rows, COLUMNS, { width: 40 });
  assertEquals(cut[1], `a              7  ${"x".repeat(21)}…`);
  for (const width of [40, 30, 20, 10, 1]) {
    for (const line of table(rows, COLUMNS, { width })) assert(widthOf(line) <= width, `${width}: ${line}`);
  }
});

Deno.test("colours do not count in the width of a table", () => {
  const rows = [{ name: "a", count: 1, why: "b" }];
  const columns = [{ ...COLUMNS[0]!, tone: () => "red" as const }, COLUMNS[1]!];
  assertEquals(table(rows, columns, { width: 80, paint })[1], "\x1b[31ma\x1b[0m         1");
});

Deno.test("text is as wide as a terminal shows it, and cut between what it shows", () => {
  const rows: readonly (readonly [text: string, width: number])[] = [
    ["abc", 3],
    ["Grüße", 5],
    ["e\u0301", 1],
    ["日本", 4],
    ["👍🏽", 2],
    ["", 0],
  ];
  for (const [text, width] of rows) assertEquals(widthOf(text), width, text);
  assertEquals(cutTo("日本語", 5), "日本…");
  assertEquals(cutTo("日本語", 6), "日本語");
  assertEquals([cutTo("abc", 0), cutTo("日", 0), cutTo("abc", 1)], ["", "", "…"]);
});

Deno.test("what peers wrote cannot steer the terminal, nor turn its letters round", () => {
  assertEquals(plain("a\x1b[2Jb\r\nc\u202ed\u2028e\x9bf"), "a?[2Jb??c?d?e?f");
  const lines = table([{ name: "\x1b]0;title\x07", count: 1, why: "\x9b2J\nx" }], COLUMNS, { width: 80 });
  assertEquals(lines.length, 2);
  assert(!/\p{C}/u.test(lines.join("")), lines.join());
  table([{ name: "x".repeat(1e6), count: 1, why: "日".repeat(1e6) }], COLUMNS, { width: 80 });
});

Deno.test("colours: on a terminal, unless NO_COLOR, FORCE_COLOR or a dumb terminal say otherwise", () => {
  const screen = { columns: 80, rows: 24 };
  const table: readonly (readonly [env: Record<string, string>, terminal: boolean, coloured: boolean])[] = [
    [{}, true, true],
    [{}, false, false],
    [{ TERM: "dumb" }, true, false],
    [{ NO_COLOR: "1" }, true, false],
    [{ NO_COLOR: "" }, true, true],
    [{ FORCE_COLOR: "1" }, false, true],
    [{ FORCE_COLOR: "0" }, true, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
    [{ FORCE_COLOR: "1", TERM: "dumb" }, false, true],
  ];
  for (const [env, terminal, coloured] of table) {
    const fake = new FakeTerminal({ env, ...terminal && { screen } });
    assertEquals(isColoured(fake), coloured, JSON.stringify([env, terminal]));
  }
});

Deno.test("ages are told in their largest unit", () => {
  assertEquals([-5, 999, 59_999, 60_000, 7_200_000, 200_000_000].map(ageOf), ["0s", "0s", "59s", "1m", "2h", "2d"]);
});

Deno.test("progress is drawn once the work is long, wiped at its end, and nothing where nobody sees it", async () => {
  const written: string[] = [];
  const write = (text: string) => void written.push(text);
  {
    using progress = new Progress({ total: 10, what: "files", shown: true, write });
    await waitFor("the bar", () => {
      progress.at(5);
      return written.length > 0;
    });
  }
  assertEquals(written[0], `\r\x1b[K[${"#".repeat(15)}${" ".repeat(15)}] 5 of 10 files`);
  assertEquals(written.at(-1), "\r\x1b[K");
  written.length = 0;
  {
    using progress = new Progress({ what: "forgetting", shown: true, write });
    await progress.during(waitFor("its seconds", () => written.length > 0));
  }
  assert(/forgetting, \d+ s$/.test(written[0]!), written[0]);
  assertEquals(written.at(-1), "\r\x1b[K");
  written.length = 0;
  {
    using progress = new Progress({ total: 1, shown: false, write });
    progress.at(1);
    assertEquals(await progress.during(Promise.resolve(7)), 7);
  }
  assertEquals(written, []);
});
