/** Mail looked at by a real rspamd, with the test line and rules of the test's own, without network. */
import { assertEquals, assertMatch } from "@std/assert";
import { runPhase, type Simulated } from "../../core/pipeline/testing/simulation.ts";
import { rspamd } from "../../plugins/content/rspamd/mod.ts";
import { testWith } from "../support/debian.ts";
import { GTUBE, startRspamd } from "../support/scanners.ts";
import { readVectorText } from "../support/vectors.ts";
import { keepsFaith, ScannedServer } from "./scanner_contract.ts";

const unfolded = (message: string) => message.replaceAll("\r\n ", " ");

testWith(["rspamd"], "rspamd: well, killed, frozen, replaced: the policy holds and no mail is lost", async (t) => {
  await using engine = await startRspamd();
  const options = `servers: ["http://127.0.0.1:${engine.port}"]`;
  await t.step("fields are added and removed in what arrives", async () => {
    await using scanned = await ScannedServer.start({ plugin: "rspamd", options });
    assertMatch(await scanned.send("patient", "hello", { subject: "action add header" }), /^250 /);
    const [first] = await scanned.server.api.messages();
    const arrived = unfolded(new TextDecoder().decode((await scanned.server.api.raw(first!.id))!));
    const from = "127\\.0\\.0\\.1 client\\.example unknown a@example\\.net b@example\\.org - b@example\\.org \\d+";
    assertMatch(arrived, new RegExp(`^X-Envelope: ${from}\r\n`, "m"));
    assertMatch(arrived, /^X-Spam: Yes\r\n/m);
    assertEquals(/^X-Gone:/m.test(arrived), false);
  });
  await keepsFaith(t, { engine, plugin: "rspamd", options, bad: GTUBE, refusal: /^550 5\.7\.1 Gtube pattern/ });
});

testWith(["rspamd"], "rspamd: actions, and the envelope as it hears it", async () => {
  await using engine = await startRspamd();
  const plugin = rspamd({ servers: [`http://127.0.0.1:${engine.port}`], timeout: "60s", authenticated: true });
  const ask = async (subject: string, facts: Simulated = {}) =>
    await runPhase(plugin, "data", { message: `From: a@b.example\nSubject: ${subject}\n\nx\n`, ...facts });
  const replies = {
    "action reject": "550 5.7.1 as wished",
    "action soft reject": "451 4.7.1 as wished",
    "action greylist": "451 4.7.1 as wished",
    "action no action": "250 2.0.0 OK",
    "action rewrite subject": "250 2.0.0 OK",
  };
  for (const [subject, reply] of Object.entries(replies)) assertEquals(String((await ask(subject)).reply), reply);
  const spam = await ask("action rewrite subject");
  assertMatch(spam.output, /^Subject: \*\*\*SPAM\*\*\* action rewrite subject\r$/m);

  const envelope = async (facts: Simulated) =>
    /^X-Envelope: (.*)\r$/m.exec(unfolded((await ask("x", facts)).output))?.[1];
  const size = "From: a@b.example\r\nSubject: x\r\n\r\nx\r\n".length;
  assertEquals(
    await envelope({ from: null, ip: "2001:db8::7", to: ["b@example.org", "c@example.org"], identity: "amy" }),
    `2001:db8::7 client.example.net unknown  b@example.org|c@example.org amy - ${size}`,
  );
  const samples = { "sample-nonspam.txt": 250, "sample-spam.txt": 550 };
  for (const [name, code] of Object.entries(samples)) {
    const message = readVectorText(`gtube-eicar/${name}`);
    if (message !== null) assertEquals((await ask("", { message })).reply.code, code, name);
  }
});
