/** Case 17: whatever a plugin says, a reply is lines of one code, each safe and short, and the session in step. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { TempFolder } from "../support/temp.ts";
import { SmtpClient, type SmtpReply } from "../support/smtp_client.ts";
import { strangersConfig, Target } from "../support/target.ts";

/** Texts that try to write a line of their own, or more than a line holds. */
const TEXTS: Readonly<Record<string, string>> = {
  crlf: "no\\r\\n250 2.0.0 yes",
  lf: "no\\n250 yes",
  cr: "no\\r250 yes",
  nul: "no\\0\\x1b[2J\\x7f",
  separators: "no\\u2028250 yes\\u2029\\u0085x",
  wide: "nein, so nicht: \\u{1F6AB} \\u202e",
  long: "a long story ".repeat(800),
  empty: "",
};
const PLUGIN = `import { accept, defer, reject, definePlugin } from "${
  new URL("../../mod.ts", import.meta.url).pathname
}";
import { z } from "zod";
const TEXTS = { ${Object.entries(TEXTS).map(([name, text]) => `${name}: "${text}"`).join(", ")} };
function answer(name, phase, next) {
  const [where, verdict, text] = name.split("-");
  if (where !== phase) return next();
  const words = TEXTS[text];
  return verdict === "accept" ? accept(words) : verdict === "defer" ? defer("4.7.1", words, { reason: words }) : reject("5.7.1", words, { reason: words });
}
export default definePlugin({
  name: "talker",
  options: z.strictObject({}),
  create: () => ({
    helo: (ctx, next) => answer(ctx.helo, "helo", next),
    mail: (ctx, next) => answer(ctx.sender?.local ?? "", "mail", next),
    rcpt(ctx, next) {
      ctx.route({ to: "local", plugin: "inbox" });
      return answer(ctx.recipient.address.local, "rcpt", next);
    },
    data(ctx, next) {
      const subject = ctx.message.header("Subject") ?? "";
      if (subject.startsWith("header-")) ctx.prependHeader("X-Talker", TEXTS[subject.slice(7)]);
      if (subject.startsWith("name-")) ctx.prependHeader("X: y\\r\\nX-Other", "z");
      if (subject.startsWith("refuse-")) for (const each of ctx.recipients) ctx.refuse(each, reject("5.7.1", TEXTS[subject.slice(7)]));
      return answer(subject, "data", next);
    },
  }),
});
`;

/** Lines of one code, its class in each status, no octet that is not printable ASCII, no line above 512. */
function wellFormed(reply: SmtpReply, what: string): void {
  const lines = reply.raw.split("\r\n").slice(0, -1);
  for (const [at, line] of lines.entries()) {
    assertMatch(line, /^\d{3}[ -][\x20-\x7e]*$/, what);
    assert(line.length <= 510, `${what}: a line of ${line.length}`);
    assertEquals(line.slice(0, 3), String(reply.code), what);
    assertEquals(line[3], at === lines.length - 1 ? " " : "-", what);
    const status = line.slice(4).split(" ")[0]!;
    assertMatch(status, new RegExp(`^${Math.floor(reply.code / 100)}\\.\\d{1,3}\\.\\d{1,3}$`), what);
  }
}

