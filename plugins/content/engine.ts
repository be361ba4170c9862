/**
 * A connection to an engine beside the server (clamd, spamd, a milter) over TCP or a unix socket: opened, written and read
 * in bounded memory, each wait under a signal, and one question with one answer on top of it. Whatever goes wrong is an
 * EngineError that says so in a few words. Non-job: protocols, several servers (failover.ts), what a failure means.
 */
import { z } from "zod";
import { EngineError } from "./engine_error.ts";

export { EngineError } from "./engine_error.ts";

/** Where an engine listens. */
export type EnginePlace = { readonly host: string; readonly port: number } | { readonly path: string };

const TCP = /^tcp:\/\/(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/;
const UNIX = /^unix:\/\/(\/[^\0]{1,107})$/; // sun_path has 108 octets, unix(7)

/** `tcp://127.0.0.1:3310`, `tcp://[::1]:3310`, `unix:///run/clamav/clamd.ctl`; null for any other text. */
export function parseEnginePlace(text: string): EnginePlace | null {
  const [, path] = UNIX.exec(text) ?? [];
  if (path !== undefined) return { path };
  const [, six, name, digits] = TCP.exec(text) ?? [];
  const host = six ?? name, port = Number(digits);
  return host !== undefined && port >= 1 && port <= 65535 ? { host, port } : null;
}

/** As it is written in options. */
export function formatEnginePlace(place: EnginePlace): string {
  if ("path" in place) return `unix://${place.path}`;
  return `tcp://${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
}

/** A place in options. */
export const enginePlace: z.ZodPipe<z.ZodString, z.ZodTransform<EnginePlace, string>> = z.string().transform(
  (text, context): EnginePlace => {
    const place = parseEnginePlace(text);
    if (place !== null) return place;
    context.addIssue(
      `"${text.slice(0, 120)}" must be the place of an engine: tcp://127.0.0.1:3310 or unix:///run/engine.sock`,
    );
    return z.NEVER;
  },
);

/** Octets that wait for `read` before the peer is made to wait. */
const AHEAD = 64 * 1024;

/**
 * An open connection. One `read` and one `write` at a time; `close` as often as one likes. Reading and writing fail each
 * for itself, which is why it is no socket of node:net: an engine that has heard enough answers and hangs up, and there
 * the first write that fails takes the answer along.
 */
export class EngineConnection implements Disposable {
  readonly #conn: Deno.TcpConn | Deno.UnixConn;
  readonly #arrived: Uint8Array<ArrayBuffer>[] = [];
  #waiting = 0;
  #ended = false;
  #fault: Error | null = null;
  #wakeReader: (() => void) | null = null;
  #wakePump: (() => void) | null = null;

  private constructor(conn: Deno.TcpConn | Deno.UnixConn) {
    this.#conn = conn;
    this.#pump();
  }

  /** @throws {EngineError} when it cannot be had; what the signal gives as its reason when that ends it. */
  static async open(place: EnginePlace, signal: AbortSignal): Promise<EngineConnection> {
    signal.throwIfAborted();
    const connecting: Promise<Deno.TcpConn | Deno.UnixConn> = "path" in place
      ? Deno.connect({ transport: "unix", path: place.path })
      : Deno.connect({ hostname: place.host, port: place.port, signal });
    try {
      const conn = await orAborted(connecting, signal);
      if ("setNoDelay" in conn) conn.setNoDelay(true);
      return new EngineConnection(conn);
    } catch (error) {
      connecting.then((late) => late.close(), () => {}); // a socket file has no signal
      throw signal.aborted ? signal.reason : new EngineError(wording(error));
    }
  }

  /** It is of no more use: closed by either side, or broken. What it said before may still be read. */
  get closed(): boolean {
    return this.#ended || this.#fault !== null;
  }

  /** Nobody waits for it: it keeps no process alive until `during` is called. */
  rest(): void {
    this.#conn.unref();
  }

