/**
 * The client side of SMTP and LMTP without I/O: octets in, events out; requests in, octets out (RFC 5321, RFC 2033,
 * RFC 2920, RFC 3030, RFC 3207, RFC 4954). Believes nothing that it is told. Must not know: sockets, TLS, time, the queue.
 *
 *     session.receive(octets); while ((event = session.next()) !== null) { ... session.send(transaction) ... }
 *     socket.write(session.takeOutput())
 *
 * `wait` says what the host waits for meanwhile and how long; when that is over, or the connection is, it says `lost`.
 */
import { Input } from "../input.ts";
import { SaslFailed } from "../sasl/client/mod.ts";
import type { ClientEvent } from "./events.ts";
import { type ClientOptions, Line } from "./line.ts";
import { Login, type SecuredChannel } from "./login.ts";
import { OpenTransaction } from "./open_transaction.ts";
import { found, type Outcome, said, saidForNow } from "./outcome.ts";
import { PeerExtensions } from "./peer_extensions.ts";
import { PeerReply } from "./peer_reply.ts";
import { Malformed, ReplyReader } from "./reply_reader.ts";
import { answers, type Step, type Wait, waitFor } from "./steps.ts";
import type { Envelope, Inquiry, MailTransaction } from "./transaction.ts";

/**
 * `opening`: till mail can be sent. `handshake`: the host puts TLS on. `ready`: nothing is under way. `sending`: a
 * transaction is. `probing`: RSET was said outside one. `parting`: QUIT was said.
 */
type State = "opening" | "handshake" | "ready" | "sending" | "probing" | "parting" | "closed";

export class ClientSession {
  readonly #line: Line;
  readonly #input = new Input();
  readonly #reader = new ReplyReader();
  #state: State = "opening";
  #channel: SecuredChannel | null = null;
  #verb: "EHLO" | "HELO" | "LHLO";
  #tlsRefused = false;
  #login: Login | null = null;
  #challenge: PeerReply | null = null;
  #open: OpenTransaction | null = null;
  /** The peer may have a transaction open. */
  #dirty = false;
  #mails = 0;
  /** The peer takes no more of us in this session. */
  #spent = false;
  #replies = 0;

  /** @throws {TypeError} when the host name is none (case 67). */
  constructor(options: ClientOptions) {
    this.#line = new Line(options);
    this.#verb = options.lmtp ? "LHLO" : "EHLO";
  }

  /** What the peer offers, as it said last. */
  get peer(): PeerExtensions {
    return this.#line.peer;
  }
  /** TLS is on. */
  get secure(): boolean {
    return this.#line.secure;
  }
  /** We have logged in. */
  get identified(): boolean {
    return this.#line.identified;
  }
  /** Whole replies so far: only these show that the peer gets on, not the octets that trickle in. */
  get replies(): number {
    return this.#replies;
  }
  /** True when `send`, `ask`, `probe` and `quit` are in order. */
  get ready(): boolean {
    return this.#state === "ready";
  }
  /** Nothing more will be said. */
  get closed(): boolean {
    return this.#state === "closed";
  }
  /** What the peer or the host owes; null when nobody owes anything. One value for the same kind of wait. */
  get wait(): Wait | null {
    const step = this.#owed;
    return step === null ? null : waitFor(step);
  }
  get #owed(): Step | null {
    const [first] = this.#line.awaited;
    if (first !== undefined) return first;
    if (this.#state === "handshake") return "starttls";
    return this.#open?.wantsContent ? "block" : null;
  }

