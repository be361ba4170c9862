/**
 * Makes a mail out of what a mail program hands in (RFC 6409): adds Date and Message-ID where they are missing, takes Bcc
 * out, and changes nothing else, so that signatures hold. Refuses what no server may send on: addresses whose domain is
 * not fully qualified, a message without an author.
 * Non-job: who may send as whom (sender_login), whether the header is sane (headers), Received (core).
 */
import { z } from "zod";
import {
  type Address,
  definePlugin,
  DomainSet,
  formatDate,
  type Host,
  type Message,
  type PluginFactory,
  reject,
} from "../../../core/pipeline/mod.ts";

const Options = z.strictObject({
  date: z.enum(["add", "keep"]).default("add").describe("A message without a Date gets one"),
  messageId: z.enum(["add", "keep"]).default("add").describe("A message without a Message-ID gets one"),
  bcc: z.enum(["remove", "keep"]).default("remove").describe("Bcc and Resent-Bcc are taken out"),
});

// 554 is the code for an address that is not fully qualified                                              RFC 6409 4.2
const BARE_SENDER = reject("5.1.7", "The sender's domain is not fully qualified", { code: 554 });
const BARE_RECIPIENT = reject("5.1.2", "The recipient's domain is not fully qualified", { code: 554 });
const NO_FROM = reject("5.6.0", "There is no From field (RFC 5322 3.6)"); // none is added: who would it be?  RFC 6409 6.3
const MALFORMED = reject("5.6.0", "A line of the header is no field (RFC 5322 2.2)");

/** What the plugin looks for in one pass. */
interface Found {
  from: boolean;
  /** There, and not empty. */
  date: boolean;
  messageId: boolean;
  bcc: boolean;
  resentBcc: boolean;
}

/**
 * @example
 * ```ts
 * import { submission } from "./mod.ts";
 * import { runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const { output } = await runPhase(submission(), "data", { message: "From: a@example.org\nBcc: b@example.org\n\nHi\n" });
 * assertEquals(output.split("\r\n").map((line) => line.split(":")[0]), ["Message-ID", "Date", "From", "", "Hi", ""]);
 * ```
 */
export const submission: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "submission",
  options: Options,
  roles: ["submission"],
  create: ({ date, messageId, bcc }) => ({
    mail: (ctx, next) => ctx.sender === null || isQualified(ctx.sender, ctx.host) ? next() : BARE_SENDER,
    rcpt: (ctx, next) => isQualified(ctx.recipient.address, ctx.host) ? next() : BARE_RECIPIENT,
    data(ctx, next) {
      if (ctx.message.malformed) return MALFORMED; // what is missing may stand behind that line
      const found = find(ctx.message);
      if (!found.from) return NO_FROM;
      if (bcc === "remove") { // RFC 5322 3.6.3: nobody is to read who else got it
        if (found.bcc || found.resentBcc) ctx.note("Bcc is taken out");
        if (found.bcc) ctx.removeHeader("Bcc");
        if (found.resentBcc) ctx.removeHeader("Resent-Bcc");
      }
      if (date === "add" && !found.date) { // RFC 6409 8.2
        ctx.note("A Date is added");
        ctx.removeHeader("Date");
        ctx.prependHeader("Date", formatDate(ctx.now()));
      }
      if (messageId === "add" && !found.messageId) { // RFC 6409 8.3; the id is the one of the log, and nobody else's
        ctx.note("A Message-ID is added");
        ctx.removeHeader("Message-ID");
        ctx.prependHeader("Message-ID", `<${ctx.id}@${ctx.host.name}>`);
      }
      return next();
    },
  }),
});

function find(message: Message): Found {
  const found: Found = { from: false, date: false, messageId: false, bcc: false, resentBcc: false };
  for (const { name, value } of message.headers) {
    switch (name.toLowerCase()) {
      case "from":
        found.from = true;
        break;
      case "date":
        found.date ||= value !== "";
        break;
      case "message-id":
        found.messageId ||= value !== "";
        break;
      case "bcc":
        found.bcc = true;
        break;
      case "resent-bcc":
        found.resentBcc = true;
    }
  }
  return found;
}

/** A name with a dot, an address literal, `<Postmaster>`, or a domain of ours, whatever it looks like. */
function isQualified({ domain }: Address, host: Host): boolean {
  return domain.includes(".") || domain === "" || domain.startsWith("[") || DomainSet.of(host.domains).has(domain);
}
