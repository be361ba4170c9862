/**
 * Garbage in the data folder, written while the server is down (case 72): what cannot be read is set aside and listed,
 * everything else is served and delivered, and nothing goes round in circles.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { addedOnly, join, octets } from "../support/bytes.ts";
import { postern } from "../support/cli.ts";
import { mixedConfig } from "../support/configs.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const LARGE = 400 * 1024;
const HOUR = 3600_000;

function message(subject: string, size = 100): Uint8Array<ArrayBuffer> {
  const head = octets(`From: a@example.org\r\nSubject: ${subject}\r\n\r\n`);
  return join(head, octets(`${"y".repeat(70)}\r\n`.repeat(Math.ceil(size / 72))));
}
async function send(server: Server, to: string, content: Uint8Array): Promise<string> {
  using client = await SmtpClient.ready(server.ports.smtp);
  const id = queuedAs(await client.deliver({ from: "a@example.org", to: [to], message: content }));
  await client.quit();
  assert(id);
  return id;
}

type Damage = (db: DatabaseSync, id: string, spool: string) => void;
const fileOf = (db: DatabaseSync, id: string) =>
  String(db.prepare("select file from message where id = ?").get(id)!.file);
const sql = (text: string): Damage => (db, id) => void db.prepare(text).run(id);

/** What is done to a message that waits for a relay, and whether it is a large one, in a file. */
const DAMAGES: Readonly<Record<string, readonly [large: boolean, damage: Damage]>> = {
  "an envelope that is no JSON": [false, sql("update message set envelope = 'gar\u0007bage' where id = ?")],
  "an envelope of another shape": [false, sql(`update message set envelope = '{"sender":7}' where id = ?`)],
  "an unknown row version": [false, sql("update message set version = 99 where id = ?")],
  "a body of the wrong length": [false, sql("update message set body = x'00' where id = ?")],
  "facts that are no JSON": [false, sql("update recipient set facts = '{' where message = ?")],
  "facts of another shape": [false, sql(`update recipient set facts = '{"address":[]}' where message = ?`)],
  "a state that nobody knows": [
    false,
    sql("update recipient set state = 'bogus', due = 1 where message = ?"),
  ],
  "no message row": [false, sql("delete from message where id = ?")],
  "an empty spool file": [true, (db, id, spool) => Deno.truncateSync(`${spool}/${fileOf(db, id)}`)],
  "a cut spool file": [true, (db, id, spool) => Deno.truncateSync(`${spool}/${fileOf(db, id)}`, 1000)],
  "no spool file": [true, (db, id, spool) => Deno.removeSync(`${spool}/${fileOf(db, id)}`)],
  "a folder in the place of its file": [true, (db, id, spool) => {
    const path = `${spool}/${fileOf(db, id)}`;
    Deno.removeSync(path);
    Deno.mkdirSync(path);
  }],
  "a file name that leads out of the spool": [
    true,
    sql("update message set file = '../../../etc/passwd' where id = ?"),
  ],
};

