/**
 * The whole server and a real one, in both directions: what the one relays to the other arrives as it was sent, who sent it
 * hears of what failed, and nothing is left in the queue. Job: the steps, and the server's configuration. Non-job: the real
 * servers (tests/support), the outbound connection alone (receiver_contract.ts).
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { addedOnly, latin1 } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";
import { hardMessage } from "./receiver_contract.ts";

export interface RelaySite {
  /** Lines of nextHops.peer. */
  readonly nextHop: string;
  /** More keys of `delivery`, one a line. */
  readonly delivery?: readonly string[];
  /** Where it listens. */
  readonly port?: number;
  /** A data folder to use again. */
  readonly data?: string;
  /** More top-level lines. */
  readonly rest?: string;
  /** Instead of the route of everything to the next hop. */
  readonly routes?: string;
}

/** A server that relays for loopback to the next hop, and has the mailbox box@local.example. */
export async function relaySite(site: RelaySite): Promise<Server> {
  const { nextHop, delivery = [], port = freePort(), data, rest = "", routes = "[{ to: remote, via: peer }]" } = site;
  return await Server.start({
    ports: { smtp: port, admin: freePort() },
    ...data === undefined ? {} : { data },
    config: `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins:
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { box: inbox } }
  - inbox
nextHops:
  peer: ${nextHop}
delivery:
  retry: [1s]
  routes: ${routes}
${delivery.map((line) => `  ${line}\n`).join("")}${rest}
`,
  });
}

/** Has the accounts box, other and sender at `domain`, and hands mail for local.example on to the server. */
export interface RealPeer {
  readonly name: string;
  readonly port: number;
  readonly domain: string;
  mailOf(local: string, count?: number): Promise<Uint8Array[]>;
  /** It tells of success itself (RFC 3461). */
  readonly dsn: boolean;
}

const ADDED = ["received", "return-path", "delivered-to", "x-original-to", "envelope-to", "delivery-date"];

/** The words of a report: its groups of fields, unfolded. */
function fieldsOf(report: Uint8Array): string {
  return latin1(report).replaceAll(/\r\n[ \t]+/g, " ");
}

/** Hands a message to a server, every command answered with yes. */
export async function submit(
  port: number,
  { mail, rcpt, message }: { readonly mail: string; readonly rcpt: readonly string[]; readonly message: Uint8Array },
): Promise<void> {
  using client = await SmtpClient.ready(port);
  await client.command(`MAIL FROM:${mail}`, 250);
  for (const each of rcpt) await client.command(`RCPT TO:${each}`, 250);
  await client.command("DATA", 354);
  const text = latin1(message).replaceAll(/(^|\r\n)\./g, "$1..");
  await client.send(`${text}.\r\n`);
  await client.expect(250);
  await client.quit();
}

