/** A gateway in front of another server: whom that one refuses the gateway refuses, and what it takes arrives there. */
import { assertEquals, assertMatch } from "@std/assert";
import { MailSink } from "../support/mail_sink.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const config = (port: number) => `
hostname: gateway.local.example
domains: [local.example]
postmaster: ops@local.example
listeners: [{ address: "127.0.0.1:0" }]
admin: { address: "127.0.0.1:0", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { inside: { hosts: ["smtp://127.0.0.1:${port}"] } }
delivery:
  routes: [{ domain: inside.example, to: remote, via: inside }]
  retry: [1s]
plugins:
  - relay: { domains: [inside.example] }
  - recipients: { accounts: [ops], deliverTo: inbox }
  - verify_recipient
  - inbox
`;

/** The reply to RCPT, one line. */
async function rcpt(port: number, to: string): Promise<string> {
  using client = await SmtpClient.ready(port);
  await client.command("MAIL FROM:<a@elsewhere.example>", 250);
  const { code, lines } = await client.command(`RCPT TO:<${to}>`);
  await client.command("QUIT", 221);
  return `${code} ${lines.join(" ")}`;
}

Deno.test("a gateway refuses whom the server behind it refuses, remembers it, and delivers the rest", async () => {
  await using sink = await MailSink.open();
  await using server = await Server.start({ config: config(sink.port) });
  const { smtp } = server.ports;
  for (const _ of [1, 2]) {
    assertMatch(await rcpt(smtp, "nobody@inside.example"), /^550 5\.1\.1 No such user \(said inside\.example\)/);
  }
  assertEquals(sink.messages.length, 0);
  {
    using client = await SmtpClient.ready(smtp);
    await client.command("MAIL FROM:<a@elsewhere.example>", 250);
    await client.command("RCPT TO:<nobody@inside.example>", 550);
    await client.command("RCPT TO:<ann@inside.example>", 250);
    await client.command("DATA", 354);
    await client.command("Subject: hello\r\n\r\nhello\r\n.", 250);
    await client.command("QUIT", 221);
  }
  await waitFor("the message to arrive", () => sink.messages.length === 1);
  assertMatch(new TextDecoder().decode(sink.messages[0]), /Subject: hello/);

  // The server behind goes down: what is known stays known, and the rest is taken
  await sink[Symbol.asyncDispose]();
  assertMatch(await rcpt(smtp, "nobody@inside.example"), /^550 5\.1\.1 /);
  assertMatch(await rcpt(smtp, "ann@inside.example"), /^250 /);
  assertMatch(await rcpt(smtp, "bob@inside.example"), /^250 /);
  await waitFor(
    "the log to say so",
    () => /alert .*inside\.example: "does not say which recipients it takes: 451 4\.4\.1/.test(server.output),
  );
});
