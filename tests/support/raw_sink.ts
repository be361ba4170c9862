/**
 * A mail server made for tests and for nothing else: takes what it is given octet by octet as it stood on the wire, knows
 * which answers its client has read, and says and does at each step what the test wants. No part of it is our own engine,
 * so that one fault cannot hide the other. Non-job: manners, TLS, a process of its own (sink_child.ts).
 */
import { join, latin1, octets } from "./bytes.ts";

/** `content`: some of it has come. `dot`: all of it has come. `taken`: it is kept, and only its answer is missing. */
export type SinkStep = "greeting" | "ehlo" | "mail" | "rcpt" | "data" | "content" | "dot" | "taken" | "quit";
export interface SinkMoment {
  readonly step: SinkStep;
  /** What EHLO, MAIL and RCPT name; at `dot` and `taken` what stands in the Message-ID. */
  readonly argument: string;
  /** The reverse path of the transaction, null before MAIL. */
  readonly from: string | null;
}
/** A message that was taken. */
export interface Taken {
  /** Of this message among all that this sink took, from 1. */
  readonly number: number;
  /** What the client called itself. */
  readonly helo: string;
  readonly from: string;
  /** Those whose RCPT was answered with 250. */
  readonly to: readonly string[];
  /** As it stood on the wire: with its dots, without the end of DATA. */
  readonly wire: Uint8Array<ArrayBuffer>;
  /** The message. */
  readonly message: Uint8Array<ArrayBuffer>;
}
export interface RawSinkOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** What EHLO offers. */
  readonly extensions?: readonly string[];
  /**
   * A reply without its CRLF, null to close the connection, undefined for the usual reply. At `content` and `taken` only
   * null means something.
   */
  readonly answer?: (moment: SinkMoment) => string | null | undefined | Promise<string | null | undefined>;
  /** A message is to be kept. Its answer waits for this. */
  readonly take?: (taken: Taken) => void | Promise<void>;
  /** The client has read the answer to that message: it said something more, or ended its side. */
  readonly known?: (number: number) => void;
}

/** PIPELINING and what it does not need to be asked for; the content comes by DATA. */
export const PLAIN = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"] as const;

export class RawSink implements AsyncDisposable {
  readonly taken: Taken[] = [];
  connections = 0;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;
  #number = 0;
  /** It ends: so do its connections, wherever they are. */
  over = false;

  constructor(readonly options: RawSinkOptions = {}) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: options.port ?? 0 });
    this.#serving = this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #serve(): Promise<void> {
    const all = new Set<Promise<void>>();
    for await (const conn of this.#listener) {
      this.connections++;
      this.#open.add(conn);
      const served = new Session(conn, this).run().finally(() => {
        this.#open.delete(conn);
        all.delete(served);
      });
      all.add(served);
    }
    await Promise.all(all);
  }

  /** The next number of a message. */
  next(): number {
    return ++this.#number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.over = true;
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#serving;
  }
}

/** One connection. */
class Session {
  #buffer = new Uint8Array(0);
  readonly #chunk = new Uint8Array(65_536);
  /** Messages whose answer the client may not have read. */
  #answered: number[] = [];
  #helo = "";
  #from: string | null = null;
  #to: string[] = [];
  #chunks: Uint8Array[] = [];

  constructor(readonly conn: Deno.TcpConn, readonly sink: RawSink) {
    conn.setNoDelay(true);
  }

