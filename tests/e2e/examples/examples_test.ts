/**
 * The examples that need nothing but Deno, by the commands of their READMEs, and what they should do by other eyes than
 * ours. Non-job: those with other people's servers (peers_test.ts).
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { latin1 } from "../../support/bytes.ts";
import { type Ended, Example } from "../../support/example.ts";
import { MailHost } from "../../support/mail_host.ts";
import { waitForMail } from "../../support/maildir.ts";
import { freePort } from "../../support/ports.ts";
import { SmtpClient } from "../../support/smtp_client.ts";
import { waitFor } from "../../support/wait.ts";

/** Exit codes, with what was printed where one is not as it should be. */
function ended(all: readonly Ended[], codes: readonly number[]): void {
  assertEquals(all.map(({ code }) => code), codes, all.map(({ out, err }) => out + err).join("\n"));
}

Deno.test("example minimal: ten lines are a server, and its plugin refuses", async () => {
  await using example = await Example.open("minimal");
  const lines = (await Deno.readTextFile(new URL("../../../examples/minimal/main.ts", import.meta.url))).split("\n");
  assert(lines.length <= 11, "ten lines and the end of the last one");
  const server = await example.start();
  const tried = await example.run();
  ended(tried, [0, 1]);
  assertStringIncludes(tried[1]!.err, "550 5.7.1 We buy nothing");
  await waitFor("what it tells", () => server.output.includes("postern@localhost wrote to you@example.org"), {
    deadline: 30_000,
  });
});

Deno.test("example submission_relay: what a login hands in goes to the smart host by its login, and nobody else's", async () => {
  const host = { smtp: freePort(), admin: freePort(), submission: freePort() };
  await using example = await Example.open("submission_relay", {
    SUBMISSION: `127.0.0.1:${host.submission}`,
    SMARTHOST: `smtp://127.0.0.1:${host.smtp}`,
    POSTERN_SMTP: "",
  });
  const places = { ACCOUNTS: example.at("accounts.txt") };
  ended([await example.one(example.commands("Once")[0]!, places)], [0]);
  const inbox = { POSTERN_SMTP: `127.0.0.1:${host.smtp}`, POSTERN_ADMIN: `127.0.0.1:${host.admin}` };
  const data = { POSTERN_DATA: example.at("smarthost") };
  await example.start("Once", { which: 1, env: { ...inbox, ...data }, port: host.smtp });
  await example.start("Start", { env: places, port: host.submission });
  ended(await example.run(), [0]);

  const list = await waitFor("the message at the smart host", async () => {
    const response = await fetch(`http://127.0.0.1:${host.admin}/api/v1/messages?inbox=example-org`);
    const { messages } = await response.json();
    return messages.length > 0 && messages;
  }, { deadline: 30_000 });
  assertEquals(list.map(({ from, to }: { from: string; to: string[] }) => [from, to]), [
    ["<alice@example.org>", ["friend@example.com"]],
  ]);

  const [command] = example.commands("Try");
  const forged = await example.one(command!.replace("--from alice@", "--from boss@"));
  ended([forged], [1]);
  assertStringIncludes(forged.err, "553 5.7.1");
  using stranger = await SmtpClient.ready(host.submission);
  assertEquals((await stranger.command("MAIL FROM:<alice@example.org>")).code, 530);
});

Deno.test("example webhook_inbox: the application gets signed mail, and believes no other", async () => {
  const port = freePort();
  await using example = await Example.open("webhook_inbox", { PORT: `${port}`, APP: `http://127.0.0.1:${port}/mail` });
  const application = await example.start("Once", { ready: "Listening on" });
  await example.start();
  ended(await example.run(), [0]);
  const told = "for tickets+4711@example.org: A message from postern send";
  await waitFor("what the application tells", () => application.output.includes(told), { deadline: 30_000 });
  const now = Math.floor(Date.now() / 1000);
  for (const signature of ["", `t=${now},v1=${"0".repeat(64)}`]) {
    const body = JSON.stringify({ recipients: [{ original: "forged@example.org" }], raw: "" });
    const headers = { "postern-signature": signature };
    const response = await fetch(`http://127.0.0.1:${port}/mail`, { method: "POST", headers, body });
    assertEquals([response.status, await response.text()], [401, "not signed by us"]);
  }
  assert(!application.output.includes("forged"));
});

