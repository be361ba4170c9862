/**
 * One connection to a mail server: carries octets between a socket and the client engine, puts TLS on when they agree on
 * it, hands content over as fast as the peer takes it, and makes an outcome of every end that a peer can think of (case
 * 64). One write per batch; one sweep for all time limits. Non-job: where to (outbound_open.ts), when, what then.
 */
import type { Socket } from "node:net";
import { canonicalIp } from "../model/ip.ts";
import {
  type ClientEvent,
  ClientSession,
  type Envelope,
  found,
  type MailTransaction,
  type Outcome,
  type PeerExtensions,
  type SecuredChannel,
  type Wait,
} from "../smtp/client/mod.ts";
import type { Timed } from "./deadline.ts";
import { ContentFeed, type FeedHost, type OutboundContent } from "./outbound_content.ts";
import type {
  ConnectionEnds,
  OutboundSettings,
  OutboundTls,
  Security,
  TlsJudgement,
  TlsReached,
} from "./outbound_settings.ts";
import { readCertificate, serverEndPoint } from "./tls/certificate.ts";
import type { ServerPeer } from "./tls/client_tls.ts";

/** Ready for mail, or why not; `clear`: the same address is to be tried without TLS. */
export type Begun =
  | { readonly connection: OutboundConnection }
  | { readonly connection: null; readonly failure: Outcome; readonly clear: boolean };

/** After our last word: milliseconds till the socket is closed, whether the peer has read it or not. */
const PARTING_MS = 3000;

export class OutboundConnection implements Timed, FeedHost {
  /** Called once, when the connection is of no use any more. */
  onEnd: (() => void) | null = null;
  readonly #session: ClientSession;
  readonly #settings: OutboundSettings;
  readonly #raw: Socket;
  readonly #ends: ConnectionEnds;
  #socket: Socket;
  #begun: ((begun: Begun) => void) | null;
  #delivered: ((outcomes: readonly Outcome[]) => void) | null = null;
  #probed: ((alive: boolean) => void) | null = null;
  #settled: (() => void)[] = [];
  #feed: ContentFeed | null = null;
  #security: Security | null = null;
  #judged = false;
  #handshaking = false;
  #lost = false;
  /** It ends by our will: no word on the peer or its TLS. */
  #ours = false;
  /** In the place of what the engine found, where a judge said more. */
  #failure: Outcome | null = null;
  #clear = false;
  #deliveries = 0;
  #stale = false;
  /** When the peer got on last; monotonic. */
  #since = performance.now();
  #replies = 0;
  #partingTill = 0;
  readonly #ended = Promise.withResolvers<void>();

  private constructor(socket: Socket, settings: OutboundSettings, begun: (begun: Begun) => void) {
    if (settings.tls === null && settings.session.tls !== "never") throw new TypeError("TLS without its settings");
    this.#session = new ClientSession(settings.session);
    this.#raw = this.#socket = socket;
    this.#settings = settings;
    const receivingIp = settings.address.startsWith("/") ? null : settings.address;
    this.#ends = { sendingIp: receivingIp === null ? null : canonicalIp(socket.localAddress ?? ""), receivingIp };
    this.#begun = begun;
    settings.deadlines.add(this);
    this.#raw.on("close", () => this.#closed());
    if (settings.tls?.implicit) this.#handshake(settings.tls);
    else this.#listen(socket);
  }

  /**
   * Greets on a socket that nobody reads yet. An abort of the signal, which is only heard till mail can be sent, ends it.
   *
   * @throws {TypeError} when our host name is none, or TLS is wanted without its settings.
   */
  static async begin(socket: Socket, settings: OutboundSettings, signal?: AbortSignal): Promise<Begun> {
    const { promise, resolve } = Promise.withResolvers<Begun>();
    const connection = new OutboundConnection(socket, settings, resolve);
    if (signal === undefined) return await promise;
    const give = () => connection.destroy("given up");
    signal.addEventListener("abort", give, { once: true });
    if (signal.aborted) give();
    const begun = await promise;
    signal.removeEventListener("abort", give);
    return begun;
  }

