/**
 * Many SMTP sessions at once that send messages until the server is gone, and know at each moment how many of them are
 * inside DATA or waiting for the 250. What got a 250 is in `accepted`, under its name.
 */
import { dotStuffed, join, octets } from "../support/bytes.ts";
import type { Random } from "../support/random.ts";
import { ConnectionClosed, queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { messageOf, nameOf, SIZES } from "./messages.ts";

export class Sessions {
  /** Name of each message that got a 250 -> the id that the 250 named. */
  readonly accepted = new Map<string, string>();
  /** Names of all messages of which at least one octet was sent. */
  readonly begun = new Set<string>();
  /** Replies to a final dot that were no 250. */
  readonly refused: string[] = [];
  #inData = 0;
  #waiting = 0;
  #index = 0;
  #over = false;
  readonly #all: Promise<void>[];

  constructor(
    readonly port: number,
    readonly options: {
      readonly count: number;
      readonly random: Random;
      /** Recipients of each message, `%d` becomes the session's number; or those of the message of that name. */
      readonly to: readonly string[] | ((name: string) => readonly string[]);
      readonly sizes?: readonly number[];
      /** Messages, of all sessions together; without it until the end. */
      readonly most?: number;
      /** Index of the first (default 0). */
      readonly first?: number;
    },
  ) {
    this.#index = options.first ?? 0;
    this.#all = Array.from({ length: options.count }, (_, number) => this.#session(number));
  }

  /** Sessions between 354 and the last octet, and between that and the 250. */
  get inside(): { readonly data: number; readonly waiting: number } {
    return { data: this.#inData, waiting: this.#waiting };
  }

  /** No new messages; resolves when every session has ended, by itself or with the server. */
  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#all);
  }

  async #session(number: number): Promise<void> {
    const { random, to, sizes = SIZES, most = Infinity } = this.options;
    try {
      using client = await SmtpClient.ready(this.port);
      while (!this.#over && this.#index < most) {
        const name = nameOf(random.seed, this.#index++, random.pick(sizes));
        const message = dotStuffed(messageOf(name));
        const addresses = typeof to === "function" ? to(name) : to.map((each) => each.replace("%d", String(number)));
        const recipients = addresses.map((address) => `RCPT TO:<${address}>\r\n`);
        await client.send(`MAIL FROM:<crash@client.example>\r\n${recipients.join("")}DATA\r\n`);
        await client.expect(250);
        for (const _ of recipients) await client.expect(250);
        await client.expect(354);
        const queued = await this.#body(client, name, join(message, octets(".\r\n")));
        if (queued) this.accepted.set(name, queued);
      }
      await client.quit();
    } catch (error) {
      // The server was killed: at whatever point of the dialogue this session was.
      if (!(error instanceof ConnectionClosed || isNetworkError(error))) throw error;
    }
  }

  async #body(client: SmtpClient, name: string, wire: Uint8Array): Promise<string | null> {
    this.#inData++;
    try {
      this.begun.add(name);
      const { random } = this.options, half = random.below(wire.length);
      await client.send(wire.subarray(0, half));
      // Some messages stay half there for a moment, most go on at once.
      if (random.below(3) === 0) await new Promise((wake) => setTimeout(wake, random.below(20)));
      await client.send(wire.subarray(half));
    } finally {
      this.#inData--;
    }
    this.#waiting++;
    try {
      const reply = await client.reply();
      const id = queuedAs(reply);
      if (reply.code === 250 && id === null) throw new Error(`a 250 without "queued as ID": ${reply.raw}`);
      if (id === null) this.refused.push(`${name}: ${reply.raw.trim()}`);
      return id;
    } finally {
      this.#waiting--;
    }
  }
}

function isNetworkError(error: unknown): boolean {
  const { ConnectionReset, ConnectionRefused, ConnectionAborted, BrokenPipe, NotConnected } = Deno.errors;
  return [ConnectionReset, ConnectionRefused, ConnectionAborted, BrokenPipe, NotConnected]
    .some((type) => error instanceof type);
}
