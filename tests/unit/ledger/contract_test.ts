/** The ledger's contract, held against each implementation: what happened is found and told, whichever way one asks. */
import { assertEquals } from "@std/assert";
import { shortId } from "../../../core/model/id.ts";
import { Reply } from "../../../core/model/reply.ts";
import type { Ledger, LedgerQuery } from "../../../core/ledger/ledger.ts";
import { openPostgresLedger } from "../../../core/ledger/postgres/open.ts";
import { KEEP, openSqliteLedger, SIZE, type SqliteLedgerOptions } from "../../../core/ledger/sqlite.ts";
import { PostgresServer, testWithPostgres } from "../../support/postgres.ts";
import { TempFolder } from "../../support/temp.ts";
import { Happening } from "./happenings.ts";

const AT = Date.UTC(2026, 10, 30, 12);

type Open = (options?: Partial<SqliteLedgerOptions>) => Ledger;
/** One database server for all, begun by the first that wants it. */
let server: Promise<PostgresServer> | null = null;

function contract(name: string, test: (open: Open) => Promise<void>): void {
  for (const kind of ["a file", "memory"]) {
    Deno.test(`ledger in ${kind}: ${name}`, async () => {
      await using folder = await TempFolder.make();
      await held(
        test,
        (options, index) =>
          openSqliteLedger({ folder: kind === "memory" ? null : folder.at(`ledger${index}`), ...options }),
      );
    });
  }
  testWithPostgres(`ledger in PostgreSQL: ${name}`, async () => {
    const running = await (server ??= PostgresServer.start()),
      urls = [await running.database(), await running.database()];
    await held(
      test,
      (options, index) =>
        openPostgresLedger({ keep: KEEP, size: SIZE, redact: "none", ...options, postgres: urls[index]! }),
    );
  });
}

async function held(
  test: (open: Open) => Promise<void>,
  make: (options: SqliteLedgerOptions, index: number) => Ledger,
): Promise<void> {
  const opened: Ledger[] = [], trouble: string[] = [];
  try {
    await test((options) => {
      const common: SqliteLedgerOptions = {
        now: () => AT + 60_000,
        observer: (event) => event.type === "trouble" && trouble.push(event.message),
      };
      const ledger = make({ ...common, ...options }, opened.length);
      opened.push(ledger);
      return ledger;
    });
    assertEquals(trouble, []);
  } finally {
    for (const ledger of opened) await ledger.close();
  }
}

Deno.test.afterAll(async () => {
  await (await server)?.[Symbol.asyncDispose]();
});

contract("a message that was taken is a row and a story", async (open) => {
  const ledger = open();
  const session = new Happening(ledger.observe, { at: AT });
  session.decide("connect", "dnsbl", "next", {
    reason: "listed nowhere",
    asked: [{ type: "A", name: "7.2.0.192.bl.example", records: null, fault: "nxdomain", ms: 2 }],
    facts: [["dnsbl", "none"]],
  });
  const id = session.accept("ada@example.net", ["bob@example.org", "carol@example.org"]);
  session.close();
  const { entries, more } = await ledger.search({});
  assertEquals([entries.length, more], [1, false]);
  const [entry] = entries;
  assertEquals(
    [entry!.id, entry!.session, entry!.at, entry!.verdict, entry!.ip, entry!.helo, entry!.listener, entry!.sender],
    [id, session.session, AT, "accepted", "192.0.2.7", "mail.example.net", "mx", "ada@example.net"],
  );
  assertEquals([entry!.recipients, entry!.recipientCount, entry!.size, entry!.plugin, entry!.reply], [
    ["bob@example.org", "carol@example.org"],
    2,
    1000,
    null,
    `250 2.0.0 queued as ${id}`,
  ]);
  for (const name of [id, id.toLowerCase(), shortId(id)]) {
    const story = await ledger.explain(name);
    assertEquals([story?.id, story?.ended, story?.seconds], [id, "quit", 1.5], name);
    assertEquals(story!.steps.map(({ phase, plugin, recipient }) => [phase, plugin, recipient]), [
      ["connect", "dnsbl", null],
      ["rcpt", "inbox", "bob@example.org"],
      ["rcpt", "inbox", "carol@example.org"],
    ]);
    assertEquals(story!.steps[0]!.dns, [{ question: "A 7.2.0.192.bl.example", answers: [], fault: "nxdomain", ms: 2 }]);
    assertEquals(story!.steps[0]!.facts, [["dnsbl", "none"]]);
  }
  for (
    const name of [session.session, session.session.slice(1), session.session.toUpperCase(), shortId(session.session)]
  ) {
    const story = await ledger.explain(name);
    assertEquals([story?.id, story?.messages.map((each) => each.id)], [session.session, [id]], name);
  }
  assertEquals(await ledger.explain("01M819XM9WH6C9QF4M8W3KQ7XN"), null);
  assertEquals(await ledger.explain("no id at all"), null);
});

