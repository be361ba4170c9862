/**
 * A listening socket: accepts, asks trusted proxies whose connection it is, counts, hands each connection on, survives
 * running out of file descriptors, drains. Non-job: what is said on a connection (inbound.ts).
 */
import { chmodSync } from "node:fs";
import { lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { canonicalIp, type Networks } from "../model/ip.ts";
import { BACKLOG, watchAccept } from "./accept_watch.ts";
import type { Adopted } from "./handover.ts";
import type { ConnectionLimits } from "./limits.ts";
import { endpointOf, lackingPermission, type ListenAddress } from "./listen_address.ts";
import type { Proxied } from "./proxy.ts";
import { awaitHeader } from "./proxy_wait.ts";

/** A running conversation, as the listener sees it. */
export interface Connection {
  drain(): void;
  destroy(reason: string): void;
}
/** Who is at the other end. */
export interface Peer {
  readonly ip: string;
  readonly port: number;
  /** The header of the proxy that vouches for the address; null: the peer is there itself. */
  readonly proxied: Proxied | null;
}
export interface ListenerOptions {
  readonly address: ListenAddress;
  /** The socket, where somebody else has bound it already. */
  readonly adopted?: Adopted | null;
  /** Other threads of this process listen there too, each for its share of those who connect. */
  readonly shared?: boolean;
  /** Permissions of a socket file, such as 0o660; unset: what the umask leaves. */
  readonly mode?: number;
  /** Peers that begin with a PROXY header, all of them and always; nobody else's is looked at. */
  readonly proxies?: Networks;
  /** Milliseconds that a proxy has for its header (default 5000). */
  readonly headerTimeout?: number;
  readonly limits: ConnectionLimits;
  /** What a peer is told for whom there is no time now (SEMANTICS 25); null: all is well. Absent: it always is. */
  busy?(ip: string): string | null;
  /** Starts the conversation. */
  accept(socket: Socket, peer: Peer): Connection;
  /** One more connection is over the limits: what the peer is told. */
  refusal(why: "full" | "share", ip: string): string;
  trouble(message: string): void;
}

/** The address could not be taken: in use, not ours, not allowed. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** How connections are taken: a peer that has said all may still listen, and no reply waits for more. */
export const SERVER_OPTIONS = { allowHalfOpen: true, noDelay: true } as const;

export class Listener {
  #options: ListenerOptions;
  readonly #server: Server;
  readonly #open = new Set<Connection>();
  #address = "";
  /** Who waits for the last one to go. */
  readonly #emptied: (() => void)[] = [];
  #closing = false;
  #endWatch = () => {};

  private constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = options.adopted?.server ?? createServer(SERVER_OPTIONS);
    this.#server.on("connection", (socket) => this.#accept(socket));
  }

  /** @throws {ListenError} with one sentence that says what to do. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    const { address, adopted } = options;
    const lacking = adopted ? null : lackingPermission(address);
    if (lacking !== null) throw new ListenError(lacking);
    try {
      if (adopted) listener.#listening();
      else await listener.#listen();
    } catch (error) {
      const { code } = error as { code?: string };
      const again = code === "EADDRINUSE" && "path" in address && await isLeftBehind(address.path);
      if (!again) throw new ListenError(explain(address, error as Error));
      await rm(address.path, { force: true });
      try {
        await listener.#listen();
      } catch (error) {
        throw new ListenError(explain(address, error as Error));
      }
    }
    listener.#endWatch = watchAccept(listener.#server, {
      again: () => listener.#again(),
      trouble: (sentence) => listener.#options.trouble(sentence), // whoever is at work by then
    });
    for (const socket of adopted?.early ?? []) if (!socket.destroyed) listener.#accept(socket);
    return listener;
  }

  #listen(): Promise<void> {
    const { address, shared } = this.#options;
    return new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(placeOf(address, shared), () => {
        this.#server.off("error", reject);
        this.#listening();
        try {
          this.#permit();
          resolve();
        } catch (error) {
          this.#server.close();
          reject(error);
        }
      });
    });
  }

  #listening(): void {
    this.#server.on("error", (error) => this.#options.trouble(`accept failed: ${error.message}`));
    this.#address = textOf(this.#server.address());
  }

  /** Who may connect to a socket file is who may write to it. */
  #permit(): void {
    const { address, mode } = this.#options;
    if ("path" in address && mode !== undefined) chmodSync(address.path, mode);
  }

  #permitOrTell(): void {
    const { address, trouble } = this.#options;
    try {
      this.#permit();
    } catch (error) {
      trouble(explain(address, error as Error));
    }
  }

  /** As it was bound: the port is known even if 0 was asked for. */
  get address(): string {
    return this.#address;
  }
  get connections(): number {
    return this.#open.size;
  }

  /**
   * Whoever comes from now on finds this behind it; who is here keeps what he found. The address stays. Never throws: what
   * is wrong with a socket file is told.
   */
  renew(options: Omit<ListenerOptions, "address" | "adopted" | "shared">): void {
    const { address, adopted = null, shared = false } = this.#options;
    this.#options = { ...options, address, adopted, shared };
    this.#permitOrTell();
  }

  /** Takes nobody any more; who is here may stay. Resolves when the last one has gone. */
  async retire(): Promise<void> {
    this.#closing = true;
    this.#endWatch();
    this.#server.close();
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }

  /** Stops accepting, lets messages under way finish, and cuts what is left after `milliseconds`. */
  async drain(milliseconds: number): Promise<void> {
    this.#closing = true;
    this.#endWatch();
    this.#server.close();
    for (const each of this.#open) each.drain();
    if (this.#open.size === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      new Promise<void>((resolve) => this.#emptied.push(resolve)),
      new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds)),
    ]);
    clearTimeout(timer);
    for (const each of this.#open) each.destroy("drain is over");
  }

  #again(): void {
    const { address, adopted, shared, trouble } = this.#options;
    if (adopted) return trouble("the socket that was handed over cannot be woken: restart"); // it would be lost
    const bound = this.#server.address(); // the port, if 0 was asked for
    this.#server.close();
    this.#server.listen(
      placeOf(
        "path" in address || bound === null || typeof bound === "string" ? address : { ...address, ...bound },
        shared,
      ),
      () => this.#permitOrTell(),
    );
  }

  #accept(socket: Socket): void {
    const { proxies } = this.#options;
    const ip = "path" in this.#options.address ? "127.0.0.1" : canonicalIp(socket.remoteAddress ?? "");
    if (ip === null || this.#closing) return void socket.on("error", () => {}).destroy(); // it left before we looked
    const peer = { ip, port: socket.remotePort ?? 0, proxied: null };
    if (proxies?.has(ip)) this.#identify(socket, peer);
    else this.#begin(socket, peer);
  }

  /** A proxy says for whom it is there. Until then the connection takes a place, of nobody's share. */
  #identify(socket: Socket, proxy: Peer): void {
    const { limits, trouble, headerTimeout = HEADER_TIMEOUT } = this.#options;
    const why = limits.enter(null);
    if (why !== null) return sendAway(socket, this.#options.refusal(why, proxy.ip));
    const stranger: Connection = { drain: () => socket.destroy(), destroy: () => socket.destroy() };
    this.#open.add(stranger);
    awaitHeader(socket, headerTimeout, (found) => {
      limits.leave(null);
      if (found === "gone" || "bad" in found) {
        if (found !== "gone" && !this.#closing) trouble(`PROXY header of ${proxy.ip}: ${found.bad}`);
        socket.destroy();
      } else this.#begin(socket, { ...(found.header.source ?? proxy), proxied: found.header });
      this.#ended(stranger); // last: a drain must not see an empty house in between
    });
  }

  #begin(socket: Socket, peer: Peer): void {
    const { limits, accept, busy, refusal } = this.#options, { ip } = peer;
    const words = busy?.(ip) ?? null; // first of all, and with nothing made for it: a crowd may come
    if (words !== null) return sendAway(socket, words);
    const why = limits.enter(ip);
    if (why !== null) return sendAway(socket, refusal(why, ip));
    const connection = accept(socket, peer);
    if (peer.proxied !== null && socket.listenerCount("data") > 0) socket.resume(); // TLS wants it to stand still
    this.#open.add(connection);
    socket.once("close", () => {
      limits.leave(ip);
      this.#ended(connection);
    });
  }

  #ended(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) { for (const gone of this.#emptied) gone(); }
  }
}

