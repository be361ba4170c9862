/**
 * SEMANTICS 26: SIGHUP and the configuration is read again. New sessions go by the new one, those under way by the old one;
 * listeners, certificates, limits, plugins and routes change; a bad file changes nothing and says where it is wrong.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MailSink } from "../support/mail_sink.ts";
import { mail } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const HEAD = `hostname: mx.local.example
domains: ["*"]
postmaster: box@local.example
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
`;
const TO = ["box@local.example"], FROM = "a@example.org";
const message = (subject: string) => mail(`From: a@example.org\nSubject: ${subject}\n\nhello\n`);
const inbox = "plugins: [{ inbox: { everything: true } }]\n";
const mx = `listeners: [{ address: "127.0.0.1:2525" }]\n`;

/** The id of a message that is accepted. */
async function taken(client: SmtpClient, subject: string, to = TO): Promise<string> {
  const reply = await client.deliver({ from: FROM, to, message: message(subject) });
  const id = queuedAs(reply);
  assert(id !== null, reply.raw);
  return id;
}

/** SIGHUP, and waits for the line that says what came of it. */
async function reload(server: Server, text: string): Promise<string> {
  await server.configure(text);
  const before = server.output.length;
  server.signal("SIGHUP");
  const line = await waitFor(
    "the word on the reload",
    () => /(?:notice|trouble) +reload .*/.exec(server.output.slice(before))?.[0] ?? null,
  );
  return line;
}

Deno.test("a session keeps what it began with, the next one finds the new limits, plugins and name", async () => {
  await using server = await Server.start({ config: HEAD + mx + inbox });
  using old = await SmtpClient.ready(server.ports.smtp);
  const line = await reload(
    server,
    `${HEAD.replace("mx.local.example", "mx2.local.example")}${mx}limits: { messageSize: 100KiB }
plugins: [{ recipients: { accounts: [nobody], deliverTo: inbox, home: local.example } }, { inbox: { everything: true } }]
`,
  );
  assertMatch(line, /changed: hostname, limits, plugins|changed: (?:\w+, )+/);
  const kept = await old.command("EHLO client.example", 250);
  assertStringIncludes(kept.raw, "SIZE 52428800");
  assertStringIncludes(kept.raw, "mx.local.example");
  await taken(old, "old");
  using fresh = await SmtpClient.connect(server.ports.smtp);
  assertStringIncludes((await fresh.expect(220)).raw, "mx2.local.example");
  assertStringIncludes((await fresh.command("EHLO client.example", 250)).raw, "SIZE 102400");
  await fresh.command(`MAIL FROM:<${FROM}>`, 250);
  assertMatch((await fresh.command(`RCPT TO:<${TO[0]}>`, 550)).raw, /5\.1\.1/);
  assertEquals((await server.api.messages()).length, 1);
});

Deno.test("a bad file changes nothing, and its faults are told with their place", async () => {
  await using server = await Server.start({ config: HEAD + mx + inbox });
  const line = await reload(server, `${HEAD}${mx}limits: { mesageSize: 1MiB }\nplugins: [{ imbox: {} }]\n`);
  assertMatch(line, /nothing was changed: .*postern\.yaml:6:\d+: limits\.mesageSize.*\(and 1 more\)/);
  assertStringIncludes(
    await waitFor("every fault in the log", () => /imbox/.test(server.output) ? server.output : null),
    "inbox",
  );
  assertStringIncludes(
    await reload(server, HEAD + mx + inbox + "data: /nowhere/else\nstore: memory\n"),
    "store can only be changed by a restart",
  );
  const gone = `${HEAD}${mx}${inbox}tls: { certificates: [{ cert: /nowhere.pem, key: /nowhere.key }] }\n`;
  assertMatch(await reload(server, gone), /nothing was changed: \/nowhere/);
  using client = await SmtpClient.ready(server.ports.smtp);
  await taken(client, "still here");
  assertMatch(await reload(server, HEAD + mx + inbox), /changed: nothing in the file/);
});

