/**
 * A database that is slow, gone, killed, or silent at the worst moment: what was answered is there, what was refused is not,
 * every answer comes in time, and all goes on by itself afterwards. (SEMANTICS 1, 4, 25; cases 70 to 73.)
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Connection } from "../../../core/store/postgres/connection.ts";
import { ConnectionLost, UnknownOutcome } from "../../../core/store/postgres/faults.ts";
import { Leasing } from "../../../core/store/postgres/leasing.ts";
import { openPostgresStore, type PostgresOptions } from "../../../core/store/postgres/mod.ts";
import { Pool } from "../../../core/store/postgres/pool.ts";
import { parseDatabaseUrl } from "../../../core/store/postgres/url.ts";
import { type Store, StoreError } from "../../../core/store/store.ts";
import { programOf, testUnless } from "../../support/debian.ts";
import { freePort } from "../../support/ports.ts";
import { PostgresServer, testWithPostgres, whatPostgresLacks } from "../../support/postgres.ts";
import { TempFolder } from "../../support/temp.ts";
import { Authority } from "../../support/tls.ts";
import { waitFor, within } from "../../support/wait.ts";
import { body, message, octets, put, recipient, T0 } from "./messages.ts";

interface Opened extends AsyncDisposable {
  readonly store: Store;
  readonly trouble: string[];
}

async function open(url: string, more: Partial<PostgresOptions> = {}): Promise<Opened> {
  const folder = await TempFolder.make(), trouble: string[] = [];
  try {
    const store = await openPostgresStore({
      ...{ url, folder: folder.path, now: () => T0, beat: 300, ...more },
      observer: (event) => event.type === "trouble" && trouble.push(event.message),
    });
    const close = async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    };
    return { store, trouble, [Symbol.asyncDispose]: close };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Commits without a pause until it is told to stop; what became of each. */
class Load {
  readonly kept: string[] = [];
  readonly refused: string[] = [];
  #ends = false;
  readonly #done: Promise<unknown>;

  constructor(store: Store) {
    this.#done = Promise.all(Array.from({ length: 8 }, async () => {
      while (!this.#ends) {
        const sent = message({ recipients: [recipient("x@x.example")] });
        try {
          await store.commit(sent, await body(store, sent.id, octets(300)));
          this.kept.push(sent.id);
        } catch (error) {
          assert(error instanceof StoreError, String(error));
          this.refused.push(sent.id);
        }
      }
    }));
  }

  async end(): Promise<void> {
    this.#ends = true;
    await this.#done;
  }
}

async function idsOf(url: string): Promise<ReadonlySet<string>> {
  const connection = await Connection.open(parseDatabaseUrl(url));
  const found = await connection.query<{ id: string }>("select id from message");
  await connection.end();
  return new Set(found.map(({ id }) => id));
}

testWithPostgres(
  "case 70: a database that is killed under load keeps what was answered and nothing that was refused",
  async () => {
    await using server = await PostgresServer.start();
    const url = await server.database();
    await using opened = await open(url);
    const load = new Load(opened.store);
    for (const how of ["kill", "stopImmediately"] as const) {
      const before = load.kept.length;
      await waitFor("mail", () => load.kept.length > before + 100, { deadline: 30_000 });
      await server[how]();
      await server.resume();
      const then = load.kept.length;
      await waitFor("mail again", () => load.kept.length > then + 50, { deadline: 60_000 });
    }
    await load.end();
    await waitFor("what was refused to be gone", async () => {
      const there = await idsOf(url);
      assertEquals(load.kept.filter((id) => !there.has(id)), [], "answered and lost");
      return load.refused.every((id) => !there.has(id)) && there.size === load.kept.length;
    });
    assert(opened.trouble.every((each) => !each.includes(server.password)));
  },
);

