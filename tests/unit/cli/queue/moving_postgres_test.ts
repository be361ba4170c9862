/** A queue moves from a data folder to PostgreSQL and back, by the commands; and what a backup is there. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../../../../cli/main.ts";
import { openPostgresStore } from "../../../../core/store/postgres/mod.ts";
import { openSqliteStore } from "../../../../core/store/sqlite.ts";
import type { Store } from "../../../../core/store/store.ts";
import { freePort } from "../../../support/ports.ts";
import { PostgresServer, testWithPostgres } from "../../../support/postgres.ts";
import { TempFolder } from "../../../support/temp.ts";
import { body, message, octets, put, read, recipient, T0 } from "../../store/messages.ts";
import { FakeTerminal } from "../fake_terminal.ts";

/** Everything that the queue knows. */
async function holdings(store: Store): Promise<unknown> {
  const { items } = await store.queue({ order: "oldest" });
  return await Array.fromAsync(items, async ({ message: { id } }) => [
    await store.whole(id),
    await read(await store.content(id)),
    await read(await store.received(id)),
  ]);
}

async function fill(store: Store): Promise<void> {
  const later = { state: "deferred", nextAttempt: T0 * 2, lastReply: "451 läter", deadline: T0 * 2 } as const;
  await put(store, { recipients: [recipient("a@x.example", later), recipient("b@y.example", { state: "held" })] });
  await put(
    store,
    { recipients: [recipient("c@x.example", { ...later, appointed: true })], sender: null },
    octets(900_000),
  );
  const [notify, orcpt] = [["SUCCESS", "DELAY"], "rfc822;b+2Bc@x.example"] as const;
  const sent = message({
    parameters: {
      ...{ size: 700, body: "8BITMIME", smtputf8: true, ret: "HDRS", envid: "QQ+3D314159", auth: "<>" },
      ...{ requireTls: true },
    },
    recipients: [{ ...recipient("ü@bücher.example", { state: "held" }), parameters: { notify, orcpt } }],
    edits: { prepend: "X: ü\r\n", drop: [[0, 5]], insert: [[5, "Y: z\r\n"]] },
  });
  const received = await body(store, sent.id, octets(400_000, 3));
  await store.commit(sent, await body(store, sent.id, octets(700, 4)), { received, expires: T0 * 2 });
}

testWithPostgres(
  "queue export and import: from a data folder to PostgreSQL and back; backup leaves the database to its own tools",
  async () => {
    await using folder = await TempFolder.make();
    await using server = await PostgresServer.start();
    const url = await server.database(), data = folder.at("data"), files = folder.at("files");
    const config = (store: string) =>
      `hostname: mx.example.org\ndata: ${data}\nstore: "${store}"\nlisteners: [{ address: "127.0.0.1:${freePort()}" }]\nplugins: [{ inbox: { everything: true } }]\n`;
    const embedded = await folder.file("embedded.yaml", config("sqlite")),
      shared = await folder.file("shared.yaml", config(url));
    const postern = async (...args: string[]) => {
      const terminal = new FakeTerminal({ cwd: folder.path });
      const code = await run(args, terminal);
      return { code, out: terminal.printed.join("\n"), err: terminal.complaints.join("\n") };
    };
    const sqlite = async <T>(work: (store: Store) => Promise<T>): Promise<T> => {
      const store = await openSqliteStore({ folder: data });
      try {
        return await work(store);
      } finally {
        await store.close();
      }
    };
    const before = await sqlite(async (store) => {
      await fill(store);
      return await holdings(store);
    });
    const done = { code: 0, err: "" };
    for (const [from, to] of [[embedded, shared], [shared, embedded]] as const) {
      assertEquals(await postern("queue", "export", files, "--remove", "-c", from), {
        ...done,
        out: `3 messages moved to ${files}`,
      });
      assertEquals(await postern("queue", "import", files, "-c", to), { ...done, out: "3 messages imported" });
      if (to !== shared) continue;
      const store = await openPostgresStore({ url, folder: folder.at("bodies") });
      assertEquals(await holdings(store), before, "in PostgreSQL");
      await store.close();
    }
    await sqlite(async (store) => assertEquals(await holdings(store), before, "and back"));

    const saved = await postern("backup", folder.at("backup"), "-c", shared);
    assertEquals(saved.code, 0);
    assertMatch(saved.err, /the queue is in PostgreSQL and not in this backup: save it with pg_dump/);
    const verified = await postern("verify", folder.at("backup"));
    assertEquals([verified.code, verified.err], [0, ""]);
    assertMatch(verified.out, /PostgreSQL/);
    assert(!(await Deno.stat(folder.at("backup/data/postern.db")).then(() => true, () => false)));
  },
);
