/**
 * A connection to another host, or to a socket file, within a time. Options that every one has: no reply waits for more
 * to be written, and the peer's FIN closes nothing behind our back. Non-job: which address (race_connect.ts).
 */
import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import type { Deadlines } from "./deadline.ts";

/** An IP address with its port, or the path of a unix socket. */
export type Endpoint = { readonly ip: string; readonly port: number } | { readonly path: string };

export interface DialOptions {
  /** The address that it comes from; the system's choice where it is left out. */
  readonly source?: string | undefined;
  /** Milliseconds, as exact as the sweep. */
  readonly timeout: number;
  readonly deadlines: Deadlines;
  readonly signal?: AbortSignal;
}

/** The socket has no "data" listener, and an "error" that nobody hears harms nobody. Rejects with what the system says. */
export function dial(endpoint: Endpoint, options: DialOptions): Promise<Socket> {
  const { source, timeout, deadlines, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Error("given up"));
    const place = "path" in endpoint ? { path: endpoint.path } : {
      host: endpoint.ip,
      port: endpoint.port,
      ...source !== undefined && { localAddress: source },
    };
    const socket = connect({ ...place, noDelay: true, allowHalfOpen: true } as TcpNetConnectOpts);
    const latest = performance.now() + timeout;
    const timed = {
      tick: (now: number) => {
        if (now > latest) fail(new Error("no connection in time"));
      },
    };
    const settle = () => {
      deadlines.remove(timed);
      signal?.removeEventListener("abort", give);
      socket.off("connect", done).off("error", fail);
    };
    const fail = (error: Error) => {
      settle();
      socket.destroy();
      reject(error);
    };
    const give = () => fail(new Error("given up"));
    const done = () => {
      settle();
      resolve(socket);
    };
    socket.on("error", ignore).once("connect", done).once("error", fail);
    signal?.addEventListener("abort", give, { once: true });
    deadlines.add(timed);
  });
}

function ignore(): void {} // whoever owns the socket hears of it by its own listeners
