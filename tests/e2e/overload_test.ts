/**
 * What is asked to come again while the server is pressed, and what is not (cases 36, 79; SEMANTICS 25). Pressed by memory: of
 * 64 MiB that it may have a server takes more by being there, so only the least that is always let in may be under way.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mail } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const CONFIG = (lmtp: number) =>
  `hostname: mx.local.example
domains: ["*"]
listeners: [{ address: "127.0.0.1:2525" }, { address: "127.0.0.1:${lmtp}", role: lmtp }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { memory: 64MiB, stressTimeout: 3s, connectionsPerIp: 500 }
plugins: [{ inbox: { everything: true } }]
`;

/** A value of GET /metrics; 0 where there is none. */
async function metric(server: Server, name: string): Promise<number> {
  const text = await (await server.api.get("/metrics")).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

interface Crowd extends Disposable {
  /** Those that were given 354. */
  readonly begun: readonly SmtpClient[];
  /** What the others were told. */
  readonly refused: readonly string[];
}

/** As many as are always let in, three times over, begin a message at the same time and do not end it. */
async function crowd(port: number): Promise<Crowd> {
  const clients: SmtpClient[] = [], begun: SmtpClient[] = [], refused: string[] = [];
  await Promise.all(Array.from({ length: 100 }, async () => {
    const client = await SmtpClient.connect(port, { deadline: 60_000 });
    clients.push(client);
    let reply = await client.reply();
    for (const line of ["EHLO c.example", "MAIL FROM:<a@example.org>", "RCPT TO:<box@local.example>", "DATA"]) {
      if (reply.code >= 400) break;
      reply = await client.command(line);
    }
    if (reply.code === 354) begun.push(client);
    else refused.push(reply.raw);
  }));
  return { begun, refused, [Symbol.dispose]: () => clients.forEach((each) => each.close()) };
}

Deno.test("case 79: pressed: a few go on, strangers beyond are 421 or 452, one's own come in, whoever has 354 has 250", async () => {
  const lmtp = freePort();
  await using server = await Server.start({ config: CONFIG(lmtp) });
  const port = server.ports.smtp;
  using early = await SmtpClient.ready(port);
  await waitFor("the pressure", async () => await metric(server, "postern_stressed") === 1);
  {
    using all = await crowd(port);
    assert(all.begun.length >= 8, `${all.begun.length} were let in`);
    for (const raw of all.refused) {
      assertMatch(raw, /^(421 Too busy now|452 4\.3\.1 No memory for messages now|421 4\.4\.2 )/);
    }
    assert(all.refused.length >= 1, "nothing bounds what may begin");

    using own = await SmtpClient.connect(lmtp); // of one's own nobody has to wait for strangers
    await own.expect(220);
    await own.command("LHLO own.example", 250);
    await own.begin({ from: "a@own.example", to: ["b@example.org"] });
    await own.send("Subject: own\r\n\r\nx\r\n.\r\n");
    await own.expect(250);

    await Promise.all(
      all.begun.slice(0, 5).map(async (each) => {
        await each.send("Subject: begun\r\n\r\nx\r\n.\r\n");
        const answer = await each.reply();
        assert(queuedAs(answer) !== null || answer.raw.startsWith("421 4.4.2"), answer.raw); // it was silent for too long
      }),
    );
    // Who is silent ends by the time-out of stress, inside a message too
    await waitFor("the end of the silent ones", async () => await metric(server, "postern_sessions_open") <= 1, {
      deadline: 60_000,
    });
    assertMatch((await all.begun.at(-1)!.reply()).raw, /^421 4\.4\.2 /);
    assertMatch((await early.reply()).raw, /^421 4\.4\.2 /);
  }
  const shed = await Promise.all(
    ["connect", "mail"].map((where) => metric(server, `postern_shed_total{where="${where}",why="memory"}`)),
  );
  assert(shed[0]! + shed[1]! >= 1, `${shed}`);
  assertMatch(server.output, /trouble .*overload .*limits\.memory is taken/);
});

Deno.test("case 79: when the pressure is over a message comes in as ever, and the log says so", async () => {
  await using server = await Server.start({ config: CONFIG(freePort()) });
  const port = server.ports.smtp;
  using _early = await SmtpClient.ready(port);
  await waitFor("the pressure", async () => await metric(server, "postern_stressed") === 1);
  (await crowd(port))[Symbol.dispose]();
  const message = mail("From: a@example.org\nSubject: after\n\nText\n");
  await waitFor("a message", async () => {
    using client = await SmtpClient.connect(port);
    if ((await client.reply()).code !== 220) return false;
    await client.command("EHLO c.example", 250);
    return (await client.attempt({ from: "a@example.org", to: ["box@local.example"], message })).code === 250;
  });
  await waitFor("the word that it is over", () => /notice .*overload .*asked to come again in/.test(server.output));
  assertEquals((await server.api.messages()).map(({ subject }) => subject), ["after"]);
});

Deno.test("case 79: what each of two threads sends away is in one sum of /metrics, and on the site in words", async () => {
  await using server = await Server.start({ config: `threads: 2\n${CONFIG(freePort())}` });
  using _early = await SmtpClient.ready(server.ports.smtp);
  await waitFor("the pressure", async () => await metric(server, "postern_stressed") === 1, { deadline: 30_000 });
  using all = await crowd(server.ports.smtp);
  assert(all.refused.length >= 1, "nothing bounds what may begin");
  await waitFor("the sum", async () => {
    const [connect, mail] = await Promise.all(
      ["connect", "mail"].map((where) => metric(server, `postern_shed_total{where="${where}",why="memory"}`)),
    );
    return connect! + mail! >= all.refused.filter((raw) => /Too busy|No memory/.test(raw)).length;
  }, { deadline: 30_000 });
  const page = await server.api.get("/");
  assertMatch(await page.text(), /More comes in than can be taken: \d+ were asked to come again/);
});