contract("every question finds what it is about and nothing else", async (open) => {
  const ledger = open();
  const names = new Map<string, string>();
  const one = (name: string, at: number, ip: string, happens: (session: Happening) => string) => {
    const session = new Happening(ledger.observe, { at: AT + at, ip, helo: `${name}.example.net` });
    names.set(happens(session), name);
    session.close();
  };
  one("taken", 0, "192.0.2.7", (session) => session.accept("ada@example.net", ["bob@example.org"]));
  one("refused", 1000, "192.0.2.8", (session) => session.reject("spam@example.com", ["bob@example.org"]));
  one(
    "deferred",
    2000,
    "192.0.9.1",
    (session) =>
      session.reject("eve@example.com", ["carol@example.org"], {
        plugin: "greylist",
        code: 451,
        reason: "come back later",
      }),
  );
  one(
    "held",
    3000,
    "2001:db8::7",
    (session) => session.accept("", ["carol@example.org"], { held: "a script in invoice.js", heldBy: "attachments" }),
  );
  one("observed", 4000, "2001:db8:0:0:8::1", (session) => {
    const id = session.accept("Ada@Example.NET", ["dan@example.edu"]);
    return id;
  });
  one("empty", 5000, "198.51.100.1", (session) => session.session);
  one("turned", 6000, "198.51.100.2", (session) => {
    session.refuse("EHLO", new Reply(550, "5.7.1", "Go away"), { plugin: "helo", reason: "a name that lies" });
    return session.session;
  });
  const watched = new Happening(ledger.observe, { at: AT + 7000, ip: "203.0.113.5", helo: "w.example.net" });
  watched.decide("connect", "dnsbl", "reject", { observed: true, reason: "listed" });
  names.set(watched.accept("zoe@example.net", ["bob@example.org"]), "watched");
  watched.close();
  const cases: readonly [LedgerQuery, readonly string[]][] = [
    [{}, ["watched", "turned", "empty", "observed", "held", "deferred", "refused", "taken"]],
    [{ verdict: "accepted" }, ["watched", "observed", "taken"]],
    [{ verdict: "held" }, ["held"]],
    [{ verdict: "none" }, ["empty"]],
    [{ verdict: "refused" }, ["turned", "refused"]],
    [{ verdict: "abandoned" }, []],
    [{ ip: "192.0.2.7" }, ["taken"]],
    [{ ip: "192.0.2.0/24" }, ["refused", "taken"]],
    [{ ip: "192.0.0.0/16" }, ["deferred", "refused", "taken"]],
    [{ ip: "192.0.0.0/8" }, ["deferred", "refused", "taken"]],
    [{ ip: "2001:DB8:0:0:0:0:0:7" }, ["held"]],
    [{ ip: "2001:db8::/64" }, ["observed", "held"]],
    [{ ip: "2001:db8::/32" }, ["observed", "held"]],
    [{ ip: "nonsense" }, []],
    [{ from: "ada@example.net" }, ["observed", "taken"]],
    [{ from: "ADA@EXAMPLE.NET" }, ["observed", "taken"]],
    [{ from: "@example.com" }, ["deferred", "refused"]],
    [{ from: "" }, ["held"]],
    [{ to: "bob@example.org" }, ["watched", "refused", "taken"]],
    [{ to: "@example.org", verdict: "refused" }, ["refused"]],
    [{ plugin: "greylist" }, ["deferred"]],
    [{ plugin: "attachments" }, ["held"]],
    [{ plugin: "dnsbl" }, []],
    [{ plugin: "dnsbl", observed: true }, ["watched"]],
    [{ observed: true }, ["watched"]],
    [{ since: AT + 5000 }, ["watched", "turned", "empty"]],
    [{ since: AT + 1000, until: AT + 3000 }, ["deferred", "refused"]],
    [{ q: "bob" }, ["watched", "refused", "taken"]],
    [{ q: "bob spam" }, ["refused"]],
    [{ q: "SCRIPT invo" }, ["held"]],
    [{ q: "example.edu" }, ["observed"]],
    [{ q: "192.0.2.7" }, ["taken"]],
    [{ q: "192.0.2" }, ["refused", "taken"]],
    [{ q: "4.7.1 later" }, ["deferred"]],
    [{ q: "turned.exam" }, ["turned"]],
    [{ q: "nobody-has-this" }, []],
    [{ q: '" OR v:accepted' }, []],
    [{ q: "   " }, ["watched", "turned", "empty", "observed", "held", "deferred", "refused", "taken"]],
  ];
  for (const [query, expected] of cases) {
    const { entries } = await ledger.search(query);
    assertEquals(entries.map(({ id }) => names.get(id)), [...expected], JSON.stringify(query));
  }
  for (const [id, name] of names) {
    for (const q of [id, shortId(id), shortId(id).toLowerCase()]) {
      assertEquals((await ledger.search({ q })).entries.map((each) => names.get(each.id)), [name], q);
    }
  }
});

