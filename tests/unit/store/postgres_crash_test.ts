/** Numbers of transactions are given again after a crash: what one of them became says nothing of the one before. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { Connection } from "../../../core/store/postgres/connection.ts";
import { Pool } from "../../../core/store/postgres/pool.ts";
import { parseDatabaseUrl } from "../../../core/store/postgres/url.ts";
import { PostgresServer, testWithPostgres } from "../../support/postgres.ts";

testWithPostgres(
  "case 70: a transaction that a crash took is not taken for its namesake that was committed",
  async () => {
    await using server = await PostgresServer.start();
    const address = parseDatabaseUrl(await server.database()), name = "select pg_current_xact_id()::text as xid";
    const first = await Connection.open(address, { schema: "public" });
    await first.query("create table t (n int)");
    await first.query("begin");
    const [lost] = await first.query<{ xid: string }>(name); // nothing of it is on disk when the server dies
    const [{ pid }] = await first.query("select pg_backend_pid() as pid") as unknown as [{ pid: number }];
    const { life } = first;
    await server.kill();
    await first.closed;
    await server.resume();

    const pool = new Pool({ address, size: 2, schema: "public" });
    try {
      let again = "";
      while (Number(again) < Number(lost!.xid)) {
        again = await pool.transaction(async (connection) => {
          await connection.query("insert into t values (1)");
          return (await connection.query<{ xid: string }>(name))[0]!.xid;
        });
      }
      assertEquals(again, lost!.xid, "the number was given again, and committed");
      assertEquals(await pool.isCommitted({ xid: lost!.xid, pid, life }), null);
      const own = await pool.use((connection) => Promise.resolve(connection.life));
      assertEquals(await pool.isCommitted({ xid: again, pid, life: own }), true);
      assertNotEquals(own, life);
    } finally {
      await pool.end();
    }
  },
);