  /** A transaction can be sent. */
  get usable(): boolean {
    return this.#session.ready && !this.#socket.destroyed;
  }
  /** Where it leads to: an IP address, or the path of a socket file. */
  get address(): string {
    return this.#settings.address;
  }
  /** Transactions so far. */
  get deliveries(): number {
    return this.#deliveries;
  }
  /** It had served before, and ended before the peer said yes to MAIL: the same transaction should have a new one. */
  get stale(): boolean {
    return this.#stale;
  }
  /** What the peer offers. */
  get peer(): PeerExtensions {
    return this.#session.peer;
  }
  /** Null without TLS. */
  get security(): Security | null {
    return this.#security;
  }
  /** The socket is closed. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * One outcome for each recipient, in their order. `content` is asked for at most once, when somebody is to have it, and
   * is not read further than the peer takes it. Ask only while it is `usable`.
   *
   * @throws {TypeError} when a command cannot be said; nothing was said then (case 67).
   */
  deliver(transaction: MailTransaction, content: () => OutboundContent): Promise<readonly Outcome[]> {
    this.#session.send(transaction);
    const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
    this.#deliveries++;
    this.#delivered = resolve;
    this.#feed = new ContentFeed(content, transaction.content.size, this);
    this.#go();
    return promise;
  }

  /**
   * Asks whether the recipients would be taken, and sends nothing: one outcome for each, in their order. The peer has to
   * forget the question before the connection is usable again: `settled` says when. Ask only while it is `usable`.
   *
   * @throws {TypeError} as `deliver`.
   */
  ask(envelope: Envelope): Promise<readonly Outcome[]> {
    this.#session.ask(envelope);
    const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
    this.#deliveries++;
    this.#delivered = resolve;
    this.#go();
    return promise;
  }