contract("pages follow one another without a gap", async (open) => {
  const ledger = open();
  const ids: string[] = [];
  for (let i = 0; i < 25; i++) {
    const session = new Happening(ledger.observe, { at: AT + Math.floor(i / 3) });
    ids.push(session.accept("ada@example.net", ["bob@example.org"]));
    session.close();
  }
  for (const query of [{}, { to: "bob@example.org" }]) {
    const seen: string[] = [];
    let before: string | undefined, pages = 0;
    for (;;) {
      const page = await ledger.search({ ...query, limit: 10, ...before !== undefined && { before } });
      seen.push(...page.entries.map(({ id }) => id));
      before = page.entries.at(-1)!.id;
      pages++;
      if (!page.more) break;
    }
    assertEquals([pages, seen.toSorted()], [3, ids.toSorted()]);
    assertEquals(seen.map((id) => id.slice(0, 10)), ids.map((id) => id.slice(0, 10)).toSorted().reverse());
  }
});

contract("what the queue does later is part of the story", async (open) => {
  const ledger = open();
  const session = new Happening(ledger.observe, { at: AT });
  const id = session.accept("ada@example.net", ["bob@example.org"]);
  session.close();
  const facts = {
    transaction: id,
    session: session.session,
    sender: "ada@example.net",
    recipient: "bob@example.org",
    identity: null,
    relay: "mx.example.org[192.0.2.1]:25",
    delay: 700,
    status: "2.0.0",
    tls: "TLSv1.3 verified",
  };
  ledger.observe({
    ...facts,
    type: "deferred",
    attempts: 1,
    status: "4.2.0",
    reply: "450 4.2.0 busy",
    next: AT + 99_000,
  });
  ledger.observe({ ...facts, type: "delivered", attempts: 2, reply: "250 2.0.0 taken" });
  const story = await ledger.explain(id);
  assertEquals(story!.attempts.map(({ outcome, reply, attempts, next }) => [outcome, reply, attempts, next]), [
    ["deferred", "450 4.2.0 busy", 1, AT + 99_000],
    ["delivered", "250 2.0.0 taken", 2, null],
  ]);
  assertEquals((await ledger.search({})).entries[0]!.deliveries, { delivered: 1 });
  // A report about it: nobody received it
  const report = `${id.slice(0, 10)}REP0RT0REP0RT0RE`;
  ledger.observe({
    ...facts,
    type: "delivered",
    transaction: report,
    session: id,
    sender: "",
    recipient: "ada@example.net",
    attempts: 1,
    reply: "250 ok",
  });
  const told = await ledger.explain(report);
  assertEquals([told?.parent, told?.verdict, told?.recipients, told?.ip], [id, "accepted", ["ada@example.net"], ""]);
  assertEquals(told?.reply, null); // nobody was told anything
  assertEquals((await ledger.search({ to: "ada@example.net" })).entries.map((each) => each.id), [report]);
});

contract("a story is told while it happens", async (open) => {
  const ledger = open();
  const session = new Happening(ledger.observe, { at: AT });
  session.decide("connect", "dnsbl", "next", { reason: "listed nowhere" });
  const first = await ledger.explain(session.session);
  assertEquals([first?.verdict, first?.ended, first?.steps.length], ["none", null, 1]);
  const id = session.accept("ada@example.net", ["bob@example.org"]);
  const second = await ledger.explain(id);
  assertEquals([second?.verdict, second?.ended, second?.seconds], ["accepted", null, null]);
  assertEquals(second?.steps.map((each) => each.phase), ["connect", "rcpt"]);
  assertEquals((await ledger.explain(session.session))?.messages.map((each) => each.id), [id]);
  session.close();
  assertEquals((await ledger.explain(id))?.ended, "quit");
});

