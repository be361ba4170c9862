import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../../core/config/load.ts";
import { recordName, recordText, sign } from "../../../core/dkim/mod.ts";
import { MemoryResolver, simulate, type Simulated, SimulatedCounters } from "../../../core/pipeline/mod.ts";
import { join, mail, octets } from "../../support/bytes.ts";
import { TempFolder } from "../../support/temp.ts";
import { content } from "../dkim/crafted.ts";
import { RFC_ED25519 } from "../dkim/keys.ts";

const examples = new URL("../../../examples/sites/", import.meta.url);
const NOW = Date.UTC(2026, 2, 2, 12);
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const header = (more = "") =>
  `From: Amy <amy@example.net>\nTo: alice@example.org\nSubject: hello\nDate: Mon, 02 Mar 2026 11:59:00 +0000\nMessage-ID: <1@example.net>\n${more}`;

Deno.test("example inbound.yaml: loads without a warning, takes good mail and knows the other kinds", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.path;
  for (const name of ["inbound.yaml", "recipients.yaml"]) {
    await Deno.copyFile(new URL(name, examples), `${folder}/${name}`);
  }
  const config = await loadConfig({
    file: `${folder}/inbound.yaml`,
    env: { BOUNCE_SECRET: "sixteen-characters-or-more" },
  });
  assertEquals(config.warnings, []);
  const { hostname: name, domains, postmaster } = config, { plugins } = config.listeners[0]!;
  const listed = (...zones: string[]) =>
    // whom lists know, and the entries by which they show that they work
    Object.fromEntries(
      zones.flatMap((zone) =>
        [`2.0.0.127.${zone}`, `66.100.51.198.${zone}`].map((each) => [each, { a: ["127.0.0.2"] }])
      ),
    );
  const zone = {
    "example.net": { txt: ["v=spf1 ip4:203.0.113.7 -all"], a: ["203.0.113.7"] },
    "mail.example.net": { a: ["203.0.113.7"] },
    "7.113.0.203.in-addr.arpa": { ptr: ["mail.example.net"] },
    "_dmarc.example.net": { txt: ["v=DMARC1; p=reject"] },
    [recordName("example.net", "s1")]: { txt: [await recordText(RFC_ED25519)] },
    ...listed("bl.example.net"),
  };
  const counters = new SimulatedCounters();
  let now = NOW;
  const send = (facts: Simulated) =>
    simulate(plugins, {
      ip: "203.0.113.7",
      helo: "mail.example.net",
      from: "amy@example.net",
      to: "alice@example.org",
      message: `${header()}\nHello\n`,
      host: { name, domains, postmaster },
      dns: new MemoryResolver(zone),
      counters,
      now: () => now,
      ...facts,
    });
  const key = { domain: "example.net", selector: "s1", key: RFC_ED25519 };
  const good = mail(`${header()}\nHello\n`);
  const message = join(octets((await sign(content(good), [key], { now }))!), good);

  assertMatch(String((await send({ message })).reply), /^451 4\.7\.1 /); // nobody knows the client yet
  now += 61_000;
  const taken = await send({ message });
  assertEquals([taken.reply.verdict, taken.held, taken.scores], ["accept", null, []], String(taken.reply));
  const found = taken.authResults.map(({ method, result }) => `${method}=${result}`);
  assertEquals(found.sort(), ["arc=none", "dkim=pass", "dmarc=pass", "iprev=pass", "spf=pass"]);
  const mailbox = `${folder}/data/mail/example.org/alice/Maildir/new`;
  const [stored] = [...Deno.readDirSync(mailbox)];
  assertStringIncludes(await Deno.readTextFile(`${mailbox}/${stored!.name}`), "dmarc=pass header.from=example.net");

  const answer = async (facts: Simulated) => String((await send(facts)).reply).slice(0, 9);
  assertEquals(await answer({ ip: "198.51.100.66" }), "550 5.7.1", "listed");
  assertEquals(await answer({ helo: "mx.example.org" }), "550 5.7.1", "our name");
  assertEquals(await answer({ to: "nobody@example.org" }), "550 5.1.1");
  assertEquals(await answer({ to: "friend@example.com" }), "550 5.7.1");
  const trapped = await send({ to: "sales-1999@example.org" });
  assertEquals(trapped.recipients.map(({ result }) => result), ["discarded"]);

  const file = "Content-Type: application/octet-stream; name=a.exe\n";
  assertEquals(await answer({ message: `${header(file)}\nMZ\n` }), "550 5.7.1", "a program");
  assertEquals(await answer({ message: `${header()}\n${GTUBE}\n` }), "550 5.7.1", "spam");
  const forged = { ip: "198.51.100.7", helo: "other.example", from: "x@other.example", to: "ops@example.org" };
  const held = await send(forged); // ops is not greylisted
  assertEquals(held.reply.verdict, "accept", String(held.reply));
  assertMatch(held.held ?? "", /Neither SPF nor a signature speaks for example\.net, .*\(p=reject\)/);
});
