/**
 * A connection to an engine beside the server (clamd, spamd, a milter) over TCP or a unix socket: opened, written and read
 * in bounded memory, each wait under a signal, and one question with one answer on top of it. Whatever goes wrong is an
 * EngineError that says so in a few words. Non-job: protocols, several servers (failover.ts), what a failure means.
 */
import { createConnection, type Socket } from "node:net";
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

/** An open connection. One `read` and one `write` at a time; `close` as often as one likes. */
export class EngineConnection implements Disposable {
  readonly #socket: Socket;
  readonly #arrived: Uint8Array<ArrayBuffer>[] = [];
  #waiting = 0;
  #ended = false;
  #fault: Error | null = null;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
      this.#arrived.push(chunk);
      this.#waiting += chunk.length;
      if (this.#waiting > AHEAD) socket.pause();
      this.#stir();
    });
    socket.on("end", () => (this.#ended = true, this.#stir()));
    socket.on("error", (error: Error & { code?: string }) => this.#fail(new EngineError(wording(error))));
    socket.on("close", () => (this.#ended = true, this.#stir()));
  }

  /** @throws {EngineError} when it cannot be had; what the signal gives as its reason when that ends it. */
  static open(place: EnginePlace, signal: AbortSignal): Promise<EngineConnection> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const socket = createConnection({ ...place, allowHalfOpen: true });
      const settle = () => {
        signal.removeEventListener("abort", leave);
        socket.removeListener("error", fail).removeListener("connect", done);
      };
      const fail = (error: Error & { code?: string }) => {
        settle();
        socket.on("error", () => {}); // a second one must not go uncaught
        socket.destroy();
        reject(new EngineError(wording(error)));
      };
      const leave = () => {
        reject(signal.reason);
        fail(new Error());
      };
      const done = () => {
        settle();
        socket.setNoDelay(true);
        resolve(new EngineConnection(socket));
      };
      socket.once("error", fail).once("connect", done);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** It is of no more use: closed by either side, or broken. What it said before may still be read. */
  get closed(): boolean {
    return this.#ended || this.#fault !== null;
  }

  /** Nobody waits for it: it keeps no process alive until `during` is called. */
  rest(): void {
    this.#socket.unref();
  }

  /**
   * What `work` gives. When `signal` aborts first the connection is closed, whatever `work` waits for fails, and so does
   * this, with the signal's reason.
   */
  async during<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (signal.aborted) throw signal.reason;
    this.#socket.ref();
    const leave = () => this.#fail(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await work();
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
        if (this.#waiting <= AHEAD) this.#socket.resume();
        return chunk;
      }
      if (this.#fault !== null) throw this.#fault;
      if (this.#ended) return null;
      await new Promise<void>((wake) => this.#wake = wake);
    }
  }

  /** Resolves when there is room for more. @throws {EngineError} when it broke. */
  write(octets: Uint8Array): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      this.#socket.write(octets, (error) => {
        if (error) reject(this.#fault ?? new EngineError(wording(error)));
        else resolve();
      });
    });
  }

  /** No more from us; what it says may still be read. */
  end(): void {
    this.#socket.end();
  }

  /** At once, whatever is under way. */
  close(): void {
    this.#fail(new EngineError("the connection is closed"));
  }
  [Symbol.dispose](): void {
    this.close();
  }

  #fail(why: Error): void {
    this.#fault ??= why;
    this.#socket.destroy();
    this.#stir();
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
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

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "it broke the connection",
  EPIPE: "it broke the connection",
  ENOENT: "there is no such socket",
  EACCES: "its socket may not be used",
  ENOTFOUND: "its name has no address",
};

function wording(error: Error & { code?: string }): string {
  return WORDS[error.code ?? ""] ?? error.code ?? (error.message.slice(0, 200) || "the connection broke");
}
