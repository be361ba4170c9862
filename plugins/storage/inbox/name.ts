/**
 * The name of the dev inbox that a message goes to: a fixed text, or a pattern filled in from its recipient. Pure.
 */
import { type Address, formatAddress } from "../../../core/pipeline/mod.ts";

const PLACEHOLDER = /\{(\w*)\}/g;

/** The inbox of an address. */
export type InboxName = (address: Address) => string;

/**
 * Reads `default`, `{domain}`, `team-{local}` and the like. Values are in lower case, as a mailbox is one whatever the
 * case it is written in.
 *
 * @throws {TypeError} on an unknown placeholder or an empty name.
 */
export function parseInboxName(text: string): InboxName {
  if (text.trim() === "") throw new TypeError("the name of an inbox may not be empty");
  if (/\p{Cc}/u.test(text)) throw new TypeError("the name of an inbox may not have control characters");
  for (const [all, word] of text.matchAll(PLACEHOLDER)) {
    if (!["local", "domain", "address"].includes(word!)) {
      throw new TypeError(`inbox name "${text}" has the unknown ${all}: there are {local}, {domain} and {address}`);
    }
  }
  if (!text.includes("{")) return () => text;
  return (address) => {
    const values: Record<string, string> = {
      local: address.local,
      domain: address.domain,
      address: formatAddress(address),
    };
    return text.replace(PLACEHOLDER, (_, word: string) => values[word]!.toLowerCase());
  };
}
