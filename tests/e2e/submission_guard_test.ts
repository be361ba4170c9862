/**
 * Logins and what they may send, over TCP and through a crash: who guesses is shut out and stays so, who is logged in
 * sends as itself. No TLS here: it has tests of its own.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { hashPassword } from "../../core/auth/passwords.ts";
import { octets } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const stored = await hashPassword("right", { random });

const config = (port: number) => `
hostname: mail.local.example
domains: [local.example]
postmaster: ops@local.example
listeners:
  - { address: "127.0.0.1:0" }
  - { address: "127.0.0.1:${port}", role: submission, tls: "off", auth: { withoutTls: true }, hideClient: true }
auth: { lockout: { delay: 1ms } }
plugins:
  - accounts: { accounts: ["alice ${stored}", "bob ${stored}"] }
  - account_guard: { suspend: { recipients: 6/1h } }
  - sender_login
  - submission
  - inbox: { everything: true }
`;

async function login(port: number, user: string, password: string): Promise<string> {
  using client = await SmtpClient.ready(port);
  const { code, lines } = await client.login(user, password);
  return `${code} ${lines[0]}`;
}

Deno.test("case 39: ten wrong passwords are the last that are looked at, also after a SIGKILL", async () => {
  await using folder = await TempFolder.make("postern-guard-");
  const port = freePort(), options = { config: config(port), data: folder.at("data") };
  {
    await using server = await Server.start(options);
    for (let i = 0; i < 10; i++) assertMatch(await login(port, "alice", `wrong ${i}`), /^535 5\.7\.8 /);
    assertMatch(await login(port, "alice", "right"), /^421 4\.7\.0 /);
    assertMatch(await login(port, "bob", "right"), /^235 2\.7\.0 /);
    assertMatch(await login(port, "hunter2", "typed into the wrong field"), /^535 5\.7\.8 /);
    await waitFor("the last login in the log", () => /user=user#[0-9a-f]{6} /.test(server.output));
    await server.kill(); // what was answered is on disk
    assert(server.output.includes("user=alice"));
    for (const secret of ["hunter2", "wrong 3"]) assert(!server.output.includes(secret), secret);
  }
  await using _ = await Server.start(options);
  assertMatch(await login(port, "alice", "right"), /^421 4\.7\.0 /);
  assertMatch(await login(port, "bob", "right"), /^235 2\.7\.0 /);
});

Deno.test("case 41: a login sends as itself, whole, and not as a thief would", async () => {
  await using folder = await TempFolder.make("postern-guard-");
  const port = freePort();
  await using server = await Server.start({ config: config(port), data: folder.at("data") });
  using client = await SmtpClient.ready(port);
  await client.command("MAIL FROM:<alice@local.example>", 530);
  await client.login("alice", "right", 235);
  assertMatch((await client.command("MAIL FROM:<bob@local.example>", 553)).lines[0]!, /^5\.7\.1 /);

  const send = async (head: string) => {
    await client.begin({ from: "alice@local.example", to: ["carol@local.example"] });
    await client.send(octets(`${head}\r\nSubject: one\r\n\r\nHello\r\n.\r\n`));
    return await client.reply();
  };
  assertMatch((await send("From: bob@local.example")).raw, /^550 5\.7\.1 /);
  assertEquals((await send("From: alice@local.example\r\nBcc: dave@local.example")).code, 250);
  const [kept] = await server.api.messages();
  const text = new TextDecoder().decode((await server.api.raw(kept!.id))!);
  assertMatch(text, /^Message-ID: <\w{26}@mail\.local\.example>\r$/m);
  assertMatch(text, /^Date: /m);
  assert(!/^bcc:|127\.0\.0\.1/im.test(text), text);

  await client.command("MAIL FROM:<alice@local.example>", 250);
  for (let i = 0; i < 4; i++) await client.command(`RCPT TO:<friend${i}@local.example>`, 250);
  const { lines } = await client.command("RCPT TO:<friend4@local.example>", 550);
  assertMatch(lines[0]!, /^5\.7\.1 This account is suspended until /);
  await client.command("DATA", 354);
  await client.send(octets("From: alice@local.example\r\n\r\nBuy\r\n.\r\n"));
  await client.expect(550);
  const alert = /alert +account_guard alice: "suspended until .*: 7 recipients in 1 hour/;
  await waitFor("the alert", () => alert.test(server.output));
  await server[Symbol.asyncDispose]();
  await using again = await Server.start({ config: config(port), data: folder.at("data") });
  using after = await SmtpClient.ready(port);
  await after.login("alice", "right", 235); // AUTH is not refused: a mail program would ask for another password
  await after.command("MAIL FROM:<alice@local.example>", 550);
  assert(!again.hasEnded);
});
