/**
 * Stories for the tests of the pages: one of each kind, one that is hostile in every field, and a ledger that holds what
 * it is given. Non-job: keeping anything (core/ledger/).
 */
import type { Ledger, LedgerQuery, PluginCount, RatePoint } from "../../../core/ledger/ledger.ts";
import { COMMIT_BOUNDS, DELAY_BOUNDS } from "../../../core/ledger/ledger.ts";
import type { Entry, Step, Story } from "../../../core/ledger/story.ts";
import { newId, shortId } from "../../../core/model/id.ts";
import { NOW } from "./fixture.ts";

const BASE: Omit<Story, "id" | "session" | "at"> = {
  verdict: "accepted",
  ip: "198.51.100.23",
  helo: "mail7.promo.example.net",
  listener: "0.0.0.0:25",
  role: "mx",
  tls: "TLSv1.3",
  identity: null,
  sender: "offers@promo.example.net",
  recipients: ["ada@example.org"],
  recipientCount: 1,
  size: 48_211,
  messageId: "<1122@promo.example.net>",
  plugin: null,
  phase: null,
  reply: "250 2.0.0 Queued",
  reason: "",
  ms: 96.1,
  points: 0,
  observed: null,
  deliveries: {},
  seconds: 1.84,
  ended: "quit",
  cipher: "TLS_AES_256_GCM_SHA384",
  proxy: null,
  steps: [],
  cut: false,
  refusals: [],
  logins: [],
  attempts: [],
  rewritten: [],
  commitMs: null,
  messages: [],
  parent: null,
  audit: [],
};

/** A step with nothing in it but what is said. */
export function step(phase: string, plugin: string, change: Partial<Step> = {}): Step {
  return {
    phase,
    plugin,
    recipient: null,
    verdict: "next",
    observed: false,
    reason: "",
    offset: 0,
    ms: 0.3,
    points: [],
    facts: [],
    dns: [],
    held: [],
    ...change,
  };
}

/** A story of `minutes` ago with nothing in it but what is said. */
export function story(minutes: number, change: Partial<Story> = {}): Story {
  const at = NOW - minutes * 60_000, id = newId(at);
  return { ...BASE, id, session: `s${id.slice(0, 10)}${newId(at).slice(10)}`, at, ...change };
}

