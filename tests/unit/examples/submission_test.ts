import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashPassword } from "../../../core/auth/passwords.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { MemoryResolver, simulate, type Simulated } from "../../../core/pipeline/mod.ts";
import { TempFolder } from "../../support/temp.ts";

const examples = new URL("../../../examples/sites/", import.meta.url);

Deno.test("example submission.yaml: one list of plugins serves the world and the users, each in its way (case 41)", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  for (const name of ["submission.yaml", "accounts.txt", "recipients.yaml"]) {
    await Deno.copyFile(new URL(name, examples), `${folder}/${name}`);
  }
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const stored = await hashPassword("secret", { random });
  const accounts = await Deno.readTextFile(`${folder}/accounts.txt`);
  const alice = `alice ${stored} sender=team@example.org`;
  await Deno.writeTextFile(`${folder}/accounts.txt`, accounts.replace(/^alice .*$/m, () => alice));

  const config = await loadConfig({ file: `${folder}/submission.yaml`, env: {} });
  assertEquals(config.warnings, []);
  assertEquals(config.listeners.map(({ role, tls, requireAuth, mechanisms }) => [role, tls, requireAuth, mechanisms]), [
    ["mx", "offer", false, []],
    ["submission", "require", true, ["SCRAM-SHA-256", "PLAIN", "LOGIN"]],
    ["submission", "implicit", true, ["SCRAM-SHA-256", "PLAIN", "LOGIN"]],
  ]);

  const host = { name: config.hostname, domains: config.domains, postmaster: config.postmaster };
  const dns = new MemoryResolver({
    "example.com": { mx: [[10, "mx.example.com"]] },
    "example.net": { mx: [[10, "mx.example.net"]], txt: ["v=spf1 -all"] },
  });
  const send = (facts: Simulated) =>
    simulate(config.listeners[1]!.plugins, {
      role: "submission",
      login: { user: "alice", password: "secret", verify: (each) => Promise.resolve(each === stored) },
      from: "alice@example.org",
      to: "friend@example.com",
      message: "From: Alice <alice@example.org>\nTo: friend@example.com\nBcc: bob@example.org\nSubject: hello\n\nHi\n",
      host,
      dns,
      ...facts,
    });

  const sent = await send({ to: ["friend@example.com", "bob@example.org"] });
  assertEquals([String(sent.reply), sent.identity], ["250 2.0.0 OK", "alice"]);
  assertEquals(sent.recipients.map(({ route }) => route?.to), ["remote", "local"]);
  assertMatch(sent.output, /^Message-ID: <\w+@mail\.example\.org>\r\nDate: .*\r\nFrom: Alice/);
  const mail = `${folder}/data/mail/example.org/bob/Maildir/new`;
  const [file] = [...Deno.readDirSync(mail)];
  const text = await Deno.readTextFile(`${mail}/${file!.name}`);
  assertStringIncludes(text, "Subject: hello\n");
  assertEquals(/^bcc:/im.test(text), false);

  const answer = async (facts: Simulated) => String((await send(facts)).reply).slice(0, 9);
  const header = (from: string) => ({ from: "alice@example.org", message: `From: ${from}\nSubject: x\n\nHi\n` });
  assertEquals(await answer({ from: "bob@example.org" }), "553 5.7.1");
  assertEquals(await answer(header("bob@example.org")), "550 5.7.1");
  for (const own of ["info@example.org", "team@example.org", "alice+list@example.org"]) {
    assertEquals(await answer({ ...header(own), from: own }), "250 2.0.0", own);
  }
  assertEquals(await answer({ to: "nobody@example.org" }), "550 5.1.1");
  assertEquals(
    await answer({ login: { user: "alice", password: "x", verify: () => Promise.resolve(false) } }),
    "535 5.7.8",
  );

  const world = async (facts: Simulated) => {
    const facing = {
      role: "mx",
      ip: "203.0.113.7",
      from: "x@example.net",
      to: "alice@example.org",
      host,
      dns,
    } as const;
    return String((await simulate(config.listeners[0]!.plugins, { ...facing, ...facts })).reply).slice(0, 10);
  };
  assertEquals(await world({}), "550 5.7.23"); // SPF is for the world
  assertEquals(await world({ from: "x@example.com" }), "250 2.0.0 ");
  assertEquals(await world({ from: "x@example.com", to: "friend@example.com" }), "550 5.7.1 ");
});
