/** `postern train` against a running server, and against its folder after it has stopped; what was learned judges mail. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type CliResult, postern } from "../support/cli.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";

const CONFIG = `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins:
  - recipients: { accounts: { box: inbox } }
  - spam_score: { bayes: { minimum: 10 } }
  - inbox
`;
const SPAM = "cheap tablets discount pharmacy order online shipping worldwide doctor approved quality brands".split(
  " ",
);
const HAM = "kernel patch compile meeting tomorrow review branch question driver install thanks regards".split(" ");

function letter(words: readonly string[], seed: number): string {
  const text = Array.from({ length: 24 }, (_, at) => words[(at * 5 + seed * 7 + at * seed) % words.length]).join(" ");
  return `From: pat@mail.example\nTo: box@local.example\nSubject: ${words[seed % words.length]} ${
    words[(seed + 3) % 12]
  }\n` +
    `Message-ID: <${seed}@mail.example>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n\n${text}\n`;
}

Deno.test("postern train teaches the running server, else the data folder, and what it learned counts", async (t) => {
  await using folder = await TempFolder.make();
  const data = folder.at("data"), config = await folder.file("postern.yaml", CONFIG);
  const letters = (words: readonly string[]) => Array.from({ length: 12 }, (_, seed) => letter(words, seed));
  const mbox = await folder.file(
    "spam.mbox",
    letters(SPAM).map((each) => `From x Thu Jan  1 00:00:00 2026\n${each}\n`).join(""),
  );
  for (const [at, each] of letters(HAM).entries()) await folder.file(`ham/${at}.eml`, each);
  await using server = await Server.start({ data, config: CONFIG });
  const env = {
    POSTERN_DATA: data,
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
  const train = (...args: string[]): Promise<CliResult> => postern(["train", ...args, "--config", config], { env });
  await t.step("a server runs", async () => {
    const { code, out, err } = await train("spam", mbox);
    assertEquals([code, err], [0, ""]);
    assertEquals(
      out,
      "12 messages shown as spam\nspam_score: learned as spam; 12 spam and 0 ham known, 10 ham to go\n",
    );
    assertMatch((await train("status")).out, /^spam_score: 12 spam and 0 ham known, 10 ham to go\n$/);
    const again = await train("spam", mbox, "--json");
    assertMatch(JSON.parse(again.out).says[0], /known as spam already; 12 spam/);
  });
  await t.step("none runs: the folder has it", async () => {
    assertEquals((await server.stop()).code, 0);
    const { code, out } = await train("ham", folder.at("ham"));
    assertEquals([code, out], [0, "12 messages shown as ham\nspam_score: learned as ham; 12 spam and 12 ham known\n"]);
    const missing = await train("ham", folder.at("nowhere"));
    assertEquals(missing.code, 1);
    assertMatch(missing.err, /nowhere/);
    assertEquals((await train("ham")).code, 2);
  });
  await t.step("the server comes back and judges by it", async () => {
    await using back = await Server.start({ data, config: CONFIG });
    for (const words of [SPAM, HAM]) {
      using client = await SmtpClient.ready(back.ports.smtp);
      const message = new TextEncoder().encode(letter(words, 99).replaceAll("\n", "\r\n"));
      await client.deliver({ from: "pat@mail.example", to: ["box@local.example"], message });
      await client.quit();
    }
    const { items } = await back.api.json<{ items: { recipients: { state: string; lastReply: string }[] }[] }>(
      "/api/v1/queue?state=held",
    );
    assertEquals(items.length, 1);
    assertMatch(items[0]!.recipients[0]!.lastReply, /^spam_score: \d+ points, held from 6, .*bayes/);
    const { messages } = await back.api.json<{ messages: { subject: string }[] }>("/api/v1/messages");
    assert(messages.length === 1 && HAM.includes(messages[0]!.subject.split(" ")[0]!));
  });
});
