/** A DNS server on 127.0.0.1 for tests, UDP and TCP on one port; a function says what it answers, octet by octet. */
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { once } from "node:events";

export interface Asked {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly edns: boolean;
  /** The second 16 bits of the header. */
  readonly flags: number;
  readonly over: "udp" | "tcp" | "https";
  /** Octets of the question section. */
  readonly question: Uint8Array;
  /** The source port. */
  readonly port: number;
}
/** Messages to send back, in this order; none for silence. */
export type Script = (asked: Asked) => readonly Uint8Array[];

export interface RecordData {
  readonly type: number;
  readonly data: Uint8Array;
  /** Owner; the name of the question unless said otherwise. */
  readonly owner?: Uint8Array;
  readonly ttl?: number;
}

export class DnsServer {
  readonly asked: Asked[] = [];
  readonly #udp = createSocket("udp4");
  readonly #tcp = createServer();
  readonly #sockets = new Set<Socket>();
  port = 0;

  static async start(script: Script): Promise<DnsServer> {
    for (let attempt = 1;; attempt++) {
      const server = new DnsServer();
      try {
        await server.#listen(script);
        return server;
      } catch (error) { // the port that UDP was given may be somebody's TCP port
        server.#udp.close();
        if (attempt === 20 || (error as { code?: string }).code !== "EADDRINUSE") throw error;
      }
    }
  }

  /** Sends a message nobody asked for to a port on this host. */
  send(message: Uint8Array, port: number): void {
    this.#udp.send(message, port, "127.0.0.1");
  }

  async #listen(script: Script): Promise<void> {
    this.#udp.bind(0, "127.0.0.1");
    await once(this.#udp, "listening");
    this.port = this.#udp.address().port;
    this.#tcp.listen(this.port, "127.0.0.1");
    await once(this.#tcp, "listening");
    this.#udp.on("message", (octets, peer) => {
      const asked = readQuestion(octets, "udp", peer.port);
      this.asked.push(asked);
      for (const message of script(asked)) this.#udp.send(message, peer.port, peer.address);
    });
    this.#tcp.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (octets: Uint8Array) => {
        const asked = readQuestion(octets.subarray(2), "tcp", socket.remotePort ?? 0);
        this.asked.push(asked);
        for (const message of script(asked)) {
          socket.write(new Uint8Array([message.length >> 8, message.length & 255, ...message.subarray(0, 1)]));
          socket.write(message.subarray(1)); // in two pieces, as the network may
        }
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([
      new Promise<void>((done) => this.#udp.close(() => done())),
      new Promise<void>((done) => this.#tcp.close(() => done())),
    ]);
  }
}

/** The question in a message. */
export function readQuestion(octets: Uint8Array, over: Asked["over"] = "https", port = 0): Asked {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const labels: string[] = [];
  let at = 12;
  while (octets[at]! > 0) {
    labels.push(String.fromCharCode(...octets.subarray(at + 1, at + 1 + octets[at]!)));
    at += 1 + octets[at]!;
  }
  const question = octets.slice(12, at + 5);
  return {
    id: view.getUint16(0),
    name: labels.join("."),
    type: view.getUint16(at + 1),
    edns: view.getUint16(10) === 1,
    flags: view.getUint16(2),
    over,
    question,
    port,
  };
}

/** A message that answers `asked`. */
export function answer(
  asked: Asked,
  records: readonly RecordData[] = [],
  options: { rcode?: number; flags?: number; id?: number; question?: Uint8Array; authority?: readonly RecordData[] } =
    {},
): Uint8Array {
  const { rcode = 0, flags = 0x8180, id = asked.id, question = asked.question, authority = [] } = options;
  const octets: number[] = [];
  const u16 = (...values: number[]) => values.forEach((value) => octets.push(value >> 8 & 255, value & 255));
  u16(id, flags | rcode, question.length === 0 ? 0 : 1, records.length, authority.length, 0);
  octets.push(...question);
  for (const { type, data, owner = new Uint8Array([0xc0, 12]), ttl = 60 } of [...records, ...authority]) {
    octets.push(...owner);
    u16(type, 1, ttl >>> 16, ttl & 0xffff, data.length);
    for (const octet of data) octets.push(octet);
  }
  return new Uint8Array(octets);
}

/** Labels as they stand on the wire; each a string of octets, so that a test can put a dot or NUL into one. */
export function wireName(...labels: readonly string[]): Uint8Array {
  return new Uint8Array([...labels.flatMap((each) => [each.length, ...latin1(each)]), 0]);
}
export const latin1 = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0));
export const A = (...octets: number[]): RecordData => ({ type: 1, data: new Uint8Array(octets) });
export const CNAME = (...labels: string[]): RecordData => ({ type: 5, data: wireName(...labels) });
export const PTR = (...labels: string[]): RecordData => ({ type: 12, data: wireName(...labels) });
export const MX = (preference: number, ...labels: string[]): RecordData => ({
  type: 15,
  data: new Uint8Array([preference >> 8, preference & 255, ...wireName(...labels)]),
});
export const TXT = (...strings: string[]): RecordData => ({
  type: 16,
  data: new Uint8Array(strings.flatMap((each) => [each.length, ...latin1(each)])),
});
export const TLSA = (...octets: number[]): RecordData => ({ type: 52, data: new Uint8Array(octets) });
/** With the minimum field that negative answers live by. */
export const SOA = (minimum: number, ttl: number): RecordData => ({
  type: 6,
  ttl,
  data: new Uint8Array([0, 0, ...new Array(16).fill(0), 0, 0, minimum >> 8, minimum & 255]),
});
