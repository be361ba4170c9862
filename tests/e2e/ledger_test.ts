/**
 * A server as its users run it: mail that is taken, refused, deferred, held, abandoned and only watched, each explained by
 * the id that its client was told; the queue's word afterwards; and after the stop the same from the files.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openLedgerReader } from "../../core/ledger/open.ts";
import type { Story } from "../../core/ledger/story.ts";
import { tellStory } from "../../core/ledger/telling.ts";
import { mail } from "../support/bytes.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

/** Does with a message what the sender's name says. */
const JUDGE = `
import { defer, reject } from "postern";
export default {
  name: "judge",
  handlers: {
    connect(ctx, next) { ctx.note("looked at the door"); return next(); },
    mail(ctx, next) {
      return ctx.sender?.local === "early" ? reject("5.7.1", "Not from you", { reason: "an early no" }) : next();
    },
    data(ctx, next) {
      const { local } = ctx.sender ?? { local: "" };
      if (local === "refused") { ctx.score(7, "seven of them"); return reject("5.7.1", "No", { reason: "it says refused" }); }
      if (local === "deferred") return defer("4.7.1", "Come back", { reason: "it says deferred" });
      if (local === "held") ctx.hold("a person should see it");
      return next();
    },
  },
};
`;
const WATCHER = `
import { reject } from "postern";
export default {
  name: "watcher",
  handlers: { data: (ctx, next) => ctx.sender?.local === "watched" ? reject("5.7.1", "It would be no") : next() },
};
`;
async function config(folder: TempFolder, rest = ""): Promise<string> {
  return `hostname: mx.local.example
domains: [local.example]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins:
  - ${await folder.file("judge.ts", JUDGE)}
  - ${await folder.file("watcher.ts", WATCHER)}: {}
    mode: observe
  - inbox: { everything: true }
${rest}`;
}
const MESSAGE = mail(
  "From: a@example.org\nSubject: a secret subject\nMessage-ID: <one@example.org>\n\nA secret body.\n",
);

Deno.test("every fate of a message is explained by what its client was told, while the server runs and after it", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await using server = await Server.start({ data, config: await config(folder) });
  const ids = new Map<string, string>();
  using client = await SmtpClient.ready(server.ports.smtp);
  for (const name of ["taken", "refused", "deferred", "held", "watched", "early"]) {
    const { lines: [said] } = await client.attempt({
      from: `${name}@example.org`,
      to: ["bob@local.example"],
      message: MESSAGE,
    });
    ids.set(name, /queued as (\w+)$|\(ref (\w+)\)$/.exec(said!)!.slice(1).find(Boolean)!);
    if (name === "early") await client.command("RSET", 250);
  }
  await client.command("MAIL FROM:<gone@example.org>", 250);
  await client.command("RCPT TO:<bob@local.example>", 250);
  const explain = async (id: string): Promise<Story> => {
    const response = await server.api.get(`/api/v1/explain/${id}`);
    assertEquals(response.status, 200, `${id}: ${await response.clone().text()}`);
    return await response.json();
  };
  const stories = new Map<string, Story>();
  for (const [name, id] of ids) stories.set(name, await explain(id));
  const facts = (name: string) => {
    const { verdict, plugin, phase, reason, observed, sender } = stories.get(name)!;
    return [verdict, plugin, phase, reason, observed, sender];
  };
  assertEquals(facts("taken"), ["accepted", null, null, "", null, "taken@example.org"]);
  assertEquals(facts("refused"), ["refused", "judge", "data", "it says refused", null, "refused@example.org"]);
  assertEquals(facts("deferred"), ["deferred", "judge", "data", "it says deferred", null, "deferred@example.org"]);
  assertEquals(facts("held"), ["held", "judge", "data", "a person should see it", null, "held@example.org"]);
  assertEquals(facts("watched"), ["accepted", null, null, "", "refused", "watched@example.org"]);
  assertEquals(facts("early"), ["refused", "judge", "mail", "an early no", null, "early@example.org"]);
  const refused = stories.get("refused")!;
  assertEquals([refused.reply, refused.points], ["550 5.7.1 No", 7]);
  assert(refused.steps.some(({ plugin, reason }) => plugin === "judge" && reason === "looked at the door"));
  assertEquals(stories.get("taken")!.messageId, "<one@example.org>");
  assertEquals([refused.ended, refused.ip, refused.helo], [null, "127.0.0.1", "client.example"]);
  client.close();
  const open = refused.session;
  await waitFor("the end of the session", async () => (await explain(open)).ended !== null);
  const session = await explain(open);
  assertEquals(session.messages.map(({ verdict }) => verdict), [
    "accepted",
    "refused",
    "deferred",
    "held",
    "accepted",
    "refused",
    "abandoned",
  ]);
  assertEquals((await server.stop()).code, 0);
  const reader = openLedgerReader(data)!;
  for (const [name, id] of ids) {
    const story = reader.explain(id)!;
    assertEquals(story.verdict, stories.get(name)!.verdict, name);
    const text = tellStory(story);
    assertMatch(text, new RegExp(`^${story.verdict.toUpperCase()}  ${story.id} `));
    assert(!/secret/.test(JSON.stringify(story)), "no subject, no body");
  }
  reader.close();
});

Deno.test("ledger: off keeps nothing", async () => {
  await using folder = await TempFolder.make();
  const data = folder.at("data");
  await using server = await Server.start({ data, config: await config(folder, "ledger: off\n") });
  using client = await SmtpClient.ready(server.ports.smtp);
  await client.deliver({ from: "taken@example.org", to: ["bob@local.example"], message: MESSAGE });
  assertEquals((await server.stop()).code, 0);
  assertEquals(openLedgerReader(data), null);
});
