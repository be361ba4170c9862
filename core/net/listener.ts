/**
 * A listening socket: accepts, counts, hands each connection on, survives running out of file descriptors, drains.
 * Non-job: what is said on a connection (inbound.ts).
 */
import { lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { canonicalIp } from "../model/ip.ts";
import { BACKLOG, watchAccept } from "./accept_watch.ts";
import type { ConnectionLimits } from "./limits.ts";

export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** A running conversation, as the listener sees it. */
export interface Connection {
  drain(): void;
  destroy(reason: string): void;
}
export interface ListenerOptions {
  readonly address: ListenAddress;
  readonly limits: ConnectionLimits;
  /** Starts the conversation. */
  accept(socket: Socket, peer: { readonly ip: string; readonly port: number }): Connection;
  /** One more connection is over the limits: what the peer is told. */
  refusal(why: "full" | "share", ip: string): string;
  trouble(message: string): void;
}

/** The address could not be taken: in use, not ours, not allowed. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #open = new Set<Connection>();
  #address = "";
  #drained: (() => void) | null = null;
  #closing = false;
  #endWatch = () => {};

  private constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** @throws {ListenError} with one sentence that says what to do. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    const { address } = options;
    try {
      await listener.#listen();
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
      trouble: options.trouble,
    });
    return listener;
  }

  #listen(): Promise<void> {
    const { address, trouble } = this.#options;
    return new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(placeOf(address), () => {
        this.#server.off("error", reject);
        this.#server.on("error", (error) => trouble(`accept failed: ${error.message}`));
        this.#address = textOf(this.#server.address());
        resolve();
      });
    });
  }

  /** As it was bound: the port is known even if 0 was asked for. */
  get address(): string {
    return this.#address;
  }
  get connections(): number {
    return this.#open.size;
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
      new Promise<void>((resolve) => this.#drained = resolve),
      new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds)),
    ]);
    clearTimeout(timer);
    for (const each of this.#open) each.destroy("drain is over");
  }

  #again(): void {
    const { address } = this.#options;
    const bound = this.#server.address(); // the port, if 0 was asked for
    this.#server.close();
    this.#server.listen(
      placeOf("path" in address || bound === null || typeof bound === "string" ? address : { ...address, ...bound }),
    );
  }

  #accept(socket: Socket): void {
    const { limits, accept, refusal } = this.#options;
    const ip = "path" in this.#options.address ? "127.0.0.1" : canonicalIp(socket.remoteAddress ?? "");
    if (ip === null || this.#closing) return void socket.on("error", () => {}).destroy(); // it left before we looked
    const why = limits.enter(ip);
    if (why !== null) {
      socket.on("error", () => {});
      socket.end(refusal(why, ip), "latin1");
      socket.destroySoon();
      return;
    }
    const connection = accept(socket, { ip, port: socket.remotePort ?? 0 });
    this.#open.add(connection);
    socket.once("close", () => {
      limits.leave(ip);
      this.#open.delete(connection);
      if (this.#open.size === 0) this.#drained?.();
    });
  }
}

function placeOf(address: ListenAddress): { host: string; port: number; backlog: number } | { path: string } {
  return "path" in address ? address : { host: address.host, port: address.port, backlog: BACKLOG };
}

function textOf(bound: ReturnType<Server["address"]>): string {
  if (bound === null || typeof bound === "string") return `unix:${bound ?? ""}`;
  return bound.family === "IPv6" ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
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
