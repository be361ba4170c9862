/**
 * A connection to a directory, encrypted where it is to be, before any LDAP client sees it: ldaps, or StartTLS
 * (RFC 4511 4.14). StartTLS is done here because what a stranger put behind its answer in plain text must never be taken
 * for something that came through TLS. Non-job: every other message of LDAP.
 */
import { Buffer } from "node:buffer";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { BerReader } from "ldapts";

export interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: "none" | "implicit" | "starttls";
  /** Certificates of authorities, PEM; undefined: the system's. */
  readonly ca: string | undefined;
}

/** LDAPMessage { 1, ExtendedRequest { requestName 1.3.6.1.4.1.1466.20037 } } */
const START_TLS = Buffer.from([0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16, ...Buffer.from("1.3.6.1.4.1.1466.20037")]);
const EXTENDED_RESPONSE = 0x78;
const LONGEST_RESPONSE = 4096;

/** Open and secure, nothing read from it yet. @throws {Error} when it cannot be had, or `signal` ends it. */
export async function openSocket(options: SocketOptions, signal: AbortSignal): Promise<Socket> {
  const { host, port, tls, ca } = options;
  const secure = { host, ...(isIP(host) ? {} : { servername: host }), ...(ca === undefined ? {} : { ca }) };
  if (tls === "implicit") return await opened(connectTls({ ...secure, port }), "secureConnect", signal);
  const socket = await opened(connect({ host, port }), "connect", signal);
  if (tls === "none") return socket;
  try {
    await startTls(socket, signal);
    return await opened(connectTls({ ...secure, socket }), "secureConnect", signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function opened<S extends Socket>(socket: S, event: "connect" | "secureConnect", signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const done = () => {
      signal.removeEventListener("abort", leave);
      socket.removeListener("error", fail).removeListener("close", closed);
    };
    const fail = (error: Error) => {
      done();
      socket.on("error", () => {}); // a second one must not go uncaught
      socket.destroy();
      reject(error);
    };
    const leave = () => fail(signal.reason);
    const closed = () => fail(new Error("it closed the connection"));
    socket.once("error", fail).once("close", closed).once(event, () => (done(), resolve(socket)));
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
  });
}

function startTls(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer: Buffer = Buffer.alloc(0);
    const end = (fault: Error | null) => {
      signal.removeEventListener("abort", leave);
      socket.removeListener("data", read).removeListener("error", end).removeListener("close", closed);
      socket.pause(); // what comes next is for TLS to read
      if (fault === null) return resolve();
      socket.on("error", () => {});
      reject(fault);
    };
    const leave = () => end(signal.reason);
    const closed = () => end(new Error("it closed the connection"));
    const read = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const fault = judge(answer);
      if (fault !== undefined) end(fault === null ? null : new Error(fault));
    };
    socket.on("data", read).on("error", end).on("close", closed);
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) return leave();
    socket.write(START_TLS);
  });
}

/** What is wrong with the answer to StartTLS; null: nothing, undefined: it is not whole yet. */
function judge(answer: Buffer): string | null | undefined {
  if (answer[0] !== 0x30) return "it does not speak LDAP";
  try {
    const reader = new BerReader(answer);
    if (reader.readSequence() === null || reader.remain < reader.length) {
      return answer.length > LONGEST_RESPONSE ? "its answer to StartTLS is too long" : undefined;
    }
    if (reader.remain > reader.length) return "it sent plain text behind its answer to StartTLS";
    if (reader.readInt() !== 1 || reader.readSequence() !== EXTENDED_RESPONSE) return "it does not answer StartTLS";
    const result = reader.readEnumeration();
    return result === 0 ? null : `it refuses StartTLS (result ${result})`;
  } catch {
    return "its answer to StartTLS cannot be read";
  }
}
