/**
 * The client engine and the server engine joined by a wire that cuts what goes over it as it is told, both ways. TLS is a
 * word that both are given; logins are real. What the server's host accepts is kept.
 */
import { formatAddress } from "../../core/model/address.ts";
import { accept, defer, reject, type Reply } from "../../core/model/reply.ts";
import { Challenge, type ServerEvent } from "../../core/smtp/events.ts";
import { MECHANISMS } from "../../core/smtp/sasl/mod.ts";
import { type ServerOptions, ServerSession } from "../../core/smtp/server.ts";
import {
  type ClientOptions,
  ClientSession,
  type ContentSink,
  type MailTransaction,
  type Outcome,
} from "../../core/smtp/client/mod.ts";
import { latin1, octets } from "./bytes.ts";
import { clientOptions, described } from "./client_dialogue.ts";
import { serverOptions } from "./engine.ts";
import { connection } from "./sasl.ts";

export interface Delivery {
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly content: string;
}
export interface Mail {
  readonly transaction: MailTransaction;
  /** Latin-1. */
  readonly content: string;
}
export interface WireOptions {
  readonly client?: Partial<ClientOptions>;
  readonly server?: Partial<ServerOptions>;
  /** Sizes of the pieces that the wire makes, and those in which the content is handed over; round and round. */
  readonly cuts: readonly number[];
  /** How the server's host keeps this password. */
  readonly password?: string;
}
export interface Exchanged {
  readonly deliveries: readonly Delivery[];
  /** For each mail, what became of each recipient, as `described`. */
  readonly outcomes: readonly (readonly string[])[];
  /** How the session ended, as `described`; null after QUIT. */
  readonly failure: string | null;
  /** All that the client wrote. */
  readonly said: string;
  readonly secure: boolean;
  readonly identified: boolean;
}

/** What the server's host says to a recipient, by the name; in LMTP `full` is refused behind the content. */
function verdict(local: string): Reply {
  if (local.startsWith("no")) return reject("5.1.1", "No such user");
  return local.startsWith("later") ? defer("4.2.1", "Not now") : accept();
}

class ServerHost {
  readonly deliveries: Delivery[] = [];
  #sender = "";
  #recipients: string[] = [];
  #content = "";
  #response: ((octets: Uint8Array) => void) | null = null;
  #turn: PromiseWithResolvers<void> | null = null;

  constructor(readonly session: ServerSession, readonly password: string) {}

  /** Resolves when a login wants the client's word, or is over; null when none goes on. */
  get busy(): Promise<void> | null {
    return this.#turn?.promise ?? null;
  }

  pump(): void {
    for (let event = this.session.next(); event !== null; event = this.session.next()) this.#handle(event);
  }

  #handle(event: ServerEvent): void {
    if (event.type === "body") this.#content += latin1(event.chunk);
    if (event.type === "auth-response") {
      this.#turn = Promise.withResolvers();
      this.#response!(event.response.slice());
      return;
    }
    if (event.type === "auth") {
      const initial = event.initial?.slice() ?? null;
      this.#turn = Promise.withResolvers();
      this.#logIn(event.mechanism, initial);
      return;
    }
    if (!event.asks) return;
    if (event.type === "mail") {
      this.#sender = formatAddress(event.sender);
      this.#recipients = [];
    }
    if (event.type === "content") this.#content = "";
    if (event.type === "message") return this.#take();
    const reply = event.type === "rcpt" ? verdict(event.address.local) : accept();
    if (event.type === "rcpt" && reply.verdict === "accept") this.#recipients.push(formatAddress(event.address));
    this.session.answer(reply);
  }

  #take(): void {
    const { lmtp } = this.session.options;
    const taken = lmtp ? this.#recipients.filter((each) => !each.startsWith("full")) : this.#recipients;
    if (taken.length > 0) this.deliveries.push({ sender: this.#sender, recipients: taken, content: this.#content });
    const full = defer("4.2.2", "Full", { code: 452 });
    this.session.answer(lmtp ? this.#recipients.map((each) => each.startsWith("full") ? full : accept()) : accept());
  }

  async #logIn(mechanism: string, initial: Uint8Array | null): Promise<void> {
    const challenge = (octets: Uint8Array) => {
      this.session.answer(new Challenge(octets));
      this.#rest();
      return new Promise<Uint8Array>((resolve) => this.#response = resolve);
    };
    const claim = await MECHANISMS.get(mechanism)!.claim(initial, { challenge }, connection());
    const good = await claim.verify(this.password);
    await claim.conclude?.(good);
    this.session.answer(good ? accept() : reject("5.7.8", "Wrong", { code: 535 }));
    this.#rest();
  }

  #rest(): void {
    this.#turn?.resolve();
    this.#turn = null;
  }
}

