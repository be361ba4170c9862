/**
 * Stopping (case 78): new commands are 421 4.3.2, what runs finishes and is durable, the exit code is 0 in bounded time,
 * a second signal ends at once, SIGHUP ends nothing.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { addedOnly, dotStuffed, join, mail, octets } from "../support/bytes.ts";
import { Server } from "../support/server.ts";
import { ConnectionClosed, queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

const config = (drainTime: string) =>
  `hostname: mx.local.example
domains: ["*"]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { drainTime: ${drainTime} }
plugins: [{ inbox: { everything: true } }]
`;
const TO = ["box@local.example"], FROM = "a@example.org";
const message = (subject: string) => mail(`From: a@example.org\nSubject: ${subject}\n\n${"line\n".repeat(2000)}`);
const wire = (subject: string) => join(dotStuffed(message(subject)), octets(".\r\n"));

/** A client that has sent half of its message. */
async function half(server: Server, subject: string): Promise<SmtpClient> {
  const client = await SmtpClient.ready(server.ports.smtp);
  await client.begin({ from: FROM, to: TO });
  await client.send(wire(subject).subarray(0, 3000));
  return client;
}
/** The 421 that an idle session is told, and the end. */
async function dismissed(client: SmtpClient, what: string): Promise<void> {
  const reply = await client.reply();
  assertMatch(reply.raw, /^421 4\.3\.2 Shutting down\r\n$/, what);
  assertEquals(await client.closed(), "", what);
  client.close();
}

Deno.test("case 78: SIGTERM: idle sessions and open transactions are 421, DATA and BDAT finish and are durable", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await using server = await Server.start({ data, config: config("30s") });
  using idle = await SmtpClient.ready(server.ports.smtp);
  using fresh = await SmtpClient.connect(server.ports.smtp);
  await fresh.expect(220);
  using open = await SmtpClient.ready(server.ports.smtp);
  await open.command(`MAIL FROM:<${FROM}>`, 250);
  await open.command(`RCPT TO:<${TO[0]}>`, 250);
  using running = await half(server, "running");
  using chunked = await SmtpClient.ready(server.ports.smtp);
  await chunked.command(`MAIL FROM:<${FROM}>`, 250);
  await chunked.command(`RCPT TO:<${TO[0]}>`, 250);
  const chunks = message("chunked");
  await chunked.send(join(octets("BDAT 1000\r\n"), chunks.subarray(0, 1000)));
  await chunked.expect(250);
  using stream = await Stream.open(server);

  const asked = performance.now();
  server.signal("SIGTERM");
  await Promise.all([dismissed(idle, "idle"), dismissed(fresh, "before EHLO"), dismissed(open, "in a transaction")]);
  assert(performance.now() - asked < 3000, "at once");
  await waitFor("new connections to be refused", async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port: server.ports.smtp })).close();
      return false;
    } catch {
      return true;
    }
  });
  const ready = await server.api.get("/readyz");
  await ready.body?.cancel();
  assertEquals(ready.status, 503, "nobody should send more");

  await running.send(wire("running").subarray(3000));
  const first = queuedAs(await running.reply());
  await dismissed(running, "after its message");
  await chunked.send(join(octets(`BDAT ${chunks.length - 1000} LAST\r\n`), chunks.subarray(1000)));
  const second = queuedAs(await chunked.reply());
  await dismissed(chunked, "after its chunks");
  const status = await within("the end", server.ended, 10_000);
  assertEquals([status.code, status.signal], [0, null], server.output);
  await stream.ended;
  assertMatch(server.output, /stopping: .*\n(.*\n)*.* stopped\n$/);

  await using again = await Server.start({ data, config: config("30s") });
  assert(first && second);
  assertEquals(addedOnly((await again.api.raw(first))!, message("running")), null);
  assertEquals(addedOnly((await again.api.raw(second))!, message("chunked")), null);
});

/** The site's live events: a request without an end of its own. */
class Stream implements Disposable {
  private constructor(readonly response: Response, readonly ended: Promise<void>) {}
  static async open(server: Server): Promise<Stream> {
    const response = await server.api.get("/api/v1/events");
    assertEquals(response.status, 200);
    const ended = (async () => {
      try {
        for await (const _ of response.body!);
      } catch { /* cut: also an end */ }
    })();
    return new Stream(response, ended);
  }
  [Symbol.dispose](): void {}
}

Deno.test("case 78: a message that stands still is cut after drainTime, and nothing of it is kept", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await using server = await Server.start({ data, config: config("1s") });
  using stalled = await half(server, "stalled");
  const asked = performance.now();
  const { code } = await server.stop();
  const took = performance.now() - asked;
  assertEquals(code, 0);
  assert(took >= 900 && took < 6000, `${took} ms`);
  assert(!/^250/.test(await stalled.closed()));
  await using again = await Server.start({ data });
  assertEquals(await again.api.messages(), []);
  assertEquals([...Deno.readDirSync(`${data}/spool`)], []);
});

