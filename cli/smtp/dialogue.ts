/**
 * A small SMTP or LMTP client for a person at a terminal: one message, one command at a time, every line shown on demand.
 * Non-job: the queue's deliveries (core/delivery), octets and TLS (connection.ts), proofs (login.ts).
 * RFC 5321, RFC 2033, RFC 3207, RFC 1870, RFC 6152, RFC 6531.
 */
import { readCertificate, serverEndPoint } from "../../core/net/tls/certificate.ts";
import { DerError } from "../../core/net/tls/der.ts";
import { DialogueError, type SmtpConnection, type TlsOptions } from "./connection.ts";
import { stuffed } from "./content.ts";
import { type Login, logIn } from "./login.ts";

/** What the server said to one command. */
export interface Said {
  readonly code: number;
  /** Texts of all its lines. */
  readonly lines: readonly string[];
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
/** How to talk, beside what to say. */
export interface Manner {
  /** Our name in EHLO. */
  readonly helo: string;
  /** For whom we speak (XCLIENT): its address and name, null where they are our own. */
  readonly as?: { readonly ip: string | null; readonly helo: string | null } | undefined;
  /** LHLO, and a reply for each recipient behind the message (RFC 2033). */
  readonly lmtp?: boolean | undefined;
  /** STARTTLS before anything else: without it nothing is sent. */
  readonly starttls?: TlsOptions | undefined;
  /** Log in before the envelope. */
  readonly login?: Login | undefined;
  /** The path to the server stays in this machine. */
  readonly local?: boolean | undefined;
  /** Whom we connected to. */
  readonly server: { readonly host: string; readonly port: number };
}

interface Greeting {
  readonly helo: string;
  readonly verb: "EHLO" | "LHLO";
}

const MAX_LINES = 200;

export class SmtpDialogue {
  /** Keywords of the last EHLO with their parameters, upper case. */
  #offered: ReadonlyMap<string, string> = new Map();

  constructor(readonly connection: SmtpConnection, readonly trace: (line: string) => void) {}

  /** Says it all: greeting, EHLO or HELO, STARTTLS, AUTH, envelope, content, QUIT. */
  async deliver(mail: Outgoing, manner: Manner): Promise<Outcome> {
    if (this.connection.tls !== null) this.#traceTls();
    const refusal = await this.#introduce(manner) ?? await this.#logIn(manner);
    if (refusal !== null) return await this.#quit(ended(refusal, mail));
    const begun = await this.command(`MAIL FROM:<${mail.from ?? ""}>${parametersFor(mail, this.#offered)}`);
    if (begun.code !== 250) return await this.#quit(ended(begun, mail));
    const refused: { address: string; reply: string }[] = [], taken: string[] = [];
    for (const address of mail.to) {
      const reply = await this.command(`RCPT TO:<${address}>`);
      if (isPositive(reply)) taken.push(address);
      else refused.push({ address, reply: textOf(reply) });
    }
    if (taken.length === 0) return await this.#quit({ refused, reply: refused.at(-1)!.reply, accepted: false });
    const go = await this.command("DATA");
    if (go.code !== 354) return await this.#quit({ refused, reply: textOf(go), accepted: false });
    await this.connection.write(stuffed(mail.content));
    this.trace(`>>> (${mail.content.length} octets) .`);
    if (manner.lmtp) return await this.#quit(await this.#verdicts(taken, refused));
    const last = await this.reply();
    return await this.#quit({ refused, reply: textOf(last), accepted: last.code === 250 });
  }

  /** Greeting, EHLO, TLS: null, or the reply that ends the attempt. */
  async #introduce({ helo, as, lmtp, starttls }: Manner): Promise<Said | null> {
    const greeting = await this.reply(), verb = lmtp ? "LHLO" : "EHLO";
    if (greeting.code !== 220) return greeting;
    const refusal = await this.#greet(helo, verb) ?? await this.#secure(starttls, { helo, verb });
    return refusal ?? await this.#speakFor(as, { helo, verb });
  }

  async #secure(starttls: TlsOptions | undefined, { helo, verb }: Greeting): Promise<Said | null> {
    if (starttls === undefined) return null;
    if (!this.#offered.has("STARTTLS")) throw new DialogueError("the server does not offer STARTTLS");
    const go = await this.command("STARTTLS");
    if (go.code !== 220) return go;
    await this.connection.secure(starttls);
    this.#traceTls();
    return await this.#greet(helo, verb); // what it offered in clear is forgotten (RFC 3207 4.2)
  }

