/**
 * The event of an edge platform that takes mail (Cloudflare Email Workers): its message in, `setReject`, `forward` and
 * `reply` out. Non-job: deciding (judge.ts), which way on (delivering.ts).
 */
import { type Address, formatAddress, parseAddress, sameAddress } from "../model/address.ts";
import { HeaderSection } from "../model/headers.ts";
import { carriedFields } from "./fields.ts";
import { type Judged, signed } from "./judge.ts";
import type { EdgeMail, EmailActions } from "./mail.ts";
import { EdgeDeferral } from "./options.ts";
import type { Settled } from "./delivering.ts";

/** The platform's message, as far as it is used: `ForwardableEmailMessage` of Cloudflare is one. */
export interface EmailEvent {
  /** MAIL FROM; empty for `<>`. */
  readonly from: string;
  /** RCPT TO: one address. */
  readonly to: string;
  /** The message, header and body. */
  readonly raw: ReadableStream<Uint8Array>;
  /** Its octets. */
  readonly rawSize: number;
  /** Its header; not read here: the octets are what counts. */
  readonly headers?: Headers;
  /** Refuses it for good. What it gives is waited for: where the event is another process's it is a promise. */
  setReject(reason: string): unknown;
  /** Sends it on to a verified address. */
  forward(rcptTo: string, headers?: Headers): Promise<unknown>;
  /** Answers its sender. */
  reply?(message: EmailMessageLike): Promise<unknown>;
}
/** What `reply` takes: an object of the platform's own class. */
export interface EmailMessageLike {
  /** MAIL FROM of the answer. */
  readonly from: string;
  /** RCPT TO of the answer. */
  readonly to: string;
}
/** `EmailMessage` of `cloudflare:email`. */
export type EmailMessageClass = new (from: string, to: string, raw: string) => EmailMessageLike;

/** What can be done with the message of this event, once it is judged. */
export function actionsOf(
  event: EmailEvent,
  emailMessage: EmailMessageClass | undefined,
): (mail: EdgeMail) => EmailActions {
  return (mail) => ({
    async forward(address, fields = carriedFields(mail).fields) {
      await event.forward(address, fields);
    },
    async reply(content) {
      if (emailMessage === undefined || event.reply === undefined) {
        throw new TypeError("reply() wants `emailMessage`, the platform's class");
      }
      if (mail.sender === null || isAutomatic(mail)) {
        throw new TypeError("reply(): nobody answers machines, lists and <> (RFC 3834 2)");
      }
      if (NO_PERSON.test(mail.sender.local) || isSame(mail.sender, parseAddress(event.to))) {
        throw new TypeError("reply(): that sender is a mail server, a list or this address itself (RFC 3834 2)");
      }
      const text = withAutoSubmitted(typeof content === "string" ? content : new TextDecoder().decode(content));
      await event.reply(new emailMessage(event.to, formatAddress(mail.sender), text));
    },
  });
}

/** Senders behind which nobody reads: servers, lists and their owners (RFC 3834 2, RFC 2142 6). */
const NO_PERSON = /^(?:mailer-daemon|no-?reply|owner-.*|.*-request|.*-owner)$/i;

function isSame(one: Address, other: Address | null): boolean {
  return other !== null && sameAddress(one, other);
}

/** RFC 3834 2: what no machine is to answer, whichever of several fields says so. */
function isAutomatic({ message }: Pick<EdgeMail, "message">): boolean {
  return message.headers.some(({ name, value }) => {
    switch (name.toLowerCase()) {
      case "auto-submitted":
        return !/^\s*no\b/i.test(value);
      case "precedence":
        return /^\s*(?:bulk|junk|list)\b/i.test(value);
      default:
        return /^list-(?:id|post|help|subscribe|unsubscribe)$/i.test(name);
    }
  });
}

/** An answer says that a machine wrote it, or two machines would answer each other for ever (RFC 3834 5). */
function withAutoSubmitted(text: string): string {
  const says = new HeaderSection(new TextEncoder().encode(text)).first("Auto-Submitted") !== undefined;
  return says ? text : `Auto-Submitted: auto-replied\r\n${text}`;
}

/**
 * Says it as the platform wants it: a refusal for good by `setReject`, one for now by throwing.
 *
 * @throws {EdgeDeferral}
 */
export async function answer(
  event: Pick<EmailEvent, "setReject">,
  { reply }: Settled,
  { id }: Pick<Judged, "id">,
): Promise<void> {
  if (reply.verdict === "reject") await event.setReject(signed(reply, id));
  else if (reply.verdict === "defer") throw new EdgeDeferral(`${reply.code} ${signed(reply, id)}`);
}