  /** Resolves when nothing is under way: it is usable then, or at its end. */
  settled(): Promise<void> {
    if (this.#session.ready || this.#session.closed) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  /** Whether the peer is there, asked of a connection that was idle. */
  probe(): Promise<boolean> {
    if (!this.usable) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#session.probe();
    this.#probed = resolve;
    this.#go();
    return promise;
  }

  /** Parts from the peer; resolves when the socket is closed. */
  quit(): Promise<void> {
    if (this.usable) {
      this.#session.quit();
      this.#go();
    } else if (!this.#session.closed) this.destroy("given up");
    return this.ended;
  }

  /** Ends it now; what was under way is for another time. */
  destroy(reason: string): void {
    this.#ours = true;
    this.#lose(reason, "4.3.2");
    this.#socket.destroy();
    this.#raw.destroy();
  }

  tick(now: number): void {
    if (this.#partingTill > 0) {
      if (now > this.#partingTill) this.#raw.destroy();
      return;
    }
    const { wait } = this.#session, reading = this.#feed?.reading === true;
    if (!reading && wait === null) return;
    const step = reading ? BLOCK : wait!;
    if (now - this.#since <= (this.#settings.patience?.(step) ?? step.seconds * 1000)) return;
    if (reading) this.contentFailed("it did not come in time");
    else if (this.#handshaking) this.#raw.destroy();
    else {this.#lose(
        step.for === "block" ? "The server took the content too slowly" : "The server gave no answer in time",
      );}
  }

  // ---- the socket ---------------------------------------------------------------------------------------------------

  #listen(socket: Socket): void {
    socket.on("data", ({ buffer, byteOffset, length }) => this.#data(new Uint8Array(buffer, byteOffset, length)));
    socket.on("end", () => this.#gone(CLOSED));
    socket.on("close", () => this.#gone(CLOSED));
    socket.on("error", (error: Error & { code?: string }) => {
      this.#gone(`The connection broke: ${error.code ?? error.message}`);
    });
    socket.on("drain", () => {
      this.#since = performance.now();
      this.#feed?.drained();
    });
    if (socket.destroyed || socket.readableEnded) this.#gone(CLOSED);
    else socket.resume();
  }

  /** How a handshake failed is said by the handshake itself. */
  #gone(reason: string): void {
    if (!this.#handshaking) this.#lose(reason);
  }

  #data(octets: Uint8Array): void {
    if (this.#lost || this.#handshaking) return;
    this.#session.receive(octets);
    this.#go();
  }

  /** The raw socket is no more. */
  #closed(): void {
    this.#gone(CLOSED);
    this.#settings.deadlines.remove(this);
    this.#socket.destroy();
    this.#ended.resolve();
  }

  /** Everybody who waits learns it. */
  #lose(reason: string, status: `4.${number}.${number}` = "4.4.2"): void {
    if (this.#session.closed || this.#lost) return;
    this.#lost = true;
    this.#handshaking = false;
    this.#session.lost(reason, status);
    this.#go();
  }

  contentFailed(reason: string): void {
    this.#ours = true;
    this.#lose(`The content could not be read: ${reason}`, "4.3.0");
  }

  flush(): boolean {
    const output = this.#session.takeOutput(), socket = this.#socket;
    if (output.length === 0) return !socket.writableNeedDrain;
    this.#since = performance.now();
    return socket.write(output);
  }

  // ---- the engine ---------------------------------------------------------------------------------------------------

  #go(): void {
    const session = this.#session;
    for (let event = session.next(); event !== null; event = session.next()) this.#handle(event);
    if (session.replies !== this.#replies) {
      this.#replies = session.replies;
      this.#since = performance.now();
    }
    // What is held while content is read goes out with it
    if (!session.closed && !this.#handshaking && this.#feed?.reading !== true) this.flush();
  }

  #handle(event: ClientEvent): void {
    if (event.type === "ready") this.#ready();
    else if (event.type === "content") this.#feed?.wanted(event.sink);
    else if (event.type === "done") this.#done(event.outcomes);
    else if (event.type === "login") this.#logIn();
    else if (event.type === "starttls") this.#startTls();
    else this.#close(event.failure);
  }

  #ready(): void {
    if (this.#begun !== null) {
      if (!this.#goesInClear()) return;
      this.#begun({ connection: this });
      this.#begun = null;
    }
    this.#probed?.(true);
    this.#probed = null;
    this.#settle();
  }

  #settle(): void {
    for (const tell of this.#settled.splice(0)) tell();
  }

  #logIn(): void {
    if (this.#goesInClear()) this.#session.logIn().then(() => this.#go());
  }

  #done(outcomes: readonly Outcome[]): void {
    this.#feed?.stop();
    this.#feed = null;
    this.#stale = this.#deliveries > 1 && this.#session.closed && !this.#ours && outcomes.every(beforeMail);
    const resolve = this.#delivered;
    this.#delivered = null;
    resolve?.(outcomes);
  }

  #close(failure: Outcome | null): void {
    this.#part();
    this.#probed?.(false);
    this.#probed = null;
    this.#settle();
    if (this.#begun !== null) {
      const said = failure ?? GONE;
      if (said.phase === "starttls" && !this.#judged && !this.#ours) this.#judgeRefusal(said);
      this.#begun({ connection: null, failure: this.#failure ?? said, clear: this.#clear });
      this.#begun = null;
    }
    this.onEnd?.();
  }

  /** The last word goes out, then the socket is closed; a peer that does not take it has a moment. */
  #part(): void {
    const output = this.#session.takeOutput(), socket = this.#socket;
    this.#partingTill = performance.now() + PARTING_MS;
    if (this.#lost || socket.destroyed) {
      socket.destroy();
      this.#raw.destroy();
      return;
    }
    if (output.length > 0) socket.write(output);
    socket.destroySoon();
    if (socket !== this.#raw) socket.once("close", () => this.#raw.destroy());
  }

  // ---- TLS ----------------------------------------------------------------------------------------------------------

  #startTls(): void {
    const socket = this.#raw;
    for (const name of ["data", "end", "drain"]) socket.removeAllListeners(name);
    socket.pause();
    const early = socket.read() as Uint8Array | null;
    if (early !== null) { // octets in clear that would seem to have come through TLS                       case 63
      this.#session.receive(early);
      return;
    }
    this.#handshake(this.#settings.tls!);
  }

  #handshake(tls: OutboundTls): void {
    this.#handshaking = true;
    this.#since = performance.now();
    tls.client.handshake(this.#raw, tls.serverName).then(
      (peer) => this.#secured(peer),
      (error: Error) => {
        if (!this.#handshaking) return; // ended by us
        this.#handshaking = false;
        const text = error.message.slice(0, 200);
        this.#judge({ kind: "failed", text });
        this.#lose(`The TLS handshake failed: ${text}`, "4.7.5");
      },
    );
  }

  #secured(peer: ServerPeer): void {
    if (!this.#handshaking) return void peer.socket.destroy(); // given up meanwhile
    this.#handshaking = false;
    this.#socket = peer.socket;
    const { version, cipher } = peer, { next, strength } = this.#judge({ kind: "secured", peer });
    if (next !== "send") return this.#lose("The server is not who it should be", "4.7.5");
    this.#security = { version, cipher, strength };
    this.#session.secured(this.#channel(peer, strength));
    this.#listen(peer.socket);
    this.#go();
  }

  /** What a login may build on. */
  #channel(peer: ServerPeer, strength: TlsJudgement["strength"]): SecuredChannel {
    const bindings = new Map<string, Uint8Array>();
    if (this.#settings.session.login !== undefined) {
      try {
        const [own] = peer.chain();
        const endPoint = own === undefined ? null : serverEndPoint(readCertificate(own)); //             RFC 5929 4
        if (endPoint !== null) bindings.set("tls-server-end-point", endPoint);
      } catch {
        // a certificate that cannot be read binds nothing
      }
    }
    return { trusted: strength === "verified", bindings, certificate: false };
  }

  /** True when there is TLS, or nobody minds that there is none; else the connection is at its end. */
  #goesInClear(): boolean {
    const { session, tls } = this.#settings;
    if (this.#session.secure || session.tls === "never" || tls === null || this.#judged) return true;
    const reached: TlsReached = this.#session.peer.has("STARTTLS")
      ? { kind: "refused", text: "another reply than 220" }
      : { kind: "missing" };
    if (this.#judge(reached).next === "send") return true;
    this.#lose("TLS is required, and the server has none", "4.7.4");
    return false;
  }

  /** The engine ended it at STARTTLS: it was required and is not there, or something went wrong before the handshake. */
  #judgeRefusal(failure: Outcome): void {
    if (this.#settings.tls === null) return;
    if (failure.reply !== null && failure.reply.code !== 421) this.#judge({ kind: "refused", text: failure.text });
    else if (failure.status === "4.7.4") this.#judge({ kind: "missing" });
    else if (this.#lost || failure.reply !== null) this.#judge({ kind: "failed", text: failure.text });
  }

  #judge(reached: TlsReached): TlsJudgement {
    let judgement: TlsJudgement;
    try {
      judgement = this.#settings.tls!.judge(reached, this.#ends);
    } catch (error) { // a defect of the judge's: no mail goes where nobody knows whether it may
      judgement = { next: "refuse", strength: "none", reply: null };
      this.#failure = found("defer", "4.3.0", `TLS could not be judged: ${(error as Error).message}`, "starttls");
    }
    const { next, reply } = judgement;
    this.#judged = true;
    this.#clear = next === "clear";
    if (reply !== null) this.#failure = found(reply.verdict, reply.status, reply.text, "starttls");
    return judgement;
  }
}

const BLOCK: Wait = { for: "block", seconds: 180 };
const CLOSED = "The server closed the connection";
const GONE = found("defer", "4.4.2", CLOSED, "greeting");

function beforeMail({ verdict, phase }: Outcome): boolean {
  return verdict === "defer" && (phase === "mail" || phase === "reset" || phase === "envelope");
}
