/**
 * No space: mail is refused with 452 4.3.1, what is there stays readable and is delivered, and mail is taken again once
 * there is room (case 29). Folders that turn read-only or go away under a running server (case 71).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dotStuffed, join, mail, octets } from "../support/bytes.ts";
import { postern } from "../support/cli.ts";
import { mixedConfig } from "../support/configs.ts";
import { Server } from "../support/server.ts";
import { ReadOnly, SmallDisk, testWithMounts } from "../support/small_disk.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const SMALL = mail("From: a@example.org\nSubject: small\n\nSmall.\n");
const KIB = 1024, MIB = 1024 * KIB;
const DEV = (more: string) =>
  `hostname: mx.local.example
domains: ["*"]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [{ inbox: { everything: true } }]
limits: { ${more} }
`;

function big(size: number): Uint8Array {
  return join(octets("From: a@example.org\r\nSubject: big\r\n\r\n"), octets(`${"x".repeat(70)}\r\n`.repeat(size / 72)));
}
async function send(server: Server, message: Uint8Array, to = ["box@local.example"]): Promise<string> {
  using client = await SmtpClient.ready(server.ports.smtp);
  try {
    const reply = await client.deliver({ from: "a@example.org", to, message });
    return queuedAs(reply) ?? reply.raw.trim();
  } catch (error) {
    return (error as Error).message; // refused before the message
  } finally {
    client.close();
  }
}

/** A second start: the log of the first one, which made the tables, has room of its own that no full disk takes away. */
async function started(data: string, config: string): Promise<Server> {
  await using first = await Server.start({ data, config });
  assertEquals((await first.stop()).code, 0);
  return await Server.start({ data, config });
}

Deno.test("case 29: less than the reserve is free: 452 4.3.1 at MAIL, everything else goes on", async () => {
  await using server = await Server.start({ config: DEV("diskReserve: 900TiB") });
  using client = await SmtpClient.ready(server.ports.smtp);
  for (let i = 0; i < 2; i++) {
    const reply = await client.command("MAIL FROM:<a@example.org>", 452);
    assertMatch(reply.lines[0]!, /^4\.3\.1 .*\(ref [0-9A-Z]{8}\)$/);
    await client.command("RCPT TO:<b@example.org>", 503);
  }
  await client.command("NOOP", 250);
  assertEquals((await server.api.get("/api/v1/queue")).status, 200);
  await waitFor("the log to say why", () => /refused .*452.*octets are free/.test(server.output));
});

testWithMounts("case 29: a declared size that would eat the reserve is refused, a smaller one is taken", async () => {
  await using folder = await TempFolder.make();
  await using disk = await SmallDisk.mount(folder.at("disk"), "16m");
  await using server = await Server.start({ data: `${disk.path}/data`, config: DEV("diskReserve: 4MiB") });
  using client = await SmtpClient.ready(server.ports.smtp);
  assertMatch((await client.command(`MAIL FROM:<a@example.org> SIZE=${20 * MIB}`, 452)).lines[0]!, /^4\.3\.1 /);
  await client.command(`MAIL FROM:<a@example.org> SIZE=${MIB}`, 250);
});

testWithMounts(
  "case 29: the disk fills up during DATA: 452 4.3.1, no half message, all readable, recovers by itself",
  async () => {
    await using folder = await TempFolder.make();
    await using disk = await SmallDisk.mount(folder.at("disk"), "12m");
    await using server = await started(`${disk.path}/data`, DEV("diskReserve: 0B"));
    const before = await send(server, SMALL);
    const kept = await send(server, big(400 * KIB));
    assertEquals((await server.api.messages()).map(({ id }) => id), [kept, before]);

    // It is full before the message begins, and it becomes full while the message comes; in memory and in a file.
    for (const size of [20 * KIB, 2 * MIB]) {
      disk.fill();
      assertMatch(await send(server, big(size)), /452[ -]4\.3\.1/, `${size} octets into a full disk`);
      disk.free();
      using client = await SmtpClient.ready(server.ports.smtp);
      await client.begin({ from: "a@example.org", to: ["box@local.example"] });
      const wire = join(dotStuffed(big(size)), octets(".\r\n"));
      await client.send(wire.subarray(0, wire.length / 2));
      disk.fill();
      await client.send(wire.subarray(wire.length / 2));
      assertMatch((await client.reply()).raw, /^452 4\.3\.1 /, `${size} octets`);
      await client.command("NOOP", 250); // still in step
      const listed = await server.api.messages();
      assertEquals(listed.map(({ id }) => id), [kept, before]);
      assertEquals((await server.api.raw(kept))!.length > 400 * KIB, true);
      assertEquals((await server.api.queue()).total, 0);
      disk.free();
      await waitFor("mail to be taken again", async () => (await send(server, SMALL)).length === 26, {
        deadline: 15_000,
      });
      const added = (await server.api.messages()).filter(({ id }) => id !== kept && id !== before);
      for (const { id, subject } of added) {
        assertEquals(subject, "small");
        await server.api.get(`/api/v1/messages/${id}`).then((response) => response.body?.cancel());
        const { ok } = await fetch(`${server.api.base}/api/v1/messages/${id}`, {
          method: "DELETE",
          headers: { authorization: `Bearer ${server.api.token}` },
        }).then(async (response) => (await response.body?.cancel(), response));
        assert(ok);
      }
    }
    assertEquals(server.hasEnded, false);
    await waitFor(
      "nothing left in the spool but what is kept",
      () => [...Deno.readDirSync(`${disk.path}/data/spool`)].length === 1,
    );
    assertEquals((await server.stop()).code, 0);
    await using again = await Server.start({ data: `${disk.path}/data`, config: DEV("diskReserve: 0B") });
    assertEquals((await again.api.messages()).map(({ id }) => id), [kept, before]);
  },
);