/** Refused by its points, as in the pages' design. */
export function spam(minutes = 3): Story {
  return story(minutes, {
    verdict: "refused",
    plugin: "spam_score",
    phase: "data",
    reply: "550 5.7.1 Message looks like spam",
    reason: "14.5 points, and 12 is where refusal starts",
    points: 14.5,
    observed: "refused",
    steps: [
      step("connect", "rate_limit", { reason: "7 of 100 messages this minute from 198.51.100.23." }),
      step("connect", "dnsbl", {
        ms: 38.2,
        offset: 0.3,
        reason: "The address is listed on bl.example.org, which weighs 4 points.",
        points: [{ points: 4, reason: "listed on bl.example.org" }],
        facts: [["dnsbl.listed", "bl.example.org"]],
        dns: [
          { question: "A 23.100.51.198.bl.example.org", answers: ["127.0.0.2"], fault: null, ms: 12.1 },
          { question: "TXT 23.100.51.198.bl.example.org", answers: ["bulk mail seen 2026-11-21"], fault: null, ms: 9 },
        ],
      }),
      step("connect", "fcrdns", {
        ms: 41.3,
        offset: 0.3,
        reason: "The address has a name, but that name leads to another address.",
        points: [{ points: 1.5, reason: "no name that leads back" }],
        facts: [["iprev.result", "fail"]],
        dns: [{ question: "PTR 198.51.100.23", answers: ["mail7.promo.example.net"], fault: null, ms: 20.2 }],
      }),
      step("helo", "helo", { offset: 212, reason: "It called itself mail7.promo.example.net, as its name does." }),
      step("mail", "spf", {
        ms: 12.4,
        offset: 1061,
        reason: "promo.example.net does not list 198.51.100.23 among its senders, and asks to be lenient.",
        points: [{ points: 2, reason: "softfail" }],
        facts: [["spf.result", "softfail for promo.example.net"]],
        dns: [
          { question: "TXT promo.example.net", answers: ["v=spf1 ip4:198.51.100.96/28 ~all"], fault: null, ms: 11.8 },
        ],
      }),
      step("rcpt", "relay", { offset: 1074, recipient: "ada@example.org", reason: "example.org is a domain of ours." }),
      step("rcpt", "recipients", {
        offset: 1074.4,
        recipient: "ada@example.org",
        verdict: "accept",
        reason: "ada@example.org exists. Its mail goes to maildir.",
        facts: [["route", "local, maildir"]],
      }),
      step("rcpt", "greylist", {
        offset: 1075,
        ms: 1.1,
        recipient: "ada@example.org",
        verdict: "defer",
        observed: true,
        reason: "First time that this client, sender and recipient meet.",
      }),
      step("data", "dkim", {
        offset: 1588,
        ms: 9.6,
        reason: "One signature, by promo.example.net: the text was changed after signing.",
        points: [{ points: 1, reason: "no signature holds" }],
        facts: [["dkim.result", "fail"]],
        dns: [{
          question: "TXT s1._domainkey.promo.example.net",
          answers: ["v=DKIM1; k=rsa; p=MIIBIjANBgkqh"],
          fault: null,
          ms: 8.8,
        }],
      }),
      step("data", "dmarc", {
        offset: 1598,
        ms: 6.8,
        reason: "SPF and DKIM both fail, but example.net asks for nothing to follow (p=none).",
        facts: [["dmarc.policy", "none"]],
        dns: [
          { question: "TXT _dmarc.promo.example.net", answers: [], fault: "nxdomain", ms: 3.1 },
          { question: "TXT _dmarc.example.net", answers: ["v=DMARC1; p=none"], fault: null, ms: 3.2 },
        ],
      }),
      step("data", "attachments", {
        offset: 1605,
        ms: 2.2,
        verdict: "reject",
        observed: true,
        reason: "invoice.pdf.js is a script. It would have said 550 5.7.1 Attachment type not allowed.",
      }),
      step("data", "spam_score", {
        offset: 1607,
        ms: 21.7,
        verdict: "reject",
        reason: "14.5 points, and 12 is where refusal starts.",
        facts: [["spam_score.limits", "held from 6, refused from 12"]],
        points: [
          { points: 1.5, reason: "subject_capitals: the subject is in capitals" },
          { points: 2.5, reason: "link_target: link text and target differ" },
          { points: 2, reason: "bulk: bulk phrases" },
        ],
      }),
    ],
    refusals: [{
      command: "message",
      reply: "550 5.7.1 Message looks like spam",
      recipients: ["ada@example.org"],
      plugin: "spam_score",
      reason: "14.5 points, and 12 is where refusal starts",
      delayedFrom: null,
      offset: 1629,
    }],
  });
}

/** Taken from somebody who signed in, delivered to one, waiting for another. */
export function sent(minutes = 12): Story {
  return story(minutes, {
    ip: "2001:db8:40::17",
    helo: "laptop.example.org",
    identity: "ada",
    listener: "0.0.0.0:587",
    role: "submission",
    sender: "ada@example.org",
    recipients: ["team@example.com", "grace@example.net"],
    recipientCount: 2,
    commitMs: 8.4,
    reply: "250 2.0.0 Queued",
    deliveries: { delivered: 1, deferred: 1 },
    logins: [
      { mechanism: "PLAIN", user: "h:3f9a", ok: false, reason: "no such account", offset: 40 },
      { mechanism: "SCRAM-SHA-256", user: "ada", ok: true, reason: "", offset: 90 },
    ],
    steps: [
      step("auth", "accounts", { offset: 88, ms: 2, verdict: "accept", reason: "ada signed in." }),
      step("mail", "sender_login", { offset: 120, reason: "ada may send as ada@example.org." }),
      step("data", "headers", { offset: 300, reason: "Nothing is wrong with its header." }),
      step("queue", "dkim_sign", { offset: 310, ms: 1.2, reason: "Signed by example.org, selector s2." }),
    ],
    attempts: [
      {
        at: NOW - minutes * 60_000 + 900,
        recipient: "team@example.com",
        outcome: "delivered",
        relay: "mx.example.com[192.0.2.25]:25",
        reply: "250 2.0.0 ok 1732268500 qp 4711",
        status: "2.0.0",
        tls: "TLSv1.3 verified",
        attempts: 1,
        next: null,
      },
      {
        at: NOW - minutes * 60_000 + 1900,
        recipient: "grace@example.net",
        outcome: "deferred",
        relay: "mx.example.net[192.0.2.77]:25",
        reply: "421 4.7.0 Too many connections from 192.0.2.1",
        status: "4.7.0",
        tls: null,
        attempts: 2,
        next: NOW + 600_000,
      },
    ],
    audit: [{ at: NOW - 60_000, by: "admin", ip: "127.0.0.1", action: "read", subject: "raw" }],
  });
}