testWithPostgres(
  "postgres: a frozen database makes everybody wait, then refuses in time, and goes on when it can",
  async () => {
    await using server = await PostgresServer.start();
    const url = await server.database();
    await using opened = await open(url, { deadline: 3000 });
    const { store } = opened;
    await put(store, { recipients: [recipient("x@x.example")] });
    server.signal("SIGSTOP");
    try {
      const patient = put(store, { recipients: [recipient("x@x.example")] });
      patient.catch(() => {});
      await waitFor("the wait to be seen", () => store.health().writerWait > 500);
      const refused = await within("a refusal", assertRejects(() => patient, StoreError), 60_000);
      assert(!refused.message.includes(server.password));
      const asked = [
        store.lease({ owner: "w", now: T0, seconds: 9, limit: 9 }),
        store.counters.add("n", 1, { seconds: 9 }),
      ];
      await Promise.all(
        asked.map((each) => within("a refusal", assertRejects(() => each as Promise<unknown>, StoreError), 60_000)),
      );
    } finally {
      server.signal("SIGCONT");
    }
    await waitFor("mail again", () => put(store, { recipients: [recipient("x@x.example")] }).catch(() => null), {
      deadline: 60_000,
    });
    assertEquals(store.health().writerWait, 0);
    await waitFor("what was refused to be gone", async () => (await idsOf(url)).size === 2);
  },
);

/** A way to the server that can be cut: at once, or as soon as COMMIT went by and the server has done it. */
class Way implements AsyncDisposable {
  mode: "open" | "cut after commit" | "closed" = "open";
  cuts = 0;
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #conns = new Set<Deno.Conn>();
  readonly #loop: Promise<void>;