/** Sends the mails one after the other, those that are `untried` again, and parts. */
export async function exchange(mails: readonly Mail[], options: WireOptions): Promise<Exchanged> {
  const client = new ClientSession(clientOptions({ lmtp: options.server?.lmtp === true, ...options.client }));
  const server = new ServerSession(serverOptions(options.server));
  const host = new ServerHost(server, options.password ?? "");
  const outcomes: string[][] = [], queue = mails.map((mail, index) => ({ ...mail, index }));
  let failure: string | null = "open",
    cuts = 0,
    sink: ContentSink | null = null,
    left = "",
    said = "",
    busy: Promise<void> | null = null;
  let toServer = "", toClient = "", tls = false;
  const nextCut = () => options.cuts[cuts++ % options.cuts.length]!;

  const give = () => { // content, in pieces of its own
    while (sink !== null) {
      if (left === "") {
        sink.end();
        sink = null;
        return;
      }
      const size = nextCut(), piece = octets(left.slice(0, size));
      left = left.slice(size);
      const more = sink.write(piece);
      piece.fill(0x21); // it is ours again
      if (!more) return;
    }
  };
  const done = (results: readonly Outcome[]) => {
    const { transaction, content, index } = queue.shift()!;
    sink = null;
    const again = transaction.recipients.filter((_, place) => results[place]!.verdict === "untried");
    if (again.length === transaction.recipients.length) throw new Error("nobody was tried");
    outcomes[index] = [
      ...outcomes[index] ?? [],
      ...results.filter((each) => each.verdict !== "untried").map(described),
    ];
    if (again.length > 0) queue.unshift({ transaction: { ...transaction, recipients: again }, content, index });
  };
  const pump = () => {
    for (let event = client.next(); event !== null; event = client.next()) {
      if (event.type === "login") busy = client.logIn().finally(() => busy = null);
      else if (event.type === "starttls") tls = true;
      else if (event.type === "done") done(event.outcomes);
      else if (event.type === "close") failure = event.failure === null ? null : described(event.failure);
      else if (event.type === "content") {
        if (sink === null) left = queue[0]!.content;
        sink = event.sink;
        give();
      } else if (queue.length === 0) client.quit();
      else client.send(queue[0]!.transaction);
    }
    const written = latin1(client.takeOutput());
    said += written;
    toServer += written;
  };

  host.pump();
  toClient += server.takeOutput();
  for (let turns = 0; failure === "open"; turns++) {
    if (turns > 100_000) throw new Error("they never come to an end");
    const before = toServer.length + toClient.length;
    if (toClient !== "") {
      const size = nextCut(), piece = octets(toClient.slice(0, size));
      toClient = toClient.slice(size);
      client.receive(piece);
      pump();
    }
    if (toServer !== "") {
      const size = nextCut();
      server.receive(octets(toServer.slice(0, size)));
      toServer = toServer.slice(size);
      host.pump();
    }
    if (tls) {
      tls = false;
      if (toServer !== "" || toClient !== "") throw new Error("octets in clear where TLS begins");
      server.secured({ certificate: false });
      client.secured({ trusted: true, bindings: new Map(), certificate: false });
    }
    if (busy !== null) await busy;
    if (host.busy !== null) await host.busy;
    host.pump();
    toClient += server.takeOutput();
    pump();
    if (before === 0 && toServer === "" && toClient === "" && failure === "open") throw new Error("both wait");
  }
  const { secure, identified } = client;
  return { deliveries: host.deliveries, outcomes, failure, said, secure, identified };
}
