/**
 * The way to the database is cut at each message of the protocol in turn, before it arrives or once it has arrived and its
 * answer is lost, once or again and again: what was answered is so, what was refused is not kept, nothing is done twice, and
 * no lease stays with somebody who does not know of it. (SEMANTICS 1, 4; case 70.) Here every few messages, with
 * POSTGRES_CUTS=1 each one.
 */
import { assert, assertEquals } from "@std/assert";
import { Leasing } from "../../../core/store/postgres/leasing.ts";
import { openPostgresStore } from "../../../core/store/postgres/mod.ts";
import { Pool } from "../../../core/store/postgres/pool.ts";
import { parseDatabaseUrl } from "../../../core/store/postgres/url.ts";
import { type Lease, type Store, StoreError } from "../../../core/store/store.ts";
import { PostgresServer, testWithPostgres } from "../../support/postgres.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { body, deposit, message, octets, put, recipient, T0 } from "./messages.ts";

const EACH = Deno.env.get("POSTGRES_CUTS") !== undefined;
const SECOND = 1000;

interface Cut {
  /** How many messages of the client pass, on any connection. */
  readonly after: number;
  /** The message at which it is cut arrives, and what the server says to it does not come back. */
  readonly arrives: boolean;
  /** The connections that follow are cut too, at their message of this number. */
  readonly times: number;
}

/** A way to the server that knows where messages begin. */
class Way implements AsyncDisposable {
  readonly port: number;
  /** Cuts that were made. */
  cuts = 0;
  #cut: Cut | null = null;
  #passed = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns = new Set<Deno.Conn>();
  readonly #loop: Promise<void>;

  constructor(readonly target: number) {
    this.port = this.#listener.addr.port;
    this.#loop = this.#accept();
  }

  arm(cut: Cut): void {
    this.#cut = cut;
    this.#passed = 0;
    this.cuts = 0;
  }

  /** Resolves when the server does nothing. */
  calm: () => Promise<unknown> = () => Promise.resolve();

