/**
 * A mail host of the world outside, for a server that delivers to it: our own engine on an address of loopback, which keeps
 * what it takes with the envelope, and says no where the test says so. Job: one host. Non-job: names (world.ts), peers that
 * break the protocol (HandmadeServer), other people's servers.
 */
import type { Socket } from "node:net";
import { formatAddress } from "../../core/model/address.ts";
import type { MailParameters, RcptParameters } from "../../core/model/envelope.ts";
import { NO_MAIL_PARAMETERS } from "../../core/model/envelope.ts";
import { concat } from "../../core/model/octets.ts";
import { accept, reject, type Reply } from "../../core/model/reply.ts";
import type { Host } from "../../core/net/inbound.ts";
import { Certificates } from "../../core/net/tls/certificates.ts";
import { ServerTls } from "../../core/net/tls/server_tls.ts";
import type { TlsFacts } from "../../core/pipeline/contexts/contexts.ts";
import type { Asking } from "../../core/smtp/events.ts";
import { Offer } from "../../core/smtp/extensions.ts";
import { ServerSession } from "../../core/smtp/server.ts";
import { latin1 } from "./bytes.ts";
import { LIMITS, serverOptions } from "./engine.ts";
import { LocalServer, type Place, serve } from "./mail_sink.ts";
import type { Pair } from "./tls.ts";

/** A message that was taken. */
export interface Taken {
  readonly sender: string;
  readonly parameters: MailParameters;
  readonly recipients: readonly ({ readonly address: string } & RcptParameters)[];
  readonly content: Uint8Array;
  /** The content as Latin-1. */
  readonly text: string;
  /** The version of TLS, or null. */
  readonly tls: string | null;
  /** Who had logged in, or null. */
  readonly identity: string | null;
  /** Of the connections of this host, from 1. */
  readonly connection: number;
}

export interface MailHostOptions extends Place {
  /** What it calls itself. */
  readonly name?: string;
  /** STARTTLS with this, or TLS at once. */
  readonly pair?: Pair;
  readonly implicitTls?: boolean;
  /** Extensions that it does not know. */
  readonly hide?: readonly string[];
  /** Recipients of one transaction. */
  readonly recipients?: number;
  /** Octets of a message. */
  readonly size?: number;
  /** AUTH PLAIN with this, and nothing without; with TLS where there is a pair. */
  readonly login?: { readonly user: string; readonly password: string };
  /** What it says instead of yes. */
  readonly answer?: (event: Asking, host: MailHost) => Reply | undefined;
}

export class MailHost extends LocalServer {
  readonly taken: Taken[] = [];
  /** Everything that it was asked, in order: "mail", "rcpt someone@example.org", "auth". */
  readonly asked: string[] = [];
  readonly options: MailHostOptions;
  readonly #tls: ServerTls | null;

  private constructor(options: MailHostOptions, tls: ServerTls | null) {
    super();
    this.options = options;
    this.#tls = tls;
  }

  static async open(options: MailHostOptions = {}): Promise<MailHost> {
    const { pair } = options;
    const certificates = pair && await Certificates.open({
      pairs: [{ certificate: pair.certFile, key: pair.keyFile }],
      trouble: () => {},
      period: 0,
    });
    const host = new MailHost(options, certificates ? new ServerTls({ certificates, minVersion: "TLSv1.2" }) : null);
    await host.listen(options);
    return host;
  }

  /** Those for this recipient. */
  of(address: string): readonly Taken[] {
    return this.taken.filter(({ recipients }) => recipients.some((each) => each.address === address));
  }

  connected(socket: Socket): void {
    const { name = "mx.example.net", hide = [], recipients = 100, size = 10_000_000, login } = this.options;
    const { implicitTls = false } = this.options;
    const options = serverOptions({
      hostname: name,
      now: Date.now,
      offer: new Offer({
        size,
        recipients,
        binarymime: true,
        hide,
        startTls: this.#tls !== null && !implicitTls,
        ...login && { mechanisms: ["PLAIN"], authWithoutTls: this.#tls === null },
      }),
      demands: { tls: false, auth: login !== undefined },
      limits: { ...LIMITS, size, recipients, command: 4096 },
    });
    serve(socket, new ServerSession(options), new Keeper(this, this.connections), { tls: this.#tls, implicitTls });
  }
}

/** What one connection has said so far. */
class Keeper implements Host {
  #sender = "";
  #parameters: MailParameters = NO_MAIL_PARAMETERS;
  #recipients: Taken["recipients"][number][] = [];
  #pieces: Uint8Array[] = [];
  #tls: string | null = null;
  #identity: string | null = null;

  constructor(readonly host: MailHost, readonly connection: number) {}

  ask(event: Asking): Reply {
    this.host.asked.push(event.type === "rcpt" ? `rcpt ${formatAddress(event.address)}` : event.type);
    const answer = this.host.options.answer?.(event, this.host);
    if (answer !== undefined && answer.verdict !== "accept") return answer;
    switch (event.type) {
      case "mail":
        this.#sender = formatAddress(event.sender);
        this.#parameters = event.parameters;
        this.#recipients = [];
        break;
      case "rcpt":
        this.#recipients.push({ address: formatAddress(event.address), ...event.parameters });
        break;
      case "content":
        this.#pieces = [];
        break;
      case "auth":
        return this.#login(event.initial);
      case "message":
        this.#keep();
    }
    return answer ?? accept();
  }

  #keep(): void {
    const content = concat(this.#pieces);
    this.host.taken.push({
      sender: this.#sender,
      parameters: this.#parameters,
      recipients: this.#recipients,
      content,
      text: latin1(content),
      tls: this.#tls,
      identity: this.#identity,
      connection: this.connection,
    });
  }

  #login(initial: Uint8Array | null): Reply {
    const { user, password } = this.host.options.login!;
    if (new TextDecoder().decode(initial ?? new Uint8Array()) !== `\0${user}\0${password}`) {
      return reject("5.7.8", "Authentication credentials invalid", { code: 535 });
    }
    this.#identity = user;
    return accept();
  }

  secured({ version }: TlsFacts): void {
    this.#tls = version;
  }
  body(chunk: Uint8Array): void {
    this.#pieces.push(chunk.slice());
  }
  spoiled(): void {}
  reset(): void {}
  refused(): void {}
  failed(error: unknown): void {
    throw error;
  }
  gone(): void {}
}
