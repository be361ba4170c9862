/**
 * The header that a proxy sends before the first octet of its client: PROXY protocol, version 1 (text) and 2 (binary),
 * as HAProxy's proxy-protocol.txt has it. Octets in, a value out; any cut of the input gives the same value.
 * Non-job: who may send one, and how long it is waited for (listener.ts).
 */
import { canonicalIp, isIPv4, isIPv6 } from "../model/ip.ts";

/** One end of the connection that the proxy took. */
export interface Endpoint {
  /** Canonical: IPv4-mapped addresses as IPv4. */
  readonly ip: string;
  readonly port: number;
}
/** What a proxy says of the TLS that it ended itself. Facts for a log: nobody here has checked them. */
export interface ProxyTls {
  /** Such as "TLSv1.3"; empty when the proxy does not say. */
  readonly version: string;
  /** The cipher's name; empty when the proxy does not say. */
  readonly cipher: string;
  /** The client showed a certificate, and the proxy vouches for it. */
  readonly verified: boolean;
  /** The subject's common name; empty without a certificate. */
  readonly commonName: string;
}
/** What the header said. */
export interface Proxied {
  /** The client. Null: the proxy speaks for itself (a health check) or cannot tell; its own address stands. */
  readonly source: Endpoint | null;
  /** What the client connected to. */
  readonly destination: Endpoint | null;
  readonly tls: ProxyTls | null;
}
/** `more`: feed it more octets. Else the header and the octets behind it, or what is wrong with it: then hang up. */
export type ProxyAnswer =
  | "more"
  | { readonly header: Proxied; readonly rest: Uint8Array }
  | { readonly bad: string };

/** The longest line of version 1, with its CRLF. */
const LINE = 107;
const PREFIX = Uint8Array.from("PROXY ", (char) => char.charCodeAt(0));
const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Version 2 up to its addresses. */
const FIXED = 16;
/** Addresses and TLVs of version 2: a certificate's name may be long, a header without end is an attack. */
const BLOCK = 4096;

/** Reads one header. After an answer that is not `more` it is done. */
export class ProxyHeader {
  readonly #octets = new Uint8Array(FIXED + BLOCK);
  #length = 0;

