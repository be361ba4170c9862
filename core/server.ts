/** The composition root: configuration to running server. */
import type { Config } from "./config/config.ts";
import type { Observer } from "./observe/events.ts";

export interface ServerOptions {
  /** Told of every event; the log is one. */
  readonly observers?: readonly Observer[];
}
export interface RunningServer {
  readonly addresses: readonly { readonly listener: string; readonly address: string }[];
  /** Where the admin site is, `http://...`; null without one. */
  readonly admin: string | null;
  /** Stops accepting, lets messages under way finish, closes the store. */
  stop(): Promise<void>;
  /** Settles when the server has ended; rejects when it could not go on. */
  readonly done: Promise<void>;
}
export function startServer(_config: Config, _options: ServerOptions = {}): Promise<RunningServer> {
  return Promise.reject(new Error("this build has no server"));
}