  /** From now on everything passes. Resolves to whether something was cut. */
  disarm(): boolean {
    this.#cut = null;
    return this.cuts > 0;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) void this.#join(client).catch(() => {});
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
    this.#conns.add(client).add(server);
    let silent = false;
    const end = () => {
      for (const conn of [client, server]) if (this.#conns.delete(conn)) conn.close();
    };
    const write = async (to: Deno.Conn, chunk: Uint8Array) => {
      for (let at = 0; at < chunk.length;) at += await to.write(chunk.subarray(at));
    };
    const ask = async () => {
      const buffer = new Uint8Array(65_536);
      let rest = new Uint8Array(0), head = 0; // the first message of a connection has no type
      for (let n; (n = await client.read(buffer)) !== null;) {
        const got = new Uint8Array(rest.length + n);
        got.set(rest);
        got.set(buffer.subarray(0, n), rest.length);
        let at = 0;
        while (got.length >= at + head + 4) {
          const size = head + new DataView(got.buffer).getUint32(at + head);
          if (got.length < at + size) break;
          at += size;
          head = 1;
          const cut = this.#cut;
          if (cut === null || this.cuts >= cut.times || this.#passed++ < cut.after) continue;
          this.cuts++;
          this.#passed = 0;
          if (!cut.arrives) {
            await write(server, got.subarray(0, at - size));
            return end();
          }
          silent = true;
          await write(server, got.subarray(0, at));
          // It says nothing to what it keeps for later; then the connection ends without an answer as well
          setTimeout(end, 100);
          return;
        }
        await write(server, got.subarray(0, at));
        rest = got.slice(at);
      }
      end();
    };
    const answer = async () => {
      const buffer = new Uint8Array(65_536);
      for (let n; (n = await server.read(buffer)) !== null;) {
        if (silent) return end();
        await write(client, buffer.subarray(0, n));
      }
      end();
    };
    void ask().catch(end);
    void answer().catch(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#loop.catch(() => {});
    for (const conn of this.#conns) conn.close();
  }
}

/** Does something with every cut in turn, until there are no more messages to cut at. `check` sees what came of it. */
async function cutEverywhere<T>(
  way: Way,
  { prepare, work, check, step }: {
    readonly prepare: () => Promise<T>;
    readonly work: (given: T) => Promise<unknown>;
    readonly check: (given: T, answered: unknown) => Promise<void>;
    /** How many messages further each time. */
    readonly step: number;
  },
): Promise<number> {
  let cuts = 0, again = 0, refused = 0;
  for (let after = 0, kind = 0;; after += EACH ? 1 : step) {
    let some = false;
    for (const [arrives, times] of EACH ? KINDS : [KINDS[kind++ % KINDS.length]!]) {
      const { given } = await waitFor("the way back", () => prepare().then((given) => ({ given }), () => null), {
        deadline: 30_000,
      });
      way.arm({ after, arrives, times });
      const answered = await work(given).then((value) => ({ value }), (error) => {
        assert(error instanceof StoreError || error instanceof Error && error.name === "UnknownOutcome", String(error));
        return null;
      });
      some = way.disarm() || some;
      cuts += way.cuts;
      if (times === 1 && way.cuts > 0) answered === null ? refused++ : again++;
      await way.calm(); // what was cut off may still be at work at the server
      await check(given, answered === null ? null : answered.value);
    }
    if (some) continue;
    assert(again > refused, `one cut is made good: ${again} of ${again + refused} times`);
    return cuts;
  }
}

const KINDS = [[true, 1], [false, 1], [true, 4], [false, 4]] as const;

testWithPostgres(
  "case 70: cut at each message of the protocol, nothing is lost, kept against the answer, or done twice",
  async (t) => {
    await using server = await PostgresServer.start();
    const url = await server.database();
    await using way = new Way(server.port);
    await using folder = await TempFolder.make();
    const store: Store = await openPostgresStore({
      ...{
        url: `${server.urlOf("test0", { port: way.port })}?sslmode=disable`,
        folder: folder.path,
        now: () => T0,
        beat: 3_600_000,
      },
    });
    const beside = new Pool({ address: parseDatabaseUrl(url), size: 1 });
    const ask = async (text: string, values: readonly (string | number)[] = []) => [
      ...await beside.use((connection) => connection.query<Record<string, unknown>>(text, values)),
    ];
    way.calm = () =>
      waitFor("a server that does nothing", async () => {
        const busy = "select 1 from pg_stat_activity where state <> 'idle' and backend_type = 'client backend'";
        return (await ask(`${busy} and pid <> pg_backend_pid()`)).length === 0;
      }, { deadline: 30_000 });
    /** It may take some tries until the way is found again. */
    const surely = <T>(work: () => Promise<T>) =>
      waitFor("the way back", () => work().catch(() => null), { deadline: 30_000 });
    const count = async (table: string, id: string) =>
      Number(
        (await ask(`select count(*) as n from ${table} where ${table === "message" ? "id" : "message"} = $1`, [id]))[0]!
          .n,
      );
    const claim = { owner: "w", until: T0 + 3600 * SECOND };
    const leased = async (): Promise<Lease> => {
      const sent = message({
        recipients: [recipient("x@x.example"), recipient("y@x.example")],
        deposits: [deposit("first")],
      });
      const [lease] = await store.commit(sent, await body(store, sent.id, octets(300)), { claim });
      return lease!;
    };
    try {
      await t.step("commit", async () => {
        const cuts = await cutEverywhere(way, {
          step: 6,
          prepare: async () => {
            const sent = message({ recipients: [recipient("x@x.example")], deposits: [deposit("box")] });
            return { sent, body: await body(store, sent.id, octets(300)) };
          },
          work: async ({ sent, body }) => (await store.commit(sent, body)).length + 1,
          check: async ({ sent: { id } }, answered) => {
            if (answered === null) await surely(() => put(store, { recipients: [recipient("x@x.example")] })); // before it what was refused goes
            const wanted = answered === null ? 0 : 1;
            for (const table of ["message", "recipient", "inbox"]) assertEquals(await count(table, id), wanted, table);
          },
        });
        assert(cuts > 1, `${cuts} cuts`);
      });
      await t.step("settle, with a deposit and a report", async () => {
        const cuts = await cutEverywhere(way, {
          step: 8,
          prepare: async () => ({
            lease: await leased(),
            report: message({ sender: null, recipients: [recipient("a@a.example")] }),
          }),
          work: ({ lease, report }) =>
            store.settle(lease, [
              { index: 0, state: "delivered", deposits: [deposit("second")] },
              { index: 1, state: "failed", told: T0 },
            ], [{ message: report, content: octets(200) }]),
          check: async ({ lease: { message: { id } }, report }, answered) => {
            if (answered === null) await surely(() => put(store, { recipients: [recipient("x@x.example")] }));
            const left = await count("recipient", id), done = left === 0;
            assert(left === 0 || left === 2, `${left} of 2 recipients are left`);
            if (answered !== null) assertEquals(done, answered === true, "the answer is what is so");
            assertEquals(await count("inbox", id), done ? 2 : 1, "the copy is there with the outcome, once");
            assertEquals(await count("recipient", report.id), done ? 1 : 0, "the report is there with the outcome");
          },
        });
        assert(cuts > 1, `${cuts} cuts`);
      });
      await t.step("hold, read, remove", async () => {
        for (
          const [name, work, state] of [
            [
              "hold",
              (id: string) => store.change({ id }, { do: "hold", reason: "why" }),
              "select state = 'held' as done from recipient where message = $1",
            ],
            [
              "read",
              (id: string) => store.inboxes.markRead(id, true),
              "select unread = 0 as done from inbox where message = $1",
            ],
            [
              "remove",
              (id: string) => store.inboxes.remove({ id }),
              "select not exists (select 1 from inbox where message = $1) as done",
            ],
          ] as const
        ) {
          await cutEverywhere(way, {
            step: 4,
            prepare: () => put(store, { recipients: [recipient("x@x.example")], deposits: [deposit("box")] }),
            work: ({ id }) => work(id) as Promise<unknown>,
            check: async ({ id }, answered) => {
              const [row] = await ask(state, [id]);
              if (answered !== null) assertEquals([row!.done, Number(answered)], [true, 1], `${name}: said to be done`);
            },
          });
        }
      });
      await t.step("lists", async () => {
        const { id } = await put(store, { recipients: [recipient("x@only.example")], deposits: [deposit("only")] });
        for (
          const work of [
            async () =>
              (await store.queue({ domain: "only.example", q: "only", limit: 5 })).items.map(({ message }) =>
                message.id
              ),
            async () =>
              (await store.inboxes.list({ inbox: "only", q: "hello", before: `${id}.9`, limit: 5 })).messages.map((
                { id },
              ) => id),
          ]
        ) {
          await cutEverywhere(way, {
            step: 3,
            prepare: () => Promise.resolve(null),
            work,
            check: (_, answered) => Promise.resolve(answered === null ? undefined : assertEquals(answered, [id])),
          });
        }
      });
      await t.step("counters", async () => {
        let sum = 0;
        await cutEverywhere(way, {
          step: 2,
          prepare: () => Promise.resolve(null),
          work: () => store.counters.add("n", 1, { seconds: 3600, durable: true }),
          check: async (_, answered) => {
            const now = Number(await surely(async () => await store.counters.get("n") ?? "0"));
            if (answered !== null) assertEquals([answered, now], [sum + 1, sum + 1], "added once");
            else assert(now === sum || now === sum + 1, `${now} after ${sum}`);
            sum = now;
          },
        });
      });
      await t.step("lease", async () => {
        const pool = new Pool({
          address: parseDatabaseUrl(`${server.urlOf("test0", { port: way.port })}?sslmode=disable`),
          size: 2,
          patience: 500,
        });
        const options = { pool, node: "n", nodes: () => 1, ahead: () => 0, left: () => {}, trouble: () => {} };
        const leasing = new Leasing(options);
        await ask("delete from recipient");
        await ask("delete from turn");
        await cutEverywhere(way, {
          step: 8,
          prepare: () => put(store, { recipients: [recipient("x@x.example")] }),
          work: () => leasing.lease({ owner: "w", now: T0, seconds: 60, limit: 10 }),
          check: async ({ id }, answered) => {
            if (answered === null) await surely(async () => [await leasing.giveBackLost()]);
            else assertEquals((answered as Lease[]).map(({ message }) => message.id), [id], "each once");
            const [row] = await ask("select state, owner from recipient where message = $1", [id]);
            assertEquals(row, answered === null ? { state: "ready", owner: null } : { state: "active", owner: "n/w" });
            await ask("delete from recipient");
          },
        });
        await pool.end();
      });
    } finally {
      await store.close();
      await beside.end();
    }
  },
);