  add(octets: Uint8Array): ProxyAnswer {
    const before = this.#length;
    const taken = octets.subarray(0, this.#octets.length - before);
    this.#octets.set(taken, before);
    this.#length += taken.length;
    const found = read(this.#octets.subarray(0, this.#length));
    if (found === "more") return found;
    if (typeof found === "string") return { bad: found };
    return { header: found.header, rest: octets.subarray(found.length - before) };
  }
}

interface Found {
  readonly header: Proxied;
  readonly length: number;
}
/** `more`, the header, or what is wrong: said of the shortest beginning that shows it, so that cuts change nothing. */
function read(octets: Uint8Array): Found | string {
  if (octets.length === 0) return "more";
  const text = octets[0] === PREFIX[0];
  const sign = text ? PREFIX : SIGNATURE;
  const length = Math.min(octets.length, sign.length);
  for (let i = 0; i < length; i++) if (octets[i] !== sign[i]) return "no PROXY header";
  return length < sign.length ? "more" : text ? readLine(octets) : readBlock(octets);
}

// ---- Version 1 -----------------------------------------------------------------------------------------------------

function readLine(octets: Uint8Array): Found | string {
  const end = Math.min(octets.length, LINE - 1);
  let cr = PREFIX.length;
  while (cr < end && octets[cr] !== 0x0d) {
    if (octets[cr]! < 0x20 || octets[cr]! > 0x7e) return "the line ends with CRLF and holds no control characters";
    cr++;
  }
  if (cr === LINE - 1) return `the line is longer than ${LINE} octets`;
  if (octets.length < cr + 2) return "more";
  if (octets[cr + 1] !== 0x0a) return "the line ends with CRLF and holds no control characters";
  const header = readWords(String.fromCharCode(...octets.subarray(PREFIX.length, cr)));
  return typeof header === "string" ? header : { header, length: cr + 2 };
}

/** What stands between `PROXY ` and CRLF: `TCP4 SOURCE DESTINATION PORT PORT`, single spaces. */
function readWords(text: string): Proxied | string {
  const words = text.split(" ");
  if (words[0] === "UNKNOWN") return NOBODY; // whatever follows is to be ignored
  const isIp = words[0] === "TCP4" ? isIPv4 : words[0] === "TCP6" ? isIPv6 : null;
  if (isIp === null) return "it is TCP4, TCP6 or UNKNOWN";
  const [, from, to, fromPort, toPort] = words;
  if (words.length !== 5 || !isIp(from!) || !isIp(to!) || !isPort(fromPort!) || !isPort(toPort!)) {
    return `${words[0]} takes two such addresses and two ports`;
  }
  return {
    source: { ip: canonicalIp(from!)!, port: Number(fromPort) },
    destination: { ip: canonicalIp(to!)!, port: Number(toPort) },
    tls: null,
  };
}

/** Decimal, no leading zero. */
function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

// ---- Version 2 -----------------------------------------------------------------------------------------------------

const NOBODY: Proxied = { source: null, destination: null, tls: null };
const LOCAL = 0, PROXY = 1;
/** Octets of the addresses by family (upper half of the octet): AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX. */
const ADDRESSES: readonly number[] = [0, 12, 36, 216];
const STREAM = 1;

function readBlock(octets: Uint8Array): Found | string {
  const [command = 0x20, family = 0x11] = octets.subarray(SIGNATURE.length);
  if (command >> 4 !== 2) return `version ${command >> 4} is not known`;
  if ((command & 15) > PROXY) return `command ${command & 15} is not known`;
  const local = (command & 15) === LOCAL; //                     its block is thrown away, whatever stands in it
  if (!local && (family >> 4 >= ADDRESSES.length || (family & 15) > 2)) return `family ${family} is not known`;
  if (!local && family !== 0 && (family & 15) !== STREAM) return "it speaks of no TCP connection";
  if (octets.length < FIXED) return "more";
  const view = viewOf(octets);
  const length = FIXED + view.getUint16(14);
  if (length > FIXED + BLOCK) return `it is longer than ${BLOCK} octets`;
  if (octets.length < length) return "more";
  if (local || family === 0) return { header: NOBODY, length };
  const addresses = FIXED + ADDRESSES[family >> 4]!;
  if (length < addresses) return "it is too short for its addresses";
  const whole = octets.subarray(0, length);
  const tlvs = readTlvs(whole.subarray(addresses));
  if (tlvs === null) return "a TLV ends behind the header";
  const sum = tlvs.get(TYPE.crc32c);
  if (sum !== undefined && !isSumRight(whole, sum)) return "its checksum is wrong";
  const tls = tlvs.get(TYPE.ssl);
  const facts = tls === undefined ? null : readTls(tls);
  if (facts === undefined) return "its TLV on TLS is cut short";
  return { header: { ...readAddresses(view, family >> 4), tls: facts }, length };
}

function readAddresses(view: DataView, family: number): Pick<Proxied, "source" | "destination"> {
  if (family === 3) return { source: null, destination: null }; // names of socket files: nobody's address
  const size = family === 1 ? 4 : 16, ports = FIXED + 2 * size;
  return {
    source: { ip: ipAt(view, FIXED, size), port: view.getUint16(ports) },
    destination: { ip: ipAt(view, FIXED + size, size), port: view.getUint16(ports + 2) },
  };
}
function ipAt(view: DataView, at: number, size: number): string {
  if (size === 4) return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join(".");
  return canonicalIp([0, 2, 4, 6, 8, 10, 12, 14].map((i) => view.getUint16(at + i).toString(16)).join(":"))!;
}

/** The TLVs that mean something here. */
const TYPE = { crc32c: 0x03, ssl: 0x20, version: 0x21, commonName: 0x22, cipher: 0x23 } as const;

/** type (1), length (2), value; the first of each type. Null: one does not fit. */
function readTlvs(octets: Uint8Array): Map<number, Uint8Array> | null {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(octets);
  for (let at = 0; at < octets.length;) {
    if (at + 3 > octets.length) return null;
    const type = octets[at]!, start = at + 3;
    at = start + view.getUint16(at + 1);
    if (at > octets.length) return null;
    if (!found.has(type)) found.set(type, octets.subarray(start, at));
  }
  return found;
}

const CLIENT_TLS = 1, CLIENT_CERTIFICATE = 2 | 4; // shown on this connection, or in the session it resumes

/** client (1), verify (4), TLVs. Null: the client spoke no TLS. Undefined: it is damaged. */
function readTls(octets: Uint8Array): ProxyTls | null | undefined {
  if (octets.length < 5) return undefined;
  const tlvs = readTlvs(octets.subarray(5));
  if (tlvs === null) return undefined;
  const client = octets[0]!, verify = viewOf(octets).getUint32(1);
  if (!(client & CLIENT_TLS)) return null;
  const text = (type: number) => UTF8.decode(tlvs.get(type) ?? NOTHING);
  return {
    version: text(TYPE.version),
    cipher: text(TYPE.cipher),
    verified: (client & CLIENT_CERTIFICATE) !== 0 && verify === 0,
    commonName: text(TYPE.commonName),
  };
}
const UTF8 = new TextDecoder();
const NOTHING = new Uint8Array(0);

/** CRC32c over the whole header, its own four octets taken as zero. */
function isSumRight(header: Uint8Array, sum: Uint8Array): boolean {
  if (sum.length !== 4) return false;
  const from = sum.byteOffset - header.byteOffset;
  let crc = 0xffffffff;
  for (let i = 0; i < header.length; i++) {
    crc ^= i >= from && i < from + 4 ? 0 : header[i]!;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? CASTAGNOLI : 0);
  }
  return (crc ^ 0xffffffff) >>> 0 === viewOf(sum).getUint32(0);
}
const CASTAGNOLI = 0x82f63b78; // reflected

function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}
