/**
 * Two nodes on one PostgreSQL: what one takes the other one shows, accounts, bans and the list of suppressed addresses hold on
 * both, and every command works on the database itself while they run, or not. Non-job: nodes that are killed.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { postern } from "../support/cli.ts";
import { PostgresServer, testWithPostgres } from "../support/postgres.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const CONFIG = `hostname: mx.example.org
domains: [example.org]
postmaster: postmaster@example.org
store: \${DATABASE}
threads: 2
listeners:
  - { address: "127.0.0.1:2525", tls: off, auth: { required: true, withoutTls: true } }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins:
  - accounts: { store: true }
    roles: [mx]
  - ban
  - spam_score
  - inbox: { everything: true }
`;
const PASSWORD = "correct horse", LETTER = "From: <ada@example.net>\r\nSubject: a letter\r\n\r\nHello.\r\n";

testWithPostgres("two nodes on one PostgreSQL, and every command beside them", async (t) => {
  await using database = await PostgresServer.start();
  await using folder = await TempFolder.make();
  const url = await database.database(), config = await folder.file("postern.yaml", CONFIG);
  const env = { DATABASE: url, POSTERN_DATA: folder.at("commands"), POSTERN_ADMIN_TOKEN: "token-of-the-tests" };
  const run = async (args: string, input?: string) => {
    const result = await postern([...args.split(" "), "--config", config], {
      env,
      ...input !== undefined && { input },
    });
    assert(!(result.out + result.err).includes(database.password), args);
    return result;
  };
  const said = async (args: string, input?: string) => {
    const { code, out, err } = await run(args, input);
    assertEquals([code, err], [0, ""], `${args}: ${out}${err}`);
    return out;
  };
  const start = (name: string) =>
    Server.start({ config: CONFIG, data: folder.at(name), env: { DATABASE: url, POSTERN_NODE: name } });
  const nodes = { a: await start("a"), b: await start("b") };
  const logIn = async (node: Server, password: string) => {
    using client = await SmtpClient.ready(node.ports.smtp);
    await client.command("EHLO client.example", 250);
    return (await client.login("alice", password)).code;
  };
  let id = "";
  try {
    await t.step("an account that a command adds logs in on both; another password is known in seconds", async () => {
      assertEquals(await said("user add alice --sender alice@example.org", PASSWORD), "alice is added to the store\n");
      await waitFor("the account", async () => await logIn(nodes.a, PASSWORD) === 235);
      await waitFor("the account", async () => await logIn(nodes.b, PASSWORD) === 235);
      assertEquals(await said("user passwd alice", "battery staple"), "alice has a new password\n");
      await waitFor("the password", async () => await logIn(nodes.b, "battery staple") === 235);
      await waitFor("the old one", async () => await logIn(nodes.a, PASSWORD) === 535);
      assertMatch(await said("user list"), /^alice {2}password, SCRAM; sends as alice@example\.org\n$/);
    });
    await t.step("what one takes, the other one shows and explains", async () => {
      // Each thread learns of the new password by itself, within seconds
      using client = await waitFor("a thread that knows the password", async () => {
        const client = await SmtpClient.ready(nodes.a.ports.smtp);
        await client.command("EHLO client.example", 250);
        if ((await client.login("alice", "battery staple")).code === 235) return client;
        client.close();
        return null;
      });
      const reply = await client.deliver({
        from: "alice@example.org",
        to: ["bob@example.org"],
        message: new TextEncoder().encode(LETTER),
      });
      id = queuedAs(reply)!;
      await client.quit();
      assertEquals((await nodes.b.api.messages()).map((each) => each.id), [id]);
      const story = await waitFor("the story", async () => {
        const answer = await nodes.b.api.get(`/api/v1/explain/${id}`);
        const told = answer.ok ? await answer.json() as { ended: string | null; recipients: string[] } : null;
        return told !== null && told.ended !== null ? told : null;
      });
      assertEquals(story.recipients, ["bob@example.org"]);
      for (const [name, node] of Object.entries(nodes)) {
        const facts = await node.api.json<{ node: string; hostname: string }>("/api/v1/server");
        assertEquals([facts.node, facts.hostname], [name, "mx.example.org"]);
      }
    });
    await t.step("commands without a site of theirs work on the database", async () => {
      assertStringIncludes(await said(`explain ${id}`), "bob@example.org");
      assertStringIncludes(await said("sessions --to bob@example.org"), "accepted");
      assertMatch(await said("ban add 192.0.2.0/24 --reason strangers"), /192\.0\.2\.0\/24/);
      assertMatch(await said("suppress add carol@example.net"), /carol@example\.net/);
      for (const node of Object.values(nodes)) {
        const bans = await node.api.json<{ items: { subject: string }[] }>("/api/v1/bans");
        assertEquals(bans.items.map(({ subject }) => subject), ["192.0.2.0/24"]);
        const list = await node.api.json<{ items: { address: string }[] }>("/api/v1/suppressions");
        assertEquals(list.items.map(({ address }) => address), ["carol@example.net"]);
      }
      assertStringIncludes(await said("queue list"), "empty");
      assertStringIncludes(await said("train spam -", LETTER), "1");
      assertStringIncludes(await said("train status"), "1");
      const tried = "try --ip 192.0.2.9 --helo x.example --from eve@example.net --to bob@example.org --dns none";
      assertMatch((await run(tried, LETTER)).out, /strangers/); // by the ban that the nodes have
    });
    await t.step("nothing shows the password: check, the log, the API", async () => {
      const checked = await run("check");
      assertEquals(checked.code, 0, checked.err);
      assertMatch(checked.out, /^store {10}postgres:\/\/postern@\S+\nthreads {8}2 that talk SMTP$/m);
      for (const node of Object.values(nodes)) {
        assert(!node.output.includes(database.password), node.output);
        const text = await (await node.api.get("/api/v1/configuration")).text();
        assert(text.includes("${DATABASE}") && !text.includes(database.password), text);
      }
    });
  } finally {
    for (const node of Object.values(nodes)) await node.stop();
  }
  await t.step("no node runs, and the commands do; to be forgotten is to be gone", async () => {
    assertMatch(await said("ledger forget bob@example.org"), /1/);
    assertEquals((await said(`explain ${id}`)).includes("bob@example.org"), false);
    assertEquals(await said("user remove alice"), "alice is removed from the store\n");
    assertEquals((await said("queue list")).includes("empty"), true);
    assertEquals([...Deno.readDirSync(folder.at("commands"))].map(({ name }) => name), []);
  });
  await t.step("the database is gone: one line, and no password", async () => {
    await database.kill();
    const { code, err } = await run("queue list");
    assertEquals(code, 1);
    assertMatch(err, /^postern: the database postgres:\/\/postern@.* cannot be used: .*\n$/);
  });
});
