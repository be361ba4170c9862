/**
 * One line of an accounts file: a name, then words that each say by themselves what they are, with spaces between.
 *   alice@example.org $scrypt$ln=15,r=8,p=1$... SCRAM-SHA-256$15000:... sender=alice@example.org disabled
 * Lines of `#` are comments, `!secret` keeps the installation's own. Job: reading and writing a line, and every fault in
 * it. Non-job: files, who may log in.
 */
import { isDomainPattern, parseAddress, parseScramKeys, parseScryptHash } from "../../../core/pipeline/mod.ts";

/** What a line says of an account. Every stored form is one that can be checked. */
export interface Line {
  readonly name: string;
  /** `$scrypt$...`, for clients that tell the password. */
  readonly scrypt: string | null;
  /** `SCRAM-SHA-256$...`, for those that prove it. */
  readonly scram: string | null;
  /** The password itself, which CRAM-MD5 needs. */
  readonly cramMd5: string | null;
  /** `SHA256:` and the fingerprint of a client certificate, upper-case hex with colons. */
  readonly certificates: readonly string[];
  readonly senders: readonly string[];
  readonly disabled: boolean;
}
/** Why a line is none, and the column (from 0) of what is wrong. Holds no secret: words are never shown whole. */
export class LineError extends Error {
  override readonly name = "LineError";
  constructor(message: string, readonly column: number) {
    super(message);
  }
}

const SECRET = "!secret";
const SENDER = "sender=", CRAM_MD5 = "cram-md5=", DISABLED = "disabled";
const CERTIFICATE = /^SHA256:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}$/;
/** Octets of a name: more than an address can have (RFC 5321 4.5.3.1) is no name. */
const LONGEST_NAME = 255;
const utf8 = new TextEncoder();

/** Why this is no name for an account, or null. It is prepared by SASLprep already. */
export function nameFault(name: string): string | null {
  if (name === "") return "a name must not be empty";
  if (utf8.encode(name).length > LONGEST_NAME) return `a name has at most ${LONGEST_NAME} octets`;
  if (/[\s\p{C}]/u.test(name)) return "a name holds no spaces and no control characters";
  // What begins other lines and other words
  return /^[#!$@"]/.test(name) ? `a name does not begin with ${name[0]}` : null;
}

/** Why nobody can send as this, or null. */
export function senderFault(sender: string): string | null {
  const at = sender.lastIndexOf("@"), local = sender.slice(0, at);
  const good = sender === "*" || at >= 0 && !/\s/.test(sender) && isDomainPattern(sender.slice(at + 1)) &&
      (local === "" || parseAddress(`${local}@localhost`) !== null);
  return good ? null : "a sender is an address, a pattern such as @example.org, or * for any";
}

/** A certificate's fingerprint as it is stored, from hex with or without colons and `SHA256:`; null for other texts. */
export function certificateOf(text: string): string | null {
  const hex = text.replace(/^SHA256:/i, "").replaceAll(":", "").toUpperCase();
  return /^[0-9A-F]{64}$/.test(hex) ? `SHA256:${hex.match(/../g)!.join(":")}` : null;
}

/** The form in which names are compared. */
export function foldName(name: string, caseSensitive: boolean): string {
  const one = name.normalize("NFKC"); // SASLprep (RFC 4013 2.2) has done it to what a client says
  return caseSensitive ? one : one.toLowerCase();
}

/** Null for a line that is empty, a comment or the secret. @throws {LineError} */
export function readLine(text: string): Line | null {
  const words = text.matchAll(/[^ \t]+/g);
  const first = words.next().value;
  if (first === undefined || first[0].startsWith("#") || first[0] === SECRET) return null;
  const name = first[0], wrong = nameFault(name);
  if (wrong !== null) throw new LineError(wrong, first.index);
  let scrypt: string | null = null, scram: string | null = null, cramMd5: string | null = null, disabled = false;
  const certificates: string[] = [], senders: string[] = [];
  for (const { 0: word, index } of words) {
    const fail = (message: string): never => {
      throw new LineError(`${name}: ${message}`, index);
    };
    const once = (before: unknown, what: string) => before === null || fail(`${what} is there twice`);
    if (word.startsWith("$")) {
      once(scrypt, "a scrypt hash");
      if (parseScryptHash(word) === null) fail("no scrypt hash that can be checked, such as $scrypt$ln=15,r=8,p=1$...");
      scrypt = word;
    } else if (word.startsWith("SCRAM-")) {
      once(scram, "a set of SCRAM keys");
      if (parseScramKeys(word) === null) fail("no SCRAM keys such as SCRAM-SHA-256$15000:SALT$STOREDKEY:SERVERKEY");
      scram = word;
    } else if (word.startsWith(CRAM_MD5)) {
      once(cramMd5, "a password for CRAM-MD5");
      cramMd5 = fromBase64(word.slice(CRAM_MD5.length)) ?? fail(`${CRAM_MD5} is followed by a password in base64`);
    } else if (CERTIFICATE.test(word)) certificates.push(word.toUpperCase());
    else if (word.startsWith(SENDER)) {
      const sender = word.slice(SENDER.length), wrong = senderFault(sender);
      if (wrong !== null) fail(wrong);
      senders.push(sender);
    } else if (word === DISABLED) disabled = true;
    // The word may be a password that somebody took for one
    else fail("a word that means nothing here: expected a hash, SCRAM keys, SHA256:FINGERPRINT, sender=, disabled");
  }
  return { name, scrypt, scram, cramMd5, certificates, senders, disabled };
}

export function formatLine(line: Line): string {
  const { name, scrypt, scram, cramMd5, certificates, senders, disabled } = line;
  const words = [name, scrypt, scram, cramMd5 === null ? null : CRAM_MD5 + utf8.encode(cramMd5).toBase64()];
  return [...words, ...certificates, ...senders.map((each) => SENDER + each), disabled ? DISABLED : null]
    .filter((word) => word !== null).join(" ");
}

/** The installation's secret on a line of it, else null. @throws {LineError} */
export function readSecret(text: string): string | null {
  const [word, secret, more] = text.trim().split(/[ \t]+/);
  if (word !== SECRET) return null;
  // Less could be guessed, and then the salts of those who are not there
  if (secret === undefined || secret.length < 32 || more !== undefined) {
    throw new LineError(`${SECRET} is followed by one word of at least 32 characters`, 0);
  }
  return secret;
}

export function formatSecret(secret: string): string {
  return `${SECRET} ${secret}`;
}

function fromBase64(text: string): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.fromBase64(text)) || null;
  } catch {
    return null;
  }
}
