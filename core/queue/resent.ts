/**
 * A message of the dev inbox that a person sends on, as a row of the queue: its own octets behind the fields that say who
 * sent it again (RFC 5322 3.6.6). Non-job: who may, and where to (core/config), when it goes.
 */
import { type Address, formatAddress } from "../model/address.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../model/envelope.ts";
import { concat } from "../model/octets.ts";
import type { NewMessage, StoredMessage } from "../store/store.ts";
import { letterOf } from "./letter.ts";

export interface ResentOptions {
  /** Whom it comes from now: he hears when it bounces. */
  readonly from: Address;
  readonly to: Address;
  /** A next hop, or null for the domain's own hosts. */
  readonly via: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly listener: string;
  readonly hostname: string;
}

/** The row and its octets. `content`: as the message was received. */
export function resent(
  message: StoredMessage,
  content: Uint8Array,
  { from, to, via, at, listener, hostname }: ResentOptions,
): { readonly message: NewMessage; readonly content: Uint8Array<ArrayBuffer> } {
  const letter = letterOf({ from, to: [to], content: new Uint8Array(content) }, { at, listener });
  const fields = [
    `Resent-Date: ${new Date(at).toUTCString().replace("GMT", "+0000")}`,
    `Resent-From: <${formatAddress(from)}>`,
    `Resent-To: <${formatAddress(to)}>`,
    `Resent-Message-ID: <${letter.id}@${hostname}>`,
    "",
  ];
  const { body, smtputf8 } = message.parameters, { smtputf8: wide } = letter.parameters;
  return {
    message: {
      ...letter,
      parameters: {
        ...NO_MAIL_PARAMETERS,
        body: wide && body === "7BIT" ? "8BITMIME" : body,
        smtputf8: smtputf8 || wide,
      },
      recipients: letter.recipients.map((each) => ({
        ...each,
        parameters: NO_RCPT_PARAMETERS,
        route: via === null ? { to: "remote" } : { to: "remote", via },
      })),
    },
    content: concat([new TextEncoder().encode(fields.join("\r\n")), content]),
  };
}
