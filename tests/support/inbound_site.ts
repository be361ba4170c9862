/**
 * A site that mail from the world comes to, as its users run it: the command line with plugins of a test's choice, name
 * servers that know the world, and strangers at any address, which a proxy line says (loopback is nobody's stranger). Job:
 * the stage, who signs. Non-job: what is sent, what is looked for.
 */
import { PrivateKey, recordName, recordText, sign, type SigningKey, zoneRecord } from "../../core/dkim/mod.ts";
import { pem, rsaPkcs8 } from "../unit/dkim/keys.ts";
import { content } from "../unit/dkim/crafted.ts";
import { join, latin1, mail, octets } from "./bytes.ts";
import { type CliResult, postern } from "./cli.ts";
import { programOf } from "./debian.ts";
import { NAME_SERVERS, NameServers } from "./name_servers.ts";
import { freePort } from "./ports.ts";
import { Server, type ServerOptions } from "./server.ts";
import { queuedAs, SmtpClient, type SmtpReply } from "./smtp_client.ts";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

/** What a test with it lacks, or null. */
export const INBOUND_MISSING: string | null = NAME_SERVERS.filter((each) => programOf(each) === null).join(", ") ||
  null;

/** PEM of the one key of this world: of its authors, and of the site where it signs. RSA, for every verifier of ARC knows it. */
export const KEY_PEM: string = pem("PRIVATE KEY", await rsaPkcs8(2048));
export const KEY: PrivateKey = PrivateKey.parse(KEY_PEM);
const keyOf = (domain: string): SigningKey => ({ domain, selector: "s1", key: KEY });

/** A message that this domain has signed. */
export async function signedBy(
  domain: string,
  text: string,
  { now = Date.now() }: { readonly now?: number } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const message = mail(text);
  return join(octets((await sign(content(message), [keyOf(domain)], { now }))!), message);
}

/** Its key, a line of the zone `example`. */
export async function keyRecord(domain: string): Promise<string> {
  return zoneRecord(recordName(domain, "s1"), await recordText(KEY));
}

/** A line of the log, as JSON has it. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

export interface InboundOptions extends Omit<ServerOptions, "config" | "ports"> {
  /** Lines of the list of plugins. */
  readonly plugins: string;
  /** More top-level lines. */
  readonly rest?: string;
  /** What the log has (default info). */
  readonly level?: "debug";
  /** Lines of the zone `example`, in which all names of a test are. */
  readonly zone?: string;
  /** Names of addresses: `{ "192.0.2.1": "mx.good.example." }`. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Where mail for others goes: a port of loopback. */
  readonly next?: number;
}

export interface Letter {
  /** The client's address. */
  readonly ip: string;
  readonly helo?: string;
  readonly from: string;
  readonly to: readonly string[] | string;
  readonly message: Uint8Array | string;
}

/** It is `home.example`. */
export class InboundSite implements AsyncDisposable {
  readonly #options: InboundOptions;
  readonly #ports = { smtp: freePort(), admin: freePort() };
  /** For strangers. */
  readonly port: number = freePort();
  #server: Server | null = null;

  private constructor(readonly folder: TempFolder, readonly names: NameServers | null, options: InboundOptions) {
    this.#options = options;
  }

