/**
 * `deno run -A tests/releases/make.ts VERSION`: the data folder of a release, by real traffic through a real server: mail
 * delivered, in an inbox, deferred, held and dropped; a spam filter that has learned; ledger, recordings, events that wait.
 * What is in it stands in release.json beside it. Run once, at the release, and never again for that version.
 */
import { assert, assertEquals } from "@std/assert";
import { postern } from "../support/cli.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { configOf, type Release } from "./release.ts";

const [version] = Deno.args;
if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) throw new Error("usage: make.ts VERSION");
const target = new URL(`./${version}/`, import.meta.url).pathname;
await Deno.mkdir(target); // fails where it is there already

await using folder = await TempFolder.make("postern-release-");
const data = folder.at("data"), away = freePort();
const config = configOf({ away, hook: `http://127.0.0.1:${away}/hook` });
const ids: Record<string, string> = {};
let session = "";
{
  await using server = await Server.start({ config, data, env: { MAILDIRS: `${data}/mail` } });
  using client = await SmtpClient.connect(server.ports.smtp);
  await client.expect(220);
  await client.command("EHLO client.example.net", 250);
  for (
    const [subject, to] of Object.entries({
      "for a Maildir": "ada@example.org",
      "for an inbox": "someone@inbox.example",
      "for away": "bob@away.example",
      "held": "carol@held.example",
    })
  ) {
    await client.command("MAIL FROM:<sender@example.net>", 250);
    await client.command(`RCPT TO:<${to}>`, 250);
    await client.command("DATA", 354);
    const text =
      `From: sender@example.net\r\nTo: ${to}\r\nSubject: ${subject}\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n` +
      `Message-ID: <${subject.replaceAll(" ", "-")}@example.net>\r\n\r\nKept from ${version}.\r\n${
        subject === "held" ? "A long message.\r\n".repeat(20_000) : ""
      }.`;
    const { raw } = await client.command(text, 250);
    ids[subject] = /([0-9A-Za-z]{10,})\s*$/.exec(raw.trim())![1]!;
  }
  await client.command("MAIL FROM:<sender@example.net>", 250);
  await client.command("RCPT TO:<nobody@example.org>", 550);
  await client.quit();
  await waitFor("a first attempt", async () => {
    const { items } = await server.api.queue();
    return items.some(({ recipients }) => recipients[0]?.address === "bob@away.example" && recipients[0].attempts > 0);
  });
  const { entries } = await server.api.json<{ entries: { id: string }[] }>("/api/v1/sessions");
  session = entries[0]!.id;
  assertEquals((await server.stop()).code, 0);
}
const file = await folder.file("postern.yaml", config),
  env = { POSTERN_DATA: data, MAILDIRS: `${data}/mail`, POSTERN_ADMIN_TOKEN: "token-of-the-tests" };
const spam = await folder.file("spam.eml", "From: a@b.example\nSubject: buy\n\nBuy the cheap thing today.\n");
const learned = await postern(["train", "spam", spam, "-c", file], { env });
assertEquals([learned.code, learned.err], [0, ""]);
const dropped = await postern(["sendmail", "-C", file, "-f", "cron@example.net", "ada@example.org"], {
  env,
  input: "Subject: from the maildrop\n\nNo server ran.\n",
});
assertEquals(dropped.code, 0, dropped.err);

for (const name of ["lock", "tls"]) await Deno.remove(`${data}/${name}`, { recursive: true }).catch(() => {});
const { success } = await new Deno.Command("cp", { args: ["-r", `${data}/.`, `${target}data`] }).output();
assert(success);
await new Deno.Command("find", { args: [target, "-type", "d", "-empty", "-delete"] }).output(); // as git keeps it
const release: Release = { version, made: Date.now(), ids, session };
await Deno.writeTextFile(`${target}release.json`, `${JSON.stringify(release, null, 2)}\n`);