Deno.test("case 72: garbage in the data folder is set aside and listed; the rest is served; no crash loop", async (t) => {
  await using folder = await TempFolder.make();
  const data = folder.at("data"), spool = `${data}/spool`, root = folder.at("mail");
  const config = mixedConfig(root);
  const damaged = new Map<string, string>();
  let small: string, large: string, lost: string, waiting: string;
  {
    await using server = await Server.start({ data, config });
    small = await send(server, "box@local.example", message("small"));
    large = await send(server, "box@local.example", message("large", LARGE));
    lost = await send(server, "box@local.example", message("lost", LARGE));
    for (const [name, [big]] of Object.entries(DAMAGES)) {
      damaged.set(name, await send(server, "friend@remote.example", message(name, big ? LARGE : 100)));
    }
    waiting = await send(server, "friend@remote.example", message("waiting", LARGE));
    assertEquals((await server.stop()).code, 0);
  }

  const db = new DatabaseSync(`${data}/postern.db`);
  const old = new Date(Date.now() - 2 * HOUR);
  for (const [name, [, damage]] of Object.entries(DAMAGES)) damage(db, damaged.get(name)!, spool);
  Deno.removeSync(`${spool}/${fileOf(db, lost)}`);
  // Rows that belong to nothing, and a good row for a Maildir among them.
  const facts = JSON.stringify({
    address: { local: "dir", domain: "local.example" },
    original: { local: "dir", domain: "local.example" },
    parameters: { notify: null, orcpt: null },
    route: { to: "local", plugin: "maildir" },
  });
  const insert = db.prepare(
    `insert into recipient (message, idx, state, domain, destination, next_attempt, attempts, facts, due)
     values (?, ?, ?, 'local.example', 'local:maildir', 0, 0, ?, 0)`,
  );
  insert.run(waiting, 1, "ready", facts);
  insert.run("../../etc/passwd", 0, "ready", facts);
  insert.run("", 0, "ready", facts);
  insert.run("\u0000\n2026-01-01 forged", 0, "deferred", facts);
  insert.run(small, 7, "ready", JSON.stringify({ route: { to: "local", plugin: "maildir" } }));
  db.prepare("insert into inbox values ('01ARZ3NDEKTSV4RRFFQ69G5FAV', 1, 'default', 1, 'x', 'no json', 's', 1, 1, '')")
    .run();
  db.prepare("update inbox set recipients = '[' where message = ?").run(small);
  db.prepare("insert into counter values ('plugin:x:y', 'not a number', 9999999999999)").run();
  db.close();
  // Foreign files: ours to remove are only old ones that look like ours.
  const orphan = `${spool}/01ARZ3NDEKTSV4RRFFQ69G5FAV.0`, young = `${spool}/01ARZ3NDEKTSV4RRFFQ69G5FAW.0`;
  for (const path of [orphan, young, `${spool}/notes.txt`, `${data}/README`, `${data}/lock.old`]) {
    Deno.writeTextFileSync(path, "somebody's");
    if (path !== young) Deno.utimeSync(path, old, old);
  }
  Deno.mkdirSync(`${spool}/folder`);
  Deno.symlinkSync("/etc/passwd", `${spool}/01ARZ3NDEKTSV4RRFFQ69G5FAX.0`);
  Deno.writeTextFileSync(`${data}/lock`, "999999 not a pid\n".repeat(1000));

  for (const round of ["the first start", "another start"]) {
    await t.step(round, async () => {
      await using server = await Server.start({ data, config });
      const { corrupt, items } = await server.api.json<{
        corrupt: { id: string; why: string }[];
        items: { id: string }[];
      }>("/api/v1/queue?limit=1000");
      const listed = new Map(corrupt.map(({ id, why }) => [id, why]));
      for (const [name, id] of damaged) assert(listed.has(id), `not listed: ${name}`);
      for (const id of ["../../etc/passwd", "", lost]) assert(listed.has(id), `not listed: ${JSON.stringify(id)}`);
      assert(items.some(({ id }) => id === waiting));
      assert([...listed.values()].every((why) => why.length > 5 && why.length < 300));

      const command = await postern(["queue", "list", "--config", configFile()], { env: serverEnv(server) });
      assertEquals(command.code, 0, command.err);
      for (const [name, id] of damaged) assertStringIncludes(command.out, `${id}  corrupt: `, name);
      assert(!/^2026-01-01 forged/m.test(command.out + server.output), "a row has written a line of its own");

      const entries = await server.api.messages();
      assertEquals(new Set(entries.map(({ id }) => id)).isSupersetOf(new Set([small, large])), true);
      assertEquals(addedOnly((await server.api.raw(small))!, message("small")), null);
      assertEquals(addedOnly((await server.api.raw(large))!, message("large", LARGE)), null);
      for (const path of [`messages/${lost}/raw`, `messages/${lost}`, "messages/01ARZ3NDEKTSV4RRFFQ69G5FAV"]) {
        const response = await server.api.get(`/api/v1/${path}`);
        await response.body?.cancel();
        assert(response.status >= 400, `${path}: ${response.status}`);
      }
      const copies = () => [...Deno.readDirSync(`${root}/local.example/dir/Maildir/new`)].length;
      await waitFor("the good row's copy", () => {
        try {
          return copies() === 1;
        } catch {
          return false;
        }
      });
      const id = await send(server, "box@local.example", message("new"));
      assertEquals(addedOnly((await server.api.raw(id))!, message("new")), null);
      assertEquals(copies(), 1);

      // Once set aside nobody looks again: the words about it come once.
      const words = () => server.output.split("\n").filter((line) => line.includes("trouble")).length;
      const before = words();
      await send(server, "dir0@local.example", message("kick"));
      await new Promise((resolve) => setTimeout(resolve, 1200)); // some rounds of whoever would go round
      assert(words() - before <= 1, server.output);
      assertEquals((await server.stop()).code, 0);
    });
  }

  await t.step("files: what is ours and old has gone, what is not ours is left alone", () => {
    const there = new Set([...Deno.readDirSync(spool)].map(({ name }) => `${spool}/${name}`));
    assertEquals(there.has(orphan), false);
    for (const path of [young, `${spool}/notes.txt`, `${spool}/folder`]) assert(there.has(path), path);
    assertEquals(Deno.readTextFileSync(`${data}/README`), "somebody's");
  });

  await t.step("what is corrupt can be deleted by a person, with and without the server", async () => {
    const ids = [...damaged.values()];
    const env = { POSTERN_DATA: data, POSTERN_ADMIN_TOKEN: "token-of-the-tests" };
    const gone = await postern(["queue", "delete", ids[0]!, "-c", configFile()], { env });
    assertEquals([gone.code, gone.out], [0, "1 recipient changed\n"], gone.err);
    await using server = await Server.start({ data, config });
    const also = await postern(["queue", "delete", ids[1]!, "-c", configFile()], { env: serverEnv(server) });
    assertEquals([also.code, also.out], [0, "1 recipient changed\n"], also.err);
    const { corrupt } = await server.api.json<{ corrupt: { id: string }[] }>("/api/v1/queue");
    assertEquals(corrupt.filter(({ id }) => id === ids[0] || id === ids[1]), []);
  });

  function configFile(): string {
    const path = folder.at("postern.yaml");
    Deno.writeTextFileSync(path, config);
    return path;
  }
  function serverEnv(server: Server): Record<string, string> {
    return {
      POSTERN_DATA: data,
      POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
      POSTERN_ADMIN_TOKEN: server.api.token,
    };
  }
});
