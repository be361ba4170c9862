/** Cases 16, 23, 25, 30: who may be written to, how many, and how often one may guess, over TCP. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { SmtpClient } from "../support/smtp_client.ts";
import { mail } from "../support/bytes.ts";
import { strangersConfig, Target } from "../support/target.ts";
import { TempFolder } from "../support/temp.ts";
import { readVectors } from "../support/vectors.ts";

interface Form {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}
const forms = readVectors<Form[]>("relay-forms/relay-forms.json");
const MESSAGE = mail("From: a@sender.example\nDate: Sun, 22 Nov 2026 09:40:12 +0000\nSubject: envelope\n\nx\n");

/** `probe` and m0 to m249 live in local.example. */
function config(root: string): string {
  const members = Array.from({ length: 250 }, (_, i) => `m${i}`);
  return strangersConfig({
    limits: "recipients: 100",
    rest: `plugins:
  - relay: { networks: ["10.0.0.0/8"], domains: [partner.example] }
  - recipients:
      accounts: { probe: inbox, postmaster: inbox, ${members.map((each) => `${each}: inbox`).join(", ")} }
      aliases: { crowd: [${members.join(", ")}], few: [m0, m1, m2] }
  - maildir: { root: ${JSON.stringify(root)} }
  - inbox: { name: "{address}" }
postmaster: probe@local.example`,
  }).replace('domains: ["*"]', "domains: [local.example]");
}

Deno.test({
  name: "case 23: all 33 forms of relaying from a stranger end in 5xx or in a mailbox of ours, and nothing leaves",
  ignore: forms === null,
  async fn(t) {
    await using folder = await TempFolder.make();
    await using target = await Target.start({
      config: config(folder.path),
      probe: "probe@local.example",
    });
    assertEquals(forms!.length, 33);
    const fill = (form: string): string =>
      form.replaceAll("OTHERIP", "198.51.100.7").replace(/\bIP\b/g, "127.0.0.1").replaceAll("LOCAL", "local.example")
        .replaceAll("OUT", "out.example");
    for (const { id, from, to, why } of forms!) {
      await t.step(`${id}: ${why}`, async () => {
        for (const smtputf8 of ["", " SMTPUTF8"]) {
          using client = await target.open();
          // As the form has it, and where its sender is refused already, from nobody and from one of us
          for (const sender of [`<${fill(from)}>`, "<>", "<probe@local.example>"]) {
            const utf8 = new TextEncoder();
            await client.send(utf8.encode(`MAIL FROM:${sender}${smtputf8}\r\n`));
            if ((await client.reply()).code !== 250) continue;
            for (const path of [`<${fill(to)}>`, fill(to)]) {
              await client.send(utf8.encode(`RCPT TO:${path}\r\n`));
              const reply = await client.reply();
              assert(reply.code >= 500 && reply.code < 560, `${path} from ${sender}: ${reply.raw}`);
            }
            assertEquals((await client.command("DATA")).code, 503);
            await client.command("RSET", 250);
          }
        }
      });
    }
    assertEquals((await target.server.api.queue()).total, 0);
    await t.step("a source route to one of ours is taken off, and goes nowhere else", async () => {
      using client = await target.open();
      const reply = await client.deliver({
        from: "a@out.example",
        to: ["@out.example,@other.example:probe@local.example"],
        message: MESSAGE,
      });
      assertEquals(reply.code, 250);
    });
    const { items } = await target.server.api.queue();
    assertEquals(items.filter((item) => item.recipients.some((each) => !each.address.endsWith("@local.example"))), []);
    await target.unharmed("relaying", { lines: [/ refused {3}RCPT 550 5\.7\.1 .*to=<user@out\.example>/] });
  },
});

Deno.test("case 25: a name that nobody has is 550 5.1.1 at RCPT, before any content", async () => {
  await using folder = await TempFolder.make();
  await using target = await Target.start({
    config: config(folder.path),
    probe: "probe@local.example",
  });
  using client = await target.open();
  await client.command("MAIL FROM:<a@sender.example>", 250);
  assertMatch((await client.command("RCPT TO:<nobody@local.example>")).raw, /^550 5\.1\.1 /);
  assertMatch((await client.command("RCPT TO:<nobody@elsewhere.example>")).raw, /^550 5\.7\.1 /);
  assertEquals((await client.command("DATA")).code, 503);
  client.close();
  await target.unharmed("unknown names", { lines: [/ refused {3}RCPT 550 5\.1\.1 .*by=recipients/] });
});

