/** The strict reader of OpenMetrics refuses what its specification does. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseOpenMetrics, sumOf, valueOf } from "../../support/openmetrics.ts";

const GOOD = `# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds What \\\\ it \\n is.
a_seconds_total{x="a\\"b\\\\c\\n",y=""} 1.5
a_seconds_total{x="b",y=""} 2
# TYPE h histogram
# HELP h H.
h_bucket{le="1.0"} 1
h_bucket{le="+Inf"} 3
h_count 3
h_sum 9.5
# TYPE i info
# HELP i I.
i_info{version="1"} 1
# EOF
`;

Deno.test("a text that is right is read whole", () => {
  const families = parseOpenMetrics(GOOD);
  assertEquals(families.map(({ name, type, unit }) => [name, type, unit]), [
    ["a_seconds", "counter", "seconds"],
    ["h", "histogram", null],
    ["i", "info", null],
  ]);
  assertEquals(families[0]!.help, "What \\ it \n is.");
  assertEquals(families[0]!.samples[0]!.labels, new Map([["x", 'a"b\\c\n'], ["y", ""]]));
  assertEquals(valueOf(families, 'h_bucket{le="+Inf"}'), 3);
  assertEquals(sumOf(families, "a_seconds_total"), 3.5);
  assertEquals(valueOf(families, "a_seconds_total"), null);
  assertEquals(parseOpenMetrics("# EOF\n"), []);
});

const FAULTS: readonly (readonly [what: string, from: string, to: string])[] = [
  ["no end", "# EOF\n", ""],
  ["something behind the end", "# EOF\n", "# EOF\nx 1\n"],
  ["an empty line", "# TYPE h", "\n# TYPE h"],
  ["a comment", "# TYPE h", "# note\n# TYPE h"],
  ["a counter without _total", 'a_seconds_total{x="b"', 'a_seconds{x="b"'],
  ["a wrong unit", "# UNIT a_seconds seconds", "# UNIT a_seconds bytes"],
  ["HELP before TYPE", "# TYPE h histogram\n# HELP h H.", "# HELP h H.\n# TYPE h histogram"],
  ["no HELP", "# HELP h H.\n", ""],
  ["no TYPE", "# TYPE h histogram\n", ""],
  ["a family twice", "# TYPE i info\n# HELP i I.\n", "# TYPE a_seconds counter\n# HELP a_seconds I.\n"],
  ["metadata behind a sample", "h_count 3\n", "# HELP h H.\nh_count 3\n"],
  ["a sample of another family", "h_count 3\n", "h_count 3\nq 1\n"],
  ["a series twice", 'x="b"', 'x="a\\"b\\\\c\\n"'],
  ["a label twice", 'x="b",y=""', 'x="b",x=""'],
  ["an escape that there is not", 'x="b"', 'x="\\t"'],
  ["a comma too many", 'x="b",y=""', 'x="b",'],
  ["no number", "h_sum 9.5", "h_sum nine"],
  ["two spaces", "h_sum 9.5", "h_sum  9.5"],
  ["a timestamp", "h_sum 9.5", "h_sum 9.5 1"],
  ["a counter below zero", "} 2\n", "} -2\n"],
  ["no +Inf", 'h_bucket{le="+Inf"} 3\n', ""],
  ["bounds that do not rise", 'h_bucket{le="+Inf"}', 'h_bucket{le="0.5"} 2\nh_bucket{le="+Inf"}'],
  ["a bound that is no float", 'le="1.0"', 'le="1"'],
  ["buckets that fall", 'le="1.0"} 1', 'le="1.0"} 4'],
  ["a count that is another", "h_count 3", "h_count 4"],
  ["an info of 2", 'version="1"} 1', 'version="1"} 2'],
];

for (const [what, from, to] of FAULTS) {
  Deno.test(`refused: ${what}`, () => {
    const bad = GOOD.replace(from, () => to);
    assertEquals(bad === GOOD, false, "the case says nothing");
    assertThrows(() => parseOpenMetrics(bad));
  });
}