  constructor(readonly target: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#loop = this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.mode === "closed") client.close();
      else void this.#join(client).catch(() => {});
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
    this.#conns.add(client).add(server);
    let cut = false;
    const end = () => {
      for (const conn of [client, server]) if (this.#conns.delete(conn)) conn.close();
    };
    const pass = async (from: Deno.Conn, to: Deno.Conn, look: (chunk: Uint8Array) => boolean) => {
      const buffer = new Uint8Array(65_536);
      for (let n; (n = await from.read(buffer)) !== null;) {
        if (!look(buffer.subarray(0, n))) return end();
        for (let at = 0; at < n;) at += await to.write(buffer.subarray(at, n));
      }
      end();
    };
    const text = new TextDecoder("latin1");
    void pass(client, server, (chunk) => {
      if (this.mode === "cut after commit" && text.decode(chunk).includes("commit\0")) cut = true;
      return true;
    }).catch(end);
    void pass(server, client, (chunk) => {
      if (!cut || !text.decode(chunk).includes("COMMIT")) return true;
      this.cuts++;
      this.mode = this.after;
      return false; // the server has said it, and nobody hears it
    }).catch(end);
  }

  /** What the way is like after it was cut. */
  after: "open" | "closed" = "open";

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#loop.catch(() => {});
    for (const conn of this.#conns) conn.close();
  }
}

testWithPostgres(
  "case 70: an answer to COMMIT that is lost is found out; while nobody can say, it is refused and removed",
  async () => {
    await using server = await PostgresServer.start();
    const url = await server.database();
    await using way = new Way(server.port);
    await using opened = await open(server.urlOf("test0", { port: way.port }), { beat: 60_000 });
    const { store } = opened;
    const sent = message({ recipients: [recipient("x@x.example")] });
    const first = await body(store, sent.id, octets(300));
    way.mode = "cut after commit";
    await store.commit(sent, first); // lost on the way, and asked for
    assertEquals([way.cuts, (await idsOf(url)).has(sent.id)], [1, true]);

    const refused = message({ recipients: [recipient("x@x.example")] }),
      second = await body(store, refused.id, octets(300));
    way.after = "closed";
    way.mode = "cut after commit";
    await within("a refusal", assertRejects(() => store.commit(refused, second), StoreError), 60_000);
    assertEquals([way.cuts, (await idsOf(url)).has(refused.id)], [2, true], "it is there, and was refused");
    way.after = way.mode = "open";
    const next = await waitFor(
      "mail again",
      () => put(store, { recipients: [recipient("x@x.example")] }).catch(() => null),
      {
        deadline: 60_000,
      },
    );
    assertEquals([...await idsOf(url)].sort(), [sent.id, next.id].sort(), "gone before anything else was written");
  },
);

testWithPostgres(
  "case 70: what a lease took whose COMMIT nobody answered is given back, and nothing else",
  async () => {
    await using server = await PostgresServer.start();
    const url = await server.database();
    await using way = new Way(server.port);
    await using opened = await open(url, { beat: 3_600_000 }); // it makes the tables, and is another node
    const address = parseDatabaseUrl(server.urlOf("test0", { port: way.port }));
    const pool = new Pool({ address, size: 2, patience: 300 });
    const leasing = new Leasing({ pool, node: "n", nodes: () => 2, ahead: () => 0, left: () => {}, trouble: () => {} });
    const lease = () => leasing.lease({ owner: "w", now: T0, seconds: 60, limit: 10 });
    const states = async () => {
      const connection = await Connection.open(parseDatabaseUrl(url));
      const found = await connection.query<{ state: string }>("select state from recipient order by message");
      await connection.end();
      return found.map(({ state }) => state);
    };
    try {
      await put(opened.store, { recipients: [recipient("x@x.example")] });
      assertEquals((await lease()).length, 1);
      assertEquals(await leasing.giveBackLost(), false);
      await put(opened.store, { recipients: [recipient("x@x.example")] });
      way.after = "closed";
      way.mode = "cut after commit";
      await within("a refusal", assertRejects(lease), 60_000);
      assertEquals([way.cuts, await states()], [1, ["active", "active"]], "taken, and nobody knows of it");
      await assertRejects(() => leasing.giveBackLost(), StoreError); // it is tried again with the next sign of life
      way.after = way.mode = "open";
      await waitFor("the way back", () => leasing.giveBackLost().catch(() => null), { deadline: 60_000 });
      assertEquals(await states(), ["active", "ready"], "what was answered stays in hand");
      assertEquals(await leasing.giveBackLost(), false);
      assertEquals((await lease()).length, 1);
      assertEquals(await leasing.giveBackLost(), false, "a later lease of the same owner is another one");
    } finally {
      await pool.end();
    }
  },
);

testWithPostgres("case 70: what is on no synchronous standby is not taken for committed", async () => {
  await using server = await PostgresServer.start();
  const url = await server.database(),
    address = parseDatabaseUrl(url),
    pool = new Pool({ address, size: 2, patience: 500 });
  const beside = await Connection.open(address);
  const standbys = async (names: string) => {
    await beside.query(`alter system set synchronous_standby_names = '${names}'`);
    await beside.query("select pg_reload_conf()");
    await waitFor("the setting", async () => {
      const [row] = await beside.query<{ now: string }>("select current_setting('synchronous_standby_names') as now");
      return row!.now === names;
    });
  };
  await beside.query("create table public.t (n int)");
  await standbys("nobody");
  try {
    const write = (n: number, deadline: number) =>
      pool.transaction((inside) => inside.query("insert into public.t values ($1::int)", [n]), { deadline });
    // It waits for a standby that never says that it has it: with the server it would be gone
    const unheard = await within("a refusal", assertRejects(() => write(1, 2000), UnknownOutcome), 60_000);
    await assertRejects(() => pool.isCommitted(unheard.transaction), ConnectionLost, "does not end");
    assertEquals(
      (await beside.query("select n from public.t")).length,
      0,
      "its process was not ended, and still waits",
    );
    await standbys("");
    await waitFor("the standby to be given up", async () => await pool.isCommitted(unheard.transaction) === true);
  } finally {
    await standbys("");
    await beside.end();
    await pool.end();
  }
});

testWithPostgres("postgres: no start without a database, and the sentence that says so has no password", async () => {
  const secret = "s3cret-of-nobody";
  for (
    const [url, why] of [
      [`postgres://u:${secret}@127.0.0.1:${freePort()}/d`, /cannot be used/],
      [`postgres://u:${secret}@127.0.0.1/d?sslmode=sometimes`, /sslmode is/],
      [`postgres://u:${secret}@127.0.0.1:99999/d`, /a port is/],
      [`postgres://:${secret}@127.0.0.1/d`, /no user/],
      [`postgres://u:${secret}%zz@127.0.0.1/d`, /percent/],
      [`postgres://u:${secret}@127.0.0.1/d?options=-c`, /"options" is not known/],
      [`postgres://u:${secret}@[::1/d`, /a host is/],
    ] as const
  ) {
    const { message } = await assertRejects(() => open(url), StoreError);
    assert(why.test(message), message);
    assert(!message.includes(secret), message);
  }
  await using server = await PostgresServer.start();
  const url = await server.database();
  const wrong = await assertRejects(() => open(url.replace(server.password, secret)), StoreError);
  assert(/password authentication failed/.test(wrong.message) && !wrong.message.includes(secret), wrong.message);
});

testWithPostgres("postgres: of several hosts the one that takes writes is used, and a socket will do", async () => {
  await using server = await PostgresServer.start();
  const url = await server.database(), dead = freePort();
  {
    await using opened = await open(url.replace("@127.0.0.1", `@127.0.0.1:${dead},127.0.0.1`));
    await put(opened.store, { recipients: [recipient("x@x.example")] });
  }
  await using opened = await open(server.socketUrlOf("test0"));
  assertEquals((await opened.store.queue({})).total, 1);
  const { message } = await assertRejects(
    async () => {
      const connection = await Connection.open(parseDatabaseUrl(url));
      await connection.query("alter database test0 set default_transaction_read_only = on");
      await connection.end();
      await open(url);
    },
    StoreError,
  );
  assert(/takes no writes/.test(message), message);
});

testUnless(
  whatPostgresLacks() ?? (programOf("openssl") === null ? "openssl: apt-get install openssl" : null),
  "postgres: TLS as the URL asks for it, and a certificate of somebody else is refused",
  async () => {
    await using authority = await Authority.make();
    const pair = await authority.issue({ names: ["localhost"] });
    const folder = await TempFolder.make("postern-pg-tls-");
    const key = await folder.file("server.key", pair.key), cert = await folder.file("server.crt", pair.cert);
    for (const path of [folder.path, key, cert]) {
      await Deno.chmod(path, path === folder.path ? 0o700 : 0o600);
      if (Deno.uid() === 0) await Deno.chown(path, 65534, 65534);
    }
    await using server = await PostgresServer.start({
      settings: { ssl: "on", ssl_key_file: key, ssl_cert_file: cert },
    });
    const url = (await server.database()).replace("127.0.0.1", "localhost");
    const ca = `sslrootcert=${encodeURIComponent(authority.caFile)}`;
    for (const words of ["sslmode=require", `sslmode=verify-full&${ca}`, "sslmode=prefer"]) {
      const connection = await Connection.open(parseDatabaseUrl(`${url}?${words}`));
      const [row] = await connection.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
      assertEquals(row, { ssl: true }, words);
      await connection.end();
    }
    await assertRejects(() => Connection.open(parseDatabaseUrl(`${url}?sslmode=verify-full`)));
    const other = url.replace("localhost", "127.0.0.1"); // not a name of the certificate
    await assertRejects(() => Connection.open(parseDatabaseUrl(`${other}?sslmode=verify-full&${ca}`)));
    await using plain = await PostgresServer.start();
    await assertRejects(() => Connection.open(parseDatabaseUrl(`${plain.urlOf("postgres")}?sslmode=require`)));
    await folder[Symbol.asyncDispose]();
  },
);