contract("counts of steps of time and of plugins", async (open) => {
  const ledger = open();
  for (let i = 0; i < 3; i++) {
    const session = new Happening(ledger.observe, { at: AT });
    if (i === 0) session.reject("spam@example.com", ["bob@example.org"]);
    else session.accept("ada@example.net", ["bob@example.org"], { size: 100, ms: 7 });
    session.close();
  }
  ledger.sample(12);
  const points = await ledger.rates({ since: AT, until: AT + 180_000, step: 60_000 });
  assertEquals(
    points.map((
      { at, sessions, accepted, refused, octets, queue },
    ) => [at, sessions, accepted, refused, octets, queue]),
    [
      [AT, 0, 0, 0, 0, null],
      [AT + 60_000, 3, 2, 1, 200, 12],
      [AT + 120_000, 0, 0, 0, 0, null],
    ],
  );
  const hours = await ledger.rates({ since: AT - 3_540_000, until: AT + 3_660_000, step: 3_600_000 });
  assertEquals(hours.map(({ at, sessions }) => [at - AT, sessions]), [[-3_540_000, 0], [60_000, 3]]);
  const inside = await ledger.rates({ since: AT - 1_800_000, until: AT + 1_800_000, step: 3_600_000 });
  assertEquals(inside.map(({ at, sessions, queue }) => [at - AT, sessions, queue]), [[-1_800_000, 3, 12]]);
  assertEquals(points[1]!.commit.slice(0, 5), [0, 0, 0, 2, 0]);
  assertEquals((await ledger.plugins(AT)).map(({ plugin, refused, held }) => [plugin, refused, held]), [[
    "spam_score",
    1,
    0,
  ]]);
});

contract("what people did stands beside it", async (open) => {
  const ledger = open();
  const session = new Happening(ledger.observe, { at: AT });
  const id = session.accept("ada@example.net", ["bob@example.org"]);
  session.close();
  ledger.observe({ type: "audit", by: "admin", ip: "127.0.0.1", action: "read", subject: id });
  ledger.observe({ type: "audit", by: "admin", ip: "127.0.0.1", action: "reload", subject: "the configuration" });
  assertEquals((await ledger.explain(id))?.audit.map(({ by, action }) => [by, action]), [["admin", "read"]]);
  assertEquals((await ledger.audits({ limit: 10 })).map(({ action }) => action), ["reload", "read"]);
  assertEquals((await ledger.audits({ limit: 1 })).map(({ action }) => action), ["reload"]);
});

contract("an address is taken out of everything", async (open) => {
  const ledger = open();
  const session = new Happening(ledger.observe, { at: AT });
  const first = session.accept("ada@example.net", ["Bob@example.org", "carol@example.org"]);
  const second = session.reject("spam@example.com", ["carol@example.org"], { reason: "bob@example.org is no friend" });
  session.close();
  assertEquals(await ledger.forget("bob@example.org"), 2);
  assertEquals((await ledger.search({ to: "bob@example.org" })).entries, []);
  assertEquals((await ledger.search({ q: "bob" })).entries, []);
  assertEquals((await ledger.search({ to: "carol@example.org" })).entries.map((each) => each.id), [second, first]);
  const story = await ledger.explain(first);
  assertEquals(story!.recipients, ["<forgotten>", "carol@example.org"]);
  assertEquals(story!.steps.map(({ recipient }) => recipient), ["<forgotten>", "carol@example.org"]);
  assertEquals((await ledger.explain(second))!.reason, "<forgotten> is no friend");
  assertEquals(await ledger.forget("bob@example.org"), 0);
});

contract("addresses are written as the configuration has it", async (open) => {
  for (const redact of ["local-part", "hash"] as const) {
    const ledger = open({ redact });
    const session = new Happening(ledger.observe, { at: AT });
    const id = session.reject("ada@example.net", ["bob@example.org"], { reason: "<bob@example.org> is no friend" });
    session.close();
    const story = await ledger.explain(id);
    const text = JSON.stringify(story);
    assertEquals([text.includes("ada@"), text.includes("bob@")], [false, false], text);
    assertEquals((await ledger.search({ to: "bob@example.org" })).entries.map((each) => each.id), [id]);
    assertEquals((await ledger.search({ from: "@example.net" })).entries.map((each) => each.id), [id]);
    assertEquals((await ledger.search({ to: "eve@example.org" })).entries.length, redact === "hash" ? 0 : 1);
    await ledger.close();
  }
});
