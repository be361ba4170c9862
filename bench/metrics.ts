/**
 * What the metrics cost alone: the events of one message in a session of its own, as a small mail host with some twenty
 * plugins tells them, through the observer; and a scrape. Non-job: a whole server with and without (bench/README.md).
 */
import { reject } from "../core/model/reply.ts";
import type { Event, Phase } from "../core/observe/events.ts";
import { Metrics } from "../core/observe/metrics.ts";

const PHASES: readonly Phase[] = ["connect", "helo", "mail", "rcpt", "data", "queue"];
const session = "s01K00000000000000ABCDEFGHJ", transaction = "01K00000000000000ABCDEFGHJ", ip = "192.0.2.7";

/** Of a message that `plugins` plugins looked at, twice each. */
function eventsOf(plugins: number): Event[] {
  const events: Event[] = [{ type: "session-opened", session, ip, listener: "127.0.0.1:25", role: "mx" }];
  events.push({ type: "session-greeted", session, verb: "EHLO", helo: "client.example" });
  for (let i = 0; i < plugins * 2; i++) {
    const phase = PHASES[i % PHASES.length]!;
    events.push({
      type: "decision",
      session,
      transaction,
      phase,
      plugin: `plugin${i % plugins}`,
      verdict: "next",
      reason: "",
      ms: 0.01 * i,
    });
  }
  const recipients = ["bob@example.org"];
  events.push({
    type: "accepted",
    session,
    transaction,
    ip,
    sender: "a@example.net",
    recipients,
    size: 5000,
    ms: 4,
    held: null,
  });
  events.push({
    type: "delivered",
    transaction,
    sender: "a@example.net",
    recipient: "bob@example.org",
    identity: null,
    relay: "mx.example.org[192.0.2.1]:25",
    delay: 12,
    attempts: 1,
    status: "2.0.0",
    reply: "250 ok",
    tls: null,
    began: 1,
    ms: 10,
  });
  events.push({ type: "session-closed", session, ip, reason: "quit", messages: 1, seconds: 0.1 });
  return events;
}

function run(metrics: Metrics, events: readonly Event[], messages: number): number {
  const began = performance.now();
  for (let i = 0; i < messages; i++) {
    for (const event of events) metrics.observe(event);
    for (const phase of PHASES) metrics.phase(phase, "accept", 0.2);
    metrics.batch(5, 3);
  }
  return (performance.now() - began) * 1000 / messages;
}

const MESSAGES = 100_000;
for (const plugins of [2, 20]) {
  const metrics = new Metrics(), events = eventsOf(plugins);
  run(metrics, events, MESSAGES);
  const times = Array.from({ length: 7 }, () => run(metrics, events, MESSAGES)).sort((a, b) => a - b);
  console.log(`${plugins} plugins, ${events.length} events: ${times[3]!.toFixed(2)} microseconds a message`);
}
const full = new Metrics();
run(full, eventsOf(40), 10_000);
for (let i = 0; i < 5000; i++) {
  full.observe({
    type: "refused",
    session,
    transaction,
    ip,
    command: "RCPT",
    reply: reject(`5.${i % 40}.${i % 5}`, "no"),
    sender: "",
    recipients: [],
    plugin: null,
    reason: null,
    delayedFrom: null,
  });
}
const began = performance.now(), text = full.render();
console.log(`a scrape of 40 plugins: ${(performance.now() - began).toFixed(1)} ms, ${text.length} octets`);
