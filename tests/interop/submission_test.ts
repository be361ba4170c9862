/**
 * Real mail programs submit over TLS with a login: STARTTLS and TLS at once, each mechanism that they have. What arrives
 * is what was sent, and its Received says ESMTPSA.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { addedOnly, join, latin1, mail, withLf } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { PASSWORD, SASL_MECHANISMS, SubmissionSite, TOKEN, USER } from "../support/submission_site.ts";
import { TempFolder } from "../support/temp.ts";
import { MAKES_CERTIFICATES } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";
import { type Submission, type Submitter, SUBMITTERS } from "./submitters.ts";

const BOX = "box@local.example";
const TEXT = ".\n..\n.one dot, and two:\n..x\nthe end\n";

function messageOf(subject: string): Uint8Array<ArrayBuffer> {
  return join(
    mail(`From: Alice <${USER}>
To: Box <${BOX}>
Subject: ${subject}
Date: Mon, 01 Jan 2024 00:00:00 +0000
Message-ID: <submission@client.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

`),
    mail(TEXT),
  );
}

async function submit(
  submitter: Submitter,
  site: SubmissionSite,
  choice: Pick<Submission, "implicit" | "mechanism">,
): Promise<void> {
  await using folder = await TempFolder.make("postern-submit-");
  const { implicit, mechanism } = choice;
  const subject = `${submitter.name} ${mechanism} ${implicit}`, message = messageOf(subject);
  const files = {
    file: folder.at("crlf"),
    lfFile: folder.at("lf"),
    openFile: folder.at("open"),
    textFile: folder.at("text"),
  };
  await Deno.writeFile(files.file, message);
  await Deno.writeFile(files.lfFile, withLf(message));
  await Deno.writeFile(files.openFile, withLf(message).slice(0, -1));
  await Deno.writeTextFile(files.textFile, TEXT);
  const before = site.logins(mechanism);
  await submitter.submit({
    ...{ implicit, mechanism, subject, message, ...files, home: folder.path, from: USER, to: BOX, user: USER },
    port: implicit ? site.ports.implicit : site.ports.starttls,
    caFile: site.authority.caFile,
    password: /OAUTH/.test(mechanism) ? TOKEN : PASSWORD,
  });
  if (mechanism !== "login") { // Python's own choice
    await waitFor(`a login by ${mechanism} in the log`, () => site.logins(mechanism) === before + 1);
  }
  const found = (await site.server.api.messages()).filter((each) => each.subject === subject);
  assertEquals(found.length, 1, subject);
  const raw = (await site.server.api.raw(found[0]!.id))!, text = new TextDecoder().decode(raw);
  assertMatch(text, /\tby mx\.local\.example \(Postern\) with ESMTPSA id \w+\r\n/);
  if (submitter.composes) assertStringIncludes(text, TEXT.replaceAll("\n", "\r\n"));
  else assertEquals(addedOnly(raw, message), null);
}

async function everyWay(
  t: Deno.TestContext,
  submitter: Submitter,
  mechanisms: readonly string[],
  offered: readonly string[],
) {
  await using site = await SubmissionSite.start({ mechanisms: offered, env: { POSTERN_LOG: "debug" } });
  for (const mechanism of mechanisms) {
    for (const implicit of [false, true]) {
      const name = `${mechanism}, ${implicit ? "TLS at once" : "STARTTLS"}`;
      await t.step(name, () => submit(submitter, site, { implicit, mechanism }));
    }
  }
  await t.step(`no secret in log and data, ${offered.length} mechanisms`, async () => {
    await site.server.stop();
    const kept = [site.server.output, latin1(await Deno.readFile(`${site.server.data}/postern.db`))];
    for (const secret of [PASSWORD, TOKEN, btoa(PASSWORD), btoa(`\0${USER}\0${PASSWORD}`)]) {
      assertEquals(kept.map((text) => text.toLowerCase().includes(secret.toLowerCase())), [false, false]);
    }
  });
}

for (const submitter of SUBMITTERS) {
  testWith(
    [...submitter.needs, ...MAKES_CERTIFICATES],
    `${submitter.name} submits with a login, by STARTTLS and by TLS at once`,
    async (t) => {
      await everyWay(t, submitter, submitter.mechanisms, SASL_MECHANISMS);
      for (const mechanism of submitter.alone ?? []) await everyWay(t, submitter, [mechanism], [mechanism]);
    },
  );
}