  static async start(options: InboundOptions): Promise<InboundSite> {
    const { zone, hosts = {} } = options, folder = await TempFolder.make("postern-inbound-");
    const pointers = Object.entries(hosts).map(([ip, name]) => `${ip.split(".").reverse()[0]} PTR ${name}`);
    const names = zone === undefined ? null : await NameServers.start({
      "example": { records: zone },
      "2.0.192.in-addr.arpa": { records: pointers.join("\n") },
    });
    const site = new InboundSite(folder, names, options);
    try {
      await site.begin();
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts it, again after a crash. */
  async begin(): Promise<void> {
    const { plugins: _, rest: __, zone: ___, hosts: ____, next: _____, level: ______, ...options } = this.#options;
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = await Server.start({
      ...options,
      config: this.config,
      data: this.folder.at("data"),
      ports: this.#ports,
    });
  }

  get server(): Server {
    return this.#server!;
  }

  get config(): string {
    const { plugins, rest = "", level = "info", next = 1 } = this.#options;
    return `hostname: mx.home.example
domains: [home.example]
postmaster: postmaster@home.example
listeners:
  - { address: "127.0.0.1:2525" }
  - { address: "127.0.0.1:${this.port}", name: strangers, proxy: ["127.0.0.1"] }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
log: { format: json, level: ${level} }
${this.names === null ? "" : `dns: { servers: ["127.0.0.1:${this.names.port}"] }\n`}${rest}
nextHops: { next: { hosts: ["smtp://127.0.0.1:${next}"] } }
delivery: { retry: [1s], routes: [{ to: remote, via: next }] }
plugins:
${plugins}
`;
  }

  /** A client that is at `ip` and has said EHLO. */
  async client(ip: string, helo = "client.example"): Promise<SmtpClient> {
    const client = await SmtpClient.connect(this.port);
    try {
      await client.send(`PROXY TCP4 ${ip} 192.0.2.255 40000 25\r\n`);
      await client.expect(220);
      await client.command(`EHLO ${helo}`, 250);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** A port of loopback behind which this site takes whoever connects for a client at `ip`. */
  seenAs(ip: string): Disposable & { readonly port: number } {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const lead = async (client: Deno.TcpConn) => {
      const site = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
      const writer = site.writable.getWriter();
      await writer.write(octets(`PROXY TCP4 ${ip} 192.0.2.255 40000 25\r\n`));
      writer.releaseLock();
      await Promise.allSettled([client.readable.pipeTo(site.writable), site.readable.pipeTo(client.writable)]);
    };
    void (async () => {
      for await (const client of listener) void lead(client).catch(() => client.close());
    })();
    return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
  }

  /** What the last octet of it is answered. */
  async says({ ip, helo, from, to, message }: Letter): Promise<SmtpReply> {
    using client = await this.client(ip, helo);
    const content = typeof message === "string" ? mail(message) : message;
    return await client.deliver({ from, to: typeof to === "string" ? [to] : to, message: content });
  }

  /** Sends it; gives its id. */
  async take(letter: Letter): Promise<string> {
    const reply = await this.says(letter), id = queuedAs(reply);
    if (id === null) throw new Error(`it was not taken: ${reply.raw}`);
    return id;
  }

  /** A message of an inbox, as Latin-1, once it is there. */
  async inbox(part: string): Promise<string> {
    return await waitFor(`a message with ${part}`, async () => {
      for (const { id } of await this.server.api.messages()) {
        const text = latin1(await this.server.api.raw(id) ?? new Uint8Array());
        if (text.includes(part)) return text;
      }
      return null;
    }, { deadline: 20_000 });
  }

  /** What the log has of these events. */
  log(event: string): readonly LogLine[] {
    return this.server.output.split("\n").slice(0, -1).filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as LogLine).filter((line) => line.event === event);
  }

  /** A line of it, once it is there. */
  async logged(event: string, fits: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    return await waitFor(`a line ${event}`, () => this.log(event).find(fits), { deadline: 20_000 });
  }

  /** `postern ARGS` with this configuration, beside the running server. */
  async run(...args: string[]): Promise<CliResult> {
    return await this.read(...args, "--config", await this.folder.file("postern.yaml", this.config));
  }

  /** `postern ARGS` of a command that asks no configuration. */
  async read(...args: string[]): Promise<CliResult> {
    return await postern(args, {
      env: {
        ...this.#options.env,
        POSTERN_DATA: this.folder.at("data"),
        POSTERN_ADMIN: `127.0.0.1:${this.#ports.admin}`,
        POSTERN_ADMIN_TOKEN: this.server.api.token,
      },
      deadline: 60_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    await this.names?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** The fields of that name in a message, unfolded, from the top. */
export function fieldsOf(message: string, name: string): readonly string[] {
  const header = message.replaceAll("\r\n", "\n").split("\n\n")[0]!.replaceAll(/\n[ \t]+/g, " ");
  return header.split("\n").filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim());
}