  /** Takes octets of the peer, and keeps a view of them till `next` gave null: do not write to them before. */
  receive(octets: Uint8Array): void {
    if (this.#state === "closed" || octets.length === 0) return;
    if (this.#state === "handshake") return this.#injected();
    this.#input.add(octets);
  }

  /** What came of the input so far; null when it takes more octets to go on. */
  next(): ClientEvent | null {
    const { told } = this.#line;
    for (;;) {
      if (told.length > 0) return told.shift()!;
      if (this.#state === "closed" || this.#state === "handshake") return null;
      const reply = this.#reader.read(this.#input);
      if (reply === null) return null;
      this.#replies++;
      this.#replied(reply);
    }
  }

  /** What to write to the peer now, one buffer per batch; empty when nothing. It is the host's. */
  takeOutput(): Uint8Array {
    return this.#line.output.take();
  }

  // ---- requests -----------------------------------------------------------------------------------------------------

  /**
   * TLS is on: whatever was learned before it is forgotten (RFC 3207 4.2). Before the first `next` it means that TLS came
   * first (RFC 8314 3).
   */
  secured(channel: SecuredChannel): void {
    const line = this.#line, early = this.#state === "opening" && line.awaited[0] === "greeting";
    if (line.secure || !early && this.#state !== "handshake") throw new Error("no TLS was to begin");
    line.secure = true;
    this.#channel = channel;
    if (early) return;
    line.peer = PeerExtensions.NONE;
    this.#state = "opening";
    this.#sayHello();
  }

  /** Does what the event `login` asks for. Never rejects. */
  async logIn(): Promise<void> {
    const login = this.#login, challenge = this.#challenge;
    if (login === null) throw new Error("no login was to go on");
    const alive = () => this.#login === login && this.#state === "opening";
    try {
      const line = await login.say(challenge);
      if (alive()) this.#line.say("auth", `${line}\r\n`);
    } catch (error) {
      if (!alive()) return;
      if (challenge !== null) this.#line.output.text("*\r\n"); //                    cancels             RFC 4954 4
      const why = error instanceof SaslFailed ? error.message : "The login could not go on";
      this.#giveUp(found("defer", "4.7.0", why, "auth"), { polite: challenge === null });
    }
  }

  /**
   * Begins a transaction. Who cannot have the message from this peer is told so in `done`, and not a word is said of them.
   *
   * @throws {TypeError} when an address or a parameter has what no command can; nothing was said then (case 67).
   */
  send(transaction: MailTransaction): void {
    this.#begin(transaction);
  }

  /**
   * Asks whether the recipients would be taken: MAIL, RCPT for each, and RSET once all have their answer; never DATA or
   * BDAT. `done` comes before RSET is said, `ready` when it is answered.
   *
   * @throws {TypeError} as `send`.
   */
  ask({ sender, recipients, parameters }: Envelope): void {
    this.#begin({ sender, recipients, parameters, content: null });
  }

  #begin(transaction: Inquiry): void {
    this.#demandReady();
    const open = new OpenTransaction(transaction, this.#line, this.#dirty);
    this.#open = open;
    this.#state = "sending";
    if (open.counts) this.#mails++;
    this.#advance(open);
  }

  /** Asks a peer that was idle for some time whether it is there: `ready` again, or `close`. */
  probe(): void {
    this.#demandReady();
    this.#state = "probing";
    this.#line.say("reset", "RSET\r\n");
  }

  /** Parts from the peer: `close` follows. */
  quit(): void {
    this.#demandReady();
    this.#state = "parting";
    this.#line.say("quit", "QUIT\r\n");
  }

  /** The connection is no more, or must be no more: closed, broken, too slow, a handshake that failed. */
  lost(reason: string, status: `4.${number}.${number}` = "4.4.2"): void {
    if (this.#state === "parting") return this.#close(null);
    this.#giveUp(found("defer", status, reason, this.#owed ?? "envelope"), { unanswered: true });
  }

  #demandReady(): void {
    if (this.#state !== "ready") throw new Error(`nothing can be asked of a session that is ${this.#state}`);
  }

  // ---- replies ------------------------------------------------------------------------------------------------------

  #replied(reply: PeerReply | Malformed): void {
    if (reply instanceof Malformed) return this.#distrust(reply.why);
    const { awaited } = this.#line, [step] = awaited;
    if (step === undefined) return this.#unasked(reply);
    if (!answers(reply.code, step)) return this.#distrust(`${reply.code} as an answer to ${COMMANDS[step]}`);
    awaited.shift();
    if (reply.code === 421 && step !== "quit") return this.#left(step, reply);
    switch (step) {
      case "greeting":
        return reply.verdict === "accept" ? this.#sayHello() : this.#giveUp(said(reply, step), { polite: true });
      case "hello":
        return this.#greeted(reply);
      case "starttls":
        return this.#upgrade(reply);
      case "auth":
        return this.#loginReplied(reply);
      case "quit":
        return this.#close(null);
      case "reset":
        if (reply.verdict !== "accept") return this.#giveUp(saidForNow(reply, step), { polite: true });
    }
    const open = this.#open;
    if (open === null) {
      this.#dirty = false;
      return this.#beReady();
    }
    const fault = open.replied(step, reply);
    if (fault !== null) return this.#distrust(fault);
    if (reply.code === 354 && this.#talkedAhead()) return; // what came before the content is no answer to it
    this.#advance(open);
  }

  /** Whether the peer has said more than it was asked for: an answer to what is not said yet would be anybody's. */
  #talkedAhead(): boolean {
    if (this.#input.left === 0) return false;
    const rest = this.#reader.read(this.#input);
    if (rest instanceof PeerReply) this.#unasked(rest);
    else this.#distrust(rest?.why ?? "a part of a reply where nothing was asked");
    return true;
  }

  /** 421 at any step: the peer goes (RFC 5321 3.8). It answers the step, and ends all that follows. */
  #left(step: Step, reply: PeerReply): void {
    this.#open?.replied(step, reply);
    this.#giveUp(said(reply, step), { unanswered: step === "dot" });
  }

  /** A reply to nothing: the peer goes, does not want the rest of the content, or is not to be trusted. */
  #unasked(reply: PeerReply): void {
    if (reply.code === 421 || reply.code >= 400 && this.#open !== null) {
      return this.#giveUp(said(reply, this.#owed ?? "envelope")); // and the content ends without a dot
    }
    this.#distrust(`${reply.code} where nothing was asked`);
  }

  #sayHello(): void {
    this.#line.say("hello", `${this.#verb} ${this.#line.options.hostname}\r\n`);
  }

  #greeted(reply: PeerReply): void {
    if (reply.verdict === "accept") {
      if (this.#verb !== "HELO") this.#line.peer = new PeerExtensions(reply.lines.slice(1));
      return this.#introduced();
    }
    // 521 says that there is no mail here, whatever the greeting                                          RFC 7504 3
    if (reply.verdict === "defer" || reply.code === 521 || this.#verb !== "EHLO") {
      return this.#giveUp(said(reply, "hello"), { polite: true });
    }
    this.#verb = "HELO"; //                                                it knows no EHLO              RFC 5321 3.2
    this.#sayHello();
  }

  /** What comes between EHLO and mail: TLS, the login. */
  #introduced(): void {
    const { tls, login } = this.#line.options, { peer } = this.#line;
    if (!this.#line.secure && tls !== "never" && !this.#tlsRefused) {
      if (peer.has("STARTTLS")) return this.#line.say("starttls", "STARTTLS\r\n");
      if (tls === "required") return this.#giveUp(NO_TLS, { polite: true });
    }
    if (login === undefined) return this.#beReady();
    this.#login = new Login(login, peer.mechanisms, this.#channel);
    this.#line.told.push({ type: "login" });
  }

  #upgrade(reply: PeerReply): void {
    if (reply.verdict === "accept") {
      if (this.#input.left > 0) return this.#injected();
      this.#state = "handshake";
      this.#line.told.push({ type: "starttls" });
    } else if (this.#line.options.tls === "required") {
      this.#giveUp({ ...saidForNow(reply, "starttls"), status: "4.7.4" }, { polite: true });
    } else {
      this.#tlsRefused = true;
      this.#introduced();
    }
  }

  /** Octets in clear behind the 220 would seem to have come through TLS: the attempt ends (case 63, RFC 3207 4.2). */
  #injected(): void {
    this.#giveUp(found("defer", "4.7.0", "The server talked in clear where TLS was to begin", "starttls"));
  }

