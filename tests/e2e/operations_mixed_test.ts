/**
 * One transaction to a Maildir, the inbox and a relay; storage that fails for a while; refusals of one recipient of
 * several; what is held, released and given up (SEMANTICS 1 to 4, 8, 16, 17).
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { addedOnly, mail, withLf } from "../support/bytes.ts";
import { postern } from "../support/cli.ts";
import { BOX, DIR, mixedConfig, REMOTE } from "../support/configs.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const MESSAGE = mail("From: a@example.org\nTo: all@local.example\nSubject: mixed\n\n.A line\nand one more\n");
const FROM = "a@example.org";

async function deliver(server: Server, to: readonly string[], from = FROM): Promise<string> {
  using client = await SmtpClient.ready(server.ports.smtp);
  const reply = await client.deliver({ from, to, message: MESSAGE });
  await client.quit();
  return queuedAs(reply) ?? reply.raw.trim();
}
/** The copies in a Maildir, each checked to be the message. */
async function copies(root: string, user = "dir"): Promise<number> {
  let count = 0;
  try {
    for await (const { name } of Deno.readDir(`${root}/local.example/${user}/Maildir/new`)) {
      const copy = await Deno.readFile(`${root}/local.example/${user}/Maildir/new/${name}`);
      assertEquals(addedOnly(copy, withLf(MESSAGE)), null);
      count++;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
  }
  return count;
}
/** Who is in the queue, in which state; `waits` is whatever a host that nobody listens at makes of it now. */
async function rows(server: Server): Promise<string[]> {
  const { items } = await server.api.queue();
  const word = (state: string) => ["ready", "active", "deferred"].includes(state) ? "waits" : state;
  return items.flatMap(({ recipients }) => recipients.map(({ address, state }) => `${address} ${word(state)}`)).sort();
}
function verb(server: Server, ...args: string[]) {
  const env = { POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`, POSTERN_ADMIN_TOKEN: server.api.token };
  return postern(["queue", ...args], { env });
}

Deno.test("a Maildir, the inbox and a relay in one transaction: each has its copy, one row waits", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail");
  await using server = await Server.start({ config: mixedConfig(root) });
  const id = await deliver(server, [DIR, BOX, REMOTE]);
  assertEquals(await copies(root), 1);
  assertEquals((await server.api.messages()).map((entry) => entry.id), [id]);
  assertEquals(addedOnly((await server.api.raw(id))!, MESSAGE), null);
  assertEquals(await rows(server), [`${REMOTE} waits`]);
  assertEquals(addedOnly((await server.api.queuedRaw(id))!, MESSAGE), null);
});

Deno.test("SEMANTICS 3: a Maildir that fails for a while: 250, and its copy comes once when it can", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail");
  await Deno.writeTextFile(root, "in the way");
  await using server = await Server.start({ config: mixedConfig(root) });
  const id = await deliver(server, [DIR, BOX, REMOTE]);
  assertEquals(id.length, 26, id);
  assertEquals((await server.api.messages()).map((entry) => entry.id), [id]);
  await waitFor(
    "two attempts",
    async () =>
      (await server.api.queue()).items[0]!.recipients.some(({ address, attempts }) => address === DIR && attempts >= 2),
  );
  const { items: [item] } = await server.api.json<
    { items: { recipients: { address: string; lastReply: string }[] }[] }
  >(
    "/api/v1/queue",
  );
  assertMatch(item!.recipients.find(({ address }) => address === DIR)!.lastReply, /^45\d 4\./);
  await Deno.remove(root);
  await waitFor("the copy", async () => await copies(root) === 1);
  await waitFor("its row to say so", async () => (await rows(server)).includes(`${DIR} delivered`));
  assertEquals(await rows(server), [`${DIR} delivered`, `${REMOTE} waits`]);
  assertEquals((await server.api.messages()).length, 1, "the inbox has no second one");
});

Deno.test("SEMANTICS 3: every recipient fails for a while: 451, and nothing is kept", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail");
  await Deno.writeTextFile(root, "in the way");
  await using server = await Server.start({ config: mixedConfig(root) });
  assertMatch(await deliver(server, [DIR, "dir0@local.example"]), /^45\d 4\.\d\.\d .*\(ref [0-9A-Z]{8}\)$/);
  assertEquals((await server.api.queue()).total, 0);
  assertEquals([...Deno.readDirSync(`${server.data}/spool`)], []);
  await Deno.remove(root);
  assertEquals((await deliver(server, [DIR, "dir0@local.example"])).length, 26);
  assertEquals([await copies(root), await copies(root, "dir0")], [1, 1]);
});

Deno.test("the Maildir retry goes on after a restart, and after a SIGKILL", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail"), data = folder.at("data"), config = mixedConfig(root);
  await Deno.writeTextFile(root, "in the way");
  for (const end of ["SIGTERM", "SIGKILL"] as const) {
    await using server = await Server.start({ config, data });
    assertEquals((await deliver(server, [DIR, BOX])).length, 26);
    server.signal(end);
    await server.ended;
  }
  await Deno.remove(root);
  await using server = await Server.start({ config, data });
  await waitFor("both copies", async () => await copies(root) === 2);
  await waitFor("an empty queue", async () => (await server.api.queue()).total === 0);
  assertEquals(await copies(root), 2);
});

/** Refuses one recipient for good, in `data` or `queue`, while a file is there. */
const REFUSER = (phase: string, flag: string) =>
  `import { reject } from "postern";
export default { name: "refuser", handlers: { ${phase}(ctx, next) {
  try { Deno.statSync(${JSON.stringify(flag)}); } catch { return next(); }
  for (const each of ctx.recipients) {
    if (each.address.local === "dir") ctx.refuse(each, reject("5.2.1", "Mailbox closed"));
  }
  return next();
} } };`;

async function refusing(folder: TempFolder, phase: string): Promise<{ config: string; flag: string; root: string }> {
  const root = folder.at("mail"), flag = await folder.file("flag", "");
  const path = await folder.file("refuser.ts", REFUSER(phase, flag));
  return { config: mixedConfig(root).replace("  - maildir:", `  - ${path}\n  - maildir:`), flag, root };
}

for (const phase of ["data", "queue"]) {
  Deno.test(`SEMANTICS 8, 17: one of two is refused for good in ${phase}: held, and stored once released`, async () => {
    await using folder = await TempFolder.make();
    const { config, flag, root } = await refusing(folder, phase);
    await using server = await Server.start({ config });
    const id = await deliver(server, [DIR, BOX]);
    assertEquals(id.length, 26, id);
    assertEquals(await rows(server), [`${DIR} held`]);
    assertEquals((await server.api.messages()).length, 1);
    const shown = await verb(server, "show", id);
    assertStringIncludes(shown.out, `<${DIR}> held: 550 5.2.1 Mailbox closed`);
    assertEquals(await copies(root), 0, "nothing is stored before a person says so");
    await Deno.remove(flag);
    const released = await verb(server, "release", id);
    assertEquals([released.code, released.out], [0, "1 recipient changed\n"], released.err);
    await waitFor("the copy, at once", async () => await copies(root) === 1, { deadline: 3000 });
    await waitFor("an empty queue", async () => (await server.api.queue()).total === 0);
    assertEquals((await server.api.messages()).length, 1);
  });
}

Deno.test("SEMANTICS 8: all are refused for good: the message is refused, nothing is kept", async () => {
  await using folder = await TempFolder.make();
  const { config } = await refusing(folder, "data");
  await using server = await Server.start({ config });
  assertMatch(await deliver(server, [DIR]), /^550 5\.2\.1 Mailbox closed \(ref [0-9A-Z]{8}\)$/);
  assertEquals((await server.api.queue()).total, 0);
});

Deno.test("a held message: the API and the CLI hold, release, retry and delete; a release is acted on at once", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail");
  const holder = await folder.file(
    "holder.ts",
    `export default { name: "holder", handlers: { data(ctx, next) {
       if (ctx.sender?.local === "spammer") ctx.hold("looks bad");
       return next(); } } };`,
  );
  const config = mixedConfig(root).replace("  - maildir:", `  - ${holder}\n  - maildir:`);
  await using server = await Server.start({ config });
  const first = await deliver(server, [DIR, BOX], "spammer@example.org");
  const second = await deliver(server, [DIR], "spammer@example.org");
  assertEquals(await rows(server), [`${BOX} held`, `${DIR} held`, `${DIR} held`]);
  assertEquals([await copies(root), (await server.api.messages()).length], [0, 0]);
  assertEquals((await verb(server, "retry", first)).out, "0 recipients changed\n"); // what is held is released
  const post = async (path: string, method = "POST") => {
    const response = await fetch(`${server.api.base}/api/v1/queue/${path}`, {
      method,
      headers: { authorization: `Bearer ${server.api.token}` },
    });
    return { status: response.status, body: await response.json() };
  };
  assertEquals(await post(`${first}/release`), { status: 200, body: { changed: 2 } });
  await waitFor(
    "both copies, at once",
    async () => await copies(root) === 1 && (await server.api.messages()).length === 1,
    { deadline: 3000 },
  );
  assertEquals((await server.api.messages())[0]!.id, first);
  assertEquals((await verb(server, "delete", "--state", "held", "--json")).out, '{"changed":1}\n');
  assertEquals((await post(second, "DELETE")).status, 404);
  assertEquals((await server.api.queue()).total, 0);
  assertEquals(await copies(root), 1);
});

Deno.test("SEMANTICS 16: what was tried long enough is given up: its sender is told, and it leaves the queue", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail"), data = folder.at("data"), config = mixedConfig(root);
  await Deno.writeTextFile(root, "in the way");
  let id: string;
  {
    await using server = await Server.start({ config, data });
    id = await deliver(server, [DIR, BOX], BOX);
    await server.stop();
  }
  const db = new DatabaseSync(`${data}/postern.db`);
  db.exec(`update message set received_at = received_at - 432000000; update recipient set attempts = 999999, due = 0`);
  db.close();
  await using server = await Server.start({ config, data });
  const report = await waitFor("the report", async () => (await server.api.messages()).find((each) => each.id !== id));
  const text = new TextDecoder().decode((await server.api.raw(report.id))!);
  for (const piece of ["Return-Path: <>", `Final-Recipient: rfc822; ${DIR}`, "Action: failed", id]) {
    assertStringIncludes(text, piece);
  }
  await waitFor("an empty queue", async () => (await server.api.queue()).total === 0);
  assertEquals(await copies(root), 0);
});

Deno.test("a plugin that stored mail is not configured any more: its mail waits, is listed, and comes with the plugin", async () => {
  await using folder = await TempFolder.make();
  const root = folder.at("mail"), data = folder.at("data"), config = mixedConfig(root);
  await Deno.writeTextFile(root, "in the way");
  {
    await using server = await Server.start({ config, data });
    assertEquals((await deliver(server, [DIR, BOX])).length, 26);
    await server.stop();
  }
  await Deno.remove(root);
  {
    const without = config.replace(/ {2}- maildir:.*\n/, "").replace(/accounts: \{.*?\}/, "accounts: { box: inbox }");
    await using server = await Server.start({ config: without, data });
    await waitFor("an attempt that finds nobody", async () => {
      const { out } = await verb(server, "list");
      return /deferred.*no plugin named "maildir" stores mail here/.test(out);
    });
    await server.stop();
  }
  await using server = await Server.start({ config, data });
  await waitFor("the copy", async () => await copies(root) === 1);
  await waitFor("its row to go", async () => (await server.api.queue()).total === 0);
});
