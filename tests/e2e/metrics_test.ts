/** /metrics of a server at work: as OpenMetrics wants it, and true. */
import { assert, assertEquals } from "@std/assert";
import { ObservedSite } from "../support/observed_site.ts";
import { type MetricFamily, parseOpenMetrics, sumOf, valueOf } from "../support/openmetrics.ts";
import { waitFor } from "../support/wait.ts";

async function scrape(site: ObservedSite): Promise<readonly MetricFamily[]> {
  const response = await site.server.api.get("/metrics");
  assertEquals(response.headers.get("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
  return parseOpenMetrics(await response.text());
}

Deno.test("a server at work shows what happened, and what is", async () => {
  await using site = await ObservedSite.start();
  await site.send("amy@sender.example", ["box@local.example", "bob@away.example", "no@away.example"]);
  await site.send("spam@sender.example", ["box@local.example"]);
  await site.send("amy@sender.example", ["later@away.example"]);
  const found = await waitFor("all deliveries and a fresh look at the queue", async () => {
    const found = await scrape(site);
    const done = sumOf(found, "postern_deliveries_total") >= 4; // the fourth is the report of the third
    return done && valueOf(found, 'postern_queue_messages{state="deferred"}') === 1 ? found : null;
  }, { deadline: 60_000, every: 200 });
  const expected: Readonly<Record<string, number>> = {
    'postern_messages_total{verdict="accepted"}': 2,
    'postern_messages_total{verdict="refused"}': 1,
    "postern_recipients_accepted_total": 4,
    'postern_refused_total{command="message",code="550",status="5.7.1"}': 1,
    'postern_decisions_total{plugin="asks",mode="enforce",phase="data",verdict="reject"}': 1,
    'postern_decisions_total{plugin="asks",mode="enforce",phase="mail",verdict="next"}': 3,
    'postern_plugin_seconds_count{plugin="asks",phase="mail"}': 3,
    'postern_phases_total{phase="data",verdict="reject"}': 1,
    'postern_phases_total{phase="data",verdict="accept"}': 2,
    'postern_deliveries_total{outcome="delivered"}': 2,
    'postern_deliveries_total{outcome="bounced"}': 1,
    'postern_deliveries_total{outcome="deferred"}': 1,
    'postern_domain_deliveries_total{domain="away.example",outcome="bounced"}': 1,
    'postern_domain_deliveries_total{domain="sender.example",outcome="delivered"}': 1,
    "postern_delivery_attempt_seconds_count": 4,
    'postern_dns_questions_total{type="TXT",result="answer"}': 1,
    'postern_dns_questions_total{type="TXT",result="nxdomain"}': 1,
    'postern_connections_open{listener="door"}': 0,
    "postern_sessions_open": 0,
  };
  for (const [series, value] of Object.entries(expected)) assertEquals(valueOf(found, series), value, series);
  assert(valueOf(found, "postern_dns_cached_total")! >= 2, "the second message's questions");
  assert(valueOf(found, 'postern_sessions_total{listener="door"}')! >= 3);
  assert(valueOf(found, "postern_queue_oldest_seconds")! > 0);
  assert(valueOf(found, "postern_store_batch_count")! > 0);
  assert(valueOf(found, "postern_store_batch_sum")! >= valueOf(found, "postern_store_batch_count")!);
  assert(valueOf(found, "postern_disk_free_bytes")! > valueOf(found, "postern_disk_reserve_bytes")!);
  assertEquals(sumOf(found, "postern_build_info"), 1);
  await waitFor(
    "a look at the event loop",
    async () => valueOf(await scrape(site), "postern_event_loop_lag_seconds_count")! > 0,
  );
});
