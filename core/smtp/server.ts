/**
 * The server side of SMTP and LMTP without I/O: octets in, events out; answers in, octets out (RFC 5321, RFC 2033,
 * RFC 2920, RFC 3030). Per command: check, ask the host, act. Must not know: sockets, plugins, storage, time.
 *
 *     session.receive(octets); while ((event = session.next()) !== null) { ... session.answer(reply) ... }
 *     socket.write(session.takeOutput())
 *
 * After an asking event `next` gives null until `answer` was called: input waits, in order, in one buffer.
 */
import type { BodyType } from "../model/envelope.ts";
import { defer, reject, Reply } from "../model/reply.ts";
import { Chunk } from "./chunk.ts";
import { AUTH_LINE, authResponse, lineLimit } from "./commands/auth.ts";
import { type Command, COMMANDS } from "./commands/mod.ts";
import { ContentReader } from "./content_reader.ts";
import { contentRefusal } from "./content_refusal.ts";
import { demanded } from "./demands.ts";
import type { Dialogue, ServerOptions } from "./dialogue.ts";
import { type Asking, Challenge, type ServerEvent } from "./events.ts";
import { type Extensions, STRANGER } from "./extensions.ts";
import { FOREIGN, OTHERS_VERBS } from "./foreign.ts";
import { Input } from "./input.ts";
import { readLine } from "./line_reader.ts";
import { missingBefore } from "./out_of_order.ts";
import { Patience } from "./patience.ts";
import { type State, TRANSITIONS, type Verb } from "./state.ts";
import { type Reading, taken, type Tape } from "./tape.ts";
import { writeLines, writeReply, writeText } from "./wire.ts";

export type { Dialogue, ServerOptions } from "./dialogue.ts";

const IDLE: readonly Verb[] = ["NOOP", "HELP", "VRFY", "EXPN", "RSET"];

export class ServerSession implements Dialogue {
  options: ServerOptions;
  readonly #sign: (reply: Reply) => Reply;
  state: State = "greeting";
  secure = false;
  identified = false;
  extensions: Extensions;
  #certificate = false;
  /** Somebody else is spoken for. */
  #proxied = false;
  recipients = 0;
  smtputf8 = false;
  body: BodyType = "7BIT";
  /** Who records this session. */
  tape: Tape | null = null;
  readonly #input = new Input();
  readonly #patience: Patience;
  #output = "";
  #pending: Asking | null = null;
  #verb: Verb | null = null;
  #told: ServerEvent[] = [];
  #content: ContentReader | null = null;
  #chunk: Chunk | null = null;
  #spoiled: Reply | null = null;
  #bdatOpen = false;
  #first = true;
  #closing: string | null = null;
  #closed = false;
  #draining = false;

  /** `sign` puts the host's reference into a refusal that the engine gives inside a transaction. */
  constructor(options: ServerOptions, sign: (reply: Reply) => Reply = unsigned) {
    this.options = options;
    this.#sign = sign;
    this.#patience = new Patience(options.limits);
    this.extensions = options.offer.for(STRANGER);
    this.#told.push({ type: "connect", asks: true });
  }

  /** True while the host owes an answer. */
  get waiting(): boolean {
    return this.#pending !== null;
  }
  /** True between the go-ahead for content and its last octet. */
  get inContent(): boolean {
    return this.state === "data" || this.#chunk !== null;
  }
  /** True from the first octet of a transaction till its end. */
  get inTransaction(): boolean {
    return this.state === "mail" || this.state === "rcpt" || this.state === "bdat" || this.inContent;
  }
  /** Octets that wait for an answer. */
  get buffered(): number {
    return this.#input.left;
  }

