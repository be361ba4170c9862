/** What must hold for all nodes of one database together: rates, the greylist, lock-outs, attempts at one destination. */
import { assert, assertEquals } from "@std/assert";
import { hashPassword } from "../../core/auth/passwords.ts";
import { PostgresServer, testWithPostgres } from "../support/postgres.ts";
import { RawSink } from "../support/raw_sink.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { setTimeout as timer } from "node:timers/promises";
import { Cluster } from "./cluster.ts";

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const LETTER = new TextEncoder().encode("Subject: x\r\n\r\nhello\r\n");

testWithPostgres("case 36: limits, greylist, lock-outs and concurrency are of all nodes together", async () => {
  let now = 0, peak = 0;
  const secret = await hashPassword("secret", { random });
  await using sink = new RawSink({
    async answer({ step }) {
      if (step !== "dot") return undefined;
      peak = Math.max(peak, ++now);
      await timer(20); // others may come meanwhile
      now--;
      return undefined;
    },
  });
  await using database = await PostgresServer.start();
  await using cluster = await Cluster.start({
    count: 2,
    store: await database.database(),
    sink: sink.port,
    listener: `, xclient: ["127.0.0.1"]`,
    submission: true,
    sections: "auth: { lockout: { delay: 1ms, failuresPerAccount: 3 } }",
    delivery: "  concurrencyPerDomain: 3",
    plugins: [
      `accounts: { accounts: ["ann ${secret}", "bob ${secret}"] }`,
      "rate_limit: { messagesPerIp: 5/1h }",
      "greylist: { delay: 1s }",
      "recipients: { accounts: { box: inbox } }",
      "inbox",
    ],
  });
  const as = async (node: number, ip: string): Promise<SmtpClient> => {
    const client = await SmtpClient.ready(cluster.ports[node]!.smtp);
    await client.command(`XCLIENT ADDR=${ip}`, 220);
    await client.command("EHLO client.example", 250);
    return client;
  };

  const codes: number[] = []; // of the rate
  for (let n = 0; n < 8; n++) {
    using client = await as(n % 2, "203.0.113.5");
    await client.command("MAIL FROM:<many@client.example>", 250); // a refusal waits for RCPT
    codes.push((await client.command("RCPT TO:<nobody@local.example>")).code);
  }
  assertEquals(codes, [550, 550, 550, 550, 550, 450, 450, 450]);

  let host = 0; // of the network that the greylist knows
  const come = async (node: number): Promise<number> => {
    using client = await as(node, `192.0.2.${++host}`);
    await client.command("MAIL FROM:<amy@a.example>", 250);
    return (await client.command("RCPT TO:<box@local.example>")).code;
  };
  assertEquals(await come(0), 451);
  let code = await come(1);
  for (const end = Date.now() + 20_000; code === 451 && Date.now() < end; code = await come(1)) await timer(200);
  assertEquals([code, await come(0)], [250, 250], "who waited at one node is known to the other");

  const login = async (node: number, password: string, user = "ann"): Promise<number> => {
    using client = await SmtpClient.ready(cluster.ports[node]!.submission);
    return (await client.login(user, password)).code;
  };
  const wrong = [await login(0, "one"), await login(1, "two"), await login(0, "three")];
  assertEquals(wrong, [535, 535, 535]);
  assertEquals([await login(0, "secret"), await login(1, "secret")], [421, 421], "locked out at both");
  assertEquals(await login(1, "secret", "bob"), 235);

  const clients = await Promise.all([0, 1, 0, 1].map((node) => SmtpClient.ready(cluster.ports[node]!.smtp)));
  const send = async (client: SmtpClient, number: number) => {
    for (let n = 0; n < 15; n++) {
      const to = [`u${number}.${n}@d0.example`];
      assertEquals((await client.deliver({ from: `u${number}.${n}@client.example`, to, message: LETTER })).code, 250);
    }
    await client.quit();
  };
  await Promise.all(clients.map(send));
  await cluster.drained(60_000);
  assertEquals(sink.taken.length, 60);
  assert(peak >= 1 && peak <= 3, `${peak} at once, where 3 are allowed`);
});
