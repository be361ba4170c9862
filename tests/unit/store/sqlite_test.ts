/** The embedded store: the contract, and what only a store on a disk can meet. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { Event } from "../../../core/observe/events.ts";
import { openSqliteStore, type SqliteOptions } from "../../../core/store/sqlite.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { encodeCommit } from "../../../core/store/rows.ts";
import { openDatabase, STEPS } from "../../../core/store/schema.ts";
import { type NewMessage, type Store, StoreError } from "../../../core/store/store.ts";
import { storeContract } from "./contract.ts";
import { body, deposit, message, nextId, octets, put, read, recipient, T0 } from "./messages.ts";

storeContract("sqlite", async ({ now }) => {
  const folder = await Deno.makeTempDir();
  const store = await openSqliteStore({ folder, now });
  return {
    store,
    async end() {
      await store.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
});

const lease = { owner: "w1", now: T0, seconds: 60, limit: 100 };
const BIG = 400_000;

/** A folder, and a way to open a store in it that is closed at the end. */
function test(
  name: string,
  run: (folder: string, open: (more?: Partial<SqliteOptions>) => Promise<Store>, events: Event[]) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir(), stores: Store[] = [], events: Event[] = [];
    try {
      await run(folder, async (more = {}) => {
        const store = await openSqliteStore({
          folder,
          now: () => T0,
          observer: (event) => events.push(event),
          ...more,
        });
        stores.push(store);
        return store;
      }, events);
    } finally {
      for (const store of stores) await store.close();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Changes the database as no store would. */
function damage(folder: string, ...statements: string[]): void {
  const db = new DatabaseSync(`${folder}/postern.db`);
  try {
    for (const sql of statements) db.exec(sql);
  } finally {
    db.close();
  }
}
const spooled = (folder: string) => [...Deno.readDirSync(`${folder}/spool`)].map(({ name }) => name);
const troubles = (events: Event[]) => events.map((event) => event.type === "trouble" ? event.message : "").join("\n");

// ---- Opening ---------------------------------------------------------------------------------------------------------

test("everything is there after the store was closed and opened again", async (folder, open) => {
  const first = await open({ folder: `${folder}/a/b` });
  const small = await put(first, { deposits: [deposit("a")], recipients: [recipient("r@x.example")] });
  const big = await put(first, { deposits: [deposit("a")] }, octets(BIG));
  await first.counters.add("n", 3, { seconds: 100 });
  await first.counters.put("old", "x", { seconds: 1 });
  await first.close();
  const second = await open({ folder: `${folder}/a/b`, now: () => T0 + 5000 });
  assertEquals(await read(await second.received(small.id)), octets(100));
  assertEquals(await read(await second.received(big.id)), octets(BIG));
  assertEquals((await second.queue({})).total, 1);
  assertEquals(await second.counters.add("n", 1, { seconds: 100 }), 4);
  assertEquals(await second.counters.get("old"), undefined);
});

test("nobody else may read the mail, also in a folder that others may enter", async (folder, open) => {
  await Deno.chmod(folder, 0o755);
  const store = await open();
  await put(store, { deposits: [deposit("a")] }, octets(BIG));
  for (const name of ["postern.db", "postern.db-wal", "lock", `spool/${spooled(folder)[0]}`]) {
    assertEquals((await Deno.stat(`${folder}/${name}`)).mode! & 0o777, 0o600, name);
  }
  assertEquals((await Deno.stat(`${folder}/spool`)).mode! & 0o777, 0o700);
});

test("case 75: a second store on the folder is refused in one line that names the process", async (folder, open) => {
  const first = await open();
  const refusal = await assertRejects(() => openSqliteStore({ folder }), StoreError);
  assertEquals(refusal.message, `the data folder ${folder} is in use by process ${Deno.pid}; stop it first`);
  await put(first, { deposits: [deposit("a")] });
  await first.close();
  assertEquals((await (await open()).inboxes.list({})).total, 1);
});

test("a folder that cannot be used is refused in one line, and nothing is left behind", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  await Deno.mkdir(`${folder}/taken/postern.db`, { recursive: true });
  for (
    const [path, why] of [["file", /is not a folder/], ["file/below", /folder/], ["taken", /postern\.db/]] as const
  ) {
    const refusal = await assertRejects(() => openSqliteStore({ folder: `${folder}/${path}` }), StoreError);
    assertMatch(refusal.message, why);
    assertMatch(refusal.message, /^[^\n]+$/);
  }
  await Deno.remove(`${folder}/taken/postern.db`);
  await (await openSqliteStore({ folder: `${folder}/taken` })).close(); // the lock was let go
});

for (
  const [what, content] of [
    ["text", new TextEncoder().encode("not a database\n".repeat(2000))],
    ["a header and garbage", new TextEncoder().encode("SQLite format 3\0" + "\x01garbage".repeat(9000))],
  ] as const
) {
  test(`case 72: a database file that is ${what} is refused and left as it is`, async (folder) => {
    await Deno.writeFile(`${folder}/postern.db`, content);
    const refusal = await assertRejects(() => openSqliteStore({ folder }), StoreError);
    assertStringIncludes(refusal.message, `${folder}/postern.db`);
    assertMatch(refusal.message, /^[^\n]+$/);
    assertEquals(await Deno.readFile(`${folder}/postern.db`), content);
  });
}

test("case 72: a database with damaged pages is refused and left as it is", async (folder, open) => {
  const store = await open();
  for (let i = 0; i < 20; i++) await put(store, { deposits: [deposit("a")] }, octets(10_000));
  await store.close();
  const bytes = await Deno.readFile(`${folder}/postern.db`);
  bytes.fill(0x5a, 16384 * 3, 16384 * 12);
  await Deno.writeFile(`${folder}/postern.db`, bytes);
  const refusal = await assertRejects(() => openSqliteStore({ folder }), StoreError);
  assertMatch(refusal.message, /^[^\n]*damaged[^\n]*$/);
  assertEquals(await Deno.readFile(`${folder}/postern.db`), bytes);
});

test("case 75: a database of a newer version, and one of another program, are refused", async (folder, open) => {
  await (await open()).close();
  damage(folder, "pragma user_version = 99");
  assertMatch((await assertRejects(() => openSqliteStore({ folder }), StoreError)).message, /newer version.*format 99/);
  damage(folder, "pragma user_version = 1", "pragma application_id = 7");
  assertMatch(
    (await assertRejects(() => openSqliteStore({ folder }), StoreError)).message,
    /not a database of Postern/,
  );
});

for (const version of [1, 2]) {
  test(`a database of version ${version} is brought up to date, with what stands in it`, async (folder, open) => {
    const later = { state: "deferred", nextAttempt: T0 + 5, lastReply: "451 4.3.0 no" } as const;
    const sent = message({
      parameters: { ...NO_MAIL_PARAMETERS, body: "8BITMIME" },
      recipients: [
        recipient("a@x.example", { nextAttempt: T0 - 1 }),
        recipient("b@x.example", { ...later, route: { to: "remote", via: "up" } }),
        recipient("c@x.example", { state: "held", route: { to: "local", plugin: "box" } }),
        recipient("d@x.example", { ...later, nextAttempt: T0 + 9 }),
      ],
    });
    writtenBefore(folder, sent, version);
    const store = await open();
    const { recipients: _, deposits: __, ...facts } = sent;
    const item = await store.item(sent.id);
    assertEquals(item!.message, { ...facts, size: 100, version: 1 });
    assertEquals(
      item!.recipients,
      sent.recipients.map((one, index) => ({ ...one, index, attempts: 0, told: null, released: false })),
    );
    const due = (now: number) => store.lease({ ...lease, now, exclude: ["mx:y.example"] });
    const taken = async (now: number) => (await due(now)).map(({ recipients: [first] }) => first!.destination);
    assertEquals(await taken(T0), ["mx:x.example"]);
    assertEquals(await store.nextDue({ now: T0 }), T0 + 5);
    assertEquals(await taken(T0 + 5), ["via:up"]);
    assertEquals(await taken(T0 + 9), version === 1 ? ["mx:x.example"] : []);
    assertEquals(await taken(T0 + 10), version === 1 ? [] : ["mx:x.example"], "which its sender appointed");
    assertEquals((await store.queue({ state: "held" })).total, 1);
  });
}

/** A database as an earlier version made it, with one message; version 2 knew appointed moments: its last one is. */
function writtenBefore(folder: string, sent: NewMessage, version: number): void {
  const db = openDatabase(`${folder}/postern.db`, { steps: STEPS.slice(0, version) });
  const { id, receivedAt, size, envelope, recipients } = encodeCommit(sent, 100, null);
  db.prepare("insert into message values (?, 1, ?, ?, ?, null, ?)").run(id, receivedAt, size, envelope, octets(100));
  for (const row of recipients) {
    const local = row.destination.startsWith("local:") ? 1 : 0, due = row.state === "held" ? null : row.next_attempt;
    const appointed = version === 2 && row.idx === 3;
    db.prepare(`insert into recipient values (${"?, ".repeat(10)}null${version === 2 ? ", ?" : ""})`).run(
      ...[id, row.idx, row.state, row.domain, local, row.next_attempt, 0, row.last_reply, row.facts],
      ...(appointed ? [null, T0 + 10] : version === 2 ? [due, null] : [due]),
    );
  }
  db.close();
}

test("what a row says of promises is believed only when it makes sense", async (folder, open) => {
  const bad = [
    ["requireTls", "'yes'"],
    ["holdUntil", "'tomorrow'"],
    ["holdUntil", "1.5"],
    ["priority", "99"],
    ["deliverBy", "5"],
    ["deliverBy", `json('{"at":1,"mode":"X","trace":false}')`],
    ["deliverBy", `json('{"at":"1","mode":"R","trace":false}')`],
  ] as const;
  const sound = {
    ...NO_MAIL_PARAMETERS,
    ...{ requireTls: true, holdUntil: T0, priority: -9, deliverBy: { at: T0, mode: "R", trace: true } } as const,
  };
  const first = await open();
  const ids: string[] = [];
  for (const _ of [...bad, null]) {
    ids.push((await put(first, { parameters: sound, recipients: [recipient("a@x.example")] })).id);
  }
  await first.close();
  damage(
    folder,
    ...bad.map(([key, value], i) =>
      `update message set envelope = json_set(envelope, '$.parameters.${key}', ${value}) where id = '${ids[i]}'`
    ),
  );
  const second = await open();
  const leased = await second.lease(lease);
  assertEquals(leased.map(({ message }) => [message.id, message.parameters]), [[ids.at(-1)!, sound]]);
  assertEquals((await second.queue({})).corrupt.length, bad.length);
});

// ---- Leases and files at the start -----------------------------------------------------------------------------------

test("leases end with the process that had them", async (_, open) => {
  const first = await open();
  const { id } = await put(first, { recipients: [recipient("a@x.example")] });
  const [held] = await first.lease({ ...lease, seconds: 3600 });
  await first.close();
  const second = await open();
  assertEquals(await second.nextDue({ now: 0 }), T0);
  assertEquals((await second.item(id))!.recipients[0]!.state, "ready");
  assertEquals(await second.settle(held!, [{ index: 0, state: "failed" }]), false);
  assertEquals((await second.lease(lease)).length, 1);
});

test("case 12: spool files are gone with their message, with an abort and with a refusal", async (folder, open) => {
  const store = await open();
  const kept = await put(store, { deposits: [deposit("a")] }, octets(BIG));
  assertEquals(spooled(folder).length, 1);
  const aborted = store.receive(nextId());
  await aborted.write(octets(BIG));
  aborted.abort();
  (await body(store, nextId(), octets(BIG))).discard();
  const twin = await body(store, nextId(), octets(BIG));
  await assertRejects(() => store.commit(message({ id: kept.id, deposits: [deposit("b")] }), twin), StoreError);
  await store.commit(message(), await body(store, nextId(), octets(BIG))); // for nobody
  await store.inboxes.remove({ id: kept.id });
  await store.close(); // waits for the removals
  assertEquals(spooled(folder), []);
});

test(
  "files of what was received go with the message, outlive a restart, and those of a failed commit go at once",
  async (folder, open) => {
    const first = await open();
    const both = async (id: string) => {
      const received = await body(first, id, octets(BIG)), content = await body(first, id, octets(BIG + 1));
      return { received, content };
    };
    const kept = message({ deposits: [deposit("a")] });
    const one = await both(kept.id);
    await first.commit(kept, one.content, { received: one.received });
    const twin = await both(kept.id);
    const again = first.commit(message({ id: kept.id, deposits: [deposit("b")] }), twin.content, {
      received: twin.received,
    });
    await assertRejects(() => again, StoreError);
    await first.close();
    assertEquals(spooled(folder).length, 2);
    for (const name of spooled(folder)) await Deno.utime(`${folder}/spool/${name}`, 0, 0);
    const second = await open();
    assertEquals(await read(await second.received(kept.id)), octets(BIG));
    await second.inboxes.remove({ id: kept.id });
    await second.close();
    assertEquals(spooled(folder), []);
  },
);

test("spool files without a row are removed at the start once they are an hour old", async (folder, open) => {
  const first = await open();
  const { id } = await put(first, { deposits: [deposit("a")] }, octets(BIG));
  await first.close();
  const [kept] = spooled(folder);
  const old = `${nextId()}.0`, young = `${nextId()}.0`, foreign = "notes.txt";
  for (const [name, age] of [[old, 3601], [young, 3500], [foreign, 9999]] as const) {
    await Deno.writeTextFile(`${folder}/spool/${name}`, "left by a crash");
    await Deno.utime(`${folder}/spool/${name}`, T0 / 1000 - age, T0 / 1000 - age);
  }
  await Deno.utime(`${folder}/spool/${kept}`, 0, 0);
  const second = await open();
  assertEquals(spooled(folder).sort(), [kept!, young, foreign].sort());
  assertEquals(await read(await second.received(id)), octets(BIG));
});

// ---- More than one transaction's work --------------------------------------------------------------------------------

test(
  "more than a transaction brings forward is leased whole: appointed, and planned by a wrong clock",
  async (_, open) => {
    const store = await open(), far = T0 + 9e10;
    const later = { state: "deferred", nextAttempt: T0 + 5, appointed: true } as const;
    await put(store, { recipients: Array.from({ length: 1200 }, (_, i) => recipient(`u${i}@x.example`, later)) });
    const planned = { state: "deferred", nextAttempt: far } as const;
    await put(store, { recipients: Array.from({ length: 1100 }, (_, i) => recipient(`u${i}@y.example`, planned)) });
    await put(store, { recipients: Array.from({ length: 700 }, (_, i) => recipient(`u@d${i}.example`, planned)) });
    assertEquals(await store.lease({ ...lease, horizon: far }), []);
    const sizes = async (more: object) =>
      (await store.lease({ ...lease, limit: 1000, ...more })).map(({ recipients }) => recipients.length);
    assertEquals(await sizes({ now: T0 + 5 }), [1200]);
    const second = await sizes({ now: T0 + 6, horizon: far - 1 });
    assertEquals(second.sort((a, b) => b - a), [1100, ...Array(700).fill(1)]);
  },
);

test("destinations that wait longer than they did hide none that is due", async (_, open) => {
  const store = await open();
  for (let part = 0; part < 2; part++) {
    const old = { nextAttempt: T0 - 100 };
    await put(store, { recipients: Array.from({ length: 700 }, (_, i) => recipient(`u@d${i}.example`, old)) });
  }
  const names = Array.from({ length: 700 }, (_, i) => `mx:d${i}.example`);
  await Promise.all(names.map((destination) => store.postpone({ destination, until: T0 + 100, now: T0 })));
  const { id } = await put(store, { recipients: [recipient("a@x.example")] });
  assertEquals(await store.nextDue({ now: T0 }), T0 + 100);
  assertEquals((await store.lease({ ...lease, limit: 10 })).map(({ message }) => message.id), [id]);
  assertEquals(await store.lease({ ...lease, limit: 10 }), []);
});

test("case 76: a fair part for each destination: who has a great many that are older leaves room", async (_, open) => {
  const store = await open();
  for (let i = 0; i < 50; i++) {
    await put(store, { recipients: [recipient("a@greedy.example", { nextAttempt: T0 - 9 })] });
  }
  for (let i = 0; i < 4; i++) await put(store, { recipients: [recipient(`a@d${i}.example`)] });
  const count = async (limit: number) => {
    const leases = await store.lease({ ...lease, limit });
    const greedy = leases.filter(({ recipients }) => recipients[0]!.destination === "mx:greedy.example").length;
    return [greedy, leases.length - greedy];
  };
  assertEquals([await count(20), await count(20), await count(20)], [[16, 4], [20, 0], [14, 0]]);
});

// ---- Damaged rows ----------------------------------------------------------------------------------------------------

test(
  "case 72: damaged rows are set aside with a reason, and everything else is delivered",
  async (folder, open, events) => {
    const first = await open();
    const make = (content = octets(100)) =>
      put(first, { recipients: [recipient("a@x.example"), recipient("b@x.example")] }, content);
    const [json, version, cut, gone, short, orphan, route, state, good] = [
      await make(),
      await make(),
      await make(),
      await make(octets(BIG)),
      await make(octets(BIG)),
      await make(),
      await make(),
      await make(),
      await make(),
    ];
    await first.close();
    damage(
      folder,
      `update message set envelope = '{"sender":' where id = '${json!.id}'`,
      `update message set version = 77 where id = '${version!.id}'`,
      `update message set body = x'00' where id = '${cut!.id}'`,
      `delete from message where id = '${orphan!.id}'`,
      `update recipient set facts = '{"route":1}' where message = '${route!.id}' and idx = 0`,
      `update recipient set state = 'whatever' where message = '${state!.id}' and idx = 1`,
    );
    for (const name of spooled(folder)) {
      if (name.startsWith(gone!.id)) await Deno.remove(`${folder}/spool/${name}`);
      if (name.startsWith(short!.id)) await Deno.truncate(`${folder}/spool/${name}`, 5);
    }
    const bad = [json!, version!, cut!, gone!, short!, orphan!, route!, state!].map(({ id }) => id);

    const second = await open();
    const before = await second.queue({});
    assertEquals(before.corrupt.map(({ id }) => id).sort(), [...bad].sort());
    for (const { why } of before.corrupt) assertMatch(why, /^[^\n]{5,100}$/);
    const leases = await second.lease(lease);
    const taken = leases.flatMap((one) => one.recipients.map(({ index }) => [one.message.id, index]));
    assertEquals(taken.sort(), [[good!.id, 0], [good!.id, 1], [route!.id, 1], [state!.id, 0]].sort());
    assertEquals(await second.lease(lease), []);
    assertEquals(await second.nextDue({ now: 0 }), T0 + 60_000);
    const after = await second.queue({});
    assertEquals(after.corrupt.map(({ id }) => id).sort(), [...bad].sort());
    assertEquals(after.items.map(({ message }) => message.id).includes(json!.id), false);
    for (const id of bad) if (id !== orphan!.id) assertStringIncludes(troubles(events), id);
    assertStringIncludes(troubles(events), "2 recipients without a message are set aside");
    for (const id of [json!.id, version!.id, cut!.id, gone!.id, short!.id]) {
      await assertRejects(async () => await second.raw(id), StoreError, "corrupt");
    }
    assertEquals(await read(await second.received(json!.id)), octets(100)); // a person can still have the octets
    for (const id of bad) await second.change({ id }, { do: "delete" });
    assertEquals((await second.queue({})).corrupt, []);
    assertEquals((await second.queue({})).items.map(({ message }) => message.id), [good!.id]);
  },
);

test("a damaged message does not hide its inbox from a list", async (folder, open) => {
  const first = await open();
  const sent = await put(first, { deposits: [deposit("a")] });
  await put(first, { deposits: [deposit("a")] });
  await first.close();
  damage(folder, `update message set envelope = '' where id = '${sent.id}'`, `update inbox set recipients = 'x'`);
  const second = await open();
  assertEquals((await second.inboxes.list({ inbox: "a" })).messages.length, 2);
  assertEquals(await second.inboxes.remove({ id: sent.id }), 1);
});

// ---- Memory ----------------------------------------------------------------------------------------------------------

test(
  "bodies past the budget spill, keep their head, and the memory is bounded and given back",
  async (folder, open) => {
    const store = await open({ memoryBudget: 300_000 });
    const content = octets(200_000);
    const writers = Array.from({ length: 20 }, () => store.receive(nextId()));
    for (let at = 0; at < content.length; at += 10_000) {
      for (const writer of writers) await writer.write(content.subarray(at, at + 10_000));
      assert(store.health().bodyBytes < 400_000, `${store.health().bodyBytes} octets`);
    }
    const bodies = await Promise.all(writers.map((writer) => writer.finish()));
    assert(bodies.filter(({ memory }) => memory === null).length >= 18);
    for (const one of bodies) {
      assertEquals(one.head.subarray(0, 14), content.subarray(0, 14));
      assertEquals(await read(one.stream()), content);
      await store.commit(message({ deposits: [deposit("a")] }), one);
    }
    assertEquals(store.health().bodyBytes, 0);
    const { messages } = await store.inboxes.list({ limit: 20 });
    for (const { id } of messages) assertEquals(await read(await store.received(id)), content);
    assertEquals(spooled(folder).length, bodies.filter(({ memory }) => memory === null).length);
  },
);

test("health tells of free space and of how long the writer lets people wait", async (_, open) => {
  const store = await open();
  assertEquals(store.health().writerWait, 0);
  assert(store.health().freeBytes > 1_000_000);
  const made = await body(store, nextId(), octets(100));
  const commit = store.commit(message({ deposits: [deposit("a")] }), made);
  assert(store.health().writerWait > 0);
  await commit;
  assertEquals(store.health().writerWait, 0);
});

// ---- Threads that die ------------------------------------------------------------------------------------------------

test(
  "a writer thread that dies takes its batch with it, is started again, and loses nothing",
  async (folder, open, events) => {
    const started: Worker[] = [], Original = globalThis.Worker;
    globalThis.Worker = class extends Original {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        started.push(this);
      }
    };
    try {
      const store = await open();
      const [writer, reader] = started;
      const before = await put(store, { deposits: [deposit("a")] });
      await store.inboxes.names();
      const big = await body(store, nextId(), octets(BIG));
      const lost = message({ deposits: [deposit("lost")] });
      const commit = store.commit(lost, big);
      writer!.postMessage(null); // a question that no thread of ours asks
      reader!.postMessage(null);
      const results = await Promise.allSettled([
        commit,
        ...Array.from({ length: 5 }, () => put(store, { deposits: [deposit("b")] })),
      ]);
      const refused = results.filter(({ status }) => status === "rejected").length;
      for (const result of results) {
        if (result.status === "rejected") assert(result.reason instanceof StoreError && result.reason.fault === "io");
      }
      let after = null;
      for (let tries = 0; after === null; tries++) {
        assert(tries < 1000, troubles(events));
        after = await put(store, { deposits: [deposit("c")] }).catch(() => null);
      }
      assertEquals(await read(await store.received(before.id)), octets(100));
      assertEquals((await store.inboxes.list({})).total, 2 + results.length - refused);
      assertStringIncludes(troubles(events), "the writer thread ended");
      assertStringIncludes(troubles(events), "the writer thread runs again");
      assertEquals((await store.queue({})).corrupt, []);
      await store.close();
      const again = await open(); // and no file is left without its row, no row without its file
      assertEquals((await again.inboxes.list({})).total, 2 + results.length - refused);
      const files = results[0]!.status === "fulfilled" ? 1 : 0;
      assertEquals(spooled(folder).length, files);
    } finally {
      globalThis.Worker = Original;
    }
  },
);
