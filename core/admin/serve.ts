/**
 * The admin site on a port: so many connections and so much time as it needs, and no more, because every descriptor that it
 * holds is one that mail does not have. Non-job: TLS, for which a proxy stands in front; what is answered (app.ts).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { watchAccept } from "../net/accept_watch.ts";
import { lackingPermission } from "../net/listen_address.ts";
import type { Admin } from "./app.ts";

export interface AdminServer {
  readonly hostname: string;
  /** The port that was taken, also when 0 was asked for. */
  readonly port: number;
  /** Ends event streams, lets running requests finish for `seconds` (default 5), then cuts them. */
  stop(seconds?: number): Promise<void>;
}
export interface ServeOptions {
  /** Connections at a time; further ones are closed (default 128). */
  readonly connections?: number;
  /** Milliseconds for the head of a request, for the whole of it, and between two of them. */
  readonly headTime?: number;
  readonly requestTime?: number;
  readonly idleTime?: number;
  /** Milliseconds in which a client takes each 64 KiB of an answer (default 30 s). */
  readonly takeTime?: number;
  /** Told of what goes wrong with the port. */
  trouble?(message: string): void;
}

/**
 * Listens on `address`, `host:port`.
 *
 * @throws {Error} with one sentence when the address cannot be had.
 */
export async function serveAdmin(admin: Admin, address: string, options: ServeOptions = {}): Promise<AdminServer> {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s]*)):(\d{1,5})$/i.exec(address);
  const wanted = Number(match?.[3] ?? NaN);
  if (match === null || wanted > 65535) {
    throw new Error(`admin.address "${address}" is no host:port; write it like 127.0.0.1:8025`);
  }
  const host = match[1] ?? (match[2] || "0.0.0.0");
  const { connections = 128, headTime = 10_000, requestTime = 30_000, idleTime = 30_000, takeTime = 30_000 } = options;
  const { trouble = () => {} } = options;
  const server = createServer({
    headersTimeout: headTime,
    requestTimeout: requestTime,
    keepAliveTimeout: idleTime,
    connectionsCheckingInterval: Math.min(5000, headTime),
    maxHeaderSize: 16 * 1024,
  }, (incoming, outgoing) => {
    if (!isWaiting(incoming.socket, outgoing)) return void incoming.socket.destroy();
    void answer(admin, { incoming, outgoing, takeTime });
  });
  server.maxConnections = connections;
  try {
    await listen(server, { host, port: wanted });
  } catch (error) {
    throw new Error(`The admin site cannot listen on ${address}: ${reason(error)}`, { cause: error });
  }
  server.on("error", (error) => trouble(`accept failed: ${error.message}`));
  const { port, address: hostname } = server.address() as AddressInfo;
  const endWatch = watchAccept(server, { trouble, again: () => server.close(() => server.listen({ host, port })) });
  return {
    hostname,
    port,
    async stop(seconds = 5) {
      endWatch();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await admin.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), seconds * 1000);
      await closed;
      clearTimeout(timer);
    },
  };
}

function listen(server: Server, place: { readonly host: string; readonly port: number }): Promise<void> {
  const lacking = lackingPermission(place);
  if (lacking !== null) return Promise.reject(new Error(lacking));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Requests of a connection that are not answered yet. */
const waiting = new WeakMap<object, number>();
const MOST_WAITING = 16;

/** False for one more request on a connection than may wait: browsers send one at a time, and each takes memory. */
function isWaiting(connection: object, outgoing: ServerResponse): boolean {
  const count = waiting.get(connection) ?? 0;
  if (count >= MOST_WAITING) return false;
  waiting.set(connection, count + 1);
  outgoing.once("close", () => waiting.set(connection, waiting.get(connection)! - 1));
  return true;
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly takeTime: number;
}

/** One request as the site's app wants it, and its answer back on the wire. Never rejects. */
async function answer(admin: Admin, { incoming, outgoing, takeTime }: Exchange): Promise<void> {
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  outgoing.on("error", () => gone.abort());
  try {
    const request = requestOf(incoming, gone.signal);
    if (request === null) return void outgoing.writeHead(400, { Connection: "close" }).end();
    const response = await admin.fetch(request, { remote: incoming.socket.remoteAddress ?? "" });
    outgoing.writeHead(response.status, headersOf(response));
    if (response.body !== null) await pour(response.body, { outgoing, takeTime, signal: gone.signal });
    await taken(outgoing, { takeTime, how: (done) => outgoing.end(done) });
  } catch {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
}

/** Null when the request line or the Host is none. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | null {
  const { method = "GET", headers, url = "/" } = incoming;
  const sent = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) sent.append(name, each);
  }
  if (!url.startsWith("/")) return null;
  let target: URL;
  try {
    target = new URL(`http://${headers.host ?? ""}${url}`);
  } catch {
    return null;
  }
  const body = method === "GET" || method === "HEAD" ? null : Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
  return new Request(target, { method, headers: sent, signal, body });
}

/** Set-Cookie may stand more than once. */
function headersOf(response: Response): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of response.headers) headers[name] = value;
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  return headers;
}

/** Octets that are written at once: of a long answer each of them is a sign of life. */
const PIECE = 65_536;

/** Writes the stream as fast as the client reads it; a client that leaves, or takes nothing, ends the stream. */
async function pour(
  body: ReadableStream<Uint8Array>,
  { outgoing, takeTime, signal }: Omit<Exchange, "incoming"> & { readonly signal: AbortSignal },
): Promise<void> {
  const reader = body.getReader();
  const leave = () => void reader.cancel().catch(() => {});
  if (signal.aborted) return leave();
  signal.addEventListener("abort", leave, { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (let at = 0; at < value.length && !signal.aborted; at += PIECE) {
      if (outgoing.write(value.subarray(at, at + PIECE))) continue;
      await taken(outgoing, { takeTime, how: (done) => outgoing.once("drain", done) });
    }
    if (signal.aborted) return;
  }
}

/** Until the client has taken what was written; who does not in time holds a connection that others want, and is cut. */
function taken(
  outgoing: ServerResponse,
  { takeTime, how }: { readonly takeTime: number; how(done: () => void): void },
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => outgoing.destroy(), takeTime);
  outgoing.once("close", resolve);
  how(resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    outgoing.off("close", resolve);
    outgoing.off("drain", resolve);
  });
}

function reason(error: unknown): string {
  switch ((error as { code?: string }).code) {
    case "EADDRINUSE":
      return "another program has that port. Stop it, or set POSTERN_ADMIN or admin.address to another one.";
    case "EADDRNOTAVAIL":
    case "EINVAL": // what Deno makes of it
      return "this machine has no such address.";
    case "EACCES":
      return "this user may not take that port; use one above 1023.";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