Deno.test("case 25: a directory that is down is 451 4.3.0 for those it is asked about, never 550", async () => {
  await using folder = await TempFolder.make();
  const plugin = await folder.file(
    "directory.ts",
    `import { on } from "${new URL("../../mod.ts", import.meta.url).pathname}";
export default on("rcpt", (ctx, next) => {
  if (ctx.recipient.address.local === "asked") throw new Error("no connection to the directory");
  return next();
}, { name: "directory" });
`,
  );
  await using target = await Target.start({
    config: strangersConfig({ rest: `plugins: [${plugin}, { inbox: { everything: true } }]` }),
  });
  using client = await target.open();
  await client.command("MAIL FROM:<a@sender.example>", 250);
  assertMatch((await client.command("RCPT TO:<asked@example.org>")).raw, /^451 4\.3\.0 /);
  await client.command("RCPT TO:<other@example.org>", 250);
  client.close();
  await target.unharmed("a directory that is down", {
    lines: [/ refused {3}RCPT 451 4\.3\.0 .*by=directory reason="no connection to the directory"/],
  });
});

Deno.test("case 16: guessing names ends in 421 4.7.0", async () => {
  await using folder = await TempFolder.make();
  await using target = await Target.start({
    config: config(folder.path),
    probe: "probe@local.example",
  });
  using client = await target.open();
  await client.command("MAIL FROM:<a@sender.example>", 250);
  let guesses = 0, last = 0;
  for (; last !== 421 && guesses < 1000; guesses++) {
    last = (await client.command(`RCPT TO:<name${guesses}@local.example>`)).code;
    if (last === 550 && guesses > 119) last = (await client.reply()).code;
  }
  assertEquals([last, guesses], [421, 121]); // limits.junk and limits.errors
  assertEquals(await client.closed(), "");
  await target.unharmed("a dictionary", { lines: [/ closed .*reason="too many errors"/] });
});

Deno.test("case 30: recipients up to the limit are taken, beyond it 452 4.5.3, and the earlier ones get their mail", async (t) => {
  await using folder = await TempFolder.make();
  await using target = await Target.start({
    config: config(folder.path),
    probe: "probe@local.example",
  });
  const copies = async (): Promise<number> =>
    (await target.server.api.messages()).filter((each) => each.subject === "envelope").length; // an inbox each
  const rcpt = async (client: SmtpClient, lines: readonly string[]): Promise<number[]> => {
    await client.command("MAIL FROM:<a@sender.example>", 250);
    await client.send(lines.map((each) => `RCPT TO:${each}\r\n`).join(""));
    const codes: number[] = [];
    for (const _ of lines) {
      const reply = await client.reply();
      if (reply.code >= 400) assertMatch(reply.raw, /^452 4\.5\.3 /);
      codes.push(reply.code);
    }
    return codes;
  };
  const finish = async (client: SmtpClient): Promise<void> => {
    await client.command("DATA", 354);
    await client.send(new Uint8Array([...MESSAGE, ...new TextEncoder().encode(".\r\n")]));
    await client.expect(250);
  };
  const names = Array.from({ length: 150 }, (_, i) => `<m${i}@local.example>`);
  await t.step("one by one", async () => {
    using client = await target.open();
    const codes = await rcpt(client, names);
    assertEquals([codes.filter((code) => code === 250).length, codes.lastIndexOf(250)], [100, 99]);
    await finish(client);
    assertEquals(await copies(), 100);
    await client.quit();
  });
  await t.step("an alias that stands for more than the limit goes alone", async () => {
    using client = await target.open();
    assertEquals(await rcpt(client, ["<crowd@local.example>", "<m0@local.example>", "<probe@local.example>"]), [
      250,
      452,
      452,
    ]);
    await finish(client);
    assertEquals(await copies(), 350);
    await client.quit();
  });
  await t.step("an alias that goes beyond the limit together with others is for another transaction", async () => {
    using client = await target.open();
    assertEquals(await rcpt(client, ["<m0@local.example>", "<crowd@local.example>", "<m1@local.example>"]), [
      250,
      452,
      250,
    ]);
    await finish(client);
    assertEquals(await copies(), 352);
    await client.quit();
  });
  await t.step("the same alias with a thousand ORCPTs is no bomb", async () => {
    using client = await target.open();
    const lines = Array.from({ length: 120 }, (_, i) => `<few@local.example> ORCPT=rfc822;r${i}@sender.example`);
    const taken = (await rcpt(client, lines)).filter((code) => code === 250).length;
    assertEquals(taken, 33);
    await finish(client);
    await client.quit();
  });
  await target.unharmed("crowds", { lines: [/ refused {3}RCPT 452 4\.5\.3 "Too many recipients/] });
});
