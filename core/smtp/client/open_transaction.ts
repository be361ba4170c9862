/**
 * A transaction under way: what is said next and how much of it at once, and what the answers mean (RFC 5321 3.3,
 * RFC 2920 3.1, RFC 3030 2, RFC 2033 4.2). Non-job: the connection and its end (session.ts), who takes the content
 * (content.ts), the recipients' states (recipients.ts).
 */
import { type Carrier, CHUNK, ChunkContent, type Content, DataContent } from "./content.ts";
import type { Line } from "./line.ts";
import { said } from "./outcome.ts";
import type { Output } from "./output.ts";
import type { PeerReply } from "./peer_reply.ts";
import { Recipients } from "./recipients.ts";
import type { Step } from "./steps.ts";
import { type Inquiry, mailCommand } from "./transaction.ts";

/** What is said next. `content`: that, or nothing before the last answer. `over`: nothing. */
type Stage = "reset" | "mail" | "rcpt" | "data" | "content" | "over";

/** Chunks that may be under way unanswered where the peer pipelines. */
const CHUNKS_AHEAD = 8;

const NOTHING = { size: 0, body: "7BIT" } as const;

export class OpenTransaction implements Carrier {
  readonly recipients: Recipients;
  /** No content follows: RCPT is the last that is said. */
  readonly inquires: boolean;
  /** MAIL is said in it. */
  readonly counts: boolean;
  /** The peer may have a transaction open, which RSET ends. */
  dirty: boolean;
  readonly #line: Line;
  readonly #mail: string;
  readonly #size: number;
  readonly #binary: boolean;
  /** BDAT; without, lines go by DATA. */
  readonly #chunked: boolean;
  #stage: Stage;
  #mailAccepted = false;
  /** RCPT commands that were said. */
  #asked = 0;
  #content: Content | null = null;
  /** Chunks without an answer. */
  #chunks = 0;

  /** `dirty`: something was left open before. @throws {TypeError} when a command cannot be said. */
  constructor(transaction: Inquiry, line: Line, dirty: boolean) {
    const { size, body } = transaction.content ?? NOTHING;
    this.#line = line;
    this.#mail = mailCommand(transaction, line);
    this.recipients = new Recipients(transaction, line);
    this.inquires = transaction.content === null;
    this.#size = size;
    this.#binary = body === "BINARYMIME"; //                              never by DATA                     RFC 3030 3
    // Lines to LMTP go by DATA, which leaves no doubt how many replies are to come
    this.#chunked = this.#binary || line.pipelining && line.peer.has("CHUNKING") && !line.lmtp &&
        line.options.chunking !== false;
    this.counts = this.recipients.commands.length > 0;
    this.dirty = dirty;
    this.#stage = !this.counts ? "over" : dirty ? "reset" : "mail";
  }

  /** Nothing is to be said or answered any more. */
  get over(): boolean {
    return this.#stage === "over" && this.#line.awaited.length === 0;
  }
  /** The host has content to hand over. */
  get wantsContent(): boolean {
    return this.#content !== null && !this.#content.ended;
  }
  /** All of the content was written. */
  get ended(): boolean {
    return this.#content !== null && this.#content.ended;
  }
  get output(): Output {
    return this.#line.output;
  }

  /**
   * Says what is next, as much of it as the peer takes at once: without PIPELINING one command; else all up to DATA,
   * behind which nothing may stand before its answer (RFC 2920 3.1), or up to BDAT.
   */
  advance(): void {
    const { awaited, output, pipelining } = this.#line;
    if (!pipelining && awaited.length > 0) return;
    let text = "";
    for (;;) {
      const stage = this.#stage;
      if (stage === "reset") {
        text += "RSET\r\n";
        this.#stage = "mail";
      } else if (stage === "mail") {
        text += this.#mail;
        this.dirty = true;
        this.#stage = "rcpt";
      } else if (stage === "rcpt") {
        const { commands } = this.recipients;
        text += commands[this.#asked++]!;
        if (this.#asked === commands.length) this.#stage = this.inquires ? "over" : "data";
      } else if (stage === "data" && !this.#chunked) {
        text += "DATA\r\n";
        this.#stage = "content";
      } else break;
      awaited.push(stage);
      if (!pipelining) break;
    }
    if (text !== "") output.text(text);
    if (this.#stage === "data" && this.#chunked) this.#considerChunks();
  }

  /** BDAT is in order at once for a small message; a big one is not sent before somebody wants it. */
  #considerChunks(): void {
    const ahead = this.#line.pipelining && !this.#line.lmtp && this.#size <= CHUNK;
    if (!ahead && !this.recipients.decided) return;
    this.#stage = "content";
    this.#begin(new ChunkContent(this, { binary: this.#binary, loneLast: this.#line.lmtp }));
  }

  #begin(content: Content): void {
    this.#content = content;
    this.#line.told.push({ type: "content", sink: content });
  }

  /** The connection is no more: no content is wanted. */
  abandon(): void {
    this.#content?.close();
  }

  /** Takes the answer to a step of it. Returns why the peer is not to be believed any more, or null. */
  replied(step: Step, reply: PeerReply): string | null {
    const { recipients } = this, accepted = reply.verdict === "accept";
    if (step === "mail") this.#mailAccepted = accepted;
    else if (step === "rcpt") {
      recipients.replied(reply, this.#mailAccepted);
      if (recipients.decided && recipients.accepted === 0) this.#nobody();
      return null;
    } else if (step === "chunk") {
      this.#chunks--;
      if (accepted && this.#content!.resume()) this.#line.told.push({ type: "content", sink: this.#content! });
    } else if (step === "dot") this.#answered(reply);
    else if (step === "data" && accepted) return this.#invited();
    if (!accepted && step !== "dot") {
      recipients.settle(said(reply, step));
      this.#nobody();
    }
    return null;
  }

  /** No recipient is left: nothing more is said, unless a DATA that is under way is answered by 354. */
  #nobody(): void {
    this.#content?.close();
    this.#stage = "over";
  }

  /** 354. */
  #invited(): string | null {
    if (this.recipients.accepted > 0) this.#begin(new DataContent(this));
    else if (this.#line.lmtp) return "354 without a recipient"; //                                         RFC 2033 4.2
    else this.#line.say("dot", ".\r\n"); //              an empty message to nobody, to get out of it      RFC 2920 3.1
    return null;
  }

  /** A reply to the end of the content. */
  #answered(reply: PeerReply): void {
    if (this.#line.lmtp) this.recipients.ended(reply);
    else this.recipients.settle(said(reply, "dot"));
    if (this.#line.awaited.length > 0) return;
    this.#stage = "over";
    this.dirty = this.#chunked && reply.verdict !== "accept"; //  only RSET ends what BDAT began and failed  RFC 3030 4.2
  }

  // ---- what the content sees ----------------------------------------------------------------------------------------

  get room(): boolean {
    return this.#chunks < (this.#line.pipelining && !this.#line.lmtp ? CHUNKS_AHEAD : 1);
  }

  chunk(octets: Output, last: boolean): void {
    const { output, awaited } = this.#line;
    output.text(`BDAT ${octets.length}${last ? " LAST" : ""}\r\n`);
    output.octets(octets.take());
    if (last) return this.end();
    this.#chunks++;
    awaited.push("chunk");
  }

  /** The end of the content is in the output. */
  end(): void {
    const replies = this.#line.lmtp ? this.recipients.accepted : 1; //                                     RFC 2033 4.2
    for (let i = 0; i < replies; i++) this.#line.awaited.push("dot");
  }
}
