/** The HTTP API of a running server as commands use it. Non-job: what is asked (door.ts of each command). */
import { type Config, formatEndpoint } from "../core/config/config.ts";
import { CommandError } from "./terminal.ts";

/** The running server of this configuration; null when nobody listens there. */
export async function runningServer(config: Config): Promise<AdminApi | null> {
  if (config.admin === null) return null;
  const api = new AdminApi(`http://${formatEndpoint(config.admin.address)}`, config.admin.token);
  return await api.answers() ? api : null;
}

/** For a change of a million recipients, milliseconds. */
const PATIENCE = 600_000;

export class AdminApi {
  constructor(readonly base: string, readonly token: string | null, readonly patience: number = PATIENCE) {}

  /** False when nobody listens there. */
  async answers(): Promise<boolean> {
    try {
      await (await fetch(`${this.base}/healthz`, { signal: AbortSignal.timeout(5000) })).body?.cancel();
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The answer's JSON; null on 404. Octets are sent as a message, anything else as JSON.
   *
   * @throws {CommandError} with what the server says is wrong, or that it says nothing.
   */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const headers: Record<string, string> = this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
    const message = body instanceof Uint8Array;
    if (body !== undefined) headers["Content-Type"] = message ? "message/rfc822" : "application/json";
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers,
      ...body === undefined ? {} : { body: message ? body as Uint8Array<ArrayBuffer> : JSON.stringify(body) },
      signal: AbortSignal.timeout(this.patience),
    }).catch((error) => {
      if ((error as Error).name !== "TimeoutError") throw error;
      throw new CommandError(`${this.base} takes its time: what was asked for may still be done`);
    });
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok) return answer;
    if (response.status === 404) return null;
    if (response.status === 401) throw new CommandError(`${this.base} wants another token: set POSTERN_ADMIN_TOKEN`);
    const detail = (answer as { detail?: string; title?: string } | null)?.detail;
    throw new CommandError(`${this.base} answered ${response.status}${detail ? `: ${detail}` : ""}`);
  }
}
