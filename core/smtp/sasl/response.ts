/**
 * What responses of clients are made of: text, names, passwords; each checked and bounded, for every mechanism alike
 * (RFC 4616 2, RFC 5802 5.1). Non-job: base64 of the protocol, who the names belong to.
 */
import { SaslMalformed } from "./mechanism.ts";
import { saslprep } from "./prepare.ts";

/** RFC 4616 2 wants 255 octets at least, of each. */
const LONGEST_NAME = 512, LONGEST_PASSWORD = 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CONTROL = /[\0-\x1f\x7f-\x9f]/;

/** Strict UTF-8. `what` names it in the refusal. @throws {SaslMalformed} */
export function text(octets: Uint8Array, what: string, longest: number): string {
  if (octets.length > longest) throw new SaslMalformed(`${what} is too long`);
  try {
    return utf8.decode(octets); // RFC 3629 3: neither overlong forms nor surrogates
  } catch {
    throw new SaslMalformed(`${what} is no UTF-8`);
  }
}

/** A name, prepared. `what` names it in the refusal. @throws {SaslMalformed} when it is empty or holds what no name may hold. */
export function readName(octets: Uint8Array, what: string): string {
  return preparedName(text(octets, `The ${what}`, LONGEST_NAME), what);
}

/** As `readName`, of a name that was cut out of a text. @throws {SaslMalformed} */
export function preparedName(name: string, what: string): string {
  const prepared = saslprep(name, "query"); // RFC 4616 2, RFC 5802 5.1: what is presented is a query
  const longest = Math.max(name.length, prepared?.length ?? 0); // one character can become 18
  if (longest > LONGEST_NAME) throw new SaslMalformed(`The ${what} is too long`);
  if (prepared === null) throw new SaslMalformed(`The ${what} holds forbidden characters`);
  if (prepared === "") throw new SaslMalformed(`The ${what} is empty`);
  return prepared;
}

/** A password as it was sent. Control characters could end a line or a field of a back end: refused. @throws {SaslMalformed} */
export function readPassword(octets: Uint8Array): string {
  const password = text(octets, "The password", LONGEST_PASSWORD);
  if (password === "") throw new SaslMalformed("The password is empty");
  if (CONTROL.test(password)) throw new SaslMalformed("The password holds control characters");
  return password;
}