  /** The session begins anew, as somebody else's: greeting, EHLO. */
  async #speakFor(as: Manner["as"], { helo, verb }: Greeting): Promise<Said | null> {
    if (as === undefined) return null;
    if (!this.#offered.has("XCLIENT")) {
      throw new DialogueError("the server does not let us speak for others: it offers no XCLIENT here");
    }
    const { ip } = as, name = as.helo ?? helo;
    const address = ip === null ? "" : ` ADDR=${ip.includes(":") ? "IPV6:" : ""}${ip}`;
    const said = await this.command(`XCLIENT${address} HELO=${name}`);
    return said.code === 220 ? await this.#greet(name, verb) : said;
  }

  async #greet(helo: string, verb: Greeting["verb"]): Promise<Said | null> {
    let hello = await this.command(`${verb} ${helo}`);
    if (hello.code >= 500 && verb === "EHLO") hello = await this.command(`HELO ${helo}`); // RFC 5321 3.2
    if (hello.code !== 250) return hello;
    this.#offered = new Map(
      hello.lines.slice(1).map((line) => {
        const [keyword, ...parameters] = line.toUpperCase().split(" ");
        return [keyword!, parameters.join(" ")];
      }),
    );
    return null;
  }

  async #logIn({ login, local, server }: Manner): Promise<Said | null> {
    if (login === undefined) return null;
    const { tls } = this.connection;
    const channel = {
      confidential: tls !== null || local === true,
      bindings: tls === null ? new Map<string, Uint8Array>() : bindingsOf(tls.getPeerCertificate().raw),
      certificate: this.connection.certificate,
      server,
      random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    };
    const offered = this.#offered.get("AUTH")?.split(" ").filter(Boolean) ?? [];
    const said = await logIn((line, shown) => this.command(line, shown), login, { offered, channel });
    return said.code === 235 ? null : said;
  }

  /** A reply for each recipient that was taken, in their order (RFC 2033 4.2). */
  async #verdicts(taken: readonly string[], refused: { address: string; reply: string }[]): Promise<Outcome> {
    let accepted: string | null = null;
    for (const address of taken) {
      const verdict = await this.reply();
      if (verdict.code === 250) accepted ??= textOf(verdict);
      else refused.push({ address, reply: textOf(verdict) });
    }
    return { refused, reply: accepted ?? refused.at(-1)!.reply, accepted: accepted !== null };
  }

  async #quit(outcome: Outcome): Promise<Outcome> {
    await this.command("QUIT").catch(() => null); // the outcome is known; a server that hangs up first changes nothing
    return outcome;
  }

  /** One command, one reply. `shown` stands in the trace instead of what must not. */
  async command(line: string, shown = line): Promise<Said> {
    this.trace(`>>> ${shown}`);
    await this.connection.write(new TextEncoder().encode(`${line}\r\n`));
    return await this.reply();
  }

  async reply(): Promise<Said> {
    const lines: string[] = [];
    while (lines.length < MAX_LINES) {
      const line = await this.connection.line();
      this.trace(`<<< ${line.replace(/^334([ -]).+$/s, "334$1***")}`); // a challenge (RFC 4954 4)
      const [, code, separator, text] = /^([2-5]\d\d)(?:([ -])(.*))?$/s.exec(line) ?? [];
      if (code === undefined) {
        throw new DialogueError(`the server said ${JSON.stringify(line.slice(0, 80))}, which is no SMTP reply`);
      }
      lines.push(text ?? "");
      if (separator !== "-") return { code: Number(code), lines };
    }
    throw new DialogueError("the server's reply never ends");
  }

  #traceTls(): void {
    const { tls } = this.connection, { subject } = tls!.getPeerCertificate();
    const trust = tls!.authorized ? "trusted" : `not trusted (${tls!.authorizationError})`;
    const name = subject?.CN === undefined ? "" : ` of ${[subject.CN].flat().join(", ")}`;
    this.trace(`--- ${tls!.getProtocol()}, ${tls!.getCipher().standardName}, certificate${name} ${trust}`);
  }
}

export function isPositive({ code }: Said): boolean {
  return code >= 200 && code <= 299;
}

/** What the server's certificate gives to bind a login to (RFC 5929 4). */
function bindingsOf(certificate: Uint8Array): ReadonlyMap<string, Uint8Array> {
  try {
    const octets = serverEndPoint(readCertificate(new Uint8Array(certificate)));
    return new Map(octets === null ? [] : [["tls-server-end-point", octets]]);
  } catch (error) {
    if (error instanceof DerError) return new Map();
    throw error;
  }
}

function ended(reply: Said, mail: Outgoing): Outcome {
  const text = textOf(reply);
  return { refused: mail.to.map((address) => ({ address, reply: text })), reply: text, accepted: false };
}

/** What the message needs and the server offers. What it needs and the server lacks is the server's to refuse. */
function parametersFor({ from, to, content }: Outgoing, offered: ReadonlyMap<string, string>): string {
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
