/**
 * The trace that no configuration can lose, over TCP: Received on top with the id that the 250 names (RFC 5321 4.4),
 * loops ended by counting (6.3), Authentication-Results in our own name removed before anybody reads them (RFC 8601 5).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { latin1, octets } from "../support/bytes.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";

/** The plugin reads the headers as a `data` handler sees them, and writes them down in a field of its own. */
const SPY = `export default { name: "spy", handlers: { data(ctx, next) {
  const seen = ctx.message.headers.filter(({ name }) => name.toLowerCase() === "authentication-results").map(({ value }) => value);
  ctx.prependHeader("X-Spy", seen.length + " " + seen.join(" | "));
  return next(); } } };`;

async function start(folder: TempFolder, limits = ""): Promise<Server> {
  const spy = await folder.file("spy.ts", SPY);
  return await Server.start({
    config: `hostname: MX.Local.Example
domains: ["*"]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [${spy}, { inbox: { everything: true } }]
${limits}`,
  });
}
/** Sends the header section and returns the message as it was stored, and its id. */
async function stored(
  client: SmtpClient,
  server: Server,
  header: string,
  to = ["b@c.example"],
): Promise<[string, string]> {
  const reply = await client.deliver({ from: "a@b.example", to, message: octets(`${header}\r\nText\r\n`) });
  const id = queuedAs(reply);
  assert(id, reply.raw);
  return [latin1((await server.api.raw(id))!), id];
}
const ZONE = /(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000/.source;

Deno.test("RFC 5321 4.4: Received is on top, with the id of the 250, `for` only with one recipient", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  const [one, id] = await stored(
    client,
    server,
    "Received: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: s\r\n",
  );
  assertMatch(
    one,
    new RegExp(
      `^Return-Path: <a@b\\.example>\r\nX-Spy: 0\r\nReceived: from client\\.example \\(\\[127\\.0\\.0\\.1\\]\\)\r\n` +
        `\tby mx\\.local\\.example \\(Postern\\) with ESMTP id ${id}\r\n\tfor <b@c\\.example>;\r\n\t${ZONE}\r\n` +
        `Received: from x by y; `,
    ),
  );
  const [two, other] = await stored(client, server, "Subject: s\r\n", ["b@c.example", "d@e.example"]);
  assertMatch(
    two,
    new RegExp(`\r\n\tby mx\\.local\\.example \\(Postern\\) with ESMTP id ${other};\r\n\t${ZONE}\r\nSubject`),
  );
  assert(!/\bfor </.test(two), "nobody learns of another recipient");
  using old = await SmtpClient.connect(server.ports.smtp);
  await old.expect(220);
  await old.command("HELO old.example", 250);
  assertMatch((await stored(old, server, "Subject: s\r\n"))[0], /from old\.example .*\r\n.* with SMTP id /);
  await client.command("EHLO client.example", 250);
  await client.command("MAIL FROM:<a@b.example> SMTPUTF8", 250);
  await client.command("RCPT TO:<j\u00c3\u00bcrgen@c.example>", 250);
  await client.command("DATA", 354);
  await client.send("Subject: s\r\n\r\nText\r\n.\r\n");
  const wide = latin1((await server.api.raw(queuedAs(await client.reply())!))!);
  assertMatch(wide, /with UTF8SMTP id \w+\r\n\tfor <j\u00c3\u00bcrgen@c\.example>;/);
});

Deno.test("case 54: what a client says of itself writes no field and no fact into Received", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  const names = [
    ...[
      "a)(b",
      "x;y",
      "(comment",
      "a\\b",
      '"quoted"',
      "a@b",
      "-dash",
      "dot.",
      "[127.0.0.1]",
      "[IPv6:::1]",
      "f\u00c3\u00bcr",
    ],
    ...["x (mx.local.example [192.0.2.1])", "a".repeat(300), "x\tby evil.example"],
  ];
  for (const name of names) {
    using client = await SmtpClient.connect(server.ports.smtp);
    await client.expect(220);
    if ((await client.command(`EHLO ${name}`)).code !== 250) continue; // no name: refused as such
    const [text, id] = await stored(client, server, "Subject: s\r\n");
    const received = /^Received: ((?:.|\r\n[ \t])*)\r\n/m.exec(text)![1]!;
    assertMatch(
      received,
      /^from (\S+ \(\[127\.0\.0\.1\]\)|\[127\.0\.0\.1\] \(HELO [!-'*-[\]-~]*\))\r\n\tby mx\.local\.example /,
    );
    assertMatch(received, new RegExp(` id ${id}\r\n\tfor <b@c\\.example>;\r\n\t${ZONE}$`), name);
    assert(received.split("\r\n").every((line) => line.length < 400));
  }
});

Deno.test("case 60: as many Received as the limit is a loop, 554 5.4.6; one less is not", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder, "limits: { received: 20 }");
  using client = await SmtpClient.ready(server.ports.smtp);
  const hop = (n: number) => `Received: from a by b${n};\r\n Mon, 1 Jan 2024 00:00:00 +0000\r\n`;
  const hops = (count: number) => Array.from({ length: count }, (_, n) => hop(n)).join("");
  await stored(client, server, `${hops(19)}Subject: s\r\n`);
  await stored(client, server, `${hops(19)}Subject: s\r\nX-Received: from a by b\r\n\r\n${hops(50)}`); // in the body
  const forms = [
    hops(20),
    hops(10) + "Subject: s\r\n" + hops(10),
    hops(20).replaceAll("Received:", "rEcEiVeD:"),
    hops(20).replaceAll("Received:", "Received :"), // obsolete, and still a hop                      RFC 5322 4.5.1
  ];
  for (const header of forms) {
    const reply = await client.deliver({ from: "a@b.c", to: ["d@e.f"], message: octets(`${header}\r\nText\r\n`) });
    assertMatch(reply.raw, /^554 5\.4\.6 .*\(ref [0-9A-Z]{8}\)\r\n$/, JSON.stringify(header.slice(0, 60)));
  }
  assertEquals((await server.api.messages()).length, 2);
});

