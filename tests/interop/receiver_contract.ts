/**
 * What every real mail server must get from us as it was sent: several recipients of which one is unknown, lines that are
 * hard to carry, 8-bit text, a big message, addresses in UTF-8, DSN parameters, TLS. Job: the steps, which a test runs
 * against its server. Non-job: the servers (tests/support).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { OutboundConnection } from "../../core/net/outbound.ts";
import type { OutboundPlace } from "../../core/net/outbound_open.ts";
import { type Address, parseAddress } from "../../core/model/address.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS, type RcptParameters } from "../../core/model/envelope.ts";
import type { MailTransaction } from "../../core/smtp/client/mod.ts";
import { addedOnly, latin1, octets } from "../support/bytes.ts";
import { described } from "../support/client_dialogue.ts";
import { connectTo, type SendingOptions } from "../support/outbound_client.ts";

/** Has the accounts box, other and sender at `domain`. */
export interface RealReceiver {
  readonly name: string;
  readonly to: OutboundPlace;
  readonly domain: string;
  /** Waits for so many messages of an account, oldest first. */
  mailOf(local: string, count?: number): Promise<Uint8Array[]>;
  /** What it offers, of what matters here. */
  readonly offers: readonly ("8BITMIME" | "CHUNKING" | "DSN" | "PIPELINING" | "SMTPUTF8")[];
  readonly sending?: SendingOptions;
  /** Its notices say the ORCPT and ENVID that we said (default true). */
  readonly noticesName?: boolean;
  /** What an unknown recipient becomes, as `described` (default reject 5.1.1 rcpt). */
  readonly unknown?: string;
}

/** A message of some `size` octets with every line that is hard to carry, 8-bit if asked. */
export function hardMessage(subject: string, size = 0, { eightBit = false } = {}): Uint8Array<ArrayBuffer> {
  const header = `From: A <a@client.example>\r\nTo: Box <box@peer.example>\r\nSubject: ${subject}\r\n` +
    `Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <${subject}@client.example>\r\n` +
    (eightBit
      ? "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
      : "");
  const block = `.\r\n..\r\n. \r\n\r\nFrom here on\r\nBDAT 0 LAST\r\nQUIT\r\n${
    eightBit ? "gr\xc3\xbc\xc3\x9fe\r\n" : ""
  }the quick brown fox\r\n${"x".repeat(900)}\r\n`;
  return octets(`${header}\r\n${block.repeat(1 + Math.floor(size / block.length))}`);
}

export interface Sent {
  readonly from?: string;
  readonly to: readonly string[];
  readonly message: Uint8Array<ArrayBuffer>;
  readonly body?: "7BIT" | "8BITMIME";
  readonly parameters?: Partial<MailTransaction["parameters"]>;
  readonly recipient?: Partial<RcptParameters>;
}

/** Sends it; what became of each recipient, as `described`. */
export async function send(connection: OutboundConnection, sent: Sent): Promise<string[]> {
  const { from = "a@client.example", to, message, body = "7BIT", parameters, recipient } = sent;
  const outcomes = await connection.deliver({
    sender: from === "" ? null : parseAddress(from) as Address,
    recipients: to.map((each) => ({
      address: parseAddress(each) as Address,
      parameters: { ...NO_RCPT_PARAMETERS, ...recipient },
    })),
    parameters: { ...NO_MAIL_PARAMETERS, ...parameters },
    content: { size: message.length, body, utf8Header: false },
  }, () => message);
  return outcomes.map(described);
}

const NAMES = ["8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SMTPUTF8"] as const;
const TAKEN = "accept 2.0.0 dot";

