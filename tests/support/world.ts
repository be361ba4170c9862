/**
 * The world that a server delivers to, on one machine: addresses of loopback that no other test uses, one port for all of
 * its mail hosts, name servers, and what the server's log says of each delivery. Job: the stage. Non-job: who stands on
 * it (mail_host.ts, mail_sink.ts), what is sent.
 */
import { dotStuffed, join, latin1, octets } from "./bytes.ts";
import { readMaildir } from "./maildir.ts";
import { NameServers, type TestZones } from "./name_servers.ts";
import { freePort } from "./ports.ts";
import { Server, type ServerOptions } from "./server.ts";
import { type Envelope, queuedAs, SmtpClient } from "./smtp_client.ts";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

/** A line of the log about one attempt at one recipient. */
export interface Attempt {
  readonly event: "delivered" | "deferred" | "bounced";
  readonly transaction: string;
  readonly sender: string;
  readonly recipient: string;
  readonly relay: string | null;
  readonly attempts: number;
  readonly status: string;
  readonly reply: string;
  readonly tls: string | null;
  readonly expired?: boolean;
}

export interface SiteOptions extends Omit<ServerOptions, "config"> {
  /** Of the hosts that domains name (default that of this world). */
  readonly port?: number;
  /** Waits before attempts (default 1s). */
  readonly retry?: string;
  /** Lines of `delivery`, each with two spaces in front; `port`, `retry` and the authority are there. */
  readonly delivery?: string;
  /** More top-level lines. */
  readonly rest?: string;
  /** PEM file. */
  readonly ca?: string;
  /** Lines of the list of plugins, in the place of the usual ones. */
  readonly plugins?: string;
  readonly validating?: boolean;
  /** Keys of the listener, in the flow style, with a comma in front. */
  readonly listener?: string;
  /** More listeners, in the flow style, each with a comma in front. */
  readonly listeners?: string;
}

/** Ours is `home.example`: me@ and postmaster@ have Maildirs, nobody else is there. */
export class World implements AsyncDisposable {
  readonly port: number = freePort();
  readonly #net = `127.${20 + Math.floor(Math.random() * 200)}.${Math.floor(Math.random() * 256)}`;
  /** Where Maildirs are. */
  readonly folder: TempFolder;
  names: NameServers | null = null;

  private constructor(folder: TempFolder) {
    this.folder = folder;
  }

  static async make(): Promise<World> {
    return new World(await TempFolder.make("postern-world-"));
  }

  /** The address of a host, 1 to 254. */
  ip(host: number): string {
    return `${this.#net}.${host}`;
  }
  /** Where to open it. */
  place(host: number): { readonly host: string; readonly port: number } {
    return { host: this.ip(host), port: this.port };
  }

  async nameServers(zones: TestZones): Promise<NameServers> {
    return this.names = await NameServers.start(zones);
  }

  config(options: SiteOptions = {}): string {
    const {
      delivery = "",
      rest = "",
      ca,
      plugins,
      validating = true,
      listener = "",
      listeners = "",
      retry = "1s",
      port = this.port,
    } = options;
    return `hostname: mx.home.example
domains: [home.example]
postmaster: postmaster@home.example
listeners: [{ address: "127.0.0.1:2525"${listener} }${listeners}]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
log: { format: json }
${this.names === null ? "" : `dns: { servers: ["127.0.0.1:${this.names.port}"], validating: ${validating} }\n`}${rest}
plugins:
${
      plugins ?? `  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { me: maildir, postmaster: maildir } }
  - maildir: { root: ${JSON.stringify(this.folder.path)} }`
    }
delivery:
  port: ${port}
  retry: [${retry}]
${delivery}
${ca === undefined || /^ {2}tls:/m.test(delivery) ? "" : `  tls: { ca: ${JSON.stringify(ca)} }\n`}`;
  }

  async start(options: SiteOptions = {}): Promise<Site> {
    return new Site(await Server.start({ ...options, config: this.config(options) }), this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.names?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** The server on that stage. */
export class Site implements AsyncDisposable {
  constructor(readonly server: Server, readonly folder: TempFolder) {}

  /** A whole session; returns the queue id. */
  async send(envelope: Partial<Envelope> & { readonly to: readonly string[] }): Promise<string> {
    using client = await SmtpClient.ready(this.server.ports.smtp);
    const { from = "me@home.example", message = SAMPLE } = envelope;
    const id = queuedAs(await client.deliver({ from, to: envelope.to, message }));
    if (id === null) throw new Error("the server did not take it");
    await client.quit();
    return id;
  }

  /** The same with parameters: "<me@home.example> RET=HDRS", "<you@peer.example> NOTIFY=NEVER"; UTF-8 as it is. */
  async submit(from: string, to: readonly string[], message: Uint8Array | string = SAMPLE): Promise<string> {
    using client = await SmtpClient.ready(this.server.ports.smtp);
    const utf8 = (text: string) => latin1(new TextEncoder().encode(text));
    await client.command(utf8(`MAIL FROM:${from}`), 250);
    for (const each of to) await client.command(utf8(`RCPT TO:${each}`), 250);
    await client.command("DATA", 354);
    const content = typeof message === "string" ? octets(utf8(message.replaceAll("\n", "\r\n"))) : message;
    await client.send(join(dotStuffed(content), octets(".\r\n")));
    const id = queuedAs(await client.reply());
    if (id === null) throw new Error("the server did not take it");
    await client.quit();
    return id;
  }

  /** What the log says of this transaction, or of all. */
  attempts(transaction?: string): readonly Attempt[] {
    return this.server.output.split("\n").filter((line) => /"event":"(?:delivered|deferred|bounced)"/.test(line))
      .map((line) => JSON.parse(line) as Attempt)
      .filter((each) => transaction === undefined || each.transaction === transaction);
  }

  /** Waits for an attempt of this kind. */
  async attempt(event: Attempt["event"], transaction: string, recipient?: string): Promise<Attempt> {
    return await waitFor(
      `${event} of ${transaction} in ${JSON.stringify(this.attempts(transaction), null, 1)}`,
      () =>
        this.attempts(transaction).find((each) =>
          each.event === event && (recipient === undefined || each.recipient === recipient)
        ),
      { deadline: 20_000 },
    );
  }

  /** Waits for whatever comes of it first. */
  async first(transaction: string): Promise<Attempt> {
    return await waitFor(`an attempt at ${transaction}`, () => this.attempts(transaction)[0], { deadline: 20_000 });
  }

  /** Letters in a Maildir of ours, oldest first, as Latin-1. */
  async letters(local: string): Promise<readonly string[]> {
    return (await readMaildir(this.folder.at(`home.example/${local}/Maildir`))).map(latin1);
  }

  /** Waits for one that has all of this in it. */
  async letter(local: string, ...parts: readonly string[]): Promise<string> {
    return await waitFor(
      `a letter to ${local} with ${parts.join(", ")}`,
      async () => (await this.letters(local)).find((text) => parts.every((part) => text.includes(part))),
      { deadline: 20_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

export const SAMPLE: Uint8Array<ArrayBuffer> = new TextEncoder().encode(
  "From: me@home.example\r\nSubject: sample\r\nMessage-ID: <sample@home.example>\r\n\r\nHello\r\n.dot\r\n",
);
