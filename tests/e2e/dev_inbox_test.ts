/** The first minutes with a dev inbox: samples, errors on purpose, and the ledger's word on both, on a real server. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../cli/main.ts";
import { Server } from "../support/server.ts";
import { waitFor } from "../support/wait.ts";
import { FakeTerminal } from "../unit/cli/fake_terminal.ts";

async function send(server: Server, ...args: string[]): Promise<{ code: number; said: string }> {
  const terminal = new FakeTerminal({ env: { POSTERN_SMTP: `127.0.0.1:${server.ports.smtp}` } });
  const code = await run(["send", ...args], terminal);
  return { code, said: [...terminal.printed, ...terminal.complaints].join("\n") };
}

Deno.test("a newcomer sees what a strict server would have done, and makes errors on purpose", async () => {
  await using server = await Server.start();
  const { api } = server;
  for (const sample of ["hello", "gtube", "spf-fail", "dkim-fail"]) {
    assertEquals(await send(server, "--to", "you@example.org", "--sample", sample).then(({ code }) => code), 0, sample);
  }
  const { messages } = await api.json<{ messages: { id: string; subject: string }[] }>("/api/v1/messages");
  const told: Record<string, string> = {};
  for (const { id, subject } of messages) {
    told[subject] = await waitFor(`the story of ${subject}`, async () => {
      const page = await (await api.get(`/inbox/${id}`)).text();
      return page.includes("The whole story") ? page : null;
    }, { deadline: 30_000 });
  }
  assertStringIncludes(
    told["Test of the spam filter"]!,
    "A strict server would have refused this message: <code>spam_score",
  );
  assertStringIncludes(told["Wire the money today"]!, "A strict server would have refused this message: <code>spf");
  assertStringIncludes(told["Your transfer"]!, "A strict server would have held this message: <code>dmarc");
  assert(!told["A message from postern send"]!.includes("A strict server"));

  const refused = await send(server, "--to", "you+reject-550-5.7.1@example.org");
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.said, "550 5.7.1 No such mailbox");
  const once = ["--to", "you+defer-451-once@example.org"];
  assertEquals([(await send(server, ...once)).code, (await send(server, ...once)).code], [1, 0]);
  const mail = await send(server, "--from", "mail-452@example.org", "--to", "you@example.org");
  assertStringIncludes(mail.said, "452 4.2.2");
  assertEquals((await send(server, "--to", "hangup-data@example.org")).code, 1);
  const set = await fetch(`${api.base}/api/v1/chaos`, {
    method: "PUT",
    headers: { "content-type": "application/json", authorization: `Bearer ${api.token}` },
    body: JSON.stringify({ rules: [{ phase: "auth", user: "mallory", answer: "535 5.7.8 Wrong on purpose" }] }),
  });
  assertEquals(set.status, 200);
  await set.body?.cancel();
  assertStringIncludes((await send(server, "--to", "a@example.org", "--auth", "mallory:x")).said, "Wrong on purpose");
  assertEquals((await send(server, "--to", "a@example.org", "--auth", "ada:x")).code, 0);
  const { rules } = await api.json<{ rules: { used: number }[] }>("/api/v1/chaos");
  assertEquals(rules.map(({ used }) => used), [1]);
});