/** One of each kind besides, the newest last. */
export function aMorning(): readonly Story[] {
  return [
    sent(),
    story(11, {
      verdict: "refused",
      sender: null,
      recipients: [],
      recipientCount: 0,
      messageId: null,
      size: null,
      tls: null,
      cipher: null,
      helo: "",
      plugin: "rate_limit",
      phase: "connect",
      reply: "421 4.7.0 Too many connections",
      reason: "more than 50 connections at once",
      steps: [step("connect", "rate_limit", { verdict: "reject", reason: "more than 50 connections at once" })],
      ms: 0.9,
    }),
    story(10, {
      verdict: "refused",
      ip: "192.0.2.9",
      helo: "host9.example.com",
      sender: "a@example.com",
      recipients: ["nobody@example.org"],
      size: null,
      plugin: "recipients",
      phase: "rcpt",
      reply: "550 5.1.1 No such user here",
      reason: "no such user here",
      steps: [
        step("mail", "spf", { reason: "example.com lets 192.0.2.9 send." }),
        step("rcpt", "recipients", { offset: 30, verdict: "reject", reason: "no such user here" }),
      ],
    }),
    story(9, {
      verdict: "deferred",
      ip: "192.0.2.61",
      helo: "mta1.shop.example.com",
      sender: "hello@shop.example.com",
      recipients: ["alan@example.org"],
      plugin: "greylist",
      phase: "rcpt",
      reply: "451 4.7.1 Come back in 5 minutes",
      reason: "first time that client, sender and recipient meet",
      steps: [step("rcpt", "greylist", { verdict: "defer", reason: "first time" })],
    }),
    story(8, {
      verdict: "held",
      sender: "offers@promo.example.net",
      recipients: ["grace@example.org"],
      plugin: "spam_score",
      phase: "data",
      reason: "8.5 points: held in quarantine",
      points: 8.5,
      steps: [
        step("connect", "dnsbl", { points: [{ points: 4, reason: "listed on bl.example.org" }] }),
        step("data", "spam_score", {
          offset: 400,
          ms: 18,
          reason: "8.5 points, and 6 is where a message is held.",
          facts: [["spam_score.limits", "held from 6, refused from 12"]],
          points: [{ points: 4.5, reason: "bulk: bulk phrases" }],
        }),
      ],
    }),
    story(7, {
      verdict: "abandoned",
      sender: "news@lists.example.com",
      recipients: [],
      recipientCount: 0,
      size: null,
      messageId: null,
      reply: null,
      reason: "the peer left in DATA",
    }),
    story(6, {
      verdict: "none",
      sender: null,
      recipients: [],
      recipientCount: 0,
      size: null,
      messageId: null,
      reply: null,
      helo: "scanner.example.net",
      ip: "203.0.113.99",
      reason: "",
      ended: "quit",
      ms: 0,
    }),
    spam(),
  ];
}

const EVIL =
  `</script><script>alert("x")</script><img src=x onerror=alert(1)>" onclick="alert(2)' \u202Eevil\u2066 \u0000\u001b[31m`;
export const LONG = "x".repeat(10_000);

/** Script, marks of direction, controls and 10,000 characters wherever a stranger has a say. */
export function hostile(minutes = 1, text = EVIL + LONG): Story {
  const one = step("mail", text, {
    reason: text,
    recipient: text,
    verdict: "reject",
    points: [{ points: 3, reason: text }, { points: -1, reason: text }],
    facts: [[text, text]],
    dns: [{ question: text, answers: [text, text], fault: null, ms: 1 }, {
      question: text,
      answers: [],
      fault: text,
      ms: 1,
    }],
    held: [{ do: "hold", reason: text }],
  });
  return story(minutes, {
    verdict: "refused",
    helo: text,
    identity: text,
    listener: text,
    sender: `${text}@${text}`,
    recipients: Array.from({ length: 50 }, () => `${text}@${text}`),
    recipientCount: 1000,
    messageId: text,
    plugin: text,
    phase: "mail",
    reply: `550 5.7.1 ${text}`,
    reason: text,
    points: 2,
    tls: text,
    cipher: text,
    proxy: text,
    ended: text,
    steps: [one, { ...one, plugin: "watcher", observed: true }],
    refusals: [{
      command: text,
      reply: `550 ${text}`,
      recipients: [text, text, text, text],
      plugin: text,
      reason: text,
      delayedFrom: text,
      offset: 3,
    }],
    logins: [{ mechanism: text, user: text, ok: false, reason: text, offset: 1 }],
    attempts: [{
      at: NOW,
      recipient: text,
      outcome: "deferred",
      relay: text,
      reply: text,
      status: text,
      tls: text,
      attempts: 3,
      next: NOW - 1,
    }],
    rewritten: [{ plugin: text, reason: text }],
    audit: [{ at: NOW, by: text, ip: text, action: text, subject: text }],
    parent: "01M819XM9WH6C9QF4M8W3KQ7XN",
  });
}

