/** Mail from workerd over its own TCP sockets to a server of ours, and an answer by the platform's event. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Server } from "../../support/server.ts";
import { MailHost } from "../../support/mail_host.ts";
import { testWith } from "../../support/debian.ts";
import { Authority, MAKES_CERTIFICATES } from "../../support/tls.ts";
import { Worker } from "../../support/workerd.ts";
import { reject } from "../../../core/model/reply.ts";

const free = { sanitizeOps: false, sanitizeResources: false };
const LOGIN = { user: "edge", password: "secret" };

Deno.test("a web request becomes mail over the platform's sockets", free, async (t) => {
  await using host = await MailHost.open({
    login: LOGIN,
    size: 20_000_000,
    answer: (event) =>
      event.type === "rcpt" && event.address.local === "nobody" ? reject("5.1.1", "No such user") : undefined,
  });
  await using worker = await Worker.start({
    entry: "tests/support/edge_relay.ts",
    bindings: { HOST: "127.0.0.1", PORT: String(host.port), TLS: "none" },
    made: true,
  });
  const post = (to: readonly string[], body: BodyInit, secret = "0123456789abcdef") => {
    const query = new URLSearchParams([
      ["from", "amy@example.net"],
      ...to.map((each) => ["to", each] as [string, string]),
    ]);
    return fetch(new URL(`/?${query}`, worker.url), {
      method: "POST",
      headers: { authorization: `Bearer ${secret}` },
      body,
    });
  };
  const message = "Subject: hello\r\nMessage-ID: <1@example.net>\r\n\r\n.Hello\r\n";

  await t.step("with the changes of plugins, to all who are taken", async () => {
    const response = await post(["ann@example.org", "nobody@example.org"], message);
    const { id, refused } = await response.json();
    assertEquals([response.status, refused], [200, [{
      recipient: "nobody@example.org",
      reply: "550 5.1.1 No such user",
    }]]);
    const [{ text, identity, recipients, sender } = {} as never] = host.taken;
    assertEquals([sender, identity, recipients.map(({ address }) => address)], ["amy@example.net", "edge", [
      "ann@example.org",
    ]]);
    assert(text.startsWith(`X-Edge: ${id}\r\nReceived: by edge.example.org (Postern) id ${id};\r\n`), text);
    assert(text.endsWith(`\r\n${message}`), text);
  });
  await t.step("nobody is taken: refused for good", async () => {
    const response = await post(["nobody@example.org"], message);
    assertEquals(response.status, 406);
    assertMatch((await response.json()).reply, /^550 5\.1\.1 No such user \(ref /);
  });
  await t.step("10 MB", async () => {
    const large = new TextEncoder().encode(`Subject: large\r\n\r\n${`${"x".repeat(998)}\r\n`.repeat(10_000)}`);
    assertEquals((await post(["ann@example.org"], large)).status, 200);
    assertEquals(host.taken.at(-1)!.content.subarray(-large.length), large);
  });
  await t.step("not without the secret", async () => {
    assertEquals((await post(["ann@example.org"], message, "another one of 16")).status, 401);
  });
  await t.step("a plugin that never answers is ended by the clock of its own event, whichever ends first", async () => {
    const hang = message.replace("hello", "hang");
    const all = await Promise.all([hang, message, hang, message].map((body) => post(["ann@example.org"], body)));
    assertEquals(all.map(({ status }) => status), [503, 200, 503, 200]);
    await Promise.all(all.map((response) => response.body?.cancel()));
  });
  await t.step("an answer to the sender by the event", async () => {
    const { outcome, replies } = await worker.email(
      "amy@example.net",
      "ann@example.org",
      `From: amy@example.net\r\n${message}`,
    );
    assertEquals([outcome, replies.length, replies[0]?.sender], ["ok", 1, "ann@example.org"]);
    assertMatch(replies[0]!.raw, /In-Reply-To: <1@example\.net>/);
  });
});

Deno.test("mail from workerd to a whole server, which keeps it", free, async () => {
  await using server = await Server.start();
  await using worker = await Worker.start({
    entry: "tests/support/edge_relay.ts",
    bindings: { HOST: "127.0.0.1", PORT: String(server.ports.smtp), TLS: "none" },
    made: true,
  });
  const response = await fetch(new URL("/?from=amy@example.net&to=ann@example.org", worker.url), {
    method: "POST",
    headers: { authorization: "Bearer 0123456789abcdef" },
    body: "From: amy@example.net\r\nSubject: from the edge\r\n\r\nHello\r\n",
  });
  assertEquals(response.status, 200, await response.text());
  const messages = await server.api.messages();
  assertEquals(messages.map(({ subject }) => subject), ["from the edge"]);
});

testWith(MAKES_CERTIFICATES, "a password is said to nobody whose certificate the platform does not know", async () => {
  await using authority = await Authority.make();
  await using host = await MailHost.open({ login: LOGIN, pair: await authority.issue() });
  await using worker = await Worker.start({
    entry: "tests/support/edge_relay.ts",
    bindings: { HOST: "127.0.0.1", PORT: String(host.port), TLS: "starttls" },
    made: true,
  });
  const response = await fetch(new URL("/?from=amy@example.net&to=ann@example.org", worker.url), {
    method: "POST",
    headers: { authorization: "Bearer 0123456789abcdef" },
    body: "Subject: hello\r\n\r\nHello\r\n",
  });
  assertEquals([response.status, response.headers.get("retry-after")], [503, "60"], await response.text());
  assertEquals([host.taken, host.asked.includes("starttls"), host.asked.includes("auth")], [[], true, false]);
});
