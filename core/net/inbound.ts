/**
 * One connection: carries octets between a socket and the engine, and the engine's events to the reception. One write
 * per batch of input, reading stops while nobody can take more. TLS wraps the socket between two turns (RFC 3207,
 * RFC 8314 3.3). Must not know: SMTP words, plugins, storage, certificates.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { defer, type Reply } from "../model/reply.ts";
import type { TlsFacts } from "../pipeline/contexts/contexts.ts";
import type { Asking, Challenge } from "../smtp/events.ts";
import type { ServerSession } from "../smtp/server.ts";
import type { Deadlines, Timed } from "./deadline.ts";

/** What the engine can be answered. */
export type HostAnswer = Reply | readonly Reply[] | Challenge;

/** Who answers the engine. Synchronous where it can be: a promise costs. */
export interface Host {
  ask(event: Asking): HostAnswer | Promise<HostAnswer>;
  /** The TLS handshake is done: all that was learned before it is void. */
  secured(facts: TlsFacts, bindings: () => ReadonlyMap<string, Uint8Array>): void;
  body(chunk: Uint8Array): void | Promise<void>;
  /** The content is refused at its end: drop what was kept of it. */
  spoiled(): void;
  /** The transaction is over without a message. */
  reset(): void;
  refused(command: string, reply: Reply): void;
  /** Octets came before the greeting. */
  talks?(): void;
  /** A defect, of the engine or of this host: the session ends with 421. Must not throw. */
  failed(error: unknown): void;
  /** The connection is over; whatever was under way is void unless its commit has begun. */
  gone(reason: string): void;
}
/** The server side of TLS, certificates and all (tls/server_tls.ts). */
export interface TlsUpgrade {
  /** Takes a socket that nobody reads. Rejects when it came to nothing; both sockets are destroyed then. */
  handshake(socket: Socket): Promise<TLSSocket>;
  facts(socket: TLSSocket): TlsFacts;
  /** What a login can bind itself to (RFC 5929, RFC 9266). */
  bindings(socket: TLSSocket): ReadonlyMap<string, Uint8Array>;
}
export interface InboundOptions {
  /** Null where there is no TLS. */
  readonly tls: TlsUpgrade | null;
  /** TLS comes first (RFC 8314 3.3). */
  readonly implicitTls: boolean;
  /** Milliseconds for a whole handshake. */
  readonly handshakeTimeout: number;
  readonly deadlines: Deadlines;
  /** Milliseconds for one whole command. */
  readonly commandTimeout: number;
  /** At most that, and for content and a handshake too, while `crowded`: who is silent then makes room for who is not. */
  readonly crowdedTimeout: number;
  /** `own`: the client has logged in. */
  crowded(own: boolean): boolean;
  /** Milliseconds between two reads of content. */
  readonly contentTimeout: number;
  /** Octets a second that content must average over each `rateWindow`, milliseconds. */
  readonly minimumRate: number;
  readonly rateWindow: number;
}

/** Input that may wait for an answer before reading stops, octets. */
const INPUT_AHEAD = 64 * 1024;
/** Output that may wait for the peer before reading stops, octets. */
const OUTPUT_AHEAD = 64 * 1024;
/** After so many milliseconds with one peer's pipelined commands it is the others' turn. */
const SLICE_MS = 20;
/** Questions between two looks at the clock. */
const ASKS = 16;
/** After the last reply: how long and how much is read and thrown away, so that the peer gets to see it. */
const LINGER_MS = 3000, LINGER_OCTETS = 4 * 1024 * 1024;

export class Inbound implements Timed {
  #socket: Socket;
  readonly #session: ServerSession;
  readonly #host: Host;
  readonly #options: InboundOptions;
  #ended = false; // the peer has sent its FIN
  #over = false;
  #lingerUntil = 0;
  #lingered = 0;
  #stalled = 0; // reasons why reading is stopped
  #pumping = false;
  /** TLS is being agreed on: nothing else happens. */
  #handshaking = false;
  /** What came last, while the engine may hold a view of it. */
  #chunk: Uint8Array | null = null;
  #asked = 0;
  #sliceStart = 0;
  /** When the last reply was written, or the last content came; monotonic. */
  #since: number;
  #windowStart = 0;
  #windowOctets = 0;

  constructor(socket: Socket, session: ServerSession, host: Host, options: InboundOptions) {
    this.#socket = socket;
    this.#session = session;
    this.#host = host;
    this.#options = options;
    this.#since = performance.now();
    this.#guard(socket);
    options.deadlines.add(this);
    if (options.implicitTls) this.#handshake();
    else {
      this.#listen(socket);
      this.#pump();
    }
  }

