/** The writer thread's half, on the test's own thread, over a database that fails when told to. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { DatabaseSync } from "node:sqlite";
import type { CommitOperation, Operation, Outcome } from "../../../core/store/protocol.ts";
import { encodeCommit } from "../../../core/store/rows.ts";
import { Destinations } from "../../../core/store/destinations.ts";
import { Leasing } from "../../../core/store/leasing.ts";
import { openDatabase, type SQLInputValue } from "../../../core/store/schema.ts";
import { SetAside } from "../../../core/store/set_aside.ts";
import { Writer } from "../../../core/store/sqlite_writer.ts";
import { Statements } from "../../../core/store/statements.ts";
import { deposit, message, nextId, octets, recipient, T0 } from "./messages.ts";

interface Faults {
  /** Called before a statement runs; what it throws is the statement's error. */
  before?: (sql: string) => void;
  /** Called after a statement ran. */
  after?: (sql: string) => void;
}

/** The real database, with a hook around each statement's run(). */
function faulty(db: DatabaseSync, faults: Faults): DatabaseSync {
  const prepare = (sql: string) => {
    const statement = db.prepare(sql);
    return new Proxy(statement, {
      get(target, name) {
        if (name !== "run") {
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        }
        return (...values: never[]) => {
          faults.before?.(sql);
          const result = target.run(...values);
          faults.after?.(sql);
          return result;
        };
      },
    });
  };
  return new Proxy(db, {
    get(target, name) {
      if (name === "prepare") return prepare;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function sqliteError(errcode: number, text: string): Error {
  return Object.assign(new Error(text), { code: "ERR_SQLITE_ERROR", errcode });
}
const FSYNC = () => sqliteError(1034, "disk I/O error"); // SQLITE_IOERR_FSYNC

function commit(size = 500, id = nextId()): { operation: CommitOperation; body: Uint8Array } {
  const made = message({ id, recipients: [recipient("a@x.example")], deposits: [deposit("box")] });
  const body = octets(size);
  return {
    body,
    operation: encodeCommit(made, size, null),
  };
}

function batchOf(commits: readonly { operation: CommitOperation; body: Uint8Array }[]): [Operation[], ArrayBuffer] {
  let at = 0;
  for (const { operation, body } of commits) {
    operation.at = at;
    at += body.length;
  }
  const buffer = new Uint8Array(at);
  for (const { operation, body } of commits) buffer.set(body, operation.at);
  return [commits.map(({ operation }) => operation), buffer.buffer];
}

async function withWriter(
  run: (writer: Writer, faults: Faults, db: DatabaseSync, folder: string) => void,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/spool`);
  const db = openDatabase(`${folder}/postern.db`), faults: Faults = {};
  const writer = new Writer({ ask: "open", folder, now: T0, first: true, refused: [] }, faulty(db, faults));
  try {
    run(writer, faults, db, folder);
  } finally {
    writer.close();
    await Deno.remove(folder, { recursive: true });
  }
}

const fault = (outcome: Outcome | undefined) => outcome?.fault ?? "done";
const rows = (db: DatabaseSync, table = "message") => Number(db.prepare(`select count(*) as n from ${table}`).get()!.n);
const fence = (db: DatabaseSync) => Number(db.prepare("select number from fence").get()!.number);

Deno.test("case 71: an fsync that fails in the commit refuses the whole batch and is not tried again", () =>
  withWriter((writer, faults, db) => {
    const begun = fence(db);
    let commits = 0;
    faults.before = (sql) => {
      if (sql === "commit" && commits++ === 0) throw FSYNC();
    };
    const batch = batchOf([commit(), commit(), commit()]);
    const { outcomes, trouble } = writer.batch(...batch);
    assertEquals(outcomes.map(fault), ["io", "io", "io"]);
    assertEquals(commits, 2, "the failed one and the fence's");
    assertEquals([rows(db), rows(db, "recipient"), rows(db, "inbox")], [0, 0, 0]);
    assertEquals(fence(db), begun + 1);
    assertStringIncludes(trouble.join("\n"), "disk I/O error");
    assertEquals(writer.batch(...batchOf([commit()])).outcomes.map(fault), ["done"]);
    assertEquals(fence(db), begun + 1);
  }));

Deno.test("case 71: rows of a commit that was reported failed but happened are gone before the refusal", () =>
  withWriter((writer, faults, db) => {
    let commits = 0;
    faults.after = (sql) => {
      if (sql === "commit" && commits++ === 0) throw FSYNC();
    };
    const kept = commit();
    assertEquals(writer.batch(...batchOf([commit(), commit()])).outcomes.map(fault), ["io", "io"]);
    assertEquals([rows(db), rows(db, "recipient"), rows(db, "inbox")], [0, 0, 0]);
    assertEquals(writer.batch(...batchOf([kept])).outcomes.map(fault), ["done"]);
    assertEquals(rows(db), 1);
  }));

Deno.test("while the fence cannot be written everything is refused, and nothing turns up afterwards", () =>
  withWriter((writer, faults, db) => {
    let broken = true;
    faults.after = (sql) => {
      if (sql === "commit" && broken) throw FSYNC();
    };
    for (let i = 0; i < 3; i++) {
      assertEquals(writer.batch(...batchOf([commit(), commit()])).outcomes.map(fault), ["io", "io"]);
    }
    broken = false;
    assertEquals(writer.batch(...batchOf([commit()])).outcomes.map(fault), ["done"]);
    assertEquals(rows(db), 1);
  }));

Deno.test("a full database refuses what does not fit as full, takes what fits, and stays usable", () =>
  withWriter((writer, _, db) => {
    const pages = Number(db.prepare("pragma page_count").get()!.page_count);
    db.exec(`pragma max_page_count = ${pages + 8}`);
    const { outcomes } = writer.batch(...batchOf([commit(500), commit(1_000_000), commit(500)]));
    assertEquals(outcomes.map(fault), ["done", "full", "done"]);
    assertEquals(rows(db), 2);
    const alone = writer.batch(...batchOf([commit(1_000_000)])).outcomes[0]!;
    assertEquals(fault(alone), "full");
    assertStringIncludes((alone as { message: string }).message, "database or disk is full");
    db.exec("pragma max_page_count = 100000");
    assertEquals(writer.batch(...batchOf([commit(1_000_000)])).outcomes.map(fault), ["done"]);
  }));

Deno.test("one bad message of a batch is refused alone, whatever stands around it", () =>
  withWriter((writer, _, db) => {
    const first = commit(), twin = commit(500, first.operation.id);
    const missing = { ...commit(), operation: { ...commit().operation, at: 0, size: 1e9 } };
    const [operations, buffer] = batchOf([first, commit(), twin, commit()]);
    const { outcomes } = writer.batch([...operations, missing.operation], buffer);
    assertEquals(outcomes.map(fault), ["done", "done", "io", "done", "io"]);
    assertEquals([rows(db), rows(db, "inbox")], [3, 3]);
  }));

Deno.test("an I/O error in the middle of a transaction refuses it all", () =>
  withWriter((writer, faults, db) => {
    let inserts = 0;
    faults.before = (sql) => {
      if (sql.startsWith("insert into message") && ++inserts === 2) throw sqliteError(778, "disk I/O error");
    };
    assertEquals(writer.batch(...batchOf([commit(), commit(), commit()])).outcomes.map(fault), ["io", "io", "io"]);
    assertEquals([inserts, rows(db)], [2, 0]);
  }));

Deno.test("a file goes only after the transaction that forgets it is durable", () =>
  withWriter((writer, faults, db, folder) => {
    const { operation } = commit(3);
    const path = `${folder}/spool/X.0`;
    Deno.writeTextFileSync(path, "abc");
    const recipients: CommitOperation["recipients"] = [];
    writer.batch([{ ...operation, file: "X.0", recipients }], new ArrayBuffer(0));
    const remove: Operation = { do: "remove", id: null, inbox: null, limit: 10 };
    let broken = true;
    faults.before = (sql) => {
      if (sql === "commit" && broken) {
        broken = false;
        throw FSYNC();
      }
    };
    assertEquals(fault(writer.batch([remove], new ArrayBuffer(0)).outcomes[0]), "io");
    assertEquals(Deno.statSync(path).size, 3);
    assertEquals(rows(db), 1);
    assertEquals(fault(writer.batch([remove], new ArrayBuffer(0)).outcomes[0]), "done");
    assertEquals(rows(db), 0);
    assert(![...Deno.readDirSync(`${folder}/spool`)].some(({ name }) => name === "X.0"));
  }));

Deno.test("resting moves the log into the database and gives free pages back", () =>
  withWriter((writer, _, db, folder) => {
    const commits = Array.from({ length: 60 }, () => commit(200_000));
    for (const one of commits) one.operation = { ...one.operation, recipients: [] };
    writer.batch(...batchOf(commits));
    writer.batch([{ do: "remove", id: null, inbox: null, limit: 100 }], new ArrayBuffer(0));
    const pages = () => Number(db.prepare("pragma page_count").get()!.page_count);
    const before = pages();
    let rounds = 0;
    while (writer.rest() && rounds < 100) rounds++;
    assert(rounds < 100);
    assert(pages() < before / 4, `${pages()} pages of ${before}`);
    assertEquals(Deno.statSync(`${folder}/postern.db`).size, pages() * 16384);
  }));

// ---- Outcomes with reports -------------------------------------------------------------------------------------------

/** Settles the first recipient of `id`, leased by `lease`, with reports. */
function settle(id: string, reports: readonly { operation: CommitOperation; body: Uint8Array }[]) {
  const [operations, octets] = batchOf(reports);
  const outcomes = [{ index: 0, state: "failed", lastReply: "550 5.1.1 no" }] as const;
  const operation: Operation = {
    do: "settle",
    lease: { id, owner: "w", until: T0 + 1000 },
    outcomes,
    reports: operations as CommitOperation[],
    at: 0,
  };
  return { operation, octets };
}
const LEASE: Operation = {
  ...{ do: "lease", owner: "w", now: T0, seconds: 1, limit: 9, exclude: [], horizon: Number.MAX_SAFE_INTEGER },
};
const state = (db: DatabaseSync, id: string) =>
  db.prepare("select state from recipient where message = ?").get(id)?.state ?? null;

for (const when of ["before", "after"] as const) {
  Deno.test(`case 71: outcomes and reports are both there or neither when their commit fails ${when} it was made`, () =>
    withWriter((writer, faults, db) => {
      const original = commit(), report = commit(300), neighbour = commit();
      writer.batch(...batchOf([original]));
      writer.batch([LEASE], new ArrayBuffer(0));
      let broken = true;
      faults[when] = (sql) => {
        if (sql !== "commit" || !broken) return;
        broken = false;
        throw FSYNC();
      };
      const { operation, octets } = settle(original.operation.id, [report]);
      neighbour.operation.at = octets.byteLength;
      const buffer = new Uint8Array([...new Uint8Array(octets), ...neighbour.body]).buffer;
      const { outcomes } = writer.batch([operation, neighbour.operation], buffer);
      assertEquals(outcomes.map(fault), ["io", "io"]);
      const there = when === "after";
      assertEquals(state(db, original.operation.id), there ? "failed" : "active");
      assertEquals(state(db, report.operation.id), there ? "ready" : null);
      assertEquals(state(db, neighbour.operation.id), null, "who was told 451 has it still");
      const [again] = writer.batch([operation], octets).outcomes; // as the dispatcher does
      assertEquals(again, {
        value: { done: !there, arrived: there ? [] : [{ id: report.operation.id, inbox: "box" }] },
      });
      assertEquals([state(db, original.operation.id), state(db, report.operation.id)], ["failed", "ready"]);
      assertEquals(rows(db), 2);
    }));
}

Deno.test("a report that cannot be written takes its outcomes with it, and nothing else of the batch", () =>
  withWriter((writer, faults, db) => {
    const [one, two] = [commit(), commit()], [good, bad, third] = [commit(300), commit(300), commit(300)];
    writer.batch(...batchOf([one, two]));
    writer.batch([LEASE], new ArrayBuffer(0));
    let inserts = 0;
    faults.before = (sql) => {
      if (sql.startsWith("insert into message") && ++inserts % 2 === 0) {
        throw sqliteError(13, "database or disk is full");
      }
    };
    const first = settle(one.operation.id, [good, bad]), second = settle(two.operation.id, [third]);
    const { outcomes } = writer.batch([first.operation, second.operation], first.octets);
    assertEquals(outcomes.map(fault), ["full", "done"]);
    assertEquals([state(db, one.operation.id), state(db, two.operation.id)], ["active", "failed"]);
    assertEquals([good, bad, third].map(({ operation: { id } }) => state(db, id)), [null, null, "ready"]);
  }));

Deno.test("a lease whose transaction failed has brought nothing forward, and the next one does", () =>
  withWriter((writer, faults, db) => {
    const { operation, body } = commit();
    const far = { ...operation.recipients[0]!, state: "deferred", next_attempt: T0 + 9e9 };
    writer.batch([{ ...operation, at: 0, recipients: [far] }], body.slice().buffer);
    let broken = true;
    faults.before = (sql) => {
      if (sql !== "commit" || !broken) return;
      broken = false;
      throw FSYNC();
    };
    const lease: Operation = { ...LEASE, horizon: T0 + 1e9 } as Operation;
    assertEquals(writer.batch([lease], new ArrayBuffer(0)).outcomes.map(fault), ["io"]);
    assertEquals(state(db, operation.id), "deferred");
    writer.batch([lease], new ArrayBuffer(0));
    assertEquals(state(db, operation.id), "active");
  }));

Deno.test("a message to many destinations is read once for a lease, not once for each of them", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/spool`);
  const db = openDatabase(`${folder}/postern.db`);
  const writer = new Writer({ ask: "open", folder, now: T0, first: true, refused: [] }, db);
  const recipients = Array.from({ length: 300 }, (_, n) => recipient(`a@d${n}.example`));
  const body = octets(100), operation = encodeCommit(message({ recipients }), body.length, null);
  assertEquals(writer.batch([operation], body.buffer).outcomes, [{ value: null }]);
  let read = 0;
  class Counting extends Statements {
    override all<T>(sql: string, ...values: SQLInputValue[]): T[] {
      const rows = super.all<T>(sql, ...values);
      if (/from recipient where message = /.test(sql)) read += rows.length;
      return rows;
    }
  }
  const sql = new Counting(db), destinations = new Destinations(sql);
  const leasing = new Leasing(sql, { aside: new SetAside(sql, () => null), destinations });
  const lease = { do: "lease", owner: "w", now: T0, seconds: 900, limit: 300, exclude: [], horizon: T0 + 1e9 } as const;
  leasing.lease(lease); // the first one brings forward what a clock that ran ahead has planned
  const { leases } = leasing.lease({ ...lease, now: T0 + 900_000 });
  assertEquals(leases.length, 300);
  assert(read <= 2 * 300, `${read} rows`);
  writer.close();
  await Deno.remove(folder, { recursive: true });
});
