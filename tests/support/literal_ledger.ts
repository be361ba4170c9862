/** A ledger that says what a test put there, and remembers what it was asked. Non-job: observing, searching. */
import type { Ledger, LedgerQuery, LedgerSize, PluginCount, RatePoint } from "../../core/ledger/ledger.ts";
import type { AuditRow, Entry, Story } from "../../core/ledger/story.ts";

export class LiteralLedger implements Ledger {
  readonly asked: LedgerQuery[] = [];
  readonly forgotten: string[] = [];
  entries: readonly Entry[] = [];
  more = false;
  stories: readonly Story[] = [];
  points: readonly RatePoint[] = [];
  counts: readonly PluginCount[] = [];
  rows: readonly AuditRow[] = [];
  ranges: unknown[] = [];

  readonly observe = () => {};
  search(query: LedgerQuery) {
    this.asked.push(query);
    return Promise.resolve({ entries: this.entries, more: this.more });
  }
  explain(id: string) {
    return Promise.resolve(this.stories.find((each) => [each.id, each.id.slice(-8)].includes(id)) ?? null);
  }
  rates(range: { since: number; until: number; step: number }) {
    this.ranges.push(range);
    return Promise.resolve(this.points);
  }
  plugins(since: number) {
    this.ranges.push(since);
    return Promise.resolve(this.counts);
  }
  audits(query: { limit: number; before?: number }) {
    this.ranges.push(query);
    return Promise.resolve(this.rows);
  }
  forget(address: string) {
    return Promise.resolve(this.forgotten.push(address));
  }
  sample() {}
  size(): Promise<LedgerSize> {
    return Promise.resolve({ entries: this.entries.length, octets: 0, oldest: null, dropped: 0 });
  }
  flush() {
    return Promise.resolve();
  }
  close() {
    return Promise.resolve();
  }
}

/** An accepted message, changed by `change`. */
export function entry(change: Partial<Entry> = {}): Entry {
  return {
    id: "01M816MWB0W45X6Q9VJDZ8M01S",
    session: "s01M816MWB0W45X6Q9VJDZ8M000",
    at: Date.UTC(2026, 10, 22, 9, 40),
    verdict: "accepted",
    ip: "192.0.2.7",
    helo: "mail.example.net",
    listener: "0.0.0.0:25",
    role: "mx",
    tls: "TLSv1.3",
    identity: null,
    sender: "shop@example.net",
    recipients: ["ada@example.com"],
    recipientCount: 1,
    size: 2048,
    messageId: "<1@example.net>",
    plugin: null,
    phase: null,
    reply: null,
    reason: "",
    ms: 3.5,
    points: 0,
    observed: null,
    deliveries: { delivered: 1 },
    ...change,
  };
}

/** A refused message with something in every list, changed by `change`. */
export function story(change: Partial<Story> = {}): Story {
  const { id, at, recipients } = entry();
  return {
    ...entry({ verdict: "refused", plugin: "spf", phase: "mail", reply: "550 5.7.23 SPF says no", reason: "SPF fail" }),
    seconds: 1.5,
    ended: "quit",
    cipher: "TLS_AES_256_GCM_SHA384",
    proxy: null,
    steps: [{
      phase: "mail",
      plugin: "spf",
      recipient: null,
      verdict: "reject",
      observed: false,
      reason: "SPF fail",
      offset: 12,
      ms: 3.5,
      points: [{ points: 2, reason: "SPF" }],
      facts: [["spf", "fail"]],
      dns: [{ question: "TXT example.net", answers: ["v=spf1 -all"], fault: null, ms: 2 }],
      held: [],
    }],
    cut: false,
    refusals: [{
      command: "RCPT",
      reply: "550 5.7.23 SPF says no",
      recipients,
      plugin: "spf",
      reason: "SPF fail",
      delayedFrom: "mail",
      offset: 15,
    }],
    logins: [{ mechanism: "PLAIN", user: "ada", ok: false, reason: "wrong password", offset: 5 }],
    attempts: [{
      at,
      recipient: "ada@example.com",
      outcome: "deferred",
      relay: "mx.example.com[192.0.2.1]:25",
      reply: "450 4.2.0 Later",
      status: "4.2.0",
      tls: null,
      attempts: 1,
      next: at + 60_000,
    }],
    rewritten: [{ plugin: "footer", reason: "a line was added" }],
    commitMs: null,
    messages: [],
    parent: null,
    audit: [{ at, by: "admin", ip: "192.0.2.99", action: "read", subject: id }],
    ...change,
  };
}