Deno.test("listeners come and go; who is on one that goes stays until he is done", async () => {
  const port = freePort(), other = freePort();
  const second = (at: number, extra = "") =>
    `listeners:\n  - { address: "127.0.0.1:2525" }\n  - { address: "127.0.0.1:${at}", name: second${extra} }\n`;
  await using server = await Server.start({ config: HEAD + second(port) + inbox });
  using staying = await SmtpClient.ready(port);
  await reload(server, HEAD + second(other, ", vrfy: off") + inbox);
  using moved = await SmtpClient.ready(other);
  await moved.command("VRFY bob", 502);
  const refused = await Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), false), () => true);
  assert(refused, "nobody new is taken there");
  await taken(staying, "staying");
  await staying.command("QUIT", 221);
  await reload(server, HEAD + second(other) + inbox);
  using again = await SmtpClient.ready(other);
  await again.command("VRFY bob", 252);
  const squatter = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port: theirs } = squatter.addr as Deno.NetAddr;
  assertStringIncludes(await reload(server, HEAD + second(theirs) + inbox), `127.0.0.1:${theirs} is in use`);
  squatter.close();
  await again.command("VRFY bob", 252);
  using still = await SmtpClient.ready(other);
  await still.command("QUIT", 221);
});

Deno.test("what waits in the queue goes by the new routes", async () => {
  await using sink = await MailSink.open();
  const nobody = freePort();
  const config = (at: number) =>
    `${HEAD.replace('["*"]', "[local.example]")}${mx}nextHops: { up: { hosts: ["smtp://127.0.0.1:${at}"] } }
delivery: { routes: [{ domain: "*", to: remote, via: up }], retry: [1s] }
plugins: [{ relay: { networks: ["127.0.0.0/8"] } }, { recipients: { accounts: [nobody], deliverTo: inbox } }, inbox]
`;
  await using server = await Server.start({ config: config(nobody) });
  using client = await SmtpClient.ready(server.ports.smtp);
  await taken(client, "waits", ["far@example.net"]);
  await waitFor("the first attempt", () => /deferred +id=/.test(server.output));
  assertMatch(await reload(server, config(sink.port)), /changed: nextHops/);
  await waitFor("the message", () => sink.messages.length === 1);
});

Deno.test("reload after reload under load: every message with a 250 is there once", async () => {
  await using server = await Server.start({ config: HEAD + mx + inbox });
  let stop = false;
  const accepted: string[] = [];
  const loads = Array.from({ length: 4 }, async (_, n) => {
    for (let i = 0; !stop; i++) {
      using client = await SmtpClient.ready(server.ports.smtp);
      for (let k = 0; k < 3; k++) {
        accepted.push(await taken(client, `${n} ${i} ${k}`));
      }
      await client.command("QUIT", 221);
    }
  });
  for (let round = 0; round < 20; round++) {
    await reload(server, `${HEAD}${mx}limits: { messageSize: ${round + 1}MiB }\n${inbox}`);
  }
  stop = true;
  await Promise.all(loads);
  assert(accepted.length > 0);
  assertEquals((await server.api.messages()).length, new Set(accepted).size);
});

Deno.test("the site stays where it is: with other tokens, or at another address", async () => {
  const admin = (rest: string) => HEAD.replace(/token: .* \}/, `${rest} }`) + mx + inbox;
  await using server = await Server.start({
    config: admin("token: a-token-of-the-file"),
    env: { POSTERN_ADMIN_TOKEN: "" },
  });
  const asked = async (token: string, port = server.ports.admin) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/messages`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals(await asked("a-token-of-the-file"), 200);
  assertMatch(await reload(server, admin("token: another-of-the-file")), /changed: admin/);
  assertEquals([await asked("a-token-of-the-file"), await asked("another-of-the-file")], [401, 200]);
  assertMatch(await reload(server, admin("token: short")), /nothing was changed/);
  assertEquals(await asked("another-of-the-file"), 200);
});
