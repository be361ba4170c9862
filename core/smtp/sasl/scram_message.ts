/**
 * The messages of SCRAM, read strictly by the grammar of RFC 5802 7, for both sides: attributes stand in their order, each
 * once. Errors hold nothing of the message. Non-job: keys, proofs, who sends what when.
 */
import { decodeBase64 } from "./base64.ts";
import { type Gs2Header, gs2Header, unescapeName } from "./gs2.ts";
import { SaslMalformed } from "./mechanism.ts";
import { preparedName, text } from "./response.ts";

type Octets = Uint8Array<ArrayBuffer>;

/** Longer than a name of 512 characters, escaped, two nonces and a proof. */
const LONGEST = 8192, LONGEST_NONCE = 1024;

// printable = %x21-2B / %x2D-7E      nonce = "r=" c-nonce [s-nonce]
const NONCE = /^r=([!-+\--~]+)$/;
// attr-val = ALPHA "=" value      value = 1*value-char, UTF-8 without NUL and comma. Letters with a meaning are no extensions.
const EXTENSION = /^(?![aceimnprsv]=)[A-Za-z]=[^\0]+$/;

/** client-first-message. */
export interface ClientFirst {
  readonly gs2: Gs2Header;
  /** client-first-message-bare, the part that is signed. */
  readonly bare: string;
  /** Prepared. */
  readonly user: string;
  readonly nonce: string;
}

/** @throws {SaslMalformed} */
export function clientFirst(octets: Uint8Array): ClientFirst {
  const message = text(octets, "The message", LONGEST), gs2 = gs2Header(message);
  const bare = message.slice(gs2.text.length);
  // client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
  const [username = "", nonce, ...extensions] = bare.split(",");
  if (username.startsWith("m=")) throw new SaslMalformed("No mandatory extension is known here"); // RFC 5802 5.1
  if (!username.startsWith("n=")) throw new SaslMalformed("The user name is missing");
  checkExtensions(extensions);
  return { gs2, bare, user: preparedName(unescapeName(username.slice(2)), "user name"), nonce: readNonce(nonce) };
}

/** server-first-message. */
export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Octets;
  readonly iterations: number;
}

/** @throws {SaslMalformed} */
export function serverFirst(octets: Uint8Array): ServerFirst {
  // server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
  const [nonce, salt = "", count = "", ...extensions] = text(octets, "The message", LONGEST).split(",");
  if (nonce!.startsWith("m=")) throw new SaslMalformed("No mandatory extension is known here");
  checkExtensions(extensions);
  const iterations = /^i=([1-9][0-9]{0,9})$/.exec(count); // iteration-count = "i=" posit-number
  if (iterations === null) throw new SaslMalformed("The iteration count is missing");
  return { nonce: readNonce(nonce), salt: readOctets("s", salt), iterations: Number(iterations[1]) };
}

/** client-final-message. */
export interface ClientFinal {
  readonly withoutProof: string;
  /** cbind-input. */
  readonly binding: Octets;
  readonly nonce: string;
  readonly proof: Octets;
}

/** @throws {SaslMalformed} */
export function clientFinal(octets: Uint8Array): ClientFinal {
  const message = text(octets, "The message", LONGEST);
  // client-final-message = channel-binding "," nonce ["," extensions] "," proof
  const [binding = "", nonce, ...rest] = message.split(",");
  const proof = rest.pop() ?? "";
  checkExtensions(rest);
  return {
    withoutProof: message.slice(0, message.length - proof.length - 1),
    binding: readOctets("c", binding),
    nonce: readNonce(nonce),
    proof: readOctets("p", proof),
  };
}

// server-error-value of RFC 5802 7, all of them
const ERRORS = new Set([
  "invalid-encoding",
  "extensions-not-supported",
  "invalid-proof",
  "channel-bindings-dont-match",
  "server-does-support-channel-binding",
  "channel-binding-not-supported",
  "unsupported-channel-binding-type",
  "unknown-user",
  "invalid-username-encoding",
  "no-resources",
  "other-error",
]);

/** server-final-message: a signature, or why there is none. @throws {SaslMalformed} */
export function serverFinal(octets: Uint8Array): { readonly signature: Octets } | { readonly error: string } {
  // server-final-message = (server-error / verifier) ["," extensions]
  const [verifier = "", ...extensions] = text(octets, "The message", LONGEST).split(",");
  checkExtensions(extensions);
  if (!verifier.startsWith("e=")) return { signature: readOctets("v", verifier) };
  const error = verifier.slice(2);
  return { error: ERRORS.has(error) ? error : "other-error" }; // RFC 5802 7: an unknown one is taken for that
}

function readNonce(attribute = ""): string {
  const nonce = attribute.length > LONGEST_NONCE ? undefined : NONCE.exec(attribute)?.[1];
  if (nonce === undefined) throw new SaslMalformed("The nonce is missing, or none");
  return nonce;
}

/** `name "=" base64`, not empty. */
function readOctets(name: string, attribute: string): Octets {
  const octets = attribute.startsWith(`${name}=`) ? decodeBase64(attribute.slice(2)) : null;
  if (octets === null || octets.length === 0) throw new SaslMalformed(`The attribute ${name} is missing, or no base64`);
  return octets;
}

/** RFC 5802 5.1: optional extensions that are not known are ignored; they have their form all the same. */
function checkExtensions(extensions: readonly string[]): void {
  if (!extensions.every((each) => EXTENSION.test(each))) throw new SaslMalformed("An extension has not its form");
}
