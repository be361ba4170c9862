/** From counted messages to the mail, and back through everything that reads reports here. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SimulatedCounters } from "../../../../../core/pipeline/mod.ts";
import {
  count,
  type Counted,
  countsOf,
  MAX_DOMAINS,
  MAX_ROWS,
  MAX_ROWS_OF_ALL,
} from "../../../../../plugins/identity/dmarc/counts.ts";
import { parseRecord } from "../../../../../plugins/identity/dmarc/record.ts";
import { parseReport } from "../../../../../plugins/identity/dmarc/report_reader.ts";
import { sendReports } from "../../../../../plugins/identity/dmarc/reporter.ts";
import { unpack } from "../../../../../plugins/identity/dmarc/unpack.ts";
import { houseAt } from "./house.ts";

const DAY = 86_400_000, NOON = Date.parse("2026-03-14T12:00:00Z"), NEXT = Date.parse("2026-03-15T01:00:00Z");
const REPORTER = {
  from: { local: "dmarc", domain: "example.org" },
  organization: "Ex & <Sons>",
  contact: "postmaster@example.org",
  limit: 10,
};
const MESSAGE: Counted = {
  ip: "192.0.2.1",
  disposition: "none",
  dkim: false,
  spf: true,
  override: null,
  headerFrom: "a.example.com",
  envelopeFrom: "bounces.example.com",
  signatures: [{ domain: "lists.net", selector: "s", result: "fail" }],
  sender: { domain: "bounces.example.com", result: "pass" },
};
const published = (domain: string, tags = `p=reject; rua=mailto:d@${domain}`) => ({
  domain,
  record: parseRecord(`v=DMARC1; ${tags}`),
});
const at = (store: SimulatedCounters, message: Partial<Counted> = {}, domain = "example.com", tags?: string) =>
  count(store, { ...MESSAGE, ...message }, { published: published(domain, tags), now: NOON });

Deno.test("a day's counts become one mail, which says what was counted", async () => {
  const store = new SimulatedCounters(() => NOON);
  await at(store);
  await at(store);
  await at(store, {
    ip: "2001:db8::1",
    disposition: "quarantine",
    spf: false,
    dkim: true,
    override: { type: "local_policy", comment: "]]> & <b>\u0007" },
    envelopeFrom: "",
    sender: null,
  });
  const house = houseAt(() => NEXT, { store });
  await sendReports(house, REPORTER);
  const [letter, more] = house.sent;
  assertEquals([more, letter?.from, letter?.to], [undefined, REPORTER.from, [{ local: "d", domain: "example.com" }]]);
  const mail = new TextDecoder().decode(letter!.content);
  assertStringIncludes(
    mail,
    "Subject: Report Domain: example.com\r\n Submitter: example.org\r\n Report-ID: <2026-03-14.example.com@example.org>\r\n",
  );
  assertStringIncludes(mail, 'filename="example.org!example.com!1773446400!1773532799.xml.gz"');
  assertStringIncludes(mail, "\r\nContent-Type: application/gzip\r\n");
  assert(mail.split("\r\n").every((line) => line.length <= 998 && !/[\r\n]/.test(line)));

  const [xml] = await unpack(letter!.content);
  const report = parseReport(xml!);
  assertEquals(report, {
    organization: "Ex & <Sons>",
    email: "postmaster@example.org",
    contact: null,
    id: "2026-03-14.example.com@example.org",
    begin: 1773446400,
    end: 1773532799,
    errors: [],
    generator: "Postern",
    policy: {
      domain: "example.com",
      p: "reject",
      sp: null,
      np: null,
      adkim: "r",
      aspf: "r",
      fo: "0",
      testing: "n",
      discovery: "treewalk",
    },
    rows: [
      {
        ip: "192.0.2.1",
        count: 2,
        disposition: "none",
        dkim: "fail",
        spf: "pass",
        reasons: [],
        headerFrom: "a.example.com",
        envelopeFrom: "bounces.example.com",
        envelopeTo: null,
        signatures: [{ domain: "lists.net", selector: "s", result: "fail" }],
        senders: [{ domain: "bounces.example.com", scope: "mfrom", result: "pass" }],
      },
      {
        ip: "2001:db8::1",
        count: 1,
        disposition: "quarantine",
        dkim: "pass",
        spf: "fail",
        reasons: [{ type: "local_policy", comment: "]]> & <b>\ufffd" }],
        headerFrom: "a.example.com",
        envelopeFrom: "",
        envelopeTo: null,
        signatures: [{ domain: "lists.net", selector: "s", result: "fail" }],
        senders: [],
      },
    ],
  });
  await sendReports(house, REPORTER); // and it is not sent again
  assertEquals(house.sent.length, 1);
});

Deno.test("nothing is sent before the day is over, nor to who does not want it", async () => {
  const store = new SimulatedCounters(() => NOON);
  await at(store, {}, "example.com");
  await at(store, {}, "strangers.net", "p=none; rua=mailto:d@victim.example"); // nobody there agreed
  await at(store, {}, "example.net", "p=none; rua=mailto:dmarc@example.org"); // ourselves
  for (const now of [NOON, Date.parse("2026-03-15T00:05:00Z")]) {
    const early = houseAt(() => now, { store });
    await sendReports(early, REPORTER);
    assertEquals(early.sent, []);
  }
  const house = houseAt(() => NEXT, {
    store,
    zone: { "example.net._report._dmarc.example.org": { txt: ["v=DMARC1"] } },
  });
  await sendReports(house, REPORTER);
  assertEquals(house.sent.map(({ to }) => to), [[{ local: "d", domain: "example.com" }]]);
});

Deno.test("what cannot be sent keeps its counts: name service failed, the queue did not take it", async () => {
  const store = new SimulatedCounters(() => NOON);
  await at(store, {}, "example.com", "p=none; rua=mailto:d@example.net");
  await at(store, {}, "other.com");
  const name = "example.com._report._dmarc.example.net", agreed = { [name]: { txt: ["v=DMARC1"] } };
  const down = houseAt(() => NEXT, { store, zone: { [name]: "servfail" } });
  await sendReports(down, REPORTER);
  assertEquals(down.sent.map(({ to }) => to[0]!.domain), ["other.com"]);
  const full = houseAt(() => NEXT, { store, zone: agreed, send: () => Promise.reject(new Error("disk full")) });
  await assertRejects(() => sendReports(full, REPORTER), Error, "disk full");
  const house = houseAt(() => NEXT + DAY, { store, zone: agreed });
  await sendReports(house, REPORTER);
  assertEquals(house.sent.map(({ to }) => to[0]!.domain), ["example.net"]);
  // sent again it would be the same: RFC 9990 3.5.1
  assertStringIncludes(new TextDecoder().decode(house.sent[0]!.content), "<2026-03-14.example.com@example.org>");
});

Deno.test("at most so many reports a day; the others go on the next", async () => {
  const store = new SimulatedCounters(() => NOON);
  for (let n = 0; n < 25; n++) await at(store, {}, `d${String(n).padStart(2, "0")}.example`);
  const sent: string[] = [];
  for (let day = 0; day < 3; day++) {
    for (let look = 0; look < 2; look++) {
      const house = houseAt(() => NEXT + day * DAY, { store });
      await sendReports(house, REPORTER);
      sent.push(...house.sent.map(({ to }) => to[0]!.domain));
    }
    assertEquals(sent.length, Math.min((day + 1) * 10, 25));
  }
  assertEquals(new Set(sent).size, 25);
});

Deno.test("a stranger who makes every message another row fills his domain's day, and no more", async () => {
  const store = new SimulatedCounters(() => NOON);
  for (let n = 0; n < MAX_ROWS + 50; n++) await at(store, { ip: `192.0.${n >> 8}.${n & 255}` });
  await at(store, { ip: "192.0.0.1" }); // a row that is there counts on
  await at(store, {
    signatures: Array.from(
      { length: 1000 },
      () => ({ domain: "x".repeat(5000), selector: "y".repeat(5000), result: "fail" }),
    ),
  }, "other.com");
  const counts = await countsOf(store, { day: "2026-03-14", domain: "example.com" });
  assertEquals([counts?.rows.length, counts?.left], [MAX_ROWS, 50]);
  assertEquals(counts?.rows.find(({ ip }) => ip === "192.0.0.1")?.count, 2);
  const house = houseAt(() => NEXT, { store });
  await sendReports(house, REPORTER);
  const report = parseReport((await unpack(house.sent[0]!.content))[0]!);
  assertEquals(report.errors, [`50 messages are not in this report: more than ${MAX_ROWS} rows`]);
  const other = await countsOf(store, { day: "2026-03-14", domain: "other.com" });
  assertEquals(other?.rows[0]?.signatures.length, 5);
});

Deno.test("a stranger who makes every message another domain fills what is below the one that he has, and no more", async () => {
  const store = new SimulatedCounters(() => NOON);
  for (let n = 0; n < MAX_DOMAINS + 200; n++) await at(store, {}, `d${n}.example.com`);
  await at(store, {}, "other.com");
  const entries = await store.list({ prefix: "", limit: 10_000 });
  assertEquals(entries.filter(({ name }) => name.startsWith("policy:")).length, MAX_DOMAINS + 1);
  assert(entries.length < 4 * MAX_DOMAINS, `${entries.length} entries`);
});

Deno.test("a day that is full remembers nobody new", async () => {
  const store = new SimulatedCounters(() => NOON);
  await at(store, {});
  await store.put("all:2026-03-14", String(MAX_ROWS_OF_ALL), { seconds: 86_400 });
  for (let n = 0; n < 100; n++) await at(store, {}, `example${n}.com`);
  await at(store, { ip: "192.0.2.77" });
  const names = (await store.list({ prefix: "", limit: 10_000 })).map(({ name }) => name);
  assertEquals(names.length, 6, names.join(" "));
  assertEquals((await countsOf(store, { day: "2026-03-14", domain: "example.com" }))?.left, 1);
});

Deno.test("the signatures that say most are kept (RFC 9990 3.1.3)", async () => {
  const store = new SimulatedCounters(() => NOON);
  const of = (domain: string, result: string) => ({ domain, selector: "s", result });
  const strangers = Array.from({ length: 9 }, (_, n) => of(`${n}.net`, "fail"));
  await at(store, {
    signatures: [...strangers, of("list.net", "pass"), of("example.com", "pass"), of("a.example.com", "pass")],
  });
  const counts = await countsOf(store, { day: "2026-03-14", domain: "example.com" });
  assertEquals(counts?.rows[0]?.signatures.map(({ domain }) => domain), [
    "a.example.com",
    "example.com",
    "list.net",
    "0.net",
    "1.net",
  ]);
});

Deno.test("the last configuration of the day is the one that is reported (RFC 9990 3.1)", async () => {
  const store = new SimulatedCounters(() => NOON);
  await at(store, {}, "example.com", "p=none; rua=mailto:a@example.com");
  await at(store, {}, "example.com", "p=reject; sp=none; np=quarantine; t=y; adkim=s; rua=mailto:b@example.com");
  const counts = await countsOf(store, { day: "2026-03-14", domain: "example.com" });
  const { p, sp, np, testing, adkim } = counts!.policy;
  assertEquals([p, sp, np, testing, adkim], ["reject", "none", "quarantine", "y", "s"]);
  assertEquals([counts!.rua, counts!.rows.map(({ count }) => count)], [[{ local: "b", domain: "example.com" }], [2]]);
});