const HEADER_TIMEOUT = 5000;

function sendAway(socket: Socket, words: string): void {
  socket.on("error", () => {});
  socket.end(words, "latin1");
  socket.destroySoon();
}

interface TcpPlace {
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
  readonly reusePort: boolean;
}

function placeOf(address: ListenAddress, shared = false): TcpPlace | { path: string } {
  if ("path" in address) return address;
  return { host: address.host, port: address.port, backlog: BACKLOG, reusePort: shared };
}

/**
 * Whether an address can be had by this process alone: threads that share it would share it with another server's threads
 * too, and nobody would notice.
 *
 * @throws {ListenError} with one sentence that says what to do.
 */
export async function probe(address: ListenAddress): Promise<void> {
  const lacking = lackingPermission(address);
  if (lacking !== null) throw new ListenError(lacking);
  const server = createServer(SERVER_OPTIONS);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(placeOf(address), resolve);
    });
  } catch (error) {
    throw new ListenError(explain(address, error as Error));
  }
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function textOf(bound: ReturnType<Server["address"]>): string {
  if (bound === null || typeof bound === "string") return `unix:${bound ?? ""}`;
  return endpointOf({ host: bound.address, port: bound.port });
}

/** A socket that nobody answers: whoever made it was killed. Anything else at that place is not ours to remove. */
async function isLeftBehind(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => null);
  if (!found?.isSocket()) return false;
  return await new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => (probe.destroy(), resolve(false)));
    probe.once("error", (error: Error & { code?: string }) => resolve(error.code === "ECONNREFUSED"));
  });
}

function explain(address: ListenAddress, error: Error & { code?: string }): string {
  const place = "path" in address ? `unix:${address.path}` : `${address.host}:${address.port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${place} is in use: stop the other server, or give this listener another address`;
    case "EACCES":
      return `${place} needs a privilege this process lacks: use a port above 1023, or grant CAP_NET_BIND_SERVICE`;
    case "EADDRNOTAVAIL":
    case "EINVAL": // what Deno makes of it
      return `${place} is no address of this machine`;
    default:
      return `cannot listen on ${place}: ${error.message}`;
  }
}