  /** Takes octets of the peer, and keeps a view of them as long as some are `buffered`: do not write to them before. */
  receive(octets: Uint8Array): void {
    if (this.#closed || this.#closing !== null || this.state === "handshake") return;
    this.tape?.arrived(octets.length);
    this.#input.add(octets);
  }

  /** What came of the input so far; null when it takes more octets, or an answer, to go on. */
  next(): ServerEvent | null {
    if (this.#pending !== null || this.#closed) return null;
    for (;;) {
      if (this.#told.length > 0) return this.#tell(this.#told.shift()!);
      if (this.#closing !== null) {
        this.#closed = true;
        this.state = "closed";
        this.#input.forget();
        return { type: "close", asks: false, reason: this.#closing };
      }
      if (this.state === "handshake") return null;
      const event = this.inContent ? this.#readContent() : this.#readCommand();
      if (event === undefined) continue;
      if (event !== null) return this.#tell(event);
      if (!this.#draining || this.inContent || this.state === "bdat") return this.#input.rest();
      this.close(SHUTTING_DOWN, "shutting down"); // what was under way is answered, and nothing else waits
    }
  }

  /** The answer to the event that asked last. In LMTP the answer to `message` may be one reply per recipient. */
  answer(reply: Reply | readonly Reply[] | Challenge): void {
    const event = this.#pending;
    if (event === null) throw new Error("nothing was asked");
    this.#pending = null;
    if (reply instanceof Challenge) return this.#challenged(event, reply);
    if (Array.isArray(reply)) {
      if (reply.length !== this.recipients) throw new Error(`${reply.length} replies to ${this.recipients} recipients`);
      for (const each of reply as readonly Reply[]) this.#output += writeReply(each);
      this.#endMessage((reply as readonly Reply[]).find((each) => each.closes));
      return;
    }
    this.#answered(event, reply as Reply);
  }

  /** What to write to the peer now: one string per batch of input, ASCII only. */
  takeOutput(): string {
    const output = this.#output;
    this.#output = "";
    if (output !== "") this.tape?.said(output);
    return output;
  }

  /**
   * The TLS handshake is done: whatever was learned before it is forgotten (RFC 3207 4.2). Before the first `next` it
   * means that TLS came first (RFC 8314 3.3). `certificate`: the client showed one that counts.
   */
  secured({ certificate }: { readonly certificate: boolean }): void {
    this.secure = true;
    this.#certificate = certificate;
    if (this.state === "handshake") this.state = "start";
    this.#identify(false);
  }
  #identify(identified: boolean): void {
    this.identified = identified;
    this.extensions = this.options.offer.for({
      secure: this.secure,
      identified,
      certificate: this.#certificate && !this.#proxied,
      proxied: this.#proxied && this.state !== "greeting" && this.state !== "start",
    });
  }

  /** Ends the session with a 421 on the host's initiative: idle, drain, overload. Content under way is given up. */
  close(reply: Reply, reason: string): void {
    if (this.#closed || this.#closing !== null) return;
    this.#output += this.state === "greeting" ? writeText(reply.code, "", reply.text) : writeReply(reply);
    this.#pending = null;
    this.hangUp(reason);
  }

  /** From now on new commands are 421; what is under way is answered, a message finishes. `next` ends the session. */
  drain(): void {
    this.#draining = true;
  }

  hangUp(reason: string): void {
    this.#closing ??= reason;
  }

  chunk(size: number, last: boolean): void {
    this.#chunk = new Chunk(size, last);
  }

  // ---- reading ------------------------------------------------------------------------------------------------------

  #tell(event: ServerEvent): ServerEvent {
    if (event.asks) this.#pending = event;
    if (this.#input.left === 0) this.#input.forget(); // the host may take its time: the octets need not wait for it
    return event;
  }

  /** Undefined: something was done, look again. Null: more octets are needed. */
  #readCommand(): ServerEvent | null | undefined {
    const input = this.#input;
    if (input.left === 0) return null;
    if (this.#first && input.octets[input.at] === 0x16) {
      this.#record("bad", input.at + 1);
      return this.#foreign("TLS on a port without it");
    }
    const limit = lineLimit(this);
    const line = readLine(input.octets, input.at, limit);
    if (line.kind === "none") return null;
    if (line.kind === "long") {
      this.#record("long", input.octets.length);
      const status = limit === AUTH_LINE ? "5.5.6" : "5.5.2"; //                                         RFC 4954 6
      this.#refuse("line", reject(status, "Line too long", { code: 500, close: true }));
      this.hangUp("line too long");
      return undefined;
    }
    this.#record(this.state === "auth" ? "response" : line.kind, line.next);
    input.at = line.next;
    if (this.state === "auth") return this.#response(line.kind === "bad" ? "" : line.text, line.kind === "bad");
    if (line.kind === "bad") {
      const utf8 = line.why === "utf8";
      const text = utf8 ? "Not UTF-8" : "A line ends with CRLF and holds no control characters";
      this.#refuse("line", reject("5.5.2", text, { code: utf8 ? 501 : 500 }));
      this.#first = false;
      return undefined;
    }
    return this.#command(line.text);
  }

  #record(reading: Reading, end: number): void {
    if (this.tape === null) return;
    const octets = this.#input.octets.subarray(this.#input.at, end);
    this.tape.took(taken(octets, reading), { octets: octets.length, said: this.#output.length });
  }

  #command(text: string): ServerEvent | null | undefined {
    if (this.#first && FOREIGN.test(text)) return this.#foreign("not SMTP");
    this.#first = false;
    const space = text.indexOf(" ");
    const word = (space < 0 ? text : text.slice(0, space)).toUpperCase();
    const command: Command | undefined = COMMANDS.get(word);
    if (command === undefined || command.lmtp !== undefined && command.lmtp !== this.options.lmtp) {
      if (FOREIGN.test(text)) return this.#foreign("not SMTP");
      // The word is the peer's: where refusals are counted by command, it would make counters without end; and where a
      // login was refused it may be the password
      const reason = OTHERS_VERBS.has(word) ? word : `a word of ${word.length} characters`;
      this.#refuse("unknown", reject("5.5.1", "Unknown command", { code: 500, reason }));
      return undefined;
    }
    const verb = command.verb;
    if (this.#draining && verb !== "QUIT" && !(verb === "BDAT" && this.state === "bdat")) {
      this.close(SHUTTING_DOWN, "shutting down");
      return undefined;
    }
    const demand = demanded(verb, this);
    if (demand !== null) {
      this.#refuse(verb, demand);
      return undefined;
    }
    const next = TRANSITIONS[this.state][verb];
    const rest = space < 0 ? "" : text.slice(space + 1);
    if (next === undefined && verb !== "BDAT") { // BDAT has octets behind it, in order or not
      this.#refuse(verb, reject("5.5.1", missingBefore(verb, this.state, this.options.lmtp), { code: 503 }));
      return undefined;
    }
    const answer = command.run(this, rest);
    if (answer instanceof Reply) {
      if (answer.verdict === "accept") this.#acted(verb, next ?? this.state, answer);
      else if (answer.verdict === "reject") this.#refuse(verb, answer);
      else {
        this.#patience.deferred();
        this.#refuse(verb, answer, false);
      }
      return undefined;
    }
    if (verb === "BDAT") return this.#beginChunk(next !== undefined);
    if (answer === null) return undefined;
    this.#verb = verb;
    return answer;
  }

  /** A command that needs no host: RSET, NOOP, HELP, VRFY, QUIT. */
  #acted(verb: Verb, next: State, reply: Reply): void {
    if (verb === "RSET") this.#drop();
    if (verb === "QUIT") this.hangUp("quit");
    this.state = next;
    this.#output += writeReply(reply);
    if (IDLE.includes(verb)) this.#junk();
  }

  /** A line of a login. What cannot be a response ends the exchange. */
  #response(line: string, bad: boolean): ServerEvent {
    const response = authResponse(bad ? "!" : line);
    return response instanceof Reply
      ? { type: "auth-cancelled", asks: true, refusal: response }
      : { type: "auth-response", asks: true, response };
  }

  #foreign(reason: string): undefined {
    this.#refuse("line", reject("5.5.1", "This is an SMTP server", { code: 554, close: true, reason }));
    this.hangUp(reason);
    return undefined;
  }

  #refuse(command: string, reply: Reply, counts = true): void {
    this.#refused(command, reply, this.#signed(reply), counts);
  }
  /** Once for each recipient that LMTP owes a reply; told once. */
  #refuseAll(command: string, reply: Reply, times: number): void {
    for (let i = 1; i < times; i++) this.#output += writeReply(this.#signed(reply));
    this.#refuse(command, reply);
  }
  #signed(reply: Reply): Reply {
    return this.inTransaction ? this.#sign(reply) : reply;
  }
  /** `said` is what the peer sees of `reply`. */
  #refused(command: string, reply: Reply, said: Reply, counts: boolean): void {
    this.#output += writeReply(said);
    this.#told.push({ type: "refused", asks: false, command, reply });
    if (reply.closes) this.hangUp(reply.text);
    if (counts) this.#patience.error();
    this.#checkPatience();
  }
  #junk(): void {
    this.#patience.junk();
    this.#checkPatience();
  }
  #checkPatience(): void {
    if (!this.#patience.over || this.#closing !== null) return;
    this.#output += writeReply(this.#signed(defer("4.7.0", "Too many errors", { code: 421 })));
    this.hangUp("too many errors");
  }

  // ---- content ------------------------------------------------------------------------------------------------------

  #beginChunk(inOrder: boolean): ServerEvent | undefined {
    if (!inOrder) {
      this.#chunk!.refusal = reject("5.5.1", missingBefore("BDAT", this.state, this.options.lmtp), { code: 503 });
      return undefined;
    }
    if (this.#bdatOpen) return undefined;
    this.#verb = "BDAT";
    return { type: "content", asks: true };
  }

  #openContent(dots: boolean): void {
    this.#content = new ContentReader({
      limits: this.options.limits,
      dots,
      // Programs and scanners of one's own users write what they like                               SEMANTICS 21
      bare: this.body === "BINARYMIME" ? "keep" : this.identified ? "normalize" : this.options.bareLf,
    });
    this.#spoiled = null;
  }

  #readContent(): ServerEvent | null | undefined {
    const content = this.#content!, chunk = this.#chunk;
    if (chunk !== null && chunk.refusal !== null) return this.#swallow(chunk, chunk.refusal);
    const input = this.#input, { length } = input.octets;
    const end = chunk !== null ? Math.min(length, input.at + chunk.left) : length;
    while (input.at < end && !content.done) {
      const octets = content.read(input.octets, input.at, end);
      this.tape?.content(input.octets.subarray(input.at, content.position), this.#output.length);
      if (chunk !== null) chunk.left -= content.position - input.at;
      input.at = content.position;
      if (octets.length > 0) return { type: "body", asks: false, chunk: octets };
      if (content.fault !== null && this.#spoiled === null) return this.#spoil(content);
    }
    const held = content.flush(); // what the reader kept back and is free now
    if (held.length > 0) return { type: "body", asks: false, chunk: held };
    if (chunk !== null ? chunk.left > 0 : !content.done) return null;
    return chunk !== null ? this.#endChunk(content, chunk) : this.#endContent();
  }

  /** Octets of a chunk that nobody wants. */
  #swallow(chunk: Chunk, refusal: Reply): null | undefined {
    const input = this.#input, take = Math.min(chunk.left, input.left);
    this.tape?.content(input.octets.subarray(input.at, input.at + take), this.#output.length);
    input.at += take;
    chunk.left -= take;
    if (chunk.left > 0) return null;
    this.#chunk = null;
    this.#refuseAll("BDAT", refusal, chunk.times);
    return undefined;
  }

  #endChunk(content: ContentReader, chunk: Chunk): ServerEvent | undefined {
    this.#chunk = null;
    if (chunk.last) {
      content.finish();
      if (content.fault !== null && this.#spoiled === null) this.#spoil(content);
      return this.#endContent();
    }
    if (this.#spoiled !== null) { //               the chunk is refused, and all that follow till RSET   RFC 3030 4.2
      this.#refuse("BDAT", this.#spoiled);
      this.#drop();
      this.state = "spoiled";
      return undefined;
    }
    this.#output += writeText(250, "2.0.0", `${content.size} octets so far`);
    if (chunk.empty) this.#junk();
    return undefined;
  }

  #spoil(content: ContentReader): ServerEvent | undefined {
    this.#spoiled = contentRefusal(content.fault!, this.options.limits);
    return { type: "spoiled", asks: false };
  }

  #endContent(): ServerEvent | undefined {
    this.#content = null;
    this.#chunk = null;
    if (this.#spoiled === null) {
      this.#verb = "DATA";
      return { type: "message", asks: true };
    }
    this.#refuseAll("message", this.#spoiled, this.options.lmtp ? this.recipients : 1);
    this.#drop();
    this.state = "ready";
    return undefined;
  }

  // ---- answers ------------------------------------------------------------------------------------------------------
  #answered(event: Asking, reply: Reply): void {
    switch (event.type) {
      case "connect":
        return this.#greeted(reply);
      case "content":
        return this.#admitted(reply);
      case "message": {
        const times = this.options.lmtp ? this.recipients : 1; //                                       RFC 2033 4.2
        for (let i = 0; i < times; i++) this.#output += writeReply(reply);
        return this.#endMessage(reply.closes ? reply : undefined);
      }
      case "auth":
      case "auth-response":
      case "auth-cancelled":
        return this.#loggedIn(reply);
    }
    if (reply.verdict !== "accept") {
      this.#output += writeReply(reply);
      if (reply.closes) this.hangUp(reply.text);
      else this.#refusedByHost(reply);
      return;
    }
    if (event.type === "starttls") return this.#upgrade();
    const verb = this.#verb!, again = this.state !== "start";
    this.state = TRANSITIONS[this.state][verb]!;
    if (event.type === "helo") {
      this.#clear();
      if (this.#proxied) this.#identify(this.identified); // from here on the client itself may be speaking
      this.#output += verb === "HELO"
        ? writeText(250, "", this.options.hostname)
        : writeLines(250, [this.options.hostname, ...this.extensions.linesAt(this.options.now())]);
      if (again) this.#junk();
      this.#earlyTalk("after EHLO");
    } else if (event.type === "xclient") { // as if the connection had just been made
      const address = event.attributes.get("ADDR") ?? null;
      if (address !== null) this.options = this.options.speakingFor(address);
      this.#proxied = true;
      this.#identify((event.attributes.get("LOGIN") ?? null) !== null);
      this.#told.push({ type: "connect", asks: true });
    } else if (event.type === "mail") {
      this.recipients = 0;
      this.smtputf8 = event.parameters.smtputf8;
      this.body = event.parameters.body;
      this.#output += event.lowered
        ? writeText(250, "2.3.6", `${event.parameters.priority} is the new priority`)
        : writeText(250, "2.1.0", reply.text === "OK" ? "Sender OK" : reply.text);
    } else {
      this.recipients++;
      this.#output += writeText(250, "2.1.5", reply.text === "OK" ? "Recipient OK" : reply.text);
    }
  }

  /** Octets that came behind STARTTLS in clear would seem to have come through TLS: the session ends (case 43). */
  #upgrade(): void {
    if (this.buffered > 0) {
      const text = "Talked behind STARTTLS before TLS was on";
      return this.#refuse("STARTTLS", reject("5.5.0", text, { code: 554, close: true, reason: "plaintext injection" }));
    }
    this.#output += writeText(220, "2.0.0", "Ready to start TLS");
    this.state = "handshake";
  }

  #challenged(event: Asking, { octets }: Challenge): void {
    if (event.type !== "auth" && event.type !== "auth-response") throw new Error(`no challenge answers ${event.type}`);
    this.#output += `334 ${octets.toBase64()}\r\n`; // with the space, even where nothing follows   RFC 4954 4
    this.state = "auth";
  }

  #loggedIn(reply: Reply): void {
    this.state = "ready";
    if (reply.verdict !== "accept") {
      this.#output += writeReply(reply);
      if (reply.closes) return this.hangUp(reply.text);
      this.#patience.error();
      return this.#checkPatience();
    }
    this.#identify(true);
    this.#output += writeText(235, "2.7.0", reply.text === "OK" ? "Authentication succeeded" : reply.text);
  }

  /** Guessing at names is not free for ever; a recipient to come again with is, nearly. */
  #refusedByHost(reply: Reply): void {
    if (reply.verdict === "reject") this.#patience.junk();
    else this.#patience.deferred();
    this.#checkPatience();
  }

  #greeted(reply: Reply): void {
    if (reply.verdict === "accept") {
      this.state = "start";
      const { hostname, lmtp } = this.options;
      this.#output += writeText(220, "", `${hostname} ${lmtp ? "LMTP" : "ESMTP"} Postern`);
      this.#earlyTalk("before the greeting");
    } else if (reply.options.silent === true) {
      this.hangUp(reply.text);
    } else if (reply.verdict === "reject") { // 554 greeting, then 503 to all but QUIT                  RFC 5321 3.1
      this.state = "refused";
      this.#output += writeText(554, "", reply.text);
      if (reply.closes) this.hangUp(reply.text);
    } else {
      this.#output += writeText(421, "", reply.text);
      this.hangUp(reply.text);
    }
  }

  /** The answer to DATA or to the first BDAT. */
  #admitted(reply: Reply): void {
    const bdat = this.#verb === "BDAT";
    if (reply.verdict !== "accept") {
      if (bdat) {
        const chunk = this.#chunk!;
        chunk.refusal = reply;
        if (this.options.lmtp && chunk.last) chunk.times = this.recipients;
        this.#drop();
        this.state = "spoiled";
      } else this.#refused("DATA", reply, reply, false); // the host's, and signed
      return;
    }
    this.#openContent(!bdat);
    if (bdat) {
      this.#bdatOpen = true;
      this.state = "bdat";
      return;
    }
    this.state = "data";
    this.#output += "354 End with <CRLF>.<CRLF>\r\n";
    this.#earlyTalk("after DATA");
  }

  #endMessage(closing: Reply | undefined): void {
    this.#clear();
    this.#patience.messageEnded();
    this.state = "ready";
    if (closing !== undefined) this.hangUp(closing.text);
  }

  /** Octets that came before the reply that asks for them: a peer that does not listen (RFC 2920 3.1, 3.2). */
  #earlyTalk(where: string): void {
    if (!this.options.forbidEarlyTalk || this.buffered === 0) return;
    const reply = reject("5.5.0", `Talked ${where} was answered`, { code: 554, close: true, reason: "early talker" });
    if (this.state === "data") {
      this.#output = this.#output.slice(0, -"354 End with <CRLF>.<CRLF>\r\n".length);
      this.state = "rcpt";
      this.#content = null;
    }
    this.#refuse("early talk", reply);
    this.#drop();
  }

  /** The transaction ends without a message: say so, and forget it. */
  #drop(): void {
    if (this.inTransaction) this.#told.push({ type: "reset", asks: false });
    this.#clear();
  }
  #clear(): void {
    this.recipients = 0;
    this.#patience.transactionEnded();
    this.smtputf8 = false;
    this.body = "7BIT";
    this.#bdatOpen = false;
    this.#content = null;
    this.#spoiled = null;
  }
}

const unsigned = (reply: Reply): Reply => reply;
const SHUTTING_DOWN: Reply = defer("4.3.2", "Shutting down", { code: 421 });
