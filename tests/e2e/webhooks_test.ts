/** Hooks of a real server: what happened while the receiver was away is told after kill -9 and a new start. */
import { assert, assertEquals } from "@std/assert";
import { HookReceiver } from "../support/hook_receiver.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const KEY = new Uint8Array(32).fill(5);

Deno.test("webhooks: at least once, in order, signed, over kill -9 and a receiver that was away", async () => {
  await using temp = await TempFolder.make("postern-webhooks-");
  await using receiver = HookReceiver.start(KEY);
  const config = `
hostname: mx.example.org
postmaster: ops@example.org
listeners: [{ address: "127.0.0.1:2525" }]
plugins: [{ inbox: { everything: true } }]
admin: {}
webhooks:
  - { name: app, url: "${receiver.url}", events: [accepted, refused, audit], secret: "whsec_${KEY.toBase64()}" }
`;
  const data = temp.at("data"), messages = 5;
  await receiver.leave();
  {
    await using server = await Server.start({ config, data });
    using client = await SmtpClient.connect(server.ports.smtp);
    await client.expect(220);
    await client.command("EHLO client.example.net", 250);
    for (let i = 0; i < messages; i++) {
      await client.command(`MAIL FROM:<sender${i}@example.net>`, 250);
      await client.command("RCPT TO:<ada@example.org>", 250);
      await client.command("DATA", 354);
      await client.command(`Subject: secret words\r\n\r\nbody ${i}\r\n.`, 250);
    }
    await waitFor("the events to be in the file", async () => {
      const { items } = await server.api.json<{ items: { waiting: number; fault: string | null }[] }>(
        "/api/v1/webhooks",
      );
      return items[0]!.waiting >= messages && items[0]!.fault !== null;
    }, { deadline: 30_000 });
    await server.kill();
  }
  assertEquals(receiver.heard, []);
  receiver.comeBack();
  await using server = await Server.start({ config, data });
  await waitFor("what waited", () => receiver.heard.length >= messages, { deadline: 30_000 });
  assertEquals(
    receiver.heard.slice(0, messages).map(({ type, data, genuine }) => [type, data["from"], data["to"], genuine]),
    Array.from({ length: messages }, (_, i) => ["accepted", `sender${i}@example.net`, ["ada@example.org"], true]),
  );
  assert(receiver.heard.every(({ body }) => !body.includes("secret words")));
  assert(!server.output.includes("of-the-url"), "the log shows no more of the URL than its host");
});
