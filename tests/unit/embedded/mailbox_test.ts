/** What a program is given of the mail that came: read, once each, or told why not. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, type EmbeddedServer, on, reject } from "../../../mod.ts";
import { SmtpClient } from "../../support/smtp_client.ts";

/** One transaction. `content`: lines, the last dot is not among them. */
async function send(
  server: EmbeddedServer,
  to: readonly string[],
  content: string,
  from = "a@example.org",
): Promise<void> {
  using client = await SmtpClient.connect(server.port);
  await client.expect(220);
  await client.command("EHLO client.example", 250);
  await client.command(`MAIL FROM:<${from}>`, 250);
  for (const each of to) await client.command(`RCPT TO:<${each}>`, 250);
  await client.command("DATA", 354);
  await client.command(`${content.replaceAll("\n", "\r\n")}\r\n.`, 250);
  await client.command("QUIT", 221);
}

const WHOLE = `From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>
To: bob@example.net
Subject: =?utf-8?b?R3LDvMOfZQ==?=
 aus Ulm
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: multipart/alternative; boundary=y

--y
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne
Gr=FC=DFe
--y
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<b>Sch=C3=B6ne Gr=C3=BC=C3=9Fe</b>
--y--
--x
Content-Type: text/plain; name="notes.txt"
Content-Transfer-Encoding: base64

aGVsbG8K
--x
Content-Type: image/png
Content-Disposition: inline
Content-ID: <logo@example.org>
Content-Transfer-Encoding: base64

iVBORw==
--x
Content-Type: message/rfc822

Subject: inside
Content-Type: multipart/mixed; boundary=z

--z

text inside
--z--
--x--`;

Deno.test("a message is read: fields, texts, files, a message inside as one file", async () => {
  await using server = await createServer();
  await send(server, ["bob@example.net"], WHOLE);
  const message = await server.nextMessage();
  assertEquals([message.subject, message.from, message.to], [
    "Grüße aus Ulm",
    "Jürgen <j@example.org>",
    "bob@example.net",
  ]);
  assertEquals([message.header("SUBJECT"), message.header("X-None")], ["Grüße aus Ulm", null]);
  assertEquals(message.headers.slice(0, 2).map(({ name }) => name), ["Return-Path", "Received"]);
  assertEquals([message.text?.trimEnd(), message.html?.trimEnd()], ["Schöne\nGrüße", "<b>Schöne Grüße</b>"]);
  const files = message.attachments.map((
    { name, type, disposition, contentId },
  ) => [name, type, disposition, contentId]);
  assertEquals(files, [
    ["notes.txt", "text/plain", null, null],
    [null, "image/png", "inline", "logo@example.org"],
    [null, "message/rfc822", null, null],
  ]);
  const [notes, image, inside] = message.attachments.map(({ content }) => content);
  assertEquals([new TextDecoder().decode(notes), [...image!]], ["hello\n", [0x89, 0x50, 0x4e, 0x47]]);
  assertEquals(new TextDecoder().decode(inside).split("\r\n")[0], "Subject: inside");
  assert(new TextDecoder().decode(inside).endsWith("--z--"));
});

Deno.test("each message is given once, the oldest first; with `to` once for each who is asked for", async () => {
  await using server = await createServer();
  const both = ["ann@example.net", "bob@example.net"];
  await send(server, both, "Subject: one\n\n");
  await send(server, ["bob@example.net"], "Subject: two\n\n", "");
  const subjectTo = async (to: string) => (await server.nextMessage({ to })).subject;
  assertEquals([await subjectTo("ANN@example.net"), await subjectTo("bob@Example.NET")], ["one", "one"]);
  assertEquals(await subjectTo("*@example.net"), "two");
  assertEquals((await server.messages({ to: "bob@example.net" })).map(({ subject }) => subject), ["one", "two"]);
  const [, second] = await server.messages({});
  assertEquals((await server.messages({ from: "", subject: /^t/g })).map(({ id }) => id), [second!.id]);
  await send(server, both, "Subject: three\n\n");
  assertEquals((await server.nextMessage()).envelope.to, both);
  const coming = server.nextMessage({ subject: "four" }), other = server.nextMessage({ subject: "four" });
  await send(server, both, "Subject: four\n\n");
  await send(server, both, "Subject: four\n\n");
  assert((await coming).id !== (await other).id);
  await server.clear();
  assertEquals(await server.messages(), []);
});

Deno.test("who waits in vain is told what came and what was refused; a signal ends the wait", async () => {
  const no_eve = on("rcpt", (ctx, next) => ctx.recipient.address.local === "eve" ? reject("5.1.1", "No Eve") : next());
  await using server = await createServer({ plugins: [no_eve] });
  const empty = await assertRejects(() => server.nextMessage({ to: "eve@example.net", timeout: 1 }), Error);
  assertEquals(empty.message, "a message to eve@example.net did not come within 1 ms; the inbox is empty");
  await send(server, ["bob@example.net"], "Subject: for Bob\n\n");
  await assertRejects(() => send(server, ["eve@example.net"], ""));
  const { message } = await assertRejects(() => server.nextMessage({ to: "eve@example.net", timeout: 1 }), Error);
  assert(message.includes('the inbox has 1: "for Bob" for bob@example.net'), message);
  assert(message.includes("refused were: RCPT for eve@example.net: 550 5.1.1 No Eve"), message);
  const controller = new AbortController(), reason = new Error("enough");
  const waits = assertRejects(
    () => server.nextMessage({ subject: "never", signal: controller.signal }),
    Error,
    "enough",
  );
  controller.abort(reason);
  await waits;
  await assertRejects(() => server.messages({ to: "no address" }), TypeError, 'to: "no address" is no address');
});

Deno.test("a wait without end, or longer than a timer can, waits; one of no length is told", async () => {
  await using server = await createServer();
  let timers = 0;
  const real = globalThis.setTimeout;
  globalThis.setTimeout = ((...words: Parameters<typeof real>) => (timers++, real(...words))) as typeof real;
  try {
    const waits = [Infinity, 2 ** 31].map((timeout) => server.nextMessage({ to: "late@example.net", timeout }));
    for (const timeout of [NaN, -1, "5"]) {
      await assertRejects(() => server.nextMessage({ timeout: timeout as number }), TypeError, "timeout: must be");
    }
    for (let turn = 0; turn < 50; turn++) await new Promise((done) => real(done, 0));
    assert(timers < 20, `${timers} timers for two waits`); // one that fires at once is set again and again
    await send(server, ["late@example.net"], "Subject: one\n\n");
    await send(server, ["late@example.net"], "Subject: two\n\n");
    assertEquals((await Promise.all(waits)).map(({ subject }) => subject).sort(), ["one", "two"]);
  } finally {
    globalThis.setTimeout = real;
  }
});
