/**
 * The examples that stand beside other people's servers: a Dovecot that reads what was stored, a Postfix as the smart host,
 * an NSD that is asked. Non-job: those that need Deno alone (examples_test.ts).
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { latin1 } from "../../support/bytes.ts";
import { programOf, testUnless, testWith } from "../../support/debian.ts";
import { Dovecot } from "../../support/dovecot.ts";
import { Example } from "../../support/example.ts";
import { imapFetchAll } from "../../support/imap.ts";
import { waitForMail } from "../../support/maildir.ts";
import { freePort } from "../../support/ports.ts";
import { demandsLogin, Postfix, POSTFIX_MISSING } from "../../support/postfix.ts";
import { Authority } from "../../support/tls.ts";
import { waitFor } from "../../support/wait.ts";

const EXAMPLES = new URL("../../../examples/", import.meta.url).pathname;

testWith(
  ["dovecot"],
  "example mx_dovecot: what was sent is read by IMAP, by the location that dovecot.conf names",
  async () => {
    await using example = await Example.open("mx_dovecot");
    await example.start();
    const [sent, refused, ...more] = await example.run();
    assertEquals([sent?.code, refused?.code, more], [0, 1, []], `${sent?.err}${refused?.err}`);
    assertStringIncludes(refused!.err, "550 5.1.1 No such user here");

    const file = `${EXAMPLES}mx_dovecot/dovecot.conf`;
    const { success, stdout } = await new Deno.Command("doveconf", { args: ["-c", file, "mail_location"] }).output();
    const location = /^mail_location = (.*)$/m.exec(new TextDecoder().decode(stdout))?.[1] ?? "";
    assertEquals([success, location.includes("/srv/mail/")], [true, true], location);
    await using dovecot = await Dovecot.start(location.replace("/srv/mail", example.mail("").replace(/\/$/, "")));
    await Deno.chmod(example.at(""), 0o755);
    await dovecot.give(example.mail(""));
    const [message, ...others] = await imapFetchAll(dovecot.port, { user: "alice@example.org", password: "any" });
    assertEquals(others, []);
    assertMatch(latin1(message!), /^Subject: A message from postern send\r$/m);
  },
);

const MISSING = POSTFIX_MISSING ?? (programOf("dovecot") === null ? "dovecot: apt-get install dovecot-imapd" : null);

testUnless(MISSING, "example submission_relay: a Postfix that wants TLS and a login is the smart host", async () => {
  const submission = freePort(), users = { "example-org": "secret-of-the-smarthost" };
  await using authority = await Authority.make();
  await using dovecot = await Dovecot.start("maildir:/nonexistent", { users });
  const login = demandsLogin(await authority.issue(), dovecot.authPort);
  await using postfix = await Postfix.start(login, { accounts: ["friend@example.com"] });
  await using example = await Example.open("submission_relay", {
    SUBMISSION: `127.0.0.1:${submission}`,
    SMARTHOST: `smtp://127.0.0.1:${postfix.port}`,
    POSTERN_SMTP: "",
  });
  const env = { ACCOUNTS: example.at("accounts.txt") };
  assertEquals((await example.one(example.commands("Once")[0]!, env)).code, 0);
  await example.start("Start", { env, port: submission });
  const [sent, ...more] = await example.run();
  assertEquals([sent?.code, more], [0, []], sent?.err);
  const [message] = await postfix.mailOf("friend@example.com");
  assertMatch(latin1(message!), /^Received: from mail\.example\.org /m);
  assertMatch(await postfix.log(), /sasl_method=\S+, sasl_username=example-org/);
});

testWith(
  ["nsd"],
  "example dns_recipients: a name server says who has a mailbox, and one that is away refuses nobody for good",
  async () => {
    const dns = freePort();
    await using example = await Example.open("dns_recipients", { DNS: `127.0.0.1:${dns}` });
    const [tested] = await example.run("Test");
    assertEquals([tested!.code, / 0 failed/.test(tested!.out)], [0, true], tested!.out);

    await example.start();
    const [command, nobody, ...more] = example.commands("Try");
    assertEquals(more, []);
    assertMatch((await example.one(command!)).err, /451 4\.4\.3/);

    const conf = await Deno.readTextFile(`${EXAMPLES}dns_recipients/nsd.conf`);
    await Deno.writeTextFile(example.at("nsd.conf"), conf.replace("@5300", `@${dns}`));
    const [start] = example.commands("Once");
    const names = example.begin(start!.replace("examples/dns_recipients/nsd.conf", example.at("nsd.conf")));
    await waitFor("the name server to be asked", async () => {
      if (names.ended) throw new Error(`it has ended: ${names.output}`);
      return (await example.one(command!)).code === 0; // a failure is remembered for a while
    }, { deadline: 60_000, every: 500 });
    assertMatch((await example.one(nobody!)).err, /550 5\.1\.1 No such user here/);
    assertMatch((await example.one(command!.replace("alice@", "cem@"))).err, /451 4\.3\.0/);
    const stored = await waitForMail(example.mail("example.org/alice/Maildir"));
    assertMatch(latin1(stored[0]!), /^Subject: A message from postern send\r$/m);
  },
);
