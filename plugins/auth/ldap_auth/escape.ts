/** A user's name inside a DN (RFC 4514 2.4) or a filter (RFC 4515 3): as a value, whatever it is made of. */

/** Both grammars take `\` and two hex digits for any octet, so everything that could mean something is written so. */
const SPECIAL = /[^A-Za-z0-9._@\u0080-\uffff-]/g;

/** The text with every ASCII character escaped that is no letter, digit, `.`, `_`, `@` or `-`. */
export function escapeValue(text: string): string {
  return text.replace(SPECIAL, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** `template` with each `{user}` replaced. */
export function fill(template: string, user: string): string {
  return template.replaceAll("{user}", () => escapeValue(user));
}
