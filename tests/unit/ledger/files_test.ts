/** The ledger's files: what is too old or too much goes, what is damaged is set aside, a killed writer loses little. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { newId } from "../../../core/model/id.ts";
import { Archive } from "../../../core/ledger/archive/archive.ts";
import type { Ledger } from "../../../core/ledger/ledger.ts";
import { openLedgerReader } from "../../../core/ledger/open.ts";
import { openSqliteLedger } from "../../../core/ledger/sqlite.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { Happening } from "./happenings.ts";

const DAY = 86_400_000, AT = Date.UTC(2026, 10, 30, 12);

function one(ledger: Ledger, at: number, recipient = "bob@example.org"): string {
  const session = new Happening(ledger.observe, { at });
  const id = session.accept("ada@example.net", [recipient]);
  session.close();
  return id;
}
const files = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => !/-(wal|shm)$/.test(name)).sort();

Deno.test("a file for each day, with the rights of its owner alone; what is older than keep goes by the day", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("ledger");
  let now = AT;
  const ledger = openSqliteLedger({ folder: path, keep: 30 * DAY, now: () => now });
  const old = one(ledger, AT);
  await ledger.flush();
  now += DAY;
  const young = one(ledger, now);
  await ledger.flush();
  assertEquals(files(path), ["2026-11-30T00-00-00.000Z.db", "2026-12-01T00-00-00.000Z.db"]);
  for (const name of files(path)) assertEquals(Deno.statSync(`${path}/${name}`).mode! & 0o777, 0o600, name);
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o700);
  assertEquals((await ledger.search({})).entries.map(({ id }) => id), [young, old]);
  now = AT + 30 * DAY + 1; // its day has others that are not old enough
  assertEquals((await ledger.search({})).entries.map(({ id }) => id), [young]);
  now = AT + 31 * DAY;
  one(ledger, now);
  await ledger.flush();
  assertEquals(files(path), ["2026-12-01T00-00-00.000Z.db", "2026-12-31T00-00-00.000Z.db"]);
  assertEquals(await ledger.explain(old), null);
  await ledger.close();
});

/** A message as the recorder hands it over, with a story that takes so many octets. */
function entryLine(id: string, octets: number): string {
  const head = [id, id, "accepted", "192.0.2.7", "", "mx", "mx", null, null, "", [], 0, 1, null, null, null, null, ""];
  const part = [[], false, [], [], null, "x".repeat(octets)];
  return `e${JSON.stringify([...head, 0, 0, null, [], null])}\t${JSON.stringify(part)}`;
}

Deno.test("all of it together keeps within its size: the oldest goes first", () => {
  const archive = new Archive({ folder: null, keep: null, size: 2 ** 20, redact: "none" });
  let now = AT, first = "", last = "";
  for (let batch = 0; batch < 60; batch++) {
    const lines: string[] = [];
    for (let i = 0; i < 50; i++) {
      last = newId(now += 1000);
      first ||= last;
      lines.push(entryLine(last, 1000));
    }
    archive.write(lines.join("\n"), now);
    assert(archive.size().octets < 1.5 * 2 ** 20, `${archive.size().octets} after ${batch}`);
  }
  assertEquals(archive.explain(first), null);
  assertEquals(archive.search({ limit: 1 }, now).entries[0]!.id, last);
  assert(archive.size().entries > 200, String(archive.size().entries));
  archive.close();
});

Deno.test("what is no ledger, or a damaged one, is set aside with a word, and a new one is begun", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("ledger"), name = "2026-11-30T00-00-00.000Z.db", trouble: string[] = [];
  await Deno.mkdir(path);
  await Deno.writeTextFile(
    `${path}/${name}`,
    "this is no database, and it is longer than a header of SQLite would be".repeat(50),
  );
  const ledger = openSqliteLedger({
    folder: path,
    now: () => AT,
    observer: (event) => event.type === "trouble" && trouble.push(event.message),
  });
  const id = one(ledger, AT);
  assertEquals((await ledger.search({})).entries.map((each) => each.id), [id]);
  await ledger.close();
  assertEquals(trouble.length, 1);
  assertMatch(trouble[0]!, /cannot be read and is set aside as .*corrupt-\d+: /);
  assertEquals(files(path).map((each) => each.replace(/\d+$/, "N")), [name, `${name}.corrupt-N`]);
});

