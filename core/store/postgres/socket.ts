/**
 * The socket under a connection to a database: to a host or to a unix socket, encrypted where the address asks for it.
 * Non-job: PostgreSQL's protocol beyond the question for TLS (connection.ts).
 */
import { isIP, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { ConnectionLost } from "./faults.ts";
import type { DatabaseHost, DatabaseTls } from "./url.ts";

const KEEP_ALIVE = 10_000;
/** SSLRequest of the protocol: its length, and a number that is no version. */
const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
const YES = 83, NO = 78; // "S", "N"

/** @throws {ConnectionLost} */
export async function openSocket(at: DatabaseHost, tls: DatabaseTls, timeout: number): Promise<Socket> {
  const { host, port } = at, unix = host.startsWith("/");
  const socket = new Socket();
  const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeout} ms`)), timeout);
  try {
    await happens(socket, "connect", () => {
      if (unix) socket.connect(`${host}/.s.PGSQL.${port}`);
      else socket.connect(port, host);
    });
    socket.setKeepAlive(true, KEEP_ALIVE);
    socket.setNoDelay(true);
    return tls.mode === "disable" || unix ? socket : await encrypted(socket, host, tls);
  } catch (error) {
    socket.destroy();
    throw new ConnectionLost(`${host}:${port}: ${(error as Error).message}`);
  } finally {
    clearTimeout(timer);
  }
}

async function encrypted(socket: Socket, host: string, { mode, ca }: DatabaseTls): Promise<Socket> {
  const answer = await happens<Uint8Array>(socket, "data", () => socket.write(SSL_REQUEST));
  // What comes behind the answer in plain text is somebody else's (CVE-2021-23222)
  if (answer.length !== 1 || answer[0] !== YES && answer[0] !== NO) {
    throw new Error("no answer to the question for TLS");
  }
  if (answer[0] === NO) {
    if (mode === "prefer") return socket;
    throw new Error("the server has no TLS");
  }
  const secure = connectTls({
    ...{ socket, host, rejectUnauthorized: mode === "verify-full" },
    ...isIP(host) === 0 && { servername: host },
    ...ca !== null && { ca },
  });
  await happens(secure, "secureConnect", () => {});
  return secure;
}

/** The next event of that name after `begin`. @throws the socket's error, or that it was closed */
function happens<T = unknown>(socket: Socket, name: string, begin: () => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const done = (act: () => void) => {
      socket.off(name, good).off("error", bad).off("close", closed);
      act();
    };
    const good = (value: T) => done(() => resolve(value));
    const bad = (error: Error) => done(() => reject(error));
    const closed = () => done(() => reject(new Error("the server closed the connection")));
    socket.on(name, good).on("error", bad).on("close", closed);
    begin();
  });
}
