/**
 * A certificate with its chain and the private key to it, read from two PEM files and found to belong together. The key
 * never leaves this file but into a secure context of the TLS stack.
 * Non-job: which pair a client gets, and when files are read again (certificates.ts).
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureVersion } from "node:tls";
import { type Certificate, readCertificate, serverEndPoint } from "./certificate.ts";

/** Where a pair lies. The certificate's file may hold the key too: name it twice. */
export interface PairFiles {
  /** The server's certificate first, then what leads to a root: certbot's fullchain.pem. */
  readonly certificate: string;
  /** Its private key, without a passphrase. */
  readonly key: string;
}

/** A pair cannot be used: the file, and a sentence that says why and what to do. */
export class PairError extends Error {
  override readonly name = "PairError";
}

/** No PEM file of ours is longer. */
const LONGEST_FILE = 1024 * 1024;
/** More intermediates than any authority has. */
const LONGEST_CHAIN = 10;
/** RSA keys below are refused by clients, and by the TLS stack. */
const SHORTEST_RSA = 2048;
const CURVES = ["prime256v1", "secp384r1", "secp521r1"];

/** What people are told of a pair beside what the certificate says to programs. */
export interface PairDetails {
  /** Who issued it: its common name and organization. */
  readonly issuer: string;
  /** It vouches for itself. */
  readonly selfSigned: boolean;
  /** "RSA 2048", "EC P-256", "Ed25519". */
  readonly keyType: string;
  /** When the certificate's file was written, milliseconds since 1970; null: the file system does not say. */
  readonly writtenAt: number | null;
}

export class Pair {
  readonly files: PairFiles;
  readonly leaf: Certificate;
  readonly details: PairDetails;
  readonly #chain: string;
  readonly #key: string;
  #endPoint: Uint8Array<ArrayBuffer> | null | undefined;

  constructor(
    files: PairFiles,
    leaf: Certificate,
    rest: { readonly chain: string; readonly key: string; readonly details: PairDetails },
  ) {
    this.files = files;
    this.leaf = leaf;
    this.details = rest.details;
    this.#chain = rest.chain;
    this.#key = rest.key;
  }

  /** `ca`: PEM texts of the authorities that client certificates may come from. */
  context(options: { readonly minVersion: SecureVersion; readonly ca?: readonly string[] }): SecureContext {
    const { minVersion, ca } = options;
    return createSecureContext({ cert: this.#chain, key: this.#key, minVersion, ...ca && { ca: [...ca] } });
  }

  /** The channel binding tls-server-end-point, or null where there is none. */
  get endPoint(): Uint8Array<ArrayBuffer> | null {
    if (this.#endPoint === undefined) this.#endPoint = serverEndPoint(this.leaf);
    return this.#endPoint;
  }
}

/** Reads and checks a pair; expired or not valid yet is no fault here. @throws {PairError} */
export async function readPair(files: PairFiles): Promise<Pair> {
  const texts = await Promise.all([readPem(files.certificate), readPem(files.key)]);
  const chain = certificatesIn(texts[0], files.certificate);
  const [leaf] = chain;
  if (leaf === undefined) throw new PairError(`${files.certificate}: no certificate in it`);
  if (chain.length > LONGEST_CHAIN) {
    throw new PairError(
      `${files.certificate}: ${chain.length} certificates; only the server's own and its chain belong there`,
    );
  }
  const key = keyIn(texts[1], files.key);
  const owner = chain.findIndex(({ x509 }) => x509.checkPrivateKey(key));
  if (owner < 0) {
    throw new PairError(`${files.key}: the key of another certificate than the one in ${files.certificate}`);
  }
  if (owner > 0) throw new PairError(`${files.certificate}: the server's own certificate must stand first`);
  const pem = chain.map(({ x509 }) => x509.toString()).join("\n");
  const pair = new Pair(files, leaf.certificate, {
    chain: pem,
    key: String(key.export({ type: "pkcs8", format: "pem" })),
    details: {
      issuer: issuerOf(leaf.x509),
      selfSigned: leaf.x509.issuer === leaf.x509.subject,
      keyType: keyTypeOf(key),
      writtenAt: await Deno.stat(files.certificate).then(({ mtime }) => mtime?.getTime() ?? null, () => null),
    },
  });
  try {
    pair.context({ minVersion: "TLSv1.2" });
  } catch (error) {
    throw new PairError(`${files.certificate}: the TLS stack refuses it: ${(error as Error).message}`);
  }
  return pair;
}

/** The text of a PEM file. @throws {PairError} */
export async function readPem(path: string): Promise<string> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw new PairError(`${path}: not a file`);
    if (size > LONGEST_FILE) throw new PairError(`${path}: ${size} octets, no PEM file is that long`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof PairError) throw error;
    throw new PairError(`${path}: ${explain(error)}`);
  }
}

/** The certificates of a PEM text, in their order. @throws {PairError} */
export function certificatesIn(text: string, path: string): { x509: X509Certificate; certificate: Certificate }[] {
  const blocks = text.match(/-----BEGIN (?:X509 )?CERTIFICATE-----[^-]*-----END/g) ?? [];
  return blocks.map((block, at) => {
    try {
      const octets = Uint8Array.fromBase64(block.slice(block.indexOf("-----", 11) + 5, -8));
      return { x509: new X509Certificate(octets), certificate: readCertificate(octets) };
    } catch {
      throw new PairError(`${path}: certificate ${at + 1} cannot be read; is the file cut off?`);
    }
  });
}

function keyIn(text: string, path: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw new PairError(`${path}: no private key in it`);
  if (/ENCRYPTED/.test(text)) {
    throw new PairError(`${path}: the key has a passphrase; take it off with: openssl pkey -in OLD -out NEW`);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(
      /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^]*?-----END \1PRIVATE KEY-----/.exec(text)?.[0] ?? "",
    );
  } catch {
    throw new PairError(`${path}: a key that cannot be read: RSA, ECDSA and Ed25519 in PEM can; is the file cut off?`);
  }
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
      if (modulusLength >= SHORTEST_RSA) return key;
      throw new PairError(`${path}: an RSA key of ${modulusLength} bits; ${SHORTEST_RSA} is the least`);
    case "ec":
      if (CURVES.includes(namedCurve)) return key;
      throw new PairError(`${path}: the curve ${namedCurve} is not for TLS; use prime256v1`);
    case "ed25519":
      return key;
    default:
      throw new PairError(`${path}: ${key.asymmetricKeyType} keys are not for TLS; use ECDSA (prime256v1) or RSA`);
  }
}

const NAMED: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };

function keyTypeOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const { modulusLength, namedCurve = "" } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "rsa") return `RSA ${modulusLength}`;
  return asymmetricKeyType === "ec" ? `EC ${NAMED[namedCurve] ?? namedCurve}` : "Ed25519";
}

/** `R11, Let's Encrypt`: node gives an attribute a line. */
function issuerOf({ issuer }: X509Certificate): string {
  const value = (name: string) =>
    issuer.split("\n").find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  return [value("CN"), value("O")].filter((each) => each).join(", ") || issuer.replaceAll("\n", ", ");
}

function explain(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "this user may not read it; see docs/operations.md, Certificates";
  }
  if (error instanceof Deno.errors.NotCapable) return "Deno may not read it: add its folder to --allow-read";
  return error instanceof Error ? error.message : String(error);
}
