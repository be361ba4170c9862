/** The daily summary: what a day becomes in words, and what of it wants a person. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Entry } from "../../../core/ledger/story.ts";
import type { Ledger, LedgerQuery, PluginCount, RatePoint } from "../../../core/ledger/ledger.ts";
import { type DayHouse, gather } from "../../../core/summary/day.ts";
import { letterOf, textOf } from "../../../core/summary/letter.ts";

const DAY = 86_400_000, UNTIL = Date.UTC(2026, 2, 5, 6, 0);
const NONE = { refused: 0, deferred: 0, held: 0, wouldRefuse: 0, wouldDefer: 0, wouldHold: 0, errors: 0 };

function point(at: number, accepted: number, refused: number): RatePoint {
  return {
    at,
    sessions: accepted + refused,
    accepted,
    held: 0,
    refused,
    deferred: 0,
    octets: accepted * 2 ** 20,
    delivered: accepted,
    postponed: 1,
    bounced: 0,
    commit: [],
    delay: [],
    queue: null,
  };
}

/** A ledger that was asked for one day and the day before. */
function ledgerOf(plugins: readonly PluginCount[], refusals: readonly Partial<Entry>[]): Ledger {
  return {
    rates: (range: { since: number; until: number; step: number }) => {
      assertEquals(range, { since: UNTIL - 2 * DAY, until: UNTIL, step: 3_600_000 });
      return Promise.resolve([
        point(UNTIL - 2 * DAY, 5, 1),
        point(UNTIL - DAY, 1000, 20),
        point(UNTIL - 3_600_000, 234, 3),
      ]);
    },
    plugins: () => Promise.resolve(plugins),
    search: ({ verdict, since }: LedgerQuery) => {
      assertEquals([verdict, since], ["refused", UNTIL - DAY]);
      return Promise.resolve({ entries: refusals, more: false });
    },
  } as unknown as Ledger;
}

const QUIET: DayHouse = {
  store: {
    totals: () => Promise.resolve({}),
    oldest: () => Promise.resolve(null),
    quarantine: { total: () => Promise.resolve({ messages: 0, octets: 0 }), expire: () => Promise.resolve([]) },
    health: () => ({ writerWait: 0, freeBytes: 1e12, bodyBytes: 0 }),
  },
  ledger: null,
  destinations: () => [],
  certificates: () => [{ path: "/c.pem", names: ["mx.example.org"], notAfter: UNTIL + 60 * DAY }],
  warnings: [],
  limits: { diskReserve: 1e8, quarantine: 1e9 },
};
const said = { until: UNTIL, alerts: [], troubles: [] };

Deno.test("a quiet day wants nobody", async () => {
  const day = await gather(QUIET, said);
  assertEquals(day.findings, []);
  const text = textOf(day, "mx.example.org");
  for (const line of ["Nothing.", "There is no ledger, so nobody counted.", "until 2026-05-04"]) {
    assertStringIncludes(text, line);
  }
  const letter = new TextDecoder().decode(
    letterOf(day, { hostname: "mx.example.org", to: { local: "postmaster", domain: "example.org" } }),
  );
  assertStringIncludes(letter, "\r\nSubject: mx.example.org on 2026-03-05: all is well\r\n");
  assertStringIncludes(letter, "\r\nTo: <postmaster@example.org>\r\n");
  assertStringIncludes(letter, "\r\nContent-Transfer-Encoding: 7bit\r\n");
});

