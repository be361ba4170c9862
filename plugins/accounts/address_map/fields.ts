/**
 * Addresses in the header of a message, changed where they stand: the address alone, never the name beside it, in a field
 * that is there once and can be read. Non-job: what stands for an address (map.ts).
 */
import { type Address, type HeaderField, type MessageContext, replaceMailboxes } from "../../../core/pipeline/mod.ts";

/** Null: it stays. */
export type Change = (address: Address) => Address | null;

const FIELDS: Readonly<Record<string, "sender" | "recipient">> = {
  from: "sender",
  sender: "sender",
  "reply-to": "sender",
  to: "recipient",
  cc: "recipient",
  bcc: "recipient",
};

/** Rewrites the fields about who sends, and those about who receives. */
export function rewriteFields(
  ctx: Pick<MessageContext, "message" | "replaceHeader">,
  changes: Readonly<Record<"sender" | "recipient", Change>>,
): void {
  const found = new Map<string, HeaderField | null>();
  for (const field of ctx.message.headers) {
    const name = field.name.toLowerCase();
    if (Object.hasOwn(FIELDS, name)) found.set(name, found.has(name) ? null : field);
  }
  for (const [name, field] of found) {
    if (field === null) continue; // which of them is meant is not for us to say
    const value = replaceMailboxes(field.value, changes[FIELDS[name]!]);
    if (value !== null && value !== field.value) ctx.replaceHeader(field.name, value);
  }
}
