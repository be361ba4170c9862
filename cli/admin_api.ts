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

/** Characters of an answer: pages of the queue and stories of the ledger have some hundred thousand. */
const LONGEST = 64 * 1024 * 1024;

/** What the server says is wrong. */
export class ApiError extends CommandError {
  /** One for each thing that is wrong, where the server tells them apart. */
  readonly faults: readonly string[];
  readonly status: number;

  constructor(message: string, { status, faults }: { readonly status: number; readonly faults: readonly string[] }) {
    super(message);
    this.status = status;
    this.faults = faults;
  }
}

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
    if (response.status === 404) await response.body?.cancel();
    else if (response.ok) return await this.#read(response);
    else throw await this.#fault(response);
    return null;
  }

  /** The body of a GET as it is: metrics, a stream of events. `signal` ends it. @throws {CommandError} as `call`. */
  async open(path: string, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
    const response = await fetch(`${this.base}${path}`, { headers, signal });
    if (!response.ok) throw await this.#fault(response);
    return response;
  }

  /** Null without a body. @throws {CommandError} when it is no JSON, or has no end: somebody else is there. */
  async #read(response: Response): Promise<unknown> {
    const text = new TextDecoder();
    let read = "";
    try {
      for await (const octets of response.body ?? []) {
        read += text.decode(octets, { stream: true });
        if (read.length > LONGEST) throw new RangeError("too long");
      }
      return read.trim() === "" ? null : JSON.parse(read);
    } catch (error) {
      if ((error as Error).name === "TimeoutError") throw new CommandError(`${this.base} did not come to an end`);
      throw new CommandError(`${this.base} does not answer as Postern does: is another server there?`);
    }
  }

  async #fault(response: Response): Promise<ApiError> {
    const problem: unknown = await this.#read(response).catch(() => null);
    if (response.status === 401) {
      return new ApiError(`${this.base} wants another token: set POSTERN_ADMIN_TOKEN`, { status: 401, faults: [] });
    }
    const { detail = "", faults = [] } = (problem ?? {}) as { detail?: unknown; faults?: unknown };
    return new ApiError(`${this.base} answered ${response.status}${detail ? `: ${detail}` : ""}`, {
      status: response.status,
      faults: Array.isArray(faults) ? faults.map(String) : [],
    });
  }
}
