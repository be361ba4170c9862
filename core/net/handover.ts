/**
 * Listening sockets that a service manager has bound and hands over (sd_listen_fds(3)): the process needs no privilege of
 * its own, and whoever connects while it restarts waits instead of being refused. Which one is whose: by name, else by
 * address. Non-job: accepting (listener.ts).
 */
import { createServer, type Server, type Socket } from "node:net";
import { endpointOf, type ListenAddress } from "./listen_address.ts";
import { ListenError, SERVER_OPTIONS } from "./listener.ts";

/** A descriptor that came with the process. */
export interface HandedSocket {
  /** Its number. */
  readonly fd: number;
  /** FileDescriptorName= of its unit, else the unit's own name. */
  readonly name: string;
}
/** A socket that listens already, for the listener that takes it. */
export interface Adopted {
  readonly server: Server;
  /** Who came before the listener was there, in order. */
  readonly early: readonly Socket[];
}
interface Waiting extends HandedSocket {
  readonly server: Server;
  readonly host: string;
  readonly port: number;
  readonly early: Socket[];
  readonly greet: (socket: Socket) => void;
}

/** The first descriptor that is handed over. */
const FIRST = 3;

/**
 * What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say of sockets that systemd has opened, for `startServer`. Variables that are
 * meant for another process, such as the parent of this one, mean nothing.
 *
 * @example
 * ```ts
 * import { handedSockets } from "postern/server";
 * import { assertEquals } from "@std/assert";
 * const env = { LISTEN_PID: "4711", LISTEN_FDS: "2", LISTEN_FDNAMES: "smtp:submission" };
 * assertEquals(handedSockets(env, 4711), [{ fd: 3, name: "smtp" }, { fd: 4, name: "submission" }]);
 * assertEquals(handedSockets(env, 4712), []);
 * ```
 */
export function handedSockets(env: Readonly<Record<string, string | undefined>>, pid: number): HandedSocket[] {
  if (env["LISTEN_PID"] !== `${pid}`) return [];
  const count = /^\d{1,4}$/.test(env["LISTEN_FDS"] ?? "") ? Number(env["LISTEN_FDS"]) : 0;
  const names = env["LISTEN_FDNAMES"]?.split(":") ?? [];
  return Array.from({ length: count }, (_, index) => ({ fd: FIRST + index, name: names[index] ?? "" }));
}

export class Handover {
  readonly #waiting: Waiting[] = [];

  /** Takes all of them at once, because only then their addresses are known. @throws {ListenError} */
  constructor(sockets: readonly HandedSocket[]) {
    for (const each of sockets) {
      const server = createServer(SERVER_OPTIONS), early: Socket[] = [];
      const greet = (socket: Socket) => {
        socket.on("error", () => {});
        early.push(socket);
      };
      server.on("error", () => {}).on("connection", greet);
      server.listen({ fd: each.fd });
      const bound = server.address();
      if (bound === null || typeof bound === "string") {
        this.close();
        // A socket file needs no privilege, and cannot be woken when descriptors ran out (accept_watch.ts)
        throw new ListenError(
          `descriptor ${each.fd} (${each.name}), handed over at start, is no TCP socket that listens; ` +
            `socket files are made by Postern itself`,
        );
      }
      this.#waiting.push({ ...each, server, host: bound.address, port: bound.port, early, greet });
    }
  }

  /** The socket of a listener: its name says so, or its address; null when none is meant for it. */
  take(listener: string, address: ListenAddress): Adopted | null {
    const named = this.#waiting.filter(({ name }) => name === listener);
    const found = named.find((each) => isSame(each, address)) ?? named[0] ??
      this.#waiting.find((each) => isSame(each, address));
    if (found === undefined) return null;
    this.#waiting.splice(this.#waiting.indexOf(found), 1);
    found.server.removeAllListeners("error").off("connection", found.greet);
    return found;
  }

  /** Lets go of those that nobody took, and names them. */
  close(): string[] {
    return this.#waiting.splice(0).map((each) => {
      each.server.close();
      for (const socket of each.early) socket.destroy();
      return `${endpointOf(each)} (${each.name})`;
    });
  }
}

/** `ListenStream=25` is [::]:25 and takes IPv4 too: to a listener on 0.0.0.0 it is the same place. */
function isSame(bound: Waiting, address: ListenAddress): boolean {
  if ("path" in address || address.port !== bound.port) return false;
  return address.host === bound.host || isAny(address.host) && isAny(bound.host);
}

function isAny(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
