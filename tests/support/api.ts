/**
 * The server's HTTP interface as tests use it: what is in the dev inbox, what waits in the queue, the raw octets.
 */

export interface InboxEntry {
  readonly id: string;
  readonly inbox: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly size: number;
}
export interface QueueEntry {
  readonly requireTls: boolean;
  readonly holdUntil: string | null;
  readonly priority: number;
  readonly id: string;
  readonly from: string;
  readonly recipients: readonly { readonly address: string; readonly state: string; readonly attempts: number }[];
  readonly size: number;
}

export class Api {
  constructor(readonly base: string, readonly token: string) {}

  async healthy(): Promise<boolean> {
    try {
      const response = await fetch(`${this.base}/healthz`);
      await response.body?.cancel();
      return response.ok;
    } catch (error) {
      if (error instanceof TypeError) return false; // nobody listens yet
      throw error;
    }
  }

  async get(path: string): Promise<Response> {
    return await fetch(`${this.base}${path}`, { headers: { authorization: `Bearer ${this.token}` } });
  }

  async json<T>(path: string): Promise<T> {
    const response = await this.get(path);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  }

  /** Every message of the dev inbox, newest first, page by page. */
  async messages(): Promise<InboxEntry[]> {
    const all: InboxEntry[] = [];
    for (let before = "";;) {
      const page = await this.json<{ total: number; messages: InboxEntry[] }>(
        `/api/v1/messages?limit=500${before && `&before=${before}`}`,
      );
      all.push(...page.messages);
      if (page.messages.length < 500) return all;
      before = page.messages.at(-1)!.id;
    }
  }

  /** The octets of an inbox message, or null when there is none of that id. */
  async raw(id: string): Promise<Uint8Array<ArrayBuffer> | null> {
    return await this.#octets(`/api/v1/messages/${id}/raw`);
  }

  /** At most the newest thousand items. */
  async queue(): Promise<{ total: number; items: QueueEntry[] }> {
    return await this.json("/api/v1/queue?limit=1000");
  }

  /** The octets of a queued message, or null. */
  async queuedRaw(id: string): Promise<Uint8Array<ArrayBuffer> | null> {
    return await this.#octets(`/api/v1/queue/${id}/raw`);
  }

  async #octets(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const response = await this.get(path);
    const bytes = await response.bytes();
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${new TextDecoder().decode(bytes)}`);
    return bytes;
  }
}
