/** A story as text: everything is there, in order, and nothing that a peer sent reaches the terminal as it came. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Story } from "../../../core/ledger/story.ts";
import { tellStory, whyOf } from "../../../core/ledger/telling.ts";
import { changeWords } from "../../../core/ledger/watched.ts";

const REFUSED: Story = {
  id: "01M819XM9WH6C9QF4M8W3KQ7XN",
  session: "s01M819XKP4V0R2D7E9B3TQ6HZ8",
  at: Date.UTC(2026, 10, 22, 9, 38, 12),
  verdict: "refused",
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
  messageId: "<1@promo.example.net>",
  plugin: "spam_score",
  phase: "data",
  reply: "550 5.7.1 Refused as spam",
  reason: "14.5 points, refusal starts at 12",
  ms: 62,
  points: 6,
  observed: "deferred",
  deliveries: {},
  seconds: 1.84,
  ended: "quit",
  cipher: "TLS_AES_256_GCM_SHA384",
  proxy: null,
  steps: [
    {
      phase: "mail",
      plugin: "spf",
      recipient: null,
      verdict: "next",
      observed: false,
      reason: "softfail",
      offset: 1061,
      ms: 12.4,
      points: [{ points: 2, reason: "softfail" }],
      facts: [["spf", "softfail for promo.example.net"]],
      dns: [{ question: "TXT promo.example.net", answers: ["v=spf1 ~all"], fault: null, ms: 12 }],
      held: [],
    },
    {
      phase: "rcpt",
      plugin: "greylist",
      recipient: "ada@example.org",
      verdict: "defer",
      observed: true,
      reason: "first time",
      offset: 1075,
      ms: 1.1,
      points: [],
      facts: [],
      dns: [],
      held: [],
    },
    {
      phase: "data",
      plugin: "spam_score",
      recipient: null,
      verdict: "reject",
      observed: false,
      reason: "14.5 points, refusal starts at 12",
      offset: 1600,
      ms: 21.7,
      points: [],
      facts: [],
      dns: [],
      held: [],
    },
  ],
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

Deno.test("tellStory: a refusal, as a ticket has it", () => {
  assertEquals(
    tellStory(REFUSED),
    `REFUSED  01M819XM9WH6C9QF4M8W3KQ7XN   2026-11-22 09:38:12 UTC
550 5.7.1 Refused as spam (ref 8W3KQ7XN)
spam_score refused it when the message had come: 14.5 points, refusal starts at 12.

from     offers@promo.example.net
to       ada@example.org
client   198.51.100.23, called itself mail7.promo.example.net, TLSv1.3, TLS_AES_256_GCM_SHA384, not signed in
listener 0.0.0.0:25, role mx
size     48,211 octets, not kept here
id       <1@promo.example.net>
session  s01M819XKP4V0R2D7E9B3TQ6HZ8
lasted   1.8 s, ended: quit
points   +6

mail       12.4 ms
      +2  spf              no objection             12.4 ms  softfail
                           +2 softfail
                           spf: softfail for promo.example.net
                           TXT promo.example.net = "v=spf1 ~all" (12.0 ms)
rcpt        1.1 ms
          greylist         would have deferred       1.1 ms  ada@example.org: first time
data       21.7 ms
          spam_score       REFUSED                  21.7 ms  14.5 points, refusal starts at 12
queue    not reached
deliver  not reached
`,
  );
});

Deno.test("tellStory: what a plugin in mode observe would have done, holding too", () => {
  const hold = { do: "hold", reason: "spam" }, [step] = REFUSED.steps;
  const line = (observed: boolean, held: readonly unknown[]) => {
    const text = tellStory({ ...REFUSED, steps: [{ ...step!, verdict: "next", observed, held }] });
    return text.split("\n").find((each) => each.includes(` ${step!.plugin} `));
  };
  assertStringIncludes(line(true, [hold])!, " would have held ");
  assertStringIncludes(line(true, [{ do: "score" }, null])!, " would have changed ");
  assertStringIncludes(line(true, [])!, " no objection (observe) ");
  assertStringIncludes(line(false, [])!, " no objection  ");
});

Deno.test("tellStory: what was held back is told in words, and the sentence names who only watches", () => {
  const [spf, greylist] = REFUSED.steps;
  const header = { do: "header", name: "X-Spam", value: "Yes" }, rare = { do: "somersault", times: 2 };
  const reason = "SPF failed: no such host. It would have said 550 5.7.23 No";
  const steps = [
    { ...greylist!, held: [] },
    { ...spf!, verdict: "reject" as const, observed: true, reason, held: [header, rare] },
    { ...spf!, plugin: "dmarc", verdict: "reject" as const, observed: true },
  ];
  const story = { ...REFUSED, verdict: "accepted" as const, plugin: null, observed: "refused" as const, steps };
  assertEquals(
    whyOf(story),
    "It was taken; spf and dmarc, which only watch, would have refused it: SPF failed: no such host.",
  );
  assertEquals(
    whyOf({ ...story, steps: steps.slice(0, 1), observed: "deferred" }),
    "It was taken; greylist, which only watches, would have deferred it: first time.",
  );
  const text = tellStory(story);
  assertStringIncludes(text, "would have written X-Spam: Yes\n");
  assertStringIncludes(text, 'would have done {"do":"somersault","times":2}\n');
  assert(!text.includes("(ref "), "only a refusal carries a reference");
});

Deno.test("changeWords: each change in words, also when it was cut or is of a later version", () => {
  const cases: [unknown, string][] = [
    [{ do: "score", points: -1.5, reason: "known" }, "given -1.5 points: known"],
    [{ do: "hold", reason: "doubtful" }, "held it: doubtful"],
    [{ do: "header", name: "Bcc", value: null }, "removed Bcc"],
    [{ do: "fields", changes: [{ at: 1, value: null }] }, "changed 1 header field"],
    [{ do: "rewrite", reason: "footer", size: 9 }, "rewritten the body: footer"],
    [{ do: "route", route: { to: "local", plugin: "maildir" } }, "sent it to maildir"],
    [{ do: "route", route: { to: "remote", via: "up" } }, "sent it by way of up"],
    [{ do: "copy", address: { local: "log", domain: "example.org" } }, "sent a copy to log@example.org"],
    [
      { do: "expand", members: "abcd".split("").map((local) => ({ local, domain: "x.org" })) },
      "put a@x.org, b@x.org, c@x.org and 1 more in its place",
    ],
    [
      { do: "refuse", recipient: 1, reply: { code: 550, status: "5.1.1", text: "No" } },
      "told 550 5.1.1 No for recipient 2",
    ],
    [{ do: "header", cut: "..." }, "made a change too long to keep (header)"],
    [null, "done null"],
  ];
  for (const [change, words] of cases) assertEquals(changeWords(change), words);
});

Deno.test("tellStory: what the queue did, who looked, what a session brought, and what is not known", () => {
  const text = tellStory({
    ...REFUSED,
    verdict: "accepted",
    reply: null,
    plugin: null,
    phase: null,
    sender: "",
    seconds: null,
    ended: null,
    steps: [],
    attempts: [{
      at: REFUSED.at + 1000,
      recipient: "ada@example.org",
      outcome: "deferred",
      relay: "mx.example.org[192.0.2.1]:25",
      reply: "450 4.2.0 busy",
      status: "4.2.0",
      tls: null,
      attempts: 1,
      next: REFUSED.at + 301_000,
    }],
    audit: [{ at: REFUSED.at, by: "ops", ip: "127.0.0.1", action: "read", subject: REFUSED.id }],
    parent: "01M819XM9WH6C9QF4M8W3KQ7XA",
    refusals: [{
      command: "RCPT",
      reply: "550 5.1.1 No such user",
      recipients: ["eve@example.org"],
      plugin: "recipients",
      reason: null,
      delayedFrom: null,
      offset: 3,
    }],
  });
  for (
    const line of [
      "ACCEPTED  01M819XM9WH6C9QF4M8W3KQ7XN   2026-11-22 09:38:12 UTC",
      "It was taken; a plugin in mode observe would have deferred it.",
      "from     <> (a report)",
      "report   about 01M819XM9WH6C9QF4M8W3KQ7XA",
      "lasted   the session is open, or its end was not written",
      "  RCPT: 550 5.1.1 No such user to eve@example.org, by recipients",
      "  2026-11-22 09:38:13 UTC  deferred  ada@example.org, attempt 1, by mx.example.org[192.0.2.1]:25",
      "    450 4.2.0 busy",
      "    next attempt 2026-11-22 09:43:13 UTC",
      "  2026-11-22 09:38:12 UTC  ops (127.0.0.1) read 01M819XM9WH6C9QF4M8W3KQ7XN",
    ]
  ) assert(text.split("\n").includes(line), `${line}\n---\n${text}`);
  assert(!text.includes("not reached"), text);
});

/** Every string in the value becomes `text`; what a type allows only a few words for stays. */
function poisoned<T>(value: T, text: string): T {
  if (typeof value === "string") return text as T;
  if (Array.isArray(value)) return value.map((each) => poisoned(each, text)) as T;
  if (typeof value !== "object" || value === null) return value;
  const kept = new Set(["verdict", "phase", "outcome", "observed"]);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, kept.has(name) ? each : poisoned(each, text)]),
  ) as T;
}

