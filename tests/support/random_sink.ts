/**
 * A mail server that fails at random, by a seed: 4xx, 5xx, closed at a step, slow, silent about what it has taken. Keeps an
 * account of everything it took and refused for good, before it says so: what a relay under test is measured by. Job: the
 * moods, the account. Non-job: outliving its test (sink_child.ts).
 */
import { createHash, type Hash } from "node:crypto";
import type { Socket } from "node:net";
import { formatAddress } from "../../core/model/address.ts";
import { accept, defer, reject, type Reply } from "../../core/model/reply.ts";
import type { Host } from "../../core/net/inbound.ts";
import type { Asking } from "../../core/smtp/events.ts";
import { ServerSession } from "../../core/smtp/server.ts";
import { latin1 } from "./bytes.ts";
import { LIMITS, serverOptions } from "./engine.ts";
import { LocalServer, type Place, serve } from "./mail_sink.ts";
import { Random } from "./random.ts";

/** What may happen at a step instead of a yes; each in percent of the times that the step is reached. */
export interface Moods {
  /** 4xx; 421 instead of a greeting. */
  readonly defer: number;
  /** 5xx to a recipient or behind the content. */
  readonly reject: number;
  /** The connection is closed; behind the content as often after it was taken as before. */
  readonly close: number;
  /** The answer comes after up to 200 ms. */
  readonly slow: number;
}
export const MOODY: Moods = { defer: 5, reject: 2, close: 3, slow: 5 };
export const CALM: Moods = { defer: 0, reject: 0, close: 0, slow: 0 };

/** What it took or refused for good, of one recipient. */
export interface SinkEntry {
  /** `silent`: taken, but the connection was closed instead of the 250: the sender may try it again (RFC 1047). */
  readonly fate: "taken" | "silent" | "refused";
  readonly recipient: string;
  readonly sender: string;
  /** Message-ID without its brackets; null before the content is there, and where there is none. */
  readonly id: string | null;
  /** Octets of the content, and the SHA-256 in hex of what is behind its header; 0 and "" before it is there. */
  readonly size: number;
  readonly digest: string;
}

export interface RandomSinkOptions extends Place {
  readonly seed: number;
  readonly moods?: Moods;
  /** Called before it is said. */
  readonly record: (entry: SinkEntry) => void;
}

const SLOWEST_MS = 200;
/** Octets of a content in which the header is looked for. */
const HEADER = 64 * 1024;

export class RandomSink extends LocalServer {
  readonly #options: RandomSinkOptions;

  private constructor(options: RandomSinkOptions) {
    super();
    this.#options = options;
  }

  static async open(options: RandomSinkOptions): Promise<RandomSink> {
    const sink = new RandomSink(options);
    await sink.listen(options);
    return sink;
  }

  connected(socket: Socket): void {
    // A sequence for each connection: what others do at the same time changes nothing here
    const random = new Random(this.#options.seed * 7919 + this.connections);
    const session = new ServerSession(serverOptions({ limits: { ...LIMITS, size: 50_000_000 } }));
    serve(socket, session, new MoodyHost(socket, random, this.#options));
  }
}

class MoodyHost implements Host {
  #sender = "";
  #recipients: string[] = [];
  #content = new Content();
  #closed = false;

  constructor(readonly socket: Socket, readonly random: Random, readonly options: RandomSinkOptions) {}

  async ask(event: Asking): Promise<Reply> {
    const mood = this.#mood();
    if (mood === "slow") await new Promise((wake) => setTimeout(wake, this.random.below(SLOWEST_MS)));
    // What came in one piece with the command that it closed at
    if (this.#closed) return defer("4.3.2", "Closed");
    if (event.type === "mail") {
      this.#sender = formatAddress(event.sender);
      this.#recipients = [];
    }
    if (event.type === "content") this.#content = new Content();
    if (event.type === "message") return this.#take(mood);
    if (mood === "close") return this.#close();
    if (mood === "defer") {
      return event.type === "connect" ? defer("4.3.2", "Not now", { code: 421 }) : defer("4.2.0", "Not now");
    }
    if (event.type !== "rcpt") return accept();
    const recipient = formatAddress(event.address);
    if (mood === "reject") {
      this.#record("refused", recipient);
      return reject("5.1.1", "No such user today");
    }
    this.#recipients.push(recipient);
    return accept();
  }

  #take(mood: keyof Moods | null): Reply {
    if (mood === "defer") return defer("4.3.1", "No room now");
    const silent = mood === "close";
    if (silent && this.random.below(2) === 0) return this.#close();
    const fate = mood === "reject" ? "refused" : silent ? "silent" : "taken";
    for (const recipient of this.#recipients) this.#record(fate, recipient, this.#content);
    if (silent) return this.#close();
    return fate === "refused" ? reject("5.6.0", "Not this content") : accept();
  }

  #mood(): keyof Moods | null {
    const { moods = MOODY } = this.options;
    let at = this.random.below(100);
    for (const mood of ["defer", "reject", "close", "slow"] as const) {
      if (at < moods[mood]) return mood;
      at -= moods[mood];
    }
    return null;
  }

  /** The answer is never read. */
  #close(): Reply {
    this.#closed = true;
    this.socket.destroy();
    return defer("4.3.2", "Closed");
  }

  #record(fate: SinkEntry["fate"], recipient: string, content: Content = new Content()): void {
    const { id, size, digest } = content;
    this.options.record({ fate, recipient, sender: this.#sender, id, size, digest });
  }

  body(chunk: Uint8Array): void {
    this.#content.add(chunk);
  }
  secured(): void {}
  spoiled(): void {}
  reset(): void {}
  refused(): void {}
  failed(error: unknown): void {
    throw error;
  }
  gone(): void {}
}

/** What is kept of a content while it comes. */
class Content {
  size = 0;
  #header = "";
  #hash: Hash | null = null;

  add(chunk: Uint8Array): void {
    this.size += chunk.length;
    if (this.#hash !== null) return void this.#hash.update(chunk);
    this.#header += latin1(chunk);
    const end = this.#header.indexOf("\r\n\r\n");
    if (end < 0 && this.#header.length < HEADER) return;
    this.#hash = createHash("sha256").update(this.#header.slice(end < 0 ? this.#header.length : end + 4), "latin1");
  }

  get id(): string | null {
    return /^Message-ID:\s*<([^>\r\n]*)>/im.exec(this.#header)?.[1] ?? null;
  }

  get digest(): string {
    return this.#hash === null ? "" : this.#hash.copy().digest("hex");
  }
}

/** What `digest` is of a message. */
export function digestOf(message: Uint8Array): string {
  const content = new Content();
  content.add(message);
  return content.digest;
}
