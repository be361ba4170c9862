/**
 * Two ways to one queue: the HTTP API of the running server, or the data folder where no server runs. Which one it is
 * makes no difference to a command.
 */
import type { Config } from "../../core/config/config.ts";
import { type AdminApi, runningServer } from "../admin_api.ts";

export type QueueVerb = "retry" | "hold" | "release" | "delete" | "bounce" | "route";
/** What a verb is told beside what it is about; as the API takes it. */
export interface Wanted {
  readonly verb: QueueVerb;
  readonly body?: Readonly<Record<string, unknown>>;
}
export interface QueueFilter {
  readonly state?: string;
  readonly domain?: string;
  readonly from?: string;
  readonly to?: string;
  /** It came before: a moment. */
  readonly before?: string;
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
    readonly destination?: string;
    readonly told?: string | null;
    readonly deadline?: string | null;
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
/** A destination as the HTTP API shows it. */
export interface DestinationRow {
  readonly destination: string;
  readonly waiting: number;
  readonly running: number;
  readonly closedUntil: string | null;
  readonly reason: string | null;
}
export interface DestinationList {
  readonly total: number;
  readonly items: readonly DestinationRow[];
}
export interface QueueDoor {
  list(filter: QueueFilter & { readonly limit: number }): Promise<QueueList>;
  /** Null when there is none. */
  item(id: string): Promise<QueueRow | null>;
  /** What rests or has mail under way; null where no server runs. */
  destinations(limit: number): Promise<DestinationList | null>;
  /** How many recipients changed; null when there is no such id. */
  change(what: { readonly id: string } | QueueFilter, wanted: Wanted): Promise<number | null>;
  close(): Promise<void>;
}

/**
 * The running server of this configuration, else its data folder.
 *
 * @throws {CommandError} when neither is there, {StoreError} when the folder cannot be had.
 */
export async function openQueue(config: Config): Promise<QueueDoor> {
  const api = await runningServer(config);
  if (api !== null) return new HttpQueue(api);
  const { openStoredQueue } = await import("./folder.ts"); // brings the database along: only where it is needed
  return await openStoredQueue(config);
}

export class HttpQueue implements QueueDoor {
  constructor(readonly api: AdminApi) {}

  async list({ limit, ...filter }: QueueFilter & { readonly limit: number }): Promise<QueueList> {
    const query = new URLSearchParams({ ...filter, limit: String(limit) });
    return await this.#call("GET", `?${query}`) as QueueList;
  }

  async item(id: string): Promise<QueueRow | null> {
    return await this.#call("GET", `/${id}`) as QueueRow | null;
  }

  async destinations(limit: number): Promise<DestinationList> {
    return await this.#call("GET", `/destinations?limit=${limit}`) as DestinationList;
  }

  async change(what: { readonly id: string } | QueueFilter, { verb, body }: Wanted): Promise<number | null> {
    const place = "id" in what ? `/${what.id}` : "";
    const query = "id" in what ? "" : `?${new URLSearchParams({ ...what })}`;
    const answer = verb === "delete"
      ? await this.#call("DELETE", `${place}${query}`)
      : await this.#call("POST", `${place}/${verb}${query}`, body);
    return answer === null ? null : (answer as { changed: number }).changed;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Null on 404. */
  #call(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.api.call(method, `/api/v1/queue${path}`, body);
  }
}