  async run(): Promise<void> {
    try {
      if (await this.#say("greeting", "220 sink.example ESMTP")) { while (await this.#command()); }
    } catch (error) {
      if (!isGone(error) && !this.sink.over) throw error;
    } finally {
      close(this.conn);
    }
  }

  /** False: the connection is over. */
  async #command(): Promise<boolean> {
    const line = await this.#line();
    if (line === null) return false;
    const verb = line.slice(0, 4).toUpperCase(), argument = /<([^>]*)>/.exec(line)?.[1] ?? line.slice(5);
    switch (verb) {
      case "EHLO": {
        this.#helo = argument;
        this.#reset();
        const lines = ["sink.example", ...this.sink.options.extensions ?? PLAIN];
        return await this.#say(
          "ehlo",
          lines.map((each, at) => `250${at < lines.length - 1 ? "-" : " "}${each}`).join("\r\n"),
          argument,
        );
      }
      case "MAIL":
        this.#reset();
        this.#from = argument;
        return await this.#say("mail", "250 2.1.0 Ok", argument, (accepted) => {
          if (!accepted) this.#from = null;
        });
      case "RCPT":
        return await this.#say(
          "rcpt",
          this.#from === null ? "503 5.5.1 MAIL first" : "250 2.1.5 Ok",
          argument,
          (accepted) => {
            if (accepted) this.#to.push(argument);
          },
        );
      case "DATA": {
        if (this.#to.length === 0) return await this.#write("503 5.5.1 Nobody to take it for");
        let accepted = false;
        if (!await this.#say("data", "354 Go on", "", (_, code) => accepted = code === "354")) return false;
        return accepted ? await this.#data() : true;
      }
      case "BDAT":
        return await this.#bdat(line);
      case "RSET":
        this.#reset();
        return await this.#write("250 2.0.0 Ok");
      case "NOOP":
        return await this.#write("250 2.0.0 Ok");
      case "QUIT":
        await this.#say("quit", "221 2.0.0 Bye");
        return false;
      default:
        return await this.#write("500 5.5.2 What?");
    }
  }

  /** To CRLF.CRLF and nothing else. */
  async #data(): Promise<boolean> {
    const pieces: Uint8Array[] = [];
    let tail = octets("\r\n"), asked = false; // the end may stand at the very start
    for (;;) {
      if (this.#buffer.length === 0 && !await this.#read()) return false;
      if (!asked && await this.#ask("content", "") === null) return false;
      asked = true;
      const here = this.#buffer, text = latin1(join(tail, here)), at = text.indexOf("\r\n.\r\n");
      if (at < 0) {
        pieces.push(here);
        tail = octets(text.slice(-4));
        this.#buffer = new Uint8Array(0);
        continue;
      }
      const end = at + 5 - tail.length; // in `here`
      pieces.push(here.subarray(0, end));
      this.#buffer = here.slice(end);
      const all = join(...pieces), wire = all.subarray(0, all.length - 3);
      const message = octets(latin1(wire).replaceAll(/(^|\r\n)\./g, "$1"));
      return await this.#whole(wire, message);
    }
  }

  async #bdat(line: string): Promise<boolean> {
    const [, size, last] = /^BDAT (\d+)( LAST)?$/i.exec(line) ?? [];
    if (size === undefined) return await this.#write("501 5.5.4 BDAT SIZE");
    while (this.#buffer.length < Number(size)) if (!await this.#read()) return false;
    this.#chunks.push(this.#buffer.slice(0, Number(size)));
    this.#buffer = this.#buffer.slice(Number(size));
    if (this.#to.length === 0) return await this.#write("503 5.5.1 Nobody to take it for");
    if (!last) return await this.#write("250 2.0.0 Ok");
    const all = join(...this.#chunks);
    return await this.#whole(all, all);
  }

  async #whole(wire: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const id = /^Message-ID: <(.*)>\r$/m.exec(latin1(message.subarray(0, 65_536)))?.[1] ?? "";
    const reply = await this.#ask("dot", id);
    if (reply === null) return false;
    const taken = { helo: this.#helo, from: this.#from!, to: this.#to, wire, message, number: this.sink.next() };
    if (reply === undefined || reply.startsWith("2")) {
      await this.sink.options.take?.(taken);
      this.sink.taken.push(taken);
      if (await this.#ask("taken", id) === null) return false;
      this.#answered.push(taken.number);
    }
    this.#reset();
    return await this.#write(reply ?? "250 2.0.0 Taken");
  }

  #reset(): void {
    this.#from = null;
    this.#to = [];
    this.#chunks = [];
  }

  async #ask(step: SinkStep, argument: string): Promise<string | null | undefined> {
    return await this.sink.options.answer?.({ step, argument, from: this.#from });
  }

  async #say(
    step: SinkStep,
    usual: string,
    argument = "",
    then?: (accepted: boolean, code: string) => void,
  ): Promise<boolean> {
    const asked = await this.#ask(step, argument), reply = asked === undefined ? usual : asked;
    if (reply === null) return false;
    then?.(reply.startsWith("2"), reply.slice(0, 3));
    return await this.#write(reply) && !reply.startsWith("421");
  }

  async #write(reply: string): Promise<boolean> {
    const bytes = octets(`${reply}\r\n`);
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
    return true;
  }

  async #line(): Promise<string | null> {
    for (;;) {
      const end = latin1(this.#buffer.subarray(0, 4096)).indexOf("\r\n");
      if (end >= 0) {
        const line = latin1(this.#buffer.subarray(0, end));
        this.#buffer = this.#buffer.slice(end + 2);
        return line;
      }
      if (!await this.#read()) return null;
    }
  }

  /** False at the end. What comes, be it the end, says that the answers before it were read. */
  async #read(): Promise<boolean> {
    const count = await this.conn.read(this.#chunk);
    for (const number of this.#answered.splice(0)) this.sink.options.known?.(number);
    if (count === null) return false;
    this.#buffer = join(this.#buffer, this.#chunk.subarray(0, count));
    return true;
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function isGone(error: unknown): boolean {
  const { ConnectionReset, BrokenPipe, ConnectionAborted, NotConnected } = Deno.errors;
  return [ConnectionReset, BrokenPipe, ConnectionAborted, NotConnected].some((type) => error instanceof type);
}
