/**
 * Whether a certificate was issued by an authority that is trusted for this one connection (RFC 5280 6.1, the part of it
 * that DANE-TA needs): signatures, dates, basicConstraints, path lengths, no critical extension that is unknown. A chain
 * comes from a stranger: it is bounded, in any order, and may lead nowhere.
 * Non-job: the authorities of the web, which the TLS stack verifies; names in the certificate (reference_name.ts).
 */
import { createPublicKey, X509Certificate } from "node:crypto";
import { Buffer } from "node:buffer";
import { type Certificate, isValidAt, readCertificate } from "./certificate.ts";

/** What the operator of the other side says of his authority. */
export interface TrustAnchors {
  /** True when this certificate of the chain is the anchor. */
  accepts(certificate: Certificate): boolean;
  /** Certificates that are anchors though a server need not send them, DER. */
  readonly certificates: readonly Uint8Array<ArrayBuffer>[];
  /** Bare keys that are anchors, as SubjectPublicKeyInfo. */
  readonly publicKeys: readonly Uint8Array<ArrayBuffer>[];
}
/** `untrusted`: no way from the first certificate to an anchor. `expired`: the one there is has ended or not begun. */
export type PathFault = "untrusted" | "expired";

/** Longer ones are nobody's; it bounds the signatures that are verified to its square. */
const LONGEST_PATH = 10;

/** Null when there is a path from the first certificate of `chain` to an anchor that is good at `now`. */
export function pathFault(
  chain: readonly Uint8Array<ArrayBuffer>[],
  anchors: TrustAnchors,
  now: number,
): PathFault | null {
  const pool: Certificate[] = [];
  for (const octets of [...chain.slice(0, LONGEST_PATH), ...anchors.certificates.slice(0, LONGEST_PATH)]) {
    try {
      pool.push(readCertificate(octets));
    } catch {
      if (pool.length === 0) return "untrusted"; // the server's own; others may be garbage and are not used
    }
  }
  let current = pool.shift(), expired = false;
  for (let authorities = 0; current !== undefined && authorities <= LONGEST_PATH; authorities++) {
    if (current.strange) return "untrusted"; //                                                          RFC 5280 4.2
    expired ||= !isValidAt(current, now);
    const own: Certificate = current;
    const outcome = (): PathFault | null => expired ? "expired" : null;
    // Nobody is his own authority, not by a key either                                                 RFC 7671 5.2.2
    if (anchors.publicKeys.some((key) => !sameOctets(key, own.publicKey) && isSignedBy(own, key))) return outcome();
    // More than one may have the name: a key that was replaced, or a cross-certificate. The one that signed counts.
    const issuer: Certificate | undefined = pool.find((each) =>
      each.isAuthority && each.pathLength >= authorities && sameOctets(each.subject, own.issuer) &&
      isSignedBy(own, each.publicKey)
    );
    if (issuer === undefined) return "untrusted";
    pool.splice(pool.indexOf(issuer), 1); // no circles
    if (anchors.accepts(issuer)) {
      if (issuer.strange) return "untrusted";
      expired ||= !isValidAt(issuer, now);
      return outcome();
    }
    current = issuer;
  }
  return "untrusted";
}

function isSignedBy(certificate: Certificate, publicKey: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
    return new X509Certificate(certificate.octets).verify(key);
  } catch {
    return false; // an algorithm that the runtime does not have
  }
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, at) => octet === b[at]);
}
