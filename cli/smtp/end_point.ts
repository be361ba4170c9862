/**
 * What a certificate gives for binding to its channel: tls-server-end-point (RFC 5929 4). Job: the digest that the
 * certificate's own signature names. Non-job: SCRAM, who trusts the certificate.
 */

const SHA_256 = "SHA-256", SHA_384 = "SHA-384", SHA_512 = "SHA-512";

/** Object identifiers of signatures (DER, hex) and the digest of each; for MD5 and SHA-1 SHA-256 (RFC 5929 4.1). */
const DIGESTS: Readonly<Record<string, string>> = {
  "2a864886f70d010104": SHA_256, // md5WithRSAEncryption
  "2a864886f70d010105": SHA_256, // sha1WithRSAEncryption
  "2a864886f70d01010b": SHA_256, // sha256WithRSAEncryption
  "2a864886f70d01010c": SHA_384,
  "2a864886f70d01010d": SHA_512,
  "2a8648ce3d0401": SHA_256, // ecdsa-with-SHA1
  "2a8648ce3d040302": SHA_256, // ecdsa-with-SHA256
  "2a8648ce3d040303": SHA_384,
  "2a8648ce3d040304": SHA_512,
  "608648016503040201": SHA_256, // id-sha256 and its like: in the parameters of RSASSA-PSS
  "608648016503040202": SHA_384,
  "608648016503040203": SHA_512,
};
const RSASSA_PSS = "2a864886f70d01010a";

/** Null where the signature names no digest, as Ed25519's: the binding is undefined then (RFC 5929 4.1). */
export async function serverEndPoint(der: Uint8Array): Promise<Uint8Array | null> {
  const digest = digestOf(der);
  return digest === null ? null : new Uint8Array(await crypto.subtle.digest(digest, Uint8Array.from(der)));
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, parameters }, ... } */
function digestOf(der: Uint8Array): string | null {
  const [tbs, algorithm] = parts(value(der));
  if (tbs === undefined || algorithm === undefined) return null;
  const [oid, parameters] = parts(value(algorithm));
  if (oid === undefined) return null;
  const name = value(oid).toHex();
  if (name !== RSASSA_PSS) return DIGESTS[name] ?? null;
  // RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] SEQUENCE { OBJECT IDENTIFIER, ... } DEFAULT sha1, ... }
  const hash = parameters && parts(value(parameters)).find((each) => each[0] === 0xa0);
  if (hash === undefined) return SHA_256;
  const [hashOid] = parts(value(value(hash)));
  return hashOid === undefined ? null : DIGESTS[value(hashOid).toHex()] ?? null;
}

/** The elements of a SEQUENCE's value, each with its head. Stops where the octets make no sense. */
function parts(octets: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < octets.length;) {
    const { start, length } = head(octets.subarray(at));
    if (length < 0 || at + start + length > octets.length) break;
    found.push(octets.subarray(at, at + start + length));
    at += start + length;
  }
  return found;
}

function value(element: Uint8Array): Uint8Array {
  const { start, length } = head(element);
  return length < 0 ? new Uint8Array() : element.subarray(start, start + length);
}

/** Where the value begins and how long it is (X.690 8.1.3); -1: there is none. */
function head(octets: Uint8Array): { readonly start: number; readonly length: number } {
  const first = octets[1] ?? 0xff;
  if (first < 0x80) return { start: 2, length: first };
  const count = first & 0x7f;
  if (count === 0 || count > 3 || octets.length < 2 + count) return { start: 2, length: -1 };
  let length = 0;
  for (let i = 0; i < count; i++) length = length << 8 | octets[2 + i]!;
  return { start: 2 + count, length };
}
