/** Case 61: whatever a peer or a plugin puts into a value, an event is one line, printable, short. */
import { assert, assertEquals } from "@std/assert";
import { SmtpClient } from "../support/smtp_client.ts";
import { strangersConfig, Target } from "../support/target.ts";
import { TempFolder } from "../support/temp.ts";

/** A line of the log that nobody wrote but an attacker. */
const FORGED = "2026-11-22T20:00:00.000Z info    00000000 accepted  from=<boss@example.org>";
const BAD = {
  crlf: `x\r\n${FORGED}`,
  lf: `x\n${FORGED}`,
  cr: `x\r${FORGED}`,
  escape: "\x1b]0;title\x07\x1b[2J\x1b[31mred",
  nul: "a\0b\x7fc\x85d\x9b31m",
  separators: `x\u2028${FORGED}\u2029y`,
  bidi: "\u202etxt.exe\u202c\u2066\u200b\ufeff",
  quotes: `" from=<boss@example.org> reason="`,
  backslash: '\\" \\u{a} \\n',
  long: "z".repeat(10_240),
  lone: "\ud800x\udfff",
};
const PLUGIN = `import { defer, reject, definePlugin } from "${new URL("../../mod.ts", import.meta.url).pathname}";
import { z } from "npm:zod@4.6.7";
const BAD = ${JSON.stringify(BAD)};
export default definePlugin({
  name: "talker",
  options: z.strictObject({}),
  create: (_options, setup) => ({
    rcpt(ctx, next) {
      const [how, name] = ctx.recipient.address.local.split("-");
      const text = BAD[name];
      if (how === "reject") return reject("5.7.1", text, { reason: text });
      if (how === "defer") return defer("4.7.1", "later", { reason: text });
      if (how === "throw") throw new Error(text);
      if (how === "reason") throw text;
      if (how === "trouble") setup.trouble(text);
      return next();
    },
    data(ctx, next) {
      const subject = ctx.message.header("Subject") ?? "";
      if (subject.startsWith("hold-")) ctx.hold(BAD[subject.slice(5)]);
      if (subject.startsWith("score-")) ctx.score(1, BAD[subject.slice(6)]);
      return next();
    },
  }),
});
`;

for (const format of ["text", "json"] as const) {
  Deno.test(`case 61: hostile values in every field of the ${format} log`, async (t) => {
    await using folder = await TempFolder.make();
    const plugin = await folder.file("talker.ts", PLUGIN);
    const config = strangersConfig({
      limits: `idleTimeout: "60s"`,
      rest: `plugins: [${plugin}, headers: { fieldName: reject, missingDate: ignore }, { inbox: { everything: true } }]
log: { level: debug, format: ${format} }`.replace("headers: {", "{ headers: {").replace("ignore }", "ignore } }"),
    });
    await using target = await Target.start({ config });
    const before = target.server.output.length;
    const utf8 = new TextEncoder();
    for (const [name, text] of Object.entries(BAD)) {
      await t.step(name, async () => {
        const say = async (line: string): Promise<void> => {
          await client.send(utf8.encode(`${line.replaceAll(/\r|\n/g, "")}\r\n`)); // what ends a line cannot be in one
          await client.reply();
        };
        using client = await SmtpClient.connect(target.port);
        await client.expect(220);
        await say(`${text}`.slice(0, 900));
        await say(`EHLO ${text.replaceAll(" ", "")}`.slice(0, 200));
        await say(`EHLO c.example`);
        await say(`VRFY ${text}`.slice(0, 900));
        await say(`MAIL FROM:<"${text}"@sender.example> SMTPUTF8`.slice(0, 900));
        await say(`MAIL FROM:<${text}@sender.example> SMTPUTF8`.slice(0, 900));
        await say(`MAIL FROM:<a@sender.example> ${text}`.slice(0, 900));
        await say("RSET");
        await say(`MAIL FROM:<"${text.slice(0, 20).replaceAll(/["\\]/g, "\\$&")}"@sender.example> SMTPUTF8`);
        await say("RSET");
        await say("MAIL FROM:<a@sender.example> SMTPUTF8");
        await say(`RCPT TO:<"${text.slice(0, 20).replaceAll(/["\\]/g, "\\$&")}"@example.org>`);
        await say(`RCPT TO:<"${text}"@example.org>`.slice(0, 900));
        for (const how of ["reject", "defer", "throw", "reason", "trouble"]) {
          await say(`RCPT TO:<${how}-${name}@example.org>`);
        }
        await client.quit();
        for (const subject of [`hold-${name}`, `score-${name}`]) {
          using other = await target.open();
          await other.begin({ from: "a@sender.example", to: ["b@example.org"] });
          await other.send(`From: a@sender.example\r\nSubject: ${subject}\r\n\r\nx\r\n.\r\n`);
          await other.expect(250);
        }
        using other = await target.open(); // a field's name, told in the reason of a refusal
        await other.begin({ from: "a@sender.example", to: ["b@example.org"] });
        await other.send(
          utf8.encode(`From: a@sender.example\r\n${text.replaceAll(/\r|\n/g, "").slice(0, 500)}: x\r\n\r\nx\r\n.\r\n`),
        );
        await other.reply();
        await other.quit();
        const last = await SmtpClient.connect(target.port); // and one that leaves in the middle
        await last.expect(220);
        last.close();
      });
    }
    await target.logged(/"peer left"/);
    const lines = target.server.output.slice(before).split("\n").slice(0, -1);
    assert(lines.length > 100);
    for (const line of lines) {
      assert(!/[\p{Cc}\p{Zl}\p{Zp}\p{Cf}\p{Cs}]/u.test(line), JSON.stringify(line));
      assert(line.length < 8192, `${line.length}: ${line.slice(0, 200)}`);
      if (format === "text") {
        assert(/^\d{4}-\d\d-\d\dT[\d:.]+Z (?:debug|info|warning|error) +[0-9A-Z-]{8} /.test(line), line);
        assert(!line.includes(" 00000000 accepted ") || line.includes('"'), line);
        // What a forger wrote stands inside quotes: outside of them no sender of his is to be seen
        const outside = line.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
        assert(!outside.includes("boss@example.org"), line);
      } else {
        const event = JSON.parse(line) as Record<string, unknown>;
        assertEquals([typeof event["time"], typeof event["level"], typeof event["event"]], [
          "string",
          "string",
          "string",
        ]);
        assert(event["from"] === undefined || !String(event["from"]).startsWith("<boss"), line);
      }
    }
    const defects = target.server.output.slice(before).split("\n").filter((line) => line.includes("defect"));
    assertEquals(defects, []);
  });
}