Deno.test("a folder that cannot be had: mail goes on, entries are dropped and counted, and it is said once", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.file("ledger", "a file where the folder should be"), trouble: string[] = [];
  const ledger = openSqliteLedger({
    folder: path,
    now: () => AT,
    wait: 1,
    observer: (event) => event.type === "trouble" && trouble.push(event.message),
  });
  for (let i = 0; i < 5; i++) one(ledger, AT + i);
  await waitFor("it to be told", () => trouble.length >= 1);
  for (let i = 0; i < 5; i++) one(ledger, AT + i);
  await ledger.flush().catch(() => {});
  await ledger.close();
  assert(trouble.length <= 3, trouble.join("\n"));
});

Deno.test("a process that is killed: the file opens again, and what was flushed is there", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await Deno.mkdir(data);
  const script = await folder.file(
    "killed.ts",
    `
    import { openSqliteLedger } from "${new URL("../../../core/ledger/sqlite.ts", import.meta.url)}";
    import { Happening } from "${new URL("./happenings.ts", import.meta.url)}";
    const ledger = openSqliteLedger({ folder: "${data}/ledger", now: () => ${AT} });
    for (let i = 0;; i++) {
      const session = new Happening(ledger.observe, { at: ${AT} + i });
      session.accept("ada@example.net", ["bob@example.org"]);
      session.close();
      if (i % 50 === 0) await ledger.flush();
      if (i === 500) console.log("flushed");
    }`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", new URL("../../../deno.json", import.meta.url).pathname, script],
    stdout: "piped",
    stderr: "null",
  })
    .spawn();
  const reader = child.stdout.getReader();
  assertMatch(new TextDecoder().decode((await reader.read()).value), /flushed/);
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
  const again = openSqliteLedger({ folder: `${data}/ledger`, now: () => AT });
  assert((await again.size()).entries >= 500);
  const id = one(again, AT + 1_000_000);
  assertEquals((await again.search({ limit: 1 })).entries[0]!.id, id);
  await again.close();
});

Deno.test("the ledger of a stopped server is read, and nothing of it is written", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await Deno.mkdir(data);
  assertEquals(openLedgerReader(data), null);
  const ledger = openSqliteLedger({ folder: `${data}/ledger`, now: () => AT });
  const id = one(ledger, AT);
  await ledger.close();
  const reader = openLedgerReader(data)!;
  assertEquals(reader.search({ to: "bob@example.org" }, AT).entries.map((each) => each.id), [id]);
  assertEquals(reader.explain(id.slice(-8))?.sender, "ada@example.net");
  reader.close();
});

Deno.test("hashes of addresses are the same after a restart", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("ledger"), open = () => openSqliteLedger({ folder: path, redact: "hash", now: () => AT });
  const first = open(), id = one(first, AT);
  await first.close();
  assertEquals(Deno.statSync(`${path}/key`).mode! & 0o777, 0o600);
  const again = open();
  assertEquals((await again.search({ to: "bob@example.org" })).entries.map((each) => each.id), [id]);
  assertEquals(await again.forget("bob@example.org"), 1);
  assertEquals((await again.search({ to: "bob@example.org" })).entries, []);
  await again.close();
});

Deno.test("to be forgotten is to be gone from the files: however it was written, log, free pages and index included", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("ledger"), ledger = openSqliteLedger({ folder: path, now: () => AT });
  const names = ["needle@example.org", "N\u00c9\u00c9DLE@example.org", '"needle \\"the\\" thin"@example.org'];
  for (let i = 0; i < 300; i++) {
    const session = new Happening(ledger.observe, { at: AT + i }),
      [first, wide, quoted] = names as [string, string, string];
    session.decide("mail", "spf", "next", {
      reason: `smtp.mailfrom=${first} is not '${first}', ${wide} or ${quoted}: ${"x".repeat(i)}`,
    });
    session.accept("eve@example.net", [i % 2 === 0 ? wide : quoted, "needle@example.com"]);
    session.close();
  }
  const after = one(ledger, AT + 400, "bob@example.org");
  ledger.observe({
    type: "delivered",
    transaction: after,
    session: `s${after}`,
    sender: "ada@example.net",
    recipient: "bob@example.org",
    relay: "mx.example.org",
    delay: 1,
    attempts: 1,
    status: "2.0.0",
    reply: "250 2.0.0 orcpt=needle@example.org taken",
    identity: null,
    tls: null,
  });
  ledger.observe({ type: "audit", by: "ops", ip: "", action: "delete", subject: "queue q=needle@example.org" });
  await ledger.flush();
  const holds = (pattern: RegExp) =>
    [...Deno.readDirSync(path)].flatMap(({ name }) =>
      new TextDecoder().decode(Deno.readFileSync(`${path}/${name}`)).match(pattern) ?? []
    );
  assert(holds(/needle@example\.org/gi).length > 300);
  for (const name of names) await ledger.forget(name);
  assertEquals(holds(/needle@example\.org|n\u00e9\u00e9dle|n\u00c9\u00c9dle|thin/gi), []);
  assert(holds(/needle@example\.com/g).length >= 300, "another address stays");
  assertEquals(await ledger.forget("eedle@example.com"), 0, "the end of an address is no address");
  assertEquals((await ledger.search({ to: "needle@example.com", limit: 500 })).entries.length, 300);
  await ledger.close();
});

