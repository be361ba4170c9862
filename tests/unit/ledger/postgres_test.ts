/** A ledger that nodes share: one story of two nodes, its bounds, a database that is gone for a while. */
import { assert, assertEquals } from "@std/assert";
import { PostgresArchive } from "../../../core/ledger/postgres/archive.ts";
import { openPostgresLedger } from "../../../core/ledger/postgres/open.ts";
import { KEEP, SIZE } from "../../../core/ledger/sqlite.ts";
import { newId, shortId } from "../../../core/model/id.ts";
import { Connection } from "../../../core/store/postgres/connection.ts";
import { parseDatabaseUrl } from "../../../core/store/postgres/url.ts";
import { PostgresServer, testWithPostgres } from "../../support/postgres.ts";
import { waitFor } from "../../support/wait.ts";
import { Happening } from "./happenings.ts";

const DAY = 86_400_000, AT = Date.UTC(2026, 10, 30, 12);

testWithPostgres("a ledger in PostgreSQL: what one node received and another one delivered is one story", async () => {
  await using server = await PostgresServer.start();
  const postgres = await server.database(), trouble: string[] = [];
  const node = () =>
    openPostgresLedger({
      ...{ postgres, keep: KEEP, size: SIZE, redact: "hash" },
      now: () => AT + 60_000,
      observer: (event) => event.type === "trouble" && trouble.push(event.message),
    });
  const [a, b] = [node(), node()];
  try {
    const session = new Happening(a.observe, { at: AT });
    const id = session.accept("ada@example.net", ["bob@example.org"]);
    const other = new Happening(b.observe, { at: AT });
    other.accept("eve@example.net", ["bob@example.org"]);
    const tell = (text: string) =>
      b.observe({
        ...{ type: "delivered", transaction: id, session: session.session, sender: "ada@example.net", identity: null },
        ...{
          recipient: "bob@example.org",
          relay: "mx.example.org[192.0.2.1]:25",
          delay: 5,
          status: "2.0.0",
          tls: null,
        },
        ...{ attempts: 1, reply: text },
      });
    tell("250 first"); // it may be written before its message is
    await b.flush();
    session.close();
    other.close();
    await a.flush();
    tell("250 again");
    await b.flush();
    for (const ledger of [a, b]) {
      const story = await ledger.explain(shortId(id));
      assertEquals(story?.id, id);
      assertEquals(story?.attempts.map(({ reply }) => reply), ["250 first", "250 again"]);
      assertEquals((await ledger.search({ to: "bob@example.org" })).entries.length, 2); // one key of hashes for both
      const points = await ledger.rates({ since: AT + 60_000, until: AT + 120_000, step: 60_000 });
      assertEquals(points.map(({ sessions, accepted, delivered }) => [sessions, accepted, delivered]), [[2, 2, 2]]);
      assertEquals((await ledger.size()).entries, 2);
    }
  } finally {
    await a.close();
    await b.close();
  }
  assertEquals(trouble, []);
});

/** A message as the recorder hands it over, with a story that takes so many octets. */
function entryLine(id: string, octets: number): string {
  const head = [id, id, "accepted", "192.0.2.7", "", "mx", "mx", null, null, "", [], 0, 1, null, null, null, null, ""];
  const text = Array.from({ length: octets / 36 }, () => crypto.randomUUID()).join("");
  const part = [[], false, [], [["x", text]], null];
  return `e${JSON.stringify([...head, 0, 0, null, [], null])}\t${JSON.stringify(part)}`;
}

testWithPostgres("a ledger in PostgreSQL: what is too old goes, and the oldest of what is too much", async () => {
  await using server = await PostgresServer.start();
  const postgres = await server.database(), settings = { postgres, size: 4 * 2 ** 20, redact: "none" } as const;
  const archive = new PostgresArchive({ ...settings, keep: 30 * DAY }, { size: 1 });
  let now = AT;
  const some = async (count: number) => {
    const ids = Array.from({ length: count }, () => newId(now));
    await archive.write(ids.map((id) => entryLine(id, 1000)).join("\n"), now);
    return ids[0]!;
  };
  const first = await some(10);
  now += 31 * DAY;
  const second = await some(10);
  assertEquals(await archive.explain(first), null); // its stretch is past, and the write tidied
  assertEquals((await archive.explain(second))?.id, second);
  await archive.write(`l${first}\t${JSON.stringify(["step", ["deliver", "x", "next", "", 0, 0]])}`, now); // nowhere to be
  for (let day = 0; day < 12; day++) {
    now += DAY;
    await some(400);
  }
  const { octets, oldest } = await archive.size();
  assert(octets < 6 * 2 ** 20, `${octets} octets`);
  assert(oldest !== null && oldest > AT + 32 * DAY, String(oldest));
  assertEquals(await archive.explain(second), null);
  assertEquals((await archive.search({ limit: 1 }, now)).entries[0]?.at, now);
  // A recipient with a name for the ages, five thousand of them: the row stays one that can be written
  const long = newId(now), many = Array.from({ length: 5000 }, (_, at) => `${"x".repeat(120)}${at}@example.org`);
  const head = [long, long, "accepted", "192.0.2.7", "", "mx", "mx", null, null, "", many, 5000, 1, null, null, null];
  await archive.write(`e${JSON.stringify([...head, null, "", 0, 0, null, [], null])}\t[[],false,[],[],null]`, now);
  assertEquals((await archive.explain(long))?.recipientCount, 5000);
  await archive.close();
});

testWithPostgres(
  "a ledger in PostgreSQL: the database is gone, which is said once, and it goes on by itself",
  async () => {
    await using server = await PostgresServer.start();
    const postgres = await server.database(), trouble: string[] = [];
    const ledger = openPostgresLedger({
      ...{ postgres, keep: KEEP, size: SIZE, redact: "none", wait: 1 },
      observer: (event) => event.type === "trouble" && trouble.push(event.message),
    });
    const one = () => {
      const session = new Happening(ledger.observe, { at: Date.now() });
      const id = session.accept("ada@example.net", ["bob@example.org"]);
      session.close();
      return id;
    };
    try {
      const before = one();
      assertEquals((await ledger.explain(before))?.id, before);
      await flushed(postgres); // the last moment before a crash may be lost
      await server.kill();
      await waitFor("it to be said", () => {
        one();
        return trouble.length > 0;
      });
      for (let i = 0; i < 50; i++) one();
      await server.resume();
      let after = one();
      await waitFor("another story", async () => {
        after = one();
        return await ledger.explain(after).then((story) => story !== null && story.ended !== null, () => false);
      }, { deadline: 60_000 });
      const story = await ledger.explain(before);
      assertEquals(story?.id, before);
      assertEquals(trouble.length, 1, trouble.join("\n"));
      assert(!trouble[0]!.includes(server.password) && trouble[0]!.startsWith("entries of the ledger are dropped: "));
      assert((await ledger.size()).dropped > 0);
    } finally {
      await ledger.close();
    }
  },
);

async function flushed(url: string): Promise<void> {
  const connection = await Connection.open(parseDatabaseUrl(url));
  await connection.query("checkpoint");
  await connection.end();
}
