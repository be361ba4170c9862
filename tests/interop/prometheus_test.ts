/**
 * Prometheus itself reads what Postern shows, by the configuration of the examples; every plot of the dashboard and every
 * rule is an expression that it takes, and rules fire when they should.
 */
import { assert, assertEquals } from "@std/assert";
import { programOf, testWith } from "../support/debian.ts";
import { ALERTS, CONFIG, PLOTS, RULES, RULES_PATH } from "../support/observability.ts";
import { ObservedSite } from "../support/observed_site.ts";
import { Prometheus } from "../support/prometheus.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

testWith(["prometheus"], "Prometheus scrapes a server, and answers the dashboard and the rules", async () => {
  await using site = await ObservedSite.start();
  await using prometheus = await Prometheus.start({
    config: CONFIG,
    rules: RULES,
    target: `127.0.0.1:${site.server.ports.admin}`,
    token: site.server.api.token,
  });
  await waitFor("a first look", async () => (await prometheus.query('up{job="postern"}'))[0]?.value[1] === "1", {
    deadline: 60_000,
  });
  await site.send("amy@sender.example", ["box@local.example", "bob@away.example", "no@away.example"]);
  await site.send("spam@sender.example", ["box@local.example"]);
  await waitFor(
    "the deliveries",
    async () =>
      (await prometheus.query("sum(postern_deliveries_total) > 2")).length === 1 &&
      (await prometheus.query("postern_messages_total")).length === 2,
    { deadline: 60_000 },
  );
  const targets = await prometheus.ask("targets");
  assertEquals(targets.activeTargets.map((each: { lastError: string }) => each.lastError), [""]);
  const types = await prometheus.ask("metadata");
  for (
    const [name, type] of [
      ["postern_messages", "counter"],
      ["postern_commit_seconds", "histogram"],
      ["postern_build", "info"],
      ["postern_disk_free_bytes", "gauge"],
    ] as const
  ) assertEquals(types[name]?.[0].type, type, name);
  for (const { place, text } of [...PLOTS, ...ALERTS]) {
    await prometheus.query(text).catch((error) => assert(false, `${place}: ${error.message}`));
  }
  const plotted = await Promise.all(PLOTS.map(async ({ text }) => (await prometheus.query(text)).length > 0));
  assert(plotted.filter(Boolean).length > PLOTS.length / 2, "most plots show something of a server at work");
});

const CASES = `rule_files: [${RULES_PATH}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'postern_queue_oldest_seconds{instance="a",job="postern"}', values: "15000+60x60" }
      - { series: 'postern_queue_oldest_seconds{instance="b",job="postern"}', values: "60x60" }
      - { series: 'postern_deliveries_total{instance="a",outcome="deferred"}', values: "0+9x60" }
      - { series: 'postern_deliveries_total{instance="a",outcome="delivered"}', values: "0+1x60" }
      - { series: 'postern_deliveries_total{instance="b",outcome="deferred"}', values: "0+1x60" }
      - { series: 'postern_deliveries_total{instance="b",outcome="delivered"}', values: "0+9x60" }
      - { series: 'postern_certificate_not_after_seconds{instance="a",name="mx.example.org",path="/c.pem"}', values: "864000x180" }
      - { series: 'postern_disk_free_bytes{instance="a"}', values: "100x60" }
      - { series: 'postern_disk_reserve_bytes{instance="a"}', values: "60x60" }
      - { series: 'postern_store_wait_seconds{instance="a"}', values: "3x60" }
      - { series: 'postern_decisions_total{instance="a",plugin="spf",mode="enforce",phase="mail",verdict="error"}', values: "0+1x60" }
      - { series: 'postern_decisions_total{instance="a",plugin="new",mode="observe",phase="mail",verdict="error"}', values: "0+1x60" }
      - { series: 'postern_event_loop_lag_seconds_bucket{instance="a",le="0.25"}', values: "0x60" }
      - { series: 'postern_event_loop_lag_seconds_bucket{instance="a",le="0.5"}', values: "0+240x60" }
      - { series: 'postern_event_loop_lag_seconds_bucket{instance="a",le="+Inf"}', values: "0+240x60" }
    alert_rule_test:
${
  [
    ["PosternQueueOld", "severity: ticket, instance: a, job: postern"],
    ["PosternDeferred", "severity: ticket, instance: a"],
    ["PosternDiskLow", "severity: page, instance: a"],
    ["PosternWriterBehind", "severity: page, instance: a"],
    ["PosternPluginErrors", "severity: ticket, instance: a, plugin: spf"],
    ["PosternLoopLag", "severity: ticket, instance: a"],
  ].map(([name, labels]) =>
    `      - { eval_time: 45m, alertname: ${name}, exp_alerts: [{ exp_labels: { ${labels} } }] }\n`
  ).join("")
}      - { eval_time: 45m, alertname: PosternCertificateEnds, exp_alerts: [] } # for an hour, before anybody is told
      - { eval_time: 45m, alertname: PosternDown, exp_alerts: [] }
`;

testWith(
  ["promtool"],
  "promtool takes rules and configuration, and rules fire for what they are there for",
  async () => {
    await using folder = await TempFolder.make();
    const run = async (...args: string[]) => {
      const { success, stdout, stderr } = await new Deno.Command(programOf("promtool")!, { args }).output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assert(success, `promtool ${args.join(" ")}: ${said}`);
    };
    await folder.file("rules.yaml", RULES);
    await folder.file("postern-token", "x");
    await run("check", "rules", RULES_PATH);
    await run("check", "config", await folder.file("prometheus.yaml", CONFIG));
    // Annotations are words for people: they are not held to a text here
    const bare = RULES.replace(/^ +annotations:\n(?: {10,}.*\n)+/gm, "");
    const cases = CASES.replace(RULES_PATH, await folder.file("bare.yaml", bare));
    await run("test", "rules", await folder.file("cases.yaml", cases));
  },
);
