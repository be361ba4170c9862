/**
 * The daily summary of a whole server over its own queue: it arrives in the postmaster's mailbox, says what happened, and
 * comes once a day, whatever is restarted in between.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { loadConfig } from "../../core/config/load.ts";
import type { Event } from "../../core/observe/events.ts";
import { type RunningServer, startServer } from "../../core/server.ts";
import { Api } from "../support/api.ts";
import { mail } from "../support/bytes.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const TOKEN = "token-of-the-tests", HOUR = 3_600_000;
const CONFIG = `hostname: mx.local.example
data: ./data
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:0" }]
admin: { address: "127.0.0.1:0", token: ${TOKEN} }
plugins:
  - recipients: { accounts: { box: inbox } }
  - inbox
summary: { at: "06:00" }
`;

Deno.test("a summary comes each day at its hour, once, and says what came", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.file("postern.yaml", CONFIG);
  const troubles: Event[] = [];
  const lettersOf = (api: Api) =>
    waitFor("the mailbox", async () => (await api.messages()).filter(({ from }) => from.includes("postmaster@")));
  const run = async (now: number, body: (api: Api, server: RunningServer) => Promise<void>) => {
    const config = await loadConfig({ file, env: {} });
    const server = await startServer(config, {
      now: () => now,
      observers: [(event) => event.type === "trouble" && troubles.push(event)],
    });
    try {
      await body(new Api(server.admin!, TOKEN), server);
    } finally {
      await server.stop();
    }
  };

  const first = Date.UTC(2026, 2, 5, 7, 0);
  await run(first, async (api, server) => {
    await waitFor("the first letter", async () => (await lettersOf(api)).length === 1, { deadline: 60_000 });
    const port = Number(server.addresses[0]!.address.split(":").at(-1));
    using client = await SmtpClient.ready(port);
    const to = { from: "amy@sender.example", message: mail("From: amy@sender.example\nSubject: hello\n\nhello\n") };
    assertEquals((await client.deliver({ ...to, to: ["box@local.example"] })).code, 250);
    assertEquals((await client.command("MAIL FROM:<amy@sender.example>")).code, 250);
    assertEquals((await client.command("RCPT TO:<nobody@local.example>")).code, 550);
    await client.quit();
  });
  await run(first + 20 * HOUR, async (api) => { // 03:00 of the next day: it has been
    assertEquals((await api.messages()).length, 2);
  });
  await run(first + 23.5 * HOUR, async (api) => {
    await waitFor("the second letter", async () => (await lettersOf(api)).length === 2, { deadline: 60_000 });
    const [newest] = await lettersOf(api);
    assertEquals(newest!.subject, "mx.local.example on 2026-03-06: all is well");
    const text = new TextDecoder().decode((await api.raw(newest!.id))!);
    assertMatch(text, /^To: <box@local\.example>\r$/m);
    assertMatch(text, /^accepted +1 +\(the day before 0\)\r$/m);
    assertMatch(text, /^The mail of mx\.local\.example from 2026-03-05 06:30 to 2026-03-06 06:30 \(UTC\)\.\r$/m);
  });
  assertEquals(troubles, []);
});
