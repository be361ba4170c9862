/** Dovecot as the last host, by LMTP: a fate for each recipient behind the content, and IMAP serves what was sent. */
import { assertEquals, assertMatch } from "@std/assert";
import type { OutboundPlace } from "../../core/net/outbound_open.ts";
import { addedOnly, latin1 } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { Dovecot, DOVECOT_LMTP_MISSING, type DovecotOptions } from "../support/dovecot.ts";
import { imapFetchAll } from "../support/imap.ts";
import { connectTo } from "../support/outbound_client.ts";
import { freePort } from "../support/ports.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { hardMessage, send } from "./receiver_contract.ts";
import { emptyQueue, relaySite, submit } from "./relay_contract.ts";

const USERS = { "box@peer.example": "of-box", "other@peer.example": "of-other", "full@peer.example": "of-full" };

async function start(folder: TempFolder): Promise<Dovecot> {
  await Deno.chmod(folder.path, 0o777);
  const options: DovecotOptions = { users: USERS, full: ["full@peer.example"], lmtp: true };
  return await Dovecot.start(`maildir:${folder.path}/%d/%n`, options);
}

testUnless(DOVECOT_LMTP_MISSING, "RFC 2033: Dovecot takes mail by LMTP, on a port and on a socket file", async (t) => {
  await using folder = await TempFolder.make("postern-interop-");
  await using dovecot = await start(folder);
  const places: [string, OutboundPlace][] = [
    ["port", { addresses: ["127.0.0.1"], port: dovecot.lmtpPort }],
    ["socket file", { path: dovecot.lmtpSocket }],
  ];
  let arrived = 0;
  for (const [name, to] of places) {
    await t.step(`${name}: one recipient unknown, one full behind the content, two served`, async () => {
      const connection = await connectTo(to, { session: { lmtp: true } });
      for (const message of [hardMessage("small", 0, { eightBit: true }), hardMessage("big", 1_000_000)]) {
        const outcomes = await send(connection, {
          to: ["box", "nobody", "full", "other"].map((local) => `${local}@peer.example`),
          message,
          body: "8BITMIME",
        });
        assertEquals(outcomes[1], "reject 5.1.1 rcpt");
        assertMatch(outcomes[2]!, /^reject 5\.2\.2 /);
        for (const index of [0, 3]) assertEquals(outcomes[index], "accept 2.0.0 dot");
        arrived++;
        for (const user of ["box@peer.example", "other@peer.example"] as const) {
          const all = await imapFetchAll(dovecot.port, { user, password: USERS[user] });
          assertEquals(all.length, arrived);
          assertEquals(addedOnly(all.at(-1)!, message), null);
        }
      }
      await connection.quit();
    });
  }
  await t.step("nothing came to the full one", async () => {
    const account = { user: "full@peer.example", password: USERS["full@peer.example"] };
    assertEquals(await imapFetchAll(dovecot.port, account), []);
  });
});

testUnless(
  DOVECOT_LMTP_MISSING,
  "mail of strangers goes to Dovecot's mailboxes by LMTP, each with its fate",
  async (t) => {
    await using folder = await TempFolder.make("postern-interop-");
    await using dovecot = await start(folder);
    const { lmtpSocket, lmtpPort } = dovecot, down = freePort();
    const hops = {
      "a socket file": [`lmtp+unix://${lmtpSocket}`],
      "a port, the second of two": [`lmtp://127.0.0.1:${down}`, `lmtp://127.0.0.1:${lmtpPort}`],
    };
    let arrived = 0;
    for (const [name, hosts] of Object.entries(hops)) {
      await using server = await relaySite({ nextHop: `{ hosts: ${JSON.stringify(hosts)} }` });
      await t.step(`by ${name}`, async () => {
        const message = hardMessage("to-dovecot", 50_000, { eightBit: true });
        await submit(server.ports.smtp, {
          mail: "<box@local.example> BODY=8BITMIME",
          rcpt: ["box", "nobody", "full", "other"].map((local) => `<${local}@peer.example>`),
          message,
        });
        const reports = await waitFor("reports for both", async () => {
          const all = (await server.api.messages()).filter((each) => each.subject !== "to-dovecot");
          const texts = await Promise.all(all.map(async ({ id }) => latin1((await server.api.raw(id))!)));
          const text = texts.join("\n").replaceAll(/\r\n[ \t]+/g, " ");
          return /^Final-Recipient: .*nobody@/im.test(text) && /^Final-Recipient: .*full@/im.test(text) && text;
        });
        assertMatch(reports, /^Status: 5\.1\.1/m);
        assertMatch(reports, /^Status: 5\.2\.2/m);
        assertEquals(reports.match(/^Final-Recipient:/gim)?.length, 2);
        arrived++;
        for (const user of ["box@peer.example", "other@peer.example"] as const) {
          const all = await imapFetchAll(dovecot.port, { user, password: USERS[user] });
          assertEquals(all.length, arrived);
          assertEquals(addedOnly(all.at(-1)!, message), null);
        }
        await emptyQueue(server);
      });
    }
  },
);