  #loginReplied(reply: PeerReply): void {
    if (reply.code === 334) {
      this.#challenge = reply;
      this.#line.told.push({ type: "login" });
      return;
    }
    // What the operator is to mend makes no mail undeliverable
    if (reply.verdict !== "accept") return this.#giveUp(saidForNow(reply, "auth"), { polite: true });
    if (!this.#login!.proven) {
      return this.#giveUp(found("defer", "4.7.0", "The server said yes without proving that it may", "auth"));
    }
    this.#login = this.#challenge = null;
    this.#line.identified = true;
    this.#beReady();
  }

  #advance(open: OpenTransaction): void {
    open.advance();
    if (!open.over) return;
    const { told, peer } = this.#line, { outcomes, tooManyDomains } = open.recipients;
    this.#open = null;
    this.#dirty = open.dirty;
    this.#spent = this.#mails >= peer.limits.mails || tooManyDomains; //                                   RFC 9422 4
    told.push({ type: "done", outcomes: outcomes as Outcome[] });
    if (open.inquires && open.dirty) this.#takeBack();
    else this.#beReady();
  }

  /** Nothing follows RCPT: the peer is to forget the transaction before anything else is said. */
  #takeBack(): void {
    if (this.#talkedAhead()) return;
    this.#state = "probing";
    this.#line.say("reset", "RSET\r\n");
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  #beReady(): void {
    this.#state = "ready";
    if (this.#talkedAhead()) return;
    if (this.#spent) this.quit();
    else this.#line.told.push({ type: "ready" });
  }

  /** Nobody knows what this peer takes for a command, or whose words these are: no more of it (case 62). */
  #distrust(why: string): void {
    if (this.#state === "parting") return this.#close(null);
    const text = `The server broke the protocol: ${why}`;
    this.#giveUp(found("defer", "4.5.0", text, this.#owed ?? "envelope"), { unanswered: true });
  }

  /** `polite`: the peer is told. `unanswered`: what was sent whole may be there all the same (case 64). */
  #giveUp(failure: Outcome, { polite = false, unanswered = false } = {}): void {
    if (this.#state === "closed") return;
    const open = this.#open;
    if (open !== null) {
      open.recipients.settle(unanswered && open.ended ? { ...failure, mayHaveArrived: true } : failure);
      open.abandon();
      this.#open = null;
      this.#line.told.push({ type: "done", outcomes: open.recipients.outcomes as Outcome[] });
    }
    if (polite) this.#line.output.text("QUIT\r\n"); // nobody waits for its answer: the next host is to be tried
    this.#close(failure);
  }

  #close(failure: Outcome | null): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#line.awaited = [];
    this.#login = null;
    this.#input.forget();
    this.#line.told.push({ type: "close", failure });
  }
}

const NO_TLS = found("defer", "4.7.4", "TLS is required, and the server does not offer it", "starttls");

const COMMANDS: Readonly<Record<Step, string>> = {
  greeting: "the connection",
  hello: "EHLO",
  starttls: "STARTTLS",
  auth: "AUTH",
  mail: "MAIL",
  rcpt: "RCPT",
  data: "DATA",
  block: "content",
  chunk: "BDAT",
  dot: "the end of the message",
  reset: "RSET",
  quit: "QUIT",
};
