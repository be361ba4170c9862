/**
 * A raw SMTP client for tests: sends any octets in any pieces, reads replies with a deadline, in clear or in TLS. It keeps
 * to nothing that a real client keeps to unless asked. Non-job: retrying, pipelining by itself, certificates (tls.ts).
 */
import { base64, dotStuffed, join, latin1, octets } from "./bytes.ts";
import { within } from "./wait.ts";

export interface SmtpReply {
  readonly code: number;
  /** The text of each line without code and separator. */
  readonly lines: readonly string[];
  /** As it came. */
  readonly raw: string;
}

export interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
  /** Octets of the message, not dot-stuffed, ending in CRLF. */
  readonly message: Uint8Array;
}

/** Whom to trust in TLS. */
export interface Trust {
  /** PEM of the authority. */
  readonly ca: string;
  /** Name to ask for and to verify (default 127.0.0.1). */
  readonly name?: string;
}

/** The server closed the connection where a reply was due. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
}

export class SmtpClient implements Disposable {
  #text = "";
  #open = true;
  #chunk = new Uint8Array(16_384);

  private constructor(public conn: Deno.TcpConn | Deno.TlsConn, readonly deadline: number) {}

  /** Connects; the greeting is not read. `deadline` is for each reply, milliseconds. */
  static async connect(port: number, options: { deadline?: number; hostname?: string } = {}): Promise<SmtpClient> {
    const { deadline = 20_000, hostname = "127.0.0.1" } = options;
    const conn = await Deno.connect({ hostname, port });
    conn.setNoDelay(true);
    return new SmtpClient(conn, deadline);
  }

  /** Connects, reads the greeting, says EHLO. */
  static async ready(port: number, options: { deadline?: number } = {}): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port, options);
    try {
      await client.expect(220);
      await client.command("EHLO client.example", 250);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** Connects with TLS from the first octet; the greeting is not read. */
  static async connectTls(port: number, trust: Trust, options: { deadline?: number } = {}): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port, options);
    await client.#handshake(trust);
    return client;
  }

  /** Connects, reads the greeting, EHLO, STARTTLS, EHLO again. */
  static async secured(port: number, trust: Trust, options: { deadline?: number } = {}): Promise<SmtpClient> {
    const client = await SmtpClient.ready(port, options);
    try {
      await client.startTls(trust);
      await client.command("EHLO client.example", 250);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** STARTTLS and the handshake; EHLO is not said again. */
  async startTls(trust: Trust): Promise<void> {
    await this.command("STARTTLS", 220);
    await this.#handshake(trust);
  }

  /** AUTH PLAIN with an initial response. */
  async login(user: string, password: string, code?: number): Promise<SmtpReply> {
    return await this.command(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, code);
  }

  async #handshake({ ca, name = "127.0.0.1" }: Trust): Promise<void> {
    const conn = await Deno.startTls(this.conn as Deno.TcpConn, { hostname: name, caCerts: [ca] });
    this.conn = conn;
    await within("TLS handshake", conn.handshake(), this.deadline, () => this.close());
  }

  /** Writes all of it. A string is one octet a character. */
  async send(data: Uint8Array | string): Promise<void> {
    let bytes = typeof data === "string" ? octets(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
  }

  /** Writes it in pieces of `size` octets, each a write of its own. */
  async sendInPieces(data: Uint8Array | string, size: number): Promise<void> {
    const bytes = typeof data === "string" ? octets(data) : data;
    for (let i = 0; i < bytes.length; i += size) await this.send(bytes.subarray(i, i + size));
  }

  /** Sends `line` and CRLF and reads the reply; with `code`, another one is an error. */
  async command(line: string, code?: number): Promise<SmtpReply> {
    await this.send(`${line}\r\n`);
    return code === undefined ? await this.reply() : await this.expect(code);
  }

  /** The next reply, all its lines. @throws {ConnectionClosed} when the connection ends first. */
  async reply(): Promise<SmtpReply> {
    const lines: string[] = [];
    let raw = "";
    for (;;) {
      const line = await this.line();
      raw += `${line}\r\n`;
      const parts = /^(\d{3})(?:([ -])(.*))?$/s.exec(line);
      if (!parts) throw new Error(`no reply line: ${JSON.stringify(line)}`);
      lines.push(parts[3] ?? "");
      if (parts[2] !== "-") return { code: Number(parts[1]), lines, raw };
    }
  }

  async expect(code: number): Promise<SmtpReply> {
    const reply = await this.reply();
    if (reply.code !== code) throw new Error(`expected ${code}, got ${JSON.stringify(reply.raw)}`);
    return reply;
  }

  /** The next line without its CRLF. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\r\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      if (!await this.#fill()) throw new ConnectionClosed(`closed after ${JSON.stringify(this.#text)}`);
    }
  }

  /** Waits for the end of the connection; returns what came before it. */
  async closed(): Promise<string> {
    while (await this.#fill());
    const rest = this.#text;
    this.#text = "";
    return rest;
  }

  /** MAIL, RCPT, DATA up to the 354; the octets of the message follow by `send`. */
  async begin(envelope: Pick<Envelope, "from" | "to">): Promise<void> {
    await this.command(`MAIL FROM:<${envelope.from}>`, 250);
    for (const to of envelope.to) await this.command(`RCPT TO:<${to}>`, 250);
    await this.command("DATA", 354);
  }

  /** A whole transaction after EHLO; returns the reply to the final dot, or the first refusal before it. */
  async attempt({ from, to, message }: Envelope): Promise<SmtpReply> {
    for (const command of [`MAIL FROM:<${from}>`, ...to.map((each) => `RCPT TO:<${each}>`), "DATA"]) {
      const reply = await this.command(command);
      if (reply.code >= 400) return reply;
    }
    await this.send(join(dotStuffed(message), octets(".\r\n")));
    return await this.reply();
  }

  /** A whole transaction after EHLO; returns the reply to the final dot. */
  async deliver(envelope: Envelope): Promise<SmtpReply> {
    await this.begin(envelope);
    await this.send(join(dotStuffed(envelope.message), octets(".\r\n")));
    return await this.reply();
  }

  async quit(): Promise<void> {
    await this.command("QUIT", 221);
    this.close();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** False at the end of the connection, however it came. */
  async #fill(): Promise<boolean> {
    if (!this.#open) return false;
    let count: number | null;
    try {
      count = await within("SMTP reply", this.conn.read(this.#chunk), this.deadline, () => this.close());
    } catch (error) {
      const gone = [Deno.errors.ConnectionReset, Deno.errors.BrokenPipe, Deno.errors.UnexpectedEof]; // the last: no close_notify
      if (gone.some((each) => error instanceof each)) count = null;
      else throw error;
    }
    if (count === null) return false;
    this.#text += latin1(this.#chunk.subarray(0, count));
    return true;
  }
}

/** The queue id that a 250 after a message names, or null. */
export function queuedAs(reply: SmtpReply): string | null {
  if (reply.code !== 250) return null;
  return /\bqueued as ([0-9A-HJKMNP-TV-Z]{26})\b/.exec(reply.lines.at(-1) ?? "")?.[1] ?? null;
}