Deno.test("example fan_out: a message to the list is in each mailbox, of four and of a thousand", async () => {
  await using example = await Example.open("fan_out");
  const list = new URL("../../../examples/fan_out/list.yaml", import.meta.url);
  await Deno.copyFile(list, example.at("list.yaml"));
  await example.start("Start", { env: { LIST: example.at("list.yaml") } });
  ended(await example.run(), [0]);
  const mailboxes = () => [...Deno.readDirSync(example.mail("example.org"))].map(({ name }) => name).toSorted();
  assertEquals(mailboxes(), ["anna", "ben", "cem", "dora"]);

  const names = Array.from({ length: 1000 }, (_, index) => `reader${index}`);
  const whole = `accounts: [anna, ${names.join(", ")}]\naliases:\n  all: [${names.join(", ")}]\n`;
  await Deno.writeTextFile(example.at("new.yaml"), whole);
  await Deno.rename(example.at("new.yaml"), example.at("list.yaml"));
  await waitFor("the new list to be read", async () => {
    const { code } = await example.one("deno task -q postern send --to reader999@example.org");
    return code === 0;
  }, { deadline: 60_000, every: 500 });
  ended(await example.run(), [0]);
  const readers = mailboxes().filter((name) => name.startsWith("reader"));
  assertEquals(readers.length, 1000);
  for (const name of ["reader0", "reader500", "reader998"]) {
    const [message, ...more] = await waitForMail(example.mail(`example.org/${name}/Maildir`));
    assertEquals(more, []);
    assertStringIncludes(latin1(message!), `Delivered-To: ${name}@example.org\r\n`);
  }
});

Deno.test("example archive: what comes in and what goes out has its copy", async () => {
  await using smarthost = await MailHost.open();
  await using example = await Example.open("archive", { SMARTHOST: `smtp://127.0.0.1:${smarthost.port}` });
  await example.start();
  ended(await example.run(), [0, 0]);
  const archive = await waitForMail(example.mail("archive/example.org/journal/Maildir"), { count: 2 });
  const heads = archive.map((each) => /^To: (.*)\r$/m.exec(latin1(each))?.[1]);
  assertEquals(heads.toSorted(), ["<alice@example.org>", "<friend@example.com>"]);
  assertEquals((await waitForMail(example.mail("mail/example.org/alice/Maildir"))).length, 1);
  await waitFor("the message at the smart host", () => smarthost.of("friend@example.com")[0], { deadline: 30_000 });
  assertEquals(smarthost.taken.length, 1, "the archive's copy does not leave");
});

Deno.test("example chaos: a client's retries against a server that is difficult, in a shell and in a test suite", async () => {
  await using example = await Example.open("chaos");
  await example.start();
  const [shell, suite, ...more] = await example.run();
  ended([shell!, suite!], [0, 0]);
  assertEquals(more, []);
  const lines = shell!.out.trim().split("\n").map((line) => line.replace(/ \(ref .*\)$/, ""));
  const readme = await Deno.readTextFile(new URL("../../../examples/chaos/README.md", import.meta.url));
  assertEquals(lines, /^```text\n(.*?)^```/ms.exec(readme)![1]!.trim().split("\n"));
  assertMatch(suite!.out, /2 passed/);
});

Deno.test("example dev_inbox_tests: another project, with a deno.json of its own, tests the mail that it sends", async () => {
  await using example = await Example.open("dev_inbox_tests");
  const [tested] = await example.run();
  ended([tested!], [0]);
  assertMatch(tested!.out, /3 passed \| 0 failed/);
});
