/**
 * Two ways to one queue: the HTTP API of the running server, or the data folder where no server runs. Which one it is
 * makes no difference to a command.
 */
import { type Config, formatEndpoint } from "../core/config/config.ts";
import { CommandError } from "./terminal.ts";

export type QueueVerb = "retry" | "hold" | "release" | "delete";
export interface QueueFilter {
  readonly state?: string;
  readonly domain?: string;
}
/** A message as the HTTP API shows it. */
export interface QueueRow {
  readonly id: string;
  readonly from: string;
  readonly recipients: readonly {
    readonly address: string;
    readonly state: string;
    readonly attempts: number;
    readonly nextAttempt: string | null;
    readonly lastReply: string | null;
    readonly notify?: readonly string[] | null;
    readonly orcpt?: string | null;
  }[];
  readonly ret?: string | null;
  readonly envid?: string | null;
  readonly size: number;
  readonly queuedAt: string;
  readonly subject?: string;
}
export interface QueueList {
  readonly total: number;
  readonly items: readonly QueueRow[];
  readonly corrupt?: readonly { readonly id: string; readonly why: string }[];
}
export interface QueueDoor {
  list(filter: QueueFilter & { readonly limit: number }): Promise<QueueList>;
  /** Null when there is none. */
  item(id: string): Promise<QueueRow | null>;
  /** How many recipients changed; null when there is no such id. */
  change(what: { readonly id: string } | QueueFilter, verb: QueueVerb): Promise<number | null>;
  close(): Promise<void>;
}

/**
 * The running server of this configuration, else its data folder.
 *
 * @throws {CommandError} when neither is there, {StoreError} when the folder cannot be had.
 */
export async function openQueue(config: Config): Promise<QueueDoor> {
  if (config.admin !== null) {
    const door = new HttpQueue(`http://${formatEndpoint(config.admin.address)}`, config.admin.token);
    if (await door.answers()) return door;
  }
  const { openStoredQueue } = await import("./queue_folder.ts"); // brings the database along: only where it is needed
  return await openStoredQueue(config);
}

export class HttpQueue implements QueueDoor {
  constructor(readonly base: string, readonly token: string | null) {}

  /** False when nobody listens there. */
  async answers(): Promise<boolean> {
    try {
      await (await fetch(`${this.base}/healthz`, { signal: AbortSignal.timeout(5000) })).body?.cancel();
      return true;
    } catch {
      return false;
    }
  }

  async list({ limit, ...filter }: QueueFilter & { readonly limit: number }): Promise<QueueList> {
    const query = new URLSearchParams({ ...filter, limit: String(limit) });
    return await this.#call("GET", `?${query}`) as QueueList;
  }

  async item(id: string): Promise<QueueRow | null> {
    return await this.#call("GET", `/${id}`) as QueueRow | null;
  }

  async change(what: { readonly id: string } | QueueFilter, verb: QueueVerb): Promise<number | null> {
    const place = "id" in what ? `/${what.id}` : "";
    const query = "id" in what ? "" : `?${new URLSearchParams({ ...what })}`;
    const answer = verb === "delete"
      ? await this.#call("DELETE", `${place}${query}`)
      : await this.#call("POST", `${place}/${verb}${query}`);
    return answer === null ? null : (answer as { changed: number }).changed;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Null on 404. */
  async #call(method: string, path: string): Promise<unknown> {
    const headers: Record<string, string> = this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
    const response = await fetch(`${this.base}/api/v1/queue${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(30_000),
    });
    const body: unknown = await response.json().catch(() => null);
    if (response.ok) return body;
    if (response.status === 404) return null;
    if (response.status === 401) throw new CommandError(`${this.base} wants another token: set POSTERN_ADMIN_TOKEN`);
    const detail = (body as { detail?: string; title?: string } | null)?.detail;
    throw new CommandError(`${this.base} answered ${response.status}${detail ? `: ${detail}` : ""}`);
  }
}
