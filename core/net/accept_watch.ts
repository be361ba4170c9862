/**
 * Keeps a listening socket accepting. The runtime's accept loop ends for good, and in silence, when a connection finds no
 * descriptor left (EMFILE, ENFILE). To listen again wakes it: for TCP on the same socket, where it costs nothing and loses
 * nobody; a socket file has to be made anew, so only after descriptors were seen to be gone.
 */
import { closeSync, openSync } from "node:fs";
import type { Server } from "node:net";
import { ownFile } from "./own_file.ts";

export const BACKLOG = 511;
/** Milliseconds between two looks. */
const WATCH = 1000;

export interface AcceptWatchOptions {
  /** Listens once more where the socket itself cannot be woken. */
  again(): void;
  /** Told once each time that descriptors run out. */
  trouble(message: string): void;
}

/** Watches `server`, which listens; returns the function that ends it. */
export function watchAccept(server: Server, options: AcceptWatchOptions): () => void {
  let starved = false;
  const look = () => {
    const before = starved;
    starved = !isDescriptorFree();
    if (starved && !before) {
      options.trouble("no descriptor is left, connections wait: raise ulimit -n or lower limits.connections");
    }
    if (starved) return;
    const { _handle: handle } = server as Server & { readonly _handle?: { listen?(backlog: number): number } };
    if (handle?.listen?.(BACKLOG) !== 0 && before) options.again();
  };
  const timer = setInterval(look, WATCH);
  return () => clearInterval(timer);
}

function isDescriptorFree(): boolean {
  try {
    closeSync(openSync(ownFile(), "r"));
    return true;
  } catch (error) {
    return !/^E[MN]FILE$/.test((error as { code?: string }).code ?? "");
  }
}