Deno.test("case 53: Authentication-Results in our name are removed, before any plugin, in every disguise; others stay", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  const forged = [
    "Authentication-Results: mx.local.example; dkim=pass\r\n",
    "authentication-results: mx.local.example; spf=pass\r\n",
    "AUTHENTICATION-RESULTS: MX.LOCAL.EXAMPLE 1; none\r\n",
    "Authentication-Results:mx.local.example;dkim=pass\r\n",
    "Authentication-Results:\r\n mx.local.example;\r\n\tdkim=pass\r\n",
    "Authentication-Results: \r\n\t\r\n mx.local.example; dkim=pass\r\n",
    "Authentication-Results: (a comment) mx.local.example; dkim=pass\r\n",
    "Authentication-Results: (a (nested \\) one) here)\r\n (another)mx.local.example (and behind); dkim=pass\r\n",
    'Authentication-Results: "mx.local.example"; dkim=pass\r\n',
    'Authentication-Results: "mx.\\local.ex\\ample"; dkim=pass\r\n',
    'Authentication-Results: (x) "MX.local.example" 1; dkim=pass\r\n',
    "Authentication-Results: mx.local.example\r\n",
    "Authentication-Results : mx.local.example; dkim=pass\r\n",
    "Authentication-Results: mx.local.example(comment); dkim=pass\r\n",
    "Authentication-Results: (never closed mx.local.example; dkim=pass\r\n",
    "Authentication-Results:\r\n",
  ];
  const others = [
    "Authentication-Results: mx.other.example; dkim=fail\r\n",
    "Authentication-Results: (mx.local.example) other.example; dkim=fail\r\n",
    "Authentication-Results: notmx.local.example; dkim=fail\r\n",
    "Authentication-Results: mx.local.example.evil; dkim=fail\r\n",
    "X-Authentication-Results: mx.local.example; dkim=fail\r\n",
    "Authentication-Results-Original: mx.local.example; dkim=fail\r\n",
  ];
  for (const field of forged) {
    const [text] = await stored(client, server, `From: a@b.c\r\n${field}Subject: s\r\n`);
    assertMatch(text, /^X-Spy: 0\r\n/m, `${JSON.stringify(field)} was seen by a plugin`);
    assert(!text.includes("dkim=pass") && !/^authentication-results/im.test(text), JSON.stringify(field));
    assertMatch(text, /\r\nFrom: a@b\.c\r\nSubject: s\r\n\r\nText\r\n$/, "and nothing else is gone");
  }
  for (const field of others) {
    const [text] = await stored(client, server, `From: a@b.c\r\n${field}Subject: s\r\n`);
    assert(text.endsWith(`\r\nFrom: a@b.c\r\n${field}Subject: s\r\n\r\nText\r\n`), JSON.stringify(field));
  }
  const [all] = await stored(client, server, forged.join("") + others.join("") + forged.join(""));
  assertEquals(all.match(/dkim=pass/g), null);
  assertEquals(all.match(/^(X-)?Auth.*dkim=fail/gm)?.length, others.length);
  const [broken] = await stored(
    client,
    server,
    `From: a@b.c\r\nno field\r\n${forged[1]}At: x\r\nnor this\r\n${forged[4]}`,
  );
  assert(broken.endsWith("\r\nFrom: a@b.c\r\nno field\r\nAt: x\r\nnor this\r\n\r\nText\r\n"), broken);
  const [body] = await stored(client, server, `Subject: s\r\n\r\n${forged[0]}`);
  assert(body.includes(`\r\n\r\n${forged[0]}`), "a body is only text");
});
