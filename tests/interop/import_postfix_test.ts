/**
 * The proof of `postern import postfix`: the same mail to a real Postfix with a configuration and to Postern with what was
 * made of it is taken or refused alike, and ends with the same people. Strangers come by XCLIENT, on both sides.
 */
import { assert, assertEquals } from "@std/assert";
import { importPostfix } from "../../cli/import/postfix/import.ts";
import { Settings } from "../../cli/import/postfix/settings.ts";
import { Sources } from "../../cli/import/sources.ts";
import { faultsOf, writeDraft } from "../../cli/import/written.ts";
import { loadConfig } from "../../core/config/load.ts";
import { simulate } from "../../core/pipeline/mod.ts";
import { programOf, testUnless } from "../support/debian.ts";
import { Postfix, POSTFIX_MISSING } from "../support/postfix.ts";
import { CATCH_ALL, OFFICE, type PostfixSite, written } from "../support/postfix_sites.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const SENDER = "sender@outside.example";

/** Nothing leaves: mailboxes and other hosts are /dev/null, and who would have got it is in the log. */
const NOWHERE = `default_transport = discard:
relay_transport = discard:
virtual_transport = discard:
mailbox_transport = discard:
relayhost =
transport_maps =
`;

/** `stranger alice@example.com: taken`, for each mail of a site. */
async function verdicts(port: number, { mail }: PostfixSite): Promise<string[]> {
  const told: string[] = [];
  for (const [client, recipient] of mail) {
    using session = await SmtpClient.ready(port, { deadline: 30_000 });
    await session.command(`XCLIENT ADDR=${client} NAME=[UNAVAILABLE]`, 220);
    await session.command("EHLO client.outside.example", 250);
    await session.command(`MAIL FROM:<${SENDER}>`, 250);
    const { code } = await session.command(`RCPT TO:<${recipient}>`);
    told.push(`${client} ${recipient}: ${code < 300 ? "taken" : "refused"}`);
    await session.command("QUIT");
  }
  return told;
}

/** Sends a mail to one recipient; who got it in the end. */
async function endOf(postfix: Postfix, recipient: string): Promise<string[]> {
  using session = await SmtpClient.ready(postfix.port, { deadline: 30_000 });
  await session.command(`MAIL FROM:<${SENDER}>`, 250);
  await session.command(`RCPT TO:<${recipient}>`, 250);
  await session.command("DATA", 354);
  const { lines } = await session.command("Subject: x\r\n\r\nx\r\n.", 250);
  const id = /queued as (\w+)/.exec(lines.join(" "))![1]!;
  await session.command("QUIT");
  const log = await waitFor(`the end of ${id}`, async () => {
    const text = await postfix.log();
    return text.includes(`${id}: removed`) ? text : undefined;
  }, { deadline: 60_000 });
  const ids = new Set([id]); // local(8) hands a copy on as a new message
  const got = new Set<string>();
  for (const line of log.split("\n")) {
    const [, own, to] = /postfix\/\w+\[\d+\]: (\w+): to=<([^>]*)>/.exec(line) ?? [];
    if (own === undefined || !ids.has(own)) continue;
    const forwarded = /forwarded as (\w+)/.exec(line)?.[1];
    if (forwarded === undefined) got.add(to!.toLowerCase());
    else ids.add(forwarded);
  }
  return [...got];
}

/** Who they are: without detail, and accounts of the system without their domain. */
function people({ system }: PostfixSite, addresses: readonly string[]): string[] {
  const names = addresses.map((each) => {
    const [local, domain] = each.replace(/\+[^@]*@/, "@").split("@");
    return system.includes(domain!) ? local! : `${local}@${domain}`;
  });
  return [...new Set(names)].sort();
}

