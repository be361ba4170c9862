/** Events become counters, histograms and gauges, in text that OpenMetrics 1.0 takes. */
import { assert, assertEquals } from "@std/assert";
import { defer, reject } from "../../../core/model/reply.ts";
import { Metrics } from "../../../core/observe/metrics.ts";
import { parseOpenMetrics, sumOf, valueOf } from "../../support/openmetrics.ts";

const DELIVERY = {
  transaction: "t1",
  sender: "",
  recipient: "a@example.net",
  identity: null,
  relay: null,
  delay: 0,
  attempts: 1,
  status: "2.0.0",
  reply: "",
  tls: null,
};
const session = "s1", transaction = "t1", ip = "::1";
const REFUSAL = {
  type: "refused",
  session,
  transaction,
  ip,
  sender: null,
  recipients: [],
  plugin: null,
  reason: null,
  delayedFrom: null,
} as const;
const DECISION = { type: "decision", session, transaction, reason: "" } as const;
const NOW = 1_700_000_000_000;

Deno.test("events become counters, histograms and gauges", () => {
  const metrics = new Metrics();
  for (const listener of ["x", "x", "y"]) {
    metrics.observe({ type: "session-opened", session, ip, listener, role: "mx" });
  }
  metrics.observe({ type: "session-closed", session, ip, reason: "quit", messages: 1, seconds: 1 });
  metrics.observe({
    type: "session-closed",
    session,
    ip,
    reason: "TLS handshake failed: no shared cipher",
    messages: 0,
    seconds: 90,
  });
  const secured = { type: "session-secured", session, ip, version: "TLSv1.3", cipher: "c", distrust: null } as const;
  for (const resumed of [true, false, false]) metrics.observe({ ...secured, resumed });
  for (const ok of [true, false, false]) {
    metrics.observe({ type: "login", session, ip, mechanism: "PLAIN", user: "bob", ok, reason: "" });
  }
  for (const ms of [0.05, 3, 700, 60_000]) {
    metrics.observe({
      type: "accepted",
      session,
      transaction,
      ip,
      sender: "",
      recipients: ["a", "b"],
      size: 10,
      ms,
      held: ms > 1000 ? "odd" : null,
    });
  }
  metrics.observe({ ...REFUSAL, command: "RCPT", reply: reject("5.1.1", "no") });
  metrics.observe({ ...REFUSAL, command: "RCPT", reply: reject("5.1.1", "no, again") });
  metrics.observe({ ...REFUSAL, command: "message", reply: reject("5.7.1", "spam") });
  metrics.observe({ ...REFUSAL, command: "message", reply: defer("4.3.0", "later") });
  metrics.observe({ type: "abandoned", session, transaction, sender: "", recipients: [], reason: "reset" });
  metrics.observe({ ...DECISION, phase: "rcpt", plugin: 'a"b\\c\n', verdict: "reject", ms: 2 });
  metrics.observe({ ...DECISION, phase: "rcpt", plugin: "spf", verdict: "reject", ms: 2, observed: true });
  metrics.phase("rcpt", "reject", 3);
  metrics.phase("rcpt", "accept", 30_001);
  for (const delay of [500, 90_000]) metrics.observe({ type: "delivered", ...DELIVERY, delay, ms: 400, began: 1 });
  metrics.observe({ type: "deferred", ...DELIVERY, next: 1 });
  for (const expired of [true, false, false]) metrics.observe({ type: "bounced", ...DELIVERY, expired });
  metrics.observe({ type: "held", transaction, recipient: "a@other.example", reason: "" });
  metrics.observe({ type: "trouble", where: "x", message: "y" });
  metrics.observe({ type: "alert", where: "auth", subject: "bob", message: "y" });
  metrics.observe({ type: "audit", by: "admin", ip, action: "read", subject: "t1" });
  metrics.observe({ type: "rewritten", session, transaction, plugin: "milter", reason: "", sizes: [1, 2] });
  metrics.batch(7, 4);
  metrics.question("TXT", null, 12);
  metrics.question("TXT", "timeout", 6000);
  metrics.question("TXT", "nxdomain", null);
  metrics.tls("sts", "certificate-expired");
  metrics.tls("sts", null);
  const families = parseOpenMetrics(metrics.render({
    build: { version: "1.2.3", deno: "2", v8: "15" },
    store: { writerWait: 1500, freeBytes: 10, bodyBytes: 20, reserveBytes: 5 },
    queue: { states: { ready: 3 }, oldest: NOW - 4500, quarantine: { messages: 2, octets: 99 } },
    connections: [{ listener: "x", open: 4 }],
    deliveries: { running: 4, waiting: 5 },
    closed: 3,
    brokenTls: 6,
    certificates: [{ path: "/etc/a.pem", names: ["mx.example.org"], notAfter: NOW }],
    ledger: { entries: 8, octets: 9, dropped: 1 },
    webhooks: [{ name: "crm", waiting: 2, dropped: 5, fault: "503" }],
    warnings: 1,
  }, NOW));
  const expected: Record<string, number> = {
    'postern_build_info{version="1.2.3",deno="2",v8="15"}': 1,
    'postern_messages_total{verdict="accepted"}': 3,
    'postern_messages_total{verdict="held"}': 1,
    'postern_messages_total{verdict="refused"}': 1,
    'postern_messages_total{verdict="deferred"}': 1,
    'postern_messages_total{verdict="abandoned"}': 1,
    "postern_accepted_bytes_total": 40,
    "postern_recipients_accepted_total": 8,
    'postern_refused_total{command="RCPT",code="550",status="5.1.1"}': 2,
    'postern_decisions_total{plugin="a\\"b\\\\c\\n",mode="enforce",phase="rcpt",verdict="reject"}': 1,
    'postern_decisions_total{plugin="spf",mode="observe",phase="rcpt",verdict="reject"}': 1,
    'postern_plugin_seconds_bucket{plugin="spf",phase="rcpt",le="0.001"}': 0,
    'postern_plugin_seconds_bucket{plugin="spf",phase="rcpt",le="0.005"}': 1,
    'postern_phases_total{phase="rcpt",verdict="accept"}': 1,
    'postern_phase_seconds_bucket{phase="rcpt",le="30.0"}': 1,
    'postern_phase_seconds_count{phase="rcpt"}': 2,
    'postern_rewritten_total{plugin="milter"}': 1,
    'postern_deliveries_total{outcome="delivered"}': 2,
    'postern_deliveries_total{outcome="deferred"}': 1,
    'postern_deliveries_total{outcome="expired"}': 1,
    'postern_deliveries_total{outcome="bounced"}': 2,
    'postern_deliveries_total{outcome="held"}': 1,
    'postern_domain_deliveries_total{domain="example.net",outcome="bounced"}': 2,
    'postern_domain_deliveries_total{domain="other.example",outcome="held"}': 1,
    'postern_delivery_delay_seconds_bucket{le="0.1"}': 0,
    'postern_delivery_delay_seconds_bucket{le="1.0"}': 1,
    'postern_delivery_delay_seconds_bucket{le="600.0"}': 2,
    "postern_delivery_delay_seconds_count": 2,
    "postern_delivery_delay_seconds_sum": 90.5,
    'postern_delivery_attempt_seconds_bucket{le="0.5"}': 2,
    "postern_delivery_attempt_seconds_count": 2,
    "postern_deliveries_running": 4,
    "postern_deliveries_waiting": 5,
    "postern_destinations_closed": 3,
    "postern_tls_broken_total": 6,
    'postern_tls_sessions_total{version="TLSv1.3",resumed="no"}': 2,
    "postern_tls_failures_total": 1,
    'postern_tls_outbound_total{policy="sts",result="certificate-expired"}': 1,
    'postern_tls_outbound_total{policy="sts",result="ok"}': 1,
    'postern_logins_total{mechanism="PLAIN",result="failed"}': 2,
    'postern_sessions_total{listener="x"}': 2,
    "postern_sessions_open": 1,
    'postern_session_seconds_bucket{le="60.0"}': 1,
    'postern_connections_open{listener="x"}': 4,
    "postern_trouble_total": 1,
    'postern_alerts_total{where="auth"}': 1,
    'postern_audits_total{action="read"}': 1,
    'postern_commit_seconds_bucket{le="0.0001"}': 1,
    'postern_commit_seconds_bucket{le="0.005"}': 2,
    'postern_commit_seconds_bucket{le="1.0"}': 3,
    'postern_commit_seconds_bucket{le="30.0"}': 3,
    'postern_commit_seconds_bucket{le="+Inf"}': 4,
    "postern_commit_seconds_count": 4,
    "postern_commit_seconds_sum": 60.70305,
    'postern_dns_questions_total{type="TXT",result="answer"}': 1,
    'postern_dns_questions_total{type="TXT",result="timeout"}': 1,
    "postern_dns_cached_total": 1,
    "postern_dns_seconds_count": 2,
    'postern_store_batch_bucket{le="5.0"}': 0,
    'postern_store_batch_bucket{le="10.0"}': 1,
    "postern_store_batch_seconds_sum": 0.004,
    "postern_store_wait_seconds": 1.5,
    "postern_disk_free_bytes": 10,
    "postern_disk_reserve_bytes": 5,
    "postern_bodies_bytes": 20,
    'postern_queue_messages{state="ready"}': 3,
    "postern_queue_oldest_seconds": 4.5,
    "postern_quarantine_messages": 2,
    "postern_quarantine_bytes": 99,
    'postern_certificate_not_after_seconds{path="/etc/a.pem",name="mx.example.org"}': NOW / 1000,
    "postern_ledger_entries": 8,
    "postern_ledger_dropped_total": 1,
    'postern_webhooks_waiting{hook="crm"}': 2,
    'postern_webhooks_dropped_total{hook="crm"}': 5,
    'postern_webhooks_failing{hook="crm"}': 1,
    "postern_warnings": 1,
  };
  for (const [series, value] of Object.entries(expected)) assertEquals(valueOf(families, series), value, series);
});

