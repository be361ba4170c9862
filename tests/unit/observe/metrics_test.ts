import { assert, assertEquals, assertMatch } from "@std/assert";
import { reject } from "../../../core/model/reply.ts";
import { Metrics } from "../../../core/observe/metrics.ts";

const DELIVERY = {
  transaction: "t1",
  sender: "",
  recipient: "a",
  identity: null,
  relay: null,
  delay: 0,
  attempts: 1,
  status: "2.0.0",
  reply: "",
  tls: null,
};

function value(text: string, sample: string): number | null {
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `));
  return line === undefined ? null : Number(line.slice(sample.length + 1));
}

Deno.test("events become counters and histograms", () => {
  const metrics = new Metrics();
  const session = "s1", transaction = "t1", ip = "::1";
  metrics.observe({ type: "session-opened", session, ip, listener: "x", role: "mx" });
  metrics.observe({ type: "session-opened", session, ip, listener: "x", role: "mx" });
  metrics.observe({ type: "session-closed", session, ip, reason: "quit", messages: 1, seconds: 1 });
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
  const refusal = {
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
  metrics.observe({ ...refusal, command: "RCPT", reply: reject("5.1.1", "no") });
  metrics.observe({ ...refusal, command: "RCPT", reply: reject("5.1.1", "no, again") });
  metrics.observe({
    type: "decision",
    session,
    transaction,
    phase: "rcpt",
    plugin: 'a"b\\c\n',
    verdict: "reject",
    reason: "",
    ms: 2,
  });
  for (const delay of [500, 90_000]) metrics.observe({ type: "delivered", ...DELIVERY, delay });
  metrics.observe({ type: "deferred", ...DELIVERY, next: 1 });
  for (const expired of [true, false, false]) metrics.observe({ type: "bounced", ...DELIVERY, expired });
  metrics.observe({ type: "held", transaction, recipient: "a", reason: "" });
  metrics.observe({ type: "trouble", where: "x", message: "y" });
  const text = metrics.render({
    writerWait: 1500,
    freeBytes: 10,
    bodyBytes: 20,
    queue: { ready: 3 },
    deliveries: { running: 4, waiting: 5 },
    brokenTls: 6,
  });
  const expected: Record<string, number> = {
    "postern_messages_accepted_total": 4,
    "postern_accepted_bytes_total": 40,
    "postern_recipients_accepted_total": 8,
    "postern_messages_held_total": 1,
    'postern_refused_total{command="RCPT",code="550",status="5.1.1"}': 2,
    'postern_decisions_total{plugin="a\\"b\\\\c\\n",phase="rcpt",verdict="reject"}': 1,
    'postern_deliveries_total{outcome="delivered"}': 2,
    'postern_deliveries_total{outcome="deferred"}': 1,
    'postern_deliveries_total{outcome="expired"}': 1,
    'postern_deliveries_total{outcome="bounced"}': 2,
    'postern_deliveries_total{outcome="held"}': 1,
    'postern_delivery_delay_seconds_bucket{le="0.1"}': 0,
    'postern_delivery_delay_seconds_bucket{le="1"}': 1,
    'postern_delivery_delay_seconds_bucket{le="600"}': 2,
    "postern_delivery_delay_seconds_count": 2,
    "postern_delivery_delay_seconds_sum": 90.5,
    "postern_deliveries_running": 4,
    "postern_deliveries_waiting": 5,
    "postern_tls_broken": 6,
    "postern_sessions_total": 2,
    "postern_sessions_open": 1,
    "postern_trouble_total": 1,
    'postern_commit_seconds_bucket{le="0.0001"}': 1,
    'postern_commit_seconds_bucket{le="0.005"}': 2,
    'postern_commit_seconds_bucket{le="1"}': 3,
    'postern_commit_seconds_bucket{le="30"}': 3,
    'postern_commit_seconds_bucket{le="+Inf"}': 4,
    "postern_commit_seconds_count": 4,
    "postern_commit_seconds_sum": 60.70305,
    "postern_store_wait_seconds": 1.5,
    "postern_disk_free_bytes": 10,
    "postern_bodies_bytes": 20,
    'postern_queue_recipients{state="ready"}': 3,
  };
  for (const [sample, count] of Object.entries(expected)) assertEquals(value(text, sample), count, sample);
});

Deno.test("the exposition follows OpenMetrics 1.0: families whole and once, units as suffix, EOF last", () => {
  const metrics = new Metrics();
  metrics.observe({
    type: "decision",
    session: "s",
    transaction: null,
    phase: "helo",
    plugin: "p",
    verdict: "next",
    reason: "",
    ms: 1,
  });
  const lines = metrics.render({ writerWait: 0 }).split("\n");
  assertEquals(lines.splice(-2), ["# EOF", ""]);
  const seen = new Set<string>();
  let family = "";
  for (const line of lines) {
    const [, word, name, rest] = /^# (TYPE|UNIT|HELP) (\w+) (.+)$/.exec(line) ?? [];
    if (word === "TYPE") {
      assert(!seen.has(name!), `${name} stands twice`);
      seen.add(family = name!);
      assertMatch(rest!, /^(?:counter|gauge|histogram)$/);
    } else if (word === "UNIT") assert(name === family && family.endsWith(`_${rest}`), line);
    else if (word === "HELP") assertEquals(name, family);
    else {
      assertMatch(line, /^\w+(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? -?[\d.e+-]+$/);
      assert(line.startsWith(family), `${line} stands in ${family}`);
    }
  }
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
