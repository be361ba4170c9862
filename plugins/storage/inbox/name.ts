/**
 * The name of the dev inbox that a message goes to: a fixed text, or a pattern filled in from its recipient. Pure.
 */
import { type Address, formatAddress } from "../../../core/pipeline/mod.ts";

const PLACEHOLDER = /\{(\w*)\}/g;

/** The inbox of an address. */
export type InboxName = (address: Address) => string;

/**
 * Reads `default`, `{domain}`, `team-{local}`, `{tag}` and the like: `{user}` is the local part before its first `+`,
 * `{tag}` what stands behind it, or `default`. Values are in lower case, as a mailbox is one whatever the
 * case it is written in.
 *
 * @throws {TypeError} on an unknown placeholder or an empty name.
 */
export function parseInboxName(text: string): InboxName {
  if (text.trim() === "") throw new TypeError("the name of an inbox may not be empty");
  if (/\p{Cc}/u.test(text)) throw new TypeError("the name of an inbox may not have control characters");
  for (const [all, word] of text.matchAll(PLACEHOLDER)) {
    if (!["local", "domain", "address", "user", "tag"].includes(word!)) {
      throw new TypeError(
        `inbox name "${text}" has the unknown ${all}: there are {local}, {user}, {tag}, {domain} and {address}`,
      );
    }
  }
  if (!text.includes("{")) return () => text;
  return (address) => {
    const plus = address.local.indexOf("+"), tag = plus < 0 ? "" : address.local.slice(plus + 1);
    const values: Record<string, string> = {
      user: plus < 0 ? address.local : address.local.slice(0, plus),
      tag: tag === "" ? "default" : tag,
      local: address.local,
      domain: address.domain,
      address: formatAddress(address),
    };
    return text.replace(PLACEHOLDER, (_, word: string) => values[word]!.toLowerCase());
  };
}
