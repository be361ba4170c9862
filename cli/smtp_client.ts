/**
 * A small SMTP client for a person at a terminal: one message, one command at a time, every line shown on demand.
 * Non-job: the queue's deliveries (core/delivery), TLS, AUTH. RFC 5321, RFC 1870, RFC 6152, RFC 6531.
 */

/** What the server said to one command. */
export interface Said {
  readonly code: number;
  /** Texts of all its lines. */
  readonly lines: readonly string[];
}
/** The server broke the protocol or left. */
export class DialogueError extends Error {
  override readonly name = "DialogueError";
}
export interface Outgoing {
  /** Null for the null sender. */
  readonly from: string | null;
  readonly to: readonly string[];
  /** As it is to arrive, CRLF line ends. */
  readonly content: Uint8Array;
}
export interface Outcome {
  /** Recipients that were refused, with the words. */
  readonly refused: readonly { readonly address: string; readonly reply: string }[];
  /** The reply to the message, or the one that ended the attempt before it. */
  readonly reply: string;
  /** True when the message was taken for at least one recipient. */
  readonly accepted: boolean;
}

const MAX_LINE = 4096, MAX_LINES = 200; // a reply line has at most 512 octets (RFC 5321 4.5.3.1.5); we are kinder
const WAIT = 300_000; // RFC 5321 4.5.3.2

export class SmtpDialogue {
  readonly #decoder = new TextDecoder();
  #buffer = "";
  constructor(readonly connection: Deno.Conn, readonly trace: (line: string) => void) {}

  /** Says it all: greeting, EHLO or HELO, envelope, content, QUIT. */
  async deliver(mail: Outgoing, helo: string): Promise<Outcome> {
    const greeting = await this.#reply();
    if (greeting.code !== 220) return this.#ended(greeting, mail);
    let hello = await this.#command(`EHLO ${helo}`);
    if (hello.code >= 500) hello = await this.#command(`HELO ${helo}`); // RFC 5321 3.2
    if (hello.code !== 250) return await this.#quit(this.#ended(hello, mail));
    const offered = new Set(hello.lines.slice(1).map((line) => line.split(" ")[0]!.toUpperCase()));
    const parameters = parametersFor(mail, offered);
    const begun = await this.#command(`MAIL FROM:<${mail.from ?? ""}>${parameters}`);
    if (begun.code !== 250) return await this.#quit(this.#ended(begun, mail));
    const refused: { address: string; reply: string }[] = [];
    for (const address of mail.to) {
      const reply = await this.#command(`RCPT TO:<${address}>`);
      if (reply.code < 200 || reply.code > 299) refused.push({ address, reply: textOf(reply) });
    }
    if (refused.length === mail.to.length) {
      return await this.#quit({ refused, reply: refused.at(-1)!.reply, accepted: false });
    }
    const go = await this.#command("DATA");
    if (go.code !== 354) return await this.#quit({ refused, reply: textOf(go), accepted: false });
    await this.#write(stuffed(mail.content));
    this.trace(`>>> (${mail.content.length} octets) .`);
    const last = await this.#reply();
    return await this.#quit({ refused, reply: textOf(last), accepted: last.code === 250 });
  }

  #ended(reply: Said, mail: Outgoing): Outcome {
    const text = textOf(reply);
    return { refused: mail.to.map((address) => ({ address, reply: text })), reply: text, accepted: false };
  }

  async #quit(outcome: Outcome): Promise<Outcome> {
    await this.#command("QUIT").catch(() => null); // the outcome is known; a server that hangs up first changes nothing
    return outcome;
  }

  async #command(line: string): Promise<Said> {
    this.trace(`>>> ${line}`);
    await this.#write(new TextEncoder().encode(`${line}\r\n`));
    return await this.#reply();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.connection.write(rest));
  }

  async #reply(): Promise<Said> {
    const lines: string[] = [];
    while (lines.length < MAX_LINES) {
      const line = await this.#line();
      this.trace(`<<< ${line}`);
      const [, code, separator, text] = /^([2-5]\d\d)(?:([ -])(.*))?$/s.exec(line) ?? [];
      if (code === undefined) {
        throw new DialogueError(`the server said ${JSON.stringify(line.slice(0, 80))}, which is no SMTP reply`);
      }
      lines.push(text ?? "");
      if (separator !== "-") return { code: Number(code), lines };
    }
    throw new DialogueError("the server's reply never ends");
  }

  async #line(): Promise<string> {
    const chunk = new Uint8Array(4096);
    for (;;) {
      const end = this.#buffer.indexOf("\n");
      if (end >= 0) {
        const line = this.#buffer.slice(0, end).replace(/\r$/, "");
        this.#buffer = this.#buffer.slice(end + 1);
        return line;
      }
      if (this.#buffer.length > MAX_LINE) throw new DialogueError("the server sends a line without an end");
      const count = await withTimeout(this.connection.read(chunk), WAIT);
      if (count === null) throw new DialogueError("the server closed the connection");
      this.#buffer += this.#decoder.decode(chunk.subarray(0, count), { stream: true });
    }
  }
}

/** What the message needs and the server offers. What it needs and the server lacks is the server's to refuse. */
function parametersFor({ from, to, content }: Outgoing, offered: ReadonlySet<string>): string {
  let text = "";
  if (offered.has("SIZE")) text += ` SIZE=${content.length}`;
  if (offered.has("8BITMIME") && content.some((octet) => octet > 127)) text += " BODY=8BITMIME";
  if (offered.has("SMTPUTF8") && [from ?? "", ...to].some((each) => /[^\x00-\x7f]/.test(each))) text += " SMTPUTF8";
  return text;
}

/** The reply as one line. */
function textOf({ code, lines }: Said): string {
  return `${code} ${lines.join(" ")}`.trim();
}

const DOT = 46, CR = 13, LF = 10;

/** Line ends as CRLF, whatever they were, the last line's too: it is part of the size (RFC 1870 3). */
export function canonical(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length * 2 + 2);
  let at = 0;
  for (let i = 0; i < content.length; i++) {
    const octet = content[i]!;
    if (octet === LF && content[i - 1] !== CR) out[at++] = CR;
    out[at++] = octet;
    if (octet === CR && content[i + 1] !== LF) out[at++] = LF;
  }
  if (at > 0 && out[at - 1] !== LF) {
    out[at++] = CR;
    out[at++] = LF;
  }
  return out.slice(0, at);
}

/** Dots at line starts doubled, the end written (RFC 5321 4.5.2). `content` is canonical. */
export function stuffed(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length * 2 + 3);
  let at = 0;
  for (let i = 0; i < content.length; i++) {
    if (content[i] === DOT && (i === 0 || content[i - 1] === LF)) out[at++] = DOT;
    out[at++] = content[i]!;
  }
  out.set([DOT, CR, LF], at);
  return out.slice(0, at + 3);
}

async function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DialogueError("the server did not answer in time")), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
