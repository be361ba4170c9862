/** One picture of `postern top`, from what a server says to lines. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { frameOf, type FrameOptions, type Look } from "../../../../cli/top/frame.ts";
import { sampleOf } from "../../../../cli/top/samples.ts";
import { unpainted } from "../../../../cli/screen/colour.ts";
import { widthOf } from "../../../../cli/screen/text.ts";
import { entry } from "../../../support/literal_ledger.ts";

const text = (factor: number) =>
  `# TYPE postern_messages counter
postern_messages_total{verdict="accepted"} ${10 * factor}
postern_messages_total{verdict="refused"} ${3 * factor}
postern_accepted_bytes_total ${2048 * factor}
postern_sessions_total{listener="in"} ${4 * factor}
postern_sessions_total{listener="out"} ${1 * factor}
postern_sessions_open 2
postern_deliveries_total{outcome="delivered"} ${6 * factor}
postern_queue_messages{state="deferred"} 9
postern_queue_oldest_seconds 7200
process_cpu_seconds_total ${0.5 * factor}
process_resident_memory_bytes 104857600
postern_plugin_seconds_bucket{plugin="spf",phase="mail",le="0.1"} 5
postern_plugin_seconds_sum{plugin="spf",phase="mail"} ${0.25 * factor}
postern_plugin_seconds_count{plugin="spf",phase="mail"} ${5 * factor}
postern_plugin_seconds_sum{plugin="spf",phase="data"} ${0.25 * factor}
postern_plugin_seconds_count{plugin="spf",phase="data"} ${5 * factor}
postern_plugin_seconds_sum{plugin="dnsbl",phase="connect"} ${0.1 * factor}
postern_plugin_seconds_count{plugin="dnsbl",phase="connect"} ${50 * factor}
postern_decisions_total{plugin="spf",mode="enforce",phase="mail",verdict="reject"} 3
postern_decisions_total{plugin="a\\"b\\\\",mode="enforce",phase="mail",verdict="defer"} 1
# EOF
`;
const view: FrameOptions = { columns: 100, rows: null, paint: unpainted, sort: "time", paused: false };
const look = (more: Partial<Look> = {}): Look => ({
  sample: sampleOf(text(3), 12_000),
  earlier: sampleOf(text(1), 2_000),
  destinations: [],
  destinationCount: 0,
  refusals: [],
  server: "http://127.0.0.1:8025",
  trouble: null,
  ...more,
});

Deno.test("top: numbers out of metrics; labels may have quotes", () => {
  const { sessions, messages, plugins, queue, cpu, octets } = sampleOf(text(1), 0);
  assertEquals([sessions, octets, cpu, messages.get("refused"), queue.get("deferred")], [5, 2048, 0.5, 3, 9]);
  assertEquals(plugins.get("spf"), { calls: 10, seconds: 0.5, rejects: 3, defers: 0 });
  assertEquals(plugins.get('a"b\\')?.defers, 1);
  assertEquals(sampleOf("rubbish\npostern_\npostern_sessions_total{ x\npostern_sessions_total nan\n", 0).sessions, 0);
});

Deno.test("top: rates are per second between two looks, sums at the first", () => {
  const frame = frameOf(look(), view).join("\n");
  assertStringIncludes(frame, "sessions  1.0/s new, 2 open   cpu 10%   memory 100");
  assertStringIncludes(frame, "accepted 2.0/s  held 0.0/s  deferred 0.0/s  refused 0.6/s");
  assertStringIncludes(frame, "delivered 1.2/s");
  assertStringIncludes(frame, "ready 0  active 0  deferred 9  held 0  oldest 2h");
  assertStringIncludes(frameOf(look({ earlier: null }), view).join("\n"), "accepted 30  held 0");
  const anew = frameOf(look({ sample: sampleOf(text(0), 12_000) }), view).join("\n");
  assertStringIncludes(anew, "accepted 0.0/s", "a server that began anew");
});

Deno.test("top: a server that is pressed says so, with what it sends away", () => {
  const pressed = (shed: number) => `postern_stressed 1\npostern_shed_total{where="connect",why="loop"} ${shed}\n`;
  assert(!frameOf(look(), view).join("\n").includes("PRESSED"));
  const samples = { earlier: sampleOf(pressed(100), 2_000), sample: sampleOf(pressed(350), 12_000) };
  assertStringIncludes(frameOf(look(samples), view).join("\n"), "PRESSED 25.0/s shed");
});

Deno.test("top: plugins in the wanted order", () => {
  const order = (sort: FrameOptions["sort"]) =>
    frameOf(look(), { ...view, sort }).map((line) => /^(spf|dnsbl|a"b\\) /.exec(line)?.[1]).filter((each) => each);
  assertEquals(order("time"), ["spf", "dnsbl", 'a"b\\']);
  assertEquals(order("calls"), ["dnsbl", "spf", 'a"b\\']);
  assertEquals(order("refused"), ["spf", 'a"b\\', "dnsbl"]);
  assertEquals(order("name"), ['a"b\\', "dnsbl", "spf"]);
});

Deno.test("top: as large as the terminal, whatever peers wrote", () => {
  const hostile = "\x1b[2J\r\n\u202e" + "x".repeat(500);
  const refusals = Array.from({ length: 100 }, () => ({
    ...entry(),
    verdict: "refused" as const,
    sender: hostile,
    reason: hostile,
    plugin: hostile,
  }));
  const destinations = Array.from(
    { length: 100 },
    () => ({ destination: hostile, waiting: 1, running: 2, closedUntil: null, reason: hostile }),
  );
  for (const [columns, rows] of [[80, 24], [200, 60], [40, 10], [20, 3], [1, 1]] as const) {
    const lines = frameOf(look({ refusals, destinations, destinationCount: 100, trouble: hostile }), {
      ...view,
      ...{ columns, rows },
    });
    assert(lines.length <= Math.max(rows, 6), `${rows}: ${lines.length}`);
    for (const line of lines) assert(!/\p{C}/u.test(line), JSON.stringify(line));
    for (const line of lines.slice(6, -1)) assert(widthOf(line) <= Math.max(columns, 20), line);
  }
  const tall = frameOf(look({ refusals, destinations, destinationCount: 100 }), { ...view, columns: 120, rows: 40 });
  for (const title of ["plugins by time", "destinations (100)", "newest refusals", "q quit"]) {
    assertStringIncludes(tall.join("\n"), title);
  }
});
