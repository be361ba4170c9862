/**
 * Several threads that talk SMTP, and one owner of what they share (SEMANTICS 24): limits and lock-outs hold over all of them,
 * a plugin that ends or keeps its thread costs that thread's sessions alone, and a reload or a stop reaches every one.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashPassword } from "../../core/auth/passwords.ts";
import { mail } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { BINARY } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { ConnectionClosed, queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";

const HEAD = `hostname: mx.local.example
domains: ["*"]
threads: 2
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
listeners: [{ address: "127.0.0.1:2525", delayRefusals: false }]
`;
const INBOX = `plugins: [{ inbox: { everything: true } }]\n`;
const FROM = "a@example.org", TO = ["box@local.example"];
const message = (subject: string) => mail(`From: a@example.org\nSubject: ${subject}\n\nhello\n`);

/** In its thread a number that no other thread has; ends it, keeps it, or throws where nobody waits, as the sender asks. */
const PLUGIN = `import { definePlugin, reject } from "postern";
import { z } from "zod";
const thread = Math.random().toString(36).slice(2);
export default definePlugin({
  name: "moody",
  options: z.strictObject({}),
  create: () => ({
    mail(ctx, next) {
      const mood = ctx.sender?.local;
      if (mood === "end") Deno.exit(1);
      if (mood === "throw") setTimeout(() => { throw new Error("nobody waits for this"); });
      if (mood === "loop") for (const end = Date.now() + 25_000; Date.now() < end;);
      if (mood === "who") return reject("5.7.1", "thread " + thread);
      return next();
    },
  }),
});
`;

/** Sessions of every thread: connects until both have been seen. Names of the threads, with a session of each. */
async function everyThread(port: number, count = 2): Promise<Map<string, SmtpClient>> {
  const found = new Map<string, SmtpClient>();
  await waitFor(`sessions of ${count} threads`, async () => {
    const client = await SmtpClient.ready(port);
    const { raw } = await client.command("MAIL FROM:<who@example.org>");
    const thread = /thread (\w+)/.exec(raw)?.[1] ?? raw;
    if (found.has(thread)) client.close();
    else found.set(thread, client);
    return found.size >= count;
  }, { deadline: 30_000, every: 1 });
  return found;
}

async function moody(rest = ""): Promise<{ folder: TempFolder; config: string }> {
  const folder = await TempFolder.make("postern-threads-");
  const path = await folder.file("moody.ts", PLUGIN);
  return { folder, config: `${HEAD}plugins: ["${path}", { inbox: { everything: true } }]\n${rest}` };
}

/** With a plugin of one's own, which a binary would have to be built with. */
const inCheckout = BINARY === null ? Deno.test : Deno.test.ignore;

inCheckout("mail comes in by every thread, and lies in one inbox", async () => {
  const { folder, config } = await moody();
  await using _ = folder;
  await using server = await Server.start({ config });
  const threads = await everyThread(server.ports.smtp), ids: string[] = [];
  for (const [thread, client] of threads) {
    for (const size of [10, 200_000]) { // in memory, and in a file
      const long = mail(`From: a@example.org\nSubject: ${thread} ${size}\n\n${"x".repeat(70)}\n${"y\n".repeat(size)}`);
      const reply = await client.deliver({ from: FROM, to: TO, message: long });
      ids.push(queuedAs(reply) ?? reply.raw);
    }
    await client.quit();
  }
  const listed = await server.api.messages();
  assertEquals(listed.map(({ id }) => id).toSorted(), ids.toSorted());
  for (const { id, size } of listed) assertEquals((await server.api.raw(id))!.length > size - 1, true, id);
  const stories = await waitFor("the ledger", async () => {
    const page = await server.api.json<{ entries: { id: string; verdict: string }[] }>(
      "/api/v1/sessions?verdict=accepted",
    );
    return page.entries.length === ids.length && page;
  });
  assertEquals(stories.entries.map(({ id }) => id).toSorted(), ids.toSorted());
  const metrics = await (await server.api.get("/metrics")).text();
  assertStringIncludes(metrics, `postern_messages_total{verdict="accepted"} ${ids.length}`);
});

