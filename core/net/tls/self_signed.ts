/**
 * A certificate that vouches for itself, for the dev inbox: ECDSA P-256, ten years (RFC 5280, RFC 5758 3.2).
 * `openSelfSigned` keeps one in a folder. Non-job: certificates that others trust; docs/operations.md tells how to get one.
 */
import { createHash } from "node:crypto";
import { durableFolder, durableWrite } from "../../store/durable_write.ts";
import { ipOctets, isIPv4, isIPv6 } from "../../model/ip.ts";
import { isValidAt } from "./certificate.ts";
import { bitString, der, integer, oid, TAG } from "./der.ts";
import { type PairFiles, readPair } from "./pair.ts";

/** PEM texts. */
export interface SelfSigned {
  readonly certificate: string;
  readonly key: string;
}
export interface SelfSignedOptions {
  /** Milliseconds since 1970; default the present. */
  readonly now?: () => number;
  /** Fills an array with octets that nobody can guess; default WebCrypto. */
  readonly random?: (octets: Uint8Array<ArrayBuffer>) => Uint8Array;
}

const DAY = 86_400_000;

/** Makes one for DNS names (`*.name` too) and IP addresses, 1 to 100 of them; the first is the common name as well. */
export async function makeSelfSigned(names: readonly string[], options: SelfSignedOptions = {}): Promise<SelfSigned> {
  const { now = Date.now, random = (octets) => crypto.getRandomValues(octets) } = options;
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const serial = random(new Uint8Array(16));
  serial[0] = serial[0]! & 0x7f | 0x40; // positive, and never short
  const start = now() - DAY; // for clocks that are late
  const algorithm = der(TAG.sequence, oid("1.2.840.10045.4.3.2")); // ecdsa-with-SHA256, no parameters
  const name = der(TAG.sequence, der(TAG.set, der(TAG.sequence, oid("2.5.4.3"), text(TAG.utf8String, names[0] ?? ""))));
  const keyId = createHash("sha1").update(point).digest(); // RFC 5280 4.2.1.2 (1): a handle, nothing rests on it
  const tbs = der(
    TAG.sequence,
    der(0xa0, integer(Uint8Array.of(2))), // v3
    integer(serial),
    algorithm,
    name,
    der(TAG.sequence, time(start), time(start + 3650 * DAY)),
    name,
    publicKey,
    der(
      0xa3,
      der(
        TAG.sequence,
        extension("2.5.29.17", false, der(TAG.sequence, ...names.map(generalName))),
        // It signs itself and nothing else: not a CA, so that whoever trusts it trusts these names alone
        extension("2.5.29.19", true, der(TAG.sequence)),
        extension("2.5.29.15", true, der(TAG.bitString, Uint8Array.of(7, 0x80))), // digitalSignature
        extension("2.5.29.37", false, der(TAG.sequence, oid("1.3.6.1.5.5.7.3.1"))), // serverAuth
        extension("2.5.29.14", false, der(TAG.octetString, keyId)),
      ),
    ),
  );
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, tbs));
  const signature = der(TAG.sequence, integer(raw.subarray(0, 32)), integer(raw.subarray(32))); // RFC 3279 2.2.3
  const certificate = der(TAG.sequence, tbs, algorithm, bitString(signature));
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  return { certificate: pem("CERTIFICATE", certificate), key: pem("PRIVATE KEY", key) };
}

/** Names as a pair's file; the folder's `localhost.crt` and `localhost.key`, made when they are missing or of no use. */
export async function openSelfSigned(
  folder: string,
  names: readonly string[],
  options: SelfSignedOptions = {},
): Promise<PairFiles> {
  const { now = Date.now } = options;
  const files = { certificate: `${folder}/localhost.crt`, key: `${folder}/localhost.key` };
  try {
    const { leaf } = await readPair(files);
    const wanted = names.filter((each) => !isIPv4(each) && !isIPv6(each)).map((each) => each.toLowerCase());
    if (isValidAt(leaf, now()) && wanted.every((each) => leaf.dnsNames.includes(each))) return files;
  } catch { /* missing, half of it, expired: made anew */ }
  await durableFolder(folder, { mode: 0o700 });
  await Deno.chmod(folder, 0o700);
  const made = await makeSelfSigned(names, options);
  await write(files.key, made.key); // a key without its certificate is no pair: the next start makes both
  await write(files.certificate, made.certificate);
  return files;
}

async function write(path: string, content: string): Promise<void> {
  const temp = `${path}.${crypto.randomUUID()}`;
  await durableWrite(path, octetsOf(content), { temp }); // mode 0600
}

async function* octetsOf(content: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(content);
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der(TAG.boolean, Uint8Array.of(0xff))] : []; // DEFAULT FALSE is not written
  return der(TAG.sequence, oid(id), ...flag, der(TAG.octetString, value));
}

/** RFC 5280 4.1.2.5: two digits of the year until 2049. */
function time(at: number): Uint8Array {
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, ""); // 20270102030405Z
  return digits < "2050" ? text(TAG.utcTime, digits.slice(2)) : text(TAG.generalizedTime, digits);
}

function generalName(name: string): Uint8Array {
  return isIPv4(name) || isIPv6(name) ? der(0x87, ipOctets(name)) : text(0x82, name); // RFC 5280 4.2.1.6
}

function text(tag: number, value: string): Uint8Array {
  return der(tag, new TextEncoder().encode(value));
}

function pem(label: string, octets: Uint8Array): string {
  const lines = octets.toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
