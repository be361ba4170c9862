/**
 * The client engine over a platform's TCP socket: one connection, one transaction, an outcome for each recipient, whatever
 * the peer does. Octets are read and written here, time is kept here. Non-job: what is said (core/smtp/client), whom to ask
 * and what follows from the outcomes (relay.ts).
 */
import {
  type ClientOptions,
  ClientSession,
  type ContentSink,
  found,
  type MailTransaction,
  type Outcome,
} from "../smtp/client/mod.ts";
import type { EdgeSocket } from "./socket.ts";

export interface SmtpOptions {
  readonly session: ClientOptions;
  /** Whom the certificate must name. */
  readonly serverName: string;
  /** TLS was on from the start, and the platform has verified it. */
  readonly secure: boolean;
  /** Milliseconds for one answer, where the RFC would wait longer. */
  readonly patience: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

const BLOCK = 64 * 1024, PARTING_MS = 1000;
const CHANNEL = { trusted: true, bindings: new Map<string, Uint8Array>(), certificate: false };

/**
 * One outcome for each recipient, in their order. Never rejects. Closes the socket.
 */
export async function sendOver(
  socket: EdgeSocket,
  mail: { readonly transaction: MailTransaction; readonly content: Uint8Array },
  options: SmtpOptions,
): Promise<readonly Outcome[]> {
  const { transaction } = mail;
  const nobody = (outcome: Outcome) => transaction.recipients.map(() => outcome);
  const line = new SmtpLine(socket, options);
  try {
    await line.opened();
    return await new Conversation(line, mail, options).run() ?? nobody(GONE);
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : "no reason given";
    return nobody(found("defer", "4.4.1", `The server could not be reached: ${why}`, "greeting"));
  } finally {
    await line.close();
  }
}
const GONE = found("defer", "4.4.2", "The server closed the connection", "greeting");

/** The octets: every read and write ends in time. */
class SmtpLine {
  #socket: EdgeSocket;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #options: SmtpOptions;

  constructor(socket: EdgeSocket, options: SmtpOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = socket.readable.getReader();
    this.#writer = socket.writable.getWriter();
  }

  opened(): Promise<unknown> {
    return this.#inTime(this.#socket.opened, Infinity);
  }
  /** Null at its end. */
  async read(seconds: number): Promise<Uint8Array | null> {
    const { done, value } = await this.#inTime(this.#reader.read(), seconds);
    return done ? null : value;
  }
  write(octets: Uint8Array, seconds: number): Promise<void> {
    return this.#inTime(this.#writer.write(octets), seconds);
  }
  async secure(): Promise<void> {
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    this.#socket = this.#socket.startTls({ expectedServerHostname: this.#options.serverName });
    this.#reader = this.#socket.readable.getReader();
    this.#writer = this.#socket.writable.getWriter();
    await this.#inTime(this.#socket.opened, Infinity);
  }
  async close(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((done) => timer = setTimeout(done, PARTING_MS));
    await Promise.race([this.#socket.close(), late]).catch(() => {});
    clearTimeout(timer);
  }

  async #inTime<T>(work: Promise<T>, seconds: number): Promise<T> {
    const { signal, patience } = this.#options, milliseconds = Math.min(seconds * 1000, patience);
    let timer: ReturnType<typeof setTimeout> | undefined, onAbort = () => {};
    const over = new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(new Error("The server gave no answer in time")), milliseconds);
      onAbort = () => fail(new Error("The time for handing it on is over"));
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    try {
      return await Promise.race([work, over]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** Greeting to QUIT. */
class Conversation {
  readonly #session: ClientSession;
  readonly #transaction: MailTransaction;
  #rest: Uint8Array;
  #sent = false;
  #outcomes: readonly Outcome[] | null = null;
  #failure: Outcome | null = null;
  #sink: ContentSink | null = null;
  #closed = false;
  #upgrade = false;

  constructor(
    readonly line: SmtpLine,
    { transaction, content }: { readonly transaction: MailTransaction; readonly content: Uint8Array },
    options: SmtpOptions,
  ) {
    this.#transaction = transaction;
    this.#rest = content;
    this.#session = new ClientSession(options.session);
    if (options.secure) this.#session.secured(CHANNEL);
  }

  /** Null when the peer went before it said anything. */
  async run(): Promise<readonly Outcome[] | null> {
    const session = this.#session;
    try {
      while (!this.#closed) await this.#step();
    } catch (error) {
      if (!session.closed) session.lost((error as Error).message);
      await this.#events();
    }
    const failure = this.#failure;
    return this.#outcomes ?? (failure === null ? null : this.#transaction.recipients.map(() => failure));
  }

  async #step(): Promise<void> {
    const session = this.#session;
    await this.#events();
    this.#feed();
    const output = session.takeOutput();
    if (output.length > 0) await this.line.write(output, session.wait?.seconds ?? 60);
    if (this.#closed) return;
    if (this.#upgrade) {
      this.#upgrade = false;
      await this.line.secure();
      session.secured(CHANNEL);
    } else if (this.#sink === null) {
      const octets = await this.line.read(session.wait?.seconds ?? 60);
      if (octets === null) session.lost("The server closed the connection");
      else session.receive(octets);
    }
  }

  async #events(): Promise<void> {
    const session = this.#session;
    for (let event = session.next(); event !== null; event = session.next()) {
      if (event.type === "ready") {
        if (this.#sent) session.quit();
        else session.send(this.#transaction);
        this.#sent = true;
      } else if (event.type === "content") this.#sink = event.sink;
      else if (event.type === "done") {
        this.#outcomes = event.outcomes;
        this.#sink = null;
      } else if (event.type === "login") await session.logIn();
      else if (event.type === "starttls") this.#upgrade = true;
      else {
        this.#closed = true;
        this.#failure = event.failure;
      }
    }
  }

  /** A block at a time, for as long as the engine takes it. */
  #feed(): void {
    if (this.#sink === null) return;
    const piece = this.#rest.subarray(0, BLOCK), room = piece.length === 0 || this.#sink.write(piece);
    this.#rest = this.#rest.subarray(piece.length);
    if (this.#rest.length === 0) {
      this.#sink.end();
      this.#sink = null;
    } else if (!room) this.#sink = null; // another event says when to go on
  }
}