  #guard(socket: Socket): void {
    socket.on("error", (error: Error & { code?: string }) => this.#finish(error.code ?? "socket error"));
    socket.on("close", () => this.#finish("peer left"));
  }
  #listen(socket: Socket): void {
    // A plain array: Buffer's slice() would give a view where a copy is meant
    socket.on("data", ({ buffer, byteOffset, length }) => this.#data(new Uint8Array(buffer, byteOffset, length)));
    socket.on("end", () => this.#end());
    socket.on("drain", () => this.#resume(OUTPUT));
  }

  /** New commands are 421 from now on, a message under way finishes. */
  drain(): void {
    if (this.#over) return;
    if (this.#handshaking) return this.destroy("shutting down"); // no message is under way
    this.#session.drain();
    this.#pump();
  }

  /** Cuts the connection now. */
  destroy(reason: string): void {
    this.#handshaking = false;
    this.#finish(reason);
    this.#socket.destroy();
  }

  tick(now: number): void {
    if (this.#lingerUntil > 0) {
      if (now >= this.#lingerUntil) this.#socket.destroy();
      return;
    }
    const { commandTimeout, crowdedTimeout, contentTimeout, minimumRate, rateWindow } = this.#options;
    const idle = now - this.#since, crowded = idle > crowdedTimeout && this.#options.crowded(this.#session.identified);
    if (this.#handshaking) {
      if (crowded || idle > this.#options.handshakeTimeout) this.destroy("TLS handshake took too long"); //   case 45
      return;
    }
    if (this.#session.waiting || this.#stalled & OURS) return; // it is our turn, not the peer's
    if (!this.#session.inContent) {
      if (crowded || idle > commandTimeout) this.#timeout("timeout");
      return;
    }
    if (crowded || idle > contentTimeout) return this.#timeout("timeout in the content");
    const window = now - this.#windowStart;
    if (window < rateWindow) return;
    if (this.#windowOctets < minimumRate * window / 1000) return this.#timeout("content too slow");
    this.#windowStart = now;
    this.#windowOctets = 0;
  }

  #timeout(reason: string): void {
    this.#session.close(defer("4.4.2", "Timeout", { code: 421 }), reason); //                                case 35
    this.#pump();
  }

  #data(chunk: Uint8Array): void {
    if (this.#lingerUntil > 0) {
      this.#lingered += chunk.length;
      release(chunk);
      if (this.#lingered > LINGER_OCTETS) this.#socket.destroy();
      return;
    }
    if (this.#over) return;
    if (this.#session.state === "greeting") this.#host.talks?.();
    const inContent = this.#session.inContent;
    this.#sliceStart = performance.now();
    const copied = this.#session.buffered > 0; // behind what waits: the engine has put both in a buffer of its own
    this.#session.receive(chunk);
    if (copied) {
      this.#letGo();
      release(chunk);
    } else this.#chunk = chunk;
    this.#pump();
    if (inContent) {
      this.#since = performance.now();
      this.#windowOctets += chunk.length;
    } else if (this.#session.inContent) this.#contentBegins();
  }

  /** The peer said all it has to say; it may still listen. */
  #end(): void {
    this.#ended = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#pumping || this.#over || this.#handshaking || this.#stalled & OURS) return;
    this.#pumping = true;
    let reason: string | null;
    try {
      reason = this.#turn();
    } catch (error) { // a defect of ours ends this session, never the process
      this.#failed(error);
      reason = DEFECT;
    }
    this.#pumping = false;
    if (reason !== null) return this.#hangUp(reason);
    if (this.#session.state === "handshake") return this.#startTls();
    this.#flush();
    const { waiting, buffered } = this.#session;
    if (buffered === 0) this.#letGo();
    if (waiting && buffered > INPUT_AHEAD) this.#stall(INPUT);
    else this.#resume(INPUT);
    if (this.#ended && !waiting && !(this.#stalled & OURS)) this.#hangUp(this.#where());
  }

  /** Events until somebody has to be waited for; the reason when the session is over. */
  #turn(): string | null {
    const session = this.#session, host = this.#host;
    for (;;) {
      if (this.#asked > ASKS && this.#yield()) return null;
      const event = session.next();
      if (event === null) return null;
      if (event.asks) {
        this.#asked++;
        const answer = host.ask(event);
        if (answer instanceof Promise) {
          this.#await(answer);
          return null;
        }
        session.answer(answer);
      } else if (event.type === "body") {
        const ready = host.body(event.chunk);
        if (ready instanceof Promise) {
          this.#stall(HOST);
          const resume = () => this.#resume(HOST);
          ready.then(resume, resume); // the writer remembers its fault
          return null;
        }
      } else if (event.type === "spoiled") host.spoiled();
      else if (event.type === "reset") host.reset();
      else if (event.type === "refused") host.refused(event.command, event.reply);
      else return event.reason;
    }
  }

  /** True when this peer has had its time and the others come first: promises alone let nobody else through. */
  #yield(): boolean {
    this.#asked = 0;
    if (performance.now() - this.#sliceStart < SLICE_MS) return false;
    this.#stall(SLICE);
    setTimeout(() => {
      this.#sliceStart = performance.now();
      this.#resume(SLICE);
    }, 0);
    return true;
  }

  // ---- TLS ----------------------------------------------------------------------------------------------------------

  /**
   * The 220 goes out in clear, then the socket is TLS's. It stays paused in between: what comes early must be read by
   * nobody else, or the handshake hangs.
   */
  #startTls(): void {
    const socket = this.#socket;
    this.#letGo();
    this.#handshaking = true;
    this.#since = performance.now();
    for (const event of ["data", "end", "drain"]) socket.removeAllListeners(event);
    socket.pause();
    socket.write(this.#session.takeOutput(), "latin1", (error) => {
      if (this.#over) return;
      if (error) this.destroy("peer left before TLS");
      else this.#handshake();
    });
  }

  #handshake(): void {
    const tls = this.#options.tls!;
    this.#handshaking = true;
    this.#stalled = 0;
    // No fall-back to clear text: a handshake that failed is the end (case 45)
    tls.handshake(this.#socket).then(
      (socket) => this.#secured(socket, tls),
      (error: Error) => this.destroy(`TLS handshake failed: ${error.message}`),
    );
  }

  #secured(socket: TLSSocket, tls: TlsUpgrade): void {
    if (this.#over || socket.destroyed) return void socket.destroy();
    this.#handshaking = false;
    this.#socket = socket;
    this.#guard(socket);
    this.#listen(socket);
    try {
      const facts = tls.facts(socket);
      this.#session.secured({ certificate: facts.certificate !== null });
      this.#host.secured(facts, () => tls.bindings(socket));
    } catch (error) {
      this.#host.failed(error);
      return this.destroy(DEFECT);
    }
    this.#since = performance.now();
    this.#pump();
  }

  #await(answer: Promise<HostAnswer>): void {
    answer.then((reply) => this.#answered(reply), (error) => { // the host promises never to reject
      this.#failed(error);
      this.#pump();
    });
  }

  #answered(reply: HostAnswer): void {
    if (this.#over || !this.#session.waiting) return; // gone meanwhile
    try {
      this.#session.answer(reply);
    } catch (error) {
      this.#failed(error);
    }
    if (this.#session.inContent) this.#contentBegins();
    this.#pump();
  }

  #failed(error: unknown): void {
    this.#host.failed(error);
    this.#session.close(LOCAL_ERROR, DEFECT);
  }

  #contentBegins(): void {
    this.#since = this.#windowStart = performance.now();
    this.#windowOctets = 0;
  }

  /** The engine is done with the last chunk, and the body's writer has copied what it wanted. */
  #letGo(): void {
    if (this.#chunk !== null) release(this.#chunk);
    this.#chunk = null;
  }

  #flush(): void {
    const output = this.#session.takeOutput();
    if (output === "" || this.#over) return;
    this.#since = performance.now();
    this.#socket.write(output, "latin1");
    if (this.#socket.writableLength > OUTPUT_AHEAD) this.#stall(OUTPUT);
  }

  #stall(why: number): void {
    if (this.#stalled === 0) this.#socket.pause();
    this.#stalled |= why;
  }
  #resume(why: number): void {
    if (!(this.#stalled & why)) return;
    this.#stalled &= ~why;
    if (this.#stalled === 0 && !this.#socket.destroyed) this.#socket.resume();
    if (!(why & OURS)) return;
    if (this.#session.inContent) this.#contentBegins(); // the peer need not make up for our time
    this.#pump();
  }

  #where(): string {
    return this.#session.inContent ? "peer left in the content" : "peer left";
  }

  /** The engine is done: the last reply goes out, then the connection ends, gently. */
  #hangUp(reason: string): void {
    const output = this.#session.takeOutput();
    if (this.#lingerUntil > 0 || this.#socket.destroyed) return this.#finish(reason);
    this.#lingerUntil = performance.now() + LINGER_MS;
    if (this.#stalled > 0) {
      this.#stalled = 0;
      this.#socket.resume();
    }
    this.#host.gone(reason);
    this.#over = true;
    if (output !== "") this.#socket.write(output, "latin1");
    this.#socket.end();
    if (this.#ended) this.#socket.destroySoon();
  }

  #finish(reason: string): void {
    if (this.#handshaking && reason === "peer left") return; // how it failed is said by the handshake itself
    this.#options.deadlines.remove(this);
    if (this.#over) return;
    this.#over = true;
    this.#host.gone(reason === "peer left" ? this.#where() : reason);
  }
}

/**
 * Gives the memory of octets back at once. The collector does not see the weight of what a socket reads: a peer that
 * floods would make the process grow by hundreds of megabytes of garbage.
 */
function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (chunk.length < WORTH_IT || chunk.length !== buffer.byteLength) return; // small, or a part of something shared
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
const WORTH_IT = 4096;

const DEFECT = "local error";
const LOCAL_ERROR = defer("4.3.0", "Local error", { code: 421 });
// Why reading is stopped.
const INPUT = 1, OUTPUT = 2, HOST = 4, SLICE = 8;
/** Those that end with our work: until then the engine rests. */
const OURS = HOST | SLICE;
