/**
 * A letter of this site as a row of the queue: a report that nobody received, so no session and no client stand behind it.
 * Non-job: what it says, when it goes.
 */
import { formatAddress } from "../model/address.ts";
import { decodeWords } from "../model/encoded_word.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS } from "../model/envelope.ts";
import { HeaderSection } from "../model/headers.ts";
import { newId } from "../model/id.ts";
import type { Letter } from "../pipeline/plugin.ts";
import type { NewMessage } from "../store/store.ts";
import { destinationKey } from "./destination.ts";

/** Nobody is told when it cannot be delivered: the next one comes by itself. */
export function letterOf(
  { from, to, content }: Letter,
  { at, listener }: { readonly at: number; readonly listener: string },
): NewMessage {
  const section = new HeaderSection(content);
  const header = (name: string) => {
    const field = section.first(name);
    return decodeWords(field === undefined ? "" : section.value(field)).slice(0, 1000);
  };
  const wide = to.some(({ local }) => /[^\x00-\x7f]/.test(local)); // it stands in the header too            RFC 6531 3.1
  return {
    id: newId(at),
    sender: from,
    parameters: wide ? { ...NO_MAIL_PARAMETERS, body: "8BITMIME", smtputf8: true } : NO_MAIL_PARAMETERS,
    origin: { session: "", ip: "", helo: "", identity: null, protocol: "", listener },
    receivedAt: at,
    edits: NO_EDITS,
    summary: { from: header("from") || formatAddress(from), to: header("to"), subject: header("subject") },
    recipients: to.map((address) => ({
      address,
      original: address,
      parameters: { notify: ["NEVER"], orcpt: null },
      route: { to: "remote" },
      destination: destinationKey({ to: "remote" }, address.domain),
      deadline: null,
      state: "ready",
      nextAttempt: at,
      lastReply: null,
    })),
    deposits: [],
  };
}
