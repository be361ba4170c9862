/**
 * What an X.509 certificate says (RFC 5280 4): names, validity, fingerprint, the hash behind its signature. Reads
 * octets of strangers: linear, bounded, one DerError for whatever is wrong.
 * Non-job: whether anybody vouches for it; that is the TLS stack's to say.
 */
import { createHash } from "node:crypto";
import { DerError, DerReader, oidText, TAG, type Value } from "./der.ts";

export interface Certificate {
  readonly octets: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970, the first and the last moment of validity. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The last common name of the subject; empty without one, and when it has control characters in it. */
  readonly commonName: string;
  /** The alternative names that are domains, lower case, A-labels. */
  readonly dnsNames: readonly string[];
  /** The alternative names that are e-mail addresses. */
  readonly emails: readonly string[];
  /** The hash of the signature's algorithm as node:crypto calls it; null when it has none or is unknown to us. */
  readonly signatureHash: string | null;
  /** SHA-256 of it all: upper-case hex with colons. */
  readonly fingerprint: string;
}

/** A longer certificate is nobody's, or a bomb. */
const LONGEST = 64 * 1024;

/** @throws {DerError} */
export function readCertificate(octets: Uint8Array<ArrayBuffer>): Certificate {
  if (octets.length > LONGEST) throw new DerError(`a certificate of ${octets.length} octets`);
  const outer = new DerReader(octets);
  const certificate = outer.enter();
  if (!outer.ended) throw new DerError("something behind the certificate");
  const tbs = certificate.enter();
  tbs.optional(VERSION);
  tbs.next(TAG.integer); // serial number
  tbs.next(TAG.sequence); // signature algorithm, again
  tbs.next(TAG.sequence); // issuer
  const validity = tbs.enter();
  const notBefore = timeOf(validity.next()), notAfter = timeOf(validity.next());
  const commonName = commonNameOf(tbs.enter());
  tbs.next(TAG.sequence); // public key
  const { dnsNames, emails } = alternativeNames(tbs);
  return {
    octets,
    notBefore,
    notAfter,
    commonName,
    dnsNames,
    emails,
    signatureHash: signatureHash(certificate.enter()),
    fingerprint: createHash("sha256").update(octets).digest("hex").toUpperCase().replace(/..(?=.)/g, "$&:"),
  };
}

/** True at that moment, milliseconds since 1970. */
export function isValidAt(certificate: Certificate, now: number): boolean {
  return certificate.notBefore <= now && now <= certificate.notAfter;
}

/**
 * The channel binding tls-server-end-point, or null where the certificate's signature has no hash: then the type is not
 * defined (RFC 5929 4.1).
 */
export function serverEndPoint({ octets, signatureHash: own }: Certificate): Uint8Array<ArrayBuffer> | null {
  const hash = own === "md5" || own === "sha1" ? "sha256" : own; //                                     RFC 5929 4.1
  return hash === null ? null : new Uint8Array(createHash(hash).update(octets).digest());
}

const VERSION = 0xa0, EXTENSIONS = 0xa3;
const COMMON_NAME = "2.5.4.3", SUBJECT_ALT_NAME = "2.5.29.17";

/** RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050; both in seconds and with Z. */
function timeOf({ tag, contents }: Value): number {
  const text = ascii(contents);
  const match =
    (tag === TAG.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
      : tag === TAG.generalizedTime
      ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
      : /$./).exec(text);
  if (match === null) throw new DerError("a time that is none");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const full = tag === TAG.utcTime ? year + (year < 50 ? 2000 : 1900) : year;
  const date = new Date(0);
  date.setUTCFullYear(full, month - 1, day); // Date.UTC reads the years 0 to 99 as 1900 and on
  return date.setUTCHours(hour, minute, second);
}

function commonNameOf(name: DerReader): string {
  let found = "";
  while (!name.ended) {
    const set = name.enter(TAG.set);
    while (!set.ended) {
      const attribute = set.enter();
      if (oidText(attribute.next(TAG.oid).contents) === COMMON_NAME) found = textOf(attribute.next());
    }
  }
  return found;
}

/** UTF8String, PrintableString and IA5String; the others are out of use (RFC 5280 4.1.2.4). */
function textOf({ tag, contents }: Value): string {
  if (tag !== TAG.utf8String && tag !== TAG.printableString && tag !== TAG.ia5String) return "";
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(contents);
    return /[\p{C}\p{Zl}\p{Zp}]/u.test(text) ? "" : text;
  } catch {
    return "";
  }
}

function alternativeNames(tbs: DerReader): { dnsNames: string[]; emails: string[] } {
  const dnsNames: string[] = [], emails: string[] = [];
  while (!tbs.ended && tbs.tag !== EXTENSIONS) tbs.next(); // unique identifiers
  if (tbs.ended) return { dnsNames, emails };
  const extensions = tbs.enter(EXTENSIONS).enter();
  while (!extensions.ended) {
    const extension = extensions.enter();
    if (oidText(extension.next(TAG.oid).contents) !== SUBJECT_ALT_NAME) continue;
    extension.optional(TAG.boolean);
    const names = new DerReader(extension.next(TAG.octetString).contents).enter();
    while (!names.ended) {
      const { tag, contents } = names.next();
      // RFC 5280 4.2.1.6: both are IA5String; whatever else is in one would be another name somewhere else
      const text = tag === RFC822_NAME || tag === DNS_NAME ? ascii(contents) : "";
      if (!/^[\x21-\x7e]+$/.test(text)) continue;
      if (tag === DNS_NAME) dnsNames.push(text.toLowerCase());
      else if (/^[^@]+@[^@]+$/.test(text)) emails.push(text);
    }
  }
  return { dnsNames, emails };
}
const RFC822_NAME = 0x81, DNS_NAME = 0x82;

/** RFC 4055, RFC 5758: which hash each signature algorithm has. MD5 and SHA-1 are there to be replaced by others. */
const HASHES: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.4": "md5",
  "1.2.840.113549.1.1.5": "sha1",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.113549.1.1.14": "sha224",
  "1.2.840.10045.4.1": "sha1",
  "1.2.840.10045.4.3.1": "sha224",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};
/** The hashes themselves, as the parameters of RSASSA-PSS name them (RFC 4055 2.1). */
const PSS = "1.2.840.113549.1.1.10";
const PSS_HASHES: Readonly<Record<string, string>> = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
  "2.16.840.1.101.3.4.2.4": "sha224",
};

function signatureHash(algorithm: DerReader): string | null {
  const name = oidText(algorithm.next(TAG.oid).contents);
  if (name !== PSS) return HASHES[name] ?? null;
  const parameters = algorithm.optional(TAG.sequence);
  const hash = parameters === null ? null : new DerReader(parameters.contents).optional(0xa0);
  if (hash === null) return "sha1"; // its default
  return PSS_HASHES[oidText(new DerReader(hash.contents).enter().next(TAG.oid).contents)] ?? null;
}

function ascii(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}
