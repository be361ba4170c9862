/**
 * Another body on its way through a running server: what goes on is the new one, what came is kept beside it as long as the
 * message, through a SIGKILL too. Non-job: what becomes of which part (tests/unit/plugins/content).
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { difference, latin1, mail } from "../support/bytes.ts";
import { InboundSite } from "../support/inbound_site.ts";
import { MailHost } from "../support/mail_host.ts";
import { freePort } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

const PLUGINS = `  - relay
  - recipients: { accounts: { me: inbox }, aliases: { away: carol@far.example, both: [me@home.example, carol@far.example] } }
  - attachments: { name: drop }
  - rewrite: { footer: { text: "Looked at by home.example", direction: in } }
  - inbox`;

/** Text and program of `size` octets and more each: a large one has files in the spool, before and after. */
function message(name: string, size: number): Uint8Array<ArrayBuffer> {
  const line = "VGhpcyBwcm9ncmFtIGlzIG5vdCBmb3IgeW91LiAgVGhpcyBwcm9ncmFtIGlzIG5v\n";
  return mail(`From: Amy <amy@good.example>
To: away@home.example
Subject: ${name}
Message-ID: <${name}@good.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Hello
${"It is a letter.\n".repeat(Math.ceil(size / 16))}
--b
Content-Type: application/octet-stream; name=${name}.exe
Content-Transfer-Encoding: base64

${line.repeat(Math.ceil(size / line.length))}
--b--
`);
}
const received = async (site: InboundSite, id: string) => {
  const response = await site.server.api.get(`/api/v1/queue/${id}/received`);
  const bytes = await response.bytes();
  return response.ok ? bytes : response.status;
};
/** What stands in the spool, and in folders below it. */
function spooled(site: InboundSite): string[] {
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) walk(`${folder}/${name}`);
      else found.push(name);
    }
  };
  walk(site.folder.at("data/spool"));
  return found;
}

Deno.test("rewritten: the new body goes on after a SIGKILL, the received octets stay as long as the message", async (t) => {
  const next = freePort();
  await using site = await InboundSite.start({ plugins: PLUGINS, next });
  const stranger = { ip: "192.0.2.1", from: "amy@good.example" };
  const sent = new Map<string, Uint8Array<ArrayBuffer>>(), names = ["small", "large"] as const;
  for (const [name, size] of [["small", 200], ["large", 3 * 1024 * 1024]] as const) {
    const content = message(name, size);
    const id = await site.take({
      ...stranger,
      to: name === "small" ? "away@home.example" : "both@home.example",
      message: content,
    });
    sent.set(id, content);
    await site.logged("rewritten", ({ transaction, plugin }) => transaction === id && plugin === "rewrite");
    const lines = site.log("rewritten").filter(({ transaction }) => transaction === id);
    assertEquals(lines.map(({ plugin }) => plugin), ["attachments", "rewrite"]);
    assertStringIncludes(String(lines[0]!["reason"]), `${name}.exe`);
  }
  assert(spooled(site).length >= 2, "both bodies of the large one");
  const stored = await site.inbox("Subject: large");
  assert(!stored.includes("VGhpcyBwcm9ncmFt") && stored.includes("Looked at by home.example"));

  const kept = async () => {
    for (const [id, content] of sent) {
      const whole = await received(site, id);
      assert(typeof whole !== "number", `${id}: ${whole}`);
      assertEquals([whole.length, difference(whole, content)], [content.length, -1], id);
      const goes = latin1((await site.server.api.queuedRaw(id))!);
      assert(!goes.includes("VGhpcyBwcm9ncmFt") && goes.includes("Looked at by home.example"), id);
    }
  };
  await t.step("in the queue", kept);
  await site.server.kill();
  await site.begin();
  await t.step("after a SIGKILL", kept);

  await using host = await MailHost.open({ port: next });
  await waitFor("both of them", () => host.taken.length === 2, { deadline: 60_000 });
  for (const name of names) {
    const { text } = host.taken.find(({ text }) => text.includes(`Subject: ${name}`))!;
    assert(!text.includes("VGhpcyBwcm9ncmFt"), name);
    for (const part of ["Hello", "Looked at by home.example", `${name}.exe`]) assertStringIncludes(text, part);
  }
  await waitFor("an empty queue", async () => (await site.server.api.queue()).total === 0);
  for (const id of sent.keys()) assertEquals(await received(site, id), 404);
  const { api } = site.server, [inInbox] = await api.messages();
  const gone = await fetch(`${api.base}/api/v1/messages/${inInbox!.id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${api.token}` },
  });
  assert(gone.ok, await gone.text()); // it had the last copy
  await waitFor(`an empty spool: ${spooled(site)}`, () => spooled(site).length === 0, { deadline: 20_000 });
});