  /**
   * What `work` gives. When `signal` aborts first the connection is closed, whatever `work` waits for fails, and so does
   * this, with the signal's reason.
   */
  async during<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    this.#conn.ref();
    const leave = () => this.#fail(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await work();
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** What came next, in whatever pieces; null when the peer has ended its side. @throws {EngineError} when it broke. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      const chunk = this.#arrived.shift(); // what had come before it broke is read first
      if (chunk !== undefined) {
        this.#waiting -= chunk.length;
        this.#wakePump?.();
        return chunk;
      }
      if (this.#fault !== null) throw this.#fault;
      if (this.#ended) return null;
      await new Promise<void>((wake) => this.#wakeReader = wake);
    }
  }

  /** Resolves when the kernel has it all. @throws {EngineError} when it broke; then there may still be an answer. */
  async write(octets: Uint8Array): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    try {
      for (let rest = octets; rest.length > 0;) rest = rest.subarray(await this.#conn.write(rest));
    } catch (error) {
      throw this.#fault ?? new EngineError(wording(error));
    }
  }

  /** No more from us; what it says may still be read. */
  async end(): Promise<void> {
    await this.#conn.closeWrite().catch(() => {}); // it has gone: reading tells
  }

  /** At once, whatever is under way. */
  close(): void {
    this.#fail(new EngineError("the connection is closed"));
  }
  [Symbol.dispose](): void {
    this.close();
  }

  async #pump(): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        this.#arrived.push(buffer.slice(0, count));
        this.#waiting += count;
        this.#wakeReader?.();
        while (this.#waiting > AHEAD) await new Promise<void>((wake) => this.#wakePump = wake);
      }
      this.#ended = true;
      this.#wakeReader?.();
    } catch (error) {
      this.#fail(new EngineError(wording(error)));
    }
  }

  #fail(why: Error): void {
    if (this.#fault === null) {
      this.#fault = why;
      this.#conn.close();
    }
    this.#waiting = 0; // the pump has nothing to wait for
    this.#wakePump?.();
    this.#wakeReader?.();
  }
}

/** The value, or a rejection as soon as the signal aborts. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

/** One question. */
export interface Question {
  /** What is said, piece by piece: the next one is asked for when there is room for it. */
  readonly request: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Octets of the longest answer. */
  readonly longest: number;
  /** Whether the answer so far is whole; absent: it ends with the connection. */
  readonly whole?: (answer: Uint8Array<ArrayBuffer>) => boolean;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * One question on a connection of its own, which is closed then. The answer is read while the question is still being
 * written: an engine may say what it thinks before it has heard all, and hang up.
 *
 * @throws {EngineError} when there is no answer, or too long a one; the signal's reason when that ends it; what the
 * request throws, for that is no fault of the engine.
 */
export async function askEngine(place: EnginePlace, question: Question): Promise<Uint8Array<ArrayBuffer>> {
  const { request, signal } = question;
  using connection = await EngineConnection.open(place, signal);
  return await connection.during(signal, async () => {
    let source: { why: unknown } | null = null, broken: unknown = null;
    const say = async () => {
      try {
        for await (const piece of request) {
          await connection.write(piece).catch((error) => Promise.reject(broken = error));
        }
      } catch (error) {
        if (broken !== null) return; // whether that matters depends on what it said
        source = { why: error };
        connection.close(); // an unfinished question has no answer
      }
    };
    const said = say();
    try {
      return await listen(connection, question);
    } catch (error) {
      throw source === null ? error : (source as { why: unknown }).why;
    } finally {
      connection.close();
      await said;
    }
  });
}

async function listen(connection: EngineConnection, { longest, whole }: Question): Promise<Uint8Array<ArrayBuffer>> {
  let buffer = new Uint8Array(Math.min(longest, 1024)), size = 0;
  for (let chunk; (chunk = await connection.read()) !== null;) {
    if (size + chunk.length > longest) throw new EngineError(`its answer has more than ${longest} octets`);
    if (size + chunk.length > buffer.length) {
      const larger = new Uint8Array(Math.min(longest, 2 * (size + chunk.length)));
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    buffer.set(chunk, size);
    size += chunk.length;
    if (whole?.(buffer.subarray(0, size))) return buffer.slice(0, size);
  }
  if (size === 0) throw new EngineError("it closed the connection without an answer");
  if (whole !== undefined) throw new EngineError("it broke off in the middle of its answer");
  return buffer.slice(0, size);
}

/** What the system says, in words of ours where it is usual. */
const WORDS: readonly [new (...args: never[]) => Error, string][] = [
  [Deno.errors.ConnectionRefused, "connection refused"],
  [Deno.errors.ConnectionReset, "it broke the connection"],
  [Deno.errors.BrokenPipe, "it broke the connection"],
  [Deno.errors.NotFound, "there is no such socket"],
  [Deno.errors.PermissionDenied, "its socket may not be used"],
];

function wording(error: unknown): string {
  const known = WORDS.find(([kind]) => error instanceof kind)?.[1];
  return known ?? ((error instanceof Error ? error.message : String(error)).slice(0, 200) || "the connection broke");
}
