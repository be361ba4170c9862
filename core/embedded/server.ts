/**
 * A whole server inside another program: what it asked for made into a configuration, its inbox made readable. It takes
 * nothing of the process: no environment, no signals, no output. Non-job: the server itself (core/server.ts).
 */
import { loadConfig } from "../config/load.ts";
import { parseEndpoint } from "../config/values.ts";
import type { Event } from "../observe/events.ts";
import { Server } from "../server.ts";
import { Asked } from "./asked.ts";
import type { EmbeddedOptions, EmbeddedServer, MessageFilter, ReceivedMessage, WaitOptions } from "./embedded.ts";
import { Mailbox } from "./mailbox.ts";

/** As `createServer`, whose other half this is. */
export async function openServer(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { base, observe, dns, now } = options, asked = new Asked(options);
  const config = await asked.loaded(() =>
    loadConfig({
      value: asked.value,
      devInbox: asked.devInbox,
      env: {},
      ...base !== undefined && { cwd: base },
      trouble: (where, message) => observe?.({ type: "trouble", where, message }),
    })
  );
  const server = await Server.open(config, {
    ...observe !== undefined && { observers: [observe] },
    ...dns !== undefined && { resolver: dns },
    ...now !== undefined && { now },
  });
  return new Embedded(server);
}

class Embedded implements EmbeddedServer {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  readonly #mailbox: Mailbox;

  constructor(server: Server) {
    this.#server = server;
    this.#mailbox = new Mailbox(server.store);
    server.subscribe(this.#mailbox.observe);
    const first = parseEndpoint(server.addresses[0]!.address);
    [this.host, this.port] = first === null || "path" in first ? ["", 0] : [first.host, first.port];
  }

  get addresses(): EmbeddedServer["addresses"] {
    return this.#server.addresses;
  }
  get url(): string | null {
    return this.#server.admin;
  }
  nextMessage(options?: WaitOptions): Promise<ReceivedMessage> {
    return this.#mailbox.next(options);
  }
  messages(filter?: MessageFilter): Promise<readonly ReceivedMessage[]> {
    return this.#mailbox.messages(filter);
  }
  clear(): Promise<void> {
    return this.#mailbox.clear();
  }
  observe(observer: (event: Event) => void): () => void {
    return this.#server.subscribe(observer);
  }
  async stop(): Promise<void> {
    this.#mailbox.close();
    await this.#server.stop();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