Deno.test("a server that has done nothing has an exposition that is right, and what it did not measure is not in it", () => {
  const families = parseOpenMetrics(new Metrics().render());
  assertEquals(valueOf(families, "postern_sessions_open"), 0);
  assertEquals(families.some(({ name }) => name === "postern_queue_messages"), false);
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "postern_heap_used_bytes"]) {
    assert(valueOf(families, name)! > 0, name);
  }
});

Deno.test("labels stay few: whatever peers and plugins make up, the rest is other, and nothing is lost", () => {
  const metrics = new Metrics({ domains: 5 });
  for (let i = 0; i < 3000; i++) {
    metrics.observe({ ...REFUSAL, command: "RCPT", reply: reject(`5.${i % 1000}.${i % 7}`, "no") });
    metrics.observe({ ...DECISION, phase: "data", plugin: `p${i}`, verdict: "next", ms: 1 });
    metrics.observe({ type: "login", session, ip, mechanism: `M${i}`, user: "", ok: false, reason: "" });
    metrics.observe({ type: "delivered", ...DELIVERY, recipient: `a@d${i}.example` });
    metrics.tls("no-policy-found", `${i}`);
    metrics.question(`T${i}`, null, 1);
  }
  const text = metrics.render(), families = parseOpenMetrics(text);
  assert(text.length < 2_000_000, `${text.length}`);
  for (
    const name of [
      "postern_refused_total",
      "postern_decisions_total",
      "postern_logins_total",
      "postern_domain_deliveries_total",
      "postern_tls_outbound_total",
      "postern_dns_questions_total",
    ]
  ) {
    const sum = sumOf(families, name); // a domain that lost its place took its one delivery along
    assert(sum <= 3000 && sum > (name === "postern_domain_deliveries_total" ? 2900 : 2999), `${name}: ${sum}`);
    const all = families.flatMap(({ samples }) => samples).filter((each) => each.name === name);
    assert(all.length <= 501, `${name}: ${all.length} series`);
  }
  assert(valueOf(families, 'postern_domain_deliveries_total{domain="other",outcome="delivered"}')! > 2900);
});

