/**
 * The store of several nodes in one PostgreSQL database. This file puts its parts together.
 * Non-job: SQL (the files beside it), bodies while they are received (spool.ts).
 */
import type { Observer } from "../../observe/events.ts";
import type { Store } from "../store.ts";

export interface PostgresOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`; several hosts are tried in order. */
  readonly url: string;
  /** A folder of this node alone, for bodies while they are received; made when it is not there, emptied at the start. */
  readonly folder: string;
  /** What other nodes call this one, for people (default the host's name). */
  readonly node?: string;
  /** Octets of bodies in memory, all together (default 32 MiB). */
  readonly memoryBudget?: number;
  /** Octets up to which a body stays in memory and in its row; above it lies in pieces (default 256 KiB). */
  readonly blobLimit?: number;
  /** Most octets of a header section (default 256 KiB). */
  readonly headLimit?: number;
  /** Told of trouble. */
  readonly observer?: Observer;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Told of each batch that was written: its operations, and milliseconds. */
  readonly batch?: (operations: number, milliseconds: number) => void;
}

/**
 * Opens the store, and makes or updates its tables.
 *
 * @throws {StoreError} one line, without the password: not reachable, refused, a standby, of a newer version.
 */
export function openPostgresStore(_options: PostgresOptions): Promise<Store> {
  return Promise.reject(new Error("not yet"));
}
