/**
 * The programs that know no other way than a sendmail: cron's way, Debian's two mailx, PHP, git. With the server up, down,
 * and killed. Non-job: option by option (tests/unit/cli/sendmail).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { programOf, testUnless, testWith } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { Sendmail } from "../support/sendmail.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

interface Place extends AsyncDisposable {
  readonly config: string;
  readonly data: string;
  readonly ports: { readonly smtp: number; readonly admin: number };
  readonly sendmail: Sendmail;
  start(): Promise<Server>;
}

/** A server that keeps the mail of example.org in its inbox and says no to the world. */
async function place(plugins = "- inbox: { everything: true }"): Promise<Place> {
  const folder = await TempFolder.make("postern-maildrop-");
  const data = folder.at("data"), ports = { smtp: freePort(), admin: freePort() };
  const config = `hostname: mx.example.org
domains: [example.org]
listeners: [{ address: "127.0.0.1:${ports.smtp}" }]
admin: { address: "127.0.0.1:${ports.admin}", token: token-of-the-tests }
plugins:
  ${plugins}
`;
  const sendmail = await Sendmail.make(data, config);
  return {
    config,
    data,
    ports,
    sendmail,
    start: () => Server.start({ config, data, ports }),
    async [Symbol.asyncDispose]() {
      await sendmail[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const left = (data: string) =>
  [...Deno.readDirSync(`${data}/maildrop`)].map(({ name }) => name).filter((name) => name !== "bad");

/** The one message with this subject, whole. */
async function received(
  server: Server,
  subject: string,
): Promise<{ to: readonly string[]; from: string; text: string }> {
  const found = await waitFor(
    `the message "${subject}"`,
    async () => (await server.api.messages()).find((each) => each.subject === subject),
    { deadline: 30_000 },
  );
  const text = new TextDecoder().decode((await server.api.raw(found.id))!);
  return { to: found.to, from: found.from, text };
}

Deno.test("sendmail: cron's way, and what the answer means", async () => {
  await using here = await place(`- recipients: { accounts: { root: inbox, ann: inbox } }\n  - inbox`);
  await using server = await here.start();
  const { sendmail } = here;
  const cron = await sendmail.run(sendmail.program, ["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"], {
    input:
      "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> run\nX-Cron-Env: <SHELL=/bin/sh>\n\nline\n.\nend\n",
  });
  assertEquals([cron.code, cron.err], [0, ""]);
  const { to, text } = await received(server, "Cron <root@host> run");
  assertEquals(to, ["root@example.org"]);
  assertMatch(text, /^From: root@example\.org \(Cron Daemon\)\r$/m);
  assertMatch(text, /^Message-ID: <\w+@mx\.example\.org>\r$/m);
  assert(text.endsWith("\r\n\r\nline\r\n.\r\nend\r\n"), text);

  const nobody = await sendmail.run(sendmail.program, ["-i", "stranger", "ann"], { input: "Subject: half\n\nx\n" });
  assertEquals(nobody.code, 67);
  assertMatch(nobody.err, /stranger@example\.org: 550 /);
  assertEquals((await received(server, "half")).to, ["ann@example.org"]);
  const world = await sendmail.run(sendmail.program, ["a@example.net"], { input: "Subject: x\n\nx\n" });
  assertEquals(world.code, 69);
  assertMatch(world.err, /example\.net: 550 /);
  assertEquals((await sendmail.run(sendmail.program, ["-t"], { input: "Subject: x\n\nx\n" })).code, 65);
  assertEquals((await sendmail.run(sendmail.program, [])).code, 64);
  assertEquals((await sendmail.run(sendmail.program, ["-y"])).code, 64);
  assertEquals((await sendmail.run(sendmail.folder.at("newaliases"), [])).code, 0);
  const queue = await sendmail.run(sendmail.folder.at("mailq"), []);
  assertEquals([queue.code, queue.out], [0, "Mail queue is empty\n"]);
  const smtp = await sendmail.run(sendmail.program, ["-bs"], { input: "QUIT\r\n" });
  assertMatch(smtp.out, /^220 mx\.example\.org/);
});

Deno.test("sendmail: a real link to the program makes it a mailq", async () => {
  await using here = await place();
  await Deno.symlink(Deno.execPath(), here.sendmail.folder.at("bin-mailq"));
  await Deno.mkdir(here.sendmail.folder.at("bin"));
  const link = here.sendmail.folder.at("bin/mailq");
  await Deno.symlink(Deno.execPath(), link);
  const main = new URL("../../cli/main.ts", import.meta.url).pathname;
  await using _server = await here.start();
  const ran = await here.sendmail.run(link, ["run", "-A", main, "--config", here.sendmail.folder.at("postern.yaml")]);
  assertEquals([ran.code, ran.out, ran.err], [0, "Mail queue is empty\n", ""]);
});

testWith(["s-nail", "bsd-mailx"], "sendmail: Debian's mailx, both", async () => {
  await using here = await place();
  await using server = await here.start();
  const { sendmail } = here;
  for (const program of ["s-nail", "bsd-mailx"] as const) {
    const rc = await sendmail.folder.file(
      `${program}.rc`,
      `set sendmail=${sendmail.program} mta=${sendmail.program}\n`,
    );
    const args = ["-s", `by ${program}`, ...program === "s-nail" ? ["-c", "ann@example.org"] : [], "bob@example.org"];
    const ran = await sendmail.run(programOf(program)!, args, {
      input: "Grüße\n.. two dots\n",
      env: { MAILRC: rc, LC_ALL: "C.UTF-8" },
    });
    assertEquals(ran.code, 0, ran.err);
    const { to } = await received(server, `by ${program}`);
    assert(to.includes("bob@example.org"), to.join());
  }
});

testWith(["php"], "sendmail: PHP's mail()", async () => {
  await using here = await place(`- recipients: { accounts: { bob: inbox, eve: inbox } }\n  - inbox`);
  await using server = await here.start();
  const { sendmail } = here;
  const code =
    `exit(mail("bob@example.org", "by PHP", "line one\\nline two", "From: web@example.org\\r\\nBcc: eve@example.org", "-fbounce@example.org") ? 0 : 9);`;
  const ran = await sendmail.run(programOf("php")!, ["-d", `sendmail_path=${sendmail.program} -t -i`, "-r", code]);
  assertEquals(ran.code, 0, ran.err);
  const { to, text } = await received(server, "by PHP");
  assertEquals([...to].sort(), ["bob@example.org", "eve@example.org"]);
  assert(!/^Bcc:/im.test(text), text);
  assertMatch(text, /^From: web@example\.org\r$/m);
  const refused = await sendmail.run(programOf("php")!, [
    "-d",
    `sendmail_path=${sendmail.program} -t -i`,
    "-r",
    `exit(@mail("bob@example.net", "x", "y") ? 0 : 9);`,
  ]);
  assertEquals(refused.code, 9, refused.err);
});

testUnless(gitLacks(), "sendmail: git send-email", async () => {
  await using here = await place();
  await using server = await here.start();
  const { sendmail } = here;
  const patch = await sendmail.folder.file(
    "0001.patch",
    "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: Ann <ann@example.org>\nDate: Mon, 30 Nov 2026 12:00:00 +0000\nSubject: [PATCH] by git\n\nWhy.\n---\n.\n",
  );
  const ran = await sendmail.run("git", [
    "send-email",
    "--quiet",
    "--confirm=never",
    "--no-validate",
    "--from=Ann <ann@example.org>",
    "--suppress-cc=all",
    "--to=bob@example.org",
    `--smtp-server=${sendmail.program}`,
    patch,
  ], { env: IDENTITY });
  assertEquals(ran.code, 0, ran.err);
  assertEquals((await received(server, "[PATCH] by git")).to, ["bob@example.org"]);
});

/** Of nobody on this machine. */
const IDENTITY = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "Ann",
  GIT_AUTHOR_EMAIL: "ann@example.org",
  GIT_COMMITTER_NAME: "Ann",
  GIT_COMMITTER_EMAIL: "ann@example.org",
};

function gitLacks(): string | null {
  try {
    const { stdout, stderr } = new Deno.Command("git", { args: ["send-email", "-h"] }).outputSync();
    const usage = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return usage.includes("--smtp-server") ? null : "git send-email: apt-get install git-email";
  } catch {
    return "git send-email: apt-get install git-email";
  }
}

Deno.test("sendmail: while the server is down mail waits, and is handed in when it runs again", async () => {
  await using here = await place();
  const { sendmail, data } = here;
  const never = await sendmail.run(sendmail.program, ["bob"], { input: "Subject: x\n\nx\n" });
  assertEquals(never.code, 75); // no server has ever run: there is no place for it
  assertMatch(never.err, /the server makes it/);
  {
    await using server = await here.start();
    await server.stop();
  }
  for (const subject of ["one", "two"]) {
    const ran = await sendmail.run(sendmail.program, ["-f", "cron", "bob"], { input: `Subject: ${subject}\n\nx\n` });
    assertEquals([ran.code, ran.err], [0, ""]);
  }
  assertEquals(left(data).length, 2);
  const queue = await sendmail.run(sendmail.folder.at("mailq"), []);
  assertEquals([queue.code, queue.out], [69, "2 messages wait in the maildrop\n"]);
  const smtp = await sendmail.run(sendmail.program, ["-bs"], { input: "QUIT\r\n" });
  assertEquals(smtp.code, 75);
  assertMatch(smtp.out, /^421 4\.3\.2 /);
  await using server = await here.start();
  assertMatch((await received(server, "one")).from, /cron@example\.org|root|@example\.org/);
  await received(server, "two");
  await waitFor("an empty maildrop", () => left(data).length === 0, { deadline: 30_000 });
  assertEquals((await server.api.messages()).length, 2);
});

Deno.test("sendmail: a server that is killed while it takes the maildrop up loses nothing, and repeats one at most", async () => {
  await using here = await place();
  const { sendmail, data } = here;
  {
    await using server = await here.start();
    await server.stop();
  }
  const first = await sendmail.run(sendmail.program, ["bob"], { input: "Subject: n0\n\nx\n" });
  assertEquals(first.code, 0, first.err);
  const [sample] = left(data), count = 60, subjects = new Set(["n0"]);
  const text = await Deno.readTextFile(`${data}/maildrop/${sample}`);
  for (let number = 1; number < count; number++) { // as the program wrote the first
    const name = `${sample!.slice(0, -4)}${number.toString(16).padStart(4, "0")}`;
    const size = Number(/"size":(\d+)/.exec(text)![1]) + String(number).length - 1;
    const copy = text.replace("Subject: n0", `Subject: n${number}`).replace(/"size":\d+/, `"size":${size}`);
    await Deno.writeTextFile(`${data}/maildrop/${name}`, copy);
    subjects.add(`n${number}`);
  }
  const before = left(data).length;
  {
    await using server = await here.start();
    await waitFor("some to be taken", () => left(data).length < before - 5, { deadline: 30_000, every: 1 });
    await server.kill();
  }
  await using server = await here.start();
  await waitFor("an empty maildrop", () => left(data).length === 0, { deadline: 60_000 });
  const found = (await server.api.messages()).map(({ subject }) => subject);
  assertEquals(new Set(found), subjects);
  assert(found.length <= count + 1, `${found.length} of ${count}`);
});