/** A ledger in an array: looks for words anywhere and for the rest as it stands. */
export class FakeLedger implements Ledger {
  readonly observe = () => {};
  /** What it was asked to look for. */
  readonly queries: LedgerQuery[] = [];
  readonly #stories: Story[];
  points: (at: number) => Partial<RatePoint> = () => ({});
  counts: readonly PluginCount[] = [];

  constructor(stories: readonly Story[] = []) {
    this.#stories = stories.toSorted((a, b) => b.at - a.at);
  }

  add(story: Story): void {
    this.#stories.unshift(story);
  }

  search(query: LedgerQuery) {
    this.queries.push(query);
    const limit = query.limit ?? 50;
    const start = query.before === undefined ? 0 : this.#stories.findIndex(({ id }) => id === query.before) + 1;
    const found = this.#stories.slice(start).filter((entry) => matches(entry, query));
    return Promise.resolve({ entries: found.slice(0, limit), more: found.length > limit });
  }

  explain(id: string): Promise<Story | null> {
    const wanted = id.toUpperCase().replace(/^S(?=.{26}$)/, "s");
    const found = this.#stories.find((each) => [each.id, shortId(each.id)].includes(wanted));
    if (found !== undefined) return Promise.resolve(found);
    const messages = this.#stories.filter(({ session }) => session === wanted);
    const [first] = messages;
    if (first === undefined) return Promise.resolve(null);
    return Promise.resolve({
      ...first,
      id: first.session,
      verdict: "none",
      plugin: null,
      phase: null,
      reply: null,
      reason: "",
      sender: null,
      recipients: [],
      recipientCount: 0,
      refusals: [],
      attempts: [],
      messages,
    });
  }

  rates({ since, until, step }: { since: number; until: number; step: number }): Promise<readonly RatePoint[]> {
    return Promise.resolve(
      Array.from({ length: Math.round((until - since) / step) }, (_, i) => ({
        at: since + i * step,
        sessions: 0,
        accepted: 0,
        held: 0,
        refused: 0,
        deferred: 0,
        octets: 0,
        delivered: 0,
        postponed: 0,
        bounced: 0,
        commit: new Array(COMMIT_BOUNDS.length + 1).fill(0),
        delay: new Array(DELAY_BOUNDS.length + 1).fill(0),
        queue: null,
        ...this.points(since + i * step),
      })),
    );
  }

  plugins = () => Promise.resolve(this.counts);
  audits = () => Promise.resolve([]);
  forget = () => Promise.resolve(0);
  sample = () => {};
  size = () =>
    Promise.resolve({
      entries: this.#stories.length,
      octets: 0,
      oldest: this.#stories.at(-1)?.at ?? null,
      dropped: 0,
    });
  flush = () => Promise.resolve();
  close = () => Promise.resolve();
}

function matches(entry: Entry, query: LedgerQuery): boolean {
  const { q, verdict, ip, from, to, plugin, observed, since, until } = query;
  const all = JSON.stringify(entry).toLowerCase();
  return (q === undefined || q.toLowerCase().split(/\s+/).every((word) => all.includes(word))) &&
    (verdict === undefined || entry.verdict === verdict) &&
    (ip === undefined || entry.ip.startsWith(ip.replace(/(?:\.0)*\/\d+$/, ""))) &&
    (from === undefined || entry.sender?.endsWith(from) === true) &&
    (to === undefined || entry.recipients.some((each) => each.endsWith(to))) &&
    (observed === true ? entry.observed !== null : plugin === undefined || entry.plugin === plugin) &&
    (since === undefined || entry.at >= since) && (until === undefined || entry.at < until);
}
