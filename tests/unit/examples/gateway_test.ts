import { assertEquals, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../../core/config/load.ts";
import { MemoryResolver, simulate, type Simulated } from "../../../core/pipeline/mod.ts";
import { TempFolder } from "../../support/temp.ts";

const examples = new URL("../../../examples/sites/", import.meta.url);
const files = ["gateway.yaml", "recipients.yaml", "greeting.ts"];

Deno.test("example gateway.yaml: loads without a warning and does what a gateway does", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  for (const name of files) await Deno.copyFile(new URL(name, examples), `${folder}/${name}`);
  const config = await loadConfig({ file: `${folder}/gateway.yaml`, env: {} });
  assertEquals(config.warnings, []);
  const { plugins } = config.listeners[0]!;
  const host = { name: config.hostname, domains: config.domains, postmaster: config.postmaster };
  const dns = new MemoryResolver({ "example.net": { txt: ["v=spf1 ip4:203.0.113.7 -all"] } });
  const send = (facts: Simulated) =>
    simulate(plugins, {
      ip: "203.0.113.7",
      helo: "mail.example.net",
      from: "x@example.net",
      role: "mx",
      host,
      dns,
      ...facts,
    });

  const taken = await send({
    to: ["alice@example.org", "info@example.org"],
    message:
      "From: x@example.net\nTo: alice@example.org\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <1@example.net>\nSubject: hello\n\nHi\n",
  });
  assertEquals(taken.reply.verdict, "accept", String(taken.reply));
  assertEquals(taken.recipients.map(({ address, result }) => [address.local, result]), [["alice", "stored"], [
    "bob",
    "stored",
  ]]);
  const mail = `${folder}/data/mail/example.org/alice/Maildir/new`;
  const [stored] = [...Deno.readDirSync(mail)];
  const text = await Deno.readTextFile(`${mail}/${stored!.name}`);
  assertStringIncludes(text, "X-Greeting: mail.example.net\n");
  assertStringIncludes(text, "Received-SPF: pass");

  const status = async (facts: Simulated) => (await send(facts)).reply.status;
  assertEquals(await status({ to: "nobody@example.org" }), "5.1.1");
  assertEquals(await status({ to: "friend@example.com" }), "5.7.1");
  assertEquals(await status({ to: "alice@example.org", ip: "198.51.100.1" }), "5.7.23");
  assertEquals(await status({ to: "alice@example.org", helo: "mx.example.org" }), "5.7.1");
  const relayed = await send({ to: "friend@example.com", ip: "192.0.2.9", from: "alice@example.org" });
  assertEquals(relayed.recipients.map((each) => each.route), [{ to: "remote" }], String(relayed.reply));
  const spam = await send({
    to: "alice@example.org",
    message:
      "From: x@example.net\nSubject: x\n\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n",
  });
  assertEquals(spam.reply.verdict, "reject", String(spam.reply));
});
