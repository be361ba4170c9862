/**
 * Mail servers in this process for clients under test: our own engine on a socket, which keeps what it accepts, and a
 * peer that does with each connection what the test says. Non-job: the server as its users have it (server.ts).
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Address } from "../../core/model/address.ts";
import { accept, reject, type Reply } from "../../core/model/reply.ts";
import { Deadlines } from "../../core/net/deadline.ts";
import { type Host, Inbound, type InboundOptions } from "../../core/net/inbound.ts";
import type { ServerTls } from "../../core/net/tls/server_tls.ts";
import type { Asking } from "../../core/smtp/events.ts";
import { type ServerOptions, ServerSession } from "../../core/smtp/server.ts";
import { concat } from "../../core/model/octets.ts";
import { LIMITS, serverOptions } from "./engine.ts";

/** A socket file, or an address; a free port of 127.0.0.1 where nothing is said. */
export interface Place {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
}

export interface SinkOptions extends Place {
  readonly engine?: Partial<ServerOptions>;
  readonly tls?: ServerTls;
  readonly implicitTls?: boolean;
  /** What a recipient is told (default: as the class says). */
  readonly rcpt?: (address: Address) => Reply;
  /** Called with each piece of content. */
  readonly take?: (chunk: Uint8Array) => void | Promise<void>;
}

/** Listens, counts, and closes all at the end. */
export abstract class LocalServer implements AsyncDisposable {
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly server: Server;

  constructor() {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on("error", () => {}).once("close", () => this.sockets.delete(socket));
      this.connected(socket);
    });
  }
  abstract connected(socket: Socket): void;

  listen({ path, host = "127.0.0.1", port = 0 }: Place): Promise<void> {
    return new Promise((resolve) => {
      if (path === undefined) this.server.listen({ host, port }, resolve);
      else this.server.listen({ path }, resolve);
    });
  }
  get port(): number {
    return (this.server.address() as { port: number }).port;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

/** Recipients whose local part begins with "no" do not exist; everything else is taken. */
export class MailSink extends LocalServer {
  readonly messages: Uint8Array[] = [];
  readonly identities: string[] = [];
  readonly #options: SinkOptions;

  private constructor(options: SinkOptions) {
    super();
    this.#options = options;
  }

  static async open(options: SinkOptions = {}): Promise<MailSink> {
    const sink = new MailSink(options);
    await sink.listen(options);
    return sink;
  }

  connected(socket: Socket): void {
    const { engine, tls, implicitTls = false, take, rcpt = known } = this.#options, { messages } = this;
    const session = new ServerSession(serverOptions({ ...engine, limits: { ...LIMITS, size: 10_000_000 } }));
    let pieces: Uint8Array[] = [], recipients = 0;
    const host: Host = {
      ask(event: Asking): Reply | readonly Reply[] {
        if (event.type === "mail") recipients = 0;
        if (event.type === "content") pieces = [];
        if (event.type === "rcpt") {
          const reply = rcpt(event.address);
          if (reply.verdict !== "accept") return reply;
          recipients++;
        }
        if (event.type !== "message") return accept();
        messages.push(concat(pieces));
        return engine?.lmtp ? Array.from({ length: recipients }, () => accept()) : accept();
      },
      body(chunk) {
        pieces.push(chunk.slice());
        return take?.(chunk);
      },
      secured() {},
      spoiled() {},
      reset() {},
      refused() {},
      failed(error) {
        throw error;
      },
      gone() {},
    };
    serve(socket, session, host, { tls: tls ?? null, implicitTls });
  }
}

function known({ local }: Address): Reply {
  return local.startsWith("no") ? reject("5.1.1", "No such user") : accept();
}

/** A session of our engine on a socket, with all the time in the world. */
export function serve(
  socket: Socket,
  session: ServerSession,
  host: Host,
  tls: Pick<InboundOptions, "tls" | "implicitTls"> = { tls: null, implicitTls: false },
): void {
  new Inbound(socket, session, host, {
    ...tls,
    deadlines: new Deadlines(),
    handshakeTimeout: 60_000,
    commandTimeout: 60_000,
    crowdedTimeout: 60_000,
    crowded: () => false,
    contentTimeout: 60_000,
    minimumRate: 0,
    rateWindow: 60_000,
  });
}

/** What a hand-made peer says and does; `lines` are those that the client said, without CRLF. */
export type Behaviour = (peer: HandmadePeer, index: number) => void | Promise<void>;

export class HandmadePeer {
  #text = "";
  #wake: (() => void) | null = null;
  ended = false;
  constructor(readonly socket: Socket) {
    socket.on("data", (chunk: Uint8Array) => this.#more(new TextDecoder("latin1").decode(chunk)));
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
  }
  #more(text: string): void {
    this.#text += text;
    this.#wake?.();
  }
  #end(): void {
    this.ended = true;
    this.#wake?.();
  }

  /** Waits till the client has said this; what stands behind it is left. Null when it has left instead. */
  async hear(wanted: string): Promise<string | null> {
    for (;;) {
      const at = this.#text.indexOf(wanted);
      if (at >= 0) {
        const heard = this.#text.slice(0, at + wanted.length);
        this.#text = this.#text.slice(at + wanted.length);
        return heard;
      }
      if (this.ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
  /** Answers a command; null when the client has left. */
  async answer(command: string, reply: string): Promise<string | null> {
    const heard = await this.hear(command);
    if (heard !== null) this.say(reply);
    return heard;
  }
  say(text: string): void {
    if (!this.socket.destroyed) this.socket.write(`${text}\r\n`);
  }
}

export class HandmadeServer extends LocalServer {
  private constructor(readonly behaviour: Behaviour) {
    super();
  }
  static async open(behaviour: Behaviour, place: Place = {}): Promise<HandmadeServer> {
    const server = new HandmadeServer(behaviour);
    await server.listen(place);
    return server;
  }
  connected(socket: Socket): void {
    void this.behaviour(new HandmadePeer(socket), this.connections - 1);
  }
}