/** `deadline`: milliseconds. */
export async function emptyQueue(server: Server, deadline = 10_000): Promise<void> {
  await waitFor("an empty queue", async () => (await server.api.queue()).total === 0, { deadline }).catch(
    async (error) => {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(await server.api.queue())}\n${server.output}`);
    },
  );
}

/** We relay to it. */
export async function relaysToPeer(t: Deno.TestContext, server: Server, peer: RealPeer): Promise<void> {
  const { domain, name } = peer;
  let boxed = (await peer.mailOf("box", 0)).length, told = (await peer.mailOf("sender", 0)).length;
  await t.step(`to ${name}: two have it, of the third its sender is told, through ${name} too`, async () => {
    const message = hardMessage("relayed", 5000, { eightBit: true });
    await submit(server.ports.smtp, {
      mail: `<sender@${domain}> BODY=8BITMIME`,
      rcpt: ["box", "nobody", "other"].map((local) => `<${local}@${domain}>`),
      message,
    });
    for (const [local, count] of [["box", ++boxed], ["other", 1]] as const) {
      const all = await peer.mailOf(local, count);
      assertEquals(addedOnly(all.at(-1)!, message, ADDED), null);
      assertMatch(latin1(all.at(-1)!), /by mx\.local\.example \(Postern\) with ESMTP/);
    }
    const report = fieldsOf((await peer.mailOf("sender", ++told)).at(-1)!);
    assertStringIncludes(report, "Content-Type: multipart/report;");
    assertMatch(report, new RegExp(`^Final-Recipient: rfc822; ?nobody@${domain}\r\n`, "im"));
    assertMatch(report, /^Action: failed\r\n/im);
    assertMatch(report, /^Status: 5\.\d\.\d\r\n/im);
    assertMatch(report, /^Diagnostic-Code: smtp; ?5\d\d/im);
    assertMatch(report, /^Remote-MTA: dns; ?/im);
    assertEquals(report.match(/^Final-Recipient:/gim)?.length, 1, "of the other two nothing is said");
    await emptyQueue(server);
  });
  await t.step(`to ${name}: 1 MB, the null sender`, async () => {
    const message = hardMessage("big", 1_000_000);
    await submit(server.ports.smtp, { mail: "<>", rcpt: [`<box@${domain}>`], message });
    assertEquals(addedOnly((await peer.mailOf("box", ++boxed)).at(-1)!, message, ADDED), null);
    await emptyQueue(server);
  });
  await t.step(`to ${name}: 25 messages at once, each arrives once`, async () => {
    const messages = Array.from({ length: 25 }, (_, index) => hardMessage(`many-${index}`));
    const mail = `<sender@${domain}>`, rcpt = [`<box@${domain}>`];
    await Promise.all(messages.map((message) => submit(server.ports.smtp, { mail, rcpt, message })));
    const all = (await peer.mailOf("box", boxed + messages.length)).map(latin1);
    for (const [index] of messages.entries()) {
      assertEquals(all.filter((each) => each.includes(`\r\nSubject: many-${index}\r\n`)).length, 1);
    }
    boxed += messages.length;
    await emptyQueue(server);
    assertEquals((await peer.mailOf("box", boxed)).length, boxed);
  });
  await t.step(`to ${name}: a notice of success is ${peer.dsn ? "its" : "our"} business`, async () => {
    await submit(server.ports.smtp, {
      mail: `<sender@${domain}> RET=HDRS ENVID=notified`,
      rcpt: [`<other@${domain}> NOTIFY=SUCCESS ORCPT=rfc822;first@client.example`],
      message: hardMessage("notified"),
    });
    const report = fieldsOf((await peer.mailOf("sender", ++told)).at(-1)!);
    assertMatch(report, peer.dsn ? /^Action: delivered\r\n/im : /^Action: relayed\r\n/im);
    assertMatch(report, new RegExp(`^Final-Recipient: rfc822; ?other@${domain}\r\n`, "im"));
    await emptyQueue(server);
    assertEquals((await peer.mailOf("sender", told)).length, told, "told once");
  });
}

/** It relays to us. */
export async function relaysFromPeer(t: Deno.TestContext, server: Server, peer: RealPeer): Promise<void> {
  const { domain, name } = peer;
  await t.step(`from ${name}: one has it, of the other ${name} tells its sender in our words`, async () => {
    const told = (await peer.mailOf("sender", 0)).length, message = hardMessage(`from-${name}`, 20_000);
    await submit(peer.port, {
      mail: `<sender@${domain}>`,
      rcpt: ["<box@local.example>", "<nobody@local.example>"],
      message,
    });
    const subject = `from-${name}`;
    const { id } = await waitFor(
      subject,
      async () => (await server.api.messages()).find((each) => each.subject === subject),
    );
    assertEquals(addedOnly((await server.api.raw(id))!, message, ADDED), null);
    const report = latin1((await peer.mailOf("sender", told + 1)).at(-1)!);
    assertMatch(report, /nobody@local\.example/);
    assertMatch(report, /550[ -]5\.1\.1/);
  });
}
