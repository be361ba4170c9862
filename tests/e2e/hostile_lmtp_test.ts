/** LMTP under pressure (RFC 2033 4.2): as many replies as accepted recipients, in their order, whatever becomes of each. */
import { assert, assertEquals } from "@std/assert";
import { octets } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { strangersConfig, Target } from "../support/target.ts";
import { TempFolder } from "../support/temp.ts";

/** Refuses per recipient as the local part says, in data or in queue. */
const PLUGIN = `import { definePlugin, defer, reject } from "${new URL("../../mod.ts", import.meta.url).pathname}";
import { z } from "npm:zod@4.6.7";
const answer = (name) => name.startsWith("never") ? reject("5.7.1", "never " + name) : defer("4.2.2", "later " + name);
export default definePlugin({
  name: "picky",
  options: z.strictObject({}),
  create: () => ({
    data(ctx, next) {
      for (const each of ctx.recipients) {
        const { local } = each.address;
        if (local.endsWith("-data")) ctx.refuse(each, answer(local));
      }
      if (ctx.message.header("Subject") === "all") return reject("5.7.1", "nobody gets this");
      return next();
    },
    queue(ctx, next) {
      for (const each of ctx.recipients) {
        const { local } = each.address;
        if (local.endsWith("-queue") && each.result === null) ctx.refuse(each, answer(local));
      }
      return next();
    },
  }),
});
`;
const BOX = ["a", "b", "c", "never-data", "later-data", "never-queue", "later-queue"];

Deno.test("LMTP: a reply for each accepted RCPT in its order, with aliases, doubles and refusals of every kind", async (t) => {
  await using folder = await TempFolder.make();
  const plugin = await folder.file("picky.ts", PLUGIN);
  const port = freePort();
  const rest = `plugins:
  - recipients:
      accounts: { probe: inbox, ${BOX.map((each) => `${each}: inbox`).join(", ")} }
      aliases: { all: [a, b, never-data], bad: [never-data, later-data], empty: [b], twice: [all, a] }
  - ${plugin}
  - inbox: { name: "{address}" }
postmaster: probe@local.example`;
  const config = strangersConfig({ rest, limits: `messageSize: "64KiB"` }).replace(
    'domains: ["*"]',
    "domains: [local.example]",
  ).replace(
    "listeners: [",
    `listeners: [{ address: "127.0.0.1:${port}", role: lmtp }, `,
  );
  await using target = await Target.start({ config, probe: "probe@local.example" });
  const open = async (): Promise<SmtpClient> => {
    const client = await SmtpClient.connect(port);
    await client.expect(220);
    await client.command("LHLO own.example", 250);
    return client;
  };
  /** RCPT in this order, the message, and the codes of the replies; the session must be in step after it. */
  const run = async (names: readonly string[], message: string, chunked: boolean): Promise<string[]> => {
    using client = await open();
    await client.command("MAIL FROM:<a@own.example>", 250);
    let accepted = 0;
    for (const name of names) if ((await client.command(`RCPT TO:<${name}@local.example>`)).code === 250) accepted++;
    if (chunked) await client.send(octets(`BDAT ${message.length} LAST\r\n${message}`));
    else {
      await client.command("DATA", 354);
      await client.send(octets(`${message}.\r\n`));
    }
    const replies: string[] = [];
    for (let i = 0; i < accepted; i++) {
      const { code, lines } = await client.reply();
      replies.push(`${code} ${lines[0]!.split(" ")[0]}`);
    }
    assertEquals((await client.command("NOOP", 250)).raw, "250 2.0.0 OK\r\n");
    await client.quit();
    return replies;
  };
  const GOOD = "250 2.0.0", NEVER = "550 5.7.1", LATER = "451 4.2.2";
  const message = (subject = "x"): string => `From: a@own.example\r\nSubject: ${subject}\r\n\r\nx\r\n`;
  for (const chunked of [false, true]) {
    const how = chunked ? "BDAT" : "DATA";
    await t.step(`${how}: each by itself`, async () => {
      assertEquals(
        await run(
          ["a", "never-data", "b", "later-data", "never-queue", "c", "later-queue", "nobody"],
          message(),
          chunked,
        ),
        [
          GOOD,
          NEVER,
          GOOD,
          LATER,
          NEVER,
          GOOD,
          LATER,
        ],
      );
    });
    await t.step(`${how}: aliases, doubles, an alias in an alias`, async () => {
      // a group is refused only when all of it is
      assertEquals(await run(["all", "bad", "a", "a", "empty", "twice"], message(), chunked), [
        GOOD,
        LATER,
        GOOD,
        GOOD,
        GOOD,
        GOOD,
      ]);
    });
    await t.step(`${how}: everybody refused`, async () => {
      assertEquals(await run(["never-data", "later-queue"], message(), chunked), [NEVER, LATER]);
      assertEquals(await run(["a", "all", "b"], message("all"), chunked), [NEVER, NEVER, NEVER]);
    });
    await t.step(`${how}: content that core refuses`, async () => {
      assertEquals(await run(["a", "all", "b"], "a\nb\r\n", chunked), ["550 5.5.2", "550 5.5.2", "550 5.5.2"]);
      const big = `Subject: x\r\n\r\n${"z".repeat(70_000)}\r\n`;
      assertEquals(await run(["a", "b"], big, chunked), ["552 5.3.4", "552 5.3.4"]);
    });
  }
  await t.step("a chunk that is not the last is refused once, for all of them", async () => {
    using client = await open();
    await client.command("MAIL FROM:<a@own.example>", 250);
    for (const name of ["a", "b", "c"]) await client.command(`RCPT TO:<${name}@local.example>`, 250);
    await client.send("BDAT 4\r\na\nb\rBDAT 2 LAST\r\n\r\nNOOP\r\n");
    await client.expect(550);
    await client.expect(503);
    await client.expect(250);
  });
  const held = (await target.server.api.messages()).filter((each) => each.subject === "x");
  assert(held.length > 0);
  await target.unharmed("LMTP");
});
