/**
 * The admin site on a port. Non-job: TLS, for which a proxy stands in front.
 */
import type { Admin } from "./app.ts";

export interface AdminServer {
  readonly hostname: string;
  /** The port that was taken, also when 0 was asked for. */
  readonly port: number;
  /** Ends event streams, lets running requests finish for `seconds` (default 5), then cuts them. */
  stop(seconds?: number): Promise<void>;
}

/** Before a listener that has ended is opened again, milliseconds. */
const AGAIN_MS = 1000;

/**
 * Listens on `address`, `host:port`. `trouble` is told when the listener ends by itself, as it does when a connection
 * finds no descriptor left; it is opened again until that works.
 *
 * @throws {Error} with one sentence when the address cannot be had.
 */
export function serveAdmin(admin: Admin, address: string, trouble: (message: string) => void = () => {}): AdminServer {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s]*)):(\d{1,5})$/i.exec(address);
  const port = Number(match?.[3] ?? NaN);
  if (match === null || port > 65535) {
    throw new Error(`admin.address "${address}" is no host:port; write it like 127.0.0.1:8025`);
  }
  const hostname = match[1] ?? (match[2] || "0.0.0.0");
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined, stopped = false;
  const open = (port: number): Deno.HttpServer<Deno.NetAddr> => {
    const server = Deno.serve({
      hostname,
      port,
      signal: abort.signal,
      onListen() {},
      onError: () => new Response(null, { status: 500 }),
    }, (request, info) => admin.fetch(request, { remote: info.remoteAddr.hostname }));
    server.finished.catch((error) => {
      trouble(`the admin site stopped listening: ${reason(error)}`);
      again();
    });
    return server;
  };
  const again = (): void => {
    if (!stopped) timer = setTimeout(reopen, AGAIN_MS);
  };
  const reopen = (): void => {
    try {
      server = open(taken.port);
    } catch {
      again();
    }
  };
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = open(port);
  } catch (error) {
    throw new Error(`The admin site cannot listen on ${address}: ${reason(error)}`, { cause: error });
  }
  const taken = server.addr;
  return {
    hostname: taken.hostname,
    port: taken.port,
    async stop(seconds = 5) {
      stopped = true;
      clearTimeout(timer);
      await admin.close();
      timer = setTimeout(() => abort.abort(), seconds * 1000);
      await server.shutdown().catch(() => {}); // it had ended by itself, and that was told
      clearTimeout(timer);
    },
  };
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "another program has that port. Stop it, or set POSTERN_ADMIN or admin.address to another one.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) return "this machine has no such address.";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not take that port; use one above 1023.";
  return error instanceof Error ? error.message : String(error);
}