/** Runs every step that the server can take. */
export async function receiverContract(t: Deno.TestContext, receiver: RealReceiver): Promise<void> {
  const { name, to, domain, offers, unknown = "reject 5.1.1 rcpt", noticesName = true, sending } = receiver;
  let connection = await connectTo(to, sending);
  const arrives = async (local: string, count: number, message: Uint8Array) => {
    const all = await receiver.mailOf(local, count);
    assertEquals(all.length, count);
    assertEquals(addedOnly(all.at(-1)!, message, ADDED), null);
  };
  const taken = (text: string) => assertMatch(text, /^accept 2\.\d\.\d dot$/);
  await t.step(`${name} offers what we know of it`, () => {
    assertEquals(NAMES.filter((each) => connection.peer.has(each)), NAMES.filter((each) => offers.includes(each)));
  });
  await t.step("one unknown recipient among three does not hold up the others", async () => {
    const message = hardMessage("mixed");
    const outcomes = await send(connection, {
      to: [`box@${domain}`, `nobody@${domain}`, `other@${domain}`],
      message,
    });
    taken(outcomes[0]!);
    assertEquals(outcomes[1], unknown);
    taken(outcomes[2]!);
    await arrives("box", 1, message);
    await arrives("other", 1, message);
  });
  await t.step("nobody left: the connection lives on, and content is not sent", async () => {
    assertEquals(await send(connection, { to: [`nobody@${domain}`], message: hardMessage("nobody") }), [unknown]);
    assert(connection.usable);
  });
  await t.step("8-bit text as it is", async () => {
    const message = hardMessage("8-bit", 0, { eightBit: true });
    const [outcome] = await send(connection, { to: [`box@${domain}`], message, body: "8BITMIME" });
    taken(outcome!);
    await arrives("box", 2, message);
  });
  await t.step("1 MB", async () => {
    const message = hardMessage("1MB", 1_000_000);
    const [outcome] = await send(connection, { to: [`box@${domain}`], message });
    taken(outcome!);
    await arrives("box", 3, message);
  });
  await t.step("the null sender", async () => {
    const message = hardMessage("null");
    taken((await send(connection, { from: "", to: [`box@${domain}`], message }))[0]!);
    await arrives("box", 4, message);
  });
  if (offers.includes("DSN")) {
    await t.step("DSN parameters: the notice of success names what we said", async () => {
      const [outcome] = await send(connection, {
        from: `sender@${domain}`,
        to: [`other@${domain}`],
        message: hardMessage("notify"),
        parameters: { envid: "envelope+2Bof+2Bours", ret: "HDRS" },
        recipient: { notify: ["SUCCESS", "FAILURE"], orcpt: "rfc822;first+2Bname@client.example" },
      });
      taken(outcome!);
      const notice = latin1((await receiver.mailOf("sender")).at(-1)!);
      assertMatch(notice, /^Action: (delivered|expanded)\r\n/im);
      if (!noticesName) return;
      assertMatch(notice, /^Original-Recipient: rfc822; ?first\+(2B)?name@client\.example\r\n/im);
      assertMatch(
        notice,
        /^Original-Envelope-Id: envelope\+(2B)?of\+(2B)?ours\r\n/im,
      );
    });
  }
  await t.step("a local part in UTF-8", async () => {
    const message = hardMessage("utf8");
    const [outcome] = await send(connection, { to: [`b\u00fccher@${domain}`], message });
    if (!offers.includes("SMTPUTF8")) return assertEquals(outcome, "reject 5.6.7 envelope");
    taken(outcome!);
    await arrives("b\u00fccher", 1, message);
  });
  await connection.quit();
  if (offers.includes("CHUNKING")) {
    await t.step("by DATA where BDAT is offered", async () => {
      connection = await connectTo(to, { ...sending, session: { ...sending?.session, chunking: false } });
      const message = hardMessage("data", 100_000);
      assertEquals(await send(connection, { to: [`other@${domain}`], message }), [TAKEN]);
      const all = await receiver.mailOf("other", offers.includes("DSN") ? 3 : 2);
      assert(all.some((each) => addedOnly(each, message, ADDED) === null));
      await connection.quit();
    });
  }
}

const ADDED = ["received", "return-path", "delivered-to", "x-original-to", "envelope-to", "delivery-date"];

/** The same over STARTTLS, verified; and a certificate for another name gets no mail. */
export async function receiverTlsContract(
  t: Deno.TestContext,
  receiver: Pick<RealReceiver, "to" | "domain" | "mailOf" | "sending">,
  { ca, name }: { readonly ca: string; readonly name: string },
): Promise<void> {
  await t.step("STARTTLS, its certificate verified", async () => {
    const before = (await receiver.mailOf("box", 0)).length, message = hardMessage("secured");
    const connection = await connectTo(receiver.to, { ...receiver.sending, tls: { ca, name } });
    assertEquals(connection.security?.strength, "verified");
    assertMatch((await send(connection, { to: [`box@${receiver.domain}`], message }))[0]!, /^accept 2\./);
    await connection.quit();
    const all = await receiver.mailOf("box", before + 1);
    assertEquals(addedOnly(all.at(-1)!, message, ADDED), null);
  });
  await t.step("a certificate for another name: no word of mail", async () => {
    const connecting = connectTo(receiver.to, { ...receiver.sending, tls: { ca, name: "other.example" } });
    const failure = await connecting.then(() => null, (error: Error) => error.message);
    assertMatch(failure ?? "it was taken", /4\.7\.5/);
  });
}