Deno.test("case 17: no text of a plugin can write a line of its own, in any phase", async (t) => {
  await using folder = await TempFolder.make();
  const plugin = await folder.file("talker.ts", PLUGIN.replace('from "zod"', `from "npm:zod@4.6.7"`));
  const config = strangersConfig({
    listener: "delayRefusals: false",
    rest: `plugins: [${plugin}, inbox]`,
  });
  await using target = await Target.start({ config });
  const greet = async (name: string): Promise<SmtpClient> => {
    const client = await SmtpClient.connect(target.port);
    await client.expect(220);
    const reply = await client.command(`EHLO ${name}`);
    if (!name.startsWith("helo-")) return client;
    if (!name.startsWith("helo-accept")) wellFormed(reply, name);
    else assertMatch(reply.raw, /^250-mx\.example\.org\r\n(?:250-[\x20-\x7e]+\r\n)+250 [\x20-\x7e]+\r\n$/);
    return client;
  };
  for (const text of Object.keys(TEXTS)) {
    for (const verdict of ["accept", "defer", "reject"]) {
      await t.step(`${verdict} with ${text}`, async () => {
        const code = { accept: 250, defer: 451, reject: 550 }[verdict]!;
        (await greet(`helo-${verdict}-${text}`)).close();
        using client = await greet("c.example");
        let reply = await client.command(`MAIL FROM:<mail-${verdict}-${text}@sender.example>`);
        assertEquals(reply.code, code);
        wellFormed(reply, "MAIL");
        await client.command("RSET", 250);
        await client.command("MAIL FROM:<a@sender.example>", 250);
        reply = await client.command(`RCPT TO:<rcpt-${verdict}-${text}@example.org>`);
        assertEquals(reply.code, code);
        wellFormed(reply, "RCPT");
        await client.command("RCPT TO:<b@example.org>", 250);
        await client.command("DATA", 354);
        await client.send(`Subject: data-${verdict}-${text}\r\n\r\nx\r\n.\r\n`);
        reply = await client.reply();
        assertEquals(reply.code, code);
        wellFormed(reply, "message");
        reply = await client.command("NOOP", 250);
        assertEquals(reply.raw, "250 2.0.0 OK\r\n"); // in step
      });
    }
    await t.step(`refuse() with ${text}`, async () => {
      using client = await greet("c.example");
      await client.begin({ from: "a@sender.example", to: ["b@example.org"] });
      await client.send(`Subject: refuse-${text}\r\n\r\nx\r\n.\r\n`);
      wellFormed(await client.expect(550), "refuse()");
      await client.command("NOOP", 250);
    });
    await t.step(`prependHeader() with ${text}`, async () => {
      const known = new Set((await target.server.api.messages()).map((each) => each.id));
      using client = await greet("c.example");
      await client.begin({ from: "a@sender.example", to: ["b@example.org"] });
      await client.send(`Subject: header-${text}\r\n\r\nx\r\n.\r\n`);
      const reply = await client.reply();
      wellFormed(reply, "message");
      const fresh = (await target.server.api.messages()).find((each) => !known.has(each.id));
      if (reply.code !== 250) return assertEquals([reply.code, fresh], [451, undefined]); // the plugin's error, closed
      const raw = new TextDecoder().decode((await target.server.api.raw(fresh!.id))!);
      const header = raw.slice(0, raw.indexOf("\r\n\r\n"));
      const names = header.replaceAll(/\r\n[ \t]/g, " ").split("\r\n").map((line) => line.slice(0, line.indexOf(":")));
      assertEquals(new Set(names), new Set(["Return-Path", "X-Talker", "Received", "Subject"]), header);
      assert(header.split("\r\n").every((line) => line.length <= 998), "RFC 5322 2.1.1");
    });
  }
  await t.step("prependHeader() with a name that is none", async () => {
    using client = await greet("c.example");
    await client.begin({ from: "a@sender.example", to: ["b@example.org"] });
    await client.send("Subject: name-\r\n\r\nx\r\n.\r\n");
    await client.expect(451);
  });
  const { news } = target;
  assert(!news.split("\n").some((line) => line.startsWith("250 ")), "nor a line of the log");
  await target.unharmed("talkative plugins", { lines: [/ refused {3}RCPT 550 5\.7\.1 "no 250 2\.0\.0 yes/] });
});

Deno.test("case 17: the greeting, the answer to EHLO and 354 carry no enhanced status; the name of the host stands in them", async () => {
  await using target = await Target.start();
  using client = await SmtpClient.connect(target.port);
  assertMatch((await client.expect(220)).raw, /^220 mx\.example\.org ESMTP [^\d]/);
  assertMatch((await client.command("EHLO c.example", 250)).raw, /^250-mx\.example\.org\r\n250-PIPELINING\r\n/);
  await client.command("MAIL FROM:<a@sender.example>", 250);
  await client.command("RCPT TO:<b@example.org>", 250);
  assertMatch((await client.command("DATA", 354)).raw, /^354 [A-Z]/);
  client.close();
  await target.unharmed("a short talk");
});