Deno.test("tellStory: nothing that a peer sent moves the cursor, turns the line round or fills the screen", () => {
  for (
    const evil of [
      "\x1b[2J\x1b]0;owned\x07",
      "a\r\nVERDICT accepted",
      "\u202egnp.exe",
      "\u0085\u2028\u009b31m",
      "\ud800",
      "x".repeat(100_000),
    ]
  ) {
    const story = poisoned({
      ...REFUSED,
      attempts: [{ ...attempt, reply: evil }],
      refusals: [refusal, refusal],
      audit: [audit],
    }, evil);
    const text = tellStory(story);
    // deno-lint-ignore no-control-regex
    assert(
      !/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]/.test(text),
      JSON.stringify(text).slice(0, 300),
    );
    assert(text.split("\n").every((line) => line.length < 4000), evil.slice(0, 20));
    assert(!whyOf(story).includes("\n"));
  }
});
const attempt = {
  at: 0,
  recipient: "a",
  outcome: "bounced",
  relay: "r",
  reply: "",
  status: "s",
  tls: "t",
  attempts: 1,
  next: null,
} as const;
const refusal = { command: "c", reply: "r", recipients: ["a"], plugin: "p", reason: "r", delayedFrom: "d", offset: 0 };
const audit = { at: 0, by: "b", ip: "i", action: "a", subject: "s" };

Deno.test("tellStory: a moment that is none, and colours only where they are asked for", () => {
  const text = tellStory({ ...REFUSED, at: NaN }, { colour: true });
  assert(text.includes("at no moment"));
  assert(text.startsWith("\x1b[31mREFUSED\x1b[0m"));
});

Deno.test("whyOf: one sentence for every verdict", () => {
  const entry = { plugin: "spf", phase: "mail", reason: "fail.", observed: null };
  assertEquals(
    (["accepted", "held", "refused", "deferred", "abandoned", "none"] as const).map((verdict) =>
      whyOf({ ...entry, verdict })
    ),
    [
      "Nobody had anything against it.",
      "spf holds it for a person: fail.",
      "spf refused it at MAIL: fail.",
      "spf asked to come again later at MAIL: fail.",
      "The client began a message and sent none: fail.",
      "The client came and went without a message, and nobody refused it anything.",
    ],
  );
  assertEquals(
    whyOf({ verdict: "refused", plugin: "core", phase: "rcpt", reason: "", observed: null }),
    "Postern itself refused it at RCPT.",
  );
});
