/** The dashboard and the rules ask for what is there; the manual names all of it, and nothing else. */
import { assert, assertEquals } from "@std/assert";
import { Metrics } from "../../../core/observe/metrics.ts";
import { type MetricFamily, parseOpenMetrics } from "../../support/openmetrics.ts";
import { ALERTS, DASHBOARD, PLOTS, seriesIn } from "../../support/observability.ts";

/** Everything that a server can show, those parts too that some servers do not have. */
const FAMILIES: readonly MetricFamily[] = parseOpenMetrics(
  new Metrics().render({
    build: { version: "1", deno: "2", v8: "3" },
    store: { writerWait: 0, freeBytes: 1, bodyBytes: 0, reserveBytes: 1 },
    queue: { states: {}, oldest: null, quarantine: { messages: 0, octets: 0 } },
    connections: [],
    deliveries: { running: 0, waiting: 0 },
    closed: 0,
    brokenTls: 0,
    certificates: [],
    ledger: { entries: 0, octets: 0, dropped: 0 },
    webhooks: [],
    warnings: 0,
    pressure: { stressed: false, lag: 0, memory: 0, underWay: 0, outside: 0, shed: [] },
  }),
);
const SERIES = new Set(FAMILIES.flatMap(({ name, type }) => {
  if (type === "counter") return [`${name}_total`];
  if (type === "histogram") return ["_bucket", "_count", "_sum"].map((suffix) => name + suffix);
  return [type === "info" ? `${name}_info` : name];
}));

Deno.test("every series that the dashboard and the rules ask for is there", () => {
  const unknown = [...PLOTS, ...ALERTS].flatMap(({ place, text }) =>
    seriesIn(text).filter((name) => !SERIES.has(name)).map((name) => `${place}: ${name}`)
  );
  assertEquals(unknown, []);
  assert(PLOTS.length > 40 && ALERTS.length > 10);
});

Deno.test("the dashboard shows every family, each panel in a place of its own", () => {
  const shown = new Set(PLOTS.flatMap(({ text }) => seriesIn(text)));
  const missing = FAMILIES.filter(({ name, type }) =>
    type !== "info" && !["", "_total", "_bucket", "_count"].some((suffix) => shown.has(name + suffix))
  ).map(({ name }) => name).filter((name) => !NOT_SHOWN.has(name));
  assertEquals(missing, []);
  const ids = DASHBOARD.panels.map(({ id }) => id);
  assertEquals(new Set(ids).size, ids.length);
  const taken = new Set<string>();
  for (const { title, gridPos: { x, y, w, h } } of DASHBOARD.panels) {
    assert(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        assert(!taken.has(`${column},${line}`), `${title} lies over another panel`);
        taken.add(`${column},${line}`);
      }
    }
  }
});
/** What says the same as something that is shown, or only what the ledger's own page says better. */
const NOT_SHOWN = new Set(["postern_recipients_accepted", "postern_ledger_entries"]);

Deno.test("docs/metrics.md names every family with its type, labels and meaning, and no other", () => {
  const text = Deno.readTextFileSync(new URL("../../../docs/metrics.md", import.meta.url));
  const rows = [...text.matchAll(/^\| `([a-z_]+)` +\| (\w+) +\| (.*?) +\| (.+?) +\|$/gm)];
  const told = rows.map(([, name, type]) => `${name} ${type}`).toSorted();
  assertEquals(told, FAMILIES.map(({ name, type }) => `${name} ${type}`).toSorted());
});
