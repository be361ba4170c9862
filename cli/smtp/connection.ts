/**
 * A client's connection, in clear or in TLS: lines in, octets out, bounded in size and in time.
 * Non-job: what the lines mean (dialogue.ts). RFC 3207, RFC 8314.
 */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { TcpAddress, UnixAddress } from "../../core/config/config.ts";

/** The server cannot be reached, cannot be trusted, broke the protocol, or left. */
export class DialogueError extends Error {
  override readonly name = "DialogueError";
}

/** The server's certificate is not what it must be. */
export class UntrustedError extends DialogueError {}

/** How to speak TLS with a server. */
export interface TlsOptions {
  /** Name or address that we ask for (SNI) and that its certificate must have. */
  readonly name: string;
  /** Certificates of authorities, PEM, instead of those that the runtime trusts. */
  readonly ca?: string | undefined;
  /** Take any certificate. */
  readonly insecure?: boolean | undefined;
  /** Our own certificate and its key, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

const MAX_LINE = 4096; // a reply line has at most 512 octets (RFC 5321 4.5.3.1.5); we are kinder
const MAX_UNREAD = 64 * 1024;
const WAIT = 300_000; // RFC 5321 4.5.3.2
const HANDSHAKE = 60_000;

export class SmtpConnection implements Disposable {
  #socket: Socket;
  #tls: TLSSocket | null = null;
  #decoder = new TextDecoder();
  #unread = "";
  #certificate = false;
  #end: DialogueError | null = null;
  /** Of whoever waits for octets or for the end. */
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#attend(socket);
  }

  /** @throws {DialogueError} when nobody answers. */
  static async open(address: TcpAddress | UnixAddress): Promise<SmtpConnection> {
    const socket = connect("path" in address ? { path: address.path } : { host: address.host, port: address.port });
    const connection = new SmtpConnection(socket);
    await connection.#until("connect", socket, WAIT);
    socket.setNoDelay(true);
    return connection;
  }

  /** Whether we have shown a certificate of ours. */
  get certificate(): boolean {
    return this.#certificate;
  }

  /** The TLS session, or null in clear. */
  get tls(): TLSSocket | null {
    return this.#tls;
  }

  /**
   * Speaks TLS from here on.
   *
   * @throws {DialogueError} when the handshake fails, or when octets in clear have come already: whoever sent them wants
   * them read as if they were protected (RFC 3207 4.2 for servers, and the same holds for us).
   */
  async secure(options: TlsOptions): Promise<void> {
    const bare = this.#socket;
    bare.removeListener("data", this.#take).pause();
    if (this.#unread !== "") {
      throw new DialogueError(`sent ${JSON.stringify(this.#unread.slice(0, 80))} in clear where TLS was to begin`);
    }
    const secured = connectTls({ ...tlsOptions(options), socket: bare });
    this.#socket = this.#tls = secured;
    this.#certificate = options.cert !== undefined;
    this.#decoder = new TextDecoder();
    this.#attend(secured);
    await this.#until("secureConnect", secured, HANDSHAKE);
  }

  /** Where the connection ends meanwhile, `line` tells: the server may have said why. */
  async write(octets: Uint8Array): Promise<void> {
    if (this.#end !== null) return;
    const written = new Promise<void>((resolve) => this.#socket.write(octets, () => resolve()));
    await within(Promise.race([written, this.#ended()]), WAIT);
  }

  /** The next line without its end. @throws {DialogueError} when there is none. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf("\n");
      if ((end < 0 ? this.#unread.length : end) > MAX_LINE) {
        throw new DialogueError("the server sends a line without an end");
      }
      if (end >= 0) {
        const line = this.#unread.slice(0, end).replace(/\r$/, "");
        this.#unread = this.#unread.slice(end + 1);
        return line;
      }
      if (this.#end !== null) throw this.#end;
      const more = new Promise<void>((resolve) => this.#wake = resolve);
      this.#socket.resume();
      await within(more, WAIT);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #attend(socket: Socket): void {
    socket.on("data", this.#take);
    socket.on("error", (error: Error & { code?: string }) => this.#over(reasonOf(error)));
    socket.on("end", () => this.#over(new DialogueError("the server closed the connection")));
    socket.on("close", () => this.#over(new DialogueError("the server closed the connection")));
  }

  readonly #take = (octets: Uint8Array): void => {
    this.#unread += this.#decoder.decode(octets, { stream: true });
    if (this.#unread.length > MAX_UNREAD) this.#socket.pause(); // until somebody wants a line
    this.#wake();
  };

  #over(why: DialogueError): void {
    this.#end ??= why;
    this.#wake();
  }

  /** Resolves when the connection ends. Only one at a time waits, for octets or for the end. */
  #ended(): Promise<void> {
    return new Promise((resolve) => this.#wake = () => this.#end !== null && resolve());
  }

  async #until(event: string, socket: Socket, milliseconds: number): Promise<void> {
    const happened = new Promise<void>((resolve) => socket.once(event, () => resolve()));
    await within(Promise.race([happened, this.#ended()]), milliseconds);
    if (this.#end !== null) throw this.#end;
  }
}

function tlsOptions({ name, ca, insecure, cert, key }: TlsOptions): ConnectionOptions {
  return {
    ...isIP(name) ? { host: name } : { host: name, servername: name }, // RFC 6066 3: no address stands in SNI
    ...ca === undefined ? {} : { ca },
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    rejectUnauthorized: insecure !== true,
    minVersion: "TLSv1.2", // RFC 8996
  };
}

/** What the handshake says of a certificate that is not to be trusted. */
const UNTRUSTED = /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_|INVALID_CA|UNTRUSTED)/;

function reasonOf({ code = "", message }: Error & { code?: string }): DialogueError {
  if (code === "ECONNREFUSED") return new DialogueError("nobody listens there; is the server running?");
  if (code === "ENOENT") return new DialogueError("there is no such socket; is the server running?");
  if (code === "ENOTFOUND") return new DialogueError("there is no such host");
  const text = message.replace(/\s+/g, " ") || code || "the connection broke";
  return UNTRUSTED.test(code) ? new UntrustedError(text) : new DialogueError(text);
}

async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DialogueError("the server did not answer in time")), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
