/** The client engine speaks to a real Postfix: by DATA and BDAT, pipelined, small and big; what arrives is what was sent. */
import { assert, assertEquals } from "@std/assert";
import { latin1 } from "../support/bytes.ts";
import { described, transaction } from "../support/client_dialogue.ts";
import { sendMails } from "../support/client_host.ts";
import { testUnless } from "../support/debian.ts";
import { Postfix, POSTFIX_MISSING } from "../support/postfix.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const CONFIG = `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners:
  - { address: "127.0.0.1:2525" }
  - { address: "unix:SOCKET", role: lmtp, mode: "0666" }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [relay, { recipients: { accounts: { box: inbox, other: inbox } } }, inbox]
`;

/** A message of about `size` octets with every line that is hard to carry. */
function message(subject: string, size = 0): string {
  const header =
    `From: <a@client.example>\r\nTo: <box@local.example>\r\nSubject: ${subject}\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <${subject}@client.example>\r\n\r\n`;
  const block = ".\r\n..\r\n. \r\n\r\nBDAT 0 LAST\r\nQUIT\r\n\xc3\xa4\xff\r\nthe quick brown fox\r\n";
  return header + block.repeat(1 + Math.ceil(size / block.length));
}

testUnless(POSTFIX_MISSING, "Postfix takes what the client engine sends, and hands on the same", async (t) => {
  await using folder = await TempFolder.make("postern-interop-");
  await Deno.chmod(folder.path, 0o755);
  const socket = folder.at("lmtp.sock");
  await using server = await Server.start({ config: CONFIG.replace("SOCKET", socket) });
  await using postfix = await Postfix.start(`default_transport = lmtp:unix:${socket}\nsmtpd_recipient_limit = 2\n`);
  const mails = (word: string) =>
    [0, 50_000, 1_000_000].map((size) => {
      const content = message(`${word}-${size}`, size);
      return { content, transaction: transaction(["box@local.example"], { body: "8BITMIME", size: content.length }) };
    });
  for (const [word, chunking] of [["data", false], ["bdat", true]] as const) {
    await t.step(word, async () => {
      const sent = mails(word), outcomes = await sendMails(postfix.port, sent, { chunking });
      assertEquals(outcomes.flat().map(described), Array(3).fill("accept 2.0.0 dot"));
      for (const { content } of sent) {
        const subject = /Subject: (.*)\r\n/.exec(content)![1]!;
        const { id } = await waitFor(
          subject,
          async () => (await server.api.messages()).find((each) => each.subject === subject),
        );
        const arrived = latin1((await server.api.raw(id))!);
        assert(arrived.endsWith(content.slice(content.indexOf("\r\n\r\n"))), `${subject} arrived changed`);
      }
    });
  }
  await t.step("too many recipients at a time are for the next transaction, and DSN parameters are taken", async () => {
    const content = message("several");
    const recipients = ["box", "other", "third"].map((local) => ({
      address: { local, domain: "local.example" },
      parameters: { notify: ["NEVER"] as const, orcpt: `rfc822;${local}@local.example` },
    }));
    const several = transaction([], { recipients, body: "8BITMIME", size: content.length });
    const [outcomes] = await sendMails(postfix.port, [{ content, transaction: several }]);
    assertEquals(outcomes!.map(described), ["accept 2.0.0 dot", "accept 2.0.0 dot", "untried 4.5.3 rcpt"]);
  });
});