for (const [name, site] of Object.entries({ OFFICE, CATCH_ALL })) {
  testUnless(
    POSTFIX_MISSING,
    `import postfix, ${name}: verdicts and aliases are those of the real Postfix`,
    async () => {
      const { folder, main } = await written(site);
      await using _ = folder;
      const draft = await importPostfix(new Sources(folder.path, folder.path, "/"));
      await writeDraft(draft, folder.at("new"));
      assertEquals(await faultsOf(folder.at("new")), []);

      await using postfix = await Postfix.start(`${main}${NOWHERE}`, { services: ["local unix - n n - - local"] });
      const config = (await Deno.readTextFile(folder.at("new/postern.yaml")))
        .replaceAll("./recipients.yaml", folder.at("new/recipients.yaml"));
      await using server = await Server.start({ config, deadline: 60_000 });
      const theirs = await verdicts(postfix.port, site), ours = await verdicts(server.ports.smtp, site);
      assert(new Set(theirs.map((each) => each.split(": ")[1])).size === 2, "a table that has both verdicts");
      // What Postfix lets through and was told as left over is the one thing that may be closed here
      const exception = name === "CATCH_ALL" ? [] : [];
      assertEquals(ours.filter((each) => !exception.includes(each as never)), theirs);

      const { listeners, hostname, domains, postmaster } = await loadConfig({
        file: folder.at("new/postern.yaml"),
        env: {},
        cwd: folder.path,
      });
      const taken = theirs.filter((each) => each.startsWith("192.") && each.endsWith("taken"));
      for (const recipient of taken.map((each) => each.split(/[ :]+/)[1]!)) {
        const { recipients } = await simulate([...listeners[0]!.plugins], {
          from: SENDER,
          to: recipient,
          host: { name: hostname, domains, postmaster },
        });
        const found = recipients.map(({ address }) => `${address.local}@${address.domain}`);
        assertEquals([recipient, people(site, found)], [recipient, people(site, await endOf(postfix, recipient))]);
      }
    },
  );
}

/** Values of a parameter: `mail_name` is one, `smtp_bind_address` is empty. */
const VALUES = [
  "$mail_name two $(mail_name)",
  "${mail_name?yes}${smtp_bind_address?no}${smtp_bind_address:unset}",
  "${mail_name?{x $mail_name}:{y}} ${smtp_bind_address?{x}:{y $mail_name}}",
  "${{$mail_name} == {one} ? {same} : {other}} ${{$mail_name} != {one} ? {other} : {same}}",
  "${{2} < {10} ? {numbers} : {texts}} ${{b} > {ab} ? {after} : {before}} ${{1.10} >= {1.9} ? {x} : {y}}",
  "$$mail_name $$${mail_name}",
  "first,\n  # a comment\n\n  $mail_name,\n\tthird",
  "${mail_name:{not this}}${smtp_bind_address:{this}}",
  "$mydomain of $myhostname",
];

/** Parameters that hold any text. */
const NAMES =
  "smtpd_banner smtp_helo_name always_bcc relayhost content_filter home_mailbox smtp_fallback_relay fallback_transport smtpd_sasl_path"
    .split(" ");

testUnless(POSTFIX_MISSING, "import postfix: $name and its kind become what postconf says", async () => {
  await using folder = await TempFolder.make();
  const lines = VALUES.map((value, index) => `${NAMES[index]} = ${value}\n`).join("");
  const text = `mail_name = one\nmyhostname = a.b.example.net\n${lines}`;
  await folder.file("main.cf", text);
  await folder.file("master.cf", "");
  const { stdout } = await new Deno.Command(programOf("postfix")!.replace(/postfix$/, "postconf"), {
    args: ["-c", folder.path, "-x", ...NAMES],
    stderr: "null",
  }).output();
  const said = new Map(
    new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split(" = ", 2) as [string, string]),
  );
  const settings = Settings.read(text, "main.cf");
  for (const [index, value] of VALUES.entries()) {
    assertEquals([value, settings.text(NAMES[index]!)], [value, said.get(NAMES[index]!)?.trim()]);
  }
});
