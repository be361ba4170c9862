/**
 * Haraka beside Postern: what `postern import haraka` makes of a folder gives the verdicts of the real Haraka, and the
 * plugin that docs/from-haraka.md shows both ways says the same both ways.
 */
import { assert, assertEquals } from "@std/assert";
import { importHaraka } from "../../cli/import/haraka/import.ts";
import { Sources } from "../../cli/import/sources.ts";
import { faultsOf, writeDraft } from "../../cli/import/written.ts";
import { testUnless } from "../support/debian.ts";
import { Haraka, HARAKA_FOLDER, HARAKA_MISSING } from "../support/haraka.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";

const WAIT = { deadline: 30_000 };

/** Who may send what to whom; the client is this machine. */
const PLUGINS = "relay\naliases\nrcpt_to.in_host_list\nqueue/smtp_forward\n";
const SITES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a gateway for two domains": {
    "config/host_list": "ours.example\n# a comment\nalso.example\n",
    "config/relay.ini": "[relay]\nacl=true\n",
    "config/relay_acl_allow": "10.1.0.0/16\n",
    "config/aliases.json": '{ "info@ours.example": { "action": "alias", "to": "box@ours.example" } }\n',
  },
  "a network that may send anywhere": {
    "config/host_list": "ours.example\n",
    "config/relay.ini": "[relay]\nacl=true\n",
    "config/relay_acl_allow": "127.0.0.0/8\n",
  },
  "domains of others": {
    "config/host_list": "ours.example\nalso.example\n",
    "config/relay.ini": "[relay]\nacl=true\ndest_domains=true\n",
    "config/relay_dest_domains.ini": `[domains]
partner.example = { "action": "accept" }
refused.example = { "action": "deny" }
ours.example = { "action": "continue" }
`,
  },
};
const RECIPIENTS = [
  "a@ours.example",
  "A@OURS.example",
  "info@ours.example",
  "a@also.example",
  "a@below.also.example",
  "a@partner.example",
  "a@refused.example",
  "a@elsewhere.example",
  "a%elsewhere.example@ours.example",
];

async function verdicts(port: number): Promise<string[]> {
  const told: string[] = [];
  for (const recipient of RECIPIENTS) {
    using session = await SmtpClient.ready(port, WAIT);
    await session.command("MAIL FROM:<sender@outside.example>", 250);
    const { code } = await session.command(`RCPT TO:<${recipient}>`);
    told.push(`${recipient}: ${code < 300 ? "taken" : "refused"}`);
    await session.command("QUIT");
  }
  return told;
}

testUnless(HARAKA_MISSING, "import haraka: verdicts are those of the real Haraka", async (t) => {
  const seen = new Set<string>();
  for (const [name, files] of Object.entries(SITES)) {
    await t.step(name, async () => {
      await using haraka = await Haraka.start({
        "config/me": "gateway.example.org\n",
        "config/plugins": PLUGINS,
        "config/smtp_forward.ini": "host=127.0.0.1\nport=1\n",
        ...files,
      });
      await using folder = await TempFolder.make();
      const draft = await importHaraka(new Sources(haraka.folder.path, haraka.folder.path, "/"));
      await writeDraft(draft, folder.at("new"));
      assertEquals(await faultsOf(folder.at("new")), []);
      assertEquals(draft.left, []);
      const config = await Deno.readTextFile(folder.at("new/postern.yaml"));
      await using server = await Server.start({ config, deadline: 60_000 });
      const theirs = await verdicts(haraka.port);
      assertEquals(await verdicts(server.ports.smtp), theirs);
      seen.add(theirs.join());
    });
  }
  assertEquals(seen.size, 3); // each has verdicts of its own
});

testUnless(HARAKA_MISSING, "import haraka: the configuration that Haraka comes with becomes one of ours", async () => {
  await using folder = await TempFolder.make();
  const draft = await importHaraka(new Sources(HARAKA_FOLDER, HARAKA_FOLDER, "/"));
  await writeDraft(draft, folder.at("new"));
  assertEquals(await faultsOf(folder.at("new")), []);
  assertEquals(draft.left.map(({ what }) => what), ["config/me", "mail_from.is_resolvable"]);
});

/** A block of code of the page, by a word that stands in it. */
async function block(language: string, word: string): Promise<string> {
  const page = await Deno.readTextFile(new URL("../../docs/from-haraka.md", import.meta.url));
  const found = page.split("```").find((each) => each.startsWith(language) && each.includes(word));
  assert(found !== undefined, `${language} with ${word}`);
  return found.slice(found.indexOf("\n") + 1);
}

/** Class of the reply to each step: sender, recipient, message. */
async function story(port: number, [from, to, message]: readonly [string, string, string]): Promise<number[]> {
  using session = await SmtpClient.ready(port, WAIT);
  const classes: number[] = [];
  for (const command of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA", `${message}\r\n.`]) {
    const { code } = await session.command(command);
    classes.push(Math.trunc(code / 100));
    if (code >= 400) break;
  }
  await session.command("QUIT");
  return classes;
}

testUnless(HARAKA_MISSING, "docs/from-haraka.md: the plugin says the same both ways", async () => {
  const stories = [
    ["a@fine.example", "b@ours.example", "Subject: x\r\n\r\nx"],
    ["a@spam.example", "b@ours.example", "Subject: x\r\n\r\nx"],
    ["a@fine.example", "later@ours.example", "Subject: x\r\n\r\nx"],
    ["a@fine.example", "b@ours.example", "From: a@fine.example\r\n\r\nx"],
    ["a@partner.example", "b@ours.example", "Subject: x\r\n\r\nx"],
  ] as const;
  await using haraka = await Haraka.start({
    "config/me": "haraka.example\n",
    "config/plugins": "blocked\nrcpt_to.in_host_list\nqueue/discard\n",
    "config/host_list": "ours.example\n",
    "config/blocked_domains": "spam.example\n",
    "plugins/blocked.js": await block("js", "exports.hook_data_post"),
  });
  await using folder = await TempFolder.make();
  const plugin = await folder.file("blocked.ts", await block("ts", "export const PARTNER"));
  await using server = await Server.start({
    config: `hostname: mx.ours.example
domains: [ours.example]
postmaster: b@ours.example
listeners: [{ address: "127.0.0.1:2525", delayRefusals: false }]
plugins:
  - ${plugin}: { domains: [spam.example] }
  - inbox: { everything: true }
`,
    deadline: 60_000,
  });
  const told = [];
  for (const each of stories) {
    const [theirs, ours] = [await story(haraka.port, each), await story(server.ports.smtp, each)];
    assertEquals([each, ours], [each, theirs]);
    told.push(theirs.join(""));
  }
  assertEquals(told, ["2232", "5", "24", "2235", "2232"]);
});