testWithMounts(
  "a full disk at the start: one line and exit code 1, or service; then room: everything is there",
  async () => {
    await using folder = await TempFolder.make();
    await using disk = await SmallDisk.mount(folder.at("disk"), "8m");
    const data = `${disk.path}/data`;
    // Nothing there yet, and no room for it.
    disk.fill();
    const first = await postern(["serve"], { env: { POSTERN_DATA: data } });
    assertEquals([first.code, first.out], [1, ""], first.err);
    assertMatch(first.err, /^postern: .*(No space|full|disk)[^\n]*\n$/);
    disk.free();
    let id: string;
    {
      await using server = await Server.start({ data, config: DEV("diskReserve: 0B") });
      id = await send(server, SMALL);
      await server.kill(); // its log is not in the database yet
    }
    disk.fill();
    const second = await postern(["serve"], { env: { POSTERN_DATA: data } });
    assertEquals(second.code, 1, second.err);
    // The ledger, whose thread may have come as far by then, says in the log that it is full, and nobody says more
    assertMatch(second.out, /^(?:\S+ error +-+ trouble +ledger "[^\n]*full"\n)?$/);
    assertMatch(second.err, /^postern: .*(No space|full|disk)[^\n]*\n$/);
    disk.free();
    await using server = await Server.start({ data, config: DEV("diskReserve: 0B") });
    assertEquals((await server.api.messages()).map((entry) => entry.id), [id]);
  },
);

testWithMounts(
  "case 29: with a full disk the queue still delivers: a Maildir elsewhere gets its copy once",
  async () => {
    await using folder = await TempFolder.make();
    await using disk = await SmallDisk.mount(folder.at("disk"), "12m");
    const root = folder.at("mail");
    await Deno.writeTextFile(root, "in the way");
    const config = mixedConfig(root).replace("hostname:", "limits: { diskReserve: 0B }\nhostname:");
    await using server = await started(`${disk.path}/data`, config);
    const id = await send(server, SMALL, ["box@local.example", "dir@local.example"]);
    assertEquals(id.length, 26, id);
    disk.fill();
    assertMatch(await send(server, SMALL), /452[ -]4\.3\.1/);
    await Deno.remove(root);
    const copies = () => {
      try {
        return [...Deno.readDirSync(`${root}/local.example/dir/Maildir/new`)].length;
      } catch {
        return 0;
      }
    };
    // The lease itself may need a page that is not there: with room it goes on by itself.
    await waitFor(
      "the copy, or the trouble it meets",
      () => copies() === 1 || /trouble +dispatcher/.test(server.output),
    );
    disk.free();
    await waitFor("the copy", () => copies() === 1, { deadline: 15_000 });
    await waitFor("an empty queue", async () => (await server.api.queue()).total === 0, { deadline: 15_000 });
    assertEquals(copies(), 1);
  },
);

Deno.test("case 71: the spool folder goes away and comes back under a running server", async () => {
  await using server = await Server.start({ config: DEV("diskReserve: 0B") });
  const spool = `${server.data}/spool`;
  const kept = await send(server, big(400 * KIB));
  await Deno.rename(spool, `${spool}.away`);
  assertMatch(await send(server, big(400 * KIB)), /^451 4\.3\.0 /);
  assertEquals((await send(server, SMALL)).length, 26, "small ones need no file");
  await Deno.writeTextFile(spool, "a file");
  assertMatch(await send(server, big(400 * KIB)), /^451 4\.3\.0 /);
  await Deno.remove(spool);
  await Deno.rename(`${spool}.away`, spool);
  assertEquals((await send(server, big(400 * KIB))).length, 26);
  assertEquals((await server.api.raw(kept))!.length > 400 * KIB, true);
  assertEquals((await server.api.messages()).length, 3);
});

testWithMounts("case 71: the spool folder turns read-only under a running server, and back", async () => {
  await using server = await Server.start({ config: DEV("diskReserve: 0B") });
  const spool = `${server.data}/spool`;
  const kept = await send(server, big(400 * KIB));
  await using lid = await ReadOnly.over(spool);
  assertMatch(await send(server, big(400 * KIB)), /^451 4\.3\.0 /);
  assertEquals((await send(server, SMALL)).length, 26);
  assertEquals((await server.api.raw(kept))!.length > 400 * KIB, true);
  await lid.lift();
  assertEquals((await send(server, big(400 * KIB))).length, 26);
  assertEquals([...Deno.readDirSync(spool)].length, 2);
});