Deno.test("a writer that is behind: what is too much is dropped and counted, and that is said once", async () => {
  const trouble: string[] = [];
  const ledger = openSqliteLedger({
    now: () => AT,
    observer: (event) => event.type === "trouble" && trouble.push(event.message),
  });
  for (let i = 0; i < 60_000; i++) one(ledger, AT + i); // its thread cannot answer in between
  const { dropped } = await ledger.size();
  assert(dropped > 0);
  assertMatch(trouble.join("\n"), /^entries of the ledger are dropped: [^\n]+$/);
  const { entries } = await ledger.size();
  assertEquals(entries + dropped, 60_000);
  assertEquals((await ledger.search({ limit: 1 })).entries.length, 1);
  await ledger.close();
});

Deno.test("a damaged file of another day takes no answer along: it is set aside when it is looked into", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("ledger"), trouble: string[] = [];
  let now = AT;
  const open = () =>
    openSqliteLedger({
      folder: path,
      now: () => now,
      observer: (event) => event.type === "trouble" && trouble.push(event.message),
    });
  let ledger = open();
  for (let i = 0; i < 1000; i++) one(ledger, AT + i * 10, `bob${i}@example.org`);
  await ledger.flush();
  now += DAY;
  const young = one(ledger, now, "bob@example.org");
  await ledger.close();
  const name = "2026-11-30T00-00-00.000Z.db", whole = await Deno.readFile(`${path}/${name}`);
  const holed = whole.slice();
  for (let page = 3; page < holed.length / 4096 - 1; page += 2) holed.fill(0xff, page * 4096, (page + 1) * 4096);
  const questions: Record<string, (asked: Ledger) => Promise<unknown>> = {
    all: (asked) => asked.search({ limit: 500 }),
    words: (asked) => asked.search({ q: "bob" }),
    size: (asked) => asked.size(),
    plugins: (asked) => asked.plugins(0),
  };
  for (const [what, ask] of Object.entries(questions)) {
    await Deno.writeFile(`${path}/${name}`, holed);
    const reader = openLedgerReader(folder.path)!;
    assertEquals(reader.search({ limit: 500 }, now).entries.map(({ id }) => id), [young]);
    assertEquals(reader.takeTrouble().length, 1);
    reader.close();
    assertEquals(files(path).includes(name), true, "who only reads moves nothing");
    trouble.length = 0;
    ledger = open();
    await ask(ledger);
    assertEquals((await ledger.search({ limit: 500 })).entries.map(({ id }) => id), [young], what);
    assertEquals((await ledger.size()).entries, 1, what);
    await ledger.close();
    assertEquals(trouble.length, 1, what);
    assertMatch(trouble[0]!, /2026-11-30.* cannot be read and is set aside/);
  }
});

Deno.test("a clock that ran ahead for a while: the bound of the size still drops little at a time", () => {
  const archive = new Archive({ folder: null, keep: null, size: 2 ** 20, redact: "none" });
  let now = AT, most = 0;
  const write = (moment: number) => {
    archive.write(entryLine(newId(moment), 20_000), moment);
  };
  write(now + 400 * DAY);
  for (let n = 0; n < 200; n++) {
    const before = archive.size().entries;
    write(now += 1000);
    most = Math.max(most, before - archive.size().entries);
  }
  assert(archive.size().octets < 1.5 * 2 ** 20, String(archive.size().octets));
  assert(most < 20, `${most} entries went at once`);
  archive.close();
});
