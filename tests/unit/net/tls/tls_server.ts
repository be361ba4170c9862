/**
 * A server that does nothing but TLS: upgrades each connection as it comes, says one line, echoes. Keeps what came of
 * each handshake. Non-job: SMTP.
 */
import { createServer, type Server, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { HandshakeError } from "../../../../core/net/tls/handshake.ts";
import type { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import type { TlsFacts } from "../../../../core/pipeline/contexts/contexts.ts";
import { waitFor } from "../../../support/wait.ts";

/** One handshake that succeeded. */
export interface Session {
  readonly facts: TlsFacts;
  readonly bindings: ReadonlyMap<string, Uint8Array>;
  readonly secured: TLSSocket;
  /** What the peer said. */
  text: string;
  readonly events: string[];
}

export class TlsServer implements AsyncDisposable {
  readonly sessions: Session[] = [];
  readonly failures: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(readonly tls: ServerTls) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void this.#accept(socket));
  }

  static async open(tls: ServerTls): Promise<TlsServer> {
    const server = new TlsServer(tls);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }
  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async #accept(socket: Socket): Promise<void> {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    let secured: TLSSocket;
    try {
      secured = await this.tls.handshake(socket);
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error;
      return void this.failures.push(error.message);
    }
    const session: Session = {
      facts: this.tls.facts(secured),
      bindings: this.tls.bindings(secured),
      secured,
      text: "",
      events: [],
    };
    secured.on("data", (chunk) => {
      session.text += new TextDecoder().decode(chunk);
      secured.write(chunk);
    });
    secured.on("end", () => session.events.push("end") && secured.end());
    secured.on("error", () => session.events.push("error"));
    secured.on("close", () => session.events.push("close"));
    secured.write("hello\r\n");
    this.sessions.push(session);
  }

  /** A TLS client of node:tls: resolves when it has read the greeting. */
  async client(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ host: "127.0.0.1", port: this.port, rejectUnauthorized: false, ...options });
    await new Promise<void>((resolve, reject) => {
      socket.once("data", () => resolve()).once("error", reject).once("close", () => reject(new Error("closed")));
    });
    socket.on("error", () => {});
    return socket;
  }

  /** Connects, hears the greeting, leaves; what the server made of it. */
  async visit(options: ConnectionOptions = {}): Promise<Session> {
    const before = this.sessions.length;
    const socket = await this.client(options);
    const session = await waitFor("the session", () => this.sessions[before]);
    socket.end();
    socket.destroy();
    await waitFor("the end of the session", () => session.secured.destroyed);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