Deno.test("case 78: a second signal ends at once; what has no 250 is the client's to send again", async () => {
  for (const [first, second] of [["SIGTERM", "SIGTERM"], ["SIGINT", "SIGTERM"]] as const) {
    await using server = await Server.start({ config: config("60s") });
    using stalled = await half(server, "stalled");
    server.signal(first);
    await waitFor("the stop to begin", () => server.output.includes("stopping"));
    assertEquals(server.hasEnded, false);
    const asked = performance.now();
    // The same signal at once is its echo, not a second one: asked until it counts.
    await waitFor("the end", () => (server.signal(second), server.hasEnded), { deadline: 5000 });
    const { code } = await server.ended;
    assertEquals(code, 1);
    assert(performance.now() - asked < 2000);
    assert(!/^250/.test(await stalled.closed()));
  }
});

Deno.test("case 78: SIGHUP ends nothing and cuts nobody", async () => {
  await using server = await Server.start({ config: config("1s") });
  using client = await half(server, "while it hangs up");
  server.signal("SIGHUP");
  await waitFor("the word about it", () => server.output.includes("SIGHUP"));
  await client.send(wire("while it hangs up").subarray(3000));
  assert(queuedAs(await client.reply()));
  assertEquals(server.hasEnded, false);
});

Deno.test("case 78: under load, each message that got its 250 before the end is there after it", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  const accepted = new Map<string, string>();
  {
    await using server = await Server.start({ data, config: config("10s") });
    let stopped = false;
    const odd: string[] = [];
    const senders = Array.from({ length: 30 }, async (_, number) => {
      for (let index = 0; !stopped; index++) {
        try {
          using client = await SmtpClient.ready(server.ports.smtp);
          for (; !stopped; index++) {
            const subject = `${number}-${index}`;
            const reply = await client.deliver({ from: FROM, to: TO, message: message(subject) });
            const id = queuedAs(reply);
            if (id) accepted.set(subject, id);
            else if (reply.code !== 421) odd.push(reply.raw);
          }
        } catch (error) {
          const text = String(error);
          if (error instanceof ConnectionClosed || /got "421 4\.3\.2|ConnectionRe|BrokenPipe/.test(text)) return;
          if (/expected 220, got "421/.test(text)) return;
          throw error;
        }
      }
    });
    await waitFor("some load", () => accepted.size > 200, { deadline: 20_000 });
    const { code } = await server.stop();
    stopped = true;
    await Promise.all(senders);
    assertEquals(code, 0);
    assertEquals(odd, []);
  }
  await using again = await Server.start({ data });
  const found = new Map((await again.api.messages()).map(({ id, subject }) => [subject, id]));
  for (const [subject, id] of accepted) assertEquals(found.get(subject), id, subject);
  assertEquals(found.size, (await again.api.messages()).length, "none twice");
  assertStringIncludes(new TextDecoder().decode((await again.api.raw([...accepted.values()][0]!))!), "Subject: ");
});

Deno.test("case 78: a stop while a Maildir is tried again is bounded, and the copy comes after the next start", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  const slow = await folder.file(
    "slow.ts",
    `export default { name: "slow", handlers: {
      rcpt(ctx, next) { ctx.route({ to: "local", plugin: "slow" }); return next(); },
      queue(ctx, next) {
        const there = (() => { try { return Deno.statSync(${
      JSON.stringify(folder.at("open"))
    }).isFile; } catch { return false; } })();
        if (there) { for (const each of ctx.recipients) ctx.settle(each, "stored"); return next(); }
        return ctx.tries > 0 ? new Promise(() => {}) : next();
      } } };`,
  );
  const text = config("1s").replace(
    "[{ inbox: { everything: true } }]",
    `[{ ${JSON.stringify(slow)}: {}, deadline: 5m }]`,
  );
  {
    await using server = await Server.start({ data, config: text });
    using client = await SmtpClient.ready(server.ports.smtp);
    assert(queuedAs(await client.deliver({ from: FROM, to: TO, message: message("later") })));
    await client.quit();
    await waitFor("the attempt", async () => (await server.api.queue()).items[0]?.recipients[0]?.state === "active");
    const asked = performance.now();
    assertEquals((await server.stop()).code, 0);
    assert(performance.now() - asked < 5000);
  }
  await folder.file("open", "");
  await using again = await Server.start({ data, config: text });
  await waitFor("the copy", async () => (await again.api.queue()).total === 0);
});