Deno.test("a hostile value is cut and escaped, never a line of its own", () => {
  const metrics = new Metrics();
  metrics.observe({
    ...DECISION,
    phase: "data",
    plugin: `x\n# EOF\n"${"y".repeat(1e6)}\ud800`,
    verdict: "next",
    ms: 1,
  });
  const text = metrics.render();
  assertEquals(sumOf(parseOpenMetrics(text), "postern_decisions_total"), 1);
  assert(text.length < 100_000);
});

Deno.test("timings: calls, own time and verdicts of each plugin by phase", () => {
  const metrics = new Metrics();
  const told = { type: "decision", session: "s", transaction: null, plugin: "spf", reason: "" } as const;
  for (let i = 0; i < 98; i++) metrics.observe({ ...told, phase: "mail", verdict: "next", ms: 0.5 });
  metrics.observe({ ...told, phase: "mail", verdict: "reject", ms: 4000 });
  metrics.observe({ ...told, phase: "mail", verdict: "error", ms: 60_000 });
  metrics.observe({ ...told, phase: "data", verdict: "next", ms: 60_000 });
  assertEquals(metrics.timings(), [
    {
      plugin: "spf",
      phase: "mail",
      calls: 100,
      total: 64_049,
      p95: 1,
      verdicts: { next: 98, reject: 1, error: 1 },
    },
    { plugin: "spf", phase: "data", calls: 1, total: 60_000, p95: Infinity, verdicts: { next: 1 } },
  ]);
});