Deno.test("what came in, who refused what and why, what waits, and what to do about it", async () => {
  const day = await gather({
    ...QUIET,
    ledger: ledgerOf(
      [{ ...NONE, plugin: "spf", refused: 12, wouldRefuse: 3 }, { ...NONE, plugin: "idle" }, {
        ...NONE,
        plugin: "dnsbl",
        refused: 7,
        errors: 2,
      }],
      [
        { plugin: "spf", reason: "the domain forbids it", reply: "550 5.7.23 no" },
        { plugin: "spf", reason: "the domain forbids it", reply: "550 5.7.23 no" },
        { plugin: null, reason: "", reply: "550 5.1.1 No such user" },
      ],
    ),
    store: {
      ...QUIET.store,
      totals: () => Promise.resolve({ deferred: 40, held: 2 }),
      oldest: () => Promise.resolve(UNTIL - 9 * 3_600_000),
      quarantine: { ...QUIET.store.quarantine, total: () => Promise.resolve({ messages: 2, octets: 9e8 }) },
      health: () => ({ writerWait: 0, freeBytes: 1.5e8, bodyBytes: 0 }),
    },
    destinations: () => [
      { destination: "mx:idle.example", waiting: 0, closedUntil: null, reason: null },
      { destination: "mx:slow.example", waiting: 30, closedUntil: 1, reason: "451 4.7.1 try later" },
    ],
    certificates: () => [
      { path: "/c.pem", names: ["mx.example.org"], notAfter: UNTIL + 3.5 * DAY },
      { path: "/old.pem", names: ["old.example.org"], notAfter: UNTIL - 1 },
    ],
    warnings: ["hostname: is localhost"],
  }, {
    until: UNTIL,
    alerts: [{ words: "auth, bob: 100 failed logins", times: 2 }],
    troubles: [{ words: "dispatcher: disk", times: 1 }],
  });
  assertEquals(day.findings, [
    'Mail has waited for 9 hours: see what for with "postern queue list", or on the page Queue.',
    "The certificate /c.pem ends in 3 days: renew it, the new file is taken up by itself.",
    "The certificate /old.pem has ended: clients that check it do not send any more.",
    "The disk is almost full: soon mail is refused with 452.",
    "The quarantine is almost full: what is to be held is refused with 452 then.",
    "Plugins threw, were late or broke a rule: dnsbl; see the log.",
    "There were alerts.",
    "Things were wrong with the server.",
  ]);
  const text = textOf(day, "mx.example.org");
  for (
    const pattern of [
      /^accepted +1,234 +\(the day before 5\)$/m,
      /^refused +23 +\(the day before 1\)$/m,
      /^MiB accepted +1,234$/m,
      /^spf +12 +0 +0 +3 +0$/m,
      /^dnsbl +7 +0 +0 +0 +2$/m,
      /^- 2 times spf: the domain forbids it$/m,
      /^- core: 550 5\.1\.1 No such user$/m,
      /^40 deferred, 2 held$/m,
      /^The oldest has waited for 9 hours\.$/m,
      /^- mx:slow\.example: 30 waiting, 451 4\.7\.1 try later$/m,
      /^2 messages, 859 MiB, wait for a person\.$/m,
      /^- 2 times auth, bob: 100 failed logins$/m,
      /^- hostname: is localhost$/m,
    ]
  ) assert(pattern.test(text), `${pattern} in\n${text}`);
  assertEquals(/idle/.test(text), false, "who did nothing is not spoken of");
  assert(text.indexOf("What wants you") < text.indexOf("What came in"));
});

Deno.test("words of peers end no line, open no field and turn nothing round; other scripts arrive", async () => {
  const day = await gather({
    ...QUIET,
    ledger: ledgerOf([], [
      { plugin: "x", reason: "a\r\n\r\nBcc: eve@example.net\u202e\u001b[2J", reply: "550 no" },
      { plugin: "x", reason: "пожалуйста " + "ж".repeat(5000), reply: "550 no" },
    ]),
  }, said);
  const text = textOf(day, "mx.example.org");
  // deno-lint-ignore no-control-regex
  assertEquals(/[\u0000-\u0009\u000b-\u001f\u202e]/.test(text), false);
  assertEquals(/^Bcc:/m.test(text), false);
  const letter = new TextDecoder().decode(
    letterOf(day, { hostname: "mx.example.org", to: { local: "postmaster", domain: "example.org" } }),
  );
  const [header, body] = letter.split("\r\n\r\n");
  assertStringIncludes(header!, "Content-Transfer-Encoding: base64");
  assert(letter.split("\r\n").every((line) => line.length <= 998));
  const decoded = new TextDecoder().decode(Uint8Array.fromBase64(body!.replaceAll("\r\n", "")));
  assertEquals(decoded, text.replaceAll("\n", "\r\n"));
  assertStringIncludes(decoded, "пожалуйста");
});
