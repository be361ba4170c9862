/**
 * Sessions of real mail programs, over TLS and with logins, are recorded and played again: against the same configuration
 * they are answered as they were, and no recording has anything of a login in it.
 */
import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { loadConfig } from "../../core/config/load.ts";
import { parseRecording } from "../../core/replay/format.ts";
import type { Recording } from "../../core/replay/recording.ts";
import { mail } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { sides, stageOf } from "../support/recordings.ts";
import { PASSWORD, SASL_MECHANISMS, SubmissionSite, TOKEN, USER } from "../support/submission_site.ts";
import { TempFolder } from "../support/temp.ts";
import { MAKES_CERTIFICATES } from "../support/tls.ts";
import { type Submitter, SUBMITTERS } from "./submitters.ts";

const TO = "box@local.example";

async function submit(submitter: Submitter, site: SubmissionSite, mechanism: string, implicit: boolean): Promise<void> {
  await using folder = await TempFolder.make("postern-replay-");
  const message = mail(`From: <${USER}>\nTo: <${TO}>\nSubject: recorded\nMessage-ID: <a@b.example>\n\n.\nHello\n`);
  const text = new TextDecoder().decode(message);
  await submitter.submit({
    ...{ implicit, mechanism, subject: "recorded", message, home: folder.path, from: USER, to: TO, user: USER },
    file: await folder.file("crlf", text),
    lfFile: await folder.file("lf", text.replaceAll("\r\n", "\n")),
    openFile: await folder.file("open", text.replaceAll("\r\n", "\n").trimEnd()),
    textFile: await folder.file("text", "Hello\n"),
    port: implicit ? site.ports.implicit : site.ports.starttls,
    caFile: site.authority.caFile,
    password: /OAUTH/.test(mechanism) ? TOKEN : PASSWORD,
  });
}

async function recordingsOf(site: SubmissionSite): Promise<Recording[]> {
  const folder = `${site.server.data}/recordings`, recordings: Recording[] = [];
  assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o700);
  for (const { name } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`, text = await Deno.readTextFile(path);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    for (const secret of [PASSWORD, TOKEN, btoa(PASSWORD), btoa(`\0${USER}\0${PASSWORD}`), btoa(USER)]) {
      assert(!text.includes(secret), secret);
    }
    recordings.push(parseRecording(text));
  }
  return recordings;
}

/** EHLO may say what time it is. */
const timeless = (texts: readonly string[]) =>
  texts.map((text) => text.replace(/FUTURERELEASE [^\r]*/g, "FUTURERELEASE"));

for (const submitter of SUBMITTERS) {
  testWith(
    [...submitter.needs, ...MAKES_CERTIFICATES],
    `${submitter.name}: recorded, played again, answered as it was`,
    async () => {
      await using site = await SubmissionSite.start({
        mechanisms: SASL_MECHANISMS,
        rest: "recordings: { bodies: true }",
      });
      for (const mechanism of submitter.mechanisms) {
        for (const implicit of [false, true]) await submit(submitter, site, mechanism, implicit);
      }
      await site.server.stop();
      const env = { POSTERN_ADMIN_TOKEN: "token-of-the-tests" };
      const config = await loadConfig({ file: `${dirname(site.server.data)}/postern.yaml`, env });
      const stage = stageOf(config), recordings = await recordingsOf(site);
      const sent = recordings.filter(({ acts }) => acts.some(({ deed }) => deed.kind === "content"));
      assertEquals(sent.length, 2 * submitter.mechanisms.length);
      for (const recording of recordings) {
        const replayed = await stage.replay(recording), { then, now } = sides(recording, replayed);
        assertEquals(timeless(now), timeless(then), JSON.stringify(recording.acts.map(({ deed }) => deed)));
      }
      assertEquals(
        sent.flatMap(({ acts }) => acts).filter(({ deed }) => deed.kind === "auth" && deed.user === USER).length,
        sent.length,
      );
    },
  );
}