inCheckout(
  "case 36: a limit of connections holds over all threads, and each place comes back",
  async () => {
    const { folder, config } = await moody("limits: { connections: 6, connectionsPerIp: 3 }\n");
    await using _ = folder;
    await using server = await Server.start({ config });
    const { smtp } = server.ports;
    for (let round = 0; round < 3; round++) {
      const clients: SmtpClient[] = [], greetings: number[] = [];
      for (let i = 0; i < 10; i++) {
        const client = await SmtpClient.connect(smtp);
        clients.push(client);
        greetings.push((await client.reply()).code);
      }
      assertEquals(greetings.filter((code) => code === 220).length, 6, greetings.join(" "));
      for (const client of clients) client.close();
      await waitFor("room again", async () => {
        using client = await SmtpClient.connect(smtp);
        return (await client.reply()).code === 220;
      });
      await waitFor(
        "nobody left",
        async () => /postern_sessions_open 0\b/.test(await (await server.api.get("/metrics")).text()),
      );
    }
  },
);

inCheckout(
  "case 77: a plugin that ends its thread costs the sessions of that thread, and another one comes",
  async () => {
    const { folder, config } = await moody();
    await using _ = folder;
    await using server = await Server.start({ config });
    const [[, victim], [other, survivor]] = [...await everyThread(server.ports.smtp)] as [
      [string, SmtpClient],
      [string, SmtpClient],
    ];
    let closed: unknown = null;
    await victim.command("RSET", 250);
    await victim.command("MAIL FROM:<end@example.org>").catch((error) => closed = error);
    assert(closed instanceof ConnectionClosed || closed instanceof Deno.errors.ConnectionReset, String(closed));
    await waitFor("the word on it", () => /another thread talks SMTP now/.test(server.output));
    assertMatch(server.output, /threads +"thread \d ended: a plugin ended it; its sessions are lost/);
    await survivor.command("RSET", 250);
    const reply = await survivor.deliver({ from: FROM, to: TO, message: message("still here") });
    assert(queuedAs(reply) !== null, reply.raw);
    const again = await everyThread(server.ports.smtp);
    assert(again.has(other), "the other thread is the one that it was");
    for (const client of [...again.values(), survivor, victim]) client.close();
    assertMatch(server.output, /closed +ip=127.0.0.1 reason="thread ended"/);
  },
);

inCheckout("case 77: an error that nobody catches in a thread is told, and costs no session", async () => {
  const { folder, config } = await moody();
  await using _ = folder;
  await using server = await Server.start({ config });
  using client = await SmtpClient.ready(server.ports.smtp);
  await client.command("MAIL FROM:<throw@example.org>", 250);
  await waitFor("the word on it", () => /uncaught +.*nobody waits for this/.test(server.output));
  await client.command("RSET", 250);
});

inCheckout(
  "case 77: a thread that loops is named and replaced, and let in again when it comes back",
  async () => {
    const { folder, config } = await moody();
    await using _ = folder;
    await using server = await Server.start({ config });
    using client = await SmtpClient.ready(server.ports.smtp);
    await client.send("MAIL FROM:<loop@example.org>\r\n");
    await waitFor("the word on it", () => /stands still/.test(server.output), { deadline: 60_000 });
    assertMatch(server.output, /thread \d stands still, last in the plugin moody at mail/);
    const health = await server.api.get("/healthz"), words = await health.text();
    assertEquals(health.status, 503, words);
    assertStringIncludes(words, "stands still");
    await waitFor("its return", () => /thread \d goes on/.test(server.output), { deadline: 60_000 });
    await waitFor("a good word again", () => server.api.healthy(), { deadline: 30_000 });
    await client.expect(250);
    for (const each of (await everyThread(server.ports.smtp, 3)).values()) each.close();
  },
);

inCheckout("a reload reaches all threads or none, and sessions keep what they found", async () => {
  const { folder, config } = await moody();
  await using _ = folder;
  await using server = await Server.start({ config });
  const { smtp } = server.ports, old = await everyThread(smtp);
  const reload = async (text: string) => {
    await server.configure(text);
    const before = server.output.length;
    server.signal("SIGHUP");
    return await waitFor(
      "the word on it",
      () => /(?:notice|trouble) +reload .*/.exec(server.output.slice(before))?.[0] ?? null,
    );
  };
  assertMatch(await reload(config.replace("mx.local.example", "mx2.local.example")), /read again; changed: hostname/);
  for (const client of old.values()) {
    await client.command("RSET", 250);
    assertStringIncludes((await client.command("EHLO client.example", 250)).raw, "250-mx.local.example");
    client.close();
  }
  for (let i = 0; i < 8; i++) { // whichever thread it is
    using client = await SmtpClient.connect(smtp);
    assertStringIncludes((await client.expect(220)).raw, "mx2.local.example");
  }
  const bad = await reload(`${config}delivery: { nothing: 1 }\n`);
  assertMatch(bad, /nothing was changed/);
  assertMatch(await reload(config.replace("threads: 2", "threads: 3")), /threads can only be changed by a restart/);
  for (const client of (await everyThread(smtp)).values()) {
    await client.command("RSET", 250);
    const reply = await client.deliver({ from: FROM, to: TO, message: message("after") });
    assert(queuedAs(reply) !== null, reply.raw);
    client.close();
  }
});

Deno.test("case 78: SIGTERM under load: every thread drains, and what has its 250 is there", async () => {
  await using folder = await TempFolder.make("postern-threads-");
  const config = HEAD + INBOX, options = { config, data: folder.at("data") };
  const accepted: string[] = [];
  {
    await using server = await Server.start(options);
    const { smtp } = server.ports;
    let over = false;
    const sessions = Array.from({ length: 16 }, async () => {
      while (!over) {
        try {
          using client = await SmtpClient.ready(smtp);
          const id = queuedAs(await client.deliver({ from: FROM, to: TO, message: message("load") }));
          if (id !== null) accepted.push(id);
        } catch { /* it stops */ }
      }
    });
    await waitFor("messages", () => accepted.length > 100, { deadline: 30_000 });
    const { code } = await server.stop(60_000);
    over = true;
    await Promise.all(sessions);
    assertEquals(code, 0, server.output);
  }
  await using server = await Server.start(options);
  const there = new Set((await server.api.messages()).map(({ id }) => id));
  assertEquals(accepted.filter((id) => !there.has(id)), []);
});

Deno.test("case 39: a lock-out counts failed logins of all threads together", async () => {
  await using folder = await TempFolder.make("postern-threads-");
  const accounts = await folder.file(
    "accounts.txt",
    `ann@local.example ${await hashPassword("right", {
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    })}\n`,
  );
  const port = freePort();
  const config = `${
    HEAD.replace(
      "listeners: [",
      `listeners: [{ address: "127.0.0.1:${port}", role: submission, tls: off, auth: { withoutTls: true } }, `,
    )
  }auth: { lockout: { delay: 1s, failuresPerAccount: 4 } }
plugins: [{ accounts: { file: ${accounts} } }, { inbox: { everything: true } }]\n`;
  await using _ = await Server.start({ config });
  const codes = await Promise.all(Array.from({ length: 12 }, async () => {
    using client = await SmtpClient.ready(port);
    return (await client.login("ann@local.example", "wrong")).code;
  }));
  assert(codes.every((code) => code === 535 || code === 421 || code === 454), codes.join(" "));
  using client = await SmtpClient.ready(port);
  const reply = await client.login("ann@local.example", "right");
  assert(reply.code !== 235, `locked out, whichever thread it comes to: ${codes.join(" ")}, then ${reply.raw}`);
});

testWith(MAKES_CERTIFICATES, "TLS: every thread opens the certificate", async () => {
  await using authority = await Authority.make();
  const { certFile, keyFile } = await authority.issue();
  await using server = await Server.start({
    config: `${HEAD}tls: { certificates: [{ cert: ${certFile}, key: ${keyFile} }] }\n${INBOX}`,
  });
  for (let i = 0; i < 8; i++) {
    using client = await SmtpClient.secured(server.ports.smtp, { ca: authority.ca });
    const reply = await client.deliver({ from: FROM, to: TO, message: message(`tls ${i}`) });
    assert(queuedAs(reply) !== null, reply.raw);
  }
});

Deno.test("an address that another server has is not shared with it", async () => {
  await using first = await Server.start({ config: HEAD + INBOX });
  await using second = await Server.spawn({
    config: HEAD + INBOX,
    ports: { smtp: first.ports.smtp, admin: first.ports.admin + 1 },
  });
  await waitFor("its end", () => second.hasEnded, { deadline: 20_000 });
  assertMatch(second.output, /is in use: stop the other server/);
});
